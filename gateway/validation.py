"""The municipality's own checks of an outgoing invoice, on top of `spool.xml.examine`. Pure: facts in, problems out.

Sources: jst.md §3 (S1: seller and role 7; S12, S16), §3a (buyers), protocol §10 and §11 (`P_1`), deadlines E10.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from spool.domain.catalogue import problem
from spool.domain.document import ROLE_JST_ISSUER, Facts, ThirdParty
from spool.domain.errors import Problem
from spool.domain.identifiers import ksef_number_is_valid
from spool.domain.municipality import Context, ContextType, Municipality, Unit
from spool.domain.policies import decided

SELLER_FIELD = "Podmiot1/DaneIdentyfikacyjne/NIP"
DATE_FIELD = "Fa/P_1"
UNIT_FIELD = "Podmiot3/DaneIdentyfikacyjne"
BUYER_FIELD = "Podmiot2/DaneIdentyfikacyjne/Nazwa"
ORIGINAL_FIELD = "Fa/DaneFaKorygowanej/NrKSeFFaKorygowanej"


def check(
    facts: Facts, *, municipality: Municipality, unit: Unit, today: date, warnings: Iterable[Problem] = ()
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems, for which the invoice is refused, and warnings, with which it goes; `today` is the Warsaw date.

    `warnings` are those that the look at the file brought: what becomes of them, too, the policies say.
    """
    hard, soft = [], list(warnings)
    if facts.issue_date and facts.issue_date > today:
        hard.append(_about_date("issue_date_in_future", facts.issue_date, today))
    elif facts.issue_date and facts.issue_date < today:
        # Never refused: KSeF takes it and counts it as offline by itself (protocol §11).
        soft.append(_about_date("issue_date_past", facts.issue_date, today))
    seller = _seller(facts, municipality, unit)
    if seller:
        hard.append(seller)
    elif found := _role_7(facts, municipality, unit):
        # Where KSeF itself would refuse it (410), and where another stands in its place, no policy makes it a warning.
        never = found.code == "role7_other_unit" or _bound(facts, municipality, unit)
        (hard if never else soft).append(found)
    soft += [*_buyer(facts, soft), *_originals(facts)]
    refused, warned = decided(municipality, unit).sort(soft)
    return (*hard, *refused), warned


def _about_date(code: str, issued: date, today: date) -> Problem:
    return problem(code, field=DATE_FIELD, value=f"{issued:%d.%m.%Y}", today=f"{today:%d.%m.%Y}")


def _seller(facts: Facts, municipality: Municipality, unit: Unit) -> Problem | None:
    """S1: the seller is the municipality; a unit's own NIP only where the unit is a taxpayer itself."""
    seller = facts.seller_nip
    own = {unit.nip} if unit.nip and unit.taxpayer else set()
    if seller in {municipality.nip} | own:
        return None
    # Before the context, because the context of a unit may carry the unit's own NIP (sandbox-contract §7, rule 3).
    if unit.nip and seller == unit.nip:
        return problem("seller_is_unit", field=SELLER_FIELD, value=seller, expected=municipality.nip)
    context = _context(municipality, unit)
    if context and seller == context.nip:
        return None
    expected = f"gmina (NIP {municipality.nip})" if not own else f"jednostka (NIP {unit.nip})"
    return problem("seller_not_municipality", field=SELLER_FIELD, value=seller, expected=expected)


def _role_7(facts: Facts, municipality: Municipality, unit: Unit) -> Problem | None:
    """S1: the issuing unit stands in `Podmiot3` with role 7, if it has an identifier to stand there with; no other."""
    mine = _identifiers(municipality, unit) - {facts.seller_nip}
    issuers = [party for party in facts.third_parties if party.role == ROLE_JST_ISSUER]
    if other := _another(issuers, municipality, unit):
        return _not_ours("role7_other_unit" if mine else "role7_for_another", other, mine, unit)
    if not mine or (unit.taxpayer and facts.seller_nip == unit.nip):
        return None
    if not issuers:
        return problem("role7_missing", field="Podmiot3/Rola", expected=" lub ".join(sorted(mine)))
    if any(_identifier(party) in mine for party in issuers):
        return None
    return _not_ours("role7_other_unit", issuers[0], mine, unit)


def _not_ours(code: str, party: ThirdParty, mine: set[str], unit: Unit) -> Problem:
    field = f"{UNIT_FIELD}/{'IDWew' if party.internal_id else 'NIP'}"
    expected = " lub ".join(sorted(mine)) or unit.name or unit.id
    return problem(code, field=field, value=_identifier(party) or "bez numeru", expected=expected)


def _another(issuers: list[ThirdParty], municipality: Municipality, unit: Unit) -> ThirdParty | None:
    """Whoever stands in role 7, a unit of the register but not the one which sends: it would see the invoice."""
    others = {v for u in municipality.units.values() if u.id != unit.id for v in (u.nip, u.idwew) if v}
    foreign = others - {unit.nip, unit.idwew}
    return next((party for party in issuers if _identifier(party) in foreign), None)


def _buyer(facts: Facts, found: list[Problem]) -> Iterator[Problem]:
    """§3a: buyers who do not read KSeF. Whoever looks like a company is not taken for a consumer, too (S12)."""
    if facts.buyer_other_id:
        yield problem("foreign_sale", field=BUYER_FIELD, value=facts.buyer_name or facts.buyer_other_id)
    elif facts.no_tax_id and not any(p.code == "company_without_nip" for p in found):
        yield problem("consumer_sale", field=BUYER_FIELD, value=facts.buyer_name)


def _originals(facts: Facts) -> Iterator[Problem]:
    """S16: the KSeF number of an invoice begins with its seller's NIP; another's corrects nothing of ours."""
    for original in facts.corrected:
        number = original.ksef_number
        if ksef_number_is_valid(number) and not number.startswith(facts.seller_nip):
            yield problem("original_of_another_seller", field=ORIGINAL_FIELD, value=number)


def _bound(facts: Facts, municipality: Municipality, unit: Unit) -> bool:
    """True where KSeF itself demands the unit in `Podmiot3`: contexts not of the seller (sandbox-contract §7)."""
    context = _context(municipality, unit)
    return context is not None and context.value != facts.seller_nip


def _identifiers(municipality: Municipality, unit: Unit) -> set[str]:
    """By what the unit may be named; an InternalId or child-NIP context allows only its own value (S1)."""
    known = {value for value in (unit.nip, unit.idwew) if value}
    context = _context(municipality, unit)
    if not known or context is None:
        return known
    if context.type is ContextType.INTERNAL_ID or (context.nip != municipality.nip and not unit.taxpayer):
        return {context.value}
    return known


def _identifier(party: ThirdParty) -> str:
    return party.internal_id or party.nip


def _context(municipality: Municipality, unit: Unit) -> Context | None:
    """The unit's context; None where none is configured, as for `sluza validate`."""
    return municipality.contexts.get(unit.context)
