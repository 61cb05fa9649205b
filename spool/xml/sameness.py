"""Is the content of two invoices the same? For technical corrections, which may change the form only (protocol §11)."""

from collections import Counter
from collections.abc import Iterator

from spool.domain.catalogue import problem
from spool.domain.document import collapse
from spool.domain.errors import Problem
from spool.xml.parser import parse
from spool.xml.paths import Node, local_name

_NOT_CONTENT = frozenset({"Naglowek"})
"""Form code, moment of creation, name of the program: they say how the file was made, not what was sold."""


def content_change(original: bytes, other: bytes) -> Problem | None:
    """The first value that one has and the other has not, or None; both must parse. White space does not count."""
    before, after = Counter(_values(parse(original))), Counter(_values(parse(other)))
    gone, came = before - after, after - before
    if not gone and not came:
        return None
    field = next(iter(gone or came))[0]
    was = next((value for path, value in gone if path == field), "–")
    now = next((value for path, value in came if path == field), "–")
    return problem("correction_content_changed", field=field, was=was, value=now)


def _values(root: Node) -> Iterator[tuple[str, str]]:
    """Path and text of every leaf, in the order of the file."""
    for part in root:
        if local_name(part.tag) not in _NOT_CONTENT:
            yield from _leaves(part, local_name(part.tag))


def _leaves(element: Node, path: str) -> Iterator[tuple[str, str]]:
    if len(element) == 0:
        yield path, collapse(element.text or "")
    for child in element:
        yield from _leaves(child, f"{path}/{local_name(child.tag)}")
