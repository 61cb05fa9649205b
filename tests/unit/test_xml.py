"""`spool.xml.examine` and `read_received`: the byte rules of KSeF, both ways, and the facts of every form."""

import hashlib
import re
import socket
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bench import documents
from sluza import samples as invoices
from sluza.samples import invoice
from spool.domain.document import FormCode, ThirdParty, facts_from_dict
from spool.xml import SizeLimits, examine, read_received, schema
from spool.xml.parser import parse

SAMPLES = Path(__file__).parents[3] / "shared" / "ksef" / "data" / "samples"
SECRET = "canary-7f3a"


def codes(raw: bytes) -> list[str]:
    """The codes of everything that is refused."""
    return [p.code for p in examine(raw).problems]


def with_prolog(prolog: str) -> bytes:
    """An ordinary invoice behind another prolog."""
    return invoice(prolog=prolog)


def with_number(number: str) -> bytes:
    """An ordinary invoice whose number is this raw XML."""
    return invoice(number="NUMER").replace(b"NUMER", number.encode())


# ---- what is in order


WRITTEN = (
    *("0", "-0", "00", "1", "01", "+1", "-1", "--1", "1.", ".5", "0.5", "-0.50", "1.234", "1,5", "1e3", "1 000", ""),
    *("12345678901234567", "1234567890123456.12", "99999999999999.12345678", "0.000000001", "1" * 14, "1" * 15),
    *(
        "\u0661",
        "1\u0662",
        "NaN",
        "INF",
        " 1 ",
        "\n1.5\t",
        "\u00a01",
        "1<!-- x -->2",
        "<![CDATA[3]]>",
        "&#49;",
        "1<x/>",
    ),
    *("23", "22", " 23", "23<!-- -->", "zw", "ZW", "0 KR", "0  KR", "0 KR ", "np I", "np II", "np  II", "oo", "2"),
)
"""Numbers and rates of tax as somebody may write them."""


@pytest.mark.parametrize("name", ["P_8B", "P_9A", "P_11", "P_12", "NrWierszaFa", "P_15"])
def test_the_quick_yes_is_never_another_than_the_schemas(name: str) -> None:
    """What the schema of plain values takes, the ministry's takes; and it takes what programs write."""
    raw = next(documents.invoices(1, size=2000))
    before, value, behind = re.split(rf"(?<=<{name}>)([^<]*)", raw.decode(), maxsplit=1)
    for written in (value, *WRITTEN):
        root = parse((before + written + behind).encode())
        quick = schema.fa3_plain_values().validate(root)
        assert not quick or schema.fa3().validate(root), written
        assert quick or written != value


def test_no_field_has_a_type_that_a_plain_value_could_stand_in_for() -> None:
    """`xsi:type` may name any type derived from that of the field: none is derived from mere text that was not."""
    for path in schema.schema_directory().glob("*.xsd"):
        for field in etree.parse(str(path)).iter("{http://www.w3.org/2001/XMLSchema}element"):
            kind = field.get("type", "")
            assert kind in {"xsd:integer", ""} or not kind.startswith("xsd:"), (path, field.get("name"))
            assert kind or field.get("ref") or len(field), (path, field.get("name"))


@pytest.mark.parametrize("name", invoices.valid_samples())
def test_every_sample_of_ours_is_in_order(name: str) -> None:
    """Each kind of invoice that a town issues passes, and its bytes are named by their SHA-256."""
    raw = invoices.valid_samples()[name]
    found = examine(raw)
    assert found.problems == ()
    assert found.ok
    assert found.complete
    assert found.sha256 == hashlib.sha256(raw).hexdigest()
    assert found.facts is not None
    assert facts_from_dict(found.facts.as_dict()) == found.facts


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the ministry's samples are not beside the project")
def test_the_ministrys_thirteen_samples_are_in_order() -> None:
    """All published samples pass; the made-up KSeF numbers in some of them are only warned of."""
    files = sorted(SAMPLES.glob("*.xml"))
    assert len(files) == 13
    for file in files:
        found = examine(file.read_bytes())
        assert found.problems == (), file.name
        assert {p.code for p in found.warnings} <= {"ksef_number_checksum"}, file.name


