"""The hardened parser: no DTD, no entities, no network, bounded depth and counts (faults X01–X03).

Used for documents of our own units and, unchanged, for what KSeF delivers (faults X26, X27).
"""

import re
from functools import cache
from typing import Any

from lxml import etree

from spool.xml import byte_rules
from spool.xml.paths import Node

# FA(3) is 8 levels deep, has 2 attributes on an element and at most 10,000 rows. xmlschema needs quadratic time for
# children that it does not know; within these bounds it stays near a second, beyond them libxml2 explains alone.
MAX_DEPTH = 32
MAX_ATTRIBUTES = 32
MAX_CHILDREN = 10_500
MAX_ELEMENTS = 200_000


_LONGEST_REFERENCE = 12
_REFERENCE_END = re.compile(rb"[;<>\s]")


@cache
def _parser(*, blanks: bool = True) -> etree.XMLParser:
    # Comments and CDATA marks go, so that an element's text is one string; PIs are refused before, by `byte_rules`.
    return etree.XMLParser(
        remove_blank_text=not blanks,
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=False,
    )


def parse(raw: bytes) -> Node:
    """The root element of well-formed UTF-8 bytes; libxml2's own caps hold (depth 256, names 50,000 bytes).

    Raises `etree.XMLSyntaxError`, also for a document with a DOCTYPE: `byte_rules` refuses those before they come
    here, and this is the second lock on the same door.
    """
    # Without what lies between elements the tree is smaller. Beside a comment, a CDATA section or an instruction the
    # parser would take what lies within a value for that, too.
    only_elements = b"<!" not in raw and raw.find(b"<?", 1) < 0
    root = etree.fromstring(raw, _parser(blanks=not only_elements))
    if root.getroottree().docinfo.internalDTD is not None:
        refusal: Any = etree.XMLSyntaxError
        raise refusal("DOCTYPE", 0, 1, 1)
    return root


def is_beginning(raw: bytes) -> bool:
    """True when bytes that do not parse are a correct document so far and only its end is missing (faults D01).

    A mark-up that has begun and not ended is cut off first; then the parser must complain of nothing but the end.
    """
    whole = raw[: _end_of_whole_markup(raw)]
    try:
        etree.fromstring(whole, _parser())
    except etree.XMLSyntaxError as error:
        code = getattr(error, "code", 0)
        if code == etree.ErrorTypes.ERR_DOCUMENT_EMPTY:
            return _only_prolog(whole)
        return code == etree.ErrorTypes.ERR_ATTRIBUTE_NOT_FINISHED or (error.msg or "").startswith("Premature end")
    return len(whole) < len(raw)


def _end_of_whole_markup(raw: bytes) -> int:
    for opening, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
        begin = raw.rfind(opening)
        if begin >= 0 and raw.find(closing, begin + len(opening)) < 0:
            return begin
    begin = raw.rfind(b"<")
    if raw.find(b">", begin) < 0:
        return max(begin, 0)
    begin = raw.rfind(b"&")
    tail = raw[begin:]
    return begin if begin >= 0 and len(tail) < _LONGEST_REFERENCE and not _REFERENCE_END.search(tail) else len(raw)


def _only_prolog(raw: bytes) -> bool:
    """True when nothing but the declaration, comments and white space is there yet."""
    text = raw.decode("utf-8", "replace")
    start = text.find("?>") + 2 if text.startswith("<?xml") else 0
    return all(not text[begin:end].strip() for begin, end in byte_rules.plain_segments(text, start))


def too_complex(root: Node) -> bool:
    """True for a document shaped to cost time: too deep, too wide, or flooded with attributes or prefixes."""
    depth = count = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        count += 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS or len(element) > MAX_CHILDREN:
            return True
        if len(element.attrib) > MAX_ATTRIBUTES or len(element.nsmap) > MAX_ATTRIBUTES:
            return True
    return False
