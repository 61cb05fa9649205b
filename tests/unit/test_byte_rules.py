"""The byte rules of KSeF, neither stricter nor laxer (X04): every freedom passes, every breach is refused."""

import pytest

from sluza.samples import invoice
from spool.xml import examine


def codes(raw: bytes) -> list[str]:
    """The codes of everything that is refused."""
    return [p.code for p in examine(raw).problems]


def with_prolog(prolog: str) -> bytes:
    """An ordinary invoice behind another prolog."""
    return invoice(prolog=prolog)


def with_number(number: str) -> bytes:
    """An ordinary invoice whose number is this raw XML."""
    return invoice(number="NUMER").replace(b"NUMER", number.encode())


ALLOWED = {
    "no_declaration": with_prolog(""),
    "version_only": with_prolog('<?xml version="1.0"?>'),
    "single_quotes": with_prolog("<?xml version='1.0' encoding='UTF-8'?>"),
    "lower_case": with_prolog('<?xml version="1.0" encoding="utf-8"?>'),
    "mixed_case": with_prolog('<?xml version="1.0" encoding="Utf-8" ?>'),
    "standalone": with_prolog('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'),
    "blanks_in_declaration": with_prolog('<?xml  version = "1.0"\n encoding = "UTF-8" ?>'),
    "blank_before_root": with_prolog("\n\n "),
    "comment_before_root": with_prolog('<?xml version="1.0"?><!-- komentarz -->'),
    "crlf": invoice().replace(b"\n", b"\r\n"),
    "cr": invoice().replace(b"\n", b"\r"),
    "trailing_blank_lines": invoice() + b"\n\n\t ",
    "next_line_85": with_number("FV\u0085/1"),
    "no_break_space": with_number("FV\u00a0/1"),
    "soft_hyphen": with_number("FV\u00ad/1"),
    "latin_a0": with_number("§«»"),
    "private_use": with_number("\ue000\uf8ff"),
    "replacement_character": with_number("\ufffd"),
    "fdcf_and_fdf0": with_number("\ufdcf\ufdf0"),
    "emoji": with_number("FV 😀"),
    "plane_1_before_end": with_number("\U0001fffd"),
    "bom_as_character_inside": with_number("FV\ufeff1"),
    "references": with_number("&#70;&#x56;&amp;&lt;&gt;&quot;&apos;"),
    "reference_as_text_in_cdata": with_number("<![CDATA[&#x7F;]]>"),
    "prefix": invoice().replace(b"xmlns=", b"xmlns:f=").replace(b"</", b"</f:").replace(b"<", b"<f:")
    .replace(b"<f:/f:", b"</f:").replace(b"<f:?", b"<?"),
}  # fmt: skip

REFUSED = {
    "bom": (b"\xef\xbb\xbf" + invoice(), "xml_bom"),
    "utf_16": (invoice().decode().encode("utf-16"), "xml_encoding"),
    "utf_16_without_bom": (invoice().decode().encode("utf-16-le"), "xml_encoding"),
    "utf_32": (invoice().decode().encode("utf-32"), "xml_encoding"),
    "windows_1250": (invoice(buyer_name="Żółć sp. z o.o. Łąka ś").decode().encode("cp1250", "replace"), "xml_encoding"),
    "iso_8859_2": (invoice(buyer_name="Żółć ąśź").decode().encode("iso-8859-2", "replace"), "xml_encoding"),
    "utf_7": (b"+ADw-?xml version=+ACI-1.0+ACI-?+AD4-", "not_xml"),
    "declared_windows_1250": (with_prolog('<?xml version="1.0" encoding="windows-1250"?>'), "xml_encoding_declared"),
    "declared_utf_16": (with_prolog('<?xml version="1.0" encoding="UTF-16"?>'), "xml_encoding_declared"),
    "declared_utf_7": (with_prolog('<?xml version="1.0" encoding="UTF-7"?>'), "xml_encoding_declared"),
    "declared_ascii": (with_prolog('<?xml version="1.0" encoding="US-ASCII"?>'), "xml_encoding_declared"),
    "declared_without_hyphen": (with_prolog('<?xml version="1.0" encoding="utf8"?>'), "xml_encoding_declared"),
    "version_1_1": (with_prolog('<?xml version="1.1" encoding="UTF-8"?>'), "xml_version"),
    "blank_before_declaration": (with_prolog('\n<?xml version="1.0"?>'), "xml_declaration_misplaced"),
    "overlong": (invoice().replace(b"FV", b"\xc1\x86V"), "xml_not_utf8"),
    "surrogate": (invoice().replace(b"FV", b"\xed\xa0\x80"), "xml_not_utf8"),
    "beyond_unicode": (invoice().replace(b"FV", b"\xf4\x90\x80\x80"), "xml_not_utf8"),
    "lone_continuation": (invoice().replace(b"FV", b"\x80\x81"), "xml_not_utf8"),
    "control": (with_number("FV\x01"), "xml_control_character"),
    "nul_inside": (with_number("FV\x00"), "xml_control_character"),
    "fffe": (with_number("\ufffe"), "xml_control_character"),
    "control_reference": (with_number("&#1;"), "xml_control_character"),
    "surrogate_reference": (with_number("&#xD800;"), "xml_control_character"),
    "discouraged_in_comment": (with_prolog("<!-- \x7f -->"), "xml_discouraged_character"),
    "discouraged_reference": (with_number("&#x7F;"), "xml_discouraged_character"),
    "discouraged_long_reference": (with_number("&#x00000000000007F;"), "xml_discouraged_character"),
    "discouraged_decimal_reference": (with_number("&#159;"), "xml_discouraged_character"),
}
DISCOURAGED = [
    *range(0x7F, 0x85),
    *range(0x86, 0xA0),
    0xFDD0,
    0xFDEF,
    *(p * 0x10000 + e for p in range(1, 17) for e in (0xFFFE, 0xFFFF)),
]


@pytest.mark.parametrize("name", ALLOWED)
def test_fault_X04_what_KSeF_takes_is_taken(name: str) -> None:
    """Every freedom that KSeF leaves in writing the same invoice passes here."""
    assert codes(ALLOWED[name]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_fault_X04_what_KSeF_refuses_is_refused(name: str) -> None:
    """Every breach of KSeF's byte rules is refused with its own code."""
    raw, code = REFUSED[name]
    found = examine(raw)
    assert code in [p.code for p in found.problems]
    assert found.complete


@pytest.mark.parametrize("point", DISCOURAGED, ids=lambda p: f"U+{p:04X}")
def test_fault_X04_every_discouraged_character_is_refused_with_its_place(point: int) -> None:
    """The code point, line and column of a discouraged character are named."""
    problem = next(p for p in examine(with_number(f"FV{chr(point)}")).problems)
    assert problem.code == "xml_discouraged_character"
    assert (problem.line, f"U+{point:04X}" in problem.message, "kolumnie 12" in problem.message) == (27, True, True)


def test_fault_X04_old_polish_encodings_are_named() -> None:
    """A file in Windows-1250 is told to be one, and the cure is the export in UTF-8."""
    problem = examine(invoice(buyer_name="Śląski Związek").decode().encode("cp1250")).problems[0]
    assert "Windows-1250" in problem.message
    assert "UTF-8" in problem.hint


def test_what_is_wrong_in_the_bytes_does_not_hide_what_is_wrong_in_the_fields() -> None:
    """A BOM and a bad date are told together."""
    assert codes(b"\xef\xbb\xbf" + invoice(issue_date="20.11.2026")) == ["xml_bom", "bad_date"]
