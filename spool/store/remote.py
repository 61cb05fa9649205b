"""Remote units: which computer looks after the folders of one, and what that computer has not yet confirmed."""

from datetime import datetime

from spool import rows
from spool.domain.ledger import Document, Received
from spool.domain.seat import Seat
from spool.rows import stamp
from spool.store.base import Base


class RemoteUnits(Base):
    """Every function is about one unit and asks for nothing of another."""

    def seat(self, unit: str) -> Seat | None:
        """Who looks after the unit's folders, if anybody ever did."""
        row = self._one("SELECT * FROM seat WHERE unit = ?", unit)
        return _seat(row) if row else None

    def seats(self) -> dict[str, Seat]:
        """All seats, by unit."""
        return {r["unit"]: _seat(r) for r in self._db.execute("SELECT * FROM seat ORDER BY unit")}

    def sit(self, unit: str, client: str, computer: str, now: datetime) -> None:
        """Give the seat to this client; a change of hands is history."""
        before = self.seat(unit)
        since = before.since if before and before.client == client else now
        self._db.execute(
            """INSERT INTO seat (unit, client, computer, since, seen_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
               SET client = excluded.client, computer = excluded.computer, since = excluded.since,
               seen_at = excluded.seen_at""",
            (unit, client, computer, stamp(since), stamp(now)),
        )
        if before is None or before.client != client:
            note = f"Foldery jednostki prowadzi komputer „{computer}”."
            data = {"client": client, "before": before.client if before else ""}
            self.log(f"unit:{unit}", "seat_taken", now, "gateway", note, data)

    def unshown_of(self, unit: str, after: int, limit: int) -> list[str]:
        """Ids of this unit's documents that changed since its folder was last written, after this one in arrival."""
        found = self._db.execute(
            """SELECT id FROM document INDEXED BY document_unshown WHERE shown < version AND unit = ? AND seq > ?
               ORDER BY seq LIMIT ?""",
            (unit, after, limit),
        )
        return [r["id"] for r in found]

    def unmirrored_of(self, unit: str, after: int, limit: int) -> list[Received]:
        """This unit's received invoices that are in no folder yet, after this one in arrival."""
        found = self._db.execute(
            """SELECT * FROM received INDEXED BY received_unmirrored WHERE mirrored_at IS NULL AND unit = ?
               AND cursor > ? ORDER BY cursor LIMIT ?""",
            (unit, after, limit),
        )
        return [rows.received(r) for r in found]

    def shown_as(self, document: Document, version: int) -> None:
        """The unit's folder says what this version said; an older word than the one before changes nothing."""
        self._db.execute(
            "UPDATE document SET shown = ? WHERE id = ? AND shown < ?",
            (min(version, document.version), document.id, min(version, document.version)),
        )

    def awaiting_remote(self, unit: str) -> int:
        """How many results and received invoices wait for the unit's computer."""
        row = self._one(
            """SELECT (SELECT count(*) FROM document INDEXED BY document_unshown WHERE shown < version AND unit = ?)
               + (SELECT count(*) FROM received INDEXED BY received_unmirrored
                  WHERE mirrored_at IS NULL AND unit = ?) AS n""",
            unit,
            unit,
        )
        return int(row["n"]) if row else 0

    def warnings_of(self, unit: str, limit: int) -> list[tuple[str, datetime]]:
        """Open warnings about this unit's deadlines, the gravest first: the sentence, and when it was told."""
        found = self._db.execute(
            "SELECT sentence, at FROM alarm WHERE over_at IS NULL AND unit = ? ORDER BY due, id DESC LIMIT ?",
            (unit, limit),
        )
        return [(r["sentence"], rows.instant(r["at"])) for r in found]


def _seat(row: object) -> Seat:
    r = dict(row)  # type: ignore[call-overload]
    return Seat(r["unit"], r["client"], r["computer"], rows.instant(r["since"]), rows.instant(r["seen_at"]))
