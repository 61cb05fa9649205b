"""Writing files for others (results, mirrors): the only place that knows fsync and rename.

Bytes first into a temporary file in the same directory, synced; then renamed; then the directory synced. A reader
sees the old file or the whole new one, never a part, and after a power cut the name leads to complete bytes.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from spool.crashpoint import reached

TEMPORARY_PREFIX = ".sluza-t"
"""Our unfinished files: this, the writing process and some chance; a dot name, which our own watcher and most programs
ignore."""


def write(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Put `content` at `path`, replacing what is there, durably. Missing parent directories are made.

    Raises OSError; then the old file, if any, is untouched.
    """
    produce(path, lambda handle: handle.write(content), mode)


def write_lines(path: Path, lines: Iterable[str], mode: int = 0o640) -> None:
    """`write` of a text that is made while it is written, in UTF-8. Raises OSError as `write` does."""
    produce(path, lambda handle: handle.writelines(line.encode() for line in lines), mode)


def copy(source: Path, path: Path, mode: int = 0o640) -> None:
    """`write` with the content of another file, whatever its size. Raises OSError as `write` does."""
    with source.open("rb") as content:
        produce(path, lambda handle: shutil.copyfileobj(content, handle), mode)


def produce(path: Path, fill: Callable[[IO[bytes]], object], mode: int = 0o640) -> None:
    """`write` with whatever `fill` writes into the temporary file. What it raises is raised here, as an OSError is."""
    make_directory(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=_own_prefix(), dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            fill(handle)
            handle.flush()
            reached("files.written", path.name)
            if os.name != "nt":  # there the permissions of the directory hold
                os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
        reached("files.synced", path.name)
        Path(name).replace(path)
        reached("files.renamed", path.name)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    sync_directory(path.parent)


def unfinished(path: Path) -> Path:
    """Where what will be `path` may lie until it is whole, for who cannot write through a handle: `sweep` knows it."""
    return path.with_name(_own_prefix() + path.name)


def digest(path: Path, *, from_disk: bool = False) -> str:
    """SHA-256 of a file's content, hex; `from_disk`, not from memory, as far as the system lets us. Raises OSError."""
    with path.open("rb") as content:
        if from_disk:
            with contextlib.suppress(OSError):
                os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(content, "sha256").hexdigest()


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make a directory and its missing parents durably; `mode` (before the umask) is for `path` itself only.

    A file is no safer than the names on the way to it: each new one is synced in the directory that holds it.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode, exist_ok=True)
    sync_directory(path.parent)


def sweep(directory: Path, names: Iterable[str] | None = None) -> None:
    """Remove what a killed process left unfinished in a directory that only this process writes into.

    `names` where they are known already. A file that cannot be removed stays: it harms nobody.
    """
    own = _own_prefix()
    for name in os.listdir(directory) if names is None else names:  # noqa: PTH208 - names are all that is wanted
        if name.startswith(TEMPORARY_PREFIX) and not name.startswith(own):
            with contextlib.suppress(OSError):
                (directory / name).unlink()


def _own_prefix() -> str:
    return f"{TEMPORARY_PREFIX}{os.getpid()}-"


def remove(path: Path) -> None:
    """Remove `path` durably; a missing file is fine."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (a rename alone is not)."""
    if os.name == "nt":  # Windows has no handle on a directory to sync
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
