"""What is odd about a purchase, for whoever gets it: found once, kept with it, never a reason to lose it. Pure.

Rules of jst.md §2: P3, P4, P5, P6, P8, P10, P13, P16, and F8.
"""

from collections.abc import Iterator

from spool.domain.catalogue import problem
from spool.domain.document import ROLE_JST_RECIPIENT, Facts
from spool.domain.errors import Problem
from spool.domain.identifiers import internal_id_is_valid
from spool.domain.municipality import Municipality
from spool.domain.policies import decided
from spool.domain.routing import DECIDING_ROLES, Route, asks_supplier, unit_as_buyer


def remarks(facts: Facts, route: Route, municipality: Municipality, *, alike: bool) -> tuple[Problem, ...]:
    """Everything worth a sentence. `alike`: another purchase has the same seller, number and amount (P10)."""
    found = [*_about_the_recipient(facts, route, municipality), *_about_payment(facts, route)]
    if alike:
        found.append(problem("likely_duplicate", field="Fa/P_2", value=facts.number))
    _, warned = decided(municipality).sort(found)
    return warned


def _about_the_recipient(facts: Facts, route: Route, municipality: Municipality) -> Iterator[Problem]:
    named = [p for p in facts.third_parties if p.role in DECIDING_ROLES]
    if route.unit and any(p.role == ROLE_JST_RECIPIENT for p in named) and facts.flag_jst != "1":
        yield problem("flag_inconsistent", field="Podmiot2/JST", value=facts.flag_jst or "brak")
    if facts.flag_jst == "1" and not named:
        yield problem("recipient_missing", field="Podmiot2/JST")
    if (unit := unit_as_buyer(facts, municipality)) is not None:
        yield problem("buyer_is_unit", field="Podmiot2/DaneIdentyfikacyjne/NIP", value=unit.nip)
    for party in named:
        if party.internal_id and not internal_id_is_valid(party.internal_id):
            yield problem("internal_id_checksum", field="Podmiot3/DaneIdentyfikacyjne/IDWew", value=party.internal_id)
    if internal_id_is_valid(facts.buyer_other_id):
        yield problem("internal_id_as_buyer", field="Podmiot2/DaneIdentyfikacyjne/NrID", value=facts.buyer_other_id)
    if facts.self_invoicing:
        yield problem("self_invoicing", field="Fa/Adnotacje")


def _about_payment(facts: Facts, route: Route) -> Iterator[Problem]:
    if facts.clues and facts.clues.paid:
        yield problem("already_paid", field="Fa/Platnosc", value=facts.clues.paid_on or "dnia nie podano")
    if asks_supplier(facts, route.rule):
        yield problem("payment_hold")
