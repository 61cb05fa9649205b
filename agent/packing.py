"""Packing a batch: documents in, encrypted parts on disk out, as one stream (protocol §7.1, §4).

Documents go into a tar.gz one after another; its bytes are cut into parts, each encrypted for itself with the key of
the session, hashed on the way and written. Nothing is ever held whole, however large the package is.
"""

import gzip
import hashlib
import io
import shutil
import tarfile
from base64 import b64encode
from pathlib import Path

from agent.ksef.api import Archive
from agent.ksef.sealing import PartWriter, SymmetricKey
from spool.domain.ledger import PackedPart

LARGEST_PART = 100_000_000
"""Bytes of one part before encryption."""
LARGEST_ARCHIVE = 5_000_000_000
"""Bytes of the archive before it is cut and encrypted."""
_LEVEL = 6
"""The uplink of a town hall is slower than its processor."""


class Packing:
    """One package being written into a directory of its own. Not for several threads at once."""

    def __init__(self, directory: Path, key: SymmetricKey, largest_part: int = LARGEST_PART) -> None:
        """The directory is made anew. Raises OSError."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
        self._cutter = _Cutter(directory, key, largest_part)
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._cutter, mtime=0)
        self._tar = tarfile.TarFile(fileobj=self._gzip, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, name: str, raw: bytes) -> None:
        """One document under this name, at most 100 ASCII characters."""
        entry = tarfile.TarInfo(name)
        entry.size = len(raw)
        self._tar.addfile(entry, io.BytesIO(raw))
        self._tar.getmembers().clear()  # it would remember them all

    @property
    def size(self) -> int:
        """Bytes of the archive so far; what is still being compressed is not counted."""
        return self._cutter.size

    def finish(self) -> Archive:
        """Everything is on disk; what KSeF is to be told about it."""
        self._tar.close()
        self._gzip.close()
        return self._cutter.finish()


def part_file(directory: Path, ordinal: int) -> Path:
    """Where a part lies."""
    return directory / f"part-{ordinal:03d}.aes"


def is_whole(file: Path, part: PackedPart) -> bool:
    """True when the file is still what was packed: a power cut may have taken some of it."""
    if not file.is_file() or file.stat().st_size != part.size:
        return False
    with file.open("rb") as content:
        return b64encode(hashlib.file_digest(content, "sha256").digest()).decode() == part.hash


class _Cutter(io.RawIOBase):
    """Cuts the stream of the archive into encrypted parts, and hashes the whole."""

    def __init__(self, directory: Path, key: SymmetricKey, largest_part: int) -> None:
        super().__init__()
        self.size = 0
        self._directory, self._key, self._largest = directory, key, largest_part
        self._digest = hashlib.sha256()
        self._parts: list[PackedPart] = []
        self._part: PartWriter | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        rest = memoryview(data)
        self._digest.update(rest)
        self.size += len(rest)
        while len(rest):
            if self._part is None:
                self._part = PartWriter(part_file(self._directory, len(self._parts) + 1), self._key)
            piece = rest[: self._largest - self._part.taken]
            self._part.write(piece)
            rest = rest[len(piece) :]
            if self._part.taken == self._largest:
                self._end_part()
        return len(data)

    def finish(self) -> Archive:
        self._end_part()
        return Archive(self.size, b64encode(self._digest.digest()).decode(), tuple(self._parts))

    def _end_part(self) -> None:
        if self._part is not None:
            size, digest = self._part.finish()
            self._parts.append(PackedPart(len(self._parts) + 1, size, b64encode(digest).decode()))
            self._part = None
