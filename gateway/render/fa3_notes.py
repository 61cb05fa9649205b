"""What surrounds the sums: correction, annotations, additional descriptions, footer, registers."""

import re
from collections.abc import Iterable

from gateway.render import words
from gateway.render.blocks import Block, Column, Heading, Line, Pairs, Row, Table, Text, Tone
from gateway.render.text import clean_lines, day, joined
from gateway.render.tree import Node


def correction(fa: Node) -> list[Block]:
    """Why the invoice corrects, with which effect, and which invoices."""
    effect = fa.text("TypKorekty")
    pairs = (
        ("Przyczyna korekty", fa.text("PrzyczynaKorekty")),
        ("Skutek w ewidencji VAT", words.CORRECTION_EFFECT.get(effect, effect)),
        ("Okres, którego dotyczy opust", fa.text("OkresFaKorygowanej")),
        ("Poprawny numer faktury korygowanej", fa.text("NrFaKorygowany")),
    )
    shown = tuple((label, value) for label, value in pairs if value)
    rows = tuple(_corrected(node) for node in fa.children("DaneFaKorygowanej"))
    if not shown and not rows:
        return []
    columns = (
        Column("Numer faktury korygowanej", 50, flexible=True),
        Column("Data wystawienia", 30),
        Column("Numer KSeF", 75),
    )
    blocks: list[Block] = [Heading("Korekta")]
    blocks += [Pairs(shown)] if shown else []
    return blocks + ([Table(columns, rows)] if rows else [])


def _corrected(node: Node) -> Row:
    """One corrected invoice."""
    issued = day(node.text("DataWystFaKorygowanej"))
    inside, outside = node.flag("NrKSeF"), node.flag("NrKSeFN")
    number = node.text("NrKSeFFaKorygowanej") or ("wystawiona w KSeF" if inside else "")
    number = joined(number, "wystawiona poza KSeF" if outside else "", by=", ")
    return Row(((Line(node.text("NrFaKorygowanej")),), (Line(issued),), (Line(number),)))


def advances(fa: Node) -> list[Block]:
    """`FakturaZaliczkowa`: the advance invoices that this one settles."""
    lines = []
    for node in fa.children("FakturaZaliczkowa"):
        outside = "wystawiona poza KSeF" if node.flag("NrKSeFZN") else ""
        number = joined(node.text("NrKSeFFaZaliczkowej"), node.text("NrFaZaliczkowej"))
        lines.append(Line(joined(number, outside, by=", ")))
    return [Heading("Faktury zaliczkowe"), Text(tuple(lines))] if lines else []


def annotations(fa: Node) -> list[Block]:
    """`Adnotacje` and the flags of `Fa`: what applies as sentences, what does not in one small line."""
    applies: list[str] = []
    absent: list[str] = []
    node = fa.child("Adnotacje")
    if node is not None:
        for name, label in words.ANNOTATIONS.items():
            if node.has(name):
                (applies if node.flag(name) else absent).append(label)
        _exemption(node, applies, absent)
        _margin(node, applies, absent)
        _vehicles(node, applies, absent)
    for name, label in (
        ("FP", "faktura do paragonu (art. 109 ust. 3d)"),
        ("TP", "powiązania między nabywcą a dokonującym dostawy (TP)"),
        ("ZwrotAkcyzy", "zwrot podatku akcyzowego dla rolników"),
    ):
        if fa.flag(name):
            applies.append(label)
    lines = [Line(text[:1].upper() + text[1:], Tone.STRONG) for text in applies]
    if absent:
        lines.append(Line("Nie dotyczy: " + ", ".join(absent) + ".", Tone.MUTED))
    return [Heading("Adnotacje"), Text(tuple(lines))] if lines else []


def _exemption(node: Node, applies: list[str], absent: list[str]) -> None:
    """`Zwolnienie`: the exemption with its legal ground."""
    found = node.child("Zwolnienie")
    if found is None:
        return
    if found.flag("P_19N"):
        absent.append("zwolnienie od podatku")
    grounds = (
        ("przepis ustawy lub aktu: ", found.text("P_19A")),
        ("przepis dyrektywy 2006/112/WE: ", found.text("P_19B")),
        ("inna podstawa prawna: ", found.text("P_19C")),
    )
    ground = joined(*(label + value for label, value in grounds if value), by="; ")
    if found.flag("P_19") or ground:
        applies.append(joined("zwolnienie od podatku", ground, by=" – "))


