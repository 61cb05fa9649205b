"""The loop that tells people what is wrong beside deadlines, and what is not any more; and the daily summary.

What is wrong is what the overview says (`gateway.web.health.findings`); who is told when is `spool.domain.troubles`.
Nothing that fails here ends the loop: the next look tells it.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from gateway.alarms import letters
from gateway.alarms.settings import Alerts
from gateway.web.finding import Finding, Level
from gateway.web.health import Snapshot, findings
from gateway.web.snapshot import Looker
from spool.access import Spool
from spool.clock import Clock
from spool.domain.built import too_early
from spool.domain.calendar import WARSAW, is_working_day
from spool.domain.letters import SUMMARY
from spool.domain.troubles import Seen, plan
from spool.law import Rules

_LONGEST_SPAN = timedelta(days=7)
_FIRST_SPAN = timedelta(days=1)

_log = structlog.get_logger("gateway.alarms")


class Troubles:
    """One per process; `told` is set when there is a letter to send."""

    def __init__(
        self, spool: Spool, rules: Rules, alerts: Alerts, clock: Clock, told: asyncio.Event, patience_s: float,
        supplied: Path | None = None,
    ) -> None:  # fmt: skip
        """`supplied` is the town hall's own TLS certificate of the drop-point."""
        self._spool = spool
        self._town = rules.municipality
        self._changes = rules.law.changes
        self._alerts = alerts
        self._clock = clock
        self._told = told
        self._patience_s = patience_s
        self._looker = Looker(spool, rules, clock, alerts.refused_days, supplied)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:  # a full disk, a locked spool: the next look tells it
                _log.warning("troubles_not_looked", cause=type(error).__name__, detail=str(error)[:200])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._patience_s)

    async def look(self) -> list[int]:
        """One look; returns the letters that were committed."""
        snapshot = await self._looker.look()
        if too_early(snapshot.at):
            return []  # the page says it; by this clock nothing has lasted
        found = findings(snapshot)
        kept = [await self._tell(found, snapshot.at), await self._sum_up(snapshot, found)]
        made = [letter for letter in kept if letter is not None]
        if made:
            self._told.set()
        return made

    async def _tell(self, found: list[Finding], now: datetime) -> int | None:
        known = await self._spool.read(lambda store: store.open_troubles())
        seen = [Seen(f.code, f.sentence, f.level is Level.ALARM, f.grade) for f in found]
        planned = plan(known, seen, now, self._alerts.quiet)
        if planned.empty:
            return None
        letter = letters.of_troubles(planned, self._town, self._alerts.ways, now)
        told = await self._spool.write(lambda store: store.carry_out(planned, letter, now))
        if told is not None:
            _log.warning("troubles_told", letter=told, told=len(planned.tell), over=len(planned.relieved))
        return told

    async def _sum_up(self, snapshot: Snapshot, found: list[Finding]) -> int | None:
        """The summary of today, once its hour has come: of everything since the last one."""
        now, wanted = snapshot.at, self._alerts.summary
        here = now.astimezone(WARSAW)
        if not wanted.recipients or here.time() < wanted.hour:
            return None
        if wanted.working_days and not is_working_day(here.date(), self._changes):
            return None
        key = letters.day_key(now)
        done, last = await self._spool.read(lambda store: (store.has_letter(key), store.last_letter(SUMMARY)))
        if done:
            return None
        since = max(last or now - _FIRST_SPAN, now - _LONGEST_SPAN)
        day = await self._spool.read(lambda store: store.day(min(since, now), now))
        letter = letters.of_day(day, snapshot, found, self._town, wanted.recipients)
        return await self._spool.write(lambda store: store.add_letter(letter, now))
