"""What people do with purchases: assign them, look for hints; and which copies of them have to go.

Every hop of an invoice is one commit: the row, its history, and the recall of copies that belong to another now. The
receipt date does not hang on any of it (jst.md P9).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.document import facts_from_dict
from spool.domain.errors import MoveRefused
from spool.domain.ledger import TRAY, Received
from spool.domain.suggestions import Earlier, Suggestion
from spool.rows import stamp
from spool.store.received import ReceivedInvoices

_EARLIER = 200


class Tray(ReceivedInvoices):
    """The central tray and the way out of it."""

    # -- assigning ---------------------------------------------------------------------------------------------

    def assign(
        self,
        ksef_number: str,
        unit: str | None,
        now: datetime,
        actor: str,
        reason: str,
        suggested: Sequence[Suggestion] = (),
    ) -> Received:
        """A person says whose it is; None puts it back into the central tray. `suggested` is what stood there then.

        Whoever had it before loses it in the same commit: over HTTP at once, in the folder as soon as it can be
        written. Raises KeyError, and MoveRefused where it is already.
        """
        before = self.received(ksef_number)
        if before.unit == unit:
            raise MoveRefused("Ta faktura już tam jest.")
        # Whoever has it afterwards reads this and the history's notes; other units and the reason are in the data only.
        why = f"Przydzielono ręcznie ({actor})."
        self._db.execute(
            """UPDATE received SET unit = ?, rule = 'person', why = ?, assigned_by = ?, mirrored_at = NULL,
               tray_told = 0 WHERE ksef_number = ?""",
            (unit, why, actor, ksef_number),
        )
        self._recall(before, unit, now)
        data = {
            "from": before.unit, "to": unit, "reason": reason, "suggested": [s.as_dict() for s in suggested],
            "copied_at": stamp(before.mirrored_at) if before.mirrored_at else None,
        }  # fmt: skip
        self.log(ksef_number, "assigned", now, actor, "Przydzielono ręcznie.", data)
        return self.received(ksef_number)

    def remirror(self, ksef_number: str, now: datetime, actor: str) -> Received:
        """The copy in the folder is written again, because a person asked for it (faults D11). Raises KeyError."""
        self.received(ksef_number)
        self._db.execute("UPDATE received SET mirrored_at = NULL WHERE ksef_number = ?", (ksef_number,))
        self.log(ksef_number, "remirror", now, actor, "Na prośbę kopia w folderze zostanie zapisana ponownie.")
        return self.received(ksef_number)

    def _recall(self, before: Received, unit: str | None, now: datetime) -> None:
        """Whoever had it, or may have, is to give its copy back; the new owner has nothing to give back any more.

        Also where none was written yet: it may be under way at this moment, or have been when the power failed. The
        tray is where the copies of a unit lie that is no longer configured.
        """
        for owner in {before.unit or TRAY, TRAY} - {unit or TRAY}:
            self._db.execute(
                "INSERT INTO recalled (ksef_number, owner, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (before.ksef_number, owner, stamp(now)),
            )
        self._db.execute("DELETE FROM recalled WHERE ksef_number = ? AND owner = ?", (before.ksef_number, unit or TRAY))

    # -- hints -------------------------------------------------------------------------------------------------

    def earlier_of(self, invoice: Received) -> list[Earlier]:
        """Other invoices of the same supplier that have a unit, the newest first."""
        if not invoice.facts.seller_nip:
            return []
        found = self._db.execute(
            """SELECT unit, assigned_by, facts FROM received WHERE seller_nip = ? AND unit IS NOT NULL
               AND ksef_number <> ? AND training = ? ORDER BY cursor DESC LIMIT ?""",
            (invoice.facts.seller_nip, invoice.ksef_number, invoice.facts.training, _EARLIER),
        )
        return [Earlier(r["unit"], bool(r["assigned_by"]), facts_from_dict(json.loads(r["facts"]))) for r in found]

    def defects(self) -> list[dict[str, Any]]:
        """By supplier: invoices, those that no rule could place, and remarks by code (P5); the worst first."""
        found = self._db.execute(
            """SELECT seller_nip, facts ->> 'seller_name' AS seller_name, count(*) AS invoices,
               sum(unit IS NULL OR assigned_by <> '') AS by_hand, max(cursor) AS newest
               FROM received WHERE training = '' GROUP BY seller_nip ORDER BY by_hand DESC, invoices DESC, seller_nip"""
        ).fetchall()
        counted = self._db.execute(
            """SELECT seller_nip, json_extract(value, '$.code') AS code, count(*) AS n
               FROM received, json_each(remarks) WHERE training = '' GROUP BY seller_nip, code ORDER BY n DESC, code"""
        )
        codes: dict[str, dict[str, int]] = {}
        for row in counted:
            codes.setdefault(row["seller_nip"], {})[row["code"]] = row["n"]
        names = ("seller_nip", "seller_name", "invoices", "by_hand")
        return [{n: r[n] for n in names} | {"remarks": codes.get(r["seller_nip"], {})} for r in found]

    # -- copies in folders -------------------------------------------------------------------------------------

    def recalled(self, limit: int, owner: str | None = None) -> list[tuple[str, str]]:
        """Copies to be taken away (KSeF number, owner), the longest waiting first; of one owner where one is named."""
        found = self._db.execute(
            "SELECT ksef_number, owner FROM recalled WHERE ? IS NULL OR owner = ? ORDER BY at, ksef_number LIMIT +?",
            (owner, owner, limit),
        )
        return [(r["ksef_number"], r["owner"]) for r in found]

    def recalled_since(self, before: datetime) -> list[str]:
        """Owners whose folders could not be cleared for so long."""
        found = self._db.execute("SELECT DISTINCT owner FROM recalled WHERE at <= ? ORDER BY owner", (stamp(before),))
        return [r["owner"] for r in found]

    def copy_gone(self, ksef_number: str, owner: str, now: datetime, actor: str) -> bool:
        """It lies there no more; False when it was not recalled, or came back to its owner meanwhile."""
        done = self._db.execute("DELETE FROM recalled WHERE ksef_number = ? AND owner = ?", (ksef_number, owner))
        if done.rowcount:
            note = "Usunięto kopię z folderu, do którego faktura już nie należy."
            self.log(ksef_number, "recalled", now, actor, note, {"owner": owner})
        return bool(done.rowcount)

    # -- how long it lies --------------------------------------------------------------------------------------

    def tray_untold(self, before: datetime, limit: int) -> list[Received]:
        """Invoices that have lain in the tray since `before` or longer and of which nobody was told, oldest first."""
        found = self._db.execute(
            """SELECT * FROM received WHERE unit IS NULL AND stored_at <= ? AND NOT tray_told AND training = ''
               ORDER BY stored_at LIMIT ?""",
            (stamp(before), limit),
        )
        return [rows.received(r) for r in found]
