"""A FA(3) invoice as blocks, in the order in which an accountant reads it.

FA(2) has the same structure with fewer fields and goes the same way: the ledger lists whatever differs.
"""

from gateway.render import words
from gateway.render.blocks import Block, Facts, Line, Notice, Text, Title, Tone
from gateway.render.fa3_notes import advances, annotations, attachment, correction, descriptions, footer
from gateway.render.fa3_parties import corrected_parties, parties
from gateway.render.fa3_rows import invoice_rows, order_rows
from gateway.render.fa3_sums import sums
from gateway.render.fa3_terms import payment, terms
from gateway.render.marks import Marks
from gateway.render.text import day, joined, moment
from gateway.render.tree import Ledger, Node

NAMESPACES = frozenset(
    {
        "http://crd.gov.pl/wzor/2025/06/25/13775/",  # FA(3)
        "http://crd.gov.pl/wzor/2023/06/29/12648/",  # FA(2)
    }
)


def invoice_blocks(ledger: Ledger, marks: Marks) -> list[Block]:
    """All sections; only those that have something to say."""
    invoice = ledger.root
    blocks: list[Block] = []
    for fa in invoice.children("Fa")[:1]:
        kind, currency = fa.text("RodzajFaktury"), fa.text("KodWaluty")
        blocks += _top(fa, kind, currency, marks)
        blocks += parties(invoice)
        blocks += correction(fa)
        blocks += corrected_parties(fa)
        blocks += invoice_rows(fa, currency)
        blocks += order_rows(fa, currency)
        blocks += sums(fa, kind, currency)
        blocks += payment(fa, currency)
        blocks += annotations(fa)
        blocks += advances(fa)
        blocks += terms(fa)
        blocks += descriptions(fa)
    blocks += attachment(invoice)
    blocks += footer(invoice)
    blocks += _technical(invoice)
    return blocks


def number_of(ledger: Ledger) -> str:
    """`P_2`, for the footer of every page."""
    return next((fa.text("P_2") for fa in ledger.root.children("Fa")), "")


def _top(fa: Node, kind: str, currency: str, marks: Marks) -> list[Block]:
    """Name, number, state and dates."""
    name = marks.title or words.KIND.get(kind, joined("Faktura", kind))
    blocks: list[Block] = [Title(name, fa.text("P_2"), marks.unit, marks.ksef_number)]
    if marks.status:
        blocks.append(Notice(marks.status))
    period = ""
    for found in fa.children("OkresFa"):
        period = joined(day(found.text("P_6_Od")), day(found.text("P_6_Do")), by=" – ")
    facts = (
        ("Data wystawienia", day(fa.text("P_1"))),
        ("Miejsce wystawienia", fa.text("P_1M")),
        ("Data dostawy/usługi/zapłaty", day(fa.text("P_6"))),
        ("Okres faktury", period),
        ("Rodzaj faktury", kind),
        ("Waluta", currency),
    )
    shown = tuple((label, value) for label, value in facts if value)
    return [*blocks, Facts(shown, columns=5)] if shown else blocks


def _technical(invoice: Node) -> list[Block]:
    """`Naglowek`: the form and the program that wrote the file, in one small line."""
    node = invoice.child("Naglowek")
    if node is None:
        return []
    form = joined(
        node.text("KodFormularza"),
        node.attribute("KodFormularza", "kodSystemowy"),
        node.attribute("KodFormularza", "wersjaSchemy"),
        node.text("WariantFormularza"),
        by=" / ",
    )
    created, program = moment(node.text("DataWytworzeniaFa")), node.text("SystemInfo")
    parts = (
        f"Formularz {form}" if form else "",
        f"plik wytworzono {created}" if created else "",
        f"w programie {program}" if program else "",
    )
    line = joined(*parts, by=", ")
    return [Text((Line(line, Tone.MUTED),))] if line else []
