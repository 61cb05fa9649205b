"""The other half of the hostile corpus: other documents, identifiers, values, shapes, kinds of files, mutants."""

import gzip
import random
from collections.abc import Iterator

from sluza import samples
from sluza.samples import FA3_NS, MUNICIPALITY_NIP, SCHOOL_NIP, attachment_invoice, sized, unit_invoice
from tests.hostile_xml import ISSUER, OK, TODAY, Case, body, case, field, good


def corpus() -> list[Case]:
    """All cases, always the same and in the same order."""
    parts = (_other_documents, _identifiers, _values, _shapes, _files, _mutants)
    return [found for part in parts for found in part()]


def _other_documents() -> Iterator[Case]:
    yield case("form-fa2", samples.fa2_invoice(), "wrong_form")
    yield case("form-fa1", good().replace(FA3_NS.encode(), b"http://crd.gov.pl/wzor/2021/11/29/11089/"), "wrong_form")
    yield case("form-rr", samples.rr_invoice(), "vat_rr")
    yield case("form-pef", samples.pef_invoice(), "wrong_form")
    yield case("form-pef-credit", samples.pef_invoice(credit=True), "wrong_form")
    yield case("form-no-namespace", good().replace(f' xmlns="{FA3_NS}"'.encode(), b""), "wrong_form")
    yield case(
        "form-future", good().replace(FA3_NS.encode(), b"http://crd.gov.pl/wzor/2028/01/01/99999/"), "wrong_form"
    )
    yield case("form-other-root", f'<Naglowek xmlns="{FA3_NS}"/>'.encode(), "wrong_form")
    for root in (
        "JPK",
        "Potwierdzenie",
        "Deklaracja",
        "html",
        "schema",
        "Signature",
        "Envelope",
        "a",
        "faktura",
        "Invoice",
    ):
        yield case(f"document-{root}", f"<{root} xmlns='urn:x'><b/></{root}>".encode(), "wrong_document", "wrong_form")
    yield case("document-wrapped", b"<Koperta>" + good(prolog="") + b"</Koperta>", "wrong_document")
    yield case("document-code-fa2", good().replace(b'"FA (3)"', b'"FA (2)"'), "wrong_form_code")


def _identifiers() -> Iterator[Case]:
    digits = {
        "arabic": "٥٠٨٠٠١٤٤٦٠", "fullwidth": "５０８００１４４６０", "devanagari": "५०८००१४४६०", "bold": "𝟓𝟎𝟖𝟎𝟎𝟏𝟒𝟒𝟔𝟎",
        "mixed": MUNICIPALITY_NIP[:-1] + "０", "superscript": "508001446⁰", "roman": "ⅤⅠⅠⅠ000000",
    }  # fmt: skip
    for name, nip in digits.items():
        yield case(
            f"nip-{name}", good(seller_nip=nip), "non_ascii_digits", "bad_nip", "bad_pattern", "seller_not_municipality"
        )
    wrong = {
        "checksum": "5080014461", "nine": "508001446", "eleven": "50800144600", "prefix": "PL5080014460",
        "dashes": "508-001-44-60",
        "spaces": "508 001 44 60", "zeros": "0000000000", "letters": "508OO1446O", "empty": "",
        "zero-width": "508001446\u200b0",
        "minus": "-508001446", "float": "5080014460.0", "exponent": "5.08e9", "leading-zero": "0080014460",
    }  # fmt: skip
    for name, nip in wrong.items():
        yield case(
            f"nip-seller-{name}",
            good(seller_nip=nip),
            "nip_checksum",
            "bad_nip",
            "bad_pattern",
            "empty_value",
            "too_long",
        )
        yield case(
            f"nip-buyer-{name}",
            good(buyer_nip=nip),
            "nip_checksum",
            "bad_nip",
            "bad_pattern",
            "empty_value",
            "too_long",
        )
    yield case("seller-foreign", good(seller_nip="7770001111" if samples.BUYER_NIP != "7770001111" else "5250000021"),
               "seller_not_municipality", "nip_checksum")  # fmt: skip
    yield case("seller-unit", good(seller_nip=SCHOOL_NIP), "seller_is_unit", "seller_not_municipality")
    yield case("issuer-missing", samples.invoice(number="I/1", issue_date=TODAY), OK)
    yield case(
        "issuer-other",
        unit_invoice(number="I/2", issue_date=TODAY, nip="5250000021"),
        "role7_other_unit",
    )
    yield case(
        "issuer-bad-idwew",
        unit_invoice(number="I/3", issue_date=TODAY, internal_id="5080014460-00012"),
        "internal_id_checksum",
    )
    yield case("issuer-arabic-idwew", unit_invoice(number="I/4", issue_date=TODAY, internal_id="٥٠٨٠٠١٤٤٦٠-٠٠٠١١"),
               "non_ascii_digits", "bad_internal_id", "bad_pattern")  # fmt: skip


