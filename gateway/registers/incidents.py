"""What the program itself enters into the incident register: failures of KSeF, passed dates, repeated wrong tokens.

Each is entered once, by what it is about (`Entries.note_incidents`). Braked addresses wait in memory until the next
look, so that an attempt costs no write; a day has room for so many only, because an attacker chooses how many.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from gateway.http.throttle import Throttle
from spool.access import Spool
from spool.clock import Clock
from spool.domain.announcements import Category
from spool.domain.ledger import Outage
from spool.store import Store

_EVERY_S = 30.0
_OUTAGES = frozenset({Category.FAILURE, Category.TOTAL_FAILURE})

_log = structlog.get_logger("gateway.registers")


class Incidents:
    """Enters incidents. One per process; `throttles` are those of its listeners."""

    def __init__(self, spool: Spool, throttles: Sequence[Throttle], clock: Clock) -> None:
        self._spool = spool
        self._throttles = throttles
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What fails is tried again at the next look."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:  # a full disk, a spool that cannot be written now: nobody ends because of this
                _log.warning("incidents_not_entered", cause=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY_S)

    async def look(self) -> None:
        """Enter what happened since the last look."""
        now = self._clock()
        new = await self._spool.read(_worth_entering)
        # Only the address of what names a source: what was typed as a name may have been a password.
        braked = [source for throttle in self._throttles for source in throttle.braked]
        if not new and not braked:
            return

        def work(store: Store) -> None:
            store.note_incidents(_outages(store), now)
            store.note_wrong_tokens(dict.fromkeys(source.partition(" ")[0] for source in braked), now)

        await self._spool.write(work)
        for throttle in self._throttles:
            throttle.told(braked)


def _outages(store: Store) -> list[Outage]:
    return [o for o in store.outages() if o.acts and o.announcement.category in _OUTAGES]


def _worth_entering(store: Store) -> bool:
    """A look that costs no commit: is there anything that the register has not?"""
    return store.unentered_incidents(_outages(store))