def test_facts_are_those_of_the_file() -> None:
    """Every field of the facts is read from its place."""
    unit = ThirdParty("7", "", invoices.SCHOOL_IDWEW, "Szkoła")
    raw = invoice(
        number=" FV  1/2026", third_parties=(unit, ThirdParty()), jst="1", gv="2", payment_due=(date(2026, 12, 4),)
    )
    facts = examine(raw).facts
    assert facts is not None
    assert (facts.form, facts.kind, facts.currency, facts.gross) == (FormCode.FA3, "VAT", "PLN", "123.00")
    assert (facts.seller_nip, facts.buyer_nip) == (invoices.MUNICIPALITY_NIP, invoices.BUYER_NIP)
    assert (facts.number, facts.number_key) == (" FV  1/2026", "FV 1/2026")
    assert facts.issue_date == date(2026, 11, 20)
    assert (facts.flag_jst, facts.flag_gv) == ("1", "2")
    assert facts.third_parties[0] == unit
    assert facts.third_parties[1].role == ""
    assert facts.payment_due == ("2026-12-04",)
    assert not facts.self_invoicing
    assert not facts.has_attachment


def test_facts_of_corrections_name_their_originals() -> None:
    """A KSeF number of the original and an original from outside KSeF are told apart."""
    originals = (
        invoices.Corrected("FV/1/2026", ksef_number=invoices.ksef_number_for()),
        invoices.Corrected("FV/2/2026"),
    )
    facts = examine(invoices.correction(corrects=originals)).facts
    assert facts is not None
    assert [c.ksef_number for c in facts.corrected if c.ksef_number] == [invoices.ksef_number_for()]
    assert [c.number for c in facts.corrected if c.outside_ksef] == ["FV/2/2026"]


@pytest.mark.parametrize(
    ("raw", "other_id"),
    [(invoices.eu_invoice(), "DE123456789"), (invoices.foreign_invoice(), "GB GB-77 1234")],
)
def test_facts_of_foreign_buyers_carry_their_own_number(raw: bytes, other_id: str) -> None:
    """A buyer without NIP is identified by its other number."""
    facts = examine(raw).facts
    assert facts is not None
    assert (facts.buyer_nip, facts.buyer_other_id) == ("", other_id)


def test_self_invoicing_is_a_fact() -> None:
    """`P_17`=1 is read as self-invoicing."""
    facts = examine(invoice(self_invoicing=True)).facts
    assert facts is not None
    assert facts.self_invoicing


@pytest.mark.parametrize("within", [" <!-- rok -->FV/1", " <![CDATA[FV/1]]>"])
def test_a_blank_before_a_comment_belongs_to_its_value(within: str) -> None:
    """Only what lies between elements is thrown away."""
    assert examine(with_number(within)).facts.number == " FV/1"  # type: ignore[union-attr]


def test_comments_and_cdata_do_not_split_a_value() -> None:
    """A value interrupted by a comment or written as CDATA is read whole."""
    facts = examine(with_number("FV<!-- rok -->/<![CDATA[1]]>/2026")).facts
    assert facts is not None
    assert facts.number == "FV/1/2026"


# ---- X01, X02: entities, DTDs, external references

DOCTYPES = {
    "empty": "<!DOCTYPE Faktura>",
    "external_file": '<!DOCTYPE Faktura SYSTEM "file://{file}">',
    "external_http": '<!DOCTYPE Faktura SYSTEM "http://127.0.0.1:{port}/x.dtd">',
    "public": '<!DOCTYPE Faktura PUBLIC "-//X//Y" "http://127.0.0.1:{port}/x.dtd">',
    "entity": '<!DOCTYPE Faktura [<!ENTITY x SYSTEM "file://{file}">]>',
    "parameter_entity": '<!DOCTYPE Faktura [<!ENTITY % x SYSTEM "http://127.0.0.1:{port}/">%x;]>',
    "billion_laughs": '<!DOCTYPE Faktura [<!ENTITY a "lol">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10)
    ) + "]>",
    "quadratic": '<!DOCTYPE Faktura [<!ENTITY x "' + "A" * 100_000 + '">]>',
    "default_attribute": '<!DOCTYPE Faktura [<!ATTLIST KodFormularza kodSystemowy CDATA "FA (3)">]>',
    "lower_case": "<!doctype Faktura>",
    "after_comment": "<!-- <a> --><!DOCTYPE Faktura>",
}  # fmt: skip


