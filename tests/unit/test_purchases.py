"""Purchases: what points to whom, what is odd, when they count as received, what the supplier is asked (jst.md §2)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluza import samples
from spool.domain import letter, tray
from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import WARSAW
from spool.domain.clues import Clues, mentions
from spool.domain.document import Facts, FormCode, ThirdParty, facts_from_dict
from spool.domain.identifiers import internal_id
from spool.domain.ledger import Received
from spool.domain.municipality import Municipality, Policy, Unit
from spool.domain.receipt import receipt_of
from spool.domain.remarks import remarks
from spool.domain.routing import Holder, Route, route
from spool.domain.suggestions import Earlier, best, suggest
from spool.xml import examine, read_received

GMINA, SP1, SP2 = "5080014460", "5250000015", "5250000021"
JAN = internal_id(GMINA, "0007")
TOWN = Municipality(
    "Gmina Śluzowo",
    GMINA,
    {},
    {
        "ug": Unit("ug", "Urząd Gminy", "gmina", town_hall=True),
        "sp1": Unit("sp1", "Szkoła Podstawowa nr 1", "gmina", nip=SP1, known_by=("ul. Szkolna 1", "ZP.271.5.2026")),
        "sp2": Unit("sp2", "Szkoła Podstawowa nr 2", "gmina", nip=SP2),
    },
    contact="Anna Nowak, tel. 12 345 67 89",
)
REGISTER = {JAN: Holder(JAN, "sp1", "Jan Kowalski")}
PURCHASE = Facts(FormCode.FA3, seller_nip="7770001111", seller_name="Dostawca", buyer_nip=GMINA, number="F/1",
                 issue_date=date(2026, 11, 20), gross="123.00", flag_jst="1")  # fmt: skip


def named(*parties: tuple[str, str], **more: object) -> Facts:
    third = tuple(ThirdParty(role, "" if "-" in who else who, who if "-" in who else "") for role, who in parties)
    return replace(PURCHASE, third_parties=third, **more)  # type: ignore[arg-type]


def with_clues(**clues: object) -> Facts:
    return replace(PURCHASE, clues=Clues(**clues))  # type: ignore[arg-type]


def odd(facts: Facts, town: Municipality = TOWN, *, alike: bool = False) -> list[str]:
    return [r.code for r in remarks(facts, route(facts, town, REGISTER), town, alike=alike)]


# -- routing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["11", "8", "2"])
def test_rule_P02_the_idwew_of_a_person_leads_to_the_unit(role: str) -> None:
    """The register says whose it is; the reason names the person. Unregistered, it goes to the tray."""
    found = route(named((role, JAN)), TOWN, REGISTER)
    assert (found.unit, found.rule) == ("sp1", f"third_party_{role}")
    assert "Jan Kowalski" in found.why
    assert route(named((role, JAN)), TOWN).rule == "tray_unknown_unit"


def test_rule_P02_a_person_of_a_unit_that_is_gone_leads_nowhere() -> None:
    """K16: never to a folder that is nobody's."""
    gone = {JAN: Holder(JAN, "zamknieta", "Jan")}
    assert route(named(("11", JAN)), TOWN, gone).unit is None


def test_rule_P02_role_2_counts_only_where_the_order_says_so() -> None:
    """By policy it goes to the tray, with the unit as a suggestion; role 8 is not touched by that."""
    strict = replace(TOWN, policies={"role2_routing": Policy("tray", "10/2026")})
    facts = named(("2", SP1))
    assert route(facts, TOWN).unit == "sp1"
    found = route(facts, strict)
    assert (found.unit, found.rule) == (None, "tray_role_2")
    assert best(suggest(facts, strict, {}, [])) == "sp1"
    assert route(named(("8", SP1)), strict).unit == "sp1"


def test_rule_P03_two_units_are_both_suggested() -> None:
    """Nobody gets it, nobody is the favourite, both stand there with their reason."""
    facts = named(("8", SP1), ("8", SP2))
    assert route(facts, TOWN).rule == "tray_several_units"
    found = suggest(facts, TOWN, {}, [])
    assert {s.unit for s in found} == {"sp1", "sp2"}
    assert best(found) is None
    assert best(suggest(facts, TOWN, {}, [Earlier("sp1", False, PURCHASE)] * 9)) is None, "habit breaks no tie"


