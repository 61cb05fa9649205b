"""The PDF of an invoice: everything that the XML says is on it, nothing else acts in it."""

import importlib.util
import io
import json
import re
import subprocess
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from gateway.render import Marks, UnreadableInvoice, render_invoice
from gateway.render.blocks import Indented
from gateway.render.compose import compose
from gateway.render.metrics import BREAK, FONTS, MM_PER_POINT, breakable, covered, shortened, width
from gateway.render.text import account, amount, clean, day, moment, quantity
from sluza import samples as invoices
from sluza.samples import FA3_NS, Line, invoice
from spool.domain.document import ThirdParty
from spool.xml.schema import fa3_explaining
from tests.pictures import require_tools

KOD1 = "https://qr-test.ksef.mf.gov.pl/invoice/5080014460/20-11-2026/UtQp9Gpc51y-u3xApZjIjgkpZ01js-J8KflSPW8WzIE"
KOD2 = (
    "https://qr-test.ksef.mf.gov.pl/certificate/Nip/5080014460/5080014460/01F20A5D352AE590/"
    "UtQp9Gpc51y-u3xApZjIjgkpZ01js-J8KflSPW8WzIE/" + "aB3-" * 85 + "aQ"  # as long as an RSA-2048 signature
)
NUMBER = invoices.ksef_number_for()
MINISTRY = Path(__file__).parents[3] / "shared" / "ksef" / "data" / "samples"
COMPLETE = invoices.valid_samples() | {path.stem: path.read_bytes() for path in MINISTRY.glob("FA_3_*.xml")}


def pages(pdf: bytes) -> list[str]:
    """The text of each page, blanks made ordinary."""
    return [page.extract_text().replace("\u00a0", " ") for page in PdfReader(io.BytesIO(pdf)).pages]


def text_of(raw: bytes, **marks: Any) -> str:
    """The text of the whole PDF."""
    return "\n".join(pages(render_invoice(raw, marks=Marks(**marks))))


def strings(value: object) -> list[str]:
    """Every string in nested tuples."""
    if isinstance(value, str):
        return [value]
    return [text for item in value for text in strings(item)] if isinstance(value, tuple) else []


def composed(raw: bytes) -> str:
    """All text of the composed document, before it is laid out."""
    return "\n".join(strings(astuple(compose(raw, Marks()))))


def with_text(raw: bytes, name: str, value: str) -> bytes:
    """The invoice with another text in the first element of this name."""
    root = etree.fromstring(raw)
    next(root.iter(f"{{{FA3_NS}}}{name}")).text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def squeezed(text: str) -> str:
    """Without any white space: where a line broke does not matter."""
    return re.sub(r"\s", "", text)


def test_an_ordinary_invoice_says_what_a_reader_looks_for() -> None:
    """Number, parties, dates in Polish form, rows, sums, KSeF number, page number."""
    raw = invoice(lines=(Line("Wynajem sali", "1234.50", "23"),), payment_due=("2026-12-04",))
    text = text_of(raw, ksef_number=NUMBER, kod1_url=KOD1, unit="Szkoła Podstawowa nr 1")
    for expected in (
        "Faktura", "nr FV/1/2026", "20.11.2026", "Gmina Przykładowa", "NIP 5080014460", "Wynajem sali", "„Źródło”",
        "1 234,50", "283,94", "1 518,44 PLN", "23%", "04.12.2026", NUMBER, "Szkoła Podstawowa nr 1", "Strona 1 z 1",
    ):  # fmt: skip
        assert expected in text


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_samples_are_complete(name: str) -> None:
    """Every text of our samples, and of the ministry's where they are at hand, is printed where it belongs."""
    raw = COMPLETE[name]
    assert "Pozostałe dane" not in composed(raw)
    printed = squeezed(text_of(raw, ksef_number=NUMBER, kod1_url=KOD1))
    for element in etree.fromstring(raw).iter(f"{{{FA3_NS}}}*"):
        value = clean(element.text or "")
        if len(value) > 2 and not re.fullmatch(r"-?[\d.]+|\d{4}-\d\d-\d\d.*", value):
            assert [word for word in value.split() if word not in printed] == [], element.tag


def test_every_element_of_the_schema_is_printed() -> None:
    """A document with every element that FA(3) knows, each with a value of its own: none is lost."""
    raw, values = everything()
    assert len(values) > 300
    text = composed(raw)
    assert [value for value in values if value not in text] == []
    printed = squeezed("".join(pages(render_invoice(raw, marks=Marks(kod1_url=KOD1)))))
    lost = [value for value in values if value not in printed]
    assert len(lost) < 5, f"pypdf may take a few apart where a narrow cell breaks, not {lost}"