@pytest.fixture
def canary(tmp_path: Path):
    """A file and a port that nobody may touch; yields the values for a template, fails on any connection."""
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield {"file": str(file), "port": server.getsockname()[1]}
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"])
@pytest.mark.parametrize("name", DOCTYPES)
def test_fault_X01_doctype_is_refused_in_every_encoding(name: str, encoding: str, canary: dict[str, object]) -> None:
    """No DOCTYPE passes, nothing is fetched or read for it, and none is expanded, which would take for ever."""
    doctype = DOCTYPES[name].replace("{file}", str(canary["file"])).replace("{port}", str(canary["port"]))
    raw = with_prolog(doctype).replace(b"FV/1/2026", b"&x;").decode().encode(encoding)
    start = time.thread_time()
    found = examine(raw)
    received = read_received(raw)
    assert time.thread_time() - start < 10
    assert found.problems
    assert encoding not in {"utf-8", "utf-8-sig"} or "xml_doctype" in [p.code for p in found.problems]
    assert SECRET not in repr((found, received))
    assert received.number == ""


def test_fault_X01_doctype_in_comment_or_cdata_is_only_text() -> None:
    """The word inside a comment or a CDATA section is no DOCTYPE and passes."""
    assert codes(with_prolog("<!-- <!DOCTYPE html> -->")) == []
    assert codes(with_number("<![CDATA[<!DOCTYPE x>]]>")) == []


def test_fault_X02_no_reference_is_ever_followed(canary: dict[str, object]) -> None:
    """`xsi:schemaLocation` and `xml:base` are left alone, XInclude is an unknown field; nothing connects."""
    url = f"http://127.0.0.1:{canary['port']}/x"
    xsi = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x {url}"'
    assert codes(invoice().replace(b"<Faktura ", f"<Faktura {xsi} ".encode())) == []
    ours = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{invoices.FA3_NS} {url}"'
    assert codes(invoice().replace(b"<Faktura ", f"<Faktura {ours} ".encode()).replace(b"P_15", b"P_99"))
    based = invoice().replace(b"<Fa>", f'<Fa xml:base="{url}">'.encode())
    assert codes(based) == ["unexpected_attribute"]
    xinclude = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{canary["file"]}" parse="text"/>'
    found = examine(with_number(xinclude))
    assert found.problems
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "raw",
    [
        with_prolog('<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?>'),
        with_prolog("<?foo?>"),
        invoice().replace(b"<Fa>", b"<Fa><?foo bar?>"),
        invoice() + b"<?foo?>",
    ],
)
def test_fault_X02_processing_instruction_is_refused_anywhere(raw: bytes) -> None:
    """A processing instruction before, inside or after the root is refused, with its line."""
    problem = examine(raw).problems[0]
    assert problem.code == "xml_processing_instruction"
    assert problem.line


def test_fault_X02_instruction_in_comment_or_cdata_is_only_text() -> None:
    """What looks like an instruction inside a comment or CDATA passes."""
    assert codes(with_prolog("<!-- <?php ?> -->")) == []
    assert codes(with_number("<![CDATA[<?x?>]]>")) == []


def test_the_schema_comes_from_the_package_and_never_from_the_network() -> None:
    """The ministry's addresses map to files beside one another, and any other address is refused."""
    directory = schema.schema_directory()
    assert schema.local_address("http://crd.gov.pl/xml/schematy/a/b/X.xsd") == str(directory / "X.xsd")
    with pytest.raises(schema.SchemaMissing):
        schema.local_address("http://example.com/X.xsd")


# ---- X03: floods


