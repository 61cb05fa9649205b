"""Purchases that came outside KSeF, on paper or as a file, and what of KSeF they belong to (JST rules P10, P11, D5)."""

from spool import rows
from spool.domain.ledger import Received
from spool.store.base import Base, Units, seen_by


class Papers(Base):
    """Papers, and the received invoices that their codes or their numbers lead to."""

    # -- what a code leads to ----------------------------------------------------------------------------------

    def received_by_hash(self, sha256: str, units: Units = None) -> Received | None:
        """The received invoice with exactly these bytes, as far as these units see it."""
        found = self._of_these(units, "sha256 = ?", sha256)
        return found[0] if found else None

    def received_numbered(self, seller_nip: str, number_key: str, units: Units = None) -> list[Received]:
        """Received invoices of this seller with this number, as far as these units see them."""
        return self._of_these(units, "seller_nip = ? AND number_key = ?", seller_nip, number_key)

    def _of_these(self, units: Units, clause: str, *values: str) -> list[Received]:
        parts, seen = seen_by(units)
        found = self._db.execute(
            f"SELECT * FROM received WHERE {' AND '.join([clause, *parts])} ORDER BY cursor LIMIT 20",  # noqa: S608 - ours
            (*values, *seen),
        )
        return [rows.received(r) for r in found]
