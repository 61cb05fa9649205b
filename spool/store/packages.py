"""Batch packages: choosing their documents, and how far each has come on its way to KSeF."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from spool import rows
from spool.domain.document import Mode
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Choice, Document, Entry, Package, PackedPart, Session
from spool.domain.series import together
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.rows import dump, stamp
from spool.store.attempts import Attempts
from spool.store.base import quoted
from spool.store.lookup import SENT_OFFLINE
from spool.store.series import IN_SERIES, LONGEST_PAUSE

_OPEN = quoted({State.SENDING, State.SUBMITTED, State.UNKNOWN})


class Packages(Attempts):
    """Packages on their way, and the documents in them."""

    def packable(self, context: str, day: date, now: datetime, limit: int) -> Choice:
        """Queued documents for one package: the nearest deadline first, of equal ones the units in turn.

        A package is sent offline as a whole or not at all; the most urgent document decides. Left out are technical
        corrections, which go into interactive sessions only (protocol §11), what is issued after `day`, which KSeF
        would refuse, and what waits for an earlier number of its series that cannot be in this package.
        """
        ready = """context = ? AND state = 'QUEUED' AND corrects = ''
            AND issue_date <= ? AND (next_action_at <= ? OR next_action_at > ?)"""
        values = (context, day.isoformat(), stamp(now), stamp(now + LONGEST_PAUSE))
        first = self._one(
            f"""SELECT {SENT_OFFLINE} AS offline FROM document INDEXED BY document_queue
                WHERE {ready} AND NOT held_back ORDER BY ifnull(due_safe, '~'), unit, seq LIMIT 1""",  # noqa: S608
            *values,
        )
        if first is None:
            return Choice(False, ())
        fits, for_fits = f"{ready} AND {SENT_OFFLINE} = ?", (*values, first["offline"])
        most = -1 if self.any_in_series() else limit
        within, until = "ifnull(due_safe, '~') <= ?", self._last_date(fits, for_fits, most)
        wanted = f"""id, sha256, size, unit, series, series_n, held_back, seq, ifnull(due_safe, '~') AS due,
            (due_state = '{DueState.CEASED}' OR mode = '{Mode.TOTAL_FAILURE}') AS without_duty"""
        found = self._db.execute(
            f"""SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY due, unit ORDER BY seq) AS turn FROM (
                    SELECT {wanted} FROM document INDEXED BY document_queue WHERE {fits} AND NOT held_back AND {within}
                    UNION ALL SELECT {wanted} FROM document INDEXED BY document_held_back WHERE {fits} AND held_back))
                ORDER BY due, turn, seq LIMIT ?""",  # noqa: S608 - our own words
            (*for_fits, until, *for_fits, most),
        )
        entries = [
            Entry(
                r["id"], r["sha256"], r["size"], (r["unit"], r["series"]) if r["series"] else None, r["series_n"],
                bool(r["held_back"]), bool(r["without_duty"]),
            )
            for r in found
        ]  # fmt: skip
        stops = self._stops(fits, for_fits) if any(entry.held_back for entry in entries) else {}
        return Choice(bool(first["offline"]), tuple(together(entries, stops, limit)))

    def _last_date(self, fits: str, values: tuple[Any, ...], most: int) -> str:
        """The latest date in a package of so many: only what is due by then need be put into turns. -1 is all dates."""
        row = self._one(
            f"""SELECT ifnull(due_safe, '~') AS due FROM document INDEXED BY document_queue
                WHERE {fits} AND NOT held_back ORDER BY ifnull(due_safe, '~') LIMIT 1 OFFSET ?""",  # noqa: S608
            *values,
            most - 1,
        )
        return str(row["due"]) if row and most > 0 else "~"

    def _stops(self, fits: str, values: tuple[Any, ...]) -> dict[tuple[str, str], int]:
        """The first open number of each series that does not fit into the package."""
        found = self._db.execute(
            f"""SELECT unit, series, min(series_n) AS n FROM document INDEXED BY document_series
                WHERE {IN_SERIES} AND NOT ({fits}) GROUP BY unit, series""",  # noqa: S608 - our own words
            values,
        )
        return {(r["unit"], r["series"]): r["n"] for r in found}

    def interrupted(self, context: str) -> list[Document]:
        """Documents of interactive sessions between intent and answer. Packages know themselves how far they are."""
        found = self._db.execute(
            """SELECT * FROM document WHERE context = ? AND state = 'SENDING'
               AND session NOT IN (SELECT reference FROM session WHERE kind = 'batch')
               AND session NOT IN (SELECT name FROM package) ORDER BY seq""",
            (context,),
        )
        return [rows.document(r) for r in found]

    def waiting_for_batch(self, context: str) -> list[Document]:
        """Documents with an attachment that an earlier version put aside, because it had no packages."""
        found = self._db.execute(
            "SELECT * FROM document WHERE state = 'WAITING' AND context = ? AND attachment", (context,)
        )
        return [rows.document(r) for r in found]

    def add_package(self, name: str, context: str, now: datetime) -> None:
        """A package is being made; its documents are claimed into it under this name."""
        self._insert("package", name=name, context=context, created_at=stamp(now))

    def claim(self, name: str, ids: Iterable[str], now: datetime) -> list[str]:
        """The intent for these documents, those still queued; returns which ones the package holds now."""
        claimed = []
        for document_id in ids:
            try:
                self.begin_attempt(self.document(document_id), name, now)
            except MoveRefused:
                continue  # a person held or withdrew it a moment ago
            claimed.append(document_id)
        return claimed

    def packed(self, name: str, limit: int, after: int = 0) -> list[Document]:
        """Documents of a package (by its session, or by its name before that) about which nothing is known yet."""
        found = self._db.execute(
            f"""SELECT * FROM document WHERE session = ? AND invoice_ref IS NULL AND ksef_number IS NULL
                AND state IN ({_OPEN}) AND seq > ? ORDER BY seq LIMIT +?""",  # noqa: S608 - our own words
            (name, after, limit),
        )
        return [rows.document(r) for r in found]

    def sending(self, name: str, limit: int) -> list[Document]:
        """Documents of a package, named as in `packed`, between intent and hand-over."""
        found = self._db.execute(
            "SELECT * FROM document INDEXED BY document_work WHERE state = 'SENDING' AND session = ? LIMIT ?",
            (name, limit),
        )
        return [rows.document(r) for r in found]

    def open_package(self, name: str, session: Session, parts: Iterable[PackedPart]) -> None:
        """KSeF opened a session for it: from now on its documents are in that session. Nothing was uploaded yet."""
        self.add_session(session)
        self._db.execute("UPDATE package SET session = ? WHERE name = ?", (session.reference, name))
        for table in ("attempt", "document"):
            self._db.execute(f"UPDATE {table} SET session = ? WHERE session = ?", (session.reference, name))  # noqa: S608
        for part in parts:
            self._insert(
                "part",
                package=name,
                ordinal=part.ordinal,
                size=part.size,
                hash=part.hash,
                url=part.url,
                headers=dump(part.headers),
            )

    def part_sent(self, name: str, ordinal: int, now: datetime) -> None:
        """KSeF's storage took this part."""
        self._db.execute("UPDATE part SET sent_at = ? WHERE package = ? AND ordinal = ?", (stamp(now), name, ordinal))

    def parts_missing(self, name: str) -> None:
        """KSeF says that a part is missing or of another size: all of them go once more."""
        self._db.execute("UPDATE part SET sent_at = NULL WHERE package = ?", (name,))

    def drop_package(self, name: str) -> None:
        """It was closed, or given up: from here on its session and its documents say everything."""
        self._db.execute("DELETE FROM package WHERE name = ?", (name,))

    def packages(self, context: str) -> list[Package]:
        """Packages of a context on their way, the oldest first."""
        found = self._db.execute("SELECT * FROM package WHERE context = ? ORDER BY created_at", (context,)).fetchall()
        return [
            Package(r["name"], context, r["session"], rows.instant(r["created_at"]), self._parts(r["name"]))
            for r in found
        ]

    def _parts(self, name: str) -> tuple[PackedPart, ...]:
        found = self._db.execute("SELECT * FROM part WHERE package = ? ORDER BY ordinal", (name,))
        return tuple(
            PackedPart(
                r["ordinal"],
                r["size"],
                r["hash"],
                r["url"],
                json.loads(r["headers"]),
                rows.instant(r["sent_at"]) if r["sent_at"] else None,
            )
            for r in found
        )
