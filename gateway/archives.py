"""The nightly look at the yearly archives: old bodies leave the spool, damage is found (decision 0041)."""

import asyncio

import structlog

from gateway.chores import repeat
from spool.access import Spool
from spool.clock import Clock
from spool.domain.built import too_early
from spool.domain.errors import Failed
from spool.domain.volumes import due
from spool.volumes import record, run
from spool.volumes.settings import Archive
from spool.workers import Workers

_LOOK_EVERY_S = 60.0

_log = structlog.get_logger("gateway.archives")


class Archives:
    """Looks after the archives. One per process; `workers` are those of the backups: one waits for the other."""

    def __init__(self, spool: Spool, workers: Workers, archive: Archive, clock: Clock) -> None:
        self._spool = spool
        self._workers = workers
        self._archive = archive
        self._clock = clock

    async def run(self, stop: asyncio.Event, every_s: float = _LOOK_EVERY_S) -> None:
        """Until `stop`, which may come in the middle: the next start goes on from there."""
        await repeat("archive_waits", self.step, stop, every_s)

    async def step(self) -> None:
        """Look if it is time."""
        now = self._clock()
        said = await self._spool.read(record.now_standing)
        if too_early(now) or not due(now, self._archive.hour, said):
            return
        plan = await run.planned(self._spool, self._spool.path.parent, self._archive.months, now)
        done = await run.run(self._spool, self._workers, plan, "gateway", _quiet)
        if isinstance(done, Failed):
            _log.error("archive_failed", code=done.code, cause=done.reason)
        elif done.volumes or done.damaged:
            names = [v.name for v in done.volumes]
            _log.info("archive_looked_at", volumes=names, moved=done.moved, damaged=sorted(done.damaged))


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""
