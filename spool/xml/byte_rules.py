"""What KSeF demands of the bytes, checked before any parser sees them (protocol §10; faults X01, X02, X04).

UTF-8 without BOM; an XML declaration is optional but may name only version 1.0 and UTF-8; no processing
instruction anywhere; no DOCTYPE; no control character and none of the discouraged ones. White space, comments,
CDATA, `standalone` and every other freedom of XML 1.0 stay allowed: we are neither stricter nor laxer than KSeF.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spool.domain.catalogue import problem
from spool.domain.errors import Problem

# XML 1.0 §2.2, the note on discouraged characters, as KSeF lists them (protocol §10). Plane 0 has no entry of its
# own: U+FFFE and U+FFFF are not characters of XML at all and fall under _FORBIDDEN.
_PLANE_ENDS = "".join(chr(plane * 0x10000 + 0xFFFE) + chr(plane * 0x10000 + 0xFFFF) for plane in range(1, 17))
_DISCOURAGED = re.compile(f"[\x7f-\x84\x86-\x9f\ufdd0-\ufdef{_PLANE_ENDS}]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
UNWANTED = (_DISCOURAGED, _FORBIDDEN)
"""What must not occur in a file for KSeF."""
# Bytes that occur in UTF-8 of any character above, and those of mark-up that is looked at: where none of them is, no
# text needs to be searched. One `translate` over the bytes costs less than a search for any one of them.
_SUSPECT = frozenset({*range(0x20), 0x7F, 0xC2, 0xEF, *range(0xF0, 0xF5)} - set(b"\t\n\r"))
_ORDINARY = bytes(set(range(256)) - _SUSPECT - set(b"!?#"))
_REFERENCE = re.compile(r"&#(?:x0*([0-9a-fA-F]{1,6})|0*([0-9]{1,7}));")
_DECLARATION = re.compile(r"<\?xml(?=[ \t\r\n])(.*?)\?>", re.DOTALL)
_PSEUDO_ATTRIBUTE = re.compile(r"""(version|encoding)[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)')""")

_FIRST_TAG = re.compile(r"<([^\s<>/?!]+)")
_NEAR = 1000

_UTF8_BOM = b"\xef\xbb\xbf"
_WIDE_STARTS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"<\x00\x00\x00", "UTF-32"),
    (b"\x00\x00\x00<", "UTF-32"),
    (b"<\x00", "UTF-16"),
    (b"\x00<", "UTF-16"),
    (b"\x4c\x6f\xa7\x94", "EBCDIC"),
)
_ANY_WIDE_START = tuple(start for start, _ in _WIDE_STARTS)
_OTHER_FILES = (
    (b"%PDF", "plik PDF"),
    (b"PK\x03\x04", "archiwum ZIP lub dokument Office"),
    (b"\xd0\xcf\x11\xe0", "dokument Office"),
    (b"{", "plik JSON"),
    (b"[", "plik JSON"),
    (b"\x1f\x8b", "archiwum gzip"),
    (b"7z\xbc\xaf", "archiwum 7z"),
    (b"\x89PNG", "obraz PNG"),
    (b"\xff\xd8\xff", "obraz JPEG"),
    (b"{\\rtf", "dokument RTF"),
)
# Letters of Polish that the two old encodings put at different bytes; ó, ć, ę, ł, ń, ż are the same in both.
_CP1250_ONLY = frozenset(b"\xb9\x9c\x9f\xa5\x8c\x8f")
_ISO2_ONLY = frozenset(b"\xb1\xb6\xbc\xa1\xa6\xac")
_POLISH_BOTH = frozenset(b"\xe6\xea\xb3\xf1\xf3\xbf\xc6\xca\xa3\xd1\xd3\xaf")


@dataclass(frozen=True)
class Text:
    """The bytes as text, where they are text at all, and what is wrong with them."""

    text: str = ""
    problems: tuple[Problem, ...] = ()
    cut_off: bool = False


