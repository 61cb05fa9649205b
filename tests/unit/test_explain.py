"""The sentences: which field, which line, what is wrong, and the cure, for every way an invoice goes wrong."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluza import samples as invoices
from sluza.samples import invoice
from spool.domain.catalogue import CATALOGUE, printable, problem
from spool.domain.errors import Problem
from spool.xml import examine
from spool.xml.examine import SHOWN_PROBLEMS

ROOT = Path(__file__).parents[2]


def changed(old: str, new: str, raw: bytes | None = None) -> bytes:
    """The ordinary invoice with one piece of text replaced; the piece must be there."""
    text = (raw or invoice()).decode()
    assert old in text
    return text.replace(old, new).encode()


def only(raw: bytes) -> Problem:
    """The single problem of a document."""
    problems = examine(raw).problems
    assert len(problems) == 1, problems
    return problems[0]


SELLER = "Podmiot1/DaneIdentyfikacyjne/NIP"
PAYMENT = "<RachunekBankowy><NrRB>61109010140000071219812874</NrRB>"
BAD_ID = "<DaneIdentyfikacyjne><IDWew>5080014460-1</IDWew></DaneIdentyfikacyjne>"
BAD_UNIT = f"<Podmiot3>{BAD_ID}<Rola>7</Rola></Podmiot3>"
BAD = {
    # what is written instead: code, field, line, words of the sentence or the hint
    ("<P_1>2026-11-20</P_1>", ""): ("missing_element", "Fa/P_1", 27, "po polu KodWaluty"),
    ("<JST>2</JST>", ""): ("missing_element", "Podmiot2/JST", 22, "po polu Adres"),
    ("<GV>2</GV>", ""): ("missing_element", "Podmiot2/GV", 22, "po polu JST"),
    ("<P_14_1>23.00</P_14_1>", ""): ("missing_element", "Fa/P_14_1", 30, "po polu P_13_1"),
    ("<NIP>7770001111</NIP>", ""): ("missing_choice", "Podmiot2/DaneIdentyfikacyjne", 19, "NIP, KodUE, KodKraju, NrID"),
    ("<P_19N>1</P_19N>", ""): ("missing_choice", "Fa/Adnotacje/Zwolnienie", 33, "P_19, P_19N"),
    ("<JST>2</JST><GV>2</GV>", "<GV>2</GV><JST>2</JST>"): ("unexpected_element", "Podmiot2/GV", 22, "tu musi być JST"),
    ("</P_2>", "</P_2><P_2>x</P_2>"): ("unexpected_element", "Fa/P_2[2]", 27, "po polu P_2"),
    ("<Fa>", "<Fa><Data>x</Data>"): ("unknown_element", "Fa/Data", 24, "nie ma takiego pola"),
    ("</Fa>", "</Fa><X/>"): ("unknown_element", "X", 48, "nie ma takiego pola"),
    ("<Fa>", '<Fa><P_1 xmlns="urn:x"/>'): ("foreign_element", "Fa/P_1", 24, "urn:x"),
    ("<Fa>", "<Fa>tekst"): ("text_between_elements", "Fa", 24, "„tekst”"),
    ("<Fa>", '<Fa uwaga="x">'): ("unexpected_attribute", "Fa", 24, "„uwaga”"),
    (' wersjaSchemy="1-0E"', ""): ("missing_attribute", "Naglowek/KodFormularza", 4, "„wersjaSchemy”"),
    ('"1-0E"', '"1-0"'): ("wrong_form_code", "Naglowek/KodFormularza/@wersjaSchemy", 4, "„1-0”"),
    ('"FA (3)"', '"FA (2)"'): ("wrong_form_code", "Naglowek/KodFormularza/@kodSystemowy", 4, "„FA (2)”"),
    (">3</WariantF", ">2</WariantF"): ("wrong_form_code", "Naglowek/WariantFormularza", 5, "musi być „3”"),
    (">2026-11-20<", ">20.11.2026<"): ("bad_date", "Fa/P_1", 26, "rok-miesiąc-dzień"),
    (">2026-11-20<", ">2026-02-30<"): ("bad_date", "Fa/P_1", 26, "„2026-02-30”"),
    (">2026-11-20<", ">2026-11-20+01:00<"): ("bad_date", "Fa/P_1", 26, "„2026-11-20+01:00”"),
    (">2026-11-20<", ">2051-01-01<"): ("out_of_range", "Fa/P_1", 26, "najwyżej 2050-01-01"),
    (">2026-11-20<", "> <"): ("empty_value", "Fa/P_1", 26, "pole jest puste"),
    ("2026-11-20T08:00:00Z", "2026-11-20"): ("bad_date_time", "Naglowek/DataWytworzeniaFa", 6, "2026-11-20T09:30:00Z"),
    (">123.00<", ">123,00<"): ("bad_decimal", "Fa/P_15", 30, "kropką zamiast przecinka"),
    (">123.00<", ">1 123.00<"): ("bad_decimal", "Fa/P_15", 30, "„1 123.00”"),
    (">123.00<", ">0123.00<"): ("bad_decimal", "Fa/P_15", 30, "zer na początku"),
    (">123.00<", ">123.001<"): ("too_many_decimals", "Fa/P_15", 30, "najwyżej 2"),
    (">1</NrWierszaFa>", ">I</NrWierszaFa>"): ("bad_integer", "Fa/FaWiersz/NrWierszaFa", 40, "„I”"),
    (">1</NrWierszaFa>", ">0</NrWierszaFa>"): ("out_of_range", "Fa/FaWiersz/NrWierszaFa", 40, "więcej niż 0"),
    (">VAT<", ">PROFORMA<"): ("bad_choice", "Fa/RodzajFaktury", 38, "VAT, KOR, ZAL, ROZ, UPR"),
    (">23</P_12>", ">23%</P_12>"): ("bad_choice", "Fa/FaWiersz/P_12", 46, "„23%”"),
    (">PLN<", ">zł<"): ("bad_currency", "Fa/KodWaluty", 25, "PLN lub EUR"),
    ("<KodKraju>PL</KodKraju><AdresL1>Rynek", "<KodKraju>POL</KodKraju><AdresL1>Rynek"): (
        "bad_country", "Podmiot1/Adres/KodKraju", 14, "„POL”"),
    (">5080014460<", ">508-001-44-60<"): ("bad_nip", SELLER, 11, "bez kresek"),
    (">5080014460<", ">PL5080014460<"): ("bad_nip", SELLER, 11, "przedrostka PL"),
    (">5080014460<", ">5080014461<"): ("nip_checksum", SELLER, 11, "cyfra kontrolna"),
    (">5080014460<", ">508001446٠<"): ("non_ascii_digits", SELLER, 11, "innego alfabetu"),
    (">FV/1/2026<", ">" + "9" * 300 + "<"): ("too_long", "Fa/P_2", 27, "300 znaków, a może mieć najwyżej 256"),
    (">FV/1/2026<", "><"): ("empty_value", "Fa/P_2", 27, "pole jest puste"),
    ("</Fa>", f"<Platnosc>{PAYMENT}<SWIFT>x</SWIFT></RachunekBankowy></Platnosc></Fa>"): (
        "bad_pattern", "Fa/Platnosc/RachunekBankowy/SWIFT", 48, "8 lub 11 wielkich liter"),
    ("</Fa>", "<Platnosc><RachunekBankowy><NrRB>1</NrRB></RachunekBankowy></Platnosc></Fa>"): (
        "too_short", "Fa/Platnosc/RachunekBankowy/NrRB", 48, "co najmniej 10"),
    ("</Adres>\n  </Podmiot1>", "</Adres><DaneKontaktowe><Email>ab c</Email></DaneKontaktowe></Podmiot1>"): (
        "bad_email", "Podmiot1/DaneKontaktowe/Email", 14, "„ab c”"),
    ("</Podmiot2>", f"</Podmiot2>{BAD_UNIT}"): (
        "bad_internal_id", "Podmiot3/DaneIdentyfikacyjne/IDWew", 23, "5080014460-00011"),
}  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=lambda c: re.sub(r"\s+", " ", f"{c[0][:24]}->{c[1][:24]}"))
def test_fault_X06_each_fault_is_named_by_field_line_and_cure(change: tuple[str, str]) -> None:
    """One wrong thing gives one problem, with its field, its line, the value and what to do."""
    code, field, line, words = BAD[change]
    found = only(changed(*change))
    assert (found.code, found.field, found.line) == (code, field, line)
    assert words in found.message + found.hint
    assert found.message.startswith(f"Wiersz {line}. Pole {field}")
    assert found.hint


def test_a_missing_field_of_a_later_row_names_the_row() -> None:
    """Positions are given where a field repeats."""
    raw = invoice(lines=[invoices.Line(), invoices.Line(net="1.00")]).replace(b">1.00<", b">1,00<")
    assert {p.field for p in examine(raw).problems} == {"Fa/FaWiersz[2]/P_9A", "Fa/FaWiersz[2]/P_11"}


def test_problems_come_in_the_order_of_the_file_and_are_limited() -> None:
    """The first twenty problems are shown, by line, and that there are more is said."""
    raw = invoice(lines=[invoices.Line()] * 50).replace(b"<P_8B>1</P_8B>", b"<P_8B>x</P_8B>")
    problems = examine(raw).problems
    assert len(problems) == SHOWN_PROBLEMS + 1
    assert problems[-1].code == "more_problems"
    lines = [p.line or 0 for p in problems[:-1]]
    assert lines == sorted(lines)
    assert problems[0].field == "Fa/FaWiersz[1]/P_8B"


def test_several_different_problems_are_told_at_once() -> None:
    """A wrong number does not hide a missing field or a wrong check digit."""
    raw = changed("<GV>2</GV>", "", invoice(issue_date="x", seller_nip="5080014461"))
    assert [p.code for p in examine(raw).problems] == ["nip_checksum", "missing_element", "bad_date"]


# ---- not an FA(3) at all

STRANGERS = {
    "FA(2)": (invoices.fa2_invoice(), "wrong_form", "FA(2)"),
    "FA(1)": (changed(invoices.FA3_NS, "http://crd.gov.pl/wzor/2021/11/29/11089/"), "wrong_form", "FA(1)"),
    "RR": (invoices.rr_invoice(), "vat_rr", "VAT RR"),
    "PEF": (invoices.pef_invoice(), "wrong_form", "PEF"),
    "PEF_KOR": (invoices.pef_invoice(credit=True), "wrong_form", "PEF"),
    "no namespace": (changed(f' xmlns="{invoices.FA3_NS}"', ""), "wrong_form", "bez przestrzeni nazw"),
    "other namespace": (changed(invoices.FA3_NS, "urn:x"), "wrong_form", "urn:x"),
    "fragment": (f'<Naglowek xmlns="{invoices.FA3_NS}"/>'.encode(), "wrong_form", "Naglowek"),
    "JPK": (b'<JPK xmlns="http://jpk.mf.gov.pl/wzor/2022/02/17/02171/"/>', "wrong_document", "JPK"),
    "UPO": (b'<Potwierdzenie xmlns="http://upo.schematy.mf.gov.pl/KSeF/v4-3"/>', "wrong_document", "UPO"),
    "html": (b"<!DOCTYPE html><html></html>", "wrong_document", "strona internetowa"),
    "xhtml": (b"<html></html>", "wrong_document", "strona internetowa"),
    "anything": (b"<zamowienie/>", "wrong_document", "„zamowienie”"),
    "pdf": (b"%PDF-1.7\n", "not_xml", "PDF"),
    "zip": (b"PK\x03\x04\x14\x00\x80", "not_xml", "ZIP"),
    "text": (b"Faktura VAT nr 1", "not_xml", "innego rodzaju"),
    "json": (b'{"a": 1}', "not_xml", "JSON"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_fault_X06_what_is_no_FA3_is_called_by_its_name(name: str) -> None:
    """Another document is recognised, and the cure says what to send instead."""
    raw, code, words = STRANGERS[name]
    found = only(raw)
    assert found.code == code
    assert words in found.message
    assert "FA(3)" in found.message + found.hint


NEWER = {
    "next schema": changed(invoices.FA3_NS, "http://crd.gov.pl/wzor/2031/01/01/99999/"),
    "next form": changed('kodSystemowy="FA (3)"', 'kodSystemowy="FA (4)"'),
    "next version": changed('wersjaSchemy="1-0E"', 'wersjaSchemy="1-1E"'),
}


@pytest.mark.parametrize("name", NEWER)
def test_fault_K11_a_newer_schema_is_refused_with_a_cure(name: str) -> None:
    """A form or a version that this program does not know is not guessed at: one sentence, and what is taken."""
    found = only(NEWER[name])
    assert found.code in {"wrong_form", "wrong_form_code"}
    assert "FA(3)" in found.message
    assert "Jeśli program nie daje takiej możliwości" in found.hint


# ---- not well-formed

BROKEN = {
    "mismatch": (changed("</P_1>", "</P_2>"), "xml_tag_mismatch", 26, "<P_1>"),
    "ampersand": (changed("FV/1/2026", "A & B"), "xml_ampersand", 27, "&amp;"),
    "ampersand_word": (changed("FV/1/2026", "A &B; C"), "xml_ampersand", 27, "&amp;"),
    "ampersand_word_without_end": (changed("FV/1/2026", "A&B C"), "xml_ampersand", 27, "&amp;"),
    "html_entity": (changed("FV/1/2026", "A&nbsp;B"), "xml_ampersand", 27, "&amp;"),
    "less_than": (changed("FV/1/2026", "A < B"), "xml_less_than", 27, "&lt;"),
    "less_than_in_attribute": (changed('"FA (3)"', '"F<A"'), "xml_less_than", 4, "&lt;"),
    "two_roots": (invoice() + invoice(prolog=""), "xml_extra_content", 50, "Jeden plik to jedna faktura"),
    "garbage_after": (invoice() + b"koniec", "xml_extra_content", 50, "Za końcem"),
    "attribute_twice": (changed('="1-0E"', '="1-0E" wersjaSchemy="1-0E"'), "xml_attribute_twice", 4, "dwa razy"),
    "prefix": (changed("<Fa>", "<x:Fa>").replace(b"</Fa>", b"</x:Fa>"), "xml_prefix", 24, "xmlns"),
    "quote": (changed('"FA (3)"', '"FA (3)'), "xml_malformed", 4, "kolumna"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_well_formed_is_told_with_its_line(name: str) -> None:
    """The line and a human reason, not the words of a parser."""
    raw, code, line, words = BROKEN[name]
    found = only(raw)
    assert (found.code, found.line) == (code, line)
    assert words in found.message + found.hint


# ---- check digits and warnings


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (invoice(buyer_nip="7770001112"), "nip_checksum", "Podmiot2/DaneIdentyfikacyjne/NIP"),
        (invoices.unit_invoice(nip="5250000016"), "nip_checksum", "Podmiot3/DaneIdentyfikacyjne/NIP"),
        (invoice(authorised_nip="5250000022"), "nip_checksum", "PodmiotUpowazniony/DaneIdentyfikacyjne/NIP"),
        (
            invoices.unit_invoice(internal_id="5080014460-00012"),
            "internal_id_checksum",
            "Podmiot3/DaneIdentyfikacyjne/IDWew",
        ),
    ],
)
def test_fault_X06_check_digits_that_KSeF_checks_are_checked(raw: bytes, code: str, field: str) -> None:
    """A wrong check digit of any party is refused, as production KSeF would."""
    found = only(raw)
    assert (found.code, found.field) == (code, field)


OTHER_ID = "<NrID>5080014460-00011</NrID>"
WARNED = {
    "attachment_needs_batch": invoices.attachment_invoice(),
    "internal_id_as_buyer": invoice(buyer_id=OTHER_ID),
    "jst_recipient_missing": invoice(jst="1"),
    "company_without_nip": invoice(buyer_id="<BrakID>1</BrakID>", buyer_name="Alfa sp. z o.o."),
    "ksef_number_checksum": invoices.correction(ksef_number=invoices.ksef_number_for()[:-2] + "00"),
    "advance_number_missing": invoice(kind="ROZ"),
    "correction_without_original": invoice(kind="KOR").replace(b"<DaneFaKorygowanej>", b"<!--").replace(
        b"</DaneFaKorygowanej>", b"-->"
    ).replace(b"<PrzyczynaKorekty>", b"<!--").replace(b"</TypKorekty>", b"-->"),
}  # fmt: skip


@pytest.mark.parametrize("code", WARNED)
def test_what_KSeF_takes_but_people_regret_is_warned_of(code: str) -> None:
    """A warning never stops the invoice."""
    found = examine(WARNED[code])
    assert found.problems == ()
    assert [p.code for p in found.warnings] == [code]


def test_ordinary_invoices_are_not_warned_of() -> None:
    """No warning where there is nothing to look at: a warning seen daily is read by nobody."""
    for name, raw in invoices.valid_samples().items():
        assert name == "attachment" or examine(raw).warnings == (), name


# ---- the catalogue


def placeholders(entry: object) -> set[str]:
    """The names that the templates of an entry want."""
    text = f"{entry.message} {entry.hint}"  # type: ignore[attr-defined]
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_a_sentence_and_a_cure(code: str) -> None:
    """Each entry formats, is a full sentence, and says what to do."""
    entry = CATALOGUE[code]
    values = dict.fromkeys(placeholders(entry) - {"where"}, "1")
    made = problem(code, field="Fa/P_1", line=7, **values)
    assert re.fullmatch(r"[a-z0-9_]+", code)
    assert made.message.startswith("Wiersz 7. ")
    assert made.message.endswith(".")
    assert made.hint.endswith(".")
    assert len(made.hint) > 10
    assert not re.search(r"[{}]", made.message + made.hint)
    assert ".." not in made.message
    assert set(made.as_dict()) == {"code", "message", "hint", "field", "line"}


def calls_of_the_catalogue() -> Iterator[tuple[str, ast.Call]]:
    """Every `problem("code", …)` in modules that import it from the catalogue."""
    for package in ("spool", "gateway", "agent", "sluza"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text()
            if "from spool.domain.catalogue import problem" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "problem":
                    yield f"{file.name}:{node.lineno}", node


def test_every_use_of_the_catalogue_knows_the_code_and_gives_its_values() -> None:
    """A sentence that fails to format would be an error in the middle of a refusal."""
    for place, call in calls_of_the_catalogue():
        if not (call.args and isinstance(call.args[0], ast.Constant)):
            continue
        code = call.args[0].value
        assert code in CATALOGUE, place
        given = {keyword.arg for keyword in call.keywords}
        assert None in given or placeholders(CATALOGUE[code]) - {"where"} <= given, (place, code)


def test_a_duplicate_in_the_municipality_reveals_nothing() -> None:
    """The neutral sentence takes no value, so no unit, id, date or status can slip into it (I7)."""
    assert placeholders(CATALOGUE["duplicate_in_municipality"]) == set()


def test_fault_X14_values_in_sentences_stay_on_one_line() -> None:
    """Line ends, escapes, bidi marks and zero-width characters of a value are spelled out, and long ones shortened."""
    shown = printable("a\r\nb\x1b[31m\u202e\u200b\u00a0" + "x" * 100)
    assert shown.startswith(r"a\u{D}\u{A}b\u{1B}[31m\u{202E}\u{200B}\u{A0}xx")
    assert shown.endswith("…")
    assert "\n" not in only(changed(">2026-11-20<", ">2026\n11\u202e20<")).message
