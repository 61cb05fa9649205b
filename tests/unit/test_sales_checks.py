"""What a municipality decides about its sales: every check by its policy, with the order behind it (jst.md §3)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.validation import check
from sluza import samples
from sluza.sample_parts import Corrected, Line
from sluza.samples import ksef_number_for
from spool.domain.document import Facts
from spool.domain.errors import Problem
from spool.domain.municipality import Municipality, Policy, Unit
from spool.domain.policies import QUESTIONS, SALES
from spool.xml import examine
from tests.folders_bench import MUNICIPALITY, SCHOOL, Bench, bench_at, sale, until

TODAY = date(2026, 11, 20)
ORDER = "zarządzenie nr 10/2026"
BARE = Unit("gzk", "Zakład", "gmina")


def town(**policies: str) -> Municipality:
    """A municipality whose mayor has decided this, by one order."""
    decided = {name: Policy(value, ORDER) for name, value in policies.items()}
    return replace(MUNICIPALITY, policies=decided)


def found(raw: bytes, where: Municipality = MUNICIPALITY, unit: Unit = BARE) -> tuple[list[str], list[str]]:
    """Codes of refusals and of warnings, as intake has them."""
    refused, warned = judged(raw, where, unit)
    return [p.code for p in refused], [p.code for p in warned]


def judged(raw: bytes, where: Municipality, unit: Unit) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    seen = examine(raw)
    assert not seen.problems, seen.problems
    assert seen.facts is not None
    return check(seen.facts, municipality=where, unit=unit, today=TODAY, warnings=seen.warnings)


EXAMPLES = {
    "issuing_unit": (samples.invoice(), "role7_missing", MUNICIPALITY.units[SCHOOL]),
    "correction_original": (
        samples.correction(ksef_number=ksef_number_for("7770001111")), "original_of_another_seller", BARE,
    ),
    "advance_numbers": (samples.invoice(kind="ROZ"), "advance_number_missing", BARE),
    "company_without_nip": (
        samples.invoice(buyer_id="<BrakID>1</BrakID>", buyer_name="Fundacja Rzeka"), "company_without_nip", BARE,
    ),
    "consumers": (samples.consumer_invoice(), "consumer_sale", BARE),
    "foreign_buyers": (
        samples.invoice(buyer_id="<KodUE>DE</KodUE><NrVatUE>123456789</NrVatUE>"), "foreign_sale", BARE,
    ),
    "not_an_invoice": (samples.invoice(number="PRO FORMA 7/2026"), "not_for_ksef", BARE),
    "looks_like_note": (
        samples.invoice(lines=(Line("Zwrot kosztów utrzymania dziecka w rodzinie zastępczej", "900.00", "zw"),)),
        "looks_like_note", BARE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("value", ["off", "warn", "refuse"])
def test_each_check_is_a_policy(name: str, value: str) -> None:
    """Off: not a word. Warn: pointed out. Refuse: refused, with the number of the order; a unit outranks the town."""
    raw, code, unit = EXAMPLES[name]
    refused, warned = judged(raw, town(**{name: value}), unit)
    assert [p.code for p in refused].count(code) == (value == "refuse")
    assert [p.code for p in warned].count(code) == (value == "warn")
    assert all(ORDER in p.hint for p in (*refused, *warned) if p.code == code)
    own = replace(unit, policies={name: Policy(value)})
    assert (code in found(raw, town(**{name: "warn" if value != "warn" else "off"}), own)[0]) is (value == "refuse")


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_check_says_by_default_what_its_table_says(name: str) -> None:
    """Where nobody decided, the default holds, and no order is named."""
    raw, code, unit = EXAMPLES[name]
    refused, warned = judged(raw, MUNICIPALITY, unit)
    value = QUESTIONS[name].default
    assert (code in {p.code for p in refused}, code in {p.code for p in warned}) == (value == "refuse", value == "warn")
    assert not [p for p in (*refused, *warned) if "Podstawa" in p.hint]


def test_every_policy_of_sales_has_an_example() -> None:
    """What only the spool can tell has its tests below."""
    assert {q.name for q in SALES} - set(EXAMPLES) == {"correction_unknown", "correction_outside"}


def test_rule_S12_a_company_is_not_taken_for_a_consumer() -> None:
    """Whoever looks like a company without a NIP gets that warning alone, however strict the order on consumers is."""
    raw = samples.invoice(buyer_id="<BrakID>1</BrakID>", buyer_name="Wspólnota Mieszkaniowa Rzeka")
    assert found(raw, town(consumers="refuse")) == ([], ["company_without_nip"])


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        ("PRO FORMA 7/2026", True), ("Proforma/7", True), ("FV 7 DUPLIKAT", True), ("Nota księgowa 3/2026", True),
        ("NOTA 3/2026", True), ("Rachunek 12", True), ("Paragon 1/2026", True), ("Nota korygująca 1", True),
        ("NOTARIAT/3/2026", False), ("FV/1/2026", False), ("RACHUNKOWOŚĆ/1", False), ("Notatnik 1", False),
    ],
)  # fmt: skip
def test_rule_3b_what_calls_itself_something_else_is_no_invoice(number: str, refused: bool) -> None:
    """Bills, notes, pro forma, duplicates: refused by their own name, with the reason; similar words are not."""
    assert found(samples.invoice(number=number))[0] == (["not_for_ksef"] if refused else [])


def test_rule_3b_a_note_that_begins_so_is_enough() -> None:
    """A duplicate bears the number of the invoice; the note says what it is. A bank account is not a bill."""
    assert found(samples.invoice(notes=(("Dokument", "DUPLIKAT z dnia 20.11.2026"),)))[0] == ["not_for_ksef"]
    assert found(samples.invoice(notes=(("Płatność", "Rachunek bankowy: 12 1020 0000"),)))[0] == []


def test_rule_3b_a_taxed_sale_is_no_note() -> None:
    """With VAT the same words are a service."""
    assert found(samples.invoice(lines=(Line("Refundacja kosztów energii", "10.00", "23"),)))[1] == []


def test_rule_3a_a_farmer_invoice_is_refused_with_its_way() -> None:
    """VAT RR has a form of its own, which we do not send: the cure names both ways that are left."""
    [refused] = examine(samples.rr_invoice()).problems
    assert refused.code == "vat_rr"
    assert "na papierze" in refused.hint
    assert "Aplikacji Podatnika" in refused.hint


# -- what only the spool can tell -------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as opened:
        yield opened


def _correction(number: str, *originals: Corrected) -> bytes:
    return sale(number, kind="KOR", corrects=originals, lines=(Line(net="-10.00"),))


async def test_rule_S16_an_original_of_ours_must_be_named_by_its_number(bench: Bench) -> None:
    """`NrKSeFN`=1, or a wrong number, while the original is on its way: refused; with its number it goes."""
    async with bench.running():
        original = await bench.post(sale("FV/9"), "FV9.xml")
        bench.drop("korekta.xml", _correction("K/9", Corrected("FV/9", TODAY)))
        said = await until(lambda: bench.json("odrzucone/*/korekta.json"))
        assert [e["code"] for e in said["errors"]] == ["original_not_numbered"]
    late = await bench.post(_correction("K/10", Corrected("FV/9", TODAY, ksef_number_for(serial=9))), "k10.xml")
    assert [p.code for p in late.problems] == ["original_not_numbered"] or [p.code for p in late.problems] == [
        "original_other_number"
    ]
    number = bench.number(original)
    good = await bench.post(_correction("K/11", Corrected("FV/9", TODAY, number)), "k11.xml")
    assert (good.problems, good.warnings) == ((), ())


async def test_rule_S16_an_original_that_nobody_here_knows_is_pointed_out(bench: Bench) -> None:
    """By KSeF number or as one from outside KSeF: it goes, and the result and the history say what to look at."""
    known = await bench.post(_correction("K/1", Corrected("X/1", TODAY, ksef_number_for(serial=5))), "k1.xml")
    outside = await bench.post(_correction("K/2", Corrected("X/2", TODAY)), "k2.xml")
    assert [w.code for w in known.warnings] == ["original_unknown"]
    assert [w.code for w in outside.warnings] == ["correction_of_outside"]
    assert [e.data["code"] for e in bench.moves(known.id) if e.move == "warned"] == ["original_unknown"]


async def test_rule_S16_by_order_such_a_correction_is_refused(tmp_path: Path) -> None:
    """A municipality that issues everything through Śluza may say so."""
    strict = replace(MUNICIPALITY, policies={"correction_outside": Policy("refuse", ORDER)})
    opened = Bench(tmp_path, strict)
    try:
        refused = await opened.post(_correction("K/2", Corrected("X/2", TODAY)), "k2.xml")
    finally:
        opened.close()
    assert [p.code for p in refused.problems] == ["correction_of_outside"]
    assert ORDER in refused.problems[0].hint


async def test_rule_S11_a_unit_may_have_its_own_order_about_offline24(tmp_path: Path) -> None:
    """The town allows it, this unit's order does not."""
    school = replace(MUNICIPALITY.units[SCHOOL], policies={"offline24": Policy("refused", ORDER)})
    opened = Bench(tmp_path, replace(MUNICIPALITY, units=MUNICIPALITY.units | {SCHOOL: school}))
    try:
        refused = await opened.post(sale(), "a.xml", offline24=True)
    finally:
        opened.close()
    assert [p.code for p in refused.problems] == ["offline24_not_allowed"]


async def test_warnings_are_shown_to_the_unit(bench: Bench) -> None:
    """What was pointed out stands in the result file, with its cure, and in the history."""
    async with bench.running():
        bench.drop("a.xml", sale(notes=(), buyer_id="<BrakID>1</BrakID>", buyer_name="Fundacja Rzeka"))
        said = await until(lambda: bench.json("w-toku/a.json"))
    assert [(w["code"], bool(w["hint"])) for w in said["warnings"]] == [("company_without_nip", True)]
    assert any("Fundacja" in step["note"] for step in said["history"])


def test_a_document_without_facts_has_nothing_to_decide() -> None:
    """An unreadable file is the schema's matter."""
    refused, _ = check(Facts(), municipality=town(consumers="refuse"), unit=BARE, today=TODAY)
    assert [p.code for p in refused] == ["seller_not_municipality"]
