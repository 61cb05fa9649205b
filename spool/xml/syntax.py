"""Why bytes are not well-formed XML, in Polish: libxml2's error number → our code."""

import re

from lxml import etree

from spool.domain.catalogue import problem
from spool.domain.errors import Problem

_MISMATCH = re.compile(r"Opening and ending tag mismatch: (\S+?)(?: line (\d+))? and ([^\s,]+)")
_E = etree.ErrorTypes
_CODES = {
    _E.ERR_UNDECLARED_ENTITY: "xml_ampersand",
    _E.WAR_UNDECLARED_ENTITY: "xml_ampersand",
    _E.ERR_ENTITYREF_SEMICOL_MISSING: "xml_ampersand",
    _E.ERR_ENTITYREF_NO_NAME: "xml_ampersand",
    _E.ERR_INVALID_CHARREF: "xml_ampersand",
    _E.ERR_INVALID_DEC_CHARREF: "xml_ampersand",
    _E.ERR_INVALID_HEX_CHARREF: "xml_ampersand",
    _E.ERR_LT_IN_ATTRIBUTE: "xml_less_than",
    _E.ERR_DOCUMENT_END: "xml_extra_content",
    _E.ERR_ATTRIBUTE_REDEFINED: "xml_attribute_twice",
    _E.NS_ERR_ATTRIBUTE_REDEFINED: "xml_attribute_twice",
    _E.NS_ERR_UNDEFINED_NAMESPACE: "xml_prefix",
}
_TOO_COMPLEX = ("Excessive depth", "too long", "XML_PARSE_HUGE", "Maximum", "resource limit")


def explain(error: etree.XMLSyntaxError) -> Problem:
    """The first thing wrong, as one sentence with its line."""
    line, column = error.position
    line = line or 1
    message = error.msg or ""
    mismatch = _MISMATCH.match(message)
    if mismatch:
        opened_line = mismatch[2] or line
        return problem("xml_tag_mismatch", line=line, opened=mismatch[1], opened_line=opened_line, closed=mismatch[3])
    if any(sign in message for sign in _TOO_COMPLEX):
        return problem("xml_too_complex", line=line)
    number = getattr(error, "code", 0)
    code = _CODES.get(number, "")
    if not code and number == _E.ERR_NAME_REQUIRED:
        code = "xml_ampersand" if "EntityRef" in message else "xml_less_than"
    if not code and message.startswith("StartTag: invalid element name"):
        code = "xml_less_than"
    return problem(code, line=line) if code else problem("xml_malformed", line=line, column=column)
