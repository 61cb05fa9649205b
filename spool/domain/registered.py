"""KSeF's register against the spool (invariants I2, I3, I4): what was seen on both sides in, findings out. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spool.domain.invariants import REPORT, Finding
from spool.domain.states import LABELS, State

STORED_WITHIN = timedelta(hours=1)
"""KSeF gives the number first and shows the invoice a little later (protocol §9.2): for so long nothing is said."""
_ELSEWHERE = (
    "Jeśli wystawiono ją w innym programie, wszystko w porządku (opcja --elsewhere-ok ją pominie); jeśli w Śluzie, "
    "spool jest starszy niż KSeF: proszę odtworzyć nowszą kopię zapasową."
)


@dataclass(frozen=True)
class Registered:
    """An invoice in KSeF's register."""

    ksef_number: str
    sha256: str
    number: str
    acquisition_date: datetime | None


@dataclass(frozen=True)
class Seller:
    """In whose name documents of a context go to KSeF; `first` is when we took in the first of them, `since` whence the
    register concerns us: a document may have been registered before it was taken in here."""

    context: str
    nip: str
    since: datetime
    first: datetime


@dataclass(frozen=True)
class Sighting:
    """A KSeF number on one side, and what the other side has. `document` and `state` are ours, empty if none is;
    `other` is KSeF's number for the same bytes, `taken` says that KSeF has the number for other bytes."""

    ksef_number: str
    number: str
    document: str
    state: str
    other: str = ""
    taken: bool = False


def twice(sha256: str, numbers: str) -> Finding:
    """I2."""
    text = f"KSeF ma tę samą fakturę więcej niż raz: {numbers}."
    return Finding("I2", sha256, text, "Proszę niezwłocznie zawiadomić skarbnika: jedną z nich trzeba skorygować.")


def not_ours(seen: Sighting) -> Finding:
    """I3: registered, and no document here has the number, nor will get it without being sent once more."""
    if not seen.document:
        text = f"KSeF ma fakturę {seen.number} (numer KSeF {seen.ksef_number}), której nie ma w Śluzie."
        return Finding("I3", seen.ksef_number, text, _ELSEWHERE)
    state = LABELS[State(seen.state)] if seen.state in set(State) else seen.state
    text = f"KSeF ma tę fakturę pod numerem {seen.ksef_number}, a w Śluzie jej stan to „{state}”, bez numeru."
    return Finding("I3", seen.document, text, f"Proszę nie wysyłać jej ponownie. {REPORT}")


def not_theirs(seen: Sighting) -> Finding:
    """I4: numbered here, and KSeF does not have this number for these bytes."""
    if seen.other:
        text = f"Śluza ma numer KSeF {seen.ksef_number}, a KSeF ma tę fakturę pod numerem {seen.other}."
    elif seen.taken:
        text = f"Pod numerem KSeF {seen.ksef_number} KSeF ma inną treść niż Śluza."
    else:
        text = f"Śluza ma numer KSeF {seen.ksef_number}, ale w rejestrze KSeF takiej faktury nie ma."
    return Finding("I4", seen.document, text, REPORT)
