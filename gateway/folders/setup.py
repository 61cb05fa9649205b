"""Making and marking the folders of the units on the gateway; what was set up once is remembered by the spool."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from gateway.folders.layout import (
    CENTRAL,
    MARKER,
    OF_A_REMOTE_UNIT,
    OF_A_UNIT,
    OF_THE_CENTRE,
    available,
    ensure_missing,
    mark,
    sweep,
    unit_folder,
)
from spool import files
from spool.access import Spool
from spool.clock import Clock
from spool.domain.municipality import Municipality, Unit
from spool.store import Store

_SUBJECT = "folders"


async def set_up(spool: Spool, root: Path, municipality: Municipality, clock: Clock) -> None:
    """Make and mark the folders that were never set up; safe to call at every start.

    A folder set up before and now without its marker is left alone: it is not mounted.
    """
    wanted = {unit.id: folders_of(unit) for unit in municipality.units.values()} | {CENTRAL: OF_THE_CENTRE}
    known = await spool.read(_set_up_before)
    new = [unit for unit in wanted if os.fspath(unit_folder(root, unit)) not in known]
    await asyncio.to_thread(_make, root, wanted, new)
    now = clock()

    def remember(store: Store) -> None:
        for unit in new:
            path = os.fspath(unit_folder(root, unit))
            store.log(_SUBJECT, "set_up", now, "gateway", "Założono folder jednostki.", {"path": path})

    if new:
        await spool.write(remember)


def folders_of(unit: Unit) -> tuple[str, ...]:
    """What lies on the gateway: of a remote unit only what is made here for it, the registers (decision 0027)."""
    return OF_A_REMOTE_UNIT if unit.remote else OF_A_UNIT


def _set_up_before(store: Store) -> set[str]:
    return {str(event.data.get("path")) for event in store.history(_SUBJECT)}


def _make(root: Path, wanted: dict[str, tuple[str, ...]], new: Iterable[str]) -> None:
    files.make_directory(root)
    for unit in new:
        if not (unit_folder(root, unit) / MARKER).exists():
            mark(root, unit)
    for unit, folders in wanted.items():
        if available(root, unit):
            ensure_missing(root, unit, folders)
            sweep(unit_folder(root, unit))
