"""Which unit a purchase belongs to: the rows P2–P6 of the JST rules by name, and what never happens."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.domain.document import Facts, FormCode, ThirdParty
from spool.domain.municipality import Municipality, Unit
from spool.domain.routing import is_own_sale, route

GMINA, SP1, SP2, MGOPS, LIBRARY = "5080014460", "5250000015", "5250000021", "5080014460-00011", "7770001111"
TOWN = Municipality(
    "Gmina",
    GMINA,
    {},
    {
        "urzad": Unit("urzad", "Urząd Gminy", "gmina", nip=GMINA, town_hall=True),
        "sp1": Unit("sp1", "Szkoła nr 1", "gmina", nip=SP1),
        "sp2": Unit("sp2", "Szkoła nr 2", "gmina", nip=SP2),
        "mgops": Unit("mgops", "Ośrodek", "gmina", idwew=MGOPS),
        "bib": Unit("bib", "Biblioteka", "gmina", nip=LIBRARY, taxpayer=True),
    },
)
NO_HALL = replace(TOWN, units={k: replace(u, town_hall=False) for k, u in TOWN.units.items()})


def _facts(*parties: tuple[str, str], jst: str = "1", buyer: str = GMINA, **more: object) -> Facts:
    third = tuple(ThirdParty(role, "" if "-" in who else who, who if "-" in who else "") for role, who in parties)
    made = Facts(FormCode.FA3, seller_nip="1111111111", buyer_nip=buyer, flag_jst=jst, third_parties=third)
    return replace(made, **more)  # type: ignore[arg-type]


ROWS = {
    "P2 role 8 by NIP": (_facts(("8", SP1)), "sp1", "third_party_8"),
    "P2 role 8 by IDWew": (_facts(("8", MGOPS)), "mgops", "third_party_8"),
    "P2 role 2": (_facts(("2", SP2)), "sp2", "third_party_2"),
    "P2 role 11": (_facts(("11", MGOPS)), "mgops", "third_party_11"),
    "P2 role 8 before 2 and 11": (_facts(("11", SP2), ("2", SP2), ("8", SP1)), "sp1", "third_party_8"),
    "P2 the same unit twice": (_facts(("8", SP1), ("8", SP1)), "sp1", "third_party_8"),
    "P2 role 4 is only a hint": (_facts(("4", SP1), jst="2"), None, "tray_hint_only"),
    "P2 role 6 of a stranger does not matter": (_facts(("6", "9999999999"), jst="2"), "urzad", "town_hall"),
    "P3 two units in role 8": (_facts(("8", SP1), ("8", SP2)), None, "tray_several_units"),
    "P3 known and unknown in role 8": (_facts(("8", SP1), ("8", "9999999999")), None, "tray_unknown_unit"),
    "P4 JST=1 without Podmiot3": (_facts(), None, "tray_jst_without_unit"),
    "P4 unknown NIP": (_facts(("8", "9999999999")), None, "tray_unknown_unit"),
    "P4 unknown IDWew": (_facts(("8", "5080014460-99990")), None, "tray_unknown_unit"),
    "P4 role 8 without any identifier": (_facts(("8", "")), None, "tray_unknown_unit"),
    "P4 unknown role 8 beside known role 2": (_facts(("8", "9999999999"), ("2", SP1)), None, "tray_unknown_unit"),
    "P5 JST=2 but Podmiot3 ours": (_facts(("8", SP1), jst="2"), "sp1", "third_party_8"),
    "P5 flag missing but Podmiot3 ours": (_facts(("8", SP1), jst=""), "sp1", "third_party_8"),
    "P5 JST=2 without Podmiot3": (_facts(jst="2"), "urzad", "town_hall"),
    "P5 flag missing without Podmiot3": (_facts(jst=""), None, "tray_no_flag"),
    "P6 buyer is a unit that is no taxpayer": (_facts(jst="2", buyer=SP1), None, "tray_unit_as_buyer"),
    "P6 buyer is somebody else": (_facts(("8", SP1), buyer="9999999999"), None, "tray_foreign_buyer"),
    "buyer is a taxpayer unit": (_facts(jst="2", buyer=LIBRARY), "bib", "buyer_taxpayer"),
    "taxpayer buyer named again": (_facts(("2", LIBRARY), buyer=LIBRARY), "bib", "third_party_2"),
    "taxpayer buyer, other unit named": (_facts(("8", SP1), buyer=LIBRARY), None, "tray_contradiction"),
    "unknown form": (Facts(), None, "tray_foreign_buyer"),
}


@pytest.mark.parametrize("name", ROWS)
def test_fault_K16_route(name: str) -> None:
    """Each row of the rules gives its unit or the tray, with the rule's name and a Polish sentence."""
    facts, unit, rule = ROWS[name]
    found = route(facts, TOWN)
    assert (found.unit, found.rule) == (unit, rule)
    assert found.why.endswith(".")


def test_inconsistent_flag_is_noted() -> None:
    """P5: routed, and the defect is on record."""
    assert "Niezgodność" in route(_facts(("8", SP1), jst="2"), TOWN).why
    assert "Niezgodność" not in route(_facts(("8", SP1)), TOWN).why


def test_fault_K16_without_a_town_hall_it_goes_to_the_tray() -> None:
    """No unit marked: nobody is guessed."""
    assert route(_facts(jst="2"), NO_HALL).rule == "tray_no_town_hall"


_IDS = st.sampled_from([SP1, SP2, MGOPS, LIBRARY, GMINA, "9999999999", "5080014460-99990", ""])
_PARTIES = st.lists(st.tuples(st.sampled_from(["", *map(str, range(1, 12))]), _IDS), max_size=5)


@given(_PARTIES, st.sampled_from(["", "1", "2"]), st.sampled_from([GMINA, LIBRARY, SP1, "9999999999", ""]))
def test_fault_K16_never_a_guess(parties: list[tuple[str, str]], jst: str, buyer: str) -> None:
    """A unit is chosen only if it is named in a deciding role, is the buyer, or is the hall of an unnamed recipient."""
    facts = _facts(*parties, jst=jst, buyer=buyer)
    found = route(facts, TOWN)
    if found.unit is None:
        return
    unit = TOWN.units[found.unit]
    named = {who for role, who in parties if role in {"8", "2", "11"}} - {""}
    assert named & {unit.nip, unit.idwew} or unit.nip == buyer or (unit.town_hall and jst == "2" and not named)


@pytest.mark.parametrize(
    ("seller", "buyer", "own"),
    [
        (GMINA, "9999999999", True),
        (LIBRARY, "9999999999", True),
        (GMINA, LIBRARY, False),
        (LIBRARY, GMINA, False),
        (GMINA, GMINA, True),
        ("9999999999", GMINA, False),
        (SP1, GMINA, False),
    ],
)
def test_own_sales(seller: str, buyer: str, own: bool) -> None:
    """A sale of ours is never a purchase, unless one of our own taxpayers bought it."""
    assert is_own_sale(Facts(seller_nip=seller, buyer_nip=buyer), TOWN) is own