def _floods() -> dict[str, bytes]:
    base = invoice()
    many = 240_000
    return {
        "attributes": base.replace(b"<Fa>", b"<Fa " + b" ".join(b"a%d='1'" % i for i in range(100_000)) + b">"),
        "namespaces": base.replace(b"<Fa>", b"<Fa " + b" ".join(b"xmlns:a%d='u'" % i for i in range(50_000)) + b">"),
        "nesting": base.replace(b"<Fa>", b"<Fa>" + b"<a>" * 100_000 + b"</a>" * 100_000),
        "nesting_allowed_by_libxml2": base.replace(b"<Fa>", b"<Fa>" + b"<a>" * 240 + b"</a>" * 240),
        "children": base.replace(b"<Fa>", b"<Fa>" + b"<b/>" * many),
        "rows": base.replace(b"</Fa>", b"<FaWiersz/>" * 80_000 + b"</Fa>"),
        "comments": base.replace(b"<Fa>", b"<Fa>" + b"<!---->" * 140_000),
        "open_comments": base.replace(b"<Fa>", b"<Fa>" + b"<!--" * many),
        "open_cdata": base.replace(b"<Fa>", b"<Fa>" + b"<![CDATA[" * 100_000),
        "references": with_number("&#65;" * 190_000),
        "long_reference": with_number("&#" + "1" * 900_000 + ";"),
        "long_value": with_number("x" * 990_000),
        "long_name": base.replace(b"<Fa>", b"<Fa><" + b"a" * 900_000 + b"/>"),
        "digits": base.replace(b">123.00<", b">" + b"1" * 900_000 + b"<"),
        "pattern": base.replace(
            b"</Fa>",
            b"<Platnosc><LinkDoPlatnosci>https://" + b"a-." * 300_000 + b"</LinkDoPlatnosci></Platnosc></Fa>",
        ),
    }


@pytest.mark.parametrize("name", _floods())
def test_fault_X03_floods_are_judged_within_bounds(name: str) -> None:
    """A flood of anything costs about a second of a worker, and only its own document; a worse way through it, minutes.

    Of this thread only, and ten seconds: this process carries what a thousand tests have left, unlike a worker.
    """
    raw = _floods()[name]
    start = time.thread_time()
    examine(raw)
    read_received(raw)
    assert time.thread_time() - start < 10


# ---- X05: sizes


@pytest.mark.parametrize(
    ("raw", "size", "refused"),
    [
        (invoice(), 1_000_000, False),
        (invoice(), 1_000_001, True),
        (invoices.attachment_invoice(), 1_000_001, False),
        (invoices.attachment_invoice(), 3_000_000, False),
        (invoices.attachment_invoice(), 3_000_001, True),
        (invoice(footer="Zalacznik"), 1_000_001, True),
    ],
)
def test_fault_X05_sizes_are_exact(raw: bytes, size: int, refused: bool) -> None:
    """1,000,000 bytes pass, 3,000,000 with a real attachment, and one byte more does not."""
    assert codes(invoices.sized(raw, size)) == (["too_big"] if refused else [])


def test_fault_X05_limits_of_the_context_are_obeyed() -> None:
    """Other limits than the usual can be given."""
    assert [p.code for p in examine(invoice(), limits=SizeLimits(100, 200)).problems] == ["too_big"]


def test_fault_X05_a_huge_file_is_refused_without_parsing() -> None:
    """Far over the limit the answer comes at once, whatever is inside."""
    start = time.thread_time()
    assert codes(b"<a>" * 30_000_000) == ["too_big"]
    assert time.thread_time() - start < 10


# ---- D01: half-written files


def test_fault_D01_every_beginning_of_an_invoice_is_incomplete() -> None:
    """A good invoice cut anywhere looks unfinished, so that the watcher may wait."""
    raw = invoices.unit_invoice(prolog='<?xml version="1.0" encoding="UTF-8"?><!-- ż -->', footer="Łódź").rstrip()
    for end in range(1, len(raw)):
        found = examine(raw[:end])
        assert not found.complete, raw[:end]
        assert [p.code for p in found.problems] == ["incomplete_file"], raw[:end]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_file"),
        (b"\r\n ", "empty_file"),
        (b"\0" * 1000, "incomplete_file"),
        (invoice() + b"\0" * 100, "incomplete_file"),
        (invoice()[:700] + b"\0" * 100, "incomplete_file"),
        (b"\0" * 500 + invoice()[500:], "incomplete_file"),
    ],
)
def test_fault_D01_empty_and_preallocated_files_are_incomplete(raw: bytes, code: str) -> None:
    """Nothing, and space allocated but not yet written, may still become an invoice."""
    found = examine(raw)
    assert not found.complete
    assert [p.code for p in found.problems] == [code]


@pytest.mark.parametrize("raw", [invoice().replace(b"</P_1>", b"</P_2>"), b"%PDF-1.7", b"<a></a><b/>", b"<a>&x y</a>"])
def test_a_broken_file_is_not_taken_for_a_growing_one(raw: bytes) -> None:
    """What no continuation can mend is refused at once."""
    assert examine(raw).complete


# ---- received documents