@pytest.mark.parametrize("flag", ["1", "2"])
def test_every_flag_of_the_schema_has_words(flag: str) -> None:
    """With all flags at 1 (or 2) and all else filled, nothing is left for the rest."""
    raw, _ = everything(flag=flag)
    assert "Pozostałe dane" not in composed(raw)


def everything(flag: str = "") -> tuple[bytes, list[str]]:
    """An FA(3) with all branches of all choices, and the values in it; `flag` fills the yes-or-no elements."""
    values: list[str] = []

    def fill(xsd: Any) -> etree._Element:
        made = etree.Element(xsd.name)
        if xsd.type.has_complex_content():
            made.extend(fill(child) for child in xsd.type.content.iter_elements())
            return made
        allowed = getattr(xsd.type, "enumeration", None) or []
        if flag and set(map(str, allowed)) in ({"1"}, {"1", "2"}):
            made.text = flag
            return made
        made.text = f"w{len(values):03d}x"
        values.append(made.text)
        return made

    root = fill(fa3_explaining().elements["Faktura"])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8"), values


def test_unknown_elements_attributes_and_repetitions_are_listed() -> None:
    """What a later schema may add is shown with its place; a foreign element is not taken for a field."""
    raw = invoice().replace(
        b"</Fa>",
        b'<NowePole jednostka="kg">wa\xc5\xbcne</NowePole><P_2>drugi numer</P_2>'
        b'<x:P_15 xmlns:x="urn:obce">999999.99</x:P_15></Fa>',
    )
    text = text_of(raw)
    assert "Pozostałe dane" in text
    for expected in ("Fa/NowePole", "ważne", "Fa/NowePole/@jednostka", "kg", "Fa/P_2[2]", "drugi numer", "999999.99"):
        assert expected in text
    assert "123,00 PLN" in text


def test_comments_cannot_hide_a_part_of_a_value() -> None:
    """An element's text is what the schema sees, comments and CDATA left out."""
    raw = invoice().replace(b"FV/1/2026", b"FV/<!-- x -->1<![CDATA[/2026]]>")
    assert "nr FV/1/2026" in text_of(raw)


def test_units_of_the_municipality_stand_first_with_their_role() -> None:
    """A reader of a received invoice sees at once for which unit it is."""
    parties = (
        ThirdParty("4", nip="5250000021", name="Drugi nabywca"),
        ThirdParty("8", nip="5250000015", name="Przedszkole nr 2"),
    )
    text = text_of(invoice(jst="1", third_parties=parties))
    assert text.index("Jednostka samorządu terytorialnego – odbiorca") < text.index("Dodatkowy nabywca")
    assert "Jednostka podrzędna JST: tak" in text


def test_a_correction_names_reason_and_originals() -> None:
    """Reason, number, date and KSeF number of the corrected invoice."""
    text = text_of(invoices.correction(ksef_number=NUMBER))
    assert "Faktura korygująca" in text
    assert "Przyczyna korekty" in text
    assert NUMBER in text
    assert "wystawiona poza KSeF" in text_of(invoices.correction(outside=True))


def test_split_payment_is_said_in_words() -> None:
    """The annotation that the buyer must not overlook."""
    raw = invoice().replace(b"<P_18A>2</P_18A>", b"<P_18A>1</P_18A>")
    assert "\nMechanizm podzielonej płatności" in text_of(raw)


def test_marks_are_printed() -> None:
    """Title, status sentences, ribbon on every page, captions below the codes (protocol §13)."""
    raw = invoice(lines=[Line(f"Pozycja {n}") for n in range(60)])
    marks = Marks(
        kod1_url=KOD1,
        kod2_url=KOD2,
        title="Potwierdzenie transakcji",
        status=("Ten dokument nie jest fakturą.",),
        ribbon="PIASKOWNICA – dokument szkoleniowy",
    )
    found = pages(render_invoice(raw, marks=marks))
    assert len(found) > 1
    assert all("PIASKOWNICA – dokument szkoleniowy" in page for page in found)
    text = "\n".join(found)
    for expected in ("Potwierdzenie transakcji", "Ten dokument nie jest fakturą.", "OFFLINE", "CERTYFIKAT"):
        assert expected in text
    assert squeezed(KOD1) in squeezed(text)


