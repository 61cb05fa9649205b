"""Keeps `rejestry/` of every unit, and of the centre, as the spool says: the loop around one register after the other.

The spool itself marks which registers changed (triggers of step m0021), in the commit of the change, so that no writer
can forget it. A mark is taken away only after both files are written; what changed meanwhile stays marked. A register
whose content is the same is not touched.
"""

import asyncio
import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from gateway.folders import layout
from gateway.folders.alerts import Alerts
from gateway.registers import tables
from gateway.registers.gather import Sources, rows
from spool import files
from spool.clock import Clock
from spool.domain.calendar import warsaw_date
from spool.domain.errors import SluzaError
from spool.domain.ledger import FOLDER, KSEF_LETS_GO
from spool.domain.registers import LAYOUTS, MONTHLY, Layout
from spool.domain.retention import letting_go
from spool.store import Store
from spool.store.registers import WHOLE, Stale

CONFIGURED = "registers_configured"
"""The condition, of no context, that says with which configuration the registers were written."""
_FORMAT = 1
"""Of the files. When a later program writes them otherwise, it raises this, and all are written again."""
_POLL_S = 1.0
_LONGEST_WRITING_S = 1800.0
_ANSWERS_WITHIN_S = 30.0
_THREADS = 8

_log = structlog.get_logger("gateway.registers")


@dataclass(frozen=True)
class Pace:
    """Seconds: how long nothing may have changed before a register is written, how long it waits at most when
    something always changes, how long after a failure; and how many times as long as its writing took it then rests."""

    quiet_s: float = 5.0
    longest_s: float = 60.0
    failed_s: float = 60.0
    rest: float = 4.0


@dataclass
class _Waiting:
    """A marked register: its changes as seen last, and since when (monotonic)."""

    changes: int
    first: float
    last: float


@dataclass
class _Diary:
    """What was seen of each register, and before when it is not to be touched."""

    waiting: dict[tuple[str, str, str], _Waiting] = field(default_factory=dict)
    not_before: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def due(self, stale: list[Stale], pace: Pace, now: float) -> list[Stale]:
        """Those that have come to rest, or have waited long enough."""
        known = {mark[:3] for mark in stale}
        self.waiting = {key: seen for key, seen in self.waiting.items() if key in known}
        self.not_before = {key: at for key, at in self.not_before.items() if at > now}
        found = []
        for mark in stale:
            seen = self.waiting.setdefault(mark[:3], _Waiting(mark.changes, now, now))
            if seen.changes != mark.changes:
                seen.changes, seen.last = mark.changes, now
            rested = now - seen.last >= pace.quiet_s or now - seen.first >= pace.longest_s
            if rested and mark[:3] not in self.not_before:
                found.append(mark)
        return found


