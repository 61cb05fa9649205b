"""The result JSON (`sluza-result/1`, DESIGN 4.4): one shape for the folder, the drop-point and the CLI."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from spool.domain.booking import jpk_mark, payment_title
from spool.domain.calendar import WARSAW
from spool.domain.codes import kod1_url
from spool.domain.document import Mode
from spool.domain.environments import label_of
from spool.domain.ledger import Document, Event
from spool.domain.municipality import Municipality

SCHEMA = "sluza-result/1"
NO_PDF = "Nie udało się przygotować wydruku PDF. Dokument XML jest kompletny i ważny; wydruk można zrobić później."
INVOICE, CONFIRMATION = "Faktura", "Potwierdzenie transakcji"


def result(document: Document, history: Iterable[Event], municipality: Municipality) -> dict[str, Any]:
    """Everything the unit may know of its document. Instants are Warsaw time with an offset."""
    facts = document.facts
    return {
        "schema": SCHEMA,
        "id": document.id,
        "unit": document.unit,
        "training": label_of(facts.training) or None,
        "source_name": document.source_name,
        "sha256": document.sha256,
        "state": document.state.value,
        "reason": document.reason,
        "seller_nip": facts.seller_nip,
        "number": facts.number,
        "kind": facts.kind,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "issued_at": local(document.issued_at),
        "mode": document.mode.value,
        "due_safe": local(document.due_safe),
        "due_local": local(document.due_local),
        "ksef_number": document.ksef_number,
        "acquisition_date": local(document.acquisition_date),
        "upo_sha256": document.upo_sha256,
        "kod1_url": verification_link(document, municipality),
        "kod2_url": document.kod2_url or None,
        "document_title": title(document),
        "jpk_mark": jpk_mark(document),
        "payment_title": payment_title(document),
        "errors": [problem.as_dict() for problem in document.problems],
        "warnings": [found.as_dict() for found in document.warnings],
        "repaired_from": document.repaired_from or None,
        "history": told(history),
    }


def told(history: Iterable[Event]) -> list[dict[str, Any]]:
    """Each event with the state the document was in after it."""
    lines, state = [], ""
    for event in history:
        state = event.state or state
        lines.append({"at": local(event.at), "state": state, "note": event.note})
    return lines


def verification_link(document: Document, municipality: Municipality) -> str | None:
    """KOD I of this document, or None while its seller or issue date could not be read."""
    facts = document.facts
    context = municipality.contexts.get(document.context)
    if context is None or not facts.seller_nip or facts.issue_date is None:
        return None
    return kod1_url(context.qr_url, facts.seller_nip, facts.issue_date, document.sha256)


def title(document: Document) -> str:
    """What a copy of it on paper is called (JST rule S14a): before the number it may be no invoice for a NIP buyer.

    In offline24 and unavailability a buyer with a NIP receives the invoice only in KSeF, art. 106nda(3), 106nh(4);
    those of art. 106gb(4), who have none, receive the invoice itself. In a failure every buyer may, art. 106nf(2)-(3),
    and a total failure knows no KSeF number at all, art. 106ng.
    """
    if document.ksef_number or not document.facts.buyer_nip:
        return INVOICE
    if document.mode is Mode.ONLINE:
        return "Faktura (bez numeru KSeF)"
    return CONFIRMATION if document.mode in {Mode.OFFLINE24, Mode.UNAVAILABILITY} else INVOICE


def local(moment: datetime | None) -> str | None:
    """An instant in Warsaw time, to the second, with its offset."""
    return moment.astimezone(WARSAW).isoformat(timespec="seconds") if moment else None
