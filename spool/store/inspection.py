"""Looking whether the spool is as it must be: every query streams, and none trusts an index to say what is unique.

The queries give facts; what is wrong about them is decided in `spool.domain.invariants`. A table that cannot be read
raises `base.Unreadable`.
"""

import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.invariants import Life, Move, Try
from spool.domain.states import HOLDS_NUMBER, TERMINAL
from spool.rows import stamp
from spool.store.alarms import OPEN, PASSING
from spool.store.base import Base, quoted
from spool.store.series import IN_SERIES

_HOLDERS = quoted(HOLDS_NUMBER)
_ENDED = quoted(TERMINAL)
_USES = (
    "SELECT id AS subject, sha256, size FROM document",
    "SELECT id, upo_sha256, NULL FROM document WHERE upo_sha256 IS NOT NULL",
    "SELECT id, repaired_from, NULL FROM document WHERE repaired_from <> ''",
    "SELECT ksef_number, sha256, NULL FROM received",
    "SELECT 'paper:' || id, scan_sha256, NULL FROM paper WHERE scan_sha256 IS NOT NULL",
)


class Inspection(Base):
    """Facts for `sluza check`."""

    def file_damage(self, most: int, *, indexes: bool = False) -> list[str]:
        """What SQLite itself finds wrong with the file, at most so many sentences (English, its own).

        With `indexes` each of them is laid beside its table, too: that finds changed values in sound pages.
        """
        found = self._db.execute(f"PRAGMA {'integrity_check' if indexes else 'quick_check'}({most:d})")
        return [str(r[0]) for r in found if r[0] != "ok"]

    def pages(self) -> tuple[int, int]:
        """How many pages the database has, and the bytes of each."""
        return tuple(int(self._db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))  # type: ignore[return-value]

    def checkpointed(self) -> bool:
        """Move what can be moved from the WAL into the file; True when the WAL has nothing that the file has not."""
        busy, logged, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not busy and logged == moved

    def rows_unlike_history(self) -> Iterator[str]:
        """Living documents whose state is not the one that their history led to. Raises what an unreadable one does."""
        for row in self._db.execute(
            f"""SELECT *, (SELECT move FROM event WHERE subject = document.id AND move LIKE '%>%'
                ORDER BY seq DESC LIMIT 1) AS last_move FROM document WHERE state NOT IN ({_ENDED})"""  # noqa: S608
        ):
            if rows.document(row).state != str(row["last_move"]).rpartition(">")[2]:
                yield row["id"]

    # -- bodies ------------------------------------------------------------------------------------------------

    def stored_bodies(self) -> Iterator[tuple[str, int, bytes]]:
        """Every body that lies in the spool: hash, size, packed bytes."""
        for row in self._db.execute("SELECT sha256, size, packed FROM body WHERE volume IS NULL"):
            yield row["sha256"], row["size"], row["packed"]

    def users_of(self, sha256: str) -> list[str]:
        """Documents (their ids), received invoices (their KSeF numbers) and papers that need this body."""
        found = self._db.execute(f"SELECT subject FROM ({' UNION ALL '.join(_USES)}) WHERE sha256 = ?", (sha256,))  # noqa: S608
        return list(dict.fromkeys(r["subject"] for r in found))

    def bodies_missing(self) -> Iterator[tuple[str, bool]]:
        """Documents and received invoices whose body is not there (True), or has another size than theirs (False)."""
        for use in _USES:
            found = self._db.execute(
                f"""SELECT subject, body.sha256 IS NULL AS missing FROM (SELECT * FROM ({_USES[0]}) WHERE 0 UNION ALL
                    {use}) AS used LEFT JOIN body ON body.sha256 = used.sha256
                    WHERE body.sha256 IS NULL OR used.size <> body.size"""  # noqa: S608
            )
            yield from ((r["subject"], bool(r["missing"])) for r in found)

    # -- documents ---------------------------------------------------------------------------------------------

    def lives(self) -> Iterator[Life]:
        """Every outgoing document with its changes of state and attempts, by id."""
        moves = _Groups(
            self._db.execute(
                "SELECT subject AS of, at, actor, move, note FROM event WHERE move LIKE '%>%' ORDER BY subject, seq"
            )
        )
        attempts = _Groups(
            self._db.execute(
                "SELECT document AS of, sha256, started_at, outcome FROM attempt ORDER BY document, attempt.id"
            )
        )
        for row in self._db.execute(
            """SELECT id, context, sha256, state, reason, problems, ksef_number, mode, due_state, due_safe,
               next_action_at, held_back, training FROM document ORDER BY id"""
        ):
            yield Life(
                row["id"], row["context"], row["sha256"], row["state"], row["reason"], _texts(row["problems"]),
                row["ksef_number"], row["mode"], row["due_state"], _moment(row["due_safe"]),
                _moment(row["next_action_at"]),
                tuple(Move(m["at"], m["actor"], m["move"], m["note"]) for m in moves.of(row["id"])),
                tuple(Try(a["sha256"], a["started_at"], a["outcome"] or "") for a in attempts.of(row["id"])),
                bool(row["held_back"]), bool(row["training"]),
            )  # fmt: skip

    def held_back_for_nothing(self) -> Iterator[str]:
        """Queued documents that wait for an earlier number of their series while none is open."""
        found = self._db.execute(
            f"""SELECT waits.id FROM document AS waits NOT INDEXED LEFT JOIN (SELECT unit, series, min(series_n) AS n
                FROM document NOT INDEXED WHERE {IN_SERIES} GROUP BY unit, series) AS first
                ON first.unit = waits.unit AND first.series = waits.series AND first.n < waits.series_n
                WHERE waits.state = 'QUEUED' AND waits.held_back AND first.n IS NULL"""  # noqa: S608 - our own words
        )
        yield from (r["id"] for r in found)

    def documents_lost(self) -> Iterator[str]:
        """Documents that entered by the history and of which there is no row."""
        found = self._db.execute(
            """SELECT DISTINCT subject FROM event WHERE move LIKE '>%'
               AND NOT EXISTS (SELECT 1 FROM document WHERE id = event.subject)"""
        )
        yield from (r["subject"] for r in found)

    def numbers_twice(self) -> Iterator[tuple[str, str]]:
        """KSeF numbers that several documents have, with the ids."""
        yield from self._twice("ksef_number", "ksef_number IS NOT NULL")

    def bytes_numbered_twice(self) -> Iterator[tuple[str, str]]:
        """Hashes of bytes that have several KSeF numbers, with the ids."""
        yield from self._twice("sha256", "ksef_number IS NOT NULL", "count(DISTINCT ksef_number)")

    def business_numbers_twice(self) -> Iterator[tuple[str, str]]:
        """Invoice numbers that several live or numbered documents of one seller and kind hold, with the ids."""
        yield from self._twice("seller_nip, kind, number_key", f"number_key <> '' AND state IN ({_HOLDERS})")

    def _twice(self, by: str, which: str, count: str = "count(*)") -> Iterator[tuple[str, str]]:
        last = by.rpartition(" ")[2]
        found = self._db.execute(
            f"""SELECT {last} AS what, group_concat(id, ', ') AS ids FROM document NOT INDEXED WHERE {which}
                GROUP BY {by} HAVING {count} > 1"""  # noqa: S608 - our own words
        )
        yield from ((r["what"], r["ids"]) for r in found)

    def open_sends_twice(self) -> Iterator[tuple[str, str]]:
        """Hashes of bytes of which several documents have a send without a settled end, with the ids."""
        found = self._db.execute(
            """SELECT sha256, group_concat(DISTINCT document) AS ids FROM attempt NOT INDEXED
               WHERE outcome IS NULL OR outcome IN ('submitted', 'unknown', 'accepted')
               GROUP BY sha256 HAVING count(DISTINCT document) > 1"""
        )
        yield from ((r["sha256"], r["ids"]) for r in found)

    def last_sends(self) -> dict[str, datetime]:
        """When a document of each context was last sent."""
        found = self._db.execute(
            """SELECT context, max(started_at) AS at FROM attempt JOIN document ON document.id = attempt.document
               GROUP BY context"""
        )
        return {r["context"]: at for r in found if (at := _moment(r["at"]))}

    def counts_of_documents(self) -> dict[str, int]:
        """The number of documents, counted in several ways; they must be equal."""
        ways = {
            "wiersze": "SELECT count(*) FROM document NOT INDEXED",
            "stany": "SELECT sum(n) FROM (SELECT count(*) AS n FROM document GROUP BY state)",
            "jednostka i skrót": "SELECT count(*) FROM (SELECT DISTINCT unit, sha256 FROM document NOT INDEXED)",
            "identyfikatory": "SELECT count(*) FROM (SELECT id FROM document ORDER BY id)",
        }
        return {name: int(self._db.execute(sql).fetchone()[0] or 0) for name, sql in ways.items()}

    # -- deadlines, history, received --------------------------------------------------------------------------

    def passed_in_silence(self, before: datetime) -> Iterator[tuple[str, str]]:
        """Documents whose due moment passed before this instant and was not told, with that moment."""
        found = self._db.execute(
            f"""WITH told (id) AS MATERIALIZED (SELECT value FROM alarm, json_each(documents) WHERE step = 'due')
                SELECT id, due_safe FROM document WHERE due_safe < :before AND (({PASSING})
                OR ({OPEN} AND passed_told = due_safe AND id NOT IN told)) ORDER BY due_safe""",  # noqa: S608
            {"before": stamp(before)},
        )
        yield from ((r["id"], r["due_safe"]) for r in found)

    def alarms_without_entry(self) -> Iterator[int]:
        """Alarms that have not exactly one entry in the history."""
        found = self._db.execute(
            "SELECT id FROM alarm WHERE (SELECT count(*) FROM event WHERE subject = 'alarm:' || alarm.id) <> 1"
        )
        yield from (r["id"] for r in found)

    def received_unlike_history(self) -> Iterator[tuple[str, str]]:
        """Received invoices that are there more than once ("twice"), without their entry ("silent"), of which only the
        entry is left ("lost"), or whose unit is not the one of their last hop ("strayed")."""
        for what, sql in (
            ("twice", "SELECT ksef_number FROM received NOT INDEXED GROUP BY ksef_number HAVING count(*) > 1"),
            (
                "silent",
                """SELECT ksef_number FROM received WHERE NOT EXISTS
                   (SELECT 1 FROM event WHERE subject = received.ksef_number AND move = 'received')""",
            ),
            (
                "lost",
                """SELECT subject FROM event WHERE move = 'received' AND NOT EXISTS
                   (SELECT 1 FROM received WHERE ksef_number = event.subject)""",
            ),
            (
                "strayed",
                """SELECT ksef_number FROM received WHERE unit IS NOT
                   (SELECT data ->> iif(move = 'received', '$.unit', '$.to') FROM event
                    WHERE subject = received.ksef_number AND move IN ('received', 'assigned') ORDER BY seq DESC LIMIT 1)
                   AND EXISTS (SELECT 1 FROM event WHERE subject = received.ksef_number AND move = 'received')""",
            ),
        ):
            yield from ((r[0], what) for r in self._db.execute(sql))

    def marks_ahead(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Marks of receiving (context, subject) that claim what lies after this instant."""
        found = self._db.execute("SELECT context, subject FROM mark WHERE upto > ?", (stamp(now),))
        yield from ((r["context"], r["subject"]) for r in found)

    def rows_in(self, table: str) -> int:
        """How many rows a table of ours has, for saying how far a check has come."""
        assert table.isidentifier()
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


class _Groups:
    """Rows in groups by their column `of`, handed out in the same ascending order in which they come."""

    def __init__(self, ordered: Iterator[Any]) -> None:
        self._groups = itertools.groupby(ordered, key=lambda r: r["of"])
        self._next: tuple[str, list[Any]] | None = self._read()

    def of(self, key: str) -> list[Any]:
        """The rows of this key; groups before it are of nobody and are passed over."""
        while self._next is not None and self._next[0] < key:
            self._next = self._read()
        return self._next[1] if self._next is not None and self._next[0] == key else []

    def _read(self) -> tuple[str, list[Any]] | None:
        found = next(self._groups, None)
        return (found[0], list(found[1])) if found else None


def _moment(text: str | None) -> datetime | None:
    """An instant, or None where there is none that can be read."""
    try:
        return rows.instant(text) if text else None
    except (ValueError, TypeError):
        return None


def _texts(problems: str) -> tuple[str, ...]:
    """What a person is shown of the problems of a document; as it stands where it cannot be read."""
    try:
        return tuple(f"{p.get('message', '')} {p.get('hint', '')}" for p in json.loads(problems))
    except (ValueError, TypeError, AttributeError):
        return (str(problems),)
