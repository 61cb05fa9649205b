"""What the spool says about the codes on a paper, as far as whoever asks may see (JST rule P11)."""

from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.document import collapse
from spool.domain.municipality import Context, ContextType, Municipality
from spool.domain.scan import Codes, VerificationCode, portals, read_codes
from spool.domain.seller_due import SellerDue, seller_due
from spool.domain.verification import Seen, Verdict, judge, judge_paper
from spool.law import Rules
from spool.store import Store
from spool.store.base import Units

PURCHASES = "Subject2"
"""As whom the agent asks for the municipality's purchases (protocol §15)."""


@dataclass(frozen=True)
class Asked:
    """A paper as somebody holds it: the texts of its codes, and what was read off it, where it was."""

    texts: tuple[str, ...]
    number: str = ""
    issued: date | None = None


def verify(store: Store, asked: Asked, units: Units, rules: Rules, now: datetime) -> tuple[Verdict, ...]:
    """One verdict for each code I, or one for the whole paper. `units` None sees all; others only what is theirs."""
    town = rules.municipality
    codes = read_codes(asked.texts, portals(town))
    ours = frozenset(context.environment for context in town.contexts.values())
    due = due_of(store, rules, asked.issued, now) if asked.issued else None
    whole = judge_paper(codes, ours, asked.issued, due)
    if whole is not None:
        return (whole,)
    return tuple(
        judge(code, codes, _seen(store, code, asked, units, rules, now), asked.number, now) for code in codes.invoices
    )


def due_of(store: Store, rules: Rules, issued: date, now: datetime) -> SellerDue:
    """Until when a seller may hand over what he issued offline on this day."""
    context = home(rules.municipality)
    periods = rules.announcements(store, context.id, issued) if context else ()
    return seller_due(issued, periods, rules.deadline, now)


def home(municipality: Municipality, unit: str = "") -> Context | None:
    """The context in which purchases of the municipality, or of a unit that is a taxpayer itself, arrive.

    None where there are only contexts of units.
    """
    own = municipality.units.get(unit)
    nip = own.nip if own is not None and own.taxpayer else municipality.nip
    contexts = municipality.contexts.values()
    return next((c for c in contexts if c.type is ContextType.NIP and c.value == nip), None)


def known_up_to(store: Store, municipality: Municipality, unit: str = "") -> datetime | None:
    """Everything that KSeF had for them at this instant is here; None before the first look."""
    context = home(municipality, unit)
    return store.mark(context.id, PURCHASES) if context else None


def _seen(store: Store, code: VerificationCode, asked: Asked, units: Units, rules: Rules, now: datetime) -> Seen:
    same = store.received_by_hash(code.sha256, units)
    numbered = None
    if same is None and asked.number:
        found = store.received_numbered(code.seller_nip, collapse(asked.number), units)
        numbered = next((r for r in found if r.facts.issue_date == code.issue_date), None)
    due = due_of(store, rules, code.issue_date, now)
    return Seen(same, numbered, known_up_to(store, rules.municipality), due)


def codes_of(asked: Asked, municipality: Municipality) -> Codes:
    """The codes of KSeF on this paper."""
    return read_codes(asked.texts, portals(municipality))
