"""Any other form (FA_RR, PEF, unknown): the facts that can be found, then the whole element tree, readable."""

from lxml import etree

from gateway.render import words
from gateway.render.blocks import Block, Facts, Heading, Indented, Notice, Title
from gateway.render.marks import Marks
from gateway.render.text import amount, clean, day
from gateway.render.tree import Ledger

_DEEPEST = 12
_FACTS = (
    ("Data wystawienia", day, ("Fa/P_1", "FakturaRR/P_4B", "IssueDate")),
    ("Waluta", clean, ("Fa/KodWaluty", "FakturaRR/KodWaluty", "DocumentCurrencyCode")),
    (
        "Kwota należności ogółem",
        amount,
        ("Fa/P_15", "FakturaRR/P_12_1", "LegalMonetaryTotal/PayableAmount"),
    ),
    (
        "Sprzedawca lub dostawca",
        clean,
        (
            "Podmiot1/DaneIdentyfikacyjne/Nazwa",
            "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
            "AccountingSupplierParty/Party/PartyName/Name",
        ),
    ),
    (
        "Nabywca",
        clean,
        (
            "Podmiot2/DaneIdentyfikacyjne/Nazwa",
            "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
            "AccountingCustomerParty/Party/PartyName/Name",
        ),
    ),
)
_NUMBERS = ("Fa/P_2", "FakturaRR/P_4C", "ID")


def generic_blocks(ledger: Ledger, marks: Marks) -> list[Block]:
    """Title, known facts, tree."""
    root = ledger.elements[0]
    name = marks.title or words.OTHER_FORM.get(_form(root), "Dokument")
    blocks: list[Block] = [Title(name, generic_number(ledger), marks.unit, marks.ksef_number)]
    if marks.status:
        blocks.append(Notice(marks.status))
    found = ((label, shape(_find(root, paths))) for label, shape, paths in _FACTS)
    facts = tuple((label, value) for label, value in found if value)
    if facts:
        blocks.append(Facts(facts, columns=3))
    return [*blocks, Heading("Treść dokumentu"), Indented(tuple(_tree(root, 0)))]


def generic_number(ledger: Ledger) -> str:
    """The number of the invoice, if it stands where one of the known forms has it."""
    return _find(ledger.elements[0], _NUMBERS)


def _form(root: etree._Element) -> str:
    """What kind of form: the content of `KodFormularza`, else the name of the root."""
    code = _find(root, ("Naglowek/KodFormularza",))
    return code or etree.QName(root).localname


def _find(root: etree._Element, paths: tuple[str, ...]) -> str:
    """The first non-empty text at one of these paths, by local names."""
    for path in paths:
        places = [root]
        for step in path.split("/"):
            places = [c for p in places for c in p if etree.QName(c).localname == step]
        for place in places:
            if text := clean(place.text or ""):
                return text
    return ""


def _tree(root: etree._Element, base: int) -> list[tuple[int, str, str]]:
    """Depth, name with attributes, and text of every element below the root, without recursion."""
    items: list[tuple[int, str, str]] = []
    stack = [(child, base) for child in reversed(root)]
    items += _item(root, base)[1:] if len(root) else _item(root, base)
    while stack:
        element, depth = stack.pop()
        items += _item(element, min(depth, _DEEPEST))
        stack += [(child, depth + 1) for child in reversed(element)]
        if tail := clean(element.tail or ""):
            items.append((min(depth, _DEEPEST), "", tail))
    return items


def _item(element: etree._Element, depth: int) -> list[tuple[int, str, str]]:
    """The element itself and one more line for each attribute."""
    name = clean(etree.QName(element).localname)
    items = [(depth, name, clean(element.text or ""))]
    for key, value in element.attrib.items():
        items.append((depth + 1, f"{name} @{etree.QName(str(key)).localname}", clean(str(value))))
    return items
