"""What KSeF has and the spool has forgotten, put back: every function is one transaction's job, judged on the rows as
they are then. Nothing here sends anything, and nothing that has a number is changed.

A send that this spool does not know becomes an attempt like any other, so that whatever comes after it - the verdict,
the receipt, the proof against a second send - finds what it needs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent import verdict
from agent.ksef.api import InvoiceStatus, ListedSession, Pending
from spool.domain.document import FormCode
from spool.domain.ledger import Document, Session
from spool.domain.outcomes import Accepted, Refused
from spool.domain.registered import Registered
from spool.domain.states import TERMINAL, State
from spool.law import Rules
from spool.store import Store

PROGRAMS = frozenset({"agent"})
_FOR_PEOPLE_ONLY = frozenset({State.CEASED, State.QUARANTINED})
_LASTS = timedelta(hours=12)
"""An interactive session ends by itself so long after it was opened (protocol §6.1)."""
_FOUND = "Tę fakturę KSeF ma już z wysyłki, której ten spool nie pamięta."


@dataclass(frozen=True)
class Place:
    """Where KSeF has some bytes of ours: the session that the spool does not know, and the document in it."""

    session: ListedSession
    status: InvoiceStatus

    @property
    def counts(self) -> bool:
        """KSeF registered them, may still do so, or refused what they say; anything else may be sent again."""
        return isinstance(self.status.reading.outcome, Accepted | Pending | Refused)


@dataclass(frozen=True)
class Way:
    """By whose word, by which law, and when."""

    rules: Rules
    actor: str
    now: datetime
    ksef: str
    """The address of the KSeF that knows the session."""


def adopt(store: Store, way: Way, document_id: str, found: Registered, place: Place | None) -> bool:
    """Registered, byte for byte: its number is the document's number. False when a person has to look."""
    document = store.document(document_id)
    if document.ksef_number is not None or document.state is State.SUBMITTED or store.ours(found.ksef_number, ""):
        return document.ksef_number == found.ksef_number
    if document.sha256 != found.sha256:
        return False
    note = f"{_FOUND} Numer KSeF: {found.ksef_number}."
    if document.state not in {State.UNKNOWN, State.CONFLICT}:
        sent = _recall(store, way, document, place, note)
        if sent is None:
            return False
        store.end_attempt(sent.id, "unknown", way.now, place.status.reference if place else None)
        document = store.move(sent.id, State.UNKNOWN, way.now, way.actor, note, reason=note)
    changes = {
        "invoice_ref": place.status.reference if place else None,
        "session": place.session.reference if place else document.session,
    }
    handed_over = place.status.invoicing_date if place else None
    verdict.accepted(
        store, way.rules, document, found.ksef_number, found.acquisition_date, way.now, note=note,
        handed_over=handed_over, **changes,
    )  # fmt: skip
    return store.document(document_id).ksef_number == found.ksef_number


def resume(store: Store, way: Way, sha256: str, place: Place) -> str:
    """KSeF has it in a session and no number yet, or refused it: the agent asks for the verdict as after any send.

    Returns the document's id; empty when there is none, or when a person has to look.
    """
    document = store.unnumbered(sha256)
    if document is None or document.state in {State.UNKNOWN, State.CONFLICT}:
        return ""  # the agent reads KSeF about these by itself
    if isinstance(place.status.reading.outcome, Refused) and document.state in TERMINAL:
        return ""
    note = f"{_FOUND} Pytamy KSeF o wynik; nic nie zostanie wysłane drugi raz."
    sent = _recall(store, way, document, place, note)
    if sent is None:
        return ""
    verdict.submitted(store, sent, place.status.reference, way.now, place.status.invoicing_date)
    return sent.id


def _recall(store: Store, way: Way, document: Document, place: Place | None, note: str) -> Document | None:
    """The forgotten send, with its session if that is known. None when the document may not come back by itself."""
    if document.state is State.SENDING:
        return None
    if document.state in TERMINAL:
        facts = document.facts
        by_itself = document.state in _FOR_PEOPLE_ONLY and way.actor in PROGRAMS
        if by_itself or store.holder(facts.seller_nip, facts.kind, facts.number_key) is not None:
            return None
    if document.state is not State.QUEUED:
        document = store.move(document.id, State.QUEUED, way.now, way.actor, note, problems=(), owed=0)
    if place is not None and place.session.online:
        _keep_session(store, way, document.context, place.session)
    return store.recall_attempt(document, place.session.reference if place else "", way.now, way.actor, note)


def _keep_session(store: Store, way: Way, context: str, listed: ListedSession) -> None:
    """It is ours, because bytes of ours are in it: the agent brings it to its end, where the receipts are."""
    if store.session(listed.reference) is None:
        until = listed.created + _LASTS
        form = FormCode.FA3
        store.add_session(
            Session(listed.reference, context, form, listed.created, until, None, None, ksef=way.ksef)
        )  # fmt: skip
