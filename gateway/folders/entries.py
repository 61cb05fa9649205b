"""What a drop folder may hold, said in the same words wherever it lies."""

import hashlib
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

CHUNK = 1 << 20
HEAD = 1 << 16
HELD_PREFIX = ".sluza-odbior-"
"""A file on its way out has this name for a moment; a dot name, so it is never taken as a new drop."""

_LONGEST_NAME = 255
"""Bytes on Linux; Windows counts UTF-16, of which there are never more."""


def held_name(name: str) -> str:
    """What a file of this name is called on its way out: its own name is in there, where that fits."""
    held = f"{HELD_PREFIX}{secrets.token_hex(4)}"
    named = f"{held}-{name}"
    return named if len(os.fsencode(named)) <= _LONGEST_NAME else held


def name_before(held: str) -> str:
    """Back from `held_name`; a name that did not fit is made up."""
    return held.removeprefix(HELD_PREFIX).partition("-")[2] or f"przywrocony-{held[-8:]}.xml"


class OddEntryError(Exception):
    """Not a plain file of this folder: left in place, never opened. The text says in Polish what it is."""


class ChangedError(Exception):
    """The file changed while it was being read; look again later."""


class FoundFile(ABC):
    """One file of a drop folder as it was when it was found, and how its bytes are read. `stat` is of that moment."""

    STEADY: ClassVar[tuple[str, ...]]
    """What of `os.stat_result` may not differ between two looks at the same, unchanged file."""

    def __init__(self, name: str, found: os.stat_result) -> None:
        self.name = name
        self.stat = found

    @property
    def size(self) -> int:
        """Bytes, as of the moment it was found."""
        return self.stat.st_size

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode, or number of the file."""
        return self.stat.st_dev, self.stat.st_ino

    @abstractmethod
    def now(self) -> os.stat_result:
        """What the file is now. Raises OSError."""

    @abstractmethod
    def head(self) -> bytes:
        """The first bytes, enough to tell a ZIP from an XML."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """At most one byte more than the size when it was found: a growing file cannot keep us reading."""

    def is_as(self, later: os.stat_result) -> bool:
        """True when a later look saw the same, unchanged file."""
        return all(getattr(later, fact) == getattr(self.stat, fact) for fact in self.STEADY)

    def changed_size(self) -> bool:
        """True when it grew or shrank since it was found."""
        return self.now().st_size != self.size

    def read(self) -> bytes:
        """All bytes of the size found. Raises ChangedError when the file is not the same afterwards."""
        raw = b"".join(self.chunks())
        if len(raw) != self.size or not self.is_as(self.now()):
            raise ChangedError
        return raw

    def digest(self) -> str:
        """SHA-256 of what the file holds now."""
        found = hashlib.sha256()
        for chunk in self.chunks():
            found.update(chunk)
        return found.hexdigest()

    def fingerprint(self) -> str:
        """A stand-in for the hash of a file too big to be read: its beginning, and which file it is."""
        facts = f"{self.size} {self.stat.st_mtime_ns} {self.stat.st_ino}"
        return hashlib.sha256(self.head() + facts.encode()).hexdigest()
