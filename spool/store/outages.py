"""Announcements of outages: the beacon's messages as evidence, and the periods made of them or entered by a person."""

from datetime import date, datetime

from spool import rows
from spool.bodies import sha256_hex
from spool.domain.announcements import Announcement
from spool.domain.calendar import start_of_day
from spool.domain.ledger import Document, Outage
from spool.rows import stamp
from spool.store.base import ENDED
from spool.store.documents import Documents


class Outages(Documents):
    """Notices and announcements, and the documents whose deadline may hang on them."""

    def add_notice(self, environment: str, event: str, message: str, version: int, raw: str, now: datetime) -> bool:
        """Keep a message of the beacon as it was read; False when exactly this one is kept already."""
        done = self._db.execute(
            """INSERT INTO notice (environment, event, message, version, raw, sha256, seen_at)
               VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            (environment, event, message, version, raw, sha256_hex(raw.encode()), stamp(now)),
        )
        return bool(done.rowcount)

    def notices(self, environment: str, event: str) -> list[str]:
        """Every message of one event as it was read, in the order in which we first saw them."""
        found = self._db.execute(
            "SELECT raw FROM notice WHERE environment = ? AND event = ? ORDER BY seq", (environment, event)
        )
        return [r["raw"] for r in found]

    def kept_notices(self, environment: str, event: str) -> list[tuple[str, str, str]]:
        """The same as evidence: each message, its SHA-256, and when it was read first (ISO 8601, UTC)."""
        found = self._db.execute(
            "SELECT raw, sha256, seen_at FROM notice WHERE environment = ? AND event = ? ORDER BY seq",
            (environment, event),
        )
        return [(r["raw"], r["sha256"], r["seen_at"]) for r in found]

    def put_outage(self, outage: Outage) -> None:
        """Write an announcement, new or changed, under the next revision."""
        period, revision = outage.announcement, self.outage_revision() + 1
        self._db.execute("DELETE FROM announcement WHERE id = ?", (period.id,))
        self._insert(
            "announcement",
            id=period.id,
            environment=outage.environment,
            category=period.category.value,
            start=stamp(period.start),
            **{'"end"': stamp(period.end) if period.end else None},
            published=stamp(period.published),
            end_published=stamp(period.end_published) if period.end_published else None,
            version=period.version,
            source=outage.source,
            title=outage.title,
            link=outage.link,
            actor=outage.actor,
            confirmed_by=outage.confirmed_by,
            cancelled_by=outage.cancelled_by,
            revision=revision,
        )

    def outage(self, outage_id: str) -> Outage | None:
        """One announcement."""
        row = self._one("SELECT * FROM announcement WHERE id = ?", outage_id)
        return rows.outage(row) if row else None

    def outages(self) -> list[Outage]:
        """All announcements, the newest first."""
        found = self._db.execute("SELECT * FROM announcement ORDER BY start DESC, id")
        return [rows.outage(r) for r in found]

    def outage_revision(self) -> int:
        """A number that has risen whenever any announcement changed."""
        row = self._one("SELECT ifnull(max(revision), 0) AS n FROM announcement")
        return int(row["n"]) if row else 0

    def acting(self, environment: str, issued: date) -> tuple[Announcement, ...]:
        """The announcements that deadlines in this environment follow, for documents issued on that day or later.

        What was announced and over before the day can neither cover an issue nor fall into its term.
        """
        day = stamp(start_of_day(issued))
        found = self._db.execute(
            """SELECT * FROM announcement WHERE environment = ? AND ("end" IS NULL OR "end" >= ? OR published >= ?)""",
            (environment, day, day),
        )
        return tuple(o.announcement for o in map(rows.outage, found) if o.acts)

    def ceased_by(self, outage_id: str) -> list[Document]:
        """Documents whose duty ceased, or never was, because of this announcement."""
        found = self._db.execute("SELECT * FROM document WHERE state = 'CEASED' ORDER BY seq")
        ceased = (rows.document(r) for r in found.fetchall())
        return [d for d in ceased if any(used.split(" (")[0] == outage_id for used in d.announcements)]

    def ceased_for_nothing(self) -> int:
        """Documents whose duty ceased because of an announcement that was cancelled since: nobody sends them."""
        row = self._one(
            """SELECT count(*) AS n FROM announcement a JOIN document d ON d.state = 'CEASED'
               AND (d.due_because = a.id OR substr(d.due_because, 1, length(a.id) + 1) = a.id || ' ')
               WHERE a.cancelled_by <> ''"""
        )
        return int(row["n"]) if row else 0

    def dutiable(self, after: int, limit: int) -> list[Document]:
        """Documents whose deadline may still change, in order of arrival from the one after `after`: live ones without
        a number, offline invoices that KSeF rejected, and late ones, as a notice that was published in time may be
        heard only after KSeF has taken the invoice."""
        found = self._db.execute(
            f"""SELECT * FROM document INDEXED BY document_dutiable WHERE seq > ? AND training = ''
               AND (owed OR (ksef_number IS NOT NULL AND due_state = 'overdue')
                    OR (ksef_number IS NULL AND state NOT IN {ENDED}))
               ORDER BY seq LIMIT ?""",  # noqa: S608 - our own words
            (after, limit),
        )
        return [rows.document(r) for r in found]
