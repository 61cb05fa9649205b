"""Looking into the spool for the admin pages: one read, at most once a second, however many people look."""

import asyncio
import time
from collections.abc import Iterable

from gateway.web.health import SHOWN, Snapshot
from spool.access import Spool
from spool.clock import Clock
from spool.domain.ledger import Received
from spool.store import Store

_FRESH_S = 1.0
_LATEST = 6


class Looker:
    """Gives the latest snapshot. The drop-point reads through the same thread, so this one must stay rare and short."""

    def __init__(self, spool: Spool, contexts: Iterable[str], clock: Clock) -> None:
        self._spool = spool
        self._contexts = tuple(contexts)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: Snapshot | None = None
        self._kept_at = 0.0

    async def look(self) -> Snapshot:
        """A snapshot at most one second old. Raises what the spool raises."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept_at >= _FRESH_S:
                self._kept = await self._spool.read(self._take)
                self._kept_at = time.monotonic()
            return self._kept

    def _take(self, store: Store) -> Snapshot:
        received = store.received_counts()
        return Snapshot(
            at=self._clock(),
            contexts=self._contexts,
            queue=store.by_due(SHOWN + 1),
            counts=store.counts(),
            conditions=store.conditions(),
            received_total=received["total"],
            unassigned=received["unassigned"],
            latest=_latest(store, received["total"]),
        )


def _latest(store: Store, total: int) -> list[Received]:
    """The newest first. Received invoices are never deleted, so their cursors run from 1 to the total."""
    return store.received_page(after=max(total - _LATEST, 0), limit=_LATEST)[::-1]
