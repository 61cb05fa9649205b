"""The folders of the units: their names, making them, and the marker without which nothing is read or written.

A marker `.sluza-folder` with the unit's id lies in every unit's folder from the day it was first set up. An empty
mount point, or another unit's share mounted by mistake, has no such marker: that folder is *unavailable*, which is
never the same as *empty* (faults F08). That the folder was set up once is remembered in the history of the spool, so
a marker that has gone is not quietly made again.
"""

import os
from datetime import datetime
from pathlib import Path

from spool import files
from spool.domain.calendar import WARSAW
from spool.domain.ledger import TRAY

OUTBOX = "do-wyslania"
OFFLINE24 = "offline24"
PENDING = "w-toku"
SENT = "wyslane"
REFUSED = "odrzucone"
RECEIVED = "odebrane"
REGISTERS = "rejestry"
CENTRAL = TRAY
MARKER = ".sluza-folder"
OF_A_UNIT = (OUTBOX, f"{OUTBOX}/{OFFLINE24}", PENDING, SENT, REFUSED, RECEIVED, REGISTERS)
OF_A_REMOTE_UNIT = (REGISTERS,)
OF_THE_CENTRE = (RECEIVED,)

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
        if (folder / MARKER).read_bytes().split() != [unit.encode()]:
            raise FoldersUnavailableError(f"Folder {folder} jest oznaczony jako folder innej jednostki.")
    except OSError as error:
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


def ensure_missing(root: Path, unit: str, folders: tuple[str, ...] = OF_A_UNIT) -> Path:
    """Make again what somebody deleted inside a unit's folder, which is available; returns that."""
    folder = require(root, unit)
    # Asked at every scan, and nearly always all there: one look at the unit's folder costs less than one at each.
    with os.scandir(folder) as entries:
        there = {entry.name for entry in entries if entry.is_dir()}
    for name in folders:
        if not (name in there or ("/" in name and (folder / name).is_dir())):
            ensure_directory(folder / name, _OPEN_MODE if name.startswith(OUTBOX) else _CLOSED_MODE)
    return folder


def mark(root: Path, unit: str) -> None:
    """Make the unit's folder and its marker: from now on it is available."""
    folder = ensure_directory(unit_folder(root, unit))
    files.write(folder / MARKER, f"{unit}\n".encode(), 0o440)


def sweep(folder: Path) -> None:
    """Months are swept when something is written there; in these two nothing may ever be written again."""
    files.sweep(folder)
    if (folder / PENDING).is_dir():
        files.sweep(folder / PENDING)
