"""Looking into the spool for the admin pages: one read, at most once a second, however many people look."""

import asyncio
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from certs import credentials
from certs.credentials import Known
from gateway.web.health import SHOWN, Snapshot
from gateway.web.lingering import NUMBERED_LONG, UNANSWERED_LONG, UNCLEARED_LONG, Far, Lingering
from gateway.web.people import Trained
from gateway.web.upkeep import MOST as NEGLECTED
from gateway.web.upkeep import Upkeep
from gateway.web.warned import MOST, UNSENT_SHOWN
from spool import room
from spool.access import Spool
from spool.backup.contents import TLS
from spool.clock import Clock
from spool.domain.calendar import warsaw_date
from spool.domain.ledger import ALIVE
from spool.domain.municipality import Municipality
from spool.law import Rules
from spool.papers import Open, still_open
from spool.poison import TOO_OFTEN
from spool.series import explained
from spool.store import Store

Scope = frozenset[str] | None
"""The units whose documents are looked at; None is the whole municipality."""
_FRESH_S = 1.0
_READ_AGAIN_S = 600.0
REFUSED_DAYS = 3
"""Days after which a refusal that nobody mended is told, unless the settings say otherwise."""
FORGOTTEN = timedelta(days=45)
"""Refusals older than this nobody will mend any more."""
GUESSED_WITHIN = timedelta(hours=1)
_LATEST = 6
_FOR_UNITS = frozenset({"reachable", "paused", ALIVE})


class Looker:
    """Gives the latest snapshot. The drop-point reads through the same thread, so this one must stay rare and short."""

    def __init__(
        self,
        spool: Spool,
        rules: Rules,
        clock: Clock,
        refused_days: int = REFUSED_DAYS,
        supplied: Path | None = None,
    ) -> None:
        """`supplied` is the town hall's own TLS certificate of the drop-point."""
        municipality = rules.municipality
        self._rules = rules
        self._drawer = Drawer(municipality, spool.path.parent, supplied)
        self._refused_days = refused_days
        self._spool = spool
        self._contexts = tuple(municipality.contexts)
        self._units = frozenset(municipality.units)
        self._remote = remote_units(municipality)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: dict[Scope, tuple[float, Snapshot]] = {}

    async def look(self, scope: Scope = None) -> Snapshot:
        """A snapshot at most one second old, of the whole municipality or of these units. Raises what the spool
        raises."""
        async with self._lock:
            at, kept = self._kept.get(scope, (0.0, None))
            if kept is None or time.monotonic() - at >= _FRESH_S:
                kept = await self._spool.read(lambda store: self._take(store, scope))
                kept = replace(kept, shortage=room.said(self._spool.reserve))
                if scope is None:
                    kept = with_credentials(kept, await asyncio.to_thread(self._drawer.known))
                fresh = time.monotonic() - _FRESH_S
                self._kept = {s: found for s, found in self._kept.items() if found[0] > fresh}
                self._kept[scope] = time.monotonic(), kept
            return kept

    def _take(self, store: Store, scope: Scope) -> Snapshot:
        if scope is None:
            return take(
                store, self._contexts, self._clock(), self._units, self._remote, self._refused_days, self._rules
            )
        return take_for_units(store, self._contexts, self._clock(), scope)


def remote_units(municipality: Municipality) -> tuple[str, ...]:
    """Units whose folders lie on a computer of their own."""
    return tuple(unit.id for unit in municipality.units.values() if unit.remote)


def take(
    store: Store,
    contexts: Iterable[str],
    now: datetime,
    units: Collection[str] | None = None,
    remote: Collection[str] = (),
    refused_days: int = REFUSED_DAYS,
    rules: Rules | None = None,
) -> Snapshot:
    """What the spool says at this moment, for the page and for `sluza status`.

    `units` are the configured ones; without them nothing is said about documents of other units. `remote` are those of
    them whose folders lie elsewhere. Refusals are neglected after `refused_days`. Without `rules` nothing is said about
    purchases outside KSeF.
    """
    received, trained = store.received_of(None)
    return Snapshot(
        at=now,
        contexts=tuple(contexts),
        queue=[explained(store, document) for document in store.by_due(SHOWN + 1)],
        counts=store.counts(),
        conditions=store.conditions(),
        received_total=received,
        unassigned=store.unassigned(),
        latest=store.latest_received(None, _LATEST),
        lingering=_lingering(store, now, units, remote),
        upkeep=_upkeep(store, now, refused_days, rules),
        outages=store.outages(),
        alarms=store.open_alarms(MOST),
        unsent=store.failing_mails(now - UNSENT_SHOWN, MOST),
        permissions_over=store.permissions_over(warsaw_date(now)),
        trained=Trained(store.counts(training=True), trained),
    )


def take_for_units(store: Store, contexts: Iterable[str], now: datetime, units: frozenset[str]) -> Snapshot:
    """What people of these units may know: their own documents, and whether KSeF is up. Nothing counts others' (I7)."""
    received, trained = store.received_of(units)
    reachable = [replace(c, value=_without_names(c.value)) for c in store.conditions() if c.name in _FOR_UNITS]
    return Snapshot(
        at=now,
        contexts=tuple(contexts),
        queue=[explained(store, document) for document in store.due_next(units, SHOWN + 1)],
        counts=store.counts(units),
        conditions=reachable,
        received_total=received,
        unassigned=0,
        latest=store.latest_received(units, _LATEST),
        outages=store.outages(),
        alarms=[alarm for alarm in store.open_alarms(MOST) if alarm.unit in units],
        trained=Trained(store.counts(units, training=True), trained),
    )


def _without_names(value: dict[str, Any]) -> dict[str, Any]:
    """Of a condition only whether it is so: its words may name what belongs to another unit."""
    return {key: value[key] for key in ("ok", "since", "clock_url") if key in value}


def _upkeep(store: Store, now: datetime, refused_days: int, rules: Rules | None) -> Upkeep:
    return Upkeep(
        unmended=store.unmended(now - timedelta(days=refused_days), now - FORGOTTEN, NEGLECTED),
        unmended_days=refused_days,
        guessed=store.guessed(now - GUESSED_WITHIN),
        papers=still_open(store, rules, now) if rules else Open(),
    )


def with_credentials(snapshot: Snapshot, known: Iterable[Known]) -> Snapshot:
    """The same, knowing until when each context's credentials last."""
    return replace(snapshot, upkeep=replace(snapshot.upkeep, known=tuple(known)))


class Drawer:
    """The credentials of contexts and drop-point as they lie on disk, read again once in a while: they may change."""

    def __init__(self, municipality: Municipality, state: Path, supplied: Path | None) -> None:
        self._contexts = tuple(municipality.contexts.values())
        self._tls = state / TLS, supplied
        self._at = 0.0
        self._known: tuple[Known, ...] | None = None

    def known(self) -> tuple[Known, ...]:
        """What is known of each; blocks while it reads."""
        if self._known is None or time.monotonic() - self._at >= _READ_AGAIN_S:
            of_contexts = (known for context in self._contexts for known in credentials.look(context))
            self._known = (*of_contexts, *credentials.look_at_tls(*self._tls))
            self._at = time.monotonic()
        return self._known


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
        uncleared=store.recalled_since(now - UNCLEARED_LONG),
        homeless={unit: count for unit, count in unshown.items() if unit not in (units or ())},
    )


LOOKER: web.AppKey[Looker] = web.AppKey("looker", Looker)
