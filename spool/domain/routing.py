"""Which unit a received invoice belongs to, and which rule said so. Pure; never a guess (jst §2 P2–P6, faults K16).

What is not clear goes to the central tray (`unit` None) with a Polish sentence; people decide there.
"""

from dataclasses import dataclass

from spool.domain.document import ROLE_EMPLOYEE, ROLE_JST_RECIPIENT, ROLE_RECIPIENT, Facts, ThirdParty
from spool.domain.municipality import Municipality, Unit

DECIDING_ROLES = (ROLE_JST_RECIPIENT, ROLE_RECIPIENT, ROLE_EMPLOYEE)
"""Podmiot3 roles that name the recipient, the strongest first: JST recipient, recipient, employee (P2)."""
_ROLE_NAMES = {
    ROLE_JST_RECIPIENT: "JST – odbiorca",
    ROLE_RECIPIENT: "odbiorca",
    ROLE_EMPLOYEE: "pracownik",
}


@dataclass(frozen=True)
class Route:
    """Where to: a unit, or None for the central tray; the rule's name and one Polish sentence."""

    unit: str | None
    rule: str
    why: str


def route(facts: Facts, municipality: Municipality) -> Route:
    """The unit that this purchase is for, or the central tray."""
    taxpayer = _taxpayer(facts, municipality)
    role, named = _deciding(facts)
    if role:
        return _by_third_party(facts, municipality, role, named, taxpayer)
    if taxpayer is not None:
        return Route(taxpayer.id, "buyer_taxpayer", f"Nabywcą jest {taxpayer.name} (NIP {facts.buyer_nip}).")
    if facts.buyer_nip != municipality.nip:
        return Route(None, "tray_foreign_buyer", "Nabywcą nie jest gmina ani jednostka będąca podatnikiem.")
    if facts.flag_jst == "1":
        return Route(None, "tray_jst_without_unit", "Znacznik JST ma wartość 1, ale faktura nie wskazuje jednostki.")
    return _for_the_municipality(facts, municipality)


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


def _by_third_party(
    facts: Facts, municipality: Municipality, role: str, named: list[ThirdParty], taxpayer: Unit | None
) -> Route:
    """Exactly one unit of the register, and nobody else, must stand in the deciding role (P2, P3, P4)."""
    what = f"Podmiot3 w roli {role} ({_ROLE_NAMES[role]})"
    found: set[str] = set()
    for party in named:
        units = _units(party, municipality)
        if not units:
            shown = party.nip or party.internal_id or "bez NIP i IDWew"
            return Route(None, "tray_unknown_unit", f"{what} nie wskazuje znanej jednostki: {shown}.")
        found |= units
    if len(found) > 1:
        return Route(None, "tray_several_units", f"{what} wskazuje kilka jednostek: {', '.join(sorted(found))}.")
    unit = municipality.units[found.pop()]
    if taxpayer is not None and taxpayer.id != unit.id:
        return Route(None, "tray_contradiction", f"Nabywcą jest {taxpayer.name}, a {what} wskazuje: {unit.name}.")
    if facts.buyer_nip not in {municipality.nip, unit.nip if unit.taxpayer else municipality.nip}:
        return Route(None, "tray_foreign_buyer", f"{what} wskazuje: {unit.name}, ale nabywcą nie jest gmina.")
    why = f"{what} wskazuje: {unit.name}."
    if role == ROLE_JST_RECIPIENT and facts.flag_jst != "1":
        why += " Niezgodność: znacznik JST nie ma wartości 1."
    return Route(unit.id, f"third_party_{role}", why)


def _for_the_municipality(facts: Facts, municipality: Municipality) -> Route:
    """`JST`=2 and no unit named: addressed to the municipality itself (P5)."""
    if facts.flag_jst != "2":
        return Route(None, "tray_no_flag", "Faktura nie ma znacznika JST i nie wskazuje jednostki.")
    hinted = sorted({u for p in facts.third_parties for u in _units(p, municipality)})
    if hinted:
        return Route(None, "tray_hint_only", f"Jednostka występuje tylko w innej roli: {', '.join(hinted)}.")
    hall = municipality.town_hall()
    if hall is None:
        return Route(None, "tray_no_town_hall", "Faktura dla gminy, a żadna jednostka nie jest oznaczona jako urząd.")
    return Route(hall.id, "town_hall", f"Faktura dla samej gminy (JST=2, bez Podmiot3): {hall.name}.")


def _units(party: ThirdParty, municipality: Municipality) -> set[str]:
    """Units of the register that this party names, by NIP or by IDWew."""
    return {
        u.id
        for u in municipality.units.values()
        if (party.nip and party.nip == u.nip) or (party.internal_id and party.internal_id == u.idwew)
    }
