"""The elements of a `Faktura` that facts and checks look at, found in one walk over the tree.

A `find` for each of them would cost more than parsing the invoice; what every intake asks is therefore looked up here.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache

from spool.domain.document import collapse
from spool.xml.paths import Node

RATES = tuple(f"P_14_{rate}" for rate in range(1, 6))
_BODY = (
    "KodWaluty", "P_1", "P_2", "P_4B", "P_4C", "P_12_1", "P_15", "RodzajFaktury", "Adnotacje", "Platnosc",
    "DaneFaKorygowanej", "FakturaZaliczkowa", "DodatkowyOpis", "WarunkiTransakcji",
    *RATES, *(f"{rate}W" for rate in RATES),
)  # fmt: skip
_IDENTITY = "DaneIdentyfikacyjne"


def text(element: Node | None) -> str:
    """The character content of a leaf; the parser has already dropped comments and merged CDATA."""
    return "" if element is None else element.text or ""


class Part:
    """The first children of an element by local name, in the namespace of the root; of nothing, none."""

    __slots__ = ("_children", "_prefix", "element")

    def __init__(self, prefix: str, element: Node | None, tags: tuple[str, ...] = ()) -> None:
        """`tags` says which children are wanted where there may be thousands of others."""
        self.element = element
        self._prefix = prefix
        # From the last to the first, so that the first of several remains.
        self._children: dict[str, Node] = {}
        if element is not None:
            children = element.iterchildren(*tags, reversed=True) if tags else element[::-1]
            self._children = {child.tag: child for child in children}

    def get(self, name: str) -> Node | None:
        """The child."""
        return self._children.get(self._prefix + name)

    def part(self, name: str) -> "Part":
        """The children of the child."""
        return Part(self._prefix, self._children.get(self._prefix + name))

    def text(self, name: str) -> str:
        """The child's text as written; empty where there is no such child."""
        child = self._children.get(self._prefix + name)
        return "" if child is None else child.text or ""

    def value(self, name: str) -> str:
        """The child's text with white space collapsed."""
        child = self._children.get(self._prefix + name)
        return "" if child is None else collapse(child.text or "")

    def each(self, name: str) -> Iterator["Part"]:
        """Every child of this name."""
        if self.get(name) is not None and self.element is not None:
            for child in self.element.iterchildren(self._prefix + name):
                yield Part(self._prefix, child)


class Party(Part):
    """A seller, buyer or third party with its `DaneIdentyfikacyjne`."""

    __slots__ = ("identity",)

    def __init__(self, prefix: str, element: Node | None) -> None:
        super().__init__(prefix, element)
        self.identity = self.part(_IDENTITY)


class Outline:
    """A `Faktura` of any namespace, read leniently: of what should be there once, the first."""

    def __init__(self, root: Node) -> None:
        self.root = root
        namespace, brace, _ = root.tag.rpartition("}")
        self._prefix = namespace + brace
        self.top = Part(self._prefix, root)
        self.seller, self.buyer, self.authorised = (
            Party(self._prefix, self.top.get(name)) for name in ("Podmiot1", "Podmiot2", "PodmiotUpowazniony")
        )
        third = root.iterchildren(self._prefix + "Podmiot3")
        self.third_parties = [Party(self._prefix, party) for party in third]

    @cached_property
    def body(self) -> Part:
        """`Fa`, or `FakturaRR` where that stands in its place; rows are not among its children here."""
        found = self.top.get("Fa")
        return Part(self._prefix, self.top.get("FakturaRR") if found is None else found, _wanted(self._prefix))

    def rows(self) -> Iterator[Part]:
        """The rows of the invoice, one by one."""
        if self.body.element is not None:
            for row in self.body.element.iterchildren(self._prefix + "FaWiersz"):
                yield Part(self._prefix, row)


@lru_cache(maxsize=64)  # bounded, because a hostile document may bring any namespace
def _wanted(prefix: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in _BODY)
