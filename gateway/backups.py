"""The backup of every day: when its hour has passed, in a process of its own that gives way to everything.

The last good one, and why there was none, is a condition of the spool: a restart neither forgets a backup nor makes
the same twice.
"""

import asyncio

import structlog

from gateway.chores import repeat
from spool.access import Spool
from spool.backup import make, record
from spool.backup.make import Plan
from spool.backup.settings import Backup
from spool.clock import Clock
from spool.domain.backups import due
from spool.domain.built import too_early
from spool.domain.errors import Failed
from spool.settings import Settings
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

_LOOK_EVERY_S = 30.0
_LONGEST_S = 12 * 3600.0
_MEMORY_MB = 768

_log = structlog.get_logger("gateway.backups")


def warm() -> None:
    """Have the making of backups imported, so that the fork server has it."""
    assert make.WORK


def backup_workers() -> Workers:
    """One process at the lowest priority, started by the first backup."""
    return Workers(processes=1, memory_mb=_MEMORY_MB, seconds=_LONGEST_S, warm_up=warm, niceness=19)


class Backups:
    """Makes the backup of the day. One per process."""

    def __init__(self, spool: Spool, workers: Workers, backup: Backup, shared: Settings, clock: Clock) -> None:
        self._spool = spool
        self._workers = workers
        self._backup = backup
        self._shared = shared
        self._clock = clock

    async def run(self, stop: asyncio.Event, every_s: float = _LOOK_EVERY_S) -> None:
        """Until `stop`, which may come in the middle of a backup: it is given up then, and nothing of it stays."""
        await repeat("backup_waits", self.step, stop, every_s)

    async def step(self) -> None:
        """Make the backup if it is due."""
        now = self._clock()
        plan = make.planned(self._backup, self._shared.paths.state, self._shared.source.resolve(), now)
        if plan is None:
            await self._spool.write(lambda store: record.ended(store, now))
            return
        said = await self._spool.read(lambda store: record.now_standing(store, now))
        if too_early(now) or not due(now, self._backup.hour, said):
            return
        await self._spool.write(lambda store: record.begun(store, now))
        await self._make(plan)

    async def _make(self, plan: Plan) -> None:
        found = await self._attempt(plan)
        now = self._clock()
        if isinstance(found, Failed):
            _log.error("backup_failed", code=found.code, cause=found.reason)
            await self._spool.write(lambda store: record.failed(store, now, found.reason, found.hint))
        else:
            said = {"size": found.manifest.size, "removed": len(found.removed), "unreadable": list(found.unreadable)}
            _log.info("backup_made", file=found.path.name, **said)
            await self._spool.write(lambda store: record.good(store, now, found))

    async def _attempt(self, plan: Plan) -> make.Made | Failed:
        try:
            return await self._workers.run(make.attempt, plan)
        except WorkerTimeout as error:
            return Failed(error.code, "Kopia zapasowa trwała zbyt długo.", "Proszę sprawdzić dysk z kopiami.")
        except WorkerCrashed as error:
            return Failed(error.code, "Proces kopii zapasowej został przerwany.", "Proszę sprawdzić pamięć serwera.")
