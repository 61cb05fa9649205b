"""The file of a backup: a tar with the manifest first, for a recipient inside age.

Both are formats of everywhere: `age -d -i KEY FILE | tar x` opens a backup where there is no Śluza.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spool.backup import sealing
from spool.backup.manifest import INSIDE, OTHER, Manifest, Part, read
from spool.domain.errors import SpoolError

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1_000_000


class ChangedError(OSError):
    """A file is not any more what the manifest says of it."""


def write(into: IO[bytes], manifest: Manifest, sources: list[Path], to: str) -> tuple[int, str]:
    """Write the archive; `sources` are the files of the manifest's parts. Returns size and SHA-256 of what was written.

    Raises OSError, `ChangedError` among them.
    """
    counting = Counting(into)
    stream = _Reader(_tar(manifest, sources))
    if to:
        sealing.seal(stream.read, counting, to)
    else:
        while chunk := stream.read(_CHUNK):
            counting.write(chunk)
    return counting.size, counting.sha256.hexdigest()


def unpack(archive: IO[bytes], directory: Path) -> Manifest:
    """Every part into `directory`, each as long and with the hash that the manifest inside says.

    Raises SpoolError for what is not such an archive, whole; OSError of the disk.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            manifest = read(_first(tar))
            for part in manifest.parts:
                _extract(tar, part, directory)
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise SpoolError("Plik kopii jest uszkodzony albo nie jest kopią Śluzy.", OTHER) from error
    return manifest


def _first(tar: tarfile.TarFile) -> bytes:
    member = tar.next()
    content = tar.extractfile(member) if member and member.isfile() and member.name == INSIDE else None
    if content is None:
        raise SpoolError("Ten plik nie jest kopią zapasową Śluzy.", OTHER)
    return content.read(_LARGEST_MANIFEST)


def _extract(tar: tarfile.TarFile, part: Part, directory: Path) -> None:
    """The next member, which must be this part. Names lead nowhere but into the directory."""
    member, target = tar.next(), directory / part.name
    content = tar.extractfile(member) if member and member.isfile() else None
    if content is None or member is None or member.name != part.name or member.size != part.size:
        raise SpoolError(f"W kopii brakuje pliku {part.name}.", OTHER)
    if not target.resolve().is_relative_to(directory.resolve()):
        raise SpoolError(f"Kopia zawiera niedozwoloną nazwę {part.name!r}.", OTHER)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = hashlib.sha256()
    with open(target, "xb", opener=_private) as handle:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            handle.write(chunk)
    if found.hexdigest() != part.sha256:
        raise SpoolError(f"Plik {part.name} w kopii jest uszkodzony (inna suma SHA-256).", OTHER)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tar(manifest: Manifest, sources: list[Path]) -> Iterator[bytes]:
    """The bytes of the archive, however large its parts are."""
    raw = manifest.as_json()
    yield _header(INSIDE, len(raw), manifest)
    yield from _padded(io.BytesIO(raw), len(raw), hashlib.sha256(raw).hexdigest(), INSIDE)
    for part, source in zip(manifest.parts, sources, strict=True):
        yield _header(part.name, part.size, manifest)
        with source.open("rb") as content:
            yield from _padded(content, part.size, part.sha256, part.name)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int, manifest: Manifest) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.at.timestamp())
    return member.tobuf(tarfile.PAX_FORMAT)


def _padded(content: IO[bytes], size: int, sha256: str, name: str) -> Iterator[bytes]:
    found, length = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        found.update(chunk)
        length += len(chunk)
        yield chunk
    if (length, found.hexdigest()) != (size, sha256):
        raise ChangedError(f"{name} zmienił się w czasie kopiowania")
    yield bytes(-size % tarfile.BLOCKSIZE)


class _Reader:
    """An iterator of bytes as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, none only at the end."""
        while not self._rest:
            following = next(self._chunks, None)
            if following is None:
                return b""
            self._rest = following
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


class Counting:
    """Passes bytes on, and knows how many and which they were."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into, self.size, self.sha256 = into, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """All of them. Raises OSError."""
        self._into.write(data)
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """As of a file."""
        self._into.flush()