def _values() -> Iterator[Case]:
    dates = ("20.11.2026", "2026-13-01", "2026-02-30", "2026-11-20T00:00:00", "0000-11-20", "-2026-11-20",
        "2026/11/20", "٢٠٢٦-١١-٢٠",
             "", "wczoraj", "20261120", "2026-11-2", "99999-01-01", "1066-10-14", "2005-12-31")  # fmt: skip
    for value in dates:
        yield case(
            f"date-{value or 'empty'}".replace("/", "_"),
            field("P_1", value),
            "bad_date",
            "out_of_range",
            "empty_value",
            "bad_pattern",
        )
    yield case("date-future", field("P_1", "2026-11-21"), "issue_date_in_future")
    yield case("date-far-future", field("P_1", "2049-01-01"), "issue_date_in_future")
    for value in ("2026-11-20Z", "2026-11-20+14:00"):
        yield case(
            f"date-zone-{value[10:]}", field("P_1", value), "bad_date", "bad_pattern", "schema_other", "out_of_range"
        )
    for value in (
        "1,00",
        "1 000.00",
        "1e5",
        "NaN",
        "INF",
        "+-1",
        "1.234",
        "",
        "abc",
        "0x10",
        "１２３",
        "1.00 PLN",
        "--1",
        "1.",
        "∞",
        "1_000",
    ):
        yield case(
            f"amount-{value or 'empty'}",
            field("P_15", value),
            "bad_decimal",
            "too_many_decimals",
            "empty_value",
            "bad_pattern",
        )
    yield case("amount-negative", field("P_15", "-123.00", "V/negative"), OK)
    yield case("amount-huge", field("P_15", "9" * 17), "too_many_digits", "bad_pattern", "bad_decimal")
    for value in ("pln", "ZZZ", "", "PL", "zł", "USDD"):
        yield case(
            f"currency-{value or 'empty'}",
            field("KodWaluty", value),
            "bad_currency",
            "bad_choice",
            "bad_code",
            "empty_value",
        )
    for value in ("vat", "FAKTURA", "", "VAT2", "KOR KOR"):
        yield case(
            f"kind-{value or 'empty'}",
            field("RodzajFaktury", value),
            "bad_choice",
            "bad_code",
            "empty_value",
            "missing_element",
            "unexpected_element",
        )
    yield case("number-empty", good(""), "empty_value", "too_short", "bad_pattern")
    yield case("number-blank", good("   "), "empty_value", "too_short", "bad_pattern")
    yield case("number-257", good("9" * 257), "too_long", "bad_pattern")


