"""Purchases that came outside KSeF, on paper or as a file, and where each of them stands (JST rules P10, D5–D9). Pure.

A paper whose code leads to an invoice is, for a buyer with a NIP, only a transaction confirmation (art. 106nda(3)): it
is never booked; the invoice is, once it has come. Everything that follows from announcements is reckoned when asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from spool.domain.calendar import Changes, end_of_day, warsaw_date, working_day_after
from spool.domain.document import collapse
from spool.domain.errors import RegisterRefused
from spool.domain.identifiers import nip_is_valid
from spool.domain.ledger import Received
from spool.domain.seller_due import SellerDue
from spool.domain.terms import written

LONGEST = 200
"""Characters of a text that a person enters."""
_BIGGEST = Decimal(10) ** 16


class Kind(StrEnum):
    """What came: a document without a code of KSeF, or one whose code leads to an invoice."""

    INVOICE = "invoice"
    CONFIRMATION = "confirmation"


KIND_LABELS = {Kind.INVOICE: "faktura spoza KSeF", Kind.CONFIRMATION: "potwierdzenie transakcji"}


class Decision(StrEnum):
    """What a person decided about a paper: it is booked all the same, or it should not have been entered."""

    NONE = ""
    ALLOWED = "allowed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class NewPaper:
    """What a person read off it. `gross` is a decimal string with two places; `code_sha256` that of its KOD I."""

    unit: str
    kind: Kind
    seller_nip: str
    seller_name: str
    number: str
    issue_date: date
    received_on: date
    gross: str
    currency: str = "PLN"
    code_sha256: str = ""
    code_link: str = ""
    scan_name: str = ""
    note: str = ""

    @property
    def number_key(self) -> str:
        """The number as `Facts.number_key` writes it."""
        return collapse(self.number)


@dataclass(frozen=True, kw_only=True)
class Paper(NewPaper):
    """A row of the register. `ksef_number` is the invoice of KSeF that its code leads to, once that has come."""

    id: int
    entered_at: datetime
    entered_by: str
    scan_sha256: str | None = None
    ksef_number: str | None = None
    found_at: datetime | None = None
    decision: Decision = Decision.NONE
    decided_by: str = ""
    decided_why: str = ""


@dataclass(frozen=True)
class Attachment:
    """A file beside a purchase: its hash, and where people keep it (JST rule P14)."""

    name: str
    sha256: str
    size: int
    place: str
    linked_at: datetime
    linked_by: str


@dataclass(frozen=True)
class Beside:
    """What whoever asks may see beside a paper: the invoice with its hash, those with its number and amount, the
    seller's own term, and up to when KSeF has been asked. `town`: they see all units."""

    invoice: Received | None
    alike: Sequence[Received]
    due: SellerDue
    upto: datetime | None
    town: bool


@dataclass(frozen=True)
class Standing:
    """Where a paper stands: a stable `code`, a sentence with its cure, and whether it may be booked.

    `jpk_mark` is that of the paper itself; empty where the invoice of KSeF is booked instead.
    """

    code: str
    sentence: str
    cure: str
    bookable: bool = False
    jpk_mark: str = ""

    @property
    def label(self) -> str:
        """Its word for lists."""
        return STANDINGS[self.code]


STANDINGS = {
    "withdrawn": "wycofane",
    "allowed": "do księgowania (decyzja)",
    "in_ksef": "jest w KSeF",
    "elsewhere": "jest w KSeF, nie w tej jednostce",
    "likely_duplicate": "prawdopodobny duplikat",
    "outside": "do księgowania",
    "contact_seller": "zwrócić się do sprzedawcy",
    "awaited": "czeka na KSeF",
}
"""The standings, with a word for each."""
OPEN = frozenset({"contact_seller", "likely_duplicate", "elsewhere"})
"""Standings that a person has to do something about."""


def check(new: NewPaper, today: date) -> None:
    """Raises RegisterRefused for what cannot be."""
    if not new.number_key or max(len(new.number), len(new.seller_name), len(new.note)) > LONGEST:
        raise RegisterRefused("Brakuje numeru dokumentu albo tekst jest za długi.", f"Najwyżej {LONGEST} znaków.")
    if new.seller_nip and not nip_is_valid(new.seller_nip):
        raise RegisterRefused("NIP sprzedawcy „{nip}” ma złą cyfrę kontrolną albo liczbę cyfr.", nip=new.seller_nip)
    if not new.seller_nip and not new.seller_name:
        raise RegisterRefused("Brakuje sprzedawcy.", "NIP, a dla zagranicznego nazwa.")
    if not new.issue_date <= new.received_on <= today:
        raise RegisterRefused(
            "Dzień otrzymania {received} nie leży między wystawieniem ({issued}) a dniem dzisiejszym.",
            received=written(new.received_on),
            issued=written(new.issue_date),
        )


