"""One sealed volume: a SQLite file of its own with packed bodies by hash, and a row about itself.

It is written once, by whoever seals it, and from then on opened as immutable: no lock, no journal, no file beside it.
What SQLite cannot read in it raises `SealedUnreadable`.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pysqlite3

SealedUnreadable = pysqlite3.DatabaseError
"""What SQLite raises for a file that is damaged, missing or none of ours."""
FORMAT = 1
_SCHEMA = (
    "PRAGMA page_size=8192",
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "CREATE TABLE about (format INTEGER, name TEXT, instance TEXT, made_at TEXT)",
    "CREATE TABLE body (sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, packed BLOB NOT NULL)",
)


def fill(path: Path, name: str, instance: str, made_at: str, bodies: Iterable[tuple[str, int, bytes]]) -> int:
    """Write a new volume at `path`, not synced; returns how many bodies it has. Raises pysqlite3.Error, OSError."""
    with contextlib.closing(pysqlite3.connect(path, isolation_level=None)) as connection:
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("BEGIN")
        connection.execute("INSERT INTO about VALUES (?, ?, ?, ?)", (FORMAT, name, instance, made_at))
        wrote = connection.executemany("INSERT INTO body VALUES (?, ?, ?)", bodies).rowcount
        connection.execute("COMMIT")
        return max(0, int(wrote))


class Sealed:
    """One volume, opened to be read. Raises SealedUnreadable, also for a file that is not there."""

    def __init__(self, path: Path) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._db = pysqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> "Sealed":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def about(self) -> tuple[str, str, str]:
        """Name, installation and instant (ISO) of its making, as it says itself."""
        row = self._one("SELECT format, name, instance, made_at FROM about")
        if row is None or row[0] != FORMAT:
            raise SealedUnreadable("no volume of this program")
        return str(row[1]), str(row[2]), str(row[3])

    def packed(self, sha256: str) -> bytes | None:
        """The packed bytes of one body, if it is here."""
        row = self._one("SELECT packed FROM body WHERE sha256 = ?", sha256)
        return bytes(row[0]) if row else None

    def bodies(self) -> Iterator[tuple[str, int, bytes]]:
        """Every body: hash, size, packed bytes."""
        yield from self._db.execute("SELECT sha256, size, packed FROM body")

    def hashes(self, after: str, limit: int) -> list[str]:
        """A page of the hashes of its bodies, in order."""
        found = self._db.execute("SELECT sha256 FROM body WHERE sha256 > ? ORDER BY sha256 LIMIT ?", (after, limit))
        return [str(row[0]) for row in found]

    def has(self, sha256: str) -> bool:
        """True when this body is here."""
        return self._one("SELECT 1 FROM body WHERE sha256 = ?", sha256) is not None

    def count(self) -> int:
        """How many bodies are here."""
        row = self._one("SELECT count(*) FROM body")
        return int(row[0]) if row else 0

    def _one(self, sql: str, *values: Any) -> Any:
        return self._db.execute(sql, values).fetchone()
