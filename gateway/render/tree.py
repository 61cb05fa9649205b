"""The invoice as a tree that remembers what has been shown.

Children are found by name in the namespace of the root only: an element of the same name from elsewhere is never
mistaken for a field of the invoice, it is listed among the rest.
"""

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from gateway.render.text import clean
from spool.xml import parser

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class UnreadableInvoice(ValueError):  # noqa: N818 - reads as the fact it states
    """The bytes are not well-formed XML, or carry a DTD."""


def parse(raw: bytes) -> etree._Element:
    """The root element, through the hardened parser that intake uses."""
    try:
        root: etree._Element = parser.parse(raw)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableInvoice(str(error)) from error
    return root


class Ledger:
    """All elements of one invoice, and which of them are on the paper already."""

    def __init__(self, root: etree._Element) -> None:
        self.elements = [e for e in root.iter() if isinstance(e.tag, str)]
        self.shown: set[etree._Element] = set()
        self.shown_attributes: set[tuple[etree._Element, str]] = set()
        self.namespace = etree.QName(root).namespace or ""
        self.root = Node(root, self)

    def rest(self) -> Iterator[tuple[str, str]]:
        """Path and value of every text and attribute that no section has taken, in document order."""
        paths = steps(self.elements)
        for element in self.elements:
            place = paths.get(element, "")
            value = "" if element in self.shown else clean(element.text or "")
            if value:
                yield place or etree.QName(element).localname, value
            for name, text in element.attrib.items():
                key = str(name)
                if (element, key) not in self.shown_attributes and not key.startswith(_XSI):
                    yield f"{place}/@{etree.QName(key).localname}", clean(str(text))
            tail = clean(element.tail or "")
            if tail:
                yield place + " (tekst po elemencie)", tail


class Node:
    """One element. Reading a value through a node enters it into the ledger as shown."""

    __slots__ = ("_children", "_element", "_ledger")

    def __init__(self, element: etree._Element, ledger: Ledger) -> None:
        self._element = element
        self._ledger = ledger
        self._children: dict[str, list[etree._Element]] = {}
        prefix = f"{{{ledger.namespace}}}" if ledger.namespace else ""
        for child in element:
            if isinstance(child.tag, str) and child.tag.startswith(prefix):
                self._children.setdefault(child.tag[len(prefix) :], []).append(child)

    def raw(self, name: str) -> str:
        """The text of the first child of this name as it stands, not cleaned; empty when there is none."""
        for element in self._children.get(name, ())[:1]:
            self._ledger.shown.add(element)
            return element.text or ""
        return ""

    def text(self, name: str) -> str:
        """The cleaned text of the first child of this name; empty when there is none."""
        return clean(self.raw(name))

    def texts(self, name: str) -> list[str]:
        """The cleaned texts of all children of this name."""
        found = self._children.get(name, [])
        self._ledger.shown.update(found)
        return [clean(element.text or "") for element in found]

    def flag(self, name: str) -> bool:
        """True when the child is `1`; a value other than 1 and 2 stays among the rest."""
        value = next((e.text for e in self._children.get(name, ())), None)
        if value in {"1", "2"}:
            self.raw(name)
        return value == "1"

    def has(self, name: str) -> bool:
        """True when there is such a child; nothing is entered as shown."""
        return name in self._children

    def child(self, name: str) -> "Node | None":
        """The first child of this name, as a node."""
        found = self._children.get(name, [])
        return Node(found[0], self._ledger) if found else None

    def children(self, name: str) -> list["Node"]:
        """All children of this name, as nodes."""
        return [Node(element, self._ledger) for element in self._children.get(name, ())]

    def attribute(self, child: str, name: str) -> str:
        """The cleaned attribute of the first child of this name."""
        for element in self._children.get(child, ())[:1]:
            self._ledger.shown_attributes.add((element, name))
            return clean(str(element.get(name) or ""))
        return ""

    def nodes(self) -> list["Node"]:
        """All children of the invoice's namespace in document order, as nodes."""
        inside = {element for found in self._children.values() for element in found}
        return [Node(element, self._ledger) for element in self._element if element in inside]

    def own(self, *attributes: str) -> str:
        """The cleaned text of this element itself; the named attributes count as shown with it."""
        self._ledger.shown.add(self._element)
        self._ledger.shown_attributes.update((self._element, name) for name in attributes)
        return clean(self._element.text or "")


def steps(elements: list[etree._Element]) -> dict[etree._Element, str]:
    """The path of each element, `Fa/FaWiersz[3]/P_7`, without the root; numbers only among several of a name."""
    paths: dict[etree._Element, str] = {}
    for parent in elements:
        names = [child.tag for child in parent]
        twins, met = Counter(names), Counter[object]()
        above = paths.get(parent, "")
        for child in parent:
            met[child.tag] += 1
            number = f"[{met[child.tag]}]" if twins[child.tag] > 1 else ""
            step = clean(etree.QName(child).localname) + number
            paths[child] = f"{above}/{step}" if above else step
    return paths
