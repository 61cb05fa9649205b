"""The order of numbering series: who waits for an earlier number is a flag, kept with every move at a constant price.

Of a series whose unit is strict only the first open number is in the queue (`NOT held_back`); when it gets its verdict
the next one is. So choosing costs the same however many wait behind, and a backlog needs no write per document.
"""

from datetime import datetime, timedelta
from itertools import takewhile

from spool import rows
from spool.domain.ledger import Document, HeldSeries
from spool.domain.series import Place
from spool.rows import stamp
from spool.store.base import Base

IN_SERIES = """series <> ''
    AND (state IN ('QUEUED', 'WAITING', 'SENDING', 'SUBMITTED', 'UNKNOWN') OR (state = 'HELD' AND NOT parked))"""
"""Open numbers, as the partial index `document_series` spells them."""
LONGEST_PAUSE = timedelta(days=1)
"""Nothing is ever put off for longer, so a time further ahead was written by a clock that has since gone back."""


class SeriesOrder(Base):
    """Places in numbering series, and what follows from them."""

    def keep_order(self, unit: str, series: str, now: datetime) -> None:
        """After any change in this series: its first open number is free to go, the later ones wait."""
        row = self._one(
            f"""SELECT min(series_n) AS n FROM document INDEXED BY document_series
                WHERE unit = ? AND series = ? AND {IN_SERIES}""",  # noqa: S608 - our own words
            unit,
            series,
        )
        if row is None or row["n"] is None:
            return
        self._db.execute(
            f"""UPDATE document SET held_back = 0, next_action_at = max(next_action_at, ?)
                WHERE seq IN (SELECT seq FROM document INDEXED BY document_series WHERE unit = ? AND series = ?
                AND series_n <= ? AND {IN_SERIES} AND state = 'QUEUED' AND held_back)""",  # noqa: S608
            (stamp(now), unit, series, row["n"]),
        )
        self._db.execute(
            """UPDATE document SET held_back = 1 WHERE seq IN (SELECT seq FROM document INDEXED BY document_in_turn
               WHERE unit = ? AND series = ? AND series_n > ? AND state = 'QUEUED' AND in_order AND NOT held_back)""",
            (unit, series, row["n"]),
        )

    def set_place(self, document: Document, place: Place, now: datetime) -> None:
        """Another place by another configuration; both series are put in order."""
        self._db.execute(
            "UPDATE document SET series = ?, series_n = ?, in_order = ?, held_back = 0 WHERE id = ?",
            (place.series, place.n, int(place.strict), document.id),
        )
        for series in {document.series, place.series} - {""}:
            self.keep_order(document.unit, series, now)

    def earlier_open(self, document: Document) -> Document | None:
        """The first open number of its series, if that is an earlier one."""
        if not document.series:
            return None
        row = self._one(
            f"""SELECT * FROM document INDEXED BY document_series WHERE unit = ? AND series = ? AND series_n < ?
                AND {IN_SERIES} ORDER BY series_n LIMIT 1""",  # noqa: S608
            document.unit,
            document.series,
            document.series_n,
        )
        return rows.document(row) if row else None

    def held_series(self, context: str) -> list[HeldSeries]:
        """The series of a context in which something is held back, with the nearest date of that: one seek for each."""
        found: list[HeldSeries] = []
        after = """SELECT unit, series, due_safe FROM document INDEXED BY document_held_back WHERE context = ? AND %s
            AND state = 'QUEUED' AND held_back ORDER BY unit, series, ifnull(due_safe, '~') LIMIT 1"""
        row = self._one(after % "unit > ''", context)
        while row is not None:
            unit, series = row["unit"], row["series"]
            due = rows.instant(row["due_safe"]) if row["due_safe"] else None
            found.append(HeldSeries(unit, series, due))
            # Not as one comparison of both columns: SQLite would walk through all of this unit.
            row = self._one(after % "unit = ? AND series > ?", context, unit, series)
            row = row or self._one(after % "unit > ?", context, unit)
        return found

    def first_open(self, held: HeldSeries) -> Document | None:
        """The number that the others of this series wait for."""
        row = self._one(
            f"""SELECT * FROM document INDEXED BY document_series WHERE unit = ? AND series = ? AND {IN_SERIES}
                ORDER BY series_n LIMIT 1""",  # noqa: S608
            held.unit,
            held.series,
        )
        return rows.document(row) if row else None

    def let_go(self, context: str, held: HeldSeries, due_before: datetime, limit: int) -> int:
        """What is held back in this series and due by then waits no more, ever; returns how many documents, at most
        `limit`."""
        done = self._db.execute(
            """UPDATE document SET held_back = 0, in_order = 0 WHERE seq IN (SELECT seq FROM document
               INDEXED BY document_held_back WHERE context = ? AND unit = ? AND series = ? AND state = 'QUEUED'
               AND held_back AND ifnull(due_safe, '~') <= ? LIMIT ?)""",
            (context, held.unit, held.series, stamp(due_before), limit),
        )
        return int(done.rowcount)

    def following(self, context: str, now: datetime, most: int) -> int:
        """How many documents that are held back could go in a package right behind their first number, up to `most`."""
        count = 0
        for held in self.held_series(context):
            run = self._db.execute(
                f"""SELECT context = ? AND state = 'QUEUED' AND corrects = '' AND (next_action_at <= ?
                    OR next_action_at > ?) AS ready FROM document INDEXED BY document_series
                    WHERE unit = ? AND series = ? AND {IN_SERIES} ORDER BY series_n LIMIT ?""",  # noqa: S608
                (context, stamp(now), stamp(now + LONGEST_PAUSE), held.unit, held.series, most - count + 1),
            )
            ready = sum(1 for _ in takewhile(lambda r: r["ready"], run))
            count += max(0, ready - 1)
            if count >= most:
                return most
        return count

    def any_in_series(self) -> bool:
        """True when any open document has a place in a series."""
        query = f"SELECT 1 FROM document INDEXED BY document_series WHERE {IN_SERIES} LIMIT 1"  # noqa: S608
        return self._one(query) is not None

    def overtaking(self, package: str) -> list[tuple[str, str, bool]]:
        """Documents claimed into this package of whose series an earlier number is open outside it: their id, that
        number's id, and whether they must not go before it."""
        found = self._db.execute(
            f"""SELECT d.id, first.id AS earlier, d.in_order FROM document AS d JOIN
                (SELECT unit, series, min(series_n) AS n, id FROM document INDEXED BY document_series
                 WHERE {IN_SERIES} AND session IS NOT ? GROUP BY unit, series) AS first
                ON first.unit = d.unit AND first.series = d.series AND first.n < d.series_n
                WHERE d.session = ? AND d.state = 'SENDING' AND d.series <> '' ORDER BY d.series_n""",  # noqa: S608
            (package, package),
        )
        return [(r["id"], r["earlier"], bool(r["in_order"])) for r in found]
