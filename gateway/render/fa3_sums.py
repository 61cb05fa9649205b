"""The sums: tax by rate, the total, settlements. Every figure is the invoice's own; nothing is added up here."""

from gateway.render import words
from gateway.render.blocks import Block, Column, Heading, Line, Pairs, Row, Table, Total
from gateway.render.fa3_rows import rate_words, rates
from gateway.render.text import amount, day, joined, quantity
from gateway.render.tree import Node

_RATES = (
    ("1", ("23", "22")),
    ("2", ("8", "7")),
    ("3", ("5",)),
    ("4", ()),
    ("5", ()),
)
_LABELS = {
    "4": "ryczałt dla taksówek osobowych",
    "5": "procedura szczególna OSS (dział XII rozdz. 6a)",
    "6_1": "0%",
    "6_2": "0% – wewnątrzwspólnotowa dostawa towarów",
    "6_3": "0% – eksport",
    "7": "zwolniona od podatku",
    "8": "poza terytorium kraju (np.)",
    "9": "usługi z art. 100 ust. 1 pkt 4 (np.)",
    "10": "odwrotne obciążenie",
    "11": "procedura marży",
}


def sums(fa: Node, kind: str, currency: str) -> list[Block]:
    """Tax summary, total, and how the total came to the amount to pay."""
    blocks: list[Block] = []
    table = _by_rate(fa)
    if table.rows:
        blocks += [Heading(f"Podsumowanie według stawek podatku ({currency})", narrow=True), table]
    if fa.has("P_15"):
        label = words.TOTAL.get(kind, "Kwota należności ogółem")
        blocks.append(Total(label, f"{amount(fa.text('P_15'))} {currency}"))
    facts = (
        ("Kwota przed korektą", joined(amount(fa.text("P_15ZK")), currency if fa.has("P_15ZK") else "")),
        ("Kurs waluty", quantity(fa.text("KursWalutyZ"))),
        ("Kurs waluty przed korektą", quantity(fa.text("KursWalutyZK"))),
    )
    pairs = tuple((label, value) for label, value in facts if value)
    if pairs:
        blocks.append(Pairs(pairs))
    return blocks + _partial_advances(fa, currency) + _settlement(fa, currency)


def _by_rate(fa: Node) -> Table:
    """`P_13_*`, `P_14_*` and, for foreign currencies, the tax in złoty."""
    occurring = rates(fa)
    suffixes = [s for s, _ in _RATES] + [s for s in _LABELS if s not in {"4", "5"}]
    found = [s for s in suffixes if any(fa.has(f"P_{n}") for n in (f"13_{s}", f"14_{s}", f"14_{s}W"))]
    in_pln = any(fa.has(f"P_14_{s}W") for s in found)
    columns = [
        Column("Stawka lub rodzaj sprzedaży", 60, flexible=True),
        Column("Wartość netto", 40, right=True),
        Column("Kwota VAT", 40, right=True),
        *([Column("VAT w PLN", 40, right=True)] if in_pln else []),
    ]
    rows = []
    for suffix in found:
        values = [f"P_13_{suffix}", f"P_14_{suffix}", *([f"P_14_{suffix}W"] if in_pln else [])]
        cells = [_label(suffix, occurring), *(amount(fa.text(name)) for name in values)]
        rows.append(Row(tuple((Line(cell),) for cell in cells)))
    return Table(tuple(columns), tuple(rows), narrow=True)


def _label(suffix: str, occurring: set[str]) -> str:
    """The rate behind a sum; where a field serves two rates, those that the rows name, else both."""
    possible = dict(_RATES).get(suffix, ())
    named = [rate for rate in possible if rate in occurring] or possible
    return " / ".join(rate_words(rate) for rate in named) or _LABELS.get(suffix, suffix)


def _partial_advances(fa: Node, currency: str) -> list[Block]:
    """`ZaliczkaCzesciowa`: several payments documented by one advance invoice."""
    rows = []
    for part in fa.children("ZaliczkaCzesciowa"):
        cells = (day(part.text("P_6Z")), amount(part.text("P_15Z")), quantity(part.text("KursWalutyZW")))
        rows.append(Row(tuple((Line(cell),) for cell in cells)))
    if not rows:
        return []
    columns = (
        Column("Data otrzymania płatności", 60, flexible=True),
        Column(f"Kwota ({currency})", 40, right=True),
        Column("Kurs waluty", 30, right=True),
    )
    return [Heading("Płatności objęte fakturą", narrow=True), Table(columns, tuple(rows), narrow=True)]


def _settlement(fa: Node, currency: str) -> list[Block]:
    """`Rozliczenie`: charges, deductions and what remains to be paid."""
    node = fa.child("Rozliczenie")
    if node is None:
        return []
    pairs = []
    for name, sign in (("Obciazenia", "Obciążenie"), ("Odliczenia", "Odliczenie")):
        for item in node.children(name):
            pairs.append((f"{sign}: {item.text('Powod')}", f"{amount(item.text('Kwota'))} {currency}"))
    for name, label in (("SumaObciazen", "Suma obciążeń"), ("SumaOdliczen", "Suma odliczeń")):
        if node.has(name):
            pairs.append((label, f"{amount(node.text(name))} {currency}"))
    blocks: list[Block] = [Heading("Rozliczenie")]
    if pairs:
        blocks.append(Pairs(tuple(pairs)))
    for name, label in (("DoZaplaty", "Do zapłaty"), ("DoRozliczenia", "Do rozliczenia lub zwrotu")):
        if node.has(name):
            blocks.append(Total(label, f"{amount(node.text(name))} {currency}"))
    return blocks
