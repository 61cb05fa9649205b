"""A failed validation → sentences: where the first wrong fields are, what is wrong with each, and the cure.

lxml has said "no" already; here xmlschema says why (DESIGN decision 3), and `values` and `structure` put its findings
into our words: one problem per field, the most telling one.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from lxml import etree
from xmlschema.validators.exceptions import XMLSchemaChildrenValidationError, XMLSchemaValidationError

from spool.domain.catalogue import problem
from spool.domain.errors import Problem
from spool.xml import schema, structure, values
from spool.xml.parser import too_complex
from spool.xml.paths import Node, local_name, path_of

# One field can fail several facets at once; reading more findings than this cannot bring new fields to the first ones.
_FINDINGS_PER_PROBLEM = 6


def explain(root: Node, limit: int) -> list[Problem]:
    """At most `limit` problems of a document that failed validation, never none."""
    problems: list[Problem] = []
    if too_complex(root):
        found = list(_by_lxml(root, limit))
        vague = all(p.code == "schema_other" for p in found)
        return [problem("xml_too_complex", line=root.sourceline)] if vague else found
    # The explaining library is the second opinion; if it stumbles over a hostile document, the first one stands.
    with suppress(Exception):
        problems = _by_xmlschema(root, limit)
    return problems or list(_by_lxml(root, limit))


def _by_xmlschema(root: Node, limit: int) -> list[Problem]:
    structural: list[Problem] = []
    by_element: dict[Node, list[XMLSchemaValidationError]] = {}
    findings = schema.fa3_explaining().iter_errors(root, use_location_hints=False)
    for error in islice(findings, limit * _FINDINGS_PER_PROBLEM):
        if isinstance(error, XMLSchemaChildrenValidationError):
            structural.append(structure.explain(error))
        elif error.elem is not None:
            by_element.setdefault(error.elem, []).append(error)
        if len(structural) + len(by_element) > limit:
            break
    problems = structural + [values.explain(element, errors) for element, errors in by_element.items()]
    return sorted(problems, key=lambda p: p.line or 0)[:limit]


def _by_lxml(root: Node, limit: int) -> Iterator[Problem]:
    """Field and line, and of a misplaced field what should be there; the rest of libxml2's text is English."""
    seen: set[str] = set()
    tree = root.getroottree()
    log: Any = schema.fa3().error_log
    for entry in islice(log, limit):
        found = tree.xpath(entry.path) if entry.path else []
        element = found[0] if isinstance(found, list) and found and etree.iselement(found[0]) else root
        field = path_of(element)
        if field not in seen:
            seen.add(field)
            yield _in_short(element, field, entry)
    if not seen:
        yield problem("schema_other")


def _in_short(element: Node, field: str, entry: Any) -> Problem:
    line = entry.line or None
    names = [local_name(name.strip()) for name in entry.message.partition("( ")[2].partition(" )")[0].split(",")]
    if entry.type_name != "SCHEMAV_ELEMENT_CONTENT" or not names[0]:
        return problem("schema_other", field=field, line=line)
    if "Missing child" in entry.message:
        return problem("missing_choice", field=field, line=line, missing=", ".join(names), after="")
    return structure.stranger(element) or structure.misplaced(element, element.getprevious(), names)
