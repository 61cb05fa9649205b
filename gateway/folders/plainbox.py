"""A drop folder where there are no descriptors of directories and no leases (Windows): by names, same promises.

A file is taken only when two looks agree, is compared again right before it is taken away, and is removed under a name
that no program waits for. What another program holds open Windows itself refuses to rename, which counts as "later".
Runs on POSIX, too, where tests hold it to the same rules as `dropbox`.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.folders.entries import CHUNK, HEAD, HELD_PREFIX, FoundFile, OddEntryError, held_name, name_before
from gateway.folders.settling import Writer
from spool.crashpoint import reached

_REPARSE = stat.FILE_ATTRIBUTE_REPARSE_POINT
"""A junction, a mount point, a file that only a cloud has."""


class Drop:
    """A drop directory by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = path.stat()
        self.identity = (found.st_dev, found.st_ino)

    remote = False
    """This program runs on the computer whose folder it is; its own patience is that of `Writer.UNKNOWN` anyway."""

    @classmethod
    def open(cls, path: Path) -> "Drop":
        """Raises OSError."""
        if not path.is_dir():
            raise FileNotFoundError(f"no such folder: {path}")
        return cls(path)

    def child(self, name: str) -> "Drop":
        """A directory inside. Raises OddEntryError, OSError."""
        path = self.path / name
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise OddEntryError("dowiązanie albo plik zamiast folderu")
        return Drop.open(path)

    def close(self) -> None:
        """Nothing is held."""

    def listing(self) -> list[str]:
        """All names, as the directory has them; nothing is opened."""
        return os.listdir(self.path)  # noqa: PTH208 - names are all that is wanted

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self.listing())

    def open_file(self, name: str) -> "DropFile":
        """A plain file. Raises OddEntryError for anything else, OSError when it is gone or may not be read."""
        path = self.path / name
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or int(getattr(found, "st_file_attributes", 0)) & _REPARSE:
            raise OddEntryError("dowiązanie symboliczne")
        if stat.S_ISDIR(found.st_mode):
            raise OddEntryError("folder")
        if not stat.S_ISREG(found.st_mode):
            raise OddEntryError("kolejka, gniazdo albo urządzenie")
        if found.st_nlink > 1:
            raise OddEntryError("plik o kilku nazwach (dowiązanie twarde)")
        return DropFile(path, found)

    def remove(self, file: "DropFile", sha256: str) -> bool:
        """Remove the file if it still is the stored one; False when other bytes are under its name, which stay."""
        held = self._hold(file)
        if held is None:
            return not (self.path / file.name).exists()
        if DropFile(held, held.lstat()).digest() != sha256:
            self._put_back(held, file.name)
            return False
        reached("intake.held", file.name)
        held.unlink()
        reached("intake.removed", file.name)
        return True

    def move(self, file: "DropFile", target: Path) -> bool:
        """Move the file to `target`, a free name on the same disk; False when it changed and was left."""
        held = self._hold(file)
        if held is None:
            return False
        try:
            if target.exists():
                raise FileExistsError(f"the name is taken: {target}")
            held.rename(target)
        except OSError:
            self._put_back(held, file.name)
            raise
        return True

    def restore_held(self) -> list[str]:
        """Give their names back to files that a killed process had taken away; returns the names."""
        restored = []
        for held in self.names():
            if held.startswith(HELD_PREFIX):
                restored.append(self._put_back(self.path / held, name_before(held)))
        return restored

    def _hold(self, file: "DropFile") -> Path | None:
        """Take the name away; None when it is no longer this file in the state in which it was opened."""
        path = self.path / file.name
        try:
            if not file.is_as(path.lstat()):
                return None
            held = self.path / held_name(file.name)
            path.rename(held)
        except FileNotFoundError:
            return None
        return held

    def _put_back(self, held: Path, name: str) -> str:
        """Under its old name, or a free one beside it when a new file has taken that; never over another file."""
        for candidate in (name, f"{secrets.token_hex(4)}~{name[-100:]}"):
            target = self.path / candidate
            if not target.exists():  # Windows refuses to rename over a file, should one come in between
                with contextlib.suppress(FileExistsError):
                    held.rename(target)
                    return candidate
        return held.name


class DropFile(FoundFile):
    """One file by its path; nothing is kept open, so that the program that wrote it is never in our way."""

    STEADY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")

    def __init__(self, path: Path, found: os.stat_result) -> None:
        super().__init__(path.name, found)
        self._path = path

    def close(self) -> None:
        """Nothing is held."""

    def now(self) -> os.stat_result:
        return self._path.lstat()

    def writer(self) -> Writer:
        """Nobody can say: two equal looks decide (DESIGN 4.4)."""
        return Writer.UNKNOWN

    def head(self) -> bytes:
        with self._path.open("rb") as handle:
            return handle.read(HEAD)

    def chunks(self) -> Iterator[bytes]:
        left = self.size + 1
        with self._path.open("rb") as handle:
            while left and (chunk := handle.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