def test_three_hundred_rows_repeat_the_header_on_each_page() -> None:
    """All rows are there, each page of the table has its header, and pages are numbered."""
    raw = invoice(lines=[Line(f"Obiad nr {n:03d}", "12.30", "8") for n in range(1, 301)])
    found = pages(render_invoice(raw, marks=Marks(kod1_url=KOD1)))
    text = "\n".join(found)
    assert all(f"Obiad nr {n:03d}" in text for n in range(1, 301))
    for page, content in enumerate(found, start=1):
        assert f"Strona {page} z {len(found)}" in content
        assert ("Obiad nr" in content) <= ("Nazwa towaru lub usługi" in content)


@pytest.mark.parametrize("sentences", range(20, 75, 3))
def test_a_header_never_stands_alone_at_the_foot_of_a_page(sentences: int) -> None:
    """Wherever the table begins, its heading, its header and its first row are on one page."""
    marks = Marks(status=tuple(f"Zdanie {n}." for n in range(sentences)))
    for page in pages(render_invoice(invoice(lines=[Line("Obiad")] * 3), marks=marks)):
        assert ("Pozycje faktury" in page) <= ("Nazwa towaru lub usługi" in page) <= ("Obiad" in page)
        assert ("Podsumowanie według" in page) <= ("Stawka lub rodzaj" in page) <= ("300,00" in page)


def test_a_cell_longer_than_a_page_is_cut_not_lost() -> None:
    """Even a name that no valid invoice has ends up complete, over several pages."""
    names = [f"słowo{n}" for n in range(3000)]
    found = pages(render_invoice(invoice(lines=(Line(" ".join(names)),))))
    assert len(found) > 2
    assert re.findall(r"słowo\d+", "\n".join(found)) == names


def test_the_same_input_gives_the_same_bytes() -> None:
    """No clock, no random identifiers, no state left by another document."""
    marks = Marks(ksef_number=NUMBER, kod1_url=KOD1, kod2_url=KOD2)
    first = render_invoice(invoice(), marks=marks)
    render_invoice(invoices.pef_invoice(), marks=Marks(ribbon="TEST"))
    assert render_invoice(invoice(), marks=marks) == first


def test_output_is_small() -> None:
    """Fonts are subset: a simple invoice with KOD I stays below 40 kB."""
    assert len(render_invoice(invoice(), marks=Marks(ksef_number=NUMBER, kod1_url=KOD1))) < 40_000


HOSTILE = [
    "<script>alert(1)</script>",
    "{nb} {{nb}} %s {0} ${jndi:ldap://x}",
    ") Tj ET Q /JavaScript (app.alert(1)) \\ <</S/URI/URI(http://evil.example)>>",
    "Firma \u202eLP.SI\u202c \u2066x\u2069",
    "a\u200bb\u00adc\ufeffd",
    "Z\u0335\u0321\u0321a\u0300\u0301\u0302lgo",
    "中文公司 Ελλάδα Україна 🏫 עברית العربية",
    "W" * 256,
    "https://evil.example/?q=1 file:///etc/passwd javascript:alert(1)",
    "**gruby** __kursywa__ --podkreślony--",
    '#read("/etc/passwd") #panic() #{ 1 + 1 } #sys.version #link("https://evil.example")[tu]',
    "*typst* _kursywa_ `kod` $x^2$ = Nagłówek @odwołanie <etykieta> \\ ~ --- // koniec /* x */",
    '"); #panic("',
    "\u0085\u009b31m\u2028\u2029koniec",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["P_2", "P_7", "Nazwa", "AdresL1"])
def test_fault_X13_hostile_text_is_only_text(name: str, value: str) -> None:
    """Faults X12, X13: what stands in the invoice is printed; it opens, links and runs nothing."""
    pdf = render_invoice(with_text(invoice(), name, value), marks=Marks(kod1_url=KOD1))
    printed = squeezed("".join(pages(pdf)))
    for word in clean(value).split(" "):
        if len(word) < 40 and word.isascii():
            assert squeezed(word) in printed
    assert links(pdf) == [KOD1]
    catalogue = PdfReader(io.BytesIO(pdf)).trailer["/Root"]
    assert not {"/AA", "/AcroForm"} & set(catalogue)
    assert set(catalogue["/Names"]) == {"/EmbeddedFiles"}, "no scripts"
    assert isinstance(catalogue.get("/OpenAction", []), list), "a place in the document, never an action"