def test_received_documents_of_every_form_are_read() -> None:
    """FA(3), FA(2), FA_RR and both PEF kinds yield form, parties, number and date."""
    expected = {
        invoices.purchase_for_unit(number="A/1"): (FormCode.FA3, "A/1", invoices.BUYER_NIP),
        invoices.fa2_invoice(): (FormCode.FA2, "FA2/1/2026", invoices.BUYER_NIP),
        invoices.rr_invoice(): (FormCode.FA_RR, "RR/1/2026", "5250000021"),
        invoices.pef_invoice(): (FormCode.PEF, "PEF/1/2026", invoices.BUYER_NIP),
        invoices.pef_invoice(credit=True): (FormCode.PEF_KOR, "PEF/1/2026", invoices.BUYER_NIP),
    }
    for raw, (form, number, seller) in expected.items():
        facts = read_received(raw)
        assert (facts.form, facts.number, facts.seller_nip) == (form, number, seller)
        assert facts.buyer_nip == invoices.MUNICIPALITY_NIP
        assert facts.issue_date == date(2026, 11, 20)
        assert facts.gross


def test_received_documents_are_read_leniently() -> None:
    """What the schema would refuse is read all the same, and old habits such as a BOM do not matter."""
    facts = read_received(b"\xef\xbb\xbf" + invoice(issue_date="2026-13-45", number="X" * 300, seller_nip="123"))
    assert (facts.form, facts.issue_date, facts.seller_nip, len(facts.number)) == (FormCode.FA3, None, "123", 300)


@pytest.mark.parametrize("raw", [b"", b"\0", b"<a/>", b"not xml", b"\xff\xfe<", b"<a>" * 10, b"<Invoice xmlns='x'/>"])
def test_fault_X27_strange_received_bytes_yield_empty_facts(raw: bytes) -> None:
    """What is not understood is UNKNOWN and empty, never an exception."""
    assert read_received(raw).form is FormCode.UNKNOWN


@pytest.mark.parametrize("amount", ["9E+999999", "NaN", "sNaN", "-Infinity", "1e5", "x"])
def test_fault_X27_amounts_that_are_no_amounts_yield_no_tax(amount: str) -> None:
    """A supplier writes what only a computer takes for a number: read without it, never an exception."""
    raw = invoice().replace(b"<P_13_1>", f"<P_14_1>{amount}</P_14_1><P_14_2>{amount}</P_14_2><P_13_1>".encode())
    assert b"P_14_2" in raw
    assert read_received(raw).vat in {"", "200000"}


def test_fault_X03_facts_of_a_flood_stay_small() -> None:
    """A refused megabyte in one field is not carried into every list that shows the document."""
    raw = invoice(number="9" * 400_000, buyer_name="x" * 400_000, buyer_nip="1" * 100_000)
    facts = examine(raw).facts
    assert facts is not None
    assert len(repr(facts)) < 10_000
    assert facts.number.startswith("999")


def test_an_unknown_faktura_is_read_by_its_form_code() -> None:
    """A `Faktura` of a namespace not yet known is read as far as the fields go (K11)."""
    raw = invoice().replace(invoices.FA3_NS.encode(), b"http://crd.gov.pl/wzor/2028/01/01/99999/")
    assert read_received(raw).number == "FV/1/2026"


# ---- never raises


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(raw: bytes) -> None:
    """Any bytes get a verdict: a problem, or in order."""
    assert examine(raw).problems
    read_received(raw)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_invoices_never_raise(data: st.DataObject) -> None:
    """An invoice with a piece cut out, put in or repeated gets a verdict, and each problem is a whole sentence."""
    raw = data.draw(st.sampled_from(list(invoices.valid_samples().values())))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 80)))
        piece = data.draw(st.one_of(st.binary(max_size=12), st.sampled_from(PIECES), st.just(raw[start:end] * 2)))
        raw = raw[:start] + piece + raw[end:]
    for problem in examine(raw).problems:
        assert problem.message.endswith((".", "!"))
        assert problem.hint
    read_received(raw)


PIECES = [b"<", b">", b"&", b"</Fa>", b"<P_1/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x?>", b"&#0;", b'"', b"\0"]


def test_the_same_bytes_always_get_the_same_answer() -> None:
    """Nothing is kept from one document to the next."""
    raw = invoice().replace(b"<P_15>", b"<P_15>x")
    first = examine(raw)
    examine(invoice(issue_date="x"))
    assert examine(raw) == first
