"""The deadline clock at the unit's own computer (faults D14): what waits is listed, and warned of, line or no line.

`STAN.txt` always, `ALARM.txt` as long as a step of the ladder has come for a file that the gateway does not have.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from gateway.folders import layout, settling
from gateway.folders.drops import Drop, OddEntryError
from gateway.folders.filing import read
from gateway.remote import board
from gateway.remote.fetching import either
from gateway.remote.gate import Gate
from gateway.remote.memory import Memory
from gateway.remote.urgency import HEAD, Unsent, alarms, unsent
from spool import files
from spool.clock import Clock
from spool.domain.ladder import Step
from spool.domain.municipality import Unit

_LEDGER = "alarms"
_REMEMBERED = timedelta(days=60)
_RENEWED_EVERY = timedelta(minutes=15)
_log = structlog.get_logger("gateway.remote")


class Watch:
    """Looks at the folders of one unit. One per process."""

    def __init__(
        self, root: Path, unit: Unit, gate: Gate, memory: Memory, clock: Clock, threads: Executor, every_s: float = 5.0
    ) -> None:
        self._root, self._unit, self._gate, self._memory = root, unit, gate, memory
        self._clock, self._threads, self._every_s = clock, threads, every_s
        self._heads: dict[tuple[str, str, int, int], bytes] = {}
        self._written: list[str] = []
        self._written_at: datetime | None = None
        self.warnings: list[str] = []
        self.unwritable: Callable[[], str] = str

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            self._gate.changed.clear()
            try:
                await loop.run_in_executor(self._threads, self.look)
            except OSError as error:  # not mounted, full: the next look tells it
                _log.warning("status_not_written", error=str(error))
            await either(self._gate.changed.wait(), stop, self._every_s)

    def look(self) -> None:
        """One look, and what it changes in the two files. Raises OSError."""
        now, folder = self._clock(), layout.require(self._root, self._unit.id)
        waiting = self.waiting(now)
        view = board.View(
            self._unit.id, _line(self._gate), waiting, _pending(folder), list(self.warnings), self.unwritable()
        )
        self._status(folder / board.STATUS, view, now)
        self._alarm(folder / board.ALARM, view, now)

    def waiting(self, now: datetime) -> list[Unsent]:
        """The files that the gateway does not have, the most urgent first."""
        outbox = layout.unit_folder(self._root, self._unit.id) / layout.OUTBOX
        found = []
        for path in (outbox, outbox / layout.OFFLINE24):
            drop = Drop.open(path)
            try:
                found += [self._of(drop, name, now) for name in drop.names() if _invoice(name)]
            finally:
                drop.close()
        return sorted((one for one in found if one is not None), key=lambda one: (one.due, one.since, one.name))

    def order(self, drop: Drop, names: list[str]) -> list[str]:
        """The names in the order of their deadlines; what cannot be told comes last."""
        now = self._clock()
        known = {name: self._of(drop, name, now) for name in names}
        last = datetime.max.replace(tzinfo=UTC)
        dated = [(one.due, one.since, name) if (one := known[name]) else (last, last, name) for name in names]
        return [name for _, _, name in sorted(dated)]

    def _of(self, drop: Drop, name: str, now: datetime) -> Unsent | None:
        """The deadline of one file; its beginning is read once."""
        try:
            file = drop.open_file(name)
        except (OSError, OddEntryError):
            return None
        try:
            key = (drop.path.name, name, file.size, file.stat.st_mtime_ns)
            if key not in self._heads:
                if len(self._heads) > 20_000:
                    self._heads.clear()
                self._heads[key] = file.head()[:HEAD]
            since = min(datetime.fromtimestamp(file.stat.st_mtime, UTC), now)
        except OSError:
            return None
        finally:
            file.close()
        return unsent(name, self._heads[key], since, now, offline24=drop.path.name == layout.OFFLINE24)

    def _status(self, path: Path, view: board.View, now: datetime) -> None:
        """Written when something changed, and now and then for its time."""
        lines = board.status(view)
        old = self._written_at is None or abs(now - self._written_at) >= _RENEWED_EVERY
        if lines != self._written or old:
            heading = f"ŚLUZA – STAN FOLDERU: {self._unit.name} ({self._unit.id})"
            files.write(path, board.page(heading, lines, now))
            self._written, self._written_at = lines, now

    def _alarm(self, path: Path, view: board.View, now: datetime) -> None:
        """Each step is told once in the log, also over a restart; the file says the gravest of each due moment."""
        told = self._told(now)
        if new := alarms(view.unsent, told, now):
            for call in new:
                told.setdefault(call.due.isoformat(), []).append(call.step.value)
                _log.warning("deadline", step=call.step.value, due=call.due.isoformat(), unit=self._unit.id)
            self._memory.keep(_LEDGER, told)
        open_dues = {one.due for one in view.unsent}
        steps = [(_gravest(told[due.isoformat()]), due) for due in sorted(open_dues) if due.isoformat() in told]
        if lines := board.alarm(view, steps):
            content = board.page(f"ŚLUZA – {self._unit.name} ({self._unit.id})", lines, now)
            if new or not path.exists():
                files.write(path, content)
        else:
            path.unlink(missing_ok=True)

    def _told(self, now: datetime) -> dict[str, list[str]]:
        kept = {}
        for due, steps in self._memory.recall(_LEDGER).items():
            if datetime.fromisoformat(due) > now - _REMEMBERED:
                kept[due] = [str(step) for step in steps]
        return kept


def _gravest(steps: list[str]) -> Step:
    return max((Step(step) for step in steps), key=tuple(Step).index)


def _line(gate: Gate) -> board.Line:
    return board.Line(gate.trouble.text if gate.trouble else "", gate.since, gate.last_contact)


def _pending(folder: Path) -> list[board.Pending]:
    """What `w-toku/` says, the nearest deadline first."""
    found = []
    for path in (folder / layout.PENDING).glob("*.json"):
        said = read(path)
        due = said.get("due_safe")
        found.append(
            board.Pending(path.stem, str(said.get("state") or ""), datetime.fromisoformat(due) if due else None)
        )
    return sorted(found, key=lambda one: (one.due is None, one.due or datetime.min.replace(tzinfo=UTC), one.name))


def _invoice(name: str) -> bool:
    return not settling.ignored(name) and name.casefold().endswith((".xml", ".zip"))
