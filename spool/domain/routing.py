"""Which unit a received invoice belongs to, and which rule said so. Pure; never a guess (jst §2 P2–P6, faults K16).

What is not clear goes to the central tray (`unit` None) with a Polish sentence; people decide there, with the
suggestions of `spool.domain.suggestions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from spool.domain.document import ROLE_EMPLOYEE, ROLE_JST_RECIPIENT, ROLE_RECIPIENT, Facts, FormCode, ThirdParty
from spool.domain.municipality import Municipality, Unit
from spool.domain.policies import ROLE_2, decided

DECIDING_ROLES = (ROLE_JST_RECIPIENT, ROLE_RECIPIENT, ROLE_EMPLOYEE)
"""Podmiot3 roles that name the recipient, the strongest first: JST recipient, recipient, employee (P2)."""
_ROLE_NAMES = {
    ROLE_JST_RECIPIENT: "JST – odbiorca",
    ROLE_RECIPIENT: "odbiorca",
    ROLE_EMPLOYEE: "pracownik",
}


TO_SUPPLIER = frozenset(
    {"tray_jst_without_unit", "tray_unknown_unit", "tray_several_units", "tray_unit_as_buyer", "tray_no_flag",
     "tray_hint_only"}
)  # fmt: skip
"""Rules after which the supplier is asked for a correcting invoice (P4, P6), if the form has such fields at all."""


@dataclass(frozen=True)
class Holder:
    """Whose IDWew it is: a person or a section of a unit (U7). `value` is the identifier."""

    value: str
    unit: str
    person: str


Register = Mapping[str, Holder]
"""The municipality's register of IDWew beside those of the units themselves, by value."""
NO_REGISTER: Register = {}


@dataclass(frozen=True)
class Route:
    """Where to: a unit, or None for the central tray; the rule's name and one Polish sentence."""

    unit: str | None
    rule: str
    why: str


def route(facts: Facts, municipality: Municipality, register: Register = NO_REGISTER) -> Route:
    """The unit that this purchase is for, or the central tray; of a training only the units that are in it."""
    if facts.training:
        municipality = municipality.of_training(facts.training)
    taxpayer = _taxpayer(facts, municipality)
    role, named = _deciding(facts)
    if role:
        return _by_third_party(facts, municipality, register, role, named, taxpayer)
    if taxpayer is not None:
        return Route(taxpayer.id, "buyer_taxpayer", f"Nabywcą jest {taxpayer.name} (NIP {facts.buyer_nip}).")
    if (buyer := unit_as_buyer(facts, municipality)) is not None:
        return _unit_as_buyer(buyer, facts)
    if facts.buyer_nip != municipality.nip:
        return Route(None, "tray_foreign_buyer", "Nabywcą nie jest gmina ani jednostka będąca podatnikiem.")
    if facts.flag_jst == "1":
        return Route(None, "tray_jst_without_unit", "Znacznik JST ma wartość 1, ale faktura nie wskazuje jednostki.")
    return _for_the_municipality(facts, municipality, register)


def unit_as_buyer(facts: Facts, municipality: Municipality) -> Unit | None:
    """P6: the unit that stands as buyer though only the municipality is a taxpayer; None where that is in order."""
    if facts.buyer_nip == municipality.nip:
        return None
    units = municipality.units.values()
    return next((u for u in units if u.nip and u.nip == facts.buyer_nip and not u.taxpayer), None)


def asks_supplier(facts: Facts, rule: str) -> bool:
    """True when the supplier left out or mistook what FA(3) has a place for; older and other forms have none."""
    return rule in TO_SUPPLIER and facts.form is FormCode.FA3 and not facts.training


def is_own_sale(facts: Facts, municipality: Municipality) -> bool:
    """True for a sale of ours: a unit in role 7 makes it visible to Subject3 queries, but nobody here bought it.

    A sale from one of our taxpayers to another is a purchase of the second one.
    """
    ours = {municipality.nip} | {u.nip for u in municipality.units.values() if u.taxpayer and u.nip}
    return facts.seller_nip in ours and (facts.buyer_nip not in ours or facts.buyer_nip == facts.seller_nip)


def _taxpayer(facts: Facts, municipality: Municipality) -> Unit | None:
    """The unit that is the buyer itself, a taxpayer with a NIP of its own."""
    own = (u for u in municipality.units.values() if u.taxpayer and u.nip)
    return next((u for u in own if u.nip == facts.buyer_nip), None)


