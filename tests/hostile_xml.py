"""A corpus of hostile, wrong and odd but allowed invoices: what comes in, and what must be said about it.

`OK` is an input that KSeF takes by its published list (protocol §10), so it must pass. Every allowed one has a number
of its own, so that all of them can go into one spool.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sluza.samples import FA3_NS, SCHOOL_NIP, attachment_invoice, sized, unit_invoice
from spool.domain.document import ROLE_JST_ISSUER, ThirdParty
from tests.unit.test_xml import DOCTYPES

OK = "ok"
TODAY = date(2026, 11, 20)
ISSUER = (ThirdParty(ROLE_JST_ISSUER, SCHOOL_NIP, "", "Szkoła Podstawowa nr 1"),)
"""The unit that drops the corpus."""
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True)
class Case:
    """One input: its bytes, and the codes of which one must be given (`OK`: taken)."""

    name: str
    raw: bytes
    expect: frozenset[str]

    @property
    def allowed(self) -> bool:
        """True when it must be taken."""
        return OK in self.expect


def case(name: str, raw: bytes, *expect: str) -> Case:
    """A case; no two of the corpus may have the same bytes."""
    return Case(name, raw, frozenset(expect))


def good(number: str = "FV/1/2026", **more: object) -> bytes:
    """An invoice that the school may send today."""
    return unit_invoice(number=number, issue_date=TODAY, **more)


def field(name: str, value: str, number: str = "H/1") -> bytes:
    """A good invoice with another value of a field that occurs once in the form `<name>…</name>`."""
    text = good(number).decode()
    start = text.index(f"<{name}>") + len(name) + 2
    return (text[:start] + value + text[text.index(f"</{name}>") :]).encode()


def body(xml: str, number: str = "H/1") -> bytes:
    """A good invoice with this at the beginning of `Fa`."""
    return good(number).replace(b"<Fa>", b"<Fa>" + xml.encode(), 1)


def corpus() -> list[Case]:
    """All cases, always the same and in the same order; `tests.hostile_values` has more."""
    parts = (_allowed, _encodings, _doctypes, _characters, _markup, _floods)
    return [found for part in parts for found in part()]


def _allowed() -> Iterator[Case]:
    prologs = {
        "none": "", "version": '<?xml version="1.0"?>', "single": "<?xml version='1.0' encoding='UTF-8'?>",
        "lower": '<?xml version="1.0" encoding="utf-8"?>', "mixed": '<?xml version="1.0" encoding="Utf-8" ?>',
        "standalone": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
        "not-standalone": "<?xml version='1.0' standalone='no' ?>", "blank-lines": "\n\t \r\n",
        "comment": '<?xml version="1.0"?><!-- <!DOCTYPE x [<!ENTITY a "b">]> <?php ?> -->',
        "comments": "<!-- a --><!-- b -->" * 50,
    }  # fmt: skip
    for name, prolog in prologs.items():
        yield case(f"allowed-prolog-{name}", good(f"A/{name}", prolog=prolog), OK)
    values = {
        "next-line": "\u0085", "nbsp": "\u00a0", "soft-hyphen": "\u00ad", "private": "\ue000", "bidi": "\u202egpj",
        "replacement": "\ufffd", "emoji": "😀", "plane-1": "\U0001fffd", "zwnbsp": "\ufeff", "fdcf": "\ufdcf\ufdf0",
        "nfd": "z\u0307o\u0301łc\u0301", "references": "&#70;&#x56;&amp;&lt;&gt;&quot;&apos;",
        "cdata": "<![CDATA[&#x7F;<x>]]>",
        "doctype-in-cdata": "<![CDATA[<!DOCTYPE x>]]>", "pi-in-cdata": "<![CDATA[<?x y?>]]>",
        "comment": "a<!-- ?> -->b",
        "script": "&lt;script&gt;alert(1)&lt;/script&gt;", "formula": "=HYPERLINK(1)", "tab": "a\tb",
        "reference-tab": "a&#9;b",
        "line-reference": "a&#10;b", "cyrillic": "Ж", "chinese": "发票", "max-bmp": "\ufffd\ud7ff",
        "cdata-twice": "<![CDATA[a]]><![CDATA[b]]>",
        "astral-reference": "&#x1F600;", "template": "{{7*7}}${7*7}", "sql": "' OR 1=1 --",
        "path": "../../etc/passwd", "combining": "e" + "\u0301" * 100,
    }  # fmt: skip
    for name, value in values.items():
        yield case(f"allowed-value-{name}", good("NUMER").replace(b"NUMER", f"A/v/{name}/{value}".encode()), OK)
    yield case("allowed-crlf", good("A/crlf").replace(b"\n", b"\r\n"), OK)
    yield case("allowed-cr", good("A/cr").replace(b"\n", b"\r"), OK)
    yield case("allowed-trailing", good("A/trailing") + b"\n\n\t <!-- koniec -->\r\n", OK)
    yield case("allowed-number-256", good("A/" + "9" * 254), OK)
    yield case("allowed-1000000", sized(good("A/1000000"), 1_000_000), OK)
    yield case("allowed-3000000", sized(attachment_invoice(number="A/3000000", third_parties=ISSUER), 3_000_000), OK)
    yield case(
        "allowed-comment-900k", good("A/comment-900k").replace(b"<Fa>", b"<!--" + b"x" * 900_000 + b"--><Fa>"), OK
    )
    prefixed = good("A/prefix").replace(b"xmlns=", b"xmlns:f=").replace(b"</", b"</f:").replace(b"<", b"<f:")
    yield case("allowed-prefix", prefixed.replace(b"<f:/f:", b"</f:").replace(b"<f:?", b"<?"), OK)
    root = f'<Faktura xmlns="{FA3_NS}"'.encode()
    location = b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:9/x"'
    yield case("allowed-schema-location", good("A/location").replace(root, root + location), OK)
    yield case("allowed-unused-namespaces", good("A/ns").replace(root, root + b' xmlns:a="urn:a" xmlns:b="urn:b"'), OK)
    yield case("allowed-no-line-breaks", good("A/flat").replace(b"\n", b" "), OK)


def _encodings() -> Iterator[Case]:
    text = good("E/1", buyer_name="Żółta Łąka sp. z o.o. ąśź").decode()
    bare = text.removeprefix(DECLARATION)
    yield case("encoding-bom", b"\xef\xbb\xbf" + text.encode(), "xml_bom")
    yield case("encoding-two-boms", b"\xef\xbb\xbf" * 2 + text.encode(), "xml_bom", "not_xml")
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield case(f"encoding-{name}", text.encode(name), "xml_encoding")
        yield case(f"encoding-{name}-bare", bare.encode(name), "xml_encoding")
    for name in ("cp1250", "iso8859-2", "cp852", "mazovia", "cp1252", "mac-latin2"):
        raw = bare.encode("iso8859-2" if name == "mazovia" else name, "replace")
        declared = f'<?xml version="1.0" encoding="{name}"?>'.encode() + raw
        yield case(f"encoding-{name}-declared", declared, "xml_encoding", "xml_not_utf8")
        if name != "mazovia":
            yield case(f"encoding-{name}-bare", raw, "xml_encoding", "xml_not_utf8")
    yield case("encoding-ebcdic", text.encode("cp037", "replace"), "xml_encoding")
    yield case("encoding-utf-7", text.encode("utf-7"), "not_xml", "xml_malformed", "xml_prefix", "bad_pattern", OK)
    yield case("encoding-utf-7-declared", b"+ADw-?xml version=+ACI-1.0+ACI- encoding=+ACI-utf-7+ACI-?+AD4-", "not_xml")
    for name in ("windows-1250", "UTF-16", "UTF-7", "US-ASCII", "utf8", "ISO-8859-2", "EBCDIC-CP-PL", "x", ""):
        prolog = f'<?xml version="1.0" encoding="{name}"?>'
        yield case(f"encoding-declared-{name or 'empty'}", good("E/2", prolog=prolog), "xml_encoding_declared")
    for name in ("gb18030", "shift_jis", "big5", "koi8-r", "euc-kr"):
        raw = bare.encode(name, "replace").replace(b"?", b"\xc4\xa7")
        yield case(f"encoding-{name}", b'<?xml version="1.0" encoding="%s"?>' % name.encode() + raw,
                   "xml_encoding", "xml_not_utf8", "xml_encoding_declared")  # fmt: skip
    yield case("encoding-version-1.1", good("E/3", prolog='<?xml version="1.1" encoding="UTF-8"?>'), "xml_version")
    yield case("encoding-version-2.0", good("E/3", prolog='<?xml version="2.0"?>'), "xml_version")


def _doctypes() -> Iterator[Case]:
    for name, doctype in DOCTYPES.items():
        doctype = doctype.replace("{file}", "/etc/hostname").replace("{port}", "9")
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp037"):
            raw = good("D/1", prolog=DECLARATION + doctype).replace(b"D/1", b"&x;").decode().encode(encoding, "replace")
            read = encoding in {"utf-8", "utf-8-sig", "utf-7"}  # UTF-7 leaves the mark-up as it is
            yield case(f"doctype-{name}-{encoding}", raw, "xml_doctype" if read else "xml_encoding")
    yield case("doctype-html", b"<!DOCTYPE html><html><body>500</body></html>", "wrong_document")
    yield case("doctype-after-root", good("D/2") + b"<!DOCTYPE x>", "xml_doctype")
    yield case("doctype-inside", body("<!DOCTYPE x>"), "xml_doctype")
    yield case("doctype-entity-outside", body("<!ENTITY x 'y'>"), "xml_malformed", "xml_less_than")
    yield case("entity-undeclared", good("NUMER").replace(b"NUMER", b"&xxe;"), "xml_ampersand")
    yield case("entity-html", good("NUMER").replace(b"NUMER", b"FV&nbsp;1"), "xml_ampersand")


def _characters() -> Iterator[Case]:
    for point in (*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF):
        yield case(
            f"control-{point:04X}", good("NUMER").replace(b"NUMER", f"K{chr(point)}".encode()), "xml_control_character"
        )
        if point < 0x20:
            raw = good("NUMER").replace(b"NUMER", f"K&#{point};".encode())
            yield case(f"control-reference-{point:04X}", raw, "xml_control_character")
    yield case("control-0000", good("NUMER").replace(b"NUMER", b"K\0"), "xml_control_character")
    yield case("control-reference-0000", good("NUMER").replace(b"NUMER", b"K&#0;"), "xml_control_character")
    for point in (0x7F, 0x84, 0x86, 0x9F, 0xFDD0, 0xFDEF, 0x1FFFE, 0x10FFFF):
        raw = good("NUMER").replace(b"NUMER", f"K{chr(point)}".encode())
        yield case(f"discouraged-{point:X}", raw, "xml_discouraged_character")
        raw = good("NUMER").replace(b"NUMER", f"K&#x{point:x};".encode())
        yield case(f"discouraged-reference-{point:X}", raw, "xml_discouraged_character")
    broken = {
        "overlong-slash": b"\xc0\xaf", "overlong-3": b"\xe0\x80\xaf", "overlong-nul": b"\xc0\x80",
        "surrogate": b"\xed\xa0\x80",
        "cesu-8": b"\xed\xa0\xbd\xed\xb8\x80", "beyond": b"\xf4\x90\x80\x80", "five-bytes": b"\xf8\x88\x80\x80\x80",
        "continuation": b"\x80", "start-only": b"\xc4", "ff": b"\xff", "fe": b"\xfe\xff",
    }  # fmt: skip
    for name, piece in broken.items():
        yield case(f"utf8-{name}", good("NUMER").replace(b"NUMER", b"K" + piece), "xml_not_utf8")
    for reference in ("&#xD800;", "&#xDFFF;", "&#x110000;", "&#99999999999;", "&#xFFFE;"):
        raw = good("NUMER").replace(b"NUMER", reference.encode())
        yield case(f"reference-{reference[2:-1]}", raw, "xml_control_character", "xml_ampersand", "xml_malformed")
    for reference in ("&#;", "&#x;", "&#xZZ;", "&;", "&", "& ", "&#65", "&amp"):
        raw = good("NUMER").replace(b"NUMER", reference.encode())
        yield case(
            f"reference-{reference[1:].strip() or 'none'}-{len(reference)}", raw, "xml_ampersand", "xml_malformed"
        )


def _markup() -> Iterator[Case]:
    instructions = (
        "<?xml-stylesheet href='http://127.0.0.1:9/x.xsl'?>",
        "<?foo?>",
        "<?php system('id'); ?>",
        "<?XML x?>",
    )
    for index, instruction in enumerate(instructions):
        for place in (b"<Fa>", b"<Faktura", b"</Fa>"):
            raw = good("M/1").replace(place, instruction.encode() + place, 1)
            yield case(f"instruction-{index}-{place.decode().strip('</>')}-{place[1:2].hex()}", raw,
                       "xml_processing_instruction")  # fmt: skip
        yield case(f"instruction-{index}-end", good("M/1") + instruction.encode(), "xml_processing_instruction")
    yield case("declaration-twice", good("M/2", prolog=DECLARATION * 2), "xml_declaration_misplaced")
    yield case("declaration-after-blank", good("M/2", prolog=" " + DECLARATION), "xml_declaration_misplaced")
    yield case("declaration-inside", body(DECLARATION), "xml_declaration_misplaced")
    wrong = {
        "mismatch": good().replace(b"</P_1>", b"</P_2>"), "two-roots": good() * 2, "text-after": good() + b"x",
        "attribute-twice": good().replace(b"<Fa>", b"<Fa a='1' a='2'>"), "prefix": good().replace(b"<Fa>", b"<x:Fa>"),
        "less-than": good("NUMER").replace(b"NUMER", b"a < b"), "cdata-end": good("NUMER").replace(b"NUMER",
        b"a ]]> b"),
        "attribute-unquoted": good().replace(b"<Fa>", b"<Fa a=1>"), "comment-dashes": body("<!-- a -- b -->"),
        "name-digit": body("<1a/>"), "empty-tag": body("<>"), "end-only": body("</a>"),
        "attribute-lt": body("<a b='<'/>"),
        "reserved-prefix": body('<a xmlns:xml="urn:x"/>'), "xmlns-prefix": body('<a xmlns:xmlns="urn:x"/>'),
        "empty-prefix": body('<a xmlns:p=""/>'), "colons": body("<a:b:c/>"),
        "cdata-outside": good() + b"<![CDATA[x]]>",
    }  # fmt: skip
    for name, raw in wrong.items():
        yield case(f"markup-{name}", raw, "xml_tag_mismatch", "xml_extra_content", "xml_attribute_twice", "xml_prefix",
                   "xml_less_than", "xml_malformed", "unknown_element", "unexpected_element")  # fmt: skip
    for end in (1, 5, 40, 200, 1000, -1, -12, -300):
        yield case(f"cut-{end}", good("M/3").rstrip()[:end], "incomplete_file")
    yield case("cut-with-nul", good("M/3")[:700] + b"\0" * 1000, "incomplete_file")
    yield case("all-nul", b"\0" * 5000, "incomplete_file")
    include = "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='file:///etc/passwd' parse='text'/>"
    yield case("xinclude", good("NUMER").replace(b"NUMER", include.encode()),
               "foreign_element", "text_between_elements", "schema_other", "unexpected_element")  # fmt: skip
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    yield case(
        "xsi-type",
        good("M/4").replace(b"<P_1>", f"<P_1 {xsi} xsi:type='xsi:string'>".encode()),
        "schema_other",
        "unexpected_attribute",
    )
    yield case(
        "xsi-nil",
        good("M/5").replace(b"<P_1>", f"<P_1 {xsi} xsi:nil='true'>".encode()),
        "schema_other",
        "unexpected_attribute",
    )
    yield case("xml-base", good("M/6").replace(b"<Fa>", b"<Fa xml:base='http://127.0.0.1:9/'>"), "unexpected_attribute")
    yield case("xml-lang", good("M/7").replace(b"<Fa>", b"<Fa xml:lang='pl'>"), "unexpected_attribute")


def _floods() -> Iterator[Case]:
    shape = (
        "xml_too_complex",
        "unknown_element",
        "unexpected_element",
        "unexpected_attribute",
        "too_big",
        "xml_malformed",
    )
    for depth in (40, 250, 300, 50_000):
        yield case(f"flood-depth-{depth}", body("<a>" * depth + "</a>" * depth), *shape)
    for count in (40, 1000, 60_000):
        attributes = " ".join(f"a{i}='1'" for i in range(count))
        yield case(f"flood-attributes-{count}", good().replace(b"<Fa>", f"<Fa {attributes}>".encode()), *shape)
        names = " ".join(f"xmlns:a{i}='u'" for i in range(count // 2))
        yield case(f"flood-namespaces-{count}", body(f"<b {names}/>"), *shape, "foreign_element")
    yield case("flood-attribute-value", good().replace(b"<Fa>", b"<Fa a='" + b"x" * 900_000 + b"'>"), *shape)
    yield case("flood-name", body("<" + "a" * 900_000 + "/>"), *shape)
    yield case("flood-children", body("<b/>" * 200_000), *shape)
    yield case("flood-rows", good().replace(b"</Fa>", b"<FaWiersz/>" * 80_000 + b"</Fa>"), *shape, "missing_choice")
    yield case("flood-comments", body("<!---->" * 130_000, "F/comments"), OK)
    yield case("flood-open-comments", body("<!--" * 200_000), "incomplete_file", "xml_malformed")
    yield case("flood-references", good("NUMER").replace(b"NUMER", b"&#65;" * 180_000), "too_long", "bad_pattern")
    yield case("flood-digits", field("P_15", "1" * 900_000), "too_many_digits", "bad_decimal", "bad_pattern")
    yield case("flood-value", good("x" * 990_000), "too_long", "bad_pattern")
    yield case("flood-cdata", body("<![CDATA[]]>" * 80_000, "F/cdata"), OK, "text_between_elements")
    yield case("flood-reference", good("NUMER").replace(b"NUMER", b"&#" + b"1" * 900_000 + b";"),
        "xml_control_character",
               "xml_ampersand", "xml_malformed", "xml_too_complex")  # fmt: skip
    yield case("flood-blanks", b" " * 999_000 + good("F/blanks", prolog="")[:10], "incomplete_file")
    yield case("flood-third-parties", good("F/third").replace(b"<Fa>", _third_party() * 500 + b"<Fa>"),
               "unexpected_element", "schema_other", "role7_other_unit")  # fmt: skip


def _third_party() -> bytes:
    text = good()
    return text[text.index(b"<Podmiot3>") : text.index(b"</Podmiot3>") + len(b"</Podmiot3>")]
