"""What differs between municipalities: each policy with its values, and the number of the mayor's order behind it.

A check of sales finds something and gives it a code; the policy that governs the code says what follows: nothing
(`off`), a warning with which the invoice goes (`warn`), or a refusal (`refuse`). Codes without a policy are decided by
the check itself. Sources: jst.md §3, §3a, §3b, §9.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from spool.domain.errors import Problem
from spool.domain.municipality import Municipality, Policy, Unit

OFF, WARN, REFUSE = "off", "warn", "refuse"


@dataclass(frozen=True)
class Question:
    """One policy: what it may say, what it says where nobody decided, and which findings it governs."""

    name: str
    default: str
    codes: frozenset[str] = frozenset()
    values: tuple[str, ...] = (OFF, WARN, REFUSE)
    of_a_unit: bool = True


def _sales(name: str, default: str, *codes: str) -> Question:
    return Question(name, default, frozenset(codes))


SALES = (
    _sales("issuing_unit", WARN, "role7_missing", "role7_for_another"),  # S1
    _sales("correction_original", REFUSE, "original_of_another_seller"),  # S16
    _sales("correction_unknown", WARN, "original_unknown"),  # S16
    _sales("correction_outside", WARN, "correction_of_outside"),  # §3b, the note on corrections
    _sales("advance_numbers", WARN, "advance_number_missing"),  # S17
    _sales("company_without_nip", WARN, "company_without_nip"),  # S12
    _sales("consumers", OFF, "consumer_sale"),  # §3a
    _sales("foreign_buyers", WARN, "foreign_sale"),  # §3a
    _sales("not_an_invoice", REFUSE, "not_for_ksef"),  # §3b
    _sales("looks_like_note", WARN, "looks_like_note"),  # §3b
)
"""The checks of outgoing invoices that a municipality decides about."""
OFFLINE24 = Question("offline24", "refused", values=("allowed", "refused"))
"""S11: offline24 on wish only by order of the mayor."""
ROLE_2 = Question("role2_routing", "accepted", values=("accepted", "tray"), of_a_unit=False)
"""§9, P2: whether a unit in role 2 (recipient) gets its purchases without a person."""
SELF_INVOICING = Question("self_invoicing", WARN, frozenset({"self_invoicing"}), (OFF, WARN), of_a_unit=False)  # P13
PAYMENT_HOLD = Question("payment_hold", WARN, frozenset({"payment_hold"}), (OFF, WARN), of_a_unit=False)  # P16
CONTACT_SELLER = Question("contact_seller", "2", values=("2", "3"), of_a_unit=False)
"""D7: working days after the first check until the seller of an offline purchase is asked; two orders, two answers."""
QUESTIONS = {q.name: q for q in (*SALES, OFFLINE24, ROLE_2, SELF_INVOICING, PAYMENT_HOLD, CONTACT_SELLER)}
_GOVERNED = {code: q for q in QUESTIONS.values() for code in q.codes}


@dataclass(frozen=True)
class Decided:
    """The policies as they hold for one unit: its own before the municipality's, and those before the defaults."""

    unit: Mapping[str, Policy]
    municipality: Mapping[str, Policy]

    def of(self, question: Question) -> Policy:
        """What this policy says."""
        for decided in (self.unit, self.municipality):
            if question.name in decided:
                return decided[question.name]
        return Policy(question.default)

    def sort(self, found: Iterable[Problem]) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        """What is refused and what is only pointed out; a finding that no policy governs is a warning."""
        refused: list[Problem] = []
        warned: list[Problem] = []
        for one in found:
            question = _GOVERNED.get(one.code)
            policy = self.of(question) if question else Policy(WARN)
            if policy.value != OFF:
                (refused if policy.value == REFUSE else warned).append(_with_order(one, policy))
        return tuple(refused), tuple(warned)


def decided(municipality: Municipality, unit: Unit | None = None) -> Decided:
    """The policies as they hold for this unit, or for the municipality as a whole."""
    return Decided(unit.policies if unit else {}, municipality.policies)


def _with_order(found: Problem, policy: Policy) -> Problem:
    """A finding that rests on an order of the mayor says so: people must be able to look it up."""
    return replace(found, hint=f"{found.hint} Podstawa: {policy.order}.".strip()) if policy.order else found
