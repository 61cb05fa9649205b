"""Attempts: the intent before every call to KSeF, and what became of it."""

from datetime import datetime

from spool import rows
from spool.domain.ledger import Document
from spool.domain.states import HOLDS_NUMBER, State
from spool.rows import stamp
from spool.store.base import quoted
from spool.store.documents import Documents

_HOLDERS = quoted(HOLDS_NUMBER)


class Attempts(Documents):
    """Sends of outgoing documents."""

    def begin_attempt(self, document: Document, session: str, now: datetime) -> Document:
        """The intent, committed before the call to KSeF: QUEUED -> SENDING with an attempt row (invariant I6)."""
        moved = self.move(
            document.id,
            State.SENDING,
            now,
            "agent",
            "Wysyłka do KSeF.",
            session=session,
            invoice_ref=None,
            attempts=document.attempts + 1,
        )
        self._insert("attempt", document=document.id, sha256=document.sha256, session=session, started_at=stamp(now))
        return moved

    def end_attempt(self, document_id: str, outcome: str, now: datetime, invoice_ref: str | None = None) -> None:
        """Write what became of the last attempt of this document; its reference stays once it is known."""
        self._db.execute(
            """UPDATE attempt SET ended_at = ?, outcome = ?, invoice_ref = ifnull(?, invoice_ref)
               WHERE id = (SELECT max(id) FROM attempt WHERE document = ?)""",
            (stamp(now), outcome, invoice_ref, document_id),
        )

    def earlier_references(self, document_id: str) -> frozenset[str]:
        """KSeF's references of all attempts of this document but the last: what they became is settled."""
        found = self._db.execute(
            """SELECT invoice_ref FROM attempt WHERE document = ? AND invoice_ref IS NOT NULL
               AND id < (SELECT max(id) FROM attempt WHERE document = ?)""",
            (document_id, document_id),
        )
        return frozenset(r["invoice_ref"] for r in found)

    def attempt_ended_at(self, document_id: str) -> datetime | None:
        """When the call of the last attempt was over, by our clock; None while it is not."""
        row = self._one("SELECT ended_at AS at FROM attempt WHERE document = ? ORDER BY id DESC LIMIT 1", document_id)
        return rows.instant(row["at"]) if row and row["at"] else None

    def taken_in(self, document: Document) -> bool:
        """True when KSeF is known to have taken these bytes in, from any unit, and has not handed them back.

        Also when another document with these bytes has an attempt nobody knows the end of: then their absence
        is not for this document alone to prove.
        """
        found = self._one(
            """SELECT 1 FROM attempt WHERE document IN (SELECT id FROM document WHERE sha256 = ?) AND (
               outcome IN ('submitted', 'accepted')
               OR (ifnull(outcome, 'unknown') = 'unknown' AND (invoice_ref IS NOT NULL OR document <> ?)))""",
            document.sha256,
            document.id,
        )
        return found is not None

    def without_verdict_since(self, document_id: str) -> datetime | None:
        """When the first attempt began after which there was no verdict any more; None without such an attempt."""
        row = self._one(
            """SELECT min(started_at) AS at FROM attempt WHERE document = ? AND id > ifnull((SELECT max(id) FROM attempt
               WHERE document = ? AND outcome IN ('accepted', 'refused', 'later', 'held')), 0)""",
            document_id,
            document_id,
        )
        return rows.instant(row["at"]) if row and row["at"] else None

    def correctable(self, original: Document) -> bool:
        """True when a technical correction of this document may be sent: KSeF rejected it after it had gone offline,
        and no other correction of it is on its way or has its number."""
        taken = self._one(
            f"SELECT 1 FROM document WHERE corrects = ? AND unit = ? AND state IN ({_HOLDERS})",  # noqa: S608
            original.sha256,
            original.unit,
        )
        return self.rejected_offline(original) and taken is None

    def attempt_started_at(self, document_id: str) -> datetime | None:
        """When the last attempt began."""
        row = self._one("SELECT max(started_at) AS at FROM attempt WHERE document = ?", document_id)
        return rows.instant(row["at"]) if row and row["at"] else None

    def attempt_sessions(self, document_id: str) -> list[str]:
        """The sessions this document was ever sent into, the last one first."""
        found = self._db.execute("SELECT session FROM attempt WHERE document = ? ORDER BY id DESC", (document_id,))
        return list(dict.fromkeys(r["session"] for r in found))

    def sends_since(self, context: str, since: datetime) -> list[datetime]:
        """When documents of this context were sent one by one lately, oldest first: what the rate budget has spent."""
        found = self._db.execute(
            """SELECT started_at FROM attempt JOIN session ON session.reference = attempt.session
               WHERE context = ? AND kind = 'online' AND started_at > ? ORDER BY started_at""",
            (context, stamp(since)),
        )
        return [rows.instant(r["started_at"]) for r in found]
