"""The folders of the units: their names, making them, and the marker without which nothing is read or written.

A marker `.sluza-folder` with the unit's id lies in every unit's folder from the day it was first set up. An empty
mount point, or another unit's share mounted by mistake, has no such marker: that folder is *unavailable*, which is
never the same as *empty* (faults F08). That the folder was set up once is remembered in the history of the spool, so
a marker that has gone is not quietly made again.
"""

import asyncio
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from spool import files
from spool.access import Spool
from spool.clock import Clock
from spool.domain.calendar import WARSAW
from spool.domain.municipality import Municipality
from spool.store import Store

OUTBOX = "do-wyslania"
OFFLINE24 = "offline24"
PENDING = "w-toku"
SENT = "wyslane"
REFUSED = "odrzucone"
RECEIVED = "odebrane"
REGISTERS = "rejestry"
CENTRAL = "_centrala"
MARKER = ".sluza-folder"
OF_A_UNIT = (OUTBOX, f"{OUTBOX}/{OFFLINE24}", PENDING, SENT, REFUSED, RECEIVED, REGISTERS)
OF_THE_CENTRE = (RECEIVED,)

_SUBJECT = "folders"
_OPEN_MODE = 0o770
_CLOSED_MODE = 0o750
"""Group: who may drop files (the outbox) or only look at results. No set-gid: the hardened unit forbids it, and
Samba's `force user` decides the owner."""


class FoldersUnavailableError(OSError):
    """The folder of a unit, or the central tray, is not there: not mounted, moved or never set up."""


def unit_folder(root: Path, unit: str) -> Path:
    """The folder of a unit, or of `CENTRAL`."""
    return root / unit


def month(moment: datetime) -> str:
    """RRRR-MM of an instant, in Warsaw."""
    return f"{moment.astimezone(WARSAW):%Y-%m}"


def require(root: Path, unit: str) -> Path:
    """The unit's folder, after looking at its marker. Raises FoldersUnavailableError."""
    folder = unit_folder(root, unit)
    try:
        if (folder / MARKER).read_text(encoding="utf-8").split() != [unit]:
            raise FoldersUnavailableError(f"Folder {folder} jest oznaczony jako folder innej jednostki.")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FoldersUnavailableError):
            raise
        raise FoldersUnavailableError(f"Folder {folder} jest niedostępny albo nie jest podłączony.") from error
    return folder


def available(root: Path, unit: str) -> bool:
    """True when the unit's folder is there and is its own."""
    try:
        require(root, unit)
    except FoldersUnavailableError:
        return False
    return True


def ensure_directory(path: Path, mode: int = _CLOSED_MODE) -> Path:
    """Make one directory durably, with this mode; one that exists is left as the administrator set it."""
    try:
        path.mkdir()
    except FileExistsError:
        return path
    path.chmod(mode)
    files.sync_directory(path.parent)
    return path


def ensure_month(root: Path, unit: str, folder: str, moment: datetime) -> Path:
    """`<unit>/<folder>/RRRR-MM`, made when missing. Raises FoldersUnavailableError before anything is made."""
    return ensure_directory(ensure_directory(require(root, unit) / folder) / month(moment))


def ensure_missing(root: Path, unit: str) -> None:
    """Make again what somebody deleted inside a folder that is available."""
    folder = require(root, unit)
    for name in OF_THE_CENTRE if unit == CENTRAL else OF_A_UNIT:
        if not os.path.isdir(f"{folder}/{name}"):  # noqa: PTH112 - asked at every scan, and nearly always true
            ensure_directory(folder / name, _OPEN_MODE if name.startswith(OUTBOX) else _CLOSED_MODE)


async def set_up(spool: Spool, root: Path, municipality: Municipality, clock: Clock) -> None:
    """Make and mark the folders that were never set up; safe to call at every start.

    A folder set up before and now without its marker is left alone: it is not mounted.
    """
    names = (*municipality.units, CENTRAL)
    known = await spool.read(_set_up_before)
    new = [unit for unit in names if os.fspath(unit_folder(root, unit)) not in known]
    await asyncio.to_thread(_make, root, names, new)
    now = clock()

    def remember(store: Store) -> None:
        for unit in new:
            path = os.fspath(unit_folder(root, unit))
            store.log(_SUBJECT, "set_up", now, "gateway", "Założono folder jednostki.", {"path": path})

    if new:
        await spool.write(remember)


def _set_up_before(store: Store) -> set[str]:
    return {str(event.data.get("path")) for event in store.history(_SUBJECT)}


def _make(root: Path, names: Iterable[str], new: Iterable[str]) -> None:
    files.make_directory(root)
    for unit in new:
        folder = ensure_directory(unit_folder(root, unit))
        if not (folder / MARKER).exists():
            files.write(folder / MARKER, f"{unit}\n".encode(), 0o440)
    for unit in names:
        if available(root, unit):
            ensure_missing(root, unit)
            _sweep(unit_folder(root, unit))


def _sweep(folder: Path) -> None:
    """Months are swept when something is written there; in these two nothing may ever be written again."""
    files.sweep(folder)
    if (folder / PENDING).is_dir():
        files.sweep(folder / PENDING)
