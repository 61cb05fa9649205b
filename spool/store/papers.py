"""Purchases that came outside KSeF, on paper or as a file, and what of KSeF they belong to (JST rules P10, P11, D5).

`units` are whose papers somebody sees, None means all of them; what belongs to others is absent.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from spool import rows
from spool.domain.document import Facts
from spool.domain.errors import MoveRefused, RegisterRefused
from spool.domain.ledger import Received
from spool.domain.papers import KIND_LABELS, Attachment, Decision, Kind, NewPaper, Paper
from spool.rows import stamp
from spool.store.base import Base, Units, seen_by

_ALIKE = """received.seller_nip = paper.seller_nip AND received.number_key = paper.number_key
    AND abs(CAST(received.facts ->> 'gross' AS REAL) - CAST(paper.gross AS REAL)) < 0.005"""
"""The same seller, number and amount, however many zeros the XML writes."""
_OF_ANY = "paper.seller_nip <> '' AND paper.decision = '' AND paper.ksef_number IS NULL"
_DECIDED = {Decision.ALLOWED: "Zezwolono na księgowanie.", Decision.WITHDRAWN: "Wpis wycofano."}


def subject(paper_id: int) -> str:
    """Under what the history keeps a paper."""
    return f"paper:{paper_id}"


class Papers(Base):
    """Papers, and the received invoices that their codes or their numbers lead to."""

    # -- the register ------------------------------------------------------------------------------------------

    def add_paper(self, new: NewPaper, scan: bytes | None, now: datetime, actor: str) -> Paper:
        """Enter it, with its scan; if the invoice of its code is here already, that is noted in the same commit.

        Raises RegisterRefused for what this unit has entered already.
        """
        self._not_twice(new)
        row = self._one(
            """INSERT INTO paper (unit, kind, seller_nip, seller_name, number, number_key, issue_date, received_on,
               gross, currency, code_sha256, code_link, scan_sha256, scan_name, note, entered_at, entered_by)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id""",
            new.unit, new.kind.value, new.seller_nip, new.seller_name, new.number, new.number_key,
            new.issue_date.isoformat(), new.received_on.isoformat(), new.gross, new.currency, new.code_sha256,
            new.code_link, self.put_body(scan) if scan is not None else None, new.scan_name, new.note, stamp(now),
            actor,
        )  # fmt: skip
        assert row is not None
        number = int(row["id"])
        data = {"unit": new.unit, "kind": new.kind.value, "code": new.code_sha256}
        self.log(subject(number), "paper", now, actor, f"Zarejestrowano: {KIND_LABELS[new.kind]}.", data)
        if new.code_sha256 and (invoice := self.received_by_hash(new.code_sha256)) is not None:
            self.match_papers(invoice.sha256, invoice.ksef_number, now)
        return self.paper(number)

    def _not_twice(self, new: NewPaper) -> None:
        found = self._one(
            """SELECT id FROM paper WHERE unit = ? AND decision <> 'withdrawn' AND ((? <> '' AND code_sha256 = ?)
               OR (number_key = ? AND seller_nip = ? AND seller_name = ? AND issue_date = ?))""",
            new.unit, new.code_sha256, new.code_sha256, new.number_key, new.seller_nip, new.seller_name,
            new.issue_date.isoformat(),
        )  # fmt: skip
        if found is not None:
            raise RegisterRefused(
                "Ten dokument jest już w rejestrze pod nr {number}.", "Błędny wpis proszę najpierw wycofać.",
                number=found["id"],
            )  # fmt: skip

    def match_papers(self, sha256: str, ksef_number: str, now: datetime) -> None:
        """An invoice of KSeF is here: every paper whose code leads to it knows so from now on (JST rule D5)."""
        found = self._db.execute(
            "SELECT id FROM paper WHERE code_sha256 = ? AND ksef_number IS NULL AND decision <> 'withdrawn'", (sha256,)
        ).fetchall()
        for row in found:
            self._db.execute(
                "UPDATE paper SET ksef_number = ?, found_at = ? WHERE id = ?", (ksef_number, stamp(now), row["id"])
            )
            note = "Sprawdzono po kodzie: faktura jest w KSeF."
            self.log(subject(row["id"]), "found", now, "spool", note, {"ksef_number": ksef_number})

    def decide_paper(self, paper_id: int, decision: Decision, reason: str, now: datetime, actor: str) -> Paper:
        """A person lets it be booked all the same, or withdraws the entry, and says why.

        Raises KeyError, RegisterRefused without a reason, MoveRefused where that was decided already.
        """
        before = self.paper(paper_id)
        if not reason.strip():
            raise RegisterRefused("Brakuje powodu.", "Powód zostaje w historii; proszę podać choć kilka słów.")
        if before.decision in {decision, Decision.WITHDRAWN}:
            raise MoveRefused("O tym wpisie już zdecydowano.")
        self._db.execute(
            "UPDATE paper SET decision = ?, decided_by = ?, decided_why = ? WHERE id = ?",
            (decision.value, actor, reason, paper_id),
        )
        self.log(subject(paper_id), decision.value, now, actor, f"{_DECIDED[decision]} Powód: {reason}")
        return self.paper(paper_id)

    def paper(self, paper_id: int, units: Units = None) -> Paper:
        """One entry. Raises KeyError: foreign and absent look the same."""
        parts, seen = seen_by(units)
        clause = " AND ".join(["id = ?", *parts])
        row = self._one(f"SELECT * FROM paper WHERE {clause}", paper_id, *seen)  # noqa: S608 - our own words
        if row is None:
            raise KeyError(paper_id)
        return _paper(row)

    def papers(self, units: Units = None, *, before: int = 0, limit: int = 100, undecided: bool = False) -> list[Paper]:
        """The newest first, from the one before `before`; `undecided` leaves out what a person decided about."""
        parts, values = seen_by(units)
        if before:
            parts.append("id < ?")
            values.append(before)
        if undecided:
            parts.append("decision = ''")
        clause = f"WHERE {' AND '.join(parts)}" if parts else ""
        found = self._db.execute(f"SELECT * FROM paper {clause} ORDER BY id DESC LIMIT ?", (*values, limit))  # noqa: S608
        return [_paper(r) for r in found]

    def scan_of(self, paper: Paper) -> bytes | None:
        """The bytes of its scan, if there is one."""
        return self.body(paper.scan_sha256) if paper.scan_sha256 else None

    # -- what a paper and an invoice say of each other ---------------------------------------------------------

    def alike_to_paper(self, paper: Paper, units: Units = None) -> list[Received]:
        """Received invoices with its seller, number and amount, as far as these units see them (JST rule P10)."""
        if not paper.seller_nip:
            return []
        parts, seen = seen_by(units)
        clause = " AND ".join(
            [f"paper.id = ? AND {_ALIKE}", *(part.replace("unit", "received.unit") for part in parts)]
        )
        found = self._db.execute(
            f"SELECT received.* FROM paper JOIN received ON {clause} ORDER BY cursor LIMIT 20",  # noqa: S608 - our own
            (paper.id, *seen),
        )
        return [rows.received(r) for r in found]

    def papers_beside(self, invoice: Received, units: Units = None) -> list[Paper]:
        """Papers of this invoice: by their code, or by seller, number and amount. Withdrawn ones are none."""
        parts, seen = seen_by(units)
        clause = " AND ".join(
            [f"decision <> 'withdrawn' AND (ksef_number = ? OR (seller_nip <> '' AND {_SAME}))", *parts]
        )
        facts: Facts = invoice.facts
        found = self._db.execute(
            f"SELECT * FROM paper WHERE {clause} ORDER BY id LIMIT 20",  # noqa: S608 - our own words
            (invoice.ksef_number, facts.seller_nip, facts.number_key, facts.gross, *seen),
        )
        return [_paper(r) for r in found]

    def papers_alike(self) -> list[int]:
        """Papers that nobody decided about and that an invoice of KSeF probably repeats."""
        found = self._db.execute(
            f"SELECT DISTINCT paper.id FROM paper JOIN received ON {_ALIKE} WHERE {_OF_ANY} ORDER BY paper.id"  # noqa: S608
        )
        return [r["id"] for r in found]

    def papers_elsewhere(self) -> list[int]:
        """Papers whose invoice came to another unit, or lies in the tray."""
        found = self._db.execute(
            """SELECT paper.id FROM paper JOIN received USING (ksef_number)
               WHERE paper.decision = '' AND received.unit IS NOT paper.unit ORDER BY paper.id"""
        )
        return [r["id"] for r in found]

    def papers_awaited(self, limit: int) -> list[Paper]:
        """Confirmations whose invoice has not come, the oldest first."""
        found = self._db.execute(
            """SELECT * FROM paper WHERE kind = ? AND decision = '' AND ksef_number IS NULL ORDER BY id LIMIT ?""",
            (Kind.CONFIRMATION.value, limit),
        )
        return [_paper(r) for r in found]

    # -- the monthly register ----------------------------------------------------------------------------------

    def paper_lines(self, unit: str | None, month: str, after: tuple[str, int], limit: int) -> list[Paper]:
        """A page of the papers of this unit (None: of all) received in this month, by day and number."""
        found = self._db.execute(
            """SELECT * FROM paper WHERE (? IS NULL OR unit = ?) AND received_on BETWEEN ? AND ?
               AND (received_on, id) > (?, ?) ORDER BY received_on, id LIMIT ?""",
            (unit, unit, f"{month}-01", f"{month}-31", *after, limit),
        )
        return [_paper(r) for r in found]

    # -- attachments -------------------------------------------------------------------------------------------

    def attach(self, about: str, added: Attachment) -> None:
        """A file belongs to this purchase (KSeF number, or `subject` of a paper). Raises RegisterRefused if it does."""
        if any(known.sha256 == added.sha256 for known in self.attachments(about)):
            raise RegisterRefused("Plik „{name}” jest już powiązany z tym dokumentem.", name=added.name)
        self._insert(
            "attachment", subject=about, name=added.name, sha256=added.sha256, size=added.size, place=added.place,
            linked_at=stamp(added.linked_at), linked_by=added.linked_by,
        )  # fmt: skip
        data = {"name": added.name, "sha256": added.sha256, "place": added.place}
        self.log(about, "attachment", added.linked_at, added.linked_by, "Powiązano załącznik.", data)

    def attachments(self, about: str) -> list[Attachment]:
        """The files of a purchase, in the order in which they were linked."""
        found = self._db.execute("SELECT * FROM attachment WHERE subject = ? ORDER BY id", (about,))
        names = ("name", "sha256", "size", "place", "linked_by")
        return [Attachment(linked_at=rows.instant(r["linked_at"]), **{n: r[n] for n in names}) for r in found]

    # -- what a code leads to ----------------------------------------------------------------------------------

    def received_by_hash(self, sha256: str, units: Units = None) -> Received | None:
        """The received invoice with exactly these bytes, as far as these units see it."""
        return next(self._of_these(units, "sha256 = ?", sha256), None)

    def received_numbered(self, seller_nip: str, number_key: str, units: Units = None) -> list[Received]:
        """Received invoices of this seller with this number, as far as these units see them."""
        return list(self._of_these(units, "seller_nip = ? AND number_key = ?", seller_nip, number_key))

    def _of_these(self, units: Units, clause: str, *values: str) -> Iterator[Received]:
        parts, seen = seen_by(units)
        found = self._db.execute(
            f"SELECT * FROM received WHERE {' AND '.join([clause, *parts])} ORDER BY cursor LIMIT 20",  # noqa: S608 - ours
            (*values, *seen),
        )
        return (rows.received(r) for r in found)


_SAME = (
    "(seller_nip <> '' AND seller_nip = ? AND number_key = ? AND abs(CAST(gross AS REAL) - CAST(? AS REAL)) < 0.005)"
)


def _paper(row: Any) -> Paper:
    names = ("id", "unit", "seller_nip", "seller_name", "number", "gross", "currency", "code_sha256", "code_link")
    more = ("scan_name", "note", "entered_by", "scan_sha256", "ksef_number", "decided_by", "decided_why")
    return Paper(
        **{name: row[name] for name in (*names, *more)},
        kind=Kind(row["kind"]),
        issue_date=date.fromisoformat(row["issue_date"]),
        received_on=date.fromisoformat(row["received_on"]),
        entered_at=rows.instant(row["entered_at"]),
        found_at=rows.instant(row["found_at"]) if row["found_at"] else None,
        decision=Decision(row["decision"]),
    )