@pytest.mark.parametrize("value", ["W" * 256, "FV-" * 60, "słowo " * 40, "1" * 300])
def test_nothing_leaves_its_place(value: str, tmp_path: Path) -> None:
    """Long words in every field, in the title, the codes and the tables: all between the margins."""
    require_tools("pdftotext")
    raw = invoice(lines=(Line(value),), third_parties=(ThirdParty("8", name=value),))
    for name in ("P_2", "Nazwa", "AdresL1", "P_8A", "P_8B", "P_9A", "P_12", "P_15", "P_13_1", "RodzajFaktury"):
        raw = with_text(raw, name, value)
    raw = raw.replace(b"</Fa>", f"<NowePole>{value}</NowePole></Fa>".encode())
    marks = Marks(kod1_url=KOD1 + value, kod2_url=KOD2, status=(value,), unit=value, ribbon=value, title=value)
    (tmp_path / "f.pdf").write_bytes(render_invoice(raw, marks=marks))
    done = subprocess.run(
        ["pdftotext", "-bbox", "f.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    sides = re.findall(r'<word xMin="([\d.-]+)" yMin="[\d.-]+" xMax="([\d.-]+)"', done.stdout)
    left, right = 15 / MM_PER_POINT, 195 / MM_PER_POINT
    assert len(sides) > 50
    assert [found for found in sides if float(found[0]) < left - 0.5 or float(found[1]) > right + 0.5] == []


def test_a_hyphen_is_not_repeated_where_a_line_breaks() -> None:
    """Polish typography repeats it on the next line; in a number or a link it would be a different one."""
    number = "FV-2026-0001-" * 12
    assert squeezed(number) in squeezed(text_of(with_text(invoice(), "P_7", number)))


def links(pdf: bytes) -> list[str]:
    """The targets of all annotations, which may only be links."""
    found = []
    for page in PdfReader(io.BytesIO(pdf)).pages:
        for entry in page.get("/Annots", []):
            annotation = entry.get_object()
            assert annotation["/Subtype"] == "/Link"
            found.append(annotation["/A"]["/URI"])
    return found


def test_fault_X13_payment_links_are_printed_but_not_clickable() -> None:
    """A link in an invoice may lead anywhere: the reader has to type it."""
    link = "https://platnosci.example/?IPKSeF=123abcdefghij"
    raw = invoice(payment_due=("2026-12-04",)).replace(
        b"</Platnosc>", f"<LinkDoPlatnosci>{link}</LinkDoPlatnosci></Platnosc>".encode()
    )
    pdf = render_invoice(raw, marks=Marks(kod1_url=KOD1))
    assert link in "\n".join(pages(pdf))
    assert links(pdf) == [KOD1]


def test_fault_X13_a_code_that_is_no_web_address_is_not_clickable() -> None:
    """Only http and https links are."""
    assert links(render_invoice(invoice(), marks=Marks(kod1_url="javascript:alert(1)"))) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff",
        b"<a><b></a>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    ],
)
def test_what_is_not_plain_xml_is_refused(raw: bytes) -> None:
    """No DTD, no entities, no guessing."""
    with pytest.raises(UnreadableInvoice):
        render_invoice(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (invoices.rr_invoice(), ("Faktura VAT RR", "107,00", "FakturaRR", "P_12_1")),
        (invoices.pef_invoice(), ("Faktura PEF", "123,00", "AccountingSupplierParty", "PayableAmount @currencyID")),
        (invoices.fa2_invoice(), ("Faktura", "FA2/1/2026", "Sprzedawca")),
        (b"<zupa><marchew ile='3'>tak</marchew>i tyle</zupa>", ("Dokument", "marchew @ile", "tak", "i tyle")),
        (b"<zupa>sama</zupa>", ("zupa", "sama")),
        (f'<Faktura xmlns="{FA3_NS}"/>'.encode(), ("Dokument",)),
        (f'<Faktura xmlns="{FA3_NS}"><Fa><FaWiersz/></Fa></Faktura>'.encode(), ("Faktura", "Nazwa towaru")),
    ],
)
def test_other_forms_are_readable(raw: bytes, expected: tuple[str, ...]) -> None:
    """Known facts first, then every element with its value."""
    text = text_of(raw, ksef_number=NUMBER)
    for each in expected:
        assert each in text


