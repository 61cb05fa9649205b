"""Room on a disk, and a reserve of it that nobody uses until everything else is full (faults F04, F05, F06).

The reserve is a file of real blocks beside the spool. When a commit finds the disk full, the file is emptied and the
commit is tried once more: sending, receipts and results go on in that room, while nothing new is taken in. Once
somebody has made room the file is filled again and intake goes on by itself (docs/decisions/0013).
"""

import contextlib
import errno
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spool import files
from spool.domain.errors import NoRoom

FILE = "reserve"
LEAST_INODES = 100
"""Fewer free inodes than these are kept for results and receipts."""
LEAST_FREE = 1_000_000
"""Bytes below which the disk of the units' folders counts as full."""
_PROBE = 256_000
_AGAIN = 1.25
"""The reserve comes back when so many times its size is free, so that intake does not open and close by turns."""


@dataclass(frozen=True)
class Disk:
    """What a file system says of itself; `inodes` is None where it has no fixed number of them."""

    free: int
    inodes: int | None
    read_only: bool


def wal_of(spool: Path) -> Path:
    """The file in which SQLite keeps what was committed and is not yet in the spool's own file."""
    return spool.with_name(f"{spool.name}-wal")


def taken_by(spool: Path) -> int:
    """Bytes of a spool and its WAL; what is not there takes none. Raises OSError."""
    return sum(path.stat().st_size for path in (spool, wal_of(spool)) if path.exists())


def look(directory: Path) -> Disk:
    """The file system below this directory. Raises OSError."""
    found = os.statvfs(directory)
    inodes = found.f_favail if found.f_files else None
    return Disk(found.f_bavail * found.f_frsize, inodes, bool(found.f_flag & os.ST_RDONLY))


def shortage(directory: Path, what: str, least: int = LEAST_FREE) -> NoRoom | None:
    """Why nothing can be written below `directory`, or None; `what` it holds is said in the instrumental case.

    A directory that cannot be looked at is not a full one: None.
    """
    try:
        disk = look(directory)
    except OSError:
        return None
    if disk.read_only:
        return _read_only(what)
    if disk.inodes is not None and disk.inodes < LEAST_INODES:
        cure = "Proszę usunąć zbędne pliki (miejsca w bajtach może być dość); praca ruszy sama."
        return NoRoom("disk_inodes", f"Na dysku z {what} brakuje i-węzłów (inodes): wolnych {disk.inodes}.", cure)
    if disk.free < least:
        return full(what, disk.free)
    return None


def _read_only(what: str) -> NoRoom:
    cure = "Proszę sprawdzić dysk i zamontować go ponownie do zapisu; praca ruszy sama."
    return NoRoom("disk_read_only", f"Dysk z {what} jest tylko do odczytu.", cure)


def full(what: str, free: int) -> NoRoom:
    """The sentence about a full disk."""
    cure = "Proszę zwolnić miejsce; praca ruszy sama."
    return NoRoom("disk_full", f"Na dysku z {what} brakuje miejsca: wolne {free // 1_000_000} MB.", cure)


def refused(directory: Path) -> NoRoom | None:
    """Why the disk refuses a few more bytes now, or None. SQLite tells only that something failed."""
    descriptor, name = -1, ""
    try:
        descriptor, name = tempfile.mkstemp(prefix=files.TEMPORARY_PREFIX, dir=directory)
        os.posix_fallocate(descriptor, 0, _PROBE)
    except OSError as error:
        return because(error)
    finally:
        if name:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                Path(name).unlink()
    return None


def because(error: OSError) -> NoRoom | None:
    """The shortage of the disk with the spool that an errno stands for; None when it stands for something else."""
    if error.errno == errno.EROFS:
        return _read_only(QUEUE)
    return full(QUEUE, 0) if error.errno in {errno.ENOSPC, errno.EDQUOT} else None


class Reserve:
    """The reserve of one spool, shared by all its processes through its file. `size` 0: none is kept."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._size = size

    @property
    def held(self) -> bool:
        """True while it is whole, and documents may be taken in."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return self._size == 0

    def release(self) -> bool:
        """Give its blocks to whoever needs them now; True when there were any."""
        try:
            had = self._path.stat().st_size > 0
            os.truncate(self._path, 0)
        except OSError:
            return False
        return had

    def restore(self) -> None:
        """Fill it again where there is room; without room it is tried again later. Only as the owner of the spool: a
        file of root's could not be emptied by the programs."""
        if self.held:
            return
        with contextlib.suppress(OSError):
            if self._directory.stat().st_uid == os.geteuid() and look(self._directory).free >= self._size * _AGAIN:
                self._fill()

    def _fill(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
        finally:
            os.close(descriptor)

    def shortage(self) -> NoRoom | None:
        """Why no document may be taken in now, or None."""
        found = shortage(self._directory, QUEUE, least=0)
        if found is not None or self.held:
            return found
        return full(QUEUE, max(0, self._free() - self._size))

    def _free(self) -> int:
        try:
            return look(self._directory).free
        except OSError:
            return 0


def said(reserve: Reserve) -> str:
    """The shortage as a sentence with its cure; empty when documents may be taken in."""
    found = reserve.shortage()
    return f"{found} {found.hint}" if found else ""


QUEUE = "kolejką faktur"
FOLDERS = "folderami jednostek"
