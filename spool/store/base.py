"""What every part of the store works on: the connection, bodies by hash, and the history that goes with each change."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pysqlite3

from spool import bodies, rows
from spool.domain.errors import BodyDamaged
from spool.domain.ledger import Event
from spool.domain.states import State
from spool.domain.volumes import DIRECTORY, PUT_BACK, file_of
from spool.rows import dump, stamp
from spool.store.volume_file import Sealed, SealedUnreadable

ENDED = "('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED')"
"""As the partial indexes spell it, word for word: otherwise SQLite does not see that they fit."""
Units = Collection[str] | None
"""Whose rows somebody sees; None means all of them."""
FIRST_HASH = "0" * 64
Unreadable = pysqlite3.DatabaseError
"""What SQLite raises for a damaged file."""
_CHAINED = ("at", "subject", "actor", "move", "note", "data", "previous")


class Base:
    """One connection inside a transaction that somebody else opened. Instants in, instants out; no clock here."""

    def __init__(self, connection: pysqlite3.Connection, fence: int = 0) -> None:
        """`fence` is the number of the run that writes (`Fences`); 0 is a command."""
        self._db = connection
        self._fence = fence

    # -- bodies ------------------------------------------------------------------------------------------------

    def put_body(self, raw: bytes) -> str:
        """Keep these exact bytes; returns their SHA-256. Keeping the same bytes again changes nothing."""
        sha256 = bodies.sha256_hex(raw)
        self._db.execute(
            """INSERT INTO body (sha256, size, packed) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET packed = excluded.packed, volume = NULL WHERE volume IS NOT NULL""",
            (sha256, len(raw), bodies.pack(raw)),
        )  # what comes again is needed again: then it is here, whatever has become of the archive
        return sha256

    def body(self, sha256: str) -> bytes:
        """The exact bytes, from wherever they lie: here, or in a yearly archive.

        Raises BodyDamaged when they are missing or no longer match their hash.
        """
        row = self._one("SELECT packed, volume FROM body WHERE sha256 = ?", sha256)
        if row is None:
            raise BodyDamaged(f"Brakuje zapisanej treści {sha256[:12]}….")
        packed = row["packed"] if row["volume"] is None else self._archived(row["volume"], sha256)
        return bodies.unpack(packed, sha256)

    def _archived(self, volume: str, sha256: str) -> bytes:
        """The packed bytes of a body that has left the spool."""
        try:
            with Sealed(self.archives() / file_of(volume)) as opened:
                packed = opened.packed(sha256)
        except SealedUnreadable as error:
            raise BodyDamaged(f"Nie można odczytać tomu archiwum {volume}: {error}.", PUT_BACK) from error
        if packed is None:
            raise BodyDamaged(f"W tomie archiwum {volume} brakuje treści {sha256[:12]}….", PUT_BACK)
        return packed

    def archives(self) -> Path:
        """The directory of the yearly archives: beside the file of this spool."""
        row = self._one("SELECT file FROM pragma_database_list WHERE name = 'main'")
        assert row is not None
        return Path(row["file"]).parent / DIRECTORY

    # -- history -----------------------------------------------------------------------------------------------

    def log(
        self,
        subject: str,
        move: str,
        now: datetime,
        actor: str,
        note: str,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Append one history row, chained to the one before by its hash."""
        last = self._one("SELECT hash FROM event ORDER BY seq DESC LIMIT 1")
        previous = last["hash"] if last else FIRST_HASH
        fields = (stamp(now), subject, actor, move, note, dump(data or {}), previous)
        row = dict(zip(_CHAINED, fields, strict=True)) | {"fence": self._fence}
        self._insert("event", **row, hash=link(row))

    def history(self, subject: str) -> list[Event]:
        """All events of one document, received invoice, context or unit, oldest first."""
        found = self._db.execute("SELECT * FROM event WHERE subject = ? ORDER BY seq", (subject,))
        return [rows.event(r) for r in found]

    def links(self, subject: str) -> list[dict[str, Any]]:
        """The rows of one subject exactly as they are sealed, oldest first; `data` is the text that was hashed."""
        return [dict(r) for r in self._db.execute("SELECT * FROM event WHERE subject = ? ORDER BY seq", (subject,))]

    def all_links(self, after: int, since: datetime | None, limit: int) -> list[dict[str, Any]]:
        """A page of the whole history as it is sealed, from the row after `after`; with `since` not from before it."""
        found = self._db.execute(
            "SELECT * FROM event WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?",
            (after, stamp(since) if since else "", limit),
        )
        return [dict(r) for r in found]

    def last_link(self) -> tuple[int, str] | None:
        """`seq` and hash of the last history row."""
        row = self._one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
        return (row["seq"], row["hash"]) if row else None

    def link(self, seq: int) -> str | None:
        """The hash of one history row, if it is there."""
        row = self._one("SELECT hash FROM event WHERE seq = ?", seq)
        return row["hash"] if row else None

    def broken_link(self) -> int | None:
        """The `seq` of the first history row whose hash does not follow from the one before; None when all do."""
        previous = FIRST_HASH
        for row in self._db.execute("SELECT * FROM event ORDER BY seq"):
            if row["previous"] != previous or row["hash"] != link(row):
                return int(row["seq"])
            previous = row["hash"]
        return None

    # -- helpers -----------------------------------------------------------------------------------------------

    def _insert(self, table: str, **columns: Any) -> int:
        """Returns the rowid."""
        return int(self._db.execute(_inserting(table, tuple(columns)), tuple(columns.values())).lastrowid)

    def _one(self, sql: str, *values: Any) -> pysqlite3.Row | None:
        return self._db.execute(sql, values).fetchone()


def link(row: Mapping[str, Any] | pysqlite3.Row) -> str:
    """The hash of a history row. Rows from before there were fencing numbers have none, and hash without one."""
    fields = [row[name] for name in _CHAINED]
    if row["fence"] is not None:
        fields.append(row["fence"])
    return hashlib.sha256(_ENCODE(fields).encode()).hexdigest()


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode  # `dumps` would make one every time


@cache
def _inserting(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)})"  # noqa: S608 - our own names


def marks(values: Iterable[Any]) -> str:
    """As many question marks as there are values."""
    return ", ".join("?" for _ in values)


def seen_by(units: Units) -> tuple[list[str], list[Any]]:
    """The condition that keeps what belongs to others out, with its values; none for whoever sees all units."""
    if units is None:
        return [], []
    known = sorted(units)
    return [f"unit IN ({marks(known)})"], list(known)


def where(*, unit: str | None, state: Sequence[str] = (), **after: int) -> tuple[str, tuple[Any, ...]]:
    """A WHERE clause with only the conditions that are wanted, so that SQLite can use its index on them."""
    cursor, value = next(iter(after.items()))
    parts: list[str] = [f"{cursor} > ?"]
    values: list[Any] = [value, *state]
    if state:
        parts.append(f"state IN ({marks(state)})")
    if unit is not None:
        parts.append("unit = ?")
        values.append(unit)
    return "WHERE " + " AND ".join(parts), tuple(values)


def quoted(states: Iterable[State]) -> str:
    """Our own words as an SQL list."""
    return ", ".join(f"'{s}'" for s in sorted(states))