# -- remarks ----------------------------------------------------------------------------------------------------


def test_rule_P04_a_missing_recipient_is_remarked_and_payment_too() -> None:
    """P4 and P16: what is wrong, and that paying waits for a decision; the second is a policy."""
    assert odd(PURCHASE) == ["recipient_missing", "payment_hold"]
    assert odd(PURCHASE, replace(TOWN, policies={"payment_hold": Policy("off")})) == ["recipient_missing"]


@pytest.mark.parametrize("raw", [samples.rr_invoice(buyer_nip=GMINA), samples.fa2_invoice(), samples.pef_invoice()])
def test_rule_P04_a_form_without_these_fields_is_no_defect(raw: bytes) -> None:
    """VAT RR, FA(2) and PEF know neither `JST` nor role 8: they lie in the tray, and no supplier is asked."""
    facts = read_received(raw)
    assert route(facts, TOWN).rule == "tray_no_flag"
    assert odd(facts) == []


def test_rule_P05_a_wrong_flag_is_recorded() -> None:
    """The invoice goes to its unit; the supplier's defect stays with it. In order, nothing is said."""
    assert odd(named(("8", SP1), flag_jst="2")) == ["flag_inconsistent"]
    assert odd(named(("8", SP1))) == []
    assert odd(replace(PURCHASE, flag_jst="2")) == []


def test_rule_P06_a_unit_as_buyer_is_remarked() -> None:
    """A unit is not the taxpayer: tray, remark, suggestion, letter."""
    facts = named(("8", SP1), buyer_nip=SP1)
    assert route(facts, TOWN).rule == "tray_unit_as_buyer"
    assert odd(facts) == ["buyer_is_unit", "payment_hold"]
    assert best(suggest(facts, TOWN, {}, [])) == "sp1"
    assert f"podmiot o NIP {SP1}" in letter.letter(facts, "N", TOWN, None, date(2026, 11, 20))


def test_rule_P08_what_a_cashier_was_told_becomes_fields() -> None:
    """Employee and journey from the notes; paid means: do not pay again."""
    raw = samples.purchase_for_unit(
        notes=(("Pracownik delegowany", "J. Kowalski"), ("Polecenie wyjazdu", "12/2026")), paid_on="2026-11-19"
    )
    facts = read_received(raw)
    assert facts.clues is not None
    assert (facts.clues.employee, facts.clues.trip, facts.clues.paid) == ("J. Kowalski", "12/2026", True)
    assert odd(facts) == ["already_paid"]


def test_rule_P10_a_likely_duplicate_is_remarked() -> None:
    """Without naming the other invoice: it may be another unit's."""
    assert odd(named(("8", SP1)), alike=True) == ["likely_duplicate"]


@pytest.mark.parametrize(("value", "codes"), [("warn", ["self_invoicing"]), ("off", [])])
def test_rule_P13_self_invoicing_is_remarked_unless_allowed(value: str, codes: list[str]) -> None:
    town = replace(TOWN, policies={"self_invoicing": Policy(value)})
    assert odd(named(("8", SP1), self_invoicing=True), town) == codes


def test_rule_F07_a_wrong_check_digit_is_told() -> None:
    """An IDWew that cannot be one, and one in the place of the buyer's number (F8)."""
    assert "internal_id_checksum" in odd(named(("8", "5080014460-00012")))
    assert "internal_id_as_buyer" in odd(replace(PURCHASE, buyer_nip="", buyer_other_id=JAN))


# -- suggestions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "source"),
    [
        (with_clues(contracts=("ZP.271.5.2026",)), "known_by"),
        (with_clues(orders=("zam. ZP.271.5.2026/a",)), "known_by"),
        (with_clues(client_numbers=("zp.271.5.2026",)), "known_by"),
        (with_clues(addresses=("UL. SZKOLNA 1, 00-001 Śluzowo",)), "known_by"),
        (with_clues(buyer_addresses=("ul. Szkolna 1",)), "known_by"),
        (with_clues(notes=(("Uwagi", f"dla NIP {SP1}"),)), "identifier"),
        (with_clues(notes=(("Odbiorca", "Szkoła Podstawowa nr 1"),)), "name"),
        (replace(PURCHASE, buyer_name="Gmina Śluzowo, Szkoła Podstawowa nr 1"), "name"),
        (named(("6", SP1)), "other_role"),
        (replace(PURCHASE, third_parties=(ThirdParty(name="Szkoła Podstawowa nr 1"),)), "name"),
    ],
)
def test_rule_P02_what_points_to_a_unit_is_a_suggestion(facts: Facts, source: str) -> None:
    """Each clue alone leads to the one unit, with a sentence; none of them routes."""
    found = suggest(facts, TOWN, REGISTER, [])
    assert [(s.unit, s.source) for s in found] == [("sp1", source)]
    assert best(found) == "sp1"
    assert found[0].why.endswith(".")
    assert route(facts, TOWN, REGISTER).unit is None


