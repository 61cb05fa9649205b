"""Where an element stands, in the words of the catalogue: `Fa/FaWiersz[3]/P_11`."""

from typing import Any

# An element of lxml, whose stubs lack half of it.
Node = Any


def path_of(element: Node) -> str:
    """The path below the root by local names; a position only where the element repeats among its siblings."""
    steps = []
    at: Node | None = element
    while at is not None and at.getparent() is not None:
        steps.append(_step(at))
        at = at.getparent()
    return "/".join(reversed(steps))


def local_name(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition("}")[2]


def _step(element: Node) -> str:
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    repeated = before or next(element.itersiblings(element.tag), None) is not None
    return f"{local_name(element.tag)}[{before + 1}]" if repeated else local_name(element.tag)
