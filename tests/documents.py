"""Documents and deadlines that tests make by themselves, without an intake."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from spool.bodies import sha256_hex
from spool.domain.deadlines import Deadline
from spool.domain.document import Facts, Mode
from spool.domain.ledger import Document, NewDocument
from spool.domain.states import State
from spool.domain.terms import DueState


def due(safe: datetime | None, at: datetime, mode: Mode = Mode.ONLINE) -> Deadline:
    """An open duty with this safe date, issued at `at`."""
    state = DueState.OPEN if safe else DueState.PENDING
    return Deadline(mode, at, False, safe, None, state, ("art. 106na ust. 1",), "Termin testowy.")


def document(facts: Facts, at: datetime, **more: Any) -> Document:
    """A queued document of unit `u` in context `c`, taken in at `at`."""
    plain = Document(
        seq=1, id="d", unit="u", context="c", sha256="5" * 64, size=1, source="cli", source_name="f", name="f",
        state=State.QUEUED, reason="", facts=facts, problems=(), mode=Mode.ONLINE, issued_at=at, due_safe=None,
        due_local=None, due_basis="", due_why="", next_action_at=at, attempts=0, session=None, invoice_ref=None,
        ksef_number=None, acquisition_date=None, upo_sha256=None, created_at=at, updated_at=at, version=1, shown=0,
        wish=Mode.ONLINE, asked_at=at, deemed=False, due_state=DueState.OPEN, due_because="", announcements=(),
        handed_over_at=None, kod2_url="", cert_serial="", corrects="", awaits="", owed=False,
    )  # fmt: skip
    return replace(plain, **more)


def new(raw: bytes, at: datetime, *, number: str = "FV/1", **more: Any) -> NewDocument:
    """What intake hands to the store: an invoice of that day, from the school, due at once."""
    facts = Facts(seller_nip="5080014460", kind="VAT", number=number, issue_date=at.date())
    plain = NewDocument(
        unit="sp1", context="gmina", source="http", source_name="a.xml", sha256=sha256_hex(raw), size=len(raw),
        facts=facts, wish=Mode.ONLINE, asked_at=at, state=State.QUEUED, due=due(at, at),
    )  # fmt: skip
    return replace(plain, **more)
