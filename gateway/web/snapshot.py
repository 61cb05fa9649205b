"""Looking into the spool for the admin pages: one read, at most once a second, however many people look."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime

from gateway.web.health import SHOWN, Snapshot
from spool.access import Spool
from spool.clock import Clock
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
                self._kept = await self._spool.read(lambda store: take(store, self._contexts, self._clock()))
                self._kept_at = time.monotonic()
            return self._kept


def take(store: Store, contexts: Iterable[str], now: datetime) -> Snapshot:
    """What the spool says at this moment, for the page and for `sluza status`."""
    received = store.received_counts()
    return Snapshot(
        at=now,
        contexts=tuple(contexts),
        queue=store.by_due(SHOWN + 1),
        counts=store.counts(),
        conditions=store.conditions(),
        received_total=received["total"],
        unassigned=received["unassigned"],
        latest=store.latest_received(_LATEST),
    )
