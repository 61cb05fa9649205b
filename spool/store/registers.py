"""Monthly registers: their rows, what was read for them, and which of them changed since they were written."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import spool.domain.book as books
from spool import rows
from spool.domain.book import Book, book_from_dict
from spool.domain.calendar import WARSAW, start_of_day
from spool.domain.errors import RegisterRefused
from spool.domain.ledger import Document, Received
from spool.rows import dump, stamp
from spool.store.base import ENDED, Base

WHOLE = "*"
"""In the place of a unit: the municipality's own register."""
Position = tuple[str, int]
"""Where a page ended: day or instant, and number of the last row."""
FIRST_POSITION: Position = ("", 0)


class Stale(NamedTuple):
    """A register that changed: `changes` says how often, so that what changes while it is written is not lost."""

    kind: str
    unit: str
    month: str
    changes: int = 1


class IssuedLine(NamedTuple):
    """A document of a register, before its content was read: `book` is None until then."""

    document: Document
    book: Book | None
    upo_at: datetime | None
    retention: str | None


class ReceivedLine(NamedTuple):
    """A purchase of a register, before its content was read: `book` is None until then."""

    invoice: Received
    book: Book | None
    entered: date | None
    retention: str | None


class Registers(Base):
    """What the monthly registers are made of."""

    def issued_units(self, month: str) -> list[str]:
        """The units that have a document issued in this month, in order, however many documents there are."""
        found = self._db.execute(
            """WITH RECURSIVE hop (unit) AS (
                   SELECT min(unit) FROM document WHERE issue_date <> ''
                   UNION ALL
                   SELECT (SELECT min(unit) FROM document WHERE issue_date <> '' AND unit > hop.unit) FROM hop
                   WHERE unit IS NOT NULL)
               SELECT unit FROM hop WHERE unit IS NOT NULL AND EXISTS (SELECT 1 FROM document
                   WHERE unit = hop.unit AND issue_date <> '' AND issue_date BETWEEN ? AND ?)""",
            _days(month),
        )
        return [r["unit"] for r in found]

    def issued_lines(self, unit: str, month: str, after: Position, limit: int) -> list[IssuedLine]:
        """A page of the documents of this unit issued in this month (`P_1`), by day and arrival.

        What was refused, withdrawn or put aside is no invoice; one that KSeF rejected after it was issued offline is.
        """
        first, last = _days(month)
        day, seq = max(after, (first, 0))
        # Two seeks, the rest of the day and the days behind it: for a row value, (issue_date, seq) > (…), SQLite would
        # seek by the day only, and walk over what was read of it for every page.
        found = self._issued("issue_date = ? AND seq > ?", unit, day, seq, limit)
        if len(found) < limit:
            found += self._issued("issue_date > ? AND issue_date <= ?", unit, day, last, limit - len(found))
        return found

    def _issued(self, clause: str, *values: Any) -> list[IssuedLine]:
        found = self._db.execute(
            f"""SELECT document.*, book.facts AS book, book.version AS book_version, retention.class AS retention,
                (SELECT max(at) FROM event WHERE subject = document.id AND move = 'upo') AS upo_at
                FROM document LEFT JOIN book ON book.sha256 = document.sha256
                LEFT JOIN retention ON retention.subject = document.id
                WHERE unit = ? AND issue_date <> '' AND training = '' AND {clause}
                AND (owed OR state NOT IN {ENDED}) ORDER BY issue_date, seq LIMIT ?""",  # noqa: S608 - our own words
            values,
        )
        return [
            IssuedLine(
                rows.document(r), _book(r["book"], r["book_version"]),
                rows.instant(r["upo_at"]) if r["upo_at"] else None, r["retention"],
            )
            for r in found
        ]  # fmt: skip

    def received_units(self, month: str) -> list[str | None]:
        """The units that have a purchase received in this month, in order; None is the central tray."""
        found = self._db.execute(
            "SELECT DISTINCT unit FROM received WHERE acquisition_date >= ? AND acquisition_date < ? ORDER BY unit",
            _instants(month),
        )
        late = self._db.execute(
            "SELECT DISTINCT unit FROM receipt JOIN received USING (ksef_number) WHERE received_on BETWEEN ? AND ?",
            _days(month),
        )
        units = {r["unit"] for r in found} | {r["unit"] for r in late}
        return sorted(units, key=lambda unit: (unit is None, unit))

    def received_lines(self, unit: str | None, month: str, after: Position, limit: int) -> list[ReceivedLine]:
        """A page of the purchases of this unit (None: the central tray) that may be received in this month, by number.

        Those whose number day in Warsaw, or the day that a person entered, is in it; `receipt_of` says which counts.
        """
        begin, end = _instants(month)
        found = self._db.execute(
            """SELECT received.*, book.facts AS book, book.version AS book_version, retention.class AS retention,
               receipt.received_on AS entered
               FROM received LEFT JOIN receipt ON receipt.ksef_number = received.ksef_number
               LEFT JOIN book ON book.sha256 = received.sha256
               LEFT JOIN retention ON retention.subject = received.ksef_number
               WHERE unit IS ? AND training = '' AND (acquisition_date, cursor) > (?, ?) AND acquisition_date < ?
               UNION ALL
               SELECT received.*, book.facts, book.version, retention.class, receipt.received_on
               FROM receipt CROSS JOIN received ON received.ksef_number = receipt.ksef_number
               LEFT JOIN book ON book.sha256 = received.sha256
               LEFT JOIN retention ON retention.subject = received.ksef_number
               WHERE receipt.received_on BETWEEN ? AND ? AND unit IS ? AND training = ''
               AND (acquisition_date, cursor) > (?, ?)
               AND NOT (acquisition_date >= ? AND acquisition_date < ?)
               ORDER BY acquisition_date, cursor LIMIT ?""",
            (
                unit, *max(after, (begin, 0)), end,
                *_days(month), unit, *after, begin, end, limit,
            ),
        )  # fmt: skip
        return [
            ReceivedLine(
                rows.received(r), _book(r["book"], r["book_version"]),
                date.fromisoformat(r["entered"]) if r["entered"] else None, r["retention"],
            )
            for r in found
        ]  # fmt: skip

    def keep_books(self, found: Mapping[str, Book]) -> None:
        """What was read of these contents, by their SHA-256."""
        self._db.executemany(
            """INSERT INTO book (sha256, version, facts) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET version = excluded.version, facts = excluded.facts""",
            [(sha256, books.VERSION, dump(book.as_dict())) for sha256, book in found.items()],
        )

    # -- what changed ------------------------------------------------------------------------------------------

    def stale_registers(self) -> list[Stale]:
        """The registers that changed since they were written, the newest month first."""
        found = self._db.execute("SELECT * FROM register_stale ORDER BY month DESC, kind, unit")
        return [Stale(r["kind"], r["unit"], r["month"], r["changes"]) for r in found]

    def register_written(self, done: Stale) -> None:
        """It says what the spool said at `done.changes`; what changed since then is written next time."""
        self._db.execute(
            "DELETE FROM register_stale WHERE kind = ? AND unit = ? AND month = ? AND changes = ?", tuple(done)
        )

    def mark_registers(self, kinds: Iterable[str], units: Iterable[str], months: Iterable[str]) -> None:
        """These are to be written again, whatever changed."""
        wanted = [(kind, unit, month) for month in months for kind in kinds for unit in units]
        self._db.executemany(_MARK, wanted)

    def mark_all_registers(self) -> None:
        """Every register of every month that has anything in it: the configuration changed what they show."""
        self._db.execute(
            """INSERT INTO register_stale (kind, unit, month)
               SELECT DISTINCT 'issued', u.unit, substr(issue_date, 1, 7)
               FROM document, (SELECT DISTINCT unit FROM document UNION SELECT '*') u
               WHERE issue_date <> '' AND (u.unit = '*' OR u.unit = document.unit)
               ON CONFLICT DO UPDATE SET changes = changes + 1"""
        )
        self._db.execute(
            """INSERT INTO register_stale (kind, unit, month)
               SELECT 'paper', unit, substr(received_on, 1, 7) FROM paper
               UNION SELECT 'paper', '*', substr(received_on, 1, 7) FROM paper WHERE true
               ON CONFLICT DO UPDATE SET changes = changes + 1"""
        )
        for month in ("acquisition_date", "datetime(acquisition_date, '+2 hours')"):
            self._db.execute(
                f"""INSERT INTO register_stale (kind, unit, month)
                    SELECT DISTINCT 'received', u.unit, substr({month}, 1, 7)
                    FROM received, (SELECT DISTINCT ifnull(unit, '') AS unit FROM received UNION SELECT '*') u
                    WHERE u.unit = '*' OR u.unit = ifnull(received.unit, '')
                    ON CONFLICT DO UPDATE SET changes = changes + 1"""  # noqa: S608 - our own words
            )

    # -- what a person enters ----------------------------------------------------------------------------------

    def entered_receipt(self, ksef_number: str) -> date | None:
        """The day of actual receipt that a person entered."""
        row = self._one("SELECT received_on FROM receipt WHERE ksef_number = ?", ksef_number)
        return date.fromisoformat(row["received_on"]) if row else None

    def enter_receipt(self, invoice: Received, on: date, now: datetime, actor: str) -> None:
        """The day on which a failure-mode invoice really came (JST rule D2), before that of its number."""
        before = self._one("SELECT received_on FROM receipt WHERE ksef_number = ?", invoice.ksef_number)
        self._db.execute(
            """INSERT INTO receipt (ksef_number, received_on, entered_by, entered_at) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET received_on = excluded.received_on, entered_by = excluded.entered_by,
               entered_at = excluded.entered_at""",
            (invoice.ksef_number, on.isoformat(), actor, stamp(now)),
        )
        days = {on.isoformat(), str(invoice.acquisition_date.astimezone(WARSAW).date())}
        if before:
            days.add(before["received_on"])
        self.mark_registers(["received"], [invoice.unit or "", WHOLE], {day[:7] for day in days})
        note = f"Wpisano dzień faktycznego otrzymania: {on:%d.%m.%Y}."
        self.log(invoice.ksef_number, "receipt", now, actor, note, {"on": on.isoformat()})

    def set_retention(self, key: str, name: str | None, now: datetime, actor: str) -> None:
        """Give a document (id) or a purchase (KSeF number) a class of its own; None takes it away again.

        Raises RegisterRefused when there is no such document.
        """
        sale = self._one("SELECT unit, issue_date AS day FROM document WHERE id = ?", key)
        bought = self._one("SELECT unit, acquisition_date AS day FROM received WHERE ksef_number = ?", key)
        found = sale or bought
        if found is None:
            raise RegisterRefused(f"Nie ma dokumentu „{key}”.", "Identyfikatory są w ostatnich kolumnach rejestrów.")
        self._db.execute("DELETE FROM retention WHERE subject = ?", (key,))
        if name:
            self._insert("retention", subject=key, **{"class": name})
        if sale is not None and found["day"]:
            self.mark_registers(["issued"], [found["unit"], WHOLE], {found["day"][:7]})
        elif sale is None:
            day = rows.instant(found["day"]).astimezone(WARSAW).date()
            entered = self._one("SELECT received_on FROM receipt WHERE ksef_number = ?", key)
            month = entered["received_on"][:7] if entered else f"{day:%Y-%m}"
            self.mark_registers(["received"], [found["unit"] or "", WHOLE], {month})
        note = f"Klasa archiwalna: {name}." if name else "Klasa archiwalna według jednostki."
        self.log(key, "retention", now, actor, note, {"class": name})

    def issued_in_year(self, year: int) -> tuple[int, int]:
        """How many documents were issued in this year, and how many purchases have an issue date in it."""
        days = (f"{year}-01-01", f"{year}-12-31")
        sold = self._one(
            f"""SELECT count(*) AS n FROM document WHERE issue_date BETWEEN ? AND ? AND training = ''
                AND state NOT IN {ENDED}""",  # noqa: S608 - our own words
            *days,
        )
        bought = self._one(
            "SELECT count(*) AS n FROM received WHERE training = '' AND facts ->> 'issue_date' BETWEEN ? AND ?", *days
        )
        assert sold is not None
        assert bought is not None
        return sold["n"], bought["n"]


_MARK = """INSERT INTO register_stale (kind, unit, month) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET changes = changes + 1"""


def _book(facts: str | None, version: int | None) -> Book | None:
    return book_from_dict(json.loads(facts)) if facts and version == books.VERSION else None


def _days(month: str) -> tuple[str, str]:
    """The first day of a month, and a text that sorts after its last."""
    return f"{month}-01", f"{month}-31"


def _instants(month: str) -> tuple[str, str]:
    """The first instant of a month in Warsaw, and that of the next, as the spool writes them."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(31)).replace(day=1)
    return stamp(start_of_day(first)), stamp(start_of_day(following))
