"""A drop folder, read in place: every step relative to one open directory, every file through one descriptor.

The units' users may write here, so nothing is believed twice: a name is never followed as a link, never opened when
it is a pipe or a device, and what is removed at the end is the very inode that was read, with the very bytes that
were stored (faults D06, X09, X10).
"""

import contextlib
import errno
import fcntl
import os
import secrets
import signal
import stat
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from gateway.folders.entries import (
    CHUNK,
    HEAD,
    HELD_PREFIX,
    ChangedError,
    FoundFile,
    OddEntryError,
    held_name,
    name_before,
)
from gateway.folders.renaming import rename_to_free
from gateway.folders.settling import Writer
from spool import files
from spool.crashpoint import reached

_REMOTE = ("cifs", "smb", "nfs", "9p", "afs", "ncp", "fuse", "ceph", "gfs", "vbox", "davfs", "virtiofs")
"""File systems whose real writers sit on another machine, where a lease asked for here proves nothing."""


class Drop:
    """An open drop directory. Close it; the files opened from it live on their own."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._fd = descriptor
        found = os.fstat(descriptor)
        self._dev = found.st_dev
        self.identity = (found.st_dev, found.st_ino)
        self.path = path

    @cached_property
    def remote(self) -> bool:
        """True on a file system whose real writers sit on another machine: no events of theirs, no leases.

        Found out when first asked for: most scans see no file, and what is mounted here may be another thing next time.
        """
        return _remote(self._dev)

    @classmethod
    def open(cls, path: Path) -> "Drop":
        """Open a directory that no unit can replace. Raises OSError."""
        return cls(os.open(path, _DIRECTORY), path)

    def child(self, name: str) -> "Drop":
        """A directory inside, which a unit could have replaced by a link or a mount. Raises OddEntryError, OSError."""
        try:
            found = Drop(os.open(name, _DIRECTORY, dir_fd=self._fd), self.path / name)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise OddEntryError("dowiązanie albo plik zamiast folderu") from error
            raise
        if found._dev != self._dev:
            found.close()
            raise OddEntryError("folder z innego systemu plików")
        return found

    def close(self) -> None:
        """Let go of the directory; harmless when called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def listing(self) -> list[str]:
        """All names, as the directory has them; nothing is opened."""
        return os.listdir(self._fd)  # noqa: PTH208 - relative to the descriptor

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self.listing())

    def open_file(self, name: str) -> "DropFile":
        """Open a plain file. Raises OddEntryError for anything else, OSError when it is gone or may not be read."""
        self._check(os.stat(name, dir_fd=self._fd, follow_symlinks=False))
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:  # swapped for a link or a socket in the meantime
                raise OddEntryError("dowiązanie albo gniazdo") from error
            raise
        try:
            found = os.fstat(descriptor)
            self._check(found)
        except BaseException:
            os.close(descriptor)
            raise
        return DropFile(descriptor, name, found, not self.remote)

    def remove(self, file: "DropFile", sha256: str) -> bool:
        """Remove the file if it still is the stored one; False when other bytes are under its name, which stay.

        The name is taken away first (rename), then inode and bytes are compared: a file that a user put there
        between a look and an `unlink` would otherwise be lost. Raises OSError when it cannot be removed.
        """
        held = self._hold(file)
        if held is None:
            return not self._exists(file.name)
        if not self._is(held, file) or file.writer() is Writer.SOME or file.digest() != sha256:
            self._put_back(held, file.name)
            return False
        reached("intake.held", file.name)
        os.unlink(held, dir_fd=self._fd)
        reached("intake.removed", file.name)
        return True

    def move(self, file: "DropFile", target: Path) -> bool:
        """Move the file to `target`, a free name on the same file system; False when it changed and was left.

        Raises OSError; with EXDEV nothing has happened.
        """
        held = self._hold(file)
        if held is None:
            return False
        try:
            if not self._is(held, file) or file.writer() is Writer.SOME or file.changed_size():
                raise ChangedError  # noqa: TRY301 - one way out for everything that must put the name back
            os.fsync(file.descriptor)
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "the name is taken", str(target))
            os.rename(held, target, src_dir_fd=self._fd)
        except ChangedError:
            self._put_back(held, file.name)
            return False
        except OSError:
            self._put_back(held, file.name)
            raise
        files.sync_directory(target.parent)
        return True

    def restore_held(self) -> list[str]:
        """Give their names back to files that a killed process had taken away; returns the names."""
        restored = []
        for held in self.names():
            if held.startswith(HELD_PREFIX):
                restored.append(self._put_back(held, name_before(held)))
        return restored

    def _check(self, found: os.stat_result) -> None:
        """Raise OddEntryError unless this is a plain file of this file system with one name."""
        if stat.S_ISLNK(found.st_mode):
            raise OddEntryError("dowiązanie symboliczne")
        if stat.S_ISDIR(found.st_mode):
            raise OddEntryError("folder")
        if not stat.S_ISREG(found.st_mode):
            raise OddEntryError("kolejka, gniazdo albo urządzenie")
        if found.st_nlink > 1:
            raise OddEntryError("plik o kilku nazwach (dowiązanie twarde)")
        if found.st_dev != self._dev:
            raise OddEntryError("plik z innego systemu plików")

    def _hold(self, file: "DropFile") -> str | None:
        """Take the name away; None when it is no longer this file in the state in which it was opened."""
        try:
            found = os.stat(file.name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not file.is_as(found):
            return None
        held = held_name(file.name)
        try:
            os.rename(file.name, held, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileNotFoundError:
            return None
        return held

    def _is(self, held: str, file: "DropFile") -> bool:
        found = os.stat(held, dir_fd=self._fd, follow_symlinks=False)
        return (found.st_dev, found.st_ino) == (file.stat.st_dev, file.stat.st_ino)

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _put_back(self, held: str, name: str) -> str:
        """Under its old name, or a free one beside it when a new file has taken that; never over another file."""
        for candidate in (name, f"{secrets.token_hex(4)}~{name[-100:]}"):
            with contextlib.suppress(FileExistsError):
                return rename_to_free(self._fd, held, candidate)
        return held  # tried again at the next scan


class DropFile(FoundFile):
    """One opened file. As long as it is open its inode number cannot be given to another file."""

    STEADY = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_nlink")

    def __init__(self, descriptor: int, name: str, found: os.stat_result, leases: bool = True) -> None:
        """`leases` False: do not ask for a lease, its answer would mean nothing on this file system."""
        super().__init__(name, found)
        self.descriptor = descriptor
        self._leases = leases

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)

    def now(self) -> os.stat_result:
        """What the file is now, whatever name it has."""
        return os.fstat(self.descriptor)

    def writer(self) -> Writer:
        """Ask for a read lease and give it back at once: refused while anybody has the file open for writing.

        A writer that opens it in that instant would make the kernel send SIGIO, which kills a process; SIGURG is
        ignored by default.
        """
        if not self._leases:
            return Writer.UNKNOWN
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return Writer.SOME if error.errno == errno.EAGAIN else Writer.UNKNOWN
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return Writer.NONE

    def head(self) -> bytes:
        return os.pread(self.descriptor, HEAD, 0)

    def chunks(self) -> Iterator[bytes]:
        at, end = 0, self.size + 1
        while at < end:
            chunk = os.pread(self.descriptor, min(CHUNK, end - at), at)
            if not chunk:
                return
            at += len(chunk)
            yield chunk


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _remote(device: int) -> bool:
    """True when the file system of this device number is served by another machine or program."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            fields, _, tail = line.partition(" - ")
            if fields.split()[2] == wanted:
                return tail.startswith(_REMOTE)
    return False
