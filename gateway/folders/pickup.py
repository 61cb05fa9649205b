"""One drop folder of one unit: what is done with each file in it, from the first look to the removal.

The order of safety: a file leaves the folder only after its bytes are durable in the spool, or lie in `odrzucone/`
with their note. Whatever goes wrong in between leaves it where it is, to be looked at again.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import ParamSpec, TypeVar

from gateway import sizes
from gateway.folders import layout
from gateway.folders.alerts import Alerts
from gateway.folders.door import Answer, Door, DoorClosedError
from gateway.folders.drops import ChangedError, Drop, DropFile, OddEntryError
from gateway.folders.placing import Shelf
from gateway.folders.refusals import Refusal, foreign, put_aside, tell_archive
from gateway.folders.settling import (
    Decision,
    Followed,
    Kind,
    Look,
    Patience,
    Writer,
    decide,
    follow,
    judged,
    kind_of,
    next_look,
)
from gateway.folders.turn import Turn
from spool.bodies import sha256_hex
from spool.clock import Clock
from spool.domain.catalogue import problem
from spool.domain.errors import PUT_AWAY, Problem
from spool.domain.municipality import Unit
from spool.domain.states import State

P = ParamSpec("P")
T = TypeVar("T")

_RETRY_S = (1.0, 5.0, 15.0, 60.0)
"""Back-off for a file that cannot be read, stored or removed."""


@dataclass(frozen=True)
class Desk:
    """What every pick-up needs, once per process. `threads` is for file work, so that the event loop never waits.

    `turn` None: there is one folder only, and nobody to take turns with.
    """

    door: Door
    root: Path
    patience: Patience
    clock: Clock
    threads: Executor
    shelf: Shelf
    turn: Turn | None = None

    async def scan(self, work: Callable[[], T]) -> T:
        """Look through a folder, in a thread."""
        return await (self.turn.take(work) if self.turn else self.io(work))

    async def io(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run file work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: work(*args, **kwargs))


@dataclass(frozen=True)
class _Stored:
    """A file whose bytes are settled but which could not be removed (faults D07)."""

    sha256: str
    size: int
    ctime_ns: int
    tries: int


class Pickup:
    """The memory of one drop folder: files being followed, files that could not be removed, alerts given."""

    def __init__(self, desk: Desk, unit: Unit, *, offline24: bool) -> None:
        self._desk = desk
        self._unit = unit
        self._offline24 = offline24
        self._alerts = Alerts(unit.id)
        self._followed: dict[str, Followed] = {}
        self._next: dict[str, float] = {}
        self._present: list[str] = []
        self._failures: dict[str, int] = {}
        self._stored: dict[tuple[int, int], _Stored] = {}
        self.odd: dict[str, str] = {}
        """What lies here and is no file: label → what it is, in Polish (faults X09)."""

    def due(self, names: list[str], hurried: set[str]) -> list[str]:
        """The names whose time for a look has come; what is gone from the folder is forgotten.

        The same list as the time before says that nothing has gone.
        """
        if names is not self._present:
            for name in self._next.keys() - set(names):
                self._forget(name)
            self._present = names
        now = monotonic()
        return [name for name in names if name in hurried or self._next.get(name, now) <= now]

    def soonest(self) -> float | None:
        """Seconds until the next look at any file being followed."""
        return max(0.0, min(self._next.values()) - monotonic()) if self._next else None

    def hurry(self) -> None:
        """Everything that is waited for is due now: the door has opened again."""
        self._next = dict.fromkeys(self._next, monotonic())

    def postpone(self, names: Iterable[str], after_s: float) -> None:
        """These are not looked at before then."""
        self._next |= dict.fromkeys(names, monotonic() + after_s)

    async def step(self, drop: Drop, name: str) -> float | None:
        """One look at one file, and everything that follows from it. Raises nothing but cancellation.

        Returns the seconds after which another try makes sense, when the door was found closed.
        """
        try:
            file = await self._desk.io(drop.open_file, name)
        except FileNotFoundError:
            self._forget(name)
            return None
        except OddEntryError as odd:
            self._odd(name, str(odd))
            return None
        except OSError as error:
            self._failed(name, error)
            return None
        self.odd.pop(_label(name), None)
        try:
            delay = await self._handle(drop, file)
        except ChangedError:
            delay = 0.05
        except DoorClosedError as closed:
            self._later(name, closed.after_s)
            return closed.after_s
        except Exception as error:
            self._failed(name, error)
        else:
            self._failures.pop(name, None)
            self._later(name, delay)
        finally:
            file.close()
        return None

    def _odd(self, name: str, what: str) -> None:
        """Left in place, never opened; one alert, then an occasional look whether it is still there (faults X09)."""
        self.odd[_label(name)] = what
        self._alerts.once(
            ("odd", name), "drop_entry_left", f"W folderze do wysłania leży {what}; nie zostanie ruszone.", name=name
        )
        self._later(name, _RETRY_S[-1])

    def _failed(self, name: str, error: Exception) -> None:
        """Back off for this file only (faults F04, F07)."""
        tries = self._failures[name] = self._failures.get(name, 0) + 1
        self._alerts.once(
            ("failed", name, type(error).__name__),
            "drop_file_postponed",
            "Pliku nie udało się przyjąć; zostaje w folderze i spróbujemy ponownie.",
            name=name,
            error=error,
        )
        self._later(name, _RETRY_S[min(tries, len(_RETRY_S)) - 1])

    def _later(self, name: str, delay: float | None) -> None:
        if delay is None:
            self._forget(name)
        else:
            self._next[name] = monotonic() + delay

    def _forget(self, name: str) -> None:
        for memory in (self._followed, self._next, self._failures):
            memory.pop(name, None)
        self.odd.pop(_label(name), None)
        self._alerts.forget(name)

    async def _handle(self, drop: Drop, file: DropFile) -> float | None:
        """Seconds until the next look at this name, or None when the file is gone."""
        if (stored := self._stored.get(file.identity)) is not None:
            if (stored.size, stored.ctime_ns) == (file.size, file.stat.st_ctime_ns):
                return await self._remove(drop, file, stored.sha256)
            del self._stored[file.identity]
        kind = kind_of(file.name, file.size, sizes.MAX_XML, sizes.MAX_ZIP)
        look, raw = await self._desk.io(_look, file, kind)
        now = monotonic()
        followed = self._followed[file.name] = follow(self._followed.get(file.name), look, now)
        decision = decide(kind, followed, self._desk.patience, now)
        if decision is Decision.WAIT:
            return next_look(kind, followed, self._desk.patience, now)
        if decision in {Decision.TAKE, Decision.REFUSE_INCOMPLETE}:
            raw = raw if raw is not None else await self._desk.io(file.read)
            return await self._hand_in(drop, file, raw, may_wait=decision is Decision.TAKE)
        return await self._put_aside(drop, file, [_reason(decision, file)], None)

    async def _hand_in(self, drop: Drop, file: DropFile, raw: bytes, *, may_wait: bool) -> float | None:
        """Give the bytes to the front door and do with the file what the answers say."""
        door, label = self._desk.door, _label(file.name)
        answers = await door.accept(self._unit, raw, label, offline24=self._offline24, may_wait=may_wait)
        if any(a.kind == "incomplete" for a in answers):
            followed = self._followed[file.name] = judged(self._followed[file.name], complete=False)
            return next_look(Kind.INVOICE, followed, self._desk.patience, monotonic())
        unkept = [p for a in answers if a.kind == "refused" and not a.id for p in a.problems]
        if unkept:
            return await self._put_aside(drop, file, unkept, None)
        if sizes.is_zip(raw):
            await self._tell_archive(file, sha256_hex(raw), answers)
        elif (away := _put_away_before(answers)) is not None:
            return await self._put_aside(drop, file, list(away.problems), away)
        return await self._remove(drop, file, sha256_hex(raw))

    async def _tell_archive(self, file: DropFile, sha256: str, answers: Sequence[Answer]) -> None:
        """One note about all that was in a ZIP, unless all of it was taken. Written again after a crash, the same."""
        if any(a.kind == "refused" for a in answers):
            what = (self._unit, _label(file.name), sha256, answers, self._desk.clock())
            await self._desk.io(tell_archive, self._desk.root, self._desk.shelf, *what)

    async def _remove(self, drop: Drop, file: DropFile, sha256: str) -> float | None:
        """Take the stored file away; when that fails, remember it so that it is never handed in again (D07)."""
        try:
            gone = await self._desk.io(drop.remove, file, sha256)
        except OSError as error:
            found, before = file.now(), self._stored.get(file.identity)
            tries = before.tries + 1 if before else 1
            self._stored[file.identity] = _Stored(sha256, found.st_size, found.st_ctime_ns, tries)
            self._alerts.once(
                ("stuck", file.name, str(file.identity)),
                "drop_file_not_removed",
                "Plik jest przyjęty, ale nie można go usunąć z folderu do wysłania. Nie zostanie wysłany drugi raz.",
                name=file.name,
                error=error,
                sha256=sha256,
            )
            return _RETRY_S[min(tries, len(_RETRY_S)) - 1]
        self._stored.pop(file.identity, None)
        return None if gone else 0.05

    async def _put_aside(
        self, drop: Drop, file: DropFile, problems: list[Problem], known: Answer | None
    ) -> float | None:
        """Into `odrzucone/`, note first."""
        refusal = Refusal(
            self._unit,
            _label(file.name),
            tuple(problems),
            self._desk.clock(),
            known,
        )
        gone = await self._desk.io(put_aside, self._desk.root, self._desk.shelf, drop, file, refusal)
        return None if gone else 0.05


def outbox(root: Path, unit: str, folders: tuple[str, ...] = layout.OF_A_UNIT) -> Drop:
    """The unit's open drop folder. Raises FoldersUnavailableError when it is not mounted; makes it when missing."""
    return Drop.open(layout.ensure_missing(root, unit, folders) / layout.OUTBOX)


