"""What is known of a purchase beside its row: suggestions, likely duplicates, receipt date. One look into the spool.

Reckoned when somebody asks, so that a register filled in later, or an announcement heard later, counts.
"""

from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.ledger import Event, Received
from spool.domain.letter import letter as letter_of
from spool.domain.municipality import Municipality, Unit
from spool.domain.papers import Decision, Kind, Paper
from spool.domain.receipt import Receipt, receipt_of
from spool.domain.routing import Holder, Register, asks_supplier
from spool.domain.suggestions import Suggestion, best, suggest
from spool.law import Rules
from spool.store import Store


@dataclass(frozen=True)
class Purchase:
    """A received invoice and what follows from everything around it; `suggestions` only while it has no unit.

    `alike` and `papers` may be another unit's; `own_papers` are what its unit may know.
    """

    invoice: Received
    receipt: Receipt
    suggestions: tuple[Suggestion, ...] = ()
    alike: tuple[str, ...] = ()
    papers: tuple[Paper, ...] = ()

    @property
    def suggested(self) -> str | None:
        """The one unit that the reasons agree on, or None."""
        return best(self.suggestions)

    @property
    def own_papers(self) -> tuple[Paper, ...]:
        """Papers of this invoice that its own unit has registered (JST rule P10)."""
        return tuple(paper for paper in self.papers if paper.unit == self.invoice.unit)

    @property
    def asks_supplier(self) -> bool:
        """True when the supplier is to be asked for a correcting invoice."""
        return asks_supplier(self.invoice.facts, self.invoice.rule)

    def recipient(self, rules: Rules) -> Unit | None:
        """Whom a letter to the supplier names: its unit, else the suggested one."""
        return rules.municipality.units.get(self.invoice.unit or self.suggested or "")


def register(store: Store) -> Register:
    """IDWew of people and sections that are valid now."""
    given = (i for i in store.internal_ids() if i.withdrawn_on is None)
    return {i.idwew: Holder(i.idwew, i.unit, i.holder) for i in given}


def suggestions(store: Store, invoice: Received, municipality: Municipality) -> tuple[Suggestion, ...]:
    """For whom it may be, also where that was decided."""
    return suggest(invoice.facts, municipality, register(store), store.earlier_of(invoice))


def hop(event: Event) -> str:
    """What happened to it, for people in charge: of an assignment also from where, to where and why."""
    if event.move != "assigned":
        return event.note
    places = [event.data.get(end) or "tacka centralna" for end in ("from", "to")]
    reason = f" Powód: {event.data['reason']}" if event.data.get("reason") else ""
    return f"{event.note} {places[0]} → {places[1]}.{reason}"


def assign(
    store: Store, ksef_number: str, unit: str | None, now: datetime, actor: str, reason: str, rules: Rules
) -> Purchase:
    """A person says whose it is (None: the central tray), and what was suggested goes into the history with it.

    Raises KeyError, and MoveRefused where it is already.
    """
    hints = suggestions(store, store.received(ksef_number), rules.municipality)
    return look(store, store.assign(ksef_number, unit, now, actor, reason, hints), rules)


def letter(purchase: Purchase, rules: Rules, day: date, unit: Unit | None = None) -> str:
    """The draft to the supplier, for this unit, or for its own or the suggested one."""
    invoice = purchase.invoice
    return letter_of(invoice.facts, invoice.ksef_number, rules.municipality, unit or purchase.recipient(rules), day)


def look(store: Store, invoice: Received, rules: Rules) -> Purchase:
    """Everything about one received invoice."""
    found: tuple[Suggestion, ...] = ()
    if invoice.unit is None:
        found = suggestions(store, invoice, rules.municipality)
    periods = rules.announcements(store, invoice.context, invoice.facts.issue_date or date.min)
    received = receipt_of(invoice, store.entered_receipt(invoice.ksef_number), periods)
    alike = tuple(store.alike(invoice.facts, invoice.ksef_number))
    return Purchase(invoice, received, found, alike, tuple(store.papers_beside(invoice)))


def paper_beside(paper: Paper) -> str:
    """What is said of it where its invoice is shown."""
    what = "ta sama należność: nie płacić dwa razy" if paper.kind is Kind.INVOICE else "potwierdzenie tej faktury"
    if paper.decision is Decision.ALLOWED:
        what += "; wpis pozwolono zaksięgować, proszę nie ująć go dwa razy"
    return f"Wpis nr {paper.id} spoza KSeF, otrzymany {paper.received_on:%d.%m.%Y}: {what}."
