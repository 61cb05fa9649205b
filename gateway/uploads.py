"""Deliveries that come in pieces over a bad line: what has arrived of each, kept until the rest follows (faults D12).

A piece is no promise: nothing is acknowledged before the whole is in the spool, so nothing here is synced. The hash in
its name is checked over the whole; what a power cut has torn is thrown away and sent again.
"""

import asyncio
import time
from pathlib import Path

from spool import files

KEPT_S = 7 * 86_400
"""So long an unfinished delivery waits for its rest."""
MOST_FILES = 20
MOST_BYTES = 120_000_000
"""Of one unit: two of the largest archives and what else may be under way."""


class UploadsFullError(Exception):
    """This unit has begun too many deliveries without ending them."""


class Uploads:
    """Unfinished deliveries below one directory, by unit and hash."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locks: dict[Path, asyncio.Lock] = {}

    def of(self, unit: str, sha256: str) -> "Upload":
        """One delivery, begun or not. `sha256` is 64 lower-case hex digits: the caller has checked."""
        path = self._directory / unit / sha256
        return Upload(path, self._locks.setdefault(path, asyncio.Lock()))

    def sweep(self) -> None:
        """Forget what was begun long ago. Never raises: what cannot be removed harms nobody."""
        for path in self._directory.glob("*/*"):
            try:
                if time.time() - path.stat().st_mtime > KEPT_S:
                    path.unlink()
            except OSError:
                continue


class Upload:
    """What has arrived of one delivery. Hold `lock` from looking at `received` to the last `append`."""

    def __init__(self, path: Path, lock: asyncio.Lock) -> None:
        self._path = path
        self.lock = lock

    def received(self) -> int:
        """Bytes that are here."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, piece: bytes) -> None:
        """Put it at the end. Raises OSError, UploadsFullError."""
        if not self._path.exists():
            self._need_place()
        with self._path.open("ab") as handle:
            handle.write(piece)

    def whole(self) -> bytes:
        """Everything that has arrived."""
        return self._path.read_bytes() if self._path.exists() else b""

    def forget(self) -> None:
        """It is in the spool, or is to begin anew."""
        self._path.unlink(missing_ok=True)

    def _need_place(self) -> None:
        files.make_directory(self._path.parent, 0o700)
        sizes = [other.stat().st_size for other in self._path.parent.iterdir()]
        if len(sizes) >= MOST_FILES or sum(sizes) > MOST_BYTES:
            raise UploadsFullError