def _shapes() -> Iterator[Case]:
    for name in ("P_1", "P_2", "RodzajFaktury", "KodWaluty", "P_15"):
        text = good("S/1").decode()
        start, end = text.index(f"<{name}>"), text.index(f"</{name}>") + len(name) + 3
        yield case(f"missing-{name}", (text[:start] + text[end:]).encode(), "missing_element", "unexpected_element")
        yield case(
            f"twice-{name}",
            (text[:end] + text[start:end] + text[end:]).encode(),
            "unexpected_element",
            "repeated_element",
        )
        nested = text[:start] + f"<{name}><b>x</b></{name}>" + text[end:]
        yield case(
            f"nested-{name}",
            nested.encode(),
            "unknown_element",
            "schema_other",
            "unexpected_element",
            "text_between_elements",
        )
        cased = text[:start] + text[start:end].replace(name, name.lower()) + text[end:]
        yield case(f"case-{name}", cased.encode(), "unknown_element", "unexpected_element")
    for part in ("Podmiot1", "Podmiot2", "Fa", "Naglowek"):
        text = good("S/2").decode()
        start, end = text.index(f"<{part}>"), text.index(f"</{part}>") + len(part) + 3
        yield case(f"without-{part}", (text[:start] + text[end:]).encode(), "missing_element", "unexpected_element")
    yield case("text-between", good().replace(b"<Fa>", b"<Fa>tekst"), "text_between_elements")
    yield case("foreign-element", body('<x:P_1 xmlns:x="urn:x">1</x:P_1>'), "foreign_element", "unexpected_element")
    yield case(
        "namespace-undone",
        good().replace(b"<Fa>", b'<Fa xmlns="">'),
        "foreign_element",
        "unexpected_element",
        "missing_element",
    )
    yield case("attribute", good().replace(b"<Fa>", b"<Fa onclick='x'>"), "unexpected_attribute")


def _files() -> Iterator[Case]:
    yield case("file-empty", b"", "empty_file")
    yield case("file-blank", b" \r\n\t", "empty_file")
    others = {
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "gzip": gzip.compress(good(), mtime=0),
        "7z": b"7z\xbc\xaf\x27\x1c" + b"\1" * 30,
        "png": b"\x89PNG\r\n\x1a\n" + b"\1" * 20, "jpeg": b"\xff\xd8\xff\xe0" + b"\1" * 20, "rtf": b"{\\rtf1 x}",
        "ole": b"\xd0\xcf\x11\xe0\xa1\xb1",
        "json": b'{"faktura": 1}', "csv": b"NIP;Numer\r\n1;2\r\n", "exe": b"MZ\x90\x01\x03",
        "elf": b"\x7fELF\x02\x01\x01", "bzip2": b"BZh91AY&SY",
        "xz": b"\xfd7zXZ\x01", "rar": b"Rar!\x1a\x07\x01", "text": "Zażółć gęślą jaźń".encode(),
        "eml": b"From: a\r\n\r\n", "base64": b"PD94bWwg",
        "tar": b"faktura.xml" + b"\1" * 300, "sqlite": b"SQLite format 3\1", "shell": b"#!/bin/sh\nid\n",
        "null-word": b"null", "zero": b"0",
    }  # fmt: skip
    for name, raw in others.items():
        yield case(f"file-{name}", raw, "not_xml")
    yield case("size-1000001", sized(good("Z/1"), 1_000_001), "too_big")
    yield case("size-3000000", sized(good("Z/2"), 3_000_000), "too_big")
    yield case("size-attachment", sized(attachment_invoice(number="Z/3", third_parties=ISSUER), 3_000_001), "too_big")
    yield case("size-pretended", sized(good("Z/4", footer="Zalacznik"), 1_000_001), "too_big")


def _mutants(seed: int = 20261126, count: int = 120) -> Iterator[Case]:
    """Good invoices with pieces cut out, repeated, exchanged; whatever comes of it, there is one clear verdict."""
    dice = random.Random(seed)
    pieces = (b"<", b">", b"&", b"</Fa>", b"<P_1/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x?>", b"&#0;", b'"',
        b"\0",
              b"\xff", b"\xef\xbb\xbf", "ż".encode("cp1250"), b"<!DOCTYPE x>", b"xmlns=''", b"=")  # fmt: skip
    for index in range(count):
        raw = good(f"MUT/{index}")
        for _ in range(dice.randint(1, 3)):
            start = dice.randrange(len(raw))
            end = min(len(raw), start + dice.randrange(40))
            piece = dice.choice(
                (b"", dice.choice(pieces), dice.choice(pieces[:13]), raw[start:end] * 2, dice.randbytes(1))
            )
            raw = raw[:start] + piece + raw[end:]
        yield Case(f"mutant-{seed}-{index}", raw, frozenset())