class Keeper:
    """Writes the monthly registers. One per process."""

    def __init__(self, sources: Sources, root: Path, state: Path, clock: Clock, pace: Pace = Pace()) -> None:
        """`root` is that of the units' folders; what is not finished lies below `state`."""
        self._from = sources
        self._root = root
        self._tmp = state / "registers"
        self._clock = clock
        self._pace = pace
        self._diary = _Diary()
        self._alerts: dict[str, Alerts] = {}
        self._looked: date | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "registers")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, which may come in the middle of a long register. What fails is tried again and ends nobody."""
        shutil.rmtree(self._tmp, ignore_errors=True)  # what a killed process left there
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self._step_unless(stopped)
                await asyncio.wait([stopped], timeout=_POLL_S)
        finally:
            stopped.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _step_unless(self, stopped: asyncio.Future[Any]) -> None:
        """One step, given up when `stopped` comes first: its marks stay."""
        step = asyncio.ensure_future(self.step())
        await asyncio.wait([step, stopped], return_when=asyncio.FIRST_COMPLETED)
        step.cancel()
        try:
            await step
        except asyncio.CancelledError:
            return
        except (OSError, SluzaError) as error:
            _log.warning("registers_wait", cause=str(error))
        except Exception:
            _log.exception("registers_wait")

    async def step(self) -> None:
        """One look at what changed, and the writing of what has come to rest."""
        await self._once_a_day()
        stale, lost = await self._from.spool.read(lambda store: (store.stale_registers(), _lost(store)))
        for mark in self._diary.due(stale, self._pace, monotonic()):
            if _owner(mark) not in lost:
                await self._keep(mark)

    async def _once_a_day(self) -> None:
        """At the start, and on each new day in Warsaw: does the configuration still say what the registers show?"""
        now = self._clock()
        today = warsaw_date(now)
        if self._looked == today:
            return
        configured = _fingerprint(self._from)

        def work(store: Store) -> None:
            # Announcements decide which receipt dates are asked for, of purchases that nothing else changes.
            told = {"as": configured, "outages": store.outage_revision()}
            before = store.condition("", CONFIGURED)
            if before is None or before.value != told:
                store.mark_all_registers()
                store.set_condition("", CONFIGURED, told, now)
            _warn(store, today, now)

        await self._from.spool.write(work)
        self._looked = today

    async def _keep(self, mark: Stale) -> None:
        """Write one register and take its mark away; after a failure it rests, and the others go on."""
        begun = monotonic()
        alerts = self._alerts.setdefault(mark.unit, Alerts(mark.unit))
        try:
            if mark.unit == WHOLE or mark.unit in self._from.municipality.units:
                await self._write(mark)
            await self._from.spool.write(lambda store: store.register_written(mark))
        except (OSError, SluzaError) as error:
            sentence = "Nie można zapisać rejestru; spróbujemy ponownie."
            alerts.once(("register", *mark[:3]), "register_not_written", sentence, month=mark.month, error=error)
            self._diary.not_before[mark[:3]] = monotonic() + self._pace.failed_s
        else:
            alerts.over(("register", *mark[:3]))
            self._diary.waiting.pop(mark[:3], None)
            took = monotonic() - begun
            self._diary.not_before[mark[:3]] = monotonic() + took * self._pace.rest

    async def _write(self, mark: Stale) -> None:
        shown = MONTHLY[mark.kind]
        owner = _owner(mark)
        await self._io(partial(layout.require, self._root, owner))  # before the work
        with self._directory() as directory:
            lines = directory / "lines"
            count = await self._gather(mark, lines)
            about = tables.About(
                _title(mark, self._from), self._from.municipality.name, date.fromisoformat(f"{mark.month}-01")
            )
            made = {ending: directory / f"register.{ending}" for ending in (tables.CSV, tables.XLSX)}
            await self._from.workers.run(
                tables.write_both, lines, shown.file, about, made[tables.CSV], made[tables.XLSX],
                seconds=_LONGEST_WRITING_S,
            )  # fmt: skip
            await self._io(partial(_hand_out, self._root, owner, file_stem(shown, mark.month), made, count))

    async def _io(self, work: Callable[[], object]) -> None:
        """In a thread; a share that hangs costs its own register this while. Raises TimeoutError, or OSError."""
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._threads, work), _ANSWERS_WITHIN_S)

    async def _gather(self, mark: Stale, lines: Path) -> int:
        count = 0
        with lines.open("w", encoding="utf-8", newline="\n") as handle:
            async for row in rows(self._from, mark.kind, mark.unit, mark.month):
                handle.write(tables.as_line(row))
                count += 1
        return count

    @contextlib.contextmanager
    def _directory(self) -> Iterator[Path]:
        """A directory for one register, and never for another: a thread that hung may wake much later, and then finds
        nothing there, not the register of another unit."""
        self._tmp.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._tmp) as directory:
            yield Path(directory)


def file_stem(shown: Layout, month: str) -> str:
    """`wystawione-2026-11`."""
    return f"{shown.file}-{month}"


def title(shown: Layout, owner: str, month: str) -> str:
    """What the workbook is called."""
    return f"{shown.sheet} {month}, {owner}"


def _owner(mark: Stale) -> str:
    """The folder that a register belongs into."""
    return layout.CENTRAL if mark.unit == WHOLE else mark.unit


def _lost(store: Store) -> set[str]:
    """Folders that are not there now (`gateway.folders.presence`): nobody waits for them again and again."""
    return {c.name.removeprefix(FOLDER) for c in store.conditions("") if c.name.startswith(FOLDER)}


def _title(mark: Stale, sources: Sources) -> str:
    municipality = sources.municipality
    owner = municipality.name if mark.unit == WHOLE else municipality.units[mark.unit].name
    return title(MONTHLY[mark.kind], owner, mark.month)


def _hand_out(root: Path, owner: str, stem: str, made: dict[str, Path], count: int) -> None:
    """Put the finished files into the folder, each whole, and only where its content is another one.

    A register without rows is not begun; one that lost its last row, to another unit perhaps, is written without it.
    """
    directory = layout.ensure_directory(layout.require(root, owner) / layout.REGISTERS)
    files.sweep(directory)
    for ending, source in made.items():
        path = directory / f"{stem}.{ending}"
        if count or path.exists():
            _copy_if_other(source, path)


def _copy_if_other(source: Path, path: Path) -> None:
    if _digest(path) != _digest(source):
        files.copy(source, path)
        _log.info("register_written", file=path.name, unit=path.parent.parent.name)


def _digest(path: Path) -> str:
    """Of a file's content; empty where there is none that can be read."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


def _fingerprint(sources: Sources) -> str:
    """Of everything beside the spool that the registers show."""
    town, classes = sources.municipality, sources.classes
    shown = {
        "format": _FORMAT,
        "columns": {name: [vars(column) for column in found.columns] for name, found in LAYOUTS.items()},
        "names": [town.name, *sorted((unit.id, unit.name) for unit in town.units.values())],
        "classes": [dict(classes.years), classes.default, dict(classes.units)],
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _warn(store: Store, today: date, now: datetime) -> None:
    """Say from October on which invoices KSeF stops keeping at the end of the year."""
    year = letting_go(today)
    issued, bought = store.issued_in_year(year) if year else (0, 0)
    told = {"year": year, "issued": issued, "received": bought} if issued or bought else None
    before = store.condition("", KSEF_LETS_GO)
    if (before.value if before else None) != told:
        store.set_condition("", KSEF_LETS_GO, told, now)