def amount(text: str) -> str:
    """What a person typed, as a decimal string with two places. Raises RegisterRefused."""
    try:
        found = Decimal("".join(text.split()).replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or abs(found) >= _BIGGEST:
        raise RegisterRefused("„{text}” nie jest kwotą.", "Np. 1230,50.", text=text[:40])
    return f"{found:.2f}"


def contact_from(paper: Paper, due: SellerDue, patience: int, changes: Changes | None = None) -> date | None:
    """The first day on which to ask the seller (JST rules D7, D8); None while his own term has no date.

    `patience` working days behind the first check, which is on the next working day after the receipt (D5), and never
    within the term that the law gives him.
    """
    if due.last_day is None:
        return None
    patient = working_day_after(working_day_after(paper.received_on, 1, changes), patience, changes)
    return max(patient, working_day_after(due.last_day, 1, changes))


def standing(paper: Paper, beside: Beside, now: datetime, patience: int, changes: Changes | None = None) -> Standing:
    """What is to be thought and done of it now."""
    if paper.decision is Decision.WITHDRAWN:
        return Standing("withdrawn", f"Wpis wycofano: {paper.decided_why}", "")
    outside = paper.kind is Kind.INVOICE or beside.due.never
    if paper.decision is Decision.ALLOWED:
        mark = "BFK" if outside else "OFF" if beside.due.failure else "DI"
        text = f"{paper.decided_by} zezwala na księgowanie: {paper.decided_why}"
        return Standing("allowed", text, "", True, mark)
    if beside.invoice is not None:
        return _has_come(paper, beside.invoice)
    if beside.alike:
        return _likely_duplicate(paper, beside.alike[0])
    if outside:
        return Standing(
            "outside", f"Dokument spoza KSeF; datą otrzymania jest {written(paper.received_on)}.",
            "W JPK_V7M oznacza się go BFK; nie trafi do KSeF, więc przechowuje się go samemu.", True, "BFK",
        )  # fmt: skip
    return _awaited(paper, beside, now, patience, changes)


def _has_come(paper: Paper, invoice: Received) -> Standing:
    if invoice.unit != paper.unit:
        return Standing(
            "elsewhere",
            f"Faktura przyszła z KSeF pod numerem {invoice.ksef_number}, ale nie ma jej w jednostce, która ma papier.",
            "Proszę ją przydzielić (sluza received assign) albo wycofać wpis.",
        )  # fmt: skip
    on = written(warsaw_date(invoice.acquisition_date))
    return Standing(
        "in_ksef", f"Faktura przyszła z KSeF {on} pod numerem {invoice.ksef_number}.",
        "Proszę księgować fakturę z KSeF, nie ten dokument.",
    )  # fmt: skip


def _likely_duplicate(paper: Paper, invoice: Received) -> Standing:
    what = "treść inna niż ta, do której prowadzi kod" if paper.kind is Kind.CONFIRMATION else "ta sama należność"
    return Standing(
        "likely_duplicate",
        f"Ten sam sprzedawca, numer i kwota są na fakturze z KSeF {invoice.ksef_number}: prawdopodobnie {what}.",
        "Proszę porównać oba dokumenty. Ten sam: wycofać wpis. Dwie różne należności: zezwolić na księgowanie z "
        "powodem.",
    )  # fmt: skip


def _awaited(paper: Paper, beside: Beside, now: datetime, patience: int, changes: Changes | None) -> Standing:
    """A confirmation whose invoice has not come. Absent is only what KSeF, asked late enough, did not give."""
    due, first = beside.due, contact_from(paper, beside.due, patience, changes)
    known = f"KSeF zapytano o faktury do {written(warsaw_date(beside.upto))}. " if beside.upto else ""
    term = f"Sprzedawca ma czas do: {due.sentence}."
    asked = due.last_day is not None and beside.upto is not None and beside.upto >= end_of_day(due.last_day)
    if beside.town and first is not None and warsaw_date(now) >= first and asked:
        return Standing(
            "contact_seller",
            f"Faktury nadal nie ma w KSeF. {known}{term}",
            "Proszę zwrócić się do sprzedawcy; projekt pisma: sluza received paper letter.",
        )  # fmt: skip
    if first is None:
        then = ""
    elif warsaw_date(now) < first:
        then = f" Do sprzedawcy koordynator zwróci się od {written(first)}."
    else:
        then = " Sprawą zajmuje się koordynator."
    failure = (
        "W dniu wystawienia trwała awaria KSeF. Jeśli wystawiono ją z tego powodu, to jest faktura, a datą otrzymania "
        f"jest {written(paper.received_on)} (art. 106nf ust. 10): wtedy proszę zezwolić na księgowanie z tym powodem."
    )
    return Standing(
        "awaited", f"To potwierdzenie transakcji, nie faktura. {known}{term}{then}",
        failure if due.failure else "Proszę nie księgować: Śluza sprawdza przy każdym odbiorze z KSeF.",
    )  # fmt: skip
