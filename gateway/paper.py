"""What a copy of an invoice on paper is, said in Polish sentences for whoever holds it.

The law gives the same XML a different standing before and after its KSeF number, by mode and by buyer (JST rule S14a;
art. 106nda, 106nf, 106ng, 106nh of the VAT Act). The first sentence stands out; it says what the paper is.
"""

from datetime import datetime

from gateway.results import CONFIRMATION, local, title
from spool.domain.document import Mode
from spool.domain.ledger import Document
from spool.domain.states import State

_ENDED = {
    State.REFUSED: "Ten dokument nie jest fakturą: został odrzucony i nie trafi do KSeF.",
    State.WITHDRAWN: "Ten dokument nie jest fakturą: został wycofany i nie trafi do KSeF.",
    State.QUARANTINED: "Ten dokument nie jest fakturą: został wstrzymany i nie trafi do KSeF bez decyzji człowieka.",
}
_ISSUED = {
    Mode.OFFLINE24: "w trybie offline24 (art. 106nda ustawy o VAT)",
    Mode.UNAVAILABILITY: "w czasie niedostępności KSeF (art. 106nh ustawy o VAT)",
    Mode.FAILURE: "w czasie awarii KSeF (art. 106nf ustawy o VAT)",
    Mode.TOTAL_FAILURE: "w czasie awarii całkowitej KSeF (art. 106ng ustawy o VAT)",
}


def status(document: Document) -> tuple[str, ...]:
    """The sentences for the box below the title."""
    if document.ksef_number:
        return (f"Przyjęta przez KSeF {moment(document.acquisition_date)}.",)
    if document.state in _ENDED:
        return (_ENDED[document.state],)
    if document.mode is Mode.ONLINE:
        return ("Bez numeru KSeF. Dopóki KSeF nie nada numeru, ten dokument nie jest fakturą.", document.due_why)
    issued = _ISSUED[document.mode]
    if document.mode is Mode.TOTAL_FAILURE:
        return (f"Faktura wystawiona {issued}.", "Nie przesyła się jej do KSeF.")
    if title(document) == CONFIRMATION:
        return (
            "To nie jest faktura, lecz potwierdzenie transakcji.",
            f"Fakturę nabywca otrzyma w KSeF{_until(document)}. Została wystawiona {issued}.",
        )
    return (f"Faktura wystawiona {issued}.", f"Będzie w KSeF{_until(document)}.")


def has_codes(document: Document) -> bool:
    """None in a total failure (deadlines §1), and none where nobody must expect to find the document in KSeF."""
    if document.ksef_number:
        return True
    return document.mode is not Mode.TOTAL_FAILURE and document.state not in {*_ENDED, State.CEASED}


def moment(instant: datetime | None) -> str:
    """`20.11.2026, godz. 12:00` in Warsaw time; empty for no instant."""
    text = local(instant)
    return f"{_day(text)}, godz. {text[11:16]}" if text else ""


def _until(document: Document) -> str:
    """The last day, if it is known; in a failure it runs from the day on which that ends."""
    last = local(document.due_safe)
    if last:
        return f" najpóźniej {_day(last)}"
    return " w ciągu 7 dni roboczych od końca awarii" if document.mode is Mode.FAILURE else ""


def _day(text: str) -> str:
    return f"{text[8:10]}.{text[5:7]}.{text[:4]}"
