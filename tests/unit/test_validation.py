"""The municipality's own checks: who may be the seller, the date of issue, and role 7."""

from dataclasses import replace
from datetime import date

import pytest

from gateway.validation import check
from sluza import samples as invoices
from spool.domain.document import Facts, ThirdParty
from spool.domain.municipality import Context, ContextType, Municipality, Unit
from spool.xml import examine

TODAY = date(2026, 11, 20)
TOWN = "5080014460"
SCHOOL = "5250000015"
LIBRARY = "5250000021"
IDWEW = "5080014460-00011"


def context(name: str, kind: ContextType, value: str) -> Context:
    """A context with nothing but its identity."""
    return Context(name, kind, value, "sandbox", "", "", "")


CONTEXTS = {
    "gmina": context("gmina", ContextType.NIP, TOWN),
    "szkola": context("szkola", ContextType.INTERNAL_ID, IDWEW),
    "dziecko": context("dziecko", ContextType.NIP, SCHOOL),
    "biblioteka": context("biblioteka", ContextType.NIP, LIBRARY),
    "obcy": context("obcy", ContextType.NIP, "7770001111"),
}
SP1 = Unit("sp1", "Szkoła", "gmina", nip=SCHOOL, idwew=IDWEW)
BARE = Unit("gzk", "Zakład", "gmina")
CULTURE = Unit("bib", "Biblioteka", "biblioteka", nip=LIBRARY, taxpayer=True)
MUNICIPALITY = Municipality("Gmina Przykładowa", TOWN, CONTEXTS, {unit.id: unit for unit in (SP1, BARE, CULTURE)})
FACTS = Facts(seller_nip=TOWN, issue_date=TODAY, third_parties=(ThirdParty("7", SCHOOL),))


def problems(facts: Facts, unit: Unit = SP1, today: date = TODAY) -> list[str]:
    """The codes of the refusals."""
    return [p.code for p in check(facts, municipality=MUNICIPALITY, unit=unit, today=today)[0]]


def warnings(facts: Facts, unit: Unit = SP1, today: date = TODAY) -> list[str]:
    """The codes of the warnings."""
    return [p.code for p in check(facts, municipality=MUNICIPALITY, unit=unit, today=today)[1]]


def test_an_invoice_in_order_has_no_remarks() -> None:
    """The facts of a real file of the unit pass without a word."""
    facts = examine(invoices.unit_invoice()).facts
    assert facts is not None
    assert check(facts, municipality=MUNICIPALITY, unit=SP1, today=TODAY) == ((), ())


def test_fault_K17_a_future_date_is_refused() -> None:
    """`P_1` after today is refused with field, both dates and the cure (deadlines E10)."""
    found = check(FACTS, municipality=MUNICIPALITY, unit=SP1, today=date(2026, 11, 19))[0]
    assert [(p.code, p.field) for p in found] == [("issue_date_in_future", "Fa/P_1")]
    assert "20.11.2026" in found[0].message
    assert "19.11.2026" in found[0].message


@pytest.mark.parametrize("today", [date(2026, 11, 21), date(2027, 3, 1), date(2030, 1, 1)])
def test_a_past_date_is_never_refused(today: date) -> None:
    """KSeF takes it and counts it as offline, so it is only pointed out."""
    assert problems(FACTS, today=today) == []
    assert warnings(FACTS, today=today) == ["issue_date_past"]


def test_a_file_without_a_readable_date_is_left_to_the_schema() -> None:
    """A missing date is the schema's matter."""
    assert problems(replace(FACTS, issue_date=None)) == []


@pytest.mark.parametrize(
    ("seller", "unit", "code"),
    [
        (TOWN, SP1, None),
        (TOWN, BARE, None),
        (TOWN, replace(SP1, context="szkola"), None),
        (TOWN, replace(SP1, context="dziecko"), None),
        (SCHOOL, SP1, "seller_is_unit"),
        (SCHOOL, replace(SP1, context="dziecko"), "seller_is_unit"),
        (LIBRARY, CULTURE, None),
        ("7770001111", SP1, "seller_not_municipality"),
        ("7770001111", replace(SP1, context="obcy"), None),
        (LIBRARY, SP1, "seller_not_municipality"),
        ("", SP1, "seller_not_municipality"),
    ],
)
def test_S1_the_seller_is_the_municipality(seller: str, unit: Unit, code: str | None) -> None:
    """A unit's own NIP sells only for a taxpayer; a NIP of nobody here is refused."""
    facts = replace(FACTS, seller_nip=seller)
    found = [
        p for p in check(facts, municipality=MUNICIPALITY, unit=unit, today=TODAY)[0] if p.code.startswith("seller")
    ]
    assert [p.code for p in found] == ([code] if code else [])
    assert all(p.field == "Podmiot1/DaneIdentyfikacyjne/NIP" and p.hint for p in found)


@pytest.mark.parametrize(
    ("parties", "unit", "code"),
    [
        ((ThirdParty("7", SCHOOL),), SP1, None),
        ((ThirdParty("7", "", IDWEW),), SP1, None),
        ((), SP1, "role7_missing"),
        ((ThirdParty("2", SCHOOL),), SP1, "role7_missing"),
        ((ThirdParty("7", LIBRARY),), SP1, "role7_other_unit"),
        ((ThirdParty("7", "", "5080014460-00024"),), SP1, "role7_other_unit"),
        ((ThirdParty("7", LIBRARY), ThirdParty("7", SCHOOL)), SP1, "role7_other_unit"),
        ((), BARE, None),
        ((ThirdParty("7", SCHOOL),), BARE, "role7_for_another"),
        ((ThirdParty("7", SCHOOL),), replace(SP1, context="szkola"), "role7_other_unit"),
        ((ThirdParty("7", "", IDWEW),), replace(SP1, context="szkola"), None),
        ((ThirdParty("7", "", IDWEW),), replace(SP1, context="dziecko"), "role7_other_unit"),
        ((ThirdParty("7", SCHOOL),), replace(SP1, context="dziecko"), None),
        ((), Unit("ug", "Urząd", "gmina", nip=TOWN, town_hall=True), None),
        ((ThirdParty("7", SCHOOL),), replace(SP1, context="nieznany"), None),
    ],
)
def test_S1_a_unit_sends_only_as_itself(parties: tuple[ThirdParty, ...], unit: Unit, code: str | None) -> None:
    """Anybody else in role 7 is refused; a missing one is pointed out where KSeF does not demand it."""
    facts = replace(FACTS, third_parties=parties)
    told = [code] if code else []
    hard = code == "role7_other_unit"
    assert problems(facts, unit) == (told if hard else [])
    assert warnings(facts, unit) == ([] if hard else told)


@pytest.mark.parametrize("context", ["szkola", "dziecko"])
def test_S1_a_unit_with_its_own_context_must_be_named(context: str) -> None:
    """KSeF would refuse (410) an invoice of the town from an InternalId or child-NIP context without its Podmiot3."""
    assert problems(replace(FACTS, third_parties=()), replace(SP1, context=context)) == ["role7_missing"]


def test_S1_a_taxpayer_unit_needs_no_role_7() -> None:
    """A unit that sells in its own name is not a part of the seller."""
    assert warnings(replace(FACTS, seller_nip=LIBRARY, third_parties=()), CULTURE) == []


def test_a_foreign_seller_is_told_once() -> None:
    """Who is not the seller at all is not also asked for role 7."""
    assert warnings(replace(FACTS, seller_nip="7770001111", third_parties=())) == []
