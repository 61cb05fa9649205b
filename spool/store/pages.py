"""Lists for the pages: documents and received invoices that a person may see, a page at a time.

`units` None means all of them. Nothing else in the spool decides what a person sees: `gateway.web.sight` hands in the
units of the account.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from spool import rows
from spool.domain.ledger import Document, Event, Received
from spool.domain.states import State
from spool.store.base import Units, marks, seen_by
from spool.store.lookup import IN_EARNEST, UNNUMBERED, Lookup


class Pages(Lookup):
    """What the pages list."""

    def find_documents(
        self, units: Units, *, text: str = "", states: Iterable[State] = (), before: int = 0, limit: int = 50
    ) -> list[Document]:
        """The newest first, from the one before cursor `before`; `text` is part of a number, a file or an id."""
        wanted = sorted(states)
        parts, values = seen_by(units)
        by_state = self._by_state(units, wanted, limit)
        if before:
            parts.append("seq < ?")
            values.append(before)
        if wanted:
            parts.append(f"state IN ({marks(wanted)})")
            values += wanted
        if text:
            parts.append(
                "(number_key LIKE ? ESCAPE '\\' OR source_name LIKE ? ESCAPE '\\' OR ksef_number LIKE ? ESCAPE '\\'"
                " OR id = ?)"
            )
            values += [*[_part(text)] * 3, text]
        found = self._db.execute(
            f"SELECT * FROM document {by_state} {_where(parts)} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - our own words
            (*values, limit),
        )
        return [rows.document(r) for r in found]

    def _by_state(self, units: Units, states: list[State], limit: int) -> str:
        """Which way is the shorter one to a page of documents in these states: the words for SQLite, which cannot know.

        Of few, all are looked up and sorted; where there are many, the first of them are met soon on the way back from
        the newest. Either alone would read a million rows for a page now and then.
        """
        if not states:
            return ""
        counts = Counter(self.counts(units)) + Counter(self.counts(units, training=True))
        among, wanted = counts.total(), sum(counts[state] for state in states)
        if wanted * wanted > limit * among:
            return "NOT INDEXED" if units is None else "INDEXED BY document_unit"
        return "INDEXED BY document_due" if units is None else "INDEXED BY document_due_of"

    def due_next(self, units: Units, limit: int) -> list[Document]:
        """Live documents without a number, the nearest deadline first; none of a training."""
        if units is None:
            return self.by_due(limit)
        found = [
            row
            for unit in sorted(units)  # one after the other, so that each is read in order from its index
            for row in self._nearest(UNNUMBERED, limit, unit=unit, clause=IN_EARNEST)
        ]
        found.sort(key=lambda row: (row["due_safe"] or "~", row["seq"]))
        return [rows.document(r) for r in found[:limit]]

    def counts_by_unit(self, *, training: bool = False) -> dict[str, dict[str, int]]:
        """How many real documents of each unit, or of a `training` instead, are in each state; units and states without
        any are left out."""
        found: dict[str, dict[str, int]] = {}
        for row in self._db.execute("SELECT unit, state, n FROM tally WHERE n > 0 AND training = ?", (training,)):
            found.setdefault(row["unit"], {})[row["state"]] = row["n"]
        return found

    def find_received(
        self, units: Units, *, text: str = "", tray: bool = False, before: int = 0, limit: int = 50
    ) -> list[Received]:
        """The newest first; `tray` for the central tray only, which is seen by whoever sees all units."""
        parts, values = seen_by(units)
        if tray:
            parts.append("unit IS NULL")
        if before:
            parts.append("cursor < ?")
            values.append(before)
        if text:
            parts.append("(ksef_number LIKE ? ESCAPE '\\' OR facts LIKE ? ESCAPE '\\')")
            values += [_part(text)] * 2
        found = self._db.execute(
            f"SELECT * FROM received {_where(parts)} ORDER BY cursor DESC LIMIT ?",  # noqa: S608 - our own words
            (*values, limit),
        )
        return [rows.received(r) for r in found]

    def received_of(self, units: Units) -> tuple[int, int]:
        """How many received invoices these units have: real ones, and of a training."""
        parts, values = seen_by(units)
        all_of_them, trained = (
            int(self._db.execute(f"SELECT count(*) FROM received {clause}", values).fetchone()[0])  # noqa: S608 - our own
            for clause in (_where(parts), _where(["training <> ''", *parts]))
        )
        return all_of_them - trained, trained

    def latest_received(self, units: Units, limit: int) -> list[Received]:
        """The newest first; none of a training."""
        parts, values = seen_by(units)
        clause = _where(["training = ''", *parts])
        found = self._db.execute(f"SELECT * FROM received {clause} ORDER BY cursor DESC LIMIT ?", (*values, limit))  # noqa: S608
        return [rows.received(r) for r in found]

    def moved_by_outages(self, limit: int) -> list[Document]:
        """Documents whose date an announcement has changed, the newest first."""
        found = self._db.execute(
            """SELECT * FROM document INDEXED BY document_moved WHERE due_because <> '' ORDER BY seq DESC LIMIT ?""",
            (limit,),
        )
        return [rows.document(r) for r in found]

    def events(self, *, before: int = 0, limit: int = 100, subject: str = "") -> list[Event]:
        """The audit trail, the newest first; `subject` is the beginning of what it is about."""
        parts: list[str] = []
        values: list[Any] = []
        if before:
            parts.append("seq < ?")
            values.append(before)
        if subject:
            parts.append("subject >= ? AND subject < ?")
            values += [subject, subject + "\U0010ffff"]
        found = self._db.execute(
            f"SELECT * FROM event {_where(parts)} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - our own words
            (*values, limit),
        )
        return [rows.event(r) for r in found]


def _where(parts: list[str]) -> str:
    return "WHERE " + " AND ".join(parts) if parts else ""


def _part(text: str) -> str:
    """A pattern that finds `text` anywhere, its own wildcards taken literally."""
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%"
