"""Files that came in part before the line broke; what is here is checked by its hash when the rest has come."""

from pathlib import Path

from spool import files
from spool.bodies import sha256_hex

_KEPT = 50


class Parts:
    """Unfinished downloads in one directory, named after what was asked for and the hash that was promised."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, asked: str) -> "Part":
        """The part of one download, begun or not."""
        files.make_directory(self._directory, 0o700)
        key = sha256_hex(asked.encode())[:32]
        here = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in here[:-_KEPT]:
            old.unlink(missing_ok=True)
        found = [path for path in here if path.name.startswith(key)]
        return Part(self._directory, key, found[-1] if found else None)


class Part:
    """One download."""

    def __init__(self, directory: Path, key: str, path: Path | None) -> None:
        self._directory = directory
        self._key = key
        self._path = path
        self.sha256 = path.name.rpartition("-")[2] if path else ""
        self.size = path.stat().st_size if path else 0

    def begin(self, sha256: str, *, again: bool) -> None:
        """The gateway goes on where it broke (`again`), or sends the whole, which may be another one by now."""
        if not again and self._path is not None:
            self._path.unlink(missing_ok=True)
        if not again or self._path is None:
            self._path = self._directory / f"{self._key}-{sha256}"

    def append(self, chunk: bytes) -> None:
        """The next bytes. Not synced: what a power cut tears is found out by the hash."""
        assert self._path is not None, "begun"
        with self._path.open("ab") as handle:
            handle.write(chunk)

    def take(self) -> bytes:
        """The whole; the file of it goes."""
        if self._path is None or not self._path.exists():
            return b""
        raw = self._path.read_bytes()
        self._path.unlink()
        return raw