def check(raw: bytes) -> Text:
    """Every byte rule on a non-empty file; after an empty `problems` the bytes are safe to parse."""
    found = _wide(raw)
    if found:
        return Text(problems=(found,))
    bom = [problem("xml_bom", line=1)] if raw.startswith(_UTF8_BOM) else []
    try:
        text = raw.removeprefix(_UTF8_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        cut_off = error.end == len(raw) and error.reason == "unexpected end of data"
        return Text(problems=(_not_utf8(raw, error),), cut_off=cut_off)
    if not text.lstrip(" \t\r\n").startswith("<"):
        return Text(text, (problem("not_xml", what=_looks_like(raw)),))
    unusual = raw.translate(None, _ORDINARY)
    problems = [*bom, *_declaration(text)]
    own_marks = 2 if _DECLARATION.match(text) else 0  # <?xml … ?>
    if b"!" in unusual or unusual.count(b"?") > own_marks:
        problems += _markup_problems(text)
    if not _SUSPECT.isdisjoint(unusual):
        problems += _characters(text)
    if b"#" in unusual:
        problems += _references(text)
    return Text(text, tuple(problems))


def is_wide(raw: bytes) -> bool:
    """True for UTF-16, UTF-32 and the like, where zero bytes are part of every character."""
    return _wide(raw) is not None


def line_of(text: str, position: int) -> int:
    """The 1-based line of a position, counting line ends as XML does (CR LF, CR and LF are each one)."""
    before = text[:position]
    return before.count("\n") + before.count("\r") - before.count("\r\n") + 1


def column_of(text: str, position: int) -> int:
    """The 1-based column of a position, in characters."""
    return position - max(text.rfind("\n", 0, position), text.rfind("\r", 0, position))


def _wide(raw: bytes) -> Problem | None:
    if not raw.startswith(_ANY_WIDE_START):
        return None
    for start, name in _WIDE_STARTS:
        if raw.startswith(start):
            return problem("xml_encoding", line=1, encoding=name)
    return None


def _not_utf8(raw: bytes, error: UnicodeDecodeError) -> Problem:
    if not raw.lstrip().startswith(b"<"):
        return problem("not_xml", what=_looks_like(raw))
    line = line_of(raw[: error.start].decode("utf-8", "replace"), error.start)
    encoding = old_polish_encoding(raw)
    if encoding:
        return problem("xml_encoding", line=line, encoding=encoding)
    return problem("xml_not_utf8", line=line, bytes=raw[error.start : error.start + 4].hex(" ").upper())


def old_polish_encoding(raw: bytes) -> str:
    """Windows-1250 or ISO-8859-2 when the high bytes are Polish letters of it; empty when it is neither."""
    high = [byte for byte in raw if byte >= 0x80]
    for name, only in (("Windows-1250", _CP1250_ONLY), ("ISO-8859-2", _ISO2_ONLY)):
        fitting = sum(byte in only or byte in _POLISH_BOTH for byte in high)
        if fitting >= 0.8 * len(high):
            return name
    return ""


def _looks_like(raw: bytes) -> str:
    for start, name in _OTHER_FILES:
        if raw.lstrip(b" \t\r\n").startswith(start):
            return name
    return "plik innego rodzaju"


def _declaration(text: str) -> Iterator[Problem]:
    match = _DECLARATION.match(text)
    if not match:
        return
    for name, double, single in _PSEUDO_ATTRIBUTE.findall(match[1]):
        value = double or single
        if name == "version" and value != "1.0":
            yield problem("xml_version", line=1, version=value)
        if name == "encoding" and value.lower() != "utf-8":
            yield problem("xml_encoding_declared", line=1, encoding=value)


def _markup_problems(text: str) -> Iterator[Problem]:
    """The first DOCTYPE and the first processing instruction outside comments and CDATA, if any."""
    declaration = _DECLARATION.match(text)
    start = declaration.end() if declaration else 0
    doctype = instruction = False
    for begin, end in plain_segments(text, start):
        at = text.find("<!", begin, end)
        # Outside comments and CDATA `<!` can only begin a DOCTYPE, or a document that is not well-formed.
        if at >= 0 and not doctype and text[at + 2 : at + 9].upper() == "DOCTYPE":
            yield _doctype(text, at)
            doctype = True
        at = text.find("<?", begin, end)
        # One without an end is no instruction: the file is cut off or not well-formed, and the parser says which.
        if at >= 0 and not instruction and text.find("?>", at) > 0:
            yield _instruction(text, at)
            instruction = True


def _doctype(text: str, at: int) -> Problem:
    if text[at + 9 : at + 15].strip().lower().startswith("html"):
        return problem("wrong_document", line=line_of(text, at), what="strona internetowa (HTML)")
    return problem("xml_doctype", line=line_of(text, at))


def _instruction(text: str, at: int) -> Problem:
    line = line_of(text, at)
    target = re.compile(r"[^\s?>]*").match(text, at + 2)
    name = target[0] if target else ""
    if name == "xml":
        return problem("xml_extra_content" if _behind_the_end(text, at) else "xml_declaration_misplaced", line=line)
    return problem("xml_processing_instruction", line=line, target=name)


def _behind_the_end(text: str, at: int) -> bool:
    """True where the end tag of the root stands before: another file follows, from a program that appends."""
    root = _FIRST_TAG.search(text)
    before = text[max(0, at - _NEAR) : at].rstrip()
    return root is not None and before.endswith(f"</{root[1]}>")


def plain_segments(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Stretches outside comments and CDATA sections, in linear time; an unclosed one swallows the rest."""
    comment, cdata = text.find("<!--", start), text.find("<![CDATA[", start)
    while comment >= 0 or cdata >= 0:
        is_comment = cdata < 0 or 0 <= comment < cdata
        begin = comment if is_comment else cdata
        yield start, begin
        close = text.find("-->", begin + 4) if is_comment else text.find("]]>", begin + 9)
        if close < 0:
            return
        start = close + 3
        # Each opening is searched again only once it is behind us, or many comments would cost quadratic time.
        comment = text.find("<!--", start) if 0 <= comment < start else comment
        cdata = text.find("<![CDATA[", start) if 0 <= cdata < start else cdata
    yield start, len(text)


def _characters(text: str) -> Iterator[Problem]:
    """The first forbidden and the first discouraged character."""
    match = _DISCOURAGED.search(text)
    if match:
        yield _character("xml_discouraged_character", text, match.start(), match[0])
    match = _FORBIDDEN.search(text)
    if match:
        yield _character("xml_control_character", text, match.start(), match[0])


def _references(text: str) -> Iterator[Problem]:
    """The first such character that is written as a reference.

    `&#x7F;` denotes the character (XML 1.0 §4.1), so the invoice contains it either way. Whether KSeF looks before or
    after resolving references is not published; we refuse, because nobody means to send it and a refusal by KSeF would
    come late.
    """
    for begin, end in plain_segments(text, 0):
        for match in _REFERENCE.finditer(text, begin, end):
            number = int(match[1], 16) if match[1] else int(match[2])
            character = chr(number) if number <= 0x10FFFF else "\0"
            if _DISCOURAGED.match(character):
                yield _character("xml_discouraged_character", text, match.start(), character)
                return
            if _FORBIDDEN.match(character) or 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
                yield _character("xml_control_character", text, match.start(), character)
                return


def _character(code: str, text: str, position: int, character: str) -> Problem:
    point = f"U+{ord(character):04X}"
    return problem(code, line=line_of(text, position), column=column_of(text, position), character=point)
