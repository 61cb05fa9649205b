"""Is what lies on the desk a print of an invoice that KSeF gave us? Green, amber or red, and what to do (JST rule P11).

Red is only a contradiction: a code that leads elsewhere, or two things that cannot both be true. What is merely not
here is amber, because it may be on its way, or another's: of what belongs to others nothing is said, not even that it
is there. Pure; `spool.verification` looks it up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from spool.domain.calendar import warsaw_date
from spool.domain.catalogue import printable
from spool.domain.document import collapse
from spool.domain.environments import BY_NAME
from spool.domain.ledger import Received
from spool.domain.scan import Codes, IssuerCode, Label, VerificationCode
from spool.domain.seller_due import SellerDue
from spool.domain.terms import written


class Colour(StrEnum):
    """How it looks at a glance."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


COLOUR_LABELS = {Colour.GREEN: "zielone", Colour.AMBER: "żółte", Colour.RED: "czerwone"}


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of one code, or of a paper without any: a stable `code`, a sentence, its cure.

    `invoice` is the received invoice that it is a print of, `link` the whole KOD I.
    """

    colour: Colour
    code: str
    sentence: str
    cure: str
    labels: tuple[Label, ...] = ()
    invoice: Received | None = None
    verification: VerificationCode | None = None

    @property
    def to_be_registered(self) -> bool:
        """True for a paper that no invoice of KSeF stands behind yet, or ever will."""
        return self.code in {"not_yet", "total_failure", "no_codes"}


@dataclass(frozen=True)
class Seen:
    """What whoever asks may see of one code's invoice.

    `same` has its hash, `numbered` the number on the paper and other bytes. `upto`: everything that KSeF had at this
    instant is here. `due` is when the seller must have handed it over.
    """

    same: Received | None
    numbered: Received | None
    upto: datetime | None
    due: SellerDue


def judge_paper(codes: Codes, ours: frozenset[str], issued: date | None, due: SellerDue | None) -> Verdict | None:
    """What is wrong with the paper as a whole, or that there is no code to judge; None where its codes decide.

    `ours` are the environments of our contexts; `issued` and `due` are known where somebody read the date off it.
    """
    if codes.foreign:
        return _strange(codes.foreign[0])
    every: Sequence[VerificationCode | IssuerCode] = (*codes.invoices, *codes.issuers)
    if other := next((c.environment for c in every if c.environment not in ours), ""):
        return _of_a_test(other)
    known = {(code.sha256, code.seller_nip) for code in codes.invoices}
    if codes.invoices and any((issuer.sha256, issuer.seller_nip) not in known for issuer in codes.issuers):
        return Verdict(
            Colour.RED, "codes_disagree",
            "Kod CERTYFIKAT na tym wydruku dotyczy innej faktury albo innego sprzedawcy niż kod OFFLINE.",
            "Proszę nie księgować i nie płacić. Proszę wyjaśnić to ze sprzedawcą, korzystając ze znanego kontaktu.",
        )  # fmt: skip
    if codes.invoices:
        return None
    return _without_a_code(codes, issued, due)


def judge(code: VerificationCode, codes: Codes, seen: Seen, number: str, now: datetime) -> Verdict:
    """What to think of one KOD I; `number` is the invoice number on the paper, empty where nobody read it."""
    labels = codes.labels(code)
    if seen.same is not None:
        colour, word, sentence, cure = _found(code, seen.same, number)
        return Verdict(colour, word, sentence, cure, labels, seen.same, code)
    if seen.numbered is not None:
        sentence = (
            f"Wśród faktur z KSeF jest faktura {_named(seen.numbered)} tego sprzedawcy, ale o innej treści niż ta, do "
            "której prowadzi kod."
        )
        cure = "Proszę nie księgować tego wydruku. Liczy się faktura z KSeF; różnice proszę wyjaśnić ze sprzedawcą."
        return Verdict(Colour.RED, "other_content", sentence, cure, labels, seen.numbered, code)
    word, sentence, cure = _absent(labels, seen, now)
    return Verdict(Colour.AMBER, word, sentence, cure, labels, None, code)


def _found(code: VerificationCode, invoice: Received, number: str) -> tuple[Colour, str, str, str]:
    facts = invoice.facts
    if facts.seller_nip and (facts.seller_nip, facts.issue_date) != (code.seller_nip, code.issue_date):
        return (
            Colour.RED, "code_altered",
            "Kod ma skrót faktury, która jest w KSeF, ale innego sprzedawcę albo inną datę wystawienia.",
            f"Proszę nie ufać temu wydrukowi. Liczy się faktura z KSeF, {_named(invoice)}.",
        )  # fmt: skip
    if number and facts.number_key and collapse(number) != facts.number_key:
        return (
            Colour.RED, "another_number",
            f"Kod należy do faktury {_named(invoice)}, a na wydruku stoi numer „{printable(number, 60)}”.",
            "Proszę nie księgować tego wydruku i wyjaśnić różnicę ze sprzedawcą.",
        )  # fmt: skip
    on = f"{warsaw_date(invoice.acquisition_date):%d.%m.%Y}"
    return (
        Colour.GREEN, "in_ksef",
        f"To wydruk faktury {_named(invoice)}. Jest w KSeF od {on}, numer KSeF {invoice.ksef_number}.",
        "Proszę księgować fakturę z KSeF, nie ten wydruk: kwoty i dane z wydruku proszę z nią porównać.",
    )  # fmt: skip


def _absent(labels: tuple[Label, ...], seen: Seen, now: datetime) -> tuple[str, str, str]:
    """Not among what whoever asks may see."""
    if seen.due.never:
        return "total_failure", *_TOTAL_FAILURE
    known = f"Śluza zna faktury, które KSeF przyjął do {_moment(seen.upto)}." if seen.upto else "Odbiór jeszcze trwa."
    if Label.CERTIFICATE in labels:
        sentence = f"To potwierdzenie transakcji wystawione offline; faktury z tym kodem jeszcze tu nie ma. {known}"
        term = f"Termin przesłania do KSeF: {seen.due.sentence}{' – minął' if seen.due.passed(now) else ''}."
        cure = "Nie wolno go księgować. Proszę je zarejestrować (sluza received paper add): Śluza sprawdza codziennie."
        return "not_yet", f"{sentence} {term}", cure
    sentence = "Wśród Twoich faktur nie ma faktury z tym kodem. Tak wygląda wydruk faktury, która jest już w KSeF."
    cure = (
        "Jeśli to świeża faktura, proszę sprawdzić jutro. Jeśli nie, proszę otworzyć link spod kodu na stronie KSeF i "
        "zapytać koordynatora. Do wyjaśnienia proszę nie księgować."
    )
    return "not_here", f"{sentence} {known}", cure


def _without_a_code(codes: Codes, issued: date | None, due: SellerDue | None) -> Verdict:
    if due is not None and due.never and issued is not None:
        return Verdict(Colour.AMBER, "total_failure", *_TOTAL_FAILURE)
    if codes.issuers:
        return Verdict(
            Colour.AMBER, "issuer_code_only",
            "Na skanie jest tylko kod CERTYFIKAT, a sprawdzić da się kod OFFLINE, który stoi obok niego.",
            "Proszę zeskanować całą stronę z oboma kodami.", codes.labels(None),
        )  # fmt: skip
    if codes.broken:
        return Verdict(
            Colour.AMBER, "broken_code", "Link prowadzi do KSeF, ale brakuje mu części albo jest zmieniony.",
            "Proszę skopiować cały link albo zeskanować kod jeszcze raz. Jeśli to wraca, proszę pytać sprzedawcę.",
        )  # fmt: skip
    return Verdict(
        Colour.AMBER, "no_codes",
        "Na dokumencie nie ma kodu KSeF (albo jest nieczytelny).",
        "Jeśli kod tam widać, proszę zeskanować stronę w 300 dpi. Jeśli go nie ma, jest to dokument spoza KSeF: proszę "
        "go zarejestrować (sluza received paper add) i sprawdzić, czy dostawca nie musi wystawiać w KSeF.",
    )  # fmt: skip


_TOTAL_FAILURE = (
    "W tym dniu trwała awaria całkowita KSeF: takich faktur nie przesyła się do KSeF i kodów się nie sprawdza.",
    "Datą otrzymania jest dzień, w którym dotarła. Proszę ją zarejestrować: sluza received paper add",
)


def _strange(host: str) -> Verdict:
    return Verdict(
        Colour.RED, "foreign_link",
        f"Kod udaje kod KSeF, a prowadzi do innej strony: {printable(host, 80)}.",
        "Proszę nie otwierać tego linku, nie księgować i nie płacić. Proszę zawiadomić koordynatora: to może być próba "
        "oszustwa.",
    )  # fmt: skip


def _of_a_test(environment: str) -> Verdict:
    label = BY_NAME[environment].label or "produkcyjnego"
    return Verdict(
        Colour.RED, "other_environment",
        f"Kod pochodzi z innego środowiska KSeF niż nasze ({label}).",
        "To nie jest faktura dla gminy. Proszę nie księgować i zapytać sprzedawcę o fakturę z właściwego KSeF.",
    )  # fmt: skip


def _named(invoice: Received) -> str:
    facts = invoice.facts
    day = f" z {written(facts.issue_date)}" if facts.issue_date else ""
    return f"nr {printable(facts.number, 60)}{day}" if facts.number else f"o numerze KSeF {invoice.ksef_number}"


def _moment(upto: datetime) -> str:
    return f"{warsaw_date(upto):%d.%m.%Y}"