def test_a_very_deep_tree_is_walked() -> None:
    """Received documents may be stranger than ours; depth does not exhaust the stack."""
    raw = b"<a>" * 250 + b"dno" + b"</a>" * 250
    assert "dno" in text_of(raw)
    blocks = compose(raw, Marks()).blocks
    assert all(depth <= 12 for b in blocks if isinstance(b, Indented) for depth, _, _ in b.items)


xml_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00").filter(
        lambda c: c in "\t\n\r" or (ord(c) >= 0x20 and ord(c) not in (0xFFFE, 0xFFFF))
    ),
    max_size=300,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(
        ["P_2", "P_7", "Nazwa", "AdresL1", "P_15", "P_1", "P_8B", "P_12", "KodWaluty", "RodzajFaktury"]
    ),
    value=xml_text,
)
@example(name="P_15", value="-0000000000000000.00000001")
@example(name="P_12", value="²")
@example(name="P_8B", value="1" * 5000)
def test_any_text_in_any_field_makes_a_pdf(name: str, value: str) -> None:
    """Whatever stands in a field, the document is rendered and the value is in it, as written or in Polish form."""
    raw = with_text(invoice(), name, value)
    assert PdfReader(io.BytesIO(render_invoice(raw))).pages
    shown = {shape(clean(value)) for shape in (str, amount, quantity, day)}
    text = composed(raw)
    assert name in {"P_12", "RodzajFaktury"} or any(form in text for form in shown)


@given(xml_text)
def test_cleaned_text_is_one_printable_line(value: str) -> None:
    """Nothing is left that moves the cursor, turns the direction or hides; cleaning twice changes nothing."""
    once = clean(value)
    assert covered().issuperset(once)
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\n\r\t\x1b") & set(once)
    assert clean(once) == once


def test_direction_marks_are_shown_as_their_code() -> None:
    """A name that reads backwards is itself a fact worth seeing."""
    assert clean("Firma \u202eLP") == "Firma [U+202E]LP"
    assert clean("中") == "[U+4E2D]"
    assert clean("a\r\n\tb\x1b[0m") == "a b [0m"
    assert clean("Zaz\u0307o\u0301łc\u0301") == "Zażółć"


@given(st.text("ab ąW中-", max_size=200).map(clean), st.floats(8, 180), st.booleans())
def test_every_piece_of_a_text_fits_its_place(text: str, room: float, bold: bool) -> None:
    """Between two places where a line may break nothing is wider than the room; without the marks it is the text."""
    marked = breakable(text, room, 8, bold=bold)
    assert all(width(piece, 8, bold=bold) <= room for piece in re.split(f"[ {BREAK}]", marked))
    assert marked.replace(BREAK, "") == text


@given(st.text("ab ąWm…", max_size=200).map(clean), st.floats(8, 180))
def test_a_shortened_line_fits_and_says_that_it_is_shortened(text: str, room: float) -> None:
    """The footer of a document with an endless number stays one line."""
    short = shortened(text, room, 8)
    assert width(short, 8) <= room
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_the_widths_are_those_of_the_fonts() -> None:
    """`advances.json` is what `reduce.py` reads out of the two font files."""
    spec = importlib.util.spec_from_file_location("reduce", FONTS / "reduce.py")
    assert spec is not None
    assert spec.loader is not None
    reduce = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reduce)
    shipped = json.loads((FONTS / "advances.json").read_text(encoding="ascii"))
    files = {"regular": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
    assert shipped == {style: reduce.advances(FONTS / name) for style, name in files.items()}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amount("1234.5"), "1 234,50"),
        (amount("2051"), "2 051,00"),
        (amount("-0.05"), "-0,05"),
        (amount("1234567.12345678"), "1 234 567,12345678"),
        (amount("tysiąc"), "tysiąc"),
        (quantity("1000.50"), "1 000,50"),
        (day("2026-02-01"), "01.02.2026"),
        (day("2026-02-01+01:00"), "01.02.2026+01:00"),
        (day("jutro"), "jutro"),
        (moment("2026-02-01T08:09:10Z"), "01.02.2026 08:09:10 UTC"),
        (account("61109010140000071219812874"), "61 1090 1014 0000 0712 1981 2874"),
        (account("PL61109010140000071219812874"), "PL 61 1090 1014 0000 0712 1981 2874"),
        (account("DE89370400440532013000"), "DE89370400440532013000"),
    ],
)
def test_polish_forms(shown: str, expected: str) -> None:
    """Thousands parted, decimal comma, day first; what is no number or date stays as written."""
    assert shown.replace("\u00a0", " ") == expected
