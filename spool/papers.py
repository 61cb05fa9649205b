"""What people do with purchases that came outside KSeF, and where each of them stands (JST rules P10, D5–D9)."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from spool.domain.calendar import warsaw_date
from spool.domain.errors import RegisterRefused
from spool.domain.ledger import Event, Received
from spool.domain.letter import ask_for_invoice
from spool.domain.papers import Attachment, Beside, Kind, NewPaper, Paper, Standing, check, contact_from
from spool.domain.papers import standing as standing_of
from spool.domain.policies import CONTACT_SELLER, decided
from spool.domain.scan import VerificationCode
from spool.domain.seller_due import SellerDue
from spool.domain.verification import Colour
from spool.law import Rules
from spool.store import Store
from spool.store.base import Units
from spool.store.papers import subject
from spool.verification import Asked, codes_of, due_of, known_up_to, verify

MOST = 500
"""So many open confirmations are looked at for what is to be told; nobody has more."""


@dataclass(frozen=True)
class Desk:
    """An entry with where it stands for whoever asks, its invoice if they see that, and the files beside it."""

    paper: Paper
    standing: Standing
    due: SellerDue
    contact_from: date | None
    invoice: Received | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Open:
    """Numbers of the entries that a person has to do something about."""

    contact: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()
    elsewhere: tuple[int, ...] = ()


def enter(
    store: Store, new: NewPaper, texts: tuple[str, ...], scan: bytes | None, rules: Rules, now: datetime, actor: str
) -> Paper:
    """A person enters a paper; `texts` are the codes on it. Raises RegisterRefused.

    A code that contradicts what was read off the paper, or a red one, is refused: the person looks again.
    """
    check(new, warsaw_date(now))
    code = _code(store, new, texts, rules, now)
    if code is not None:
        new = replace(new, kind=Kind.CONFIRMATION, code_sha256=code.sha256, code_link=code.link)
    return store.add_paper(new, scan, now, actor)


def _code(store: Store, new: NewPaper, texts: tuple[str, ...], rules: Rules, now: datetime) -> VerificationCode | None:
    """The one KOD I on the paper, judged as its unit sees it. None where there is none."""
    verdicts = verify(store, Asked(texts, new.number, new.issue_date), (new.unit,), rules, now)
    for verdict in verdicts:
        if verdict.colour is Colour.RED:
            raise RegisterRefused(verdict.sentence, verdict.cure)
    codes = [verdict.verification for verdict in verdicts if verdict.verification is not None]
    if len(codes) > 1:
        raise RegisterRefused("Na skanie są kody kilku faktur.", "Proszę zarejestrować każdą z osobna.")
    if codes and (codes[0].seller_nip, codes[0].issue_date) != (new.seller_nip, new.issue_date):
        raise RegisterRefused(
            "Kod mówi: NIP {nip}, data wystawienia {day}. Wpisano co innego.",
            "Proszę porównać z papierem.",
            nip=codes[0].seller_nip,
            day=f"{codes[0].issue_date:%d.%m.%Y}",
        )
    return codes[0] if codes else None


def look(store: Store, paper: Paper, units: Units, rules: Rules, now: datetime) -> Desk:
    """Where it stands for whoever sees these units. What belongs to others is not there for them."""
    invoice = None
    if paper.ksef_number is not None:
        found = store.received(paper.ksef_number)
        invoice = found if units is None or found.unit in units else None
    due = due_of(store, rules, paper.issue_date, now)
    upto, patience = known_up_to(store, rules.municipality, paper.unit), _patience(rules)
    beside = Beside(invoice, store.alike_to_paper(paper, units), due, upto, town=units is None)
    return Desk(
        paper,
        standing_of(paper, beside, now, patience, rules.law.changes),
        due,
        contact_from(paper, due, patience, rules.law.changes),
        invoice,
        tuple(store.attachments(subject(paper.id))),
    )


def history(store: Store, desk: Desk) -> list[Event]:
    """What happened to it. That its invoice came is left out for whoever does not see that invoice."""
    told = store.history(subject(desk.paper.id))
    return told if desk.invoice else [event for event in told if event.move != "found"]


def still_open(store: Store, rules: Rules, now: datetime) -> Open:
    """What the municipality's people have to see to, of all units."""
    waiting = [look(store, paper, None, rules, now) for paper in store.papers_awaited(MOST)]
    contact = tuple(desk.paper.id for desk in waiting if desk.standing.code == "contact_seller")
    return Open(contact, tuple(store.papers_alike()), tuple(store.papers_elsewhere()))


def letter(desk: Desk, rules: Rules, day: date) -> str:
    """The draft to the seller whose invoice did not come. Raises RegisterRefused before it is time to ask him."""
    if desk.standing.code != "contact_seller":
        when = f" Najwcześniej {desk.contact_from:%d.%m.%Y}." if desk.contact_from else ""
        raise RegisterRefused(
            f"Do sprzedawcy jeszcze się nie zwracamy: {desk.standing.label}.{when}", desk.standing.sentence
        )
    return ask_for_invoice(desk.paper, desk.due, rules.municipality, day)


def read_off(texts: tuple[str, ...], rules: Rules) -> tuple[str, date | None]:
    """The seller's NIP and the issue date, where a code says them: nobody has to type what a machine has read."""
    codes = codes_of(Asked(texts), rules.municipality).invoices
    return (codes[0].seller_nip, codes[0].issue_date) if codes else ("", None)


def _patience(rules: Rules) -> int:
    return int(decided(rules.municipality).of(CONTACT_SELLER).value)