def test_a_longer_number_is_not_the_shorter_one() -> None:
    """`ul. Szkolna 1` is not `ul. Szkolna 12`, and a text of two letters is nowhere."""
    assert not mentions("ul. Szkolna 12", "ul. Szkolna 1")
    assert mentions("Dostawa: UL. SZKOLNA 1!", "ul. Szkolna 1")
    assert not mentions("a b", "a b")


def test_rule_P02_what_people_decided_before_is_remembered() -> None:
    """The same contract counts more than habit; what a person decided more than what went by itself."""
    facts = with_clues(contracts=("U/7",))
    same = Earlier("sp2", True, with_clues(contracts=("u/7",)))
    habit = [Earlier("sp1", False, PURCHASE)] * 3
    assert best(suggest(facts, TOWN, {}, [same, *habit])) == "sp2"
    assert [s.unit for s in suggest(facts, TOWN, {}, habit)] == ["sp1"]
    assert best(suggest(facts, TOWN, {}, habit)) is None, "what went by itself is a reason, but not enough of one"
    assert best(suggest(facts, TOWN, {}, [Earlier("sp2", True, PURCHASE), *habit])) == "sp2"
    assert suggest(facts, TOWN, {}, [Earlier("zamknieta", True, PURCHASE)]) == ()


_TEXT = st.text(max_size=30)


@given(st.builds(Clues, contracts=st.lists(_TEXT, max_size=3).map(tuple), notes=st.lists(
    st.tuples(_TEXT, _TEXT), max_size=3).map(tuple)), _TEXT)  # fmt: skip
def test_fault_K16_hostile_clues_break_nothing(clues: Clues, name: str) -> None:
    """Whatever stands in the invoice: only units of the register are suggested, and the facts survive the spool."""
    facts = replace(PURCHASE, clues=clues, buyer_name=name)
    assert {s.unit for s in suggest(facts, TOWN, REGISTER, [Earlier("sp1", True, facts)])} <= set(TOWN.units)
    assert facts_from_dict(facts.as_dict()) == facts
    assert letter.letter(facts, "N", TOWN, None, date(2026, 11, 20)).count("\n") == letter.letter(
        PURCHASE, "N", TOWN, None, date(2026, 11, 20)
    ).count("\n")


def test_clues_are_read_where_suppliers_write_them() -> None:
    """Contract, order, customer number, place of delivery and notes of a real FA(3)."""
    raw = samples.purchase_for_unit(
        contract="U/7", order_number="Z/8", deliver_to="ul. Szkolna 1", client_number="K-9", notes=(("a", "b"),)
    )
    assert examine(raw).problems == ()
    clues = read_received(raw).clues
    assert clues is not None
    assert (clues.contracts, clues.orders, clues.client_numbers) == (("U/7",), ("Z/8",), ("K-9",))
    assert "ul. Szkolna 1" in clues.addresses
    assert clues.buyer_addresses == ("ul. Żwirki 7",)
    assert clues.notes == (("a", "b"),)


def test_fault_X27_thousands_of_notes_are_a_few() -> None:
    """A hostile supplier fills neither the spool nor the suggestions."""
    raw = samples.purchase_for_unit(notes=tuple((f"k{i}", "x" * 250) for i in range(3000)))
    clues = read_received(raw).clues
    assert clues is not None
    assert len(clues.notes) == 20
    assert all(len(value) <= 200 for _, value in clues.notes)


# -- receipt ----------------------------------------------------------------------------------------------------

