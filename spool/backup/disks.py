"""Is the backup going to another disk than the spool's, and is there room for it?"""

import os
from pathlib import Path

from spool.domain.errors import ConfigError, NoRoom
from spool.room import QUEUE, look, shortage

BACKUPS = "kopiami zapasowymi"
_MARGIN = 64_000_000
"""Bytes that stay free beside what is written: intake must not starve of a backup."""


def elsewhere(state: Path, directory: Path, *, same_disk: bool) -> str:
    """Refuse the spool's own file system; returns a warning when it seems another one on the same disk, or nothing.

    Raises ConfigError, also for a directory that is not there: an unmounted one must not be made up.
    """
    if not directory.is_dir():
        cure = "Proszę podłączyć dysk albo utworzyć katalog (właściciel: użytkownik, który uruchamia Śluzę)."
        raise ConfigError(f"Nie ma katalogu na kopie {directory}.", cure)
    ours, theirs = state.stat().st_dev, directory.stat().st_dev
    if ours == theirs and not same_disk:
        raise ConfigError(
            f"Katalog na kopie {directory} jest na tym samym dysku, co spool: awaria dysku zabrałaby oba.",
            "Proszę wskazać inny dysk albo zasób sieciowy; zgoda: --same-disk albo backup.same_disk = true.",
        )
    if ours != theirs and not same_disk and (disk := _disk(ours)) and disk == _disk(theirs):
        return f"Katalog na kopie {directory} jest na innej partycji, ale chyba tego samego dysku, co spool."
    return ""


def _disk(device: int) -> str:
    """What a file system lies on, as the kernel knows it: the whole disk; empty where it cannot be told."""
    try:
        path = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve(strict=True)
    except OSError:
        return ""
    return str(path.parent if (path / "partition").exists() else path)


def make_sure(state: Path, directory: Path, spool: int, beside: int) -> None:
    """Room for a copy of `spool` bytes beside the spool, and for the whole at the target. Raises NoRoom."""
    both = state.stat().st_dev == directory.stat().st_dev
    for where, what, needed in ((state, QUEUE, spool * (2 if both else 1)), (directory, BACKUPS, spool + beside)):
        if found := shortage(where, what, least=needed + _MARGIN):
            if found.code == "disk_full":
                free, wanted = look(where).free // 1_000_000, (needed + _MARGIN) // 1_000_000
                text = f"Na dysku z {what} brakuje miejsca na kopię zapasową: wolne {free} MB, potrzeba {wanted} MB."
                raise NoRoom(found.code, text, "Proszę zwolnić miejsce albo trzymać mniej kopii (backup.keep_daily).")
            raise found
