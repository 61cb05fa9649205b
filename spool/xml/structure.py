"""A field that is missing, unknown or in the wrong place → a sentence."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from lxml import etree
from xmlschema.validators import XsdElement, XsdGroup
from xmlschema.validators.exceptions import XMLSchemaChildrenValidationError

from spool.domain.catalogue import problem
from spool.domain.errors import Problem
from spool.xml import schema
from spool.xml.paths import Node, local_name, path_of

_LISTED = 8


def explain(error: XMLSchemaChildrenValidationError) -> Problem:
    """What the first child that does not fit tells: something is missing before it, or it does not belong there."""
    parent = error.elem
    assert parent is not None
    index = min(error.index, len(parent))
    child = parent[index] if error.invalid_tag and index < len(parent) else None
    previous = parent[index - 1] if index else None
    required = _required(error)
    if child is None:
        return _missing(parent, previous, required)
    unknown = stranger(child)
    if unknown:
        return unknown
    later = {sibling.tag for sibling in parent[index:]}
    if required and not any(element.name in later for element in required):
        return _missing(parent, previous, required, before=child)
    return misplaced(child, previous, [element.local_name for element in required])


def _required(error: XMLSchemaChildrenValidationError) -> list[XsdElement]:
    """The fields of which one has to come next, if any has to."""
    particle = error.particle
    if isinstance(particle, XsdElement):
        return [particle] if particle.min_occurs > error.occurs else []
    if isinstance(particle, XsdGroup) and particle.min_occurs > 0:
        return list(_firsts(particle))
    return []


def _firsts(group: XsdGroup) -> Iterator[XsdElement]:
    """The fields that a group may begin with."""
    for item in group:
        if isinstance(item, XsdElement):
            yield item
        elif isinstance(item, XsdGroup):
            yield from _firsts(item)
        if group.model == "sequence" and item.min_occurs > 0:
            return


def stranger(child: Node) -> Problem | None:
    """The refusal of a field that FA(3) does not have at all."""
    name = etree.QName(child)
    where: dict[str, Any] = {"field": path_of(child), "line": child.sourceline}
    if name.namespace != schema.FA3_NAMESPACE:
        return problem("foreign_element", **where, namespace=name.namespace or "brak")
    if name.localname not in _known_names():
        return problem("unknown_element", **where)
    return None


@cache
def _known_names() -> frozenset[str]:
    """The local name of every field of FA(3)."""
    found: Iterable[Any] = schema.fa3_explaining().iter_components(XsdElement)
    return frozenset(element.local_name for element in found if element.local_name)


def _missing(
    parent: Node,
    previous: Node | None,
    required: list[XsdElement],
    before: Node | None = None,
) -> Problem:
    at = before if before is not None else previous
    line = (parent if at is None else at).sourceline
    names = [element.local_name for element in required]
    if not names:
        return problem("schema_other", field=path_of(parent), line=line)
    if len(names) == 1:
        field = "/".join(filter(None, (path_of(parent), names[0])))
        return problem("missing_element", field=field, line=line, after=_after(previous))
    return problem("missing_choice", field=path_of(parent), line=line, missing=_listed(names), after=_after(previous))


def misplaced(child: Node, previous: Node | None, names: list[str]) -> Problem:
    """A field of FA(3) where it must not stand; `names` are those that may."""
    expected = f"; tu musi być {_listed(names)}" if names else ""
    return problem(
        "unexpected_element",
        field=path_of(child),
        line=child.sourceline,
        after=_after(previous),
        expected=expected,
    )


def _after(previous: Node | None) -> str:
    return "" if previous is None else f" (po polu {local_name(previous.tag)})"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