NUMBERED = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # the 25th in Warsaw
FAILED = Announcement("a", Category.FAILURE, datetime(2026, 11, 20, 8, tzinfo=UTC),
                      datetime(2026, 11, 20, 20, tzinfo=UTC), datetime(2026, 11, 20, 8, tzinfo=UTC))  # fmt: skip


def _receipt(*periods: Announcement, mode: str = "Offline", entered: date | None = None) -> tuple[date, bool]:
    """The day, and whether a person is asked to look."""
    facts = replace(PURCHASE, issue_date=date(2026, 11, 20))
    invoice = Received(
        "N", "gmina", "5" * 64, facts, {"invoicingMode": mode}, NUMBERED, NUMBERED, "sp1", "r", "w", 1, NUMBERED, None
    )
    found = receipt_of(invoice, entered, periods)
    return found.day, bool(found.look)


EARLY, NUMBER_DAY = date(2026, 11, 21), date(2026, 11, 25)


def test_rule_D01_receipt_is_the_day_of_the_number_in_warsaw() -> None:
    """Online and offline24; sent online, no entry changes it."""
    assert _receipt(mode="Online") == (NUMBER_DAY, False)
    assert _receipt() == (NUMBER_DAY, False)
    assert _receipt(mode="Online", entered=EARLY) == (NUMBER_DAY, False)


def test_rule_D02_in_a_failure_actual_receipt_counts_unless_the_number_came_first() -> None:
    """Until somebody enters it, the number day stands and a person is asked to look."""
    assert _receipt(FAILED) == (NUMBER_DAY, True)
    assert _receipt(FAILED, entered=EARLY) == (EARLY, False)
    assert _receipt(FAILED, entered=date(2026, 11, 30)) == (NUMBER_DAY, False)
    assert _receipt(FAILED, mode="Online") == (NUMBER_DAY, False)


def test_rule_D03_in_an_unavailability_the_number_day_counts() -> None:
    """As the act says, whatever municipal orders say."""
    window = replace(FAILED, category=Category.MAINTENANCE)
    assert _receipt(window, entered=EARLY) == (NUMBER_DAY, False)


def test_rule_D04_in_a_total_failure_actual_receipt_counts() -> None:
    """As in a failure, where a number came at all."""
    total = replace(FAILED, category=Category.TOTAL_FAILURE)
    assert _receipt(total, entered=EARLY) == (EARLY, False)
    assert _receipt(total) == (NUMBER_DAY, True)


# -- letter, tray, identifiers ------------------------------------------------------------------------------------


def test_rule_P12_the_letter_asks_for_a_correcting_invoice() -> None:
    """Number, dates, buyer, recipient with identifier and role 8, the contact; a note is never offered."""
    text = letter.letter(PURCHASE, "KSEF-1", TOWN, TOWN.units["sp1"], date(2026, 11, 20))
    for part in ("F/1", "20.11.2026", "KSEF-1", GMINA, "Szkoła Podstawowa nr 1", f"NIP {SP1}", "rola 8", "Anna Nowak",
                 "faktury korygującej", "znacznik JST równy 1"):  # fmt: skip
        assert part in text
    assert "IDWew …" in letter.letter(PURCHASE, "KSEF-1", TOWN, None, date(2026, 11, 20))


@pytest.mark.parametrize(
    ("now", "hours", "since"),
    [
        ("2026-11-20T12:00", 2, "2026-11-20T10:00"),
        ("2026-11-20T01:00", 24, "2026-11-19T01:00"),
        ("2026-11-23T12:00", 24, "2026-11-20T12:00"),  # Monday: the weekend does not count
        ("2026-11-22T12:00", 24, "2026-11-20T00:00"),  # Sunday: of Friday's 24 hours all are needed
        ("2026-11-12T09:00", 24, "2026-11-10T09:00"),  # 11 November is a day off
    ],
)
def test_the_tray_counts_hours_of_working_days(now: str, hours: float, since: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=WARSAW)
    wanted = datetime.fromisoformat(since).replace(tzinfo=WARSAW)
    assert abs(tray.overdue_before(at, hours) - wanted) < timedelta(seconds=1)


def test_a_route_without_remarks_is_quiet() -> None:
    """An invoice that nobody could read has nothing to be odd about but its buyer."""
    assert remarks(Facts(), Route(None, "tray_foreign_buyer", "."), TOWN, alike=False) == ()
