"""The files in `rejestry/` of a unit's folder on the gateway, for units that fetch them over the line."""

import asyncio
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gateway.folders import layout
from spool.bodies import sha256_hex

MOST = 20_000_000
"""Bytes of the largest register that is handed out."""


@dataclass(frozen=True)
class Register:
    """One file: its name, size and hash."""

    name: str
    size: int
    sha256: str


async def listed(root: Path, unit: str) -> list[Register]:
    """Every register of the unit, by name; none while the folder is not there."""
    return await asyncio.to_thread(_listed, root, unit)


async def content(root: Path, unit: str, name: str) -> bytes | None:
    """The bytes of a register by its name, which is compared with what lies there and never used as a path."""
    return await asyncio.to_thread(_content, root, unit, name)


def _listed(root: Path, unit: str) -> list[Register]:
    found = []
    for entry in _plain_files(root, unit):
        seen = entry.stat(follow_symlinks=False)
        sha256 = _hash(Path(entry.path), seen.st_size, seen.st_mtime_ns, seen.st_ino)
        found.append(Register(entry.name, seen.st_size, sha256))
    return sorted(found, key=lambda register: register.name)


def _content(root: Path, unit: str, name: str) -> bytes | None:
    return next((Path(entry.path).read_bytes() for entry in _plain_files(root, unit) if entry.name == name), None)


def _plain_files(root: Path, unit: str) -> list[os.DirEntry[str]]:
    """Files and nothing else: our own program writes here, but a link put there would lead anywhere."""
    try:
        folder = layout.require(root, unit) / layout.REGISTERS
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and _is_plain(entry)]
    except OSError:
        return []


def _is_plain(entry: os.DirEntry[str]) -> bool:
    seen = entry.stat(follow_symlinks=False)
    return stat.S_ISREG(seen.st_mode) and seen.st_size <= MOST and entry.name.isprintable()


@lru_cache(maxsize=2048)
def _hash(path: Path, _size: int, _changed_ns: int, _inode: int) -> str:
    """Of a file that did not change since it was hashed last."""
    return sha256_hex(path.read_bytes())
