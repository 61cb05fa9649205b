"""Looking into the spool for the admin pages: one read, at most once a second, however many people look."""

import asyncio
import time
from collections.abc import Collection, Iterable
from datetime import datetime

from gateway.web.health import NUMBERED_LONG, SHOWN, UNANSWERED_LONG, Far, Lingering, Snapshot
from gateway.web.warned import MOST, UNSENT_SHOWN
from spool.access import Spool
from spool.clock import Clock
from spool.domain.municipality import Municipality
from spool.poison import TOO_OFTEN
from spool.series import explained
from spool.store import Store

_FRESH_S = 1.0
_LATEST = 6


class Looker:
    """Gives the latest snapshot. The drop-point reads through the same thread, so this one must stay rare and short."""

    def __init__(self, spool: Spool, municipality: Municipality, clock: Clock) -> None:
        self._spool = spool
        self._contexts = tuple(municipality.contexts)
        self._units = frozenset(municipality.units)
        self._remote = remote_units(municipality)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: Snapshot | None = None
        self._kept_at = 0.0

    async def look(self) -> Snapshot:
        """A snapshot at most one second old. Raises what the spool raises."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept_at >= _FRESH_S:
                now = self._clock()
                kept = await self._spool.read(lambda store: take(store, self._contexts, now, self._units, self._remote))
                self._kept_at = time.monotonic()
            return self._kept


def remote_units(municipality: Municipality) -> tuple[str, ...]:
    """Units whose folders lie on a computer of their own."""
    return tuple(unit.id for unit in municipality.units.values() if unit.remote)


def take(
    store: Store,
    contexts: Iterable[str],
    now: datetime,
    units: Collection[str] | None = None,
    remote: Collection[str] = (),
) -> Snapshot:
    """What the spool says at this moment, for the page and for `sluza status`.

    `units` are the configured ones; without them nothing is said about documents of other units. `remote` are those of
    them whose folders lie elsewhere.
    """
    received = store.received_counts()
    return Snapshot(
        at=now,
        contexts=tuple(contexts),
        queue=[explained(store, document) for document in store.by_due(SHOWN + 1)],
        counts=store.counts(),
        conditions=store.conditions(),
        received_total=received["total"],
        unassigned=received["unassigned"],
        latest=store.latest_received(_LATEST),
        lingering=_lingering(store, now, units, remote),
        outages=store.outages(),
        alarms=store.open_alarms(MOST),
        unsent=store.failing_mails(now - UNSENT_SHOWN, MOST),
    )


def _lingering(store: Store, now: datetime, units: Collection[str] | None, remote: Collection[str]) -> Lingering:
    without_upo, undelivered = store.numbered_long(now - NUMBERED_LONG, remote)
    seats = store.seats() if remote else {}
    unshown = store.unshown_by_unit() if units is not None else {}
    return Lingering(
        without_upo=without_upo,
        undelivered=undelivered,
        unanswered=store.unanswered_long(now - UNANSWERED_LONG),
        without_due=store.without_due(),
        owed=store.owed(),
        set_aside=store.crashed(TOO_OFTEN),
        ceased_for_nothing=store.ceased_for_nothing(),
        far=[Far(u, seats[u].seen_at if u in seats else None, store.awaiting_remote(u)) for u in sorted(remote)],
        homeless={unit: count for unit, count in unshown.items() if unit not in (units or ())},
    )
