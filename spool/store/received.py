"""Received invoices, and how far receiving has come."""

from collections.abc import Iterable
from datetime import datetime

from spool import rows
from spool.domain.document import Facts
from spool.domain.ledger import NewReceived, Received
from spool.rows import dump, stamp
from spool.store.base import marks, where
from spool.store.papers import Papers


class ReceivedInvoices(Papers):
    """Purchases."""

    def add_received(self, new: NewReceived, raw: bytes, now: datetime) -> bool:
        """Store a received invoice once by its KSeF number; False when it was there already, from any context."""
        if self._one("SELECT 1 FROM received WHERE ksef_number = ?", new.ksef_number):
            return False
        self.put_body(raw)
        self._insert(
            "received",
            ksef_number=new.ksef_number,
            context=new.context,
            sha256=new.sha256,
            facts=dump(new.facts.as_dict()),
            metadata=dump(new.metadata),
            acquisition_date=stamp(new.acquisition_date),
            permanent_storage_date=stamp(new.permanent_storage_date),
            unit=new.unit,
            rule=new.rule,
            why=new.why,
            remarks=dump([r.as_dict() for r in new.remarks]),
            seller_nip=new.facts.seller_nip,
            number_key=new.facts.number_key,
            training=new.facts.training,
            stored_at=stamp(now),
        )
        data = {"unit": new.unit, "rule": new.rule, "remarks": [r.code for r in new.remarks]}
        self.log(new.ksef_number, "received", now, "agent", new.why, data)
        self.match_papers(new.sha256, new.ksef_number, now)
        return True

    def alike(self, facts: Facts, ksef_number: str) -> list[str]:
        """KSeF numbers of other purchases with the same seller, number and amount (jst.md P10)."""
        if not facts.seller_nip or not facts.number_key:
            return []
        found = self._db.execute(
            """SELECT ksef_number FROM received INDEXED BY received_seller WHERE seller_nip = ? AND number_key = ?
               AND facts ->> 'gross' = ? AND ksef_number <> ? ORDER BY cursor LIMIT 20""",
            (facts.seller_nip, facts.number_key, facts.gross, ksef_number),
        )
        return [r["ksef_number"] for r in found]

    def received(self, ksef_number: str, unit: str | None = None) -> Received:
        """One received invoice; with `unit` only that unit's. Raises KeyError: foreign and absent look the same."""
        row = self._one(
            "SELECT * FROM received WHERE ksef_number = ? AND (? IS NULL OR unit = ?)",
            ksef_number,
            unit,
            unit,
        )
        if row is None:
            raise KeyError(ksef_number)
        return rows.received(row)

    def received_page(
        self, *, unit: str | None = None, after: int = 0, limit: int = 100, unassigned: bool = False
    ) -> list[Received]:
        """A page in order of arrival; `unassigned` for the central tray only."""
        clause, values = where(cursor=after, unit=unit)
        tray = "AND unit IS NULL" if unassigned else ""
        found = self._db.execute(
            f"SELECT * FROM received {clause} {tray} ORDER BY cursor LIMIT ?",  # noqa: S608 - our own names
            (*values, limit),
        )
        return [rows.received(r) for r in found]

    def unassigned(self) -> int:
        """How many invoices lie in the central tray; none of a training."""
        row = self._one("SELECT count(*) AS n FROM received WHERE unit IS NULL AND training = ''")
        return int(row["n"]) if row else 0

    def unmirrored(self, limit: int, units: Iterable[str], elsewhere: Iterable[str] = ()) -> list[Received]:
        """Of each of these units, and of the central tray, the first invoices not yet in a folder, at most `limit`.

        By unit, because the thousands of one must not stand before the only one of another. In the tray is what has no
        unit, or one that is among neither these nor those whose folders lie `elsewhere`.
        """
        own, away = sorted(units), set(elsewhere)
        known = sorted({*own, *away})
        one = """SELECT * FROM received INDEXED BY received_unmirrored WHERE mirrored_at IS NULL AND unit = ?
                 ORDER BY cursor LIMIT +?"""
        tray = f"""SELECT * FROM received INDEXED BY received_unmirrored WHERE mirrored_at IS NULL
                   AND (unit IS NULL OR unit NOT IN ({marks(known)})) ORDER BY cursor LIMIT +?"""  # noqa: S608 - marks
        found = [row for unit in own if unit not in away for row in self._db.execute(one, (unit, limit)).fetchall()]
        return [rows.received(r) for r in [*found, *self._db.execute(tray, (*known, limit))]]

    def mark_mirrored(self, ksef_number: str, unit: str | None, now: datetime) -> None:
        """The invoice lies in the folder of this unit, or in the central tray; if it still belongs there."""
        self._db.execute(
            "UPDATE received SET mirrored_at = ? WHERE ksef_number = ? AND unit IS ?", (stamp(now), ksef_number, unit)
        )

    def mark(self, context: str, subject: str) -> datetime | None:
        """How far receiving has come: everything up to this instant is stored."""
        row = self._one("SELECT upto FROM mark WHERE context = ? AND subject = ?", context, subject)
        return rows.instant(row["upto"]) if row else None

    def set_mark(self, context: str, subject: str, upto: datetime) -> None:
        """Move the mark forward, in the same transaction as the last documents below it; it never goes back."""
        self._db.execute(
            """INSERT INTO mark (context, subject, upto) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)""",
            (context, subject, stamp(upto)),
        )
