"""Who takes part: seller, buyer, third parties with their roles, as cards."""

from gateway.render import words
from gateway.render.blocks import Block, Card, Cards, Heading, Line, Tone
from gateway.render.text import joined, quantity
from gateway.render.tree import Node


def parties(invoice: Node) -> list[Block]:
    """Seller and buyer beside each other, below them the municipality's units, then everyone else."""
    first = [
        _party(node, title)
        for name, title in (("Podmiot1", "Sprzedawca"), ("Podmiot2", "Nabywca"))
        for node in invoice.children(name)
    ]
    others = [_third(node) for node in invoice.children("Podmiot3")]
    others += [_authorised(node) for node in invoice.children("PodmiotUpowazniony")]
    units = [card for card in others if card.prominent]
    rest = [card for card in others if not card.prominent]
    return [*beside(first), *beside(units), *beside(rest)]


def corrected_parties(fa: Node) -> list[Block]:
    """`Podmiot1K`, `Podmiot2K`: the parties as they stood on the corrected invoice."""
    cards = [_party(node, "Sprzedawca przed korektą") for node in fa.children("Podmiot1K")]
    cards += [_party(node, "Nabywca przed korektą") for node in fa.children("Podmiot2K")]
    return [Heading("Dane podmiotów przed korektą"), *beside(cards)] if cards else []


def beside(cards: list[Card]) -> list[Block]:
    """Cards in twos."""
    return [Cards(tuple(cards[at : at + 2])) for at in range(0, len(cards), 2)]


def _third(node: Node) -> Card:
    """A `Podmiot3`; its title is its role in words."""
    role = node.text("Rola")
    title = words.ROLE.get(role, f"Podmiot trzeci (rola {role})" if role else "Inny podmiot")
    if node.flag("RolaInna"):
        title = "Inny podmiot"
    described = node.text("OpisRoli")
    return _party(node, joined(title, described, by=": "), prominent=role in words.JST_ROLES)


def _authorised(node: Node) -> Card:
    """A `PodmiotUpowazniony`."""
    role = node.text("RolaPU")
    return _party(node, "Podmiot upoważniony: " + words.AUTHORISED_ROLE.get(role, f"rola {role}"))


def _party(node: Node, title: str, *, prominent: bool = False) -> Card:
    """Name, identifiers, addresses, contacts and the marks of one party."""
    lines = identity(node)
    lines += address(node.child("Adres"))
    lines += address(node.child("AdresKoresp"), "Adres korespondencyjny: ")
    for contact in node.children("DaneKontaktowe"):
        parts = (contact.text(name) for name in ("Email", "EmailPU", "Telefon", "TelefonPU"))
        lines.append(Line(joined(*parts, by=" · "), Tone.MUTED))
    lines += [
        Line(label + value, Tone.MUTED)
        for label, value in (
            ("Numer klienta: ", node.text("NrKlienta")),
            ("Klucz nabywcy (IDNabywcy): ", node.text("IDNabywcy")),
            ("EORI: ", node.text("NrEORI")),
            ("Udział: ", joined(quantity(node.text("Udzial")), "%" if node.has("Udzial") else "", by="")),
            ("Status: ", _status(node.text("StatusInfoPodatnika"))),
            ("", _marks(node)),
        )
        if value
    ]
    return Card(title, tuple(line for line in lines if line.text), prominent)


def identity(node: Node) -> list[Line]:
    """Name and tax identifier out of `DaneIdentyfikacyjne`."""
    found = node.child("DaneIdentyfikacyjne")
    if found is None:
        return []
    eu = joined(found.text("KodUE"), found.text("NrVatUE"), by="")
    other = joined(found.text("KodKraju"), found.text("NrID"))
    numbers = [
        label + value
        for label, value in (
            ("NIP ", joined(node.text("PrefiksPodatnika"), found.text("NIP"))),
            ("Identyfikator wewnętrzny ", found.text("IDWew")),
            ("VAT UE ", eu),
            ("Identyfikator ", other),
            ("", "bez identyfikatora podatkowego" if found.flag("BrakID") else ""),
        )
        if value
    ]
    return [Line(found.text("Nazwa"), Tone.STRONG), *map(Line, numbers)]


def address(node: Node | None, label: str = "") -> list[Line]:
    """The lines of an address; with a label, all on one line."""
    if node is None:
        return []
    gln = node.text("GLN")
    *streets, last = [part for part in (node.text("AdresL1"), node.text("AdresL2")) if part] or [""]
    parts = [*streets, joined(last, node.text("KodKraju"), by=", "), f"GLN {gln}" if gln else ""]
    if label:
        return [Line(label + joined(*parts, by=", "), Tone.MUTED)]
    return [Line(part) for part in parts if part]


def _status(code: str) -> str:
    """`StatusInfoPodatnika` in words."""
    return words.TAXPAYER_STATUS.get(code, code)


def _marks(node: Node) -> str:
    """The buyer's `JST` and `GV` marks, both answers spelled out."""
    parts = []
    for name, label in (("JST", "jednostka podrzędna JST"), ("GV", "członek grupy VAT")):
        if node.has(name):
            parts.append(f"{label}: {'tak' if node.flag(name) else 'nie'}")
    return _sentence(", ".join(parts))


def _sentence(text: str) -> str:
    """The text with a capital letter."""
    return text[:1].upper() + text[1:]
