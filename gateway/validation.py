"""The municipality's own checks of an outgoing invoice, on top of `spool.xml.examine`. Pure: facts in, problems out.

Sources: jst.md §3 S1 (who may be the seller, role 7), protocol §10 and §11 (`P_1`), deadlines E10.
"""

from datetime import date

from spool.domain.catalogue import problem
from spool.domain.document import ROLE_JST_ISSUER, Facts, ThirdParty
from spool.domain.errors import Problem
from spool.domain.municipality import Context, ContextType, Municipality, Unit

SELLER_FIELD = "Podmiot1/DaneIdentyfikacyjne/NIP"
DATE_FIELD = "Fa/P_1"
UNIT_FIELD = "Podmiot3/DaneIdentyfikacyjne"


def check(
    facts: Facts, *, municipality: Municipality, unit: Unit, today: date
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Problems, for which the invoice is refused, and warnings, with which it goes; `today` is the Warsaw date."""
    problems, warnings = [], []
    if facts.issue_date and facts.issue_date > today:
        problems.append(_about_date("issue_date_in_future", facts.issue_date, today))
    elif facts.issue_date and facts.issue_date < today:
        # Never refused: KSeF takes it and counts it as offline by itself (protocol §11).
        warnings.append(_about_date("issue_date_past", facts.issue_date, today))
    seller = _seller(facts, municipality, unit)
    if seller:
        problems.append(seller)
    elif found := _role_7(facts, municipality, unit):
        # Another of our units as issuer is never right; the rest is refused only where KSeF would refuse it (410).
        hard = _names_another(facts, municipality, unit) or _bound(facts, municipality, unit)
        (problems if hard else warnings).append(found)
    return tuple(problems), tuple(warnings)


def _about_date(code: str, issued: date, today: date) -> Problem:
    return problem(code, field=DATE_FIELD, value=issued.isoformat(), today=today.isoformat())


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
    """S1: the issuing unit stands in `Podmiot3` with role 7, if it has an identifier to stand there with."""
    mine = _identifiers(municipality, unit) - {facts.seller_nip}
    if not mine or (unit.taxpayer and facts.seller_nip == unit.nip):
        return None
    issuers = [party for party in facts.third_parties if party.role == ROLE_JST_ISSUER]
    if not issuers:
        return problem("role7_missing", field="Podmiot3/Rola", expected=" lub ".join(sorted(mine)))
    if any(_identifier(party) in mine for party in issuers):
        return None
    other, expected = issuers[0], " lub ".join(sorted(mine))
    field = f"{UNIT_FIELD}/{'IDWew' if other.internal_id else 'NIP'}"
    return problem("role7_other_unit", field=field, value=_identifier(other) or "bez numeru", expected=expected)


def _names_another(facts: Facts, municipality: Municipality, unit: Unit) -> bool:
    """True when role 7 names a unit of the register that is not the one which sends."""
    others = {v for u in municipality.units.values() if u.id != unit.id for v in (u.nip, u.idwew) if v}
    issuers = {_identifier(party) for party in facts.third_parties if party.role == ROLE_JST_ISSUER}
    return bool(issuers & (others - {unit.nip, unit.idwew}))


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
