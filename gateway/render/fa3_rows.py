"""The rows of the invoice (`FaWiersz`) and of the order (`ZamowienieWiersz`) as tables."""

from dataclasses import dataclass

from gateway.render import words
from gateway.render.blocks import Block, Column, Heading, Line, Pairs, Row, Table, Tone
from gateway.render.text import amount, day, joined, percent, quantity
from gateway.render.tree import Node


@dataclass(frozen=True)
class _Shape:
    """Element names of one kind of row; FA(3) repeats the same fields with a suffix for orders."""

    number: str
    name: str
    unit: str
    quantity: str
    before: str
    rate: str
    oss_rate: str
    annex_15: str
    money: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...]


_INVOICE = _Shape(
    number="NrWierszaFa",
    name="P_7",
    unit="P_8A",
    quantity="P_8B",
    before="StanPrzed",
    rate="P_12",
    oss_rate="P_12_XII",
    annex_15="P_12_Zal_15",
    money=(
        ("P_9A", "Cena netto"),
        ("P_9B", "Cena brutto"),
        ("P_10", "Rabat"),
        ("", "Stawka VAT"),
        ("P_11", "Wartość netto"),
        ("P_11Vat", "Kwota VAT"),
        ("P_11A", "Wartość brutto"),
    ),
    details=(
        ("P_6A", "data"),
        ("Indeks", "indeks"),
        ("GTIN", "GTIN"),
        ("PKWiU", "PKWiU"),
        ("CN", "CN"),
        ("PKOB", "PKOB"),
        ("GTU", ""),
        ("Procedura", "procedura"),
        ("KwotaAkcyzy", "akcyza"),
        ("KursWaluty", "kurs"),
        ("UU_ID", "UU_ID"),
    ),
)
_ORDER = _Shape(
    number="NrWierszaZam",
    name="P_7Z",
    unit="P_8AZ",
    quantity="P_8BZ",
    before="StanPrzedZ",
    rate="P_12Z",
    oss_rate="P_12Z_XII",
    annex_15="P_12Z_Zal_15",
    money=(
        ("P_9AZ", "Cena netto"),
        ("", "Stawka VAT"),
        ("P_11NettoZ", "Wartość netto"),
        ("P_11VatZ", "Kwota VAT"),
    ),
    details=(
        ("IndeksZ", "indeks"),
        ("GTINZ", "GTIN"),
        ("PKWiUZ", "PKWiU"),
        ("CNZ", "CN"),
        ("PKOBZ", "PKOB"),
        ("GTUZ", ""),
        ("ProceduraZ", "procedura"),
        ("KwotaAkcyzyZ", "akcyza"),
        ("UU_IDZ", "UU_ID"),
    ),
)
_SHOWN_AS = {"P_6A": day, "KursWaluty": quantity, "KwotaAkcyzy": amount, "KwotaAkcyzyZ": amount}


def invoice_rows(fa: Node, currency: str) -> list[Block]:
    """The table of goods and services, if the invoice has rows."""
    rows = fa.children("FaWiersz")
    return [Heading(f"Pozycje faktury ({currency})"), _table(rows, _INVOICE)] if rows else []


def order_rows(fa: Node, currency: str) -> list[Block]:
    """The order or contract behind an advance invoice."""
    order = fa.child("Zamowienie")
    if order is None:
        return []
    value = Pairs((("Wartość zamówienia lub umowy z VAT", f"{amount(order.text('WartoscZamowienia'))} {currency}"),))
    rows = order.children("ZamowienieWiersz")
    return [Heading(f"Zamówienie lub umowa ({currency})"), value, *([_table(rows, _ORDER)] if rows else [])]


def rates(fa: Node) -> set[str]:
    """The tax rates that occur in the rows, as FA(3) writes them."""
    found = {row.text("P_12") for row in fa.children("FaWiersz")}
    for order in fa.children("Zamowienie"):
        found |= {row.text("P_12Z") for row in order.children("ZamowienieWiersz")}
    return found - {""}


def _table(rows: list[Node], shape: _Shape) -> Table:
    """All rows; a money column appears only when some row has the value."""
    used = [
        (name, title)
        for name, title in shape.money
        if any(row.has(name) if name else row.has(shape.rate) or row.has(shape.oss_rate) for row in rows)
    ]
    columns = [
        Column("Lp.", 13, right=True),
        Column("Nazwa towaru lub usługi", 40, flexible=True),
        *([Column("Ilość", 22, right=True)] if any(row.has(shape.quantity) for row in rows) else []),
        *([Column("J.m.", 20)] if any(row.has(shape.unit) for row in rows) else []),
        *(Column(title, 30, right=True) for _, title in used),
    ]
    return Table(tuple(columns), tuple(_row(row, shape, columns, [name for name, _ in used]) for row in rows))


def _row(row: Node, shape: _Shape, columns: list[Column], money: list[str]) -> Row:
    """One row, each value in the column where it belongs."""
    before = row.flag(shape.before)
    tone = Tone.FAINT if before else Tone.NORMAL
    titles = {column.title for column in columns}
    cells = [(Line(row.text(shape.number), tone),), _name_cell(row, shape, before)]
    if "Ilość" in titles:
        cells.append((Line(quantity(row.text(shape.quantity)), tone),))
    if "J.m." in titles:
        cells.append((Line(row.text(shape.unit), tone),))
    for name in money:
        value = amount(row.text(name)) if name else _rate(row, shape)
        cells.append((Line(value, tone),))
    return Row(tuple(cells), shaded=before)


def _name_cell(row: Node, shape: _Shape, before: bool) -> tuple[Line, ...]:
    """Name of the goods, and in small print the codes and numbers that have no column."""
    details = []
    for name, label in shape.details:
        value = row.text(name)
        if value:
            details.append(joined(label, _SHOWN_AS.get(name, str)(value)))
    if row.flag(shape.annex_15):
        details.append("załącznik nr 15")
    lines = (
        Line("Stan przed korektą" if before else "", Tone.MUTED),
        Line(row.text(shape.name), Tone.FAINT if before else Tone.NORMAL),
        Line(" · ".join(details), Tone.MUTED),
    )
    return tuple(line for line in lines if line.text)


def _rate(row: Node, shape: _Shape) -> str:
    """The tax rate in words; the rate of the OSS procedure is marked as such."""
    rate, oss = row.text(shape.rate), row.text(shape.oss_rate)
    return joined(rate_words(rate), f"{percent(oss)} OSS" if oss else "", by=", ")


def rate_words(rate: str) -> str:
    """`23` → `23%`, `0 KR` → `0%`, `zw` → `zw.`."""
    return words.RATE.get(rate) or (f"{rate}%" if rate.isdecimal() else rate)
