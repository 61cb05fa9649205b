"""What a unit may know of one document, out of the spool: the sheet that is filed here, or by its own computer."""

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.folders import notes
from gateway.folders.filing import Sheet
from gateway.results import result
from spool.domain.ledger import Document, Event
from spool.domain.municipality import Municipality
from spool.domain.states import State
from spool.series import explained
from spool.store import Store

PUT_ASIDE = frozenset({State.REFUSED, State.WITHDRAWN, State.QUARANTINED, State.CEASED})
"""Ends without a KSeF number: the original goes back to the unit, with the reason (docs/decisions/0008)."""
DELIVERED_NOTE = "Wyniki i UPO zapisano w folderze jednostki."


@dataclass(frozen=True)
class Told:
    """A document with its history and bytes, as read from the spool in one snapshot.

    `original` is the file as it came, where `raw` is what we made of it.
    """

    document: Document
    history: tuple[Event, ...]
    raw: bytes
    upo: bytes | None
    original: bytes = b""

    @property
    def deliverable(self) -> bool:
        """Numbered and with its UPO: what remains is the unit's folder."""
        return self.document.state is State.ACCEPTED and self.document.upo_sha256 is not None

    @property
    def wants_copy(self) -> bool:
        """True while a buyer may be handed the PDF of an offline document that has no number yet."""
        document = self.document
        waits = document.state not in {*PUT_ASIDE, State.DELIVERED}
        return waits and document.mode.offline and not document.ksef_number


def told(store: Store, document_id: str) -> Told:
    """Everything about it. Raises KeyError, BodyDamaged."""
    document = explained(store, store.document(document_id))
    upo = store.body(document.upo_sha256) if document.upo_sha256 else None
    original = store.body(document.repaired_from) if document.repaired_from else b""
    return Told(document, tuple(store.history(document_id)), store.body(document.sha256), upo, original)


def waiting(told: Told, municipality: Municipality) -> Sheet:
    """A document on its way, for `w-toku/`."""
    document = told.document
    return Sheet(
        document.unit,
        document.name,
        document.sha256,
        result(document, told.history, municipality),
        picture=f"{document.mode} {document.kod2_url} {document.due_safe}",
    )


def delivered(told: Told, municipality: Municipality, now: datetime) -> Sheet:
    """A numbered document with its UPO, for `wyslane/`.

    The JSON already says DELIVERED: that is true from the moment it can be seen. So it appears once and never changes.
    """
    document = told.document
    move = Event(0, now, document.id, "gateway", f"{State.ACCEPTED}>{State.DELIVERED}", DELIVERED_NOTE, {})
    said = result(replace(document, state=State.DELIVERED), (*told.history, move), municipality)
    at, original = document.acquisition_date, told.original
    return Sheet(document.unit, document.name, document.sha256, said, at, original=original)


def renewed(told: Told, municipality: Municipality) -> Sheet:
    """A delivered document of which there is something new to say."""
    document = told.document
    said = result(document, told.history, municipality)
    return Sheet(document.unit, document.name, document.sha256, said, document.acquisition_date)


def aside(told: Told, municipality: Municipality) -> Sheet:
    """A document that ended without a number, for `odrzucone/`."""
    document, when = told.document, _refused_at(told)
    unit = municipality.units.get(document.unit)
    note = notes.note(
        source_name=document.source_name,
        unit=unit.name if unit else document.unit,
        at=when,
        fingerprint=document.sha256,
        problems=document.problems,
        number=document.facts.number,
        state=_last_verdict(told),
        training=document.facts.training,
        reason=document.reason or ("" if document.problems else told.history[-1].note),
    )
    said = result(document, told.history, municipality)
    return Sheet(document.unit, document.name, document.sha256, said, when, note, original=told.original)


def _last_verdict(told: Told) -> State:
    """What the note says: a withdrawn document that came back and did not pass is refused, whatever its row says."""
    verdicts = [e.move for e in told.history if e.state or e.move == "again"]
    return State.REFUSED if verdicts and verdicts[-1] == "again" else told.document.state


def _refused_at(told: Told) -> datetime:
    """When it was refused last: by a move, or because the same file came again and is still refused."""
    ends = [e.at for e in told.history if e.state == told.document.state or e.move == "again"]
    return ends[-1] if ends else told.document.updated_at
