"""What the PDF says of itself: PDF/A-3b with the invoice attached.

Our own check of the marks that the standard asks for (no validator is at hand for offline tests): it finds what we
might forget, and is no validator's verdict.
"""

import io
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pypdf import PdfReader

from gateway.render import Arms, Marks, render_invoice
from gateway.render.compose import attachment_name
from sluza import samples as invoices
from sluza.samples import invoice
from tests.pictures import require_tools, text_of

NUMBER = invoices.ksef_number_for()
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4" fill="#c00"/></svg>'
RDF = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "pdfaid": "http://www.aiim.org/pdfa/ns/id/",
    "dc": "http://purl.org/dc/elements/1.1/",
}


def opened(raw: bytes | None = None, **marks: Any) -> PdfReader:
    """A rendered invoice, read back."""
    return PdfReader(io.BytesIO(render_invoice(raw or invoice(), marks=Marks(**marks))))


def xmp(pdf: PdfReader) -> etree._Element:
    """The metadata packet."""
    return etree.fromstring(pdf.trailer["/Root"]["/Metadata"].get_object().get_data())


def claimed(packet: etree._Element, name: str) -> list[str]:
    """A property of the packet, as element or as attribute."""
    space, local = name.split(":")
    found = packet.iterfind(f".//{{{RDF[space]}}}{local}")
    texts = ["".join(str(text) for text in element.itertext()).strip() for element in found]
    return texts + [v for e in packet.iter() for k, v in e.attrib.items() if k == f"{{{RDF[space]}}}{local}"]


def test_it_claims_part_3_conformance_b() -> None:
    """XMP names the standard, an output intent names the colours, and nothing is encrypted."""
    pdf = opened(ksef_number=NUMBER)
    packet = xmp(pdf)
    assert claimed(packet, "pdfaid:part") == ["3"]
    assert claimed(packet, "pdfaid:conformance") == ["B"]
    intents = pdf.trailer["/Root"]["/OutputIntents"]
    assert [intent.get_object()["/S"] for intent in intents] == ["/GTS_PDFA1"]
    assert not pdf.is_encrypted
    assert "/ID" in pdf.trailer


def test_every_font_is_embedded(tmp_path: Path) -> None:
    """Another computer, in ten years, needs no font of its own; every font is our subset with its Unicode table."""
    require_tools("pdffonts")
    (tmp_path / "f.pdf").write_bytes(render_invoice(invoice(), marks=Marks(ksef_number=NUMBER)))
    listed = subprocess.run(["pdffonts", "f.pdf"], cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = listed.stdout.splitlines()[2:]
    assert len(rows) == 2
    assert all(re.search(r"\+DejaVuSans.* yes yes yes ", row) for row in rows)


@pytest.mark.parametrize(
    "raw",
    [
        invoice(),
        b"\xef\xbb\xbf" + invoice(),
        invoice().replace(b"\n", b"\r\n"),
    ],
    ids=["plain", "byte-order mark", "CRLF"],
)
def test_the_attached_invoice_is_the_same_to_the_byte(raw: bytes) -> None:
    """Byte-order mark and line ends included: its hash must lead to KSeF."""
    assert opened(raw, ksef_number=NUMBER).attachments == {f"{NUMBER}.xml": [raw]}


def test_the_attachment_is_the_source_of_the_page() -> None:
    """As PDF/A-3 asks: associated with the document, with its relationship and media type."""
    (entry,) = opened().trailer["/Root"]["/AF"]
    found = entry.get_object()
    assert found["/AFRelationship"] == "/Source"
    assert found["/EF"]["/F"].get_object()["/Subtype"] == "/application/xml"
    assert found["/UF"] == "FV-1-2026.xml"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("FV/1/2026", "FV-1-2026.xml"),
        ("../../etc/passwd", "etc-passwd.xml"),
        ("Żółć 1", "1.xml"),
        ("...", "faktura.xml"),
        ("", "faktura.xml"),
        ("9" * 300, "9" * 80 + ".xml"),
    ],
)
def test_fault_X08_the_name_of_the_attachment_is_no_path(number: str, expected: str) -> None:
    """Whoever saves it gets a file with a harmless name."""
    assert attachment_name(number) == expected


def test_it_says_in_polish_what_it_is() -> None:
    """Title and language, for the window of the reader program and for speech."""
    pdf = opened(kod1_url="https://qr.ksef.mf.gov.pl/x", title="Potwierdzenie transakcji")
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Potwierdzenie transakcji FV/1/2026"
    assert claimed(xmp(pdf), "dc:title") == ["Potwierdzenie transakcji FV/1/2026"]
    assert pdf.trailer["/Root"]["/Lang"] == "pl"


def test_the_words_around_the_codes_can_be_searched(tmp_path: Path) -> None:
    """Another program finds the title, the captions below the codes, the links and the Polish letters."""
    require_tools("pdftotext")
    kod1, kod2 = "https://qr-test.ksef.mf.gov.pl/invoice/1", "https://qr-test.ksef.mf.gov.pl/certificate/2"
    before = Marks(kod1_url=kod1, kod2_url=kod2, title="Potwierdzenie transakcji", status=("Zażółć gęślą jaźń",))
    after = Marks(kod1_url=kod1, ksef_number=NUMBER)
    for marks, expected in (
        (before, ("Potwierdzenie transakcji", "OFFLINE", "CERTYFIKAT", "Zażółć gęślą jaźń", "„Źródło”", kod1, kod2)),
        (after, ("Faktura", f"\n{NUMBER}\n", kod1)),
    ):
        (tmp_path / "f.pdf").write_bytes(render_invoice(invoice(), marks=marks))
        found = text_of(tmp_path / "f.pdf")
        assert [word for word in expected if word not in found] == []


def test_the_creation_date_is_the_one_given() -> None:
    """No clock is asked: the date is that of the document."""
    when = datetime(2026, 11, 20, 8, 30, 15, tzinfo=UTC)
    pdf = opened(created=when)
    assert pdf.metadata is not None
    assert pdf.metadata.creation_date == when


def test_the_coat_of_arms_leaves_the_claim_as_it_is() -> None:
    """With a picture in the title it is the same standard."""
    assert claimed(xmp(opened(arms=Arms(SVG), unit="Szkoła Podstawowa nr 1")), "pdfaid:part") == ["3"]
