"""A wrong value or attribute of one field → a sentence: the most telling of the findings about it."""

import re
from collections.abc import Sequence
from typing import Any

from xmlschema.validators import (
    XsdAttribute,
    XsdAttributeGroup,
    XsdElement,
    XsdEnumerationFacets,
    XsdFractionDigitsFacet,
    XsdMaxExclusiveFacet,
    XsdMaxInclusiveFacet,
    XsdMaxLengthFacet,
    XsdMinExclusiveFacet,
    XsdMinInclusiveFacet,
    XsdMinLengthFacet,
    XsdPatternFacets,
    XsdTotalDigitsFacet,
)
from xmlschema.validators.exceptions import XMLSchemaDecodeError, XMLSchemaValidationError

from spool.domain.catalogue import problem
from spool.domain.document import collapse
from spool.domain.errors import Problem
from spool.xml.paths import Node, local_name, path_of

_SHORT_LIST = 15
_COUNTRIES = frozenset({"KodKraju", "KodUE", "PrefiksPodatnika"})
_CURRENCIES = frozenset({"KodWaluty", "WalutaUmowna"})
_FORM_CODES = frozenset({"KodFormularza", "WariantFormularza"})
_PATTERN_CODES = {
    "NIP": "bad_nip",
    "IDWew": "bad_internal_id",
    "NrKSeFFaKorygowanej": "bad_ksef_number",
    "NrKSeFFaZaliczkowej": "bad_ksef_number",
    "Email": "bad_email",
    "EmailPU": "bad_email",
}
_SHAPES = {
    "SWIFT": "8 lub 11 wielkich liter i cyfr",
    "KRS": "10 cyfr",
    "REGON": "9 lub 14 cyfr",
    "NrVatUE": "do 12 wielkich liter i cyfr, bez kodu kraju",
    "IPKSeF": "3 cyfry, a po nich 10 liter lub cyfr",
    "LinkDoPlatnosci": "adres https:// z parametrem IPKSeF",
}
_TYPE_CODES = (
    (re.compile(r"[dD]ateTime"), "bad_date_time"),
    (re.compile(r"\bdate\b|}date$"), "bad_date"),
    (re.compile(r"[iI]nteger|}byte$|}int$"), "bad_integer"),
    (re.compile(r"[dD]ecimal"), "bad_decimal"),
)
_LIMITS = {
    XsdMaxInclusiveFacet: "najwyżej",
    XsdMaxExclusiveFacet: "mniej niż",
    XsdMinInclusiveFacet: "co najmniej",
    XsdMinExclusiveFacet: "więcej niż",
}
# The order in which findings about one field are believed: a value of the wrong type fails its facets as well.
_RANKED: Sequence[type] = (XsdEnumerationFacets, XMLSchemaDecodeError, XsdMaxLengthFacet, XsdFractionDigitsFacet)


def explain(element: Node, errors: Sequence[XMLSchemaValidationError]) -> Problem:
    """One problem for one field out of everything that was found about it."""
    error = min(reversed(errors), key=_rank)  # of two bounds the later one belongs to the narrower type
    leaf = len(element) == 0
    raw = (element.text or "") if leaf else str(error.obj)
    where: dict[str, Any] = {"field": path_of(element), "line": element.sourceline}
    attribute = _attribute(error, element)
    if attribute:
        return attribute
    if "character data" in (error.reason or ""):
        return problem("text_between_elements", **where, value=_loose_text(element))
    if not leaf:
        return problem("schema_other", **where)
    if not collapse(raw):
        return problem("empty_value", **where)
    return _value(element, error, raw, where)


def _rank(error: XMLSchemaValidationError) -> int:
    for rank, kind in enumerate(_RANKED):
        if isinstance(error, kind) or isinstance(error.validator, kind):
            return rank
    return len(_RANKED)


def _value(element: Node, error: XMLSchemaValidationError, raw: str, where: dict[str, Any]) -> Problem:
    name, facet = local_name(element.tag), error.validator
    if isinstance(facet, XsdEnumerationFacets):
        return _choice(name, [str(v) for v in facet.enumeration], raw, where)
    if isinstance(facet, XsdElement) and facet.fixed is not None:
        return _choice(name, [facet.fixed], raw, where)
    if isinstance(facet, XsdMaxLengthFacet):
        return problem("too_long", **where, value=raw, length=len(collapse(raw)), limit=facet.value)
    if isinstance(facet, XsdMinLengthFacet):
        return problem("too_short", **where, value=raw, limit=facet.value)
    if isinstance(facet, XsdFractionDigitsFacet):
        return problem("too_many_decimals", **where, value=raw, limit=facet.value)
    if isinstance(facet, XsdTotalDigitsFacet):
        return problem("too_many_digits", **where, value=raw, limit=facet.value)
    for kind, words in _LIMITS.items():
        if isinstance(facet, kind):
            return problem("out_of_range", **where, value=raw, limit=f"{words} {facet.value!s}")
    code = _PATTERN_CODES.get(name) or _type_code(error)
    if code:
        return problem(code, **where, value=raw)
    if isinstance(facet, XsdPatternFacets) or name in _SHAPES:
        patterns = facet.regexps if isinstance(facet, XsdPatternFacets) else []
        return problem("bad_pattern", **where, value=raw, pattern=_SHAPES.get(name) or " lub ".join(patterns))
    return problem("schema_other", **where)


def _choice(name: str, allowed: Sequence[str], raw: str, where: dict[str, Any]) -> Problem:
    if name in _FORM_CODES:
        return problem("wrong_form_code", **where, value=raw, expected=allowed[0])
    if len(allowed) <= _SHORT_LIST:
        return problem("bad_choice", **where, value=raw, allowed=", ".join(allowed))
    code = "bad_currency" if name in _CURRENCIES else "bad_country" if name in _COUNTRIES else "bad_code"
    return problem(code, **where, value=raw)


def _type_code(error: XMLSchemaValidationError) -> str:
    """The sentence for the primitive type behind the finding, if it is one that people write wrongly."""
    facet = error.validator
    base = getattr(facet, "base_type", None) or facet
    primitive = getattr(base, "primitive_type", None) or base
    names = [getattr(t, "name", None) or "" for t in (facet, base, primitive)]
    for pattern, code in _TYPE_CODES:
        if any(pattern.search(name) for name in names):
            return code
    return ""


def _attribute(error: XMLSchemaValidationError, element: Node) -> Problem | None:
    validator, reason = error.validator, error.reason or ""
    where: dict[str, Any] = {"field": path_of(element), "line": element.sourceline}
    if isinstance(validator, XsdAttribute):
        name = validator.local_name or ""
        where["field"] = f"{where['field']}/@{name}"
        if validator.fixed is not None:
            return problem("wrong_form_code", **where, value=error.obj, expected=validator.fixed)
        return problem("schema_other", **where)
    if not isinstance(validator, XsdAttributeGroup):
        return None
    quoted = re.search(r"'([^']*)'", reason)
    name = local_name(quoted[1]) if quoted else ""
    code = "missing_attribute" if "missing" in reason else "unexpected_attribute"
    return problem(code, **where, attribute=name)


def _loose_text(element: Node) -> str:
    pieces = [element.text or "", *((child.tail or "") for child in element)]
    return next((piece.strip() for piece in pieces if piece.strip()), "")
