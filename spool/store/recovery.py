"""Putting back what a spool does not know any more: which documents KSeF has, and the sends behind them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.ledger import Document
from spool.domain.registered import Registered, Seller
from spool.domain.states import TERMINAL, State
from spool.rows import stamp
from spool.store.base import quoted
from spool.store.documents import Documents

_ENDED = quoted(TERMINAL)
_UNDER_WAY = quoted({State.SENDING, State.SUBMITTED})
"""Their next step is a read of the session that they are in."""


class Recovery(Documents):
    """For `sluza reconcile` and the agent's comparison. `registered` are the temporary tables of `Register`."""

    def issuers(self, context: str) -> list[Seller]:
        """In whose name documents of this context were taken in, sent or not."""
        found = self._db.execute(
            """SELECT seller_nip, min(created_at) AS first,
               min(min(created_at), min(ifnull(acquisition_date, created_at))) AS since
               FROM document WHERE context = ? AND seller_nip <> '' GROUP BY seller_nip""",
            (context,),
        )
        return [Seller(context, r["seller_nip"], rows.instant(r["since"]), rows.instant(r["first"])) for r in found]

    def newest_session_at(self, context: str) -> datetime | None:
        """When the newest session that we know of was opened; before the first one, when the first document came."""
        row = self._one(
            """SELECT ifnull((SELECT max(opened_at) FROM session WHERE context = ?),
               (SELECT min(created_at) FROM document WHERE context = ?)) AS at""",
            context,
            context,
        )
        return rows.instant(row["at"]) if row and row["at"] else None

    def session_references(self, context: str) -> frozenset[str]:
        """Every session of a context that we know of."""
        found = self._db.execute("SELECT reference FROM session WHERE context = ?", (context,))
        return frozenset(r["reference"] for r in found)

    def adoptable(self) -> Iterator[tuple[str, Registered]]:
        """Documents without a number whose bytes KSeF has registered under one that none of ours has.

        Of several with the same bytes the living one comes first. What is under way at KSeF is not meant.
        """
        found = self._db.execute(
            f"""SELECT d.id, r.* FROM temp.registered AS r JOIN document AS d ON d.sha256 = r.sha256
                WHERE d.ksef_number IS NULL AND d.state NOT IN ({_UNDER_WAY})
                AND NOT EXISTS (SELECT 1 FROM document WHERE ksef_number = r.ksef_number)
                ORDER BY r.ksef_number, d.state IN ({_ENDED}), d.seq"""  # noqa: S608 - our own words
        )
        for r in found:
            acquired = rows.instant(r["acquired"]) if r["acquired"] else None
            yield r["id"], Registered(r["ksef_number"], r["sha256"], r["number"], acquired)

    def unnumbered(self, sha256: str) -> Document | None:
        """The document with these bytes that has no number and is not under way, the living one first."""
        row = self._one(
            f"""SELECT * FROM document WHERE sha256 = ? AND ksef_number IS NULL AND state NOT IN ({_UNDER_WAY})
                ORDER BY state IN ({_ENDED}), seq LIMIT 1""",  # noqa: S608 - our own words
            sha256,
        )
        return rows.document(row) if row else None

    def recall_attempt(self, document: Document, session: str, now: datetime, actor: str, note: str) -> Document:
        """A send that this spool has forgotten, and KSeF has not: QUEUED -> SENDING with its attempt row (I6).

        `session` is empty where nobody knows it.
        """
        changes: dict[str, Any] = {"session": session or None, "invoice_ref": None, "attempts": document.attempts + 1}
        moved = self.move(document.id, State.SENDING, now, actor, note, **changes)
        self._insert("attempt", document=document.id, sha256=document.sha256, session=session, started_at=stamp(now))
        return moved

    def told_elsewhere(self, context: str) -> frozenset[str]:
        """KSeF numbers of our sales that the history of the context names, and that no document here is about."""
        found = self._db.execute(
            """SELECT json_extract(data, '$.ksef_number') AS number FROM event
               WHERE subject = ? AND move = 'own_sale_elsewhere'""",
            (f"context:{context}",),
        )
        return frozenset(r["number"] for r in found if r["number"])
