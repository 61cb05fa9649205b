"""From bytes to bytes: read, compose, write."""

import re
from dataclasses import replace
from typing import Any

from gateway.render import fa3, generic
from gateway.render.blocks import Block, Document, Heading, Pairs, Title
from gateway.render.codes import OFFLINE, codes_of
from gateway.render.data import as_data
from gateway.render.marks import Marks
from gateway.render.pdf import draw, write
from gateway.render.text import clean, joined
from gateway.render.tree import Ledger, parse

_LONGEST_NAME = 80


def render_invoice(raw: bytes, *, marks: Marks = Marks()) -> bytes:  # noqa: B008 - frozen
    """The PDF of an invoice of any form. UnreadableInvoice when the bytes are not well-formed XML or have a DTD."""
    data, name = _read(raw, marks)
    return write(data, original=raw, name=name, arms=marks.arms, created=marks.created)


def picture_of(raw: bytes, *, marks: Marks) -> bytes:
    """The first page of the same as a PNG; raises what `render_invoice` raises."""
    data, name = _read(raw, marks)
    return draw(data, original=raw, name=name, arms=marks.arms)


def _read(raw: bytes, marks: Marks) -> tuple[dict[str, Any], str]:
    """What the template draws, and the name of the attached XML."""
    cleaned = _cleaned(marks)
    document = compose(raw, cleaned)
    data = as_data(document, crest=cleaned.arms is not None)
    return data, attachment_name(cleaned.ksef_number or document.number)


def attachment_name(number: str) -> str:
    """The name of the attached XML: a number with only letters, digits, dots and hyphens, and no path."""
    stem = re.sub(r"[^A-Za-z0-9.-]", "-", number)[:_LONGEST_NAME].strip(".-")
    return f"{stem or 'faktura'}.xml"


def compose(raw: bytes, marks: Marks) -> Document:
    """The blocks of the document, the rest that no section took, and the codes."""
    ledger = Ledger(parse(raw))
    if ledger.namespace in fa3.NAMESPACES:
        blocks = fa3.invoice_blocks(ledger, marks)
        number = fa3.number_of(ledger)
        blocks += _rest(ledger)
    else:
        blocks = generic.generic_blocks(ledger, marks)
        number = generic.generic_number(ledger)
    blocks += codes_of(marks)
    state = f"KSeF {marks.ksef_number}" if marks.ksef_number else (OFFLINE if marks.kod1_url else "")
    name = next((block.name for block in blocks if isinstance(block, Title)), "Dokument")
    footer = joined(joined(name, number), state, marks.unit, by=" · ")
    return Document(tuple(blocks), footer, marks.ribbon, joined(name, number), number)


def _rest(ledger: Ledger) -> list[Block]:
    """Whatever no section has shown: place and value."""
    pairs = tuple(ledger.rest())
    return [Heading("Pozostałe dane"), Pairs(pairs)] if pairs else []


def _cleaned(marks: Marks) -> Marks:
    """The marks with printable text; links stay as they are, they are drawn through `clean` and `quote`."""
    return replace(
        marks,
        ksef_number=clean(marks.ksef_number),
        status=tuple(line for line in map(clean, marks.status) if line),
        unit=clean(marks.unit),
        ribbon=clean(marks.ribbon),
        title=clean(marks.title),
    )