def _deciding(facts: Facts) -> tuple[str, list[ThirdParty]]:
    """The strongest role in which somebody is named, with everybody named in it."""
    for role in DECIDING_ROLES:
        named = [p for p in facts.third_parties if p.role == role]
        if named:
            return role, named
    return "", []


def _unit_as_buyer(unit: Unit, facts: Facts) -> Route:
    text = f"Jako nabywcę podano NIP jednostki ({unit.name}, {facts.buyer_nip}), a podatnikiem VAT jest gmina."
    return Route(None, "tray_unit_as_buyer", text)


def _by_third_party(
    facts: Facts,
    municipality: Municipality,
    register: Register,
    role: str,
    named: list[ThirdParty],
    taxpayer: Unit | None,
) -> Route:
    """Exactly one unit of the register, and nobody else, must stand in the deciding role (P2, P3, P4)."""
    what = f"Podmiot3 w roli {role} ({_ROLE_NAMES[role]})"
    found: set[str] = set()
    for party in named:
        units = units_of(party, municipality, register)
        if not units:
            shown = party.nip or party.internal_id or "bez NIP i IDWew"
            return Route(None, "tray_unknown_unit", f"{what} nie wskazuje znanej jednostki: {shown}.")
        found |= units
    if len(found) > 1:
        return Route(None, "tray_several_units", f"{what} wskazuje kilka jednostek: {', '.join(sorted(found))}.")
    unit = municipality.units[found.pop()]
    if taxpayer is not None and taxpayer.id != unit.id:
        return Route(None, "tray_contradiction", f"Nabywcą jest {taxpayer.name}, a {what} wskazuje: {unit.name}.")
    if (buyer := unit_as_buyer(facts, municipality)) is not None:
        return _unit_as_buyer(buyer, facts)
    if facts.buyer_nip not in {municipality.nip, unit.nip if unit.taxpayer else municipality.nip}:
        return Route(None, "tray_foreign_buyer", f"{what} wskazuje: {unit.name}, ale nabywcą nie jest gmina.")
    if role == ROLE_RECIPIENT and decided(municipality).of(ROLE_2).value == "tray":
        return Route(None, "tray_role_2", f"{what} wskazuje: {unit.name}, ale według zarządzenia rola 2 nie wystarcza.")
    why = f"{what} wskazuje: {unit.name}{_person(named, register)}."
    if role == ROLE_JST_RECIPIENT and facts.flag_jst != "1":
        why += " Niezgodność: znacznik JST nie ma wartości 1."
    return Route(unit.id, f"third_party_{role}", why)


def _person(named: list[ThirdParty], register: Register) -> str:
    """Who or which section of the unit the identifier belongs to."""
    holders = [register[p.internal_id].person for p in named if p.internal_id in register]
    return f" ({holders[0]})" if holders and holders[0] else ""


def _for_the_municipality(facts: Facts, municipality: Municipality, register: Register) -> Route:
    """`JST`=2 and no unit named: addressed to the municipality itself (P5)."""
    if facts.flag_jst != "2":
        return Route(None, "tray_no_flag", "Faktura nie ma znacznika JST i nie wskazuje jednostki.")
    hinted = sorted({u for p in facts.third_parties for u in units_of(p, municipality, register)})
    if hinted:
        return Route(None, "tray_hint_only", f"Jednostka występuje tylko w innej roli: {', '.join(hinted)}.")
    hall = municipality.town_hall()
    if hall is None:
        return Route(None, "tray_no_town_hall", "Faktura dla gminy, a żadna jednostka nie jest oznaczona jako urząd.")
    return Route(hall.id, "town_hall", f"Faktura dla samej gminy (JST=2, bez Podmiot3): {hall.name}.")


def units_of(party: ThirdParty, municipality: Municipality, register: Register) -> set[str]:
    """Units of the register that this party names: by NIP, by IDWew, or by the IDWew of one of their people."""
    found = {
        u.id
        for u in municipality.units.values()
        if (party.nip and party.nip == u.nip) or (party.internal_id and party.internal_id == u.idwew)
    }
    holder = register.get(party.internal_id)
    return found | {holder.unit} if holder and holder.unit in municipality.units else found