def _margin(node: Node, applies: list[str], absent: list[str]) -> None:
    """`PMarzy`: which margin scheme."""
    found = node.child("PMarzy")
    if found is None:
        return
    if found.flag("P_PMarzyN"):
        absent.append("procedura marży")
    schemes = [label for name, label in words.MARGIN.items() if found.flag(name)]
    if found.flag("P_PMarzy") and not schemes:
        schemes = ["procedura marży"]
    applies += schemes


def _vehicles(node: Node, applies: list[str], absent: list[str]) -> None:
    """`NoweSrodkiTransportu`: new means of transport, each with its marks."""
    found = node.child("NoweSrodkiTransportu")
    if found is None:
        return
    if found.flag("P_22N"):
        absent.append("nowe środki transportu")
    if found.flag("P_22"):
        applies.append("wewnątrzwspólnotowa dostawa nowych środków transportu")
    if found.has("P_42_5"):
        (applies if found.flag("P_42_5") else absent).append("obowiązek z art. 42 ust. 5")
    for vehicle in found.children("NowySrodekTransportu"):
        marks = ((label, vehicle.text(name)) for name, label in words.NEW_VEHICLE.items())
        text = ", ".join(f"{label} {day(value)}" for label, value in marks if value)
        applies.append("nowy środek transportu: " + text)


def descriptions(fa: Node) -> list[Block]:
    """`DodatkowyOpis`: free keys and values, some of them for one row only."""
    pairs = []
    for node in fa.children("DodatkowyOpis"):
        row = node.text("NrWiersza")
        pairs.append((joined(node.text("Klucz"), f"(wiersz {row})" if row else ""), node.text("Wartosc")))
    return [Heading("Dodatkowy opis"), Pairs(tuple(pairs))] if pairs else []


def footer(invoice: Node) -> list[Block]:
    """`Stopka`: the seller's own footer and registers."""
    lines: list[Line] = []
    for node in invoice.children("Stopka"):
        for info in node.children("Informacje"):
            lines += map(Line, clean_lines(info.raw("StopkaFaktury")))
        for register in node.children("Rejestry"):
            numbers = (f"{name} {value}" for name in ("KRS", "REGON", "BDO") if (value := register.text(name)))
            lines.append(Line(joined(register.text("PelnaNazwa"), *numbers, by=" · ")))
    shown = tuple(line for line in lines if line.text)
    return [Heading("Stopka faktury"), Text(shown)] if shown else []


def attachment(invoice: Node) -> list[Block]:
    """`Zalacznik`: blocks of keys, text and tables."""
    blocks: list[Block] = []
    for node in invoice.children("Zalacznik"):
        for block in node.children("BlokDanych"):
            blocks.append(Heading(joined("Załącznik", block.text("ZNaglowek"), by=" – ")))
            blocks += _metadata(block, "MetaDane", "ZKlucz", "ZWartosc")
            for part in block.children("Tekst"):
                blocks.append(Text(tuple(map(Line, part.texts("Akapit")))))
            for table in block.children("Tabela"):
                blocks += _metadata(table, "TMetaDane", "TKlucz", "TWartosc")
                described = table.text("Opis")
                blocks += [Text((Line(described, Tone.STRONG),))] if described else []
                blocks.append(_attached_table(table))
    return blocks


def _metadata(node: Node, name: str, key: str, value: str) -> list[Block]:
    """Key and value pairs of the attachment."""
    pairs = tuple((item.text(key), item.text(value)) for item in node.children(name))
    return [Pairs(pairs)] if pairs else []


def _attached_table(table: Node) -> Table:
    """One table of the attachment; rows shorter than the header are filled up, longer ones widen it."""
    titles = []
    for head in table.children("TNaglowek"):
        for column in head.children("Kol"):
            titles.append(column.text("NKom"))
            column.own("Typ")
    rows = [row.texts("WKom") for row in table.children("Wiersz")]
    total = [row.texts("SKom") for row in table.children("Suma")]
    count = max([len(titles), 1, *map(len, rows), *map(len, total)])
    titles += [""] * (count - len(titles))
    columns = tuple(
        Column(title, 0, right=_numeric(row[at] for row in rows if at < len(row)), flexible=True)
        for at, title in enumerate(titles)
    )
    filled = [(row + [""] * (count - len(row)), Tone.NORMAL) for row in rows]
    filled += [(row + [""] * (count - len(row)), Tone.STRONG) for row in total]
    return Table(columns, tuple(Row(tuple((Line(cell, tone),) for cell in row)) for row, tone in filled))


def _numeric(cells: Iterable[str]) -> bool:
    """True when every cell is a number: such a column stands at the right."""
    found = [cell for cell in cells if cell]
    return bool(found) and all(re.fullmatch(r"[+-]?\d+([.,]\d+)?", cell) for cell in found)