def _look(file: DropFile, kind: Kind) -> tuple[Look, bytes | None]:
    """The facts of one look; the bytes are read only where the lease cannot say that nobody writes."""
    writer = file.writer()
    raw = None
    if writer is Writer.UNKNOWN and kind is Kind.INVOICE and file.size:
        raw = file.read()
    found = file.stat
    return Look(found.st_ino, found.st_size, found.st_ctime_ns, writer, sha256_hex(raw) if raw else ""), raw


def _reason(decision: Decision, file: DropFile) -> Problem:
    if decision is Decision.REFUSE_EMPTY:
        return problem("empty_file")
    if decision is Decision.REFUSE_TOO_BIG:
        found = sizes.too_big(file.size, zipped=file.name.casefold().endswith(".zip"))
        assert found is not None, "the decision came from the same limits"
        return found
    return foreign(_label(file.name))


def _put_away_before(answers: Sequence[Answer]) -> Answer | None:
    """The answer about bytes that a person put away: their row does not change, so nothing else tells the unit."""
    away = (a for a in answers if a.kind == "refused" and a.id and a.state is not State.REFUSED)
    return next((a for a in away if [p.code for p in a.problems] == [PUT_AWAY]), None)


def _label(name: str) -> str:
    """The file name as text: UTF-8, else what an old Windows program meant by the bytes (faults X08)."""
    raw = os.fsencode(name)
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode()
    return raw.decode("cp1250", "replace")
