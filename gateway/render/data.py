"""Blocks as the JSON that the template reads. All text goes in as strings; sizes that both must know go with it."""

from typing import Any

from gateway.render.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Codes,
    Document,
    Facts,
    Heading,
    Indented,
    Line,
    Notice,
    Pairs,
    Row,
    Table,
    Text,
    Title,
    Tone,
    Total,
)
from gateway.render.codes import qr_svg
from gateway.render.columns import NARROW, ROOM, SMALL, Grid, grid
from gateway.render.metrics import breakable, shortened, width
from gateway.render.text import clean

_SIZES = {  # points, except `pair-label`: millimetres
    "body": 8.0,
    "label": 6.8,
    "fact": 8.8,
    "unit": 8.5,
    "name": 19.0,
    "number": 11.5,
    "heading": 9.6,
    "total": 13.0,
    "link": 5.2,
    "ribbon": 9.0,
    "footer": 6.6,
    "pair-label": 50.0,
}
_GUTTER = 4.0  # mm between label and value
_FACT_SPREAD = 12.0  # mm
_TREE = 85.0  # mm for the names in the tree of an unknown form
_PAIR = (ROOM - 8) / 2  # mm of one of two things beside each other
_TALL = 400  # characters in one cell; in the narrowest of columns they may need more than a page
_MODULE, _LEAST_SIDE = 0.48, 30.0  # mm: zbar reads a module of 2.8 pixels (150 dpi) safely
_FOLD = 5.0  # mm between the square and its text
_CREST = 23.0  # mm for the coat of arms and its gutter


def as_data(document: Document, *, crest: bool = False) -> dict[str, Any]:
    """The whole document without its attachment; `crest` leaves room for a coat of arms in the title."""
    return {
        "sizes": _SIZES,
        "title": document.title,
        "ribbon": shortened(document.ribbon, (ROOM - 6) / 1.15, _SIZES["ribbon"]),
        "footer": shortened(document.footer, ROOM - 28, _SIZES["footer"]),
        "blocks": [_block(block, crest) for block in document.blocks],
    }


def _block(block: Block, crest: bool) -> dict[str, Any]:
    """One block by its kind."""
    match block:
        case Title():
            return _title(block, crest)
        case Heading(text, narrow):
            left = ROOM - NARROW if narrow else 0
            return {"kind": "heading", "left": left, "text": _fit(text, ROOM - left, "heading", bold=True)}
        case Notice(lines):
            return {"kind": "notice", "lines": [_fit(line, ROOM - 8, bold=True) for line in lines]}
        case Facts(items, columns):
            return _facts(items, columns)
        case Pairs(items):
            label = _SIZES["pair-label"]
            rest = ROOM - label - _GUTTER
            return {"kind": "pairs", "items": [(_fit(name, label), _fit(value, rest)) for name, value in items]}
        case Cards(cards):
            return {"kind": "cards", "cards": [_card(card) for card in cards]}
        case Table():
            return _table(block)
        case Total():
            return _total(block)
        case Text(lines):
            return {"kind": "text", "lines": [_line(line, ROOM) for line in lines]}
        case Indented(items):
            return {"kind": "indented", "items": [_branch(*item) for item in items]}
        case Codes(codes):
            return _codes(codes)


def _fit(text: str, room: float, size: str = "body", *, bold: bool = False) -> str:
    """The text, breakable where a word is too long for `room` mm at one of our sizes."""
    return breakable(text, room, _SIZES[size], bold=bold)


def _line(line: Line, room: float) -> tuple[str, str]:
    """A paragraph with its tone."""
    size = _SIZES["body"] * (SMALL if line.tone is Tone.MUTED else 1)
    return breakable(line.text, room, size, bold=line.tone is Tone.STRONG), line.tone.value


def _title(block: Title, crest: bool) -> dict[str, Any]:
    room = ROOM - (_CREST if crest else 0)
    beside = room - (width(block.ksef_number, 8, bold=True) + 6 if block.ksef_number else 0)
    return {
        "kind": "title",
        "name": _fit(block.name, beside, "name", bold=True),
        "number": _fit(block.number, max(beside - 8, 40), "number"),
        "unit": _fit(block.unit, beside, "unit"),
        "ksef_number": breakable(block.ksef_number, ROOM / 2, 8, bold=True),
    }


def _facts(items: tuple[tuple[str, str], ...], columns: int) -> dict[str, Any]:
    """All on one line, each as wide as it needs, where they fit; else in equal columns."""
    natural = [max(width(label, _SIZES["label"]), width(value, _SIZES["fact"])) + _GUTTER for label, value in items]
    spare = (ROOM - sum(natural)) / len(items)
    widths = [ROOM / columns] * columns
    if spare >= 0:
        # Not spread over the whole line: three short facts would look lost.
        widths = [wanted + min(spare, _FACT_SPREAD) for wanted in natural]
    rooms = [widths[at % len(widths)] - _GUTTER + 0.1 for at in range(len(items))]
    return {
        "kind": "facts",
        "widths": [round(each, 3) for each in widths],
        "items": [
            (_fit(label, room, "label"), _fit(value, room, "fact"))
            for (label, value), room in zip(items, rooms, strict=True)
        ],
    }


def _card(card: Card) -> dict[str, Any]:
    room = _PAIR - (7 if card.prominent else 0)
    return {
        "title": _fit(card.title, room, bold=True),
        "prominent": card.prominent,
        "lines": [_line(line, room) for line in card.lines],
    }


def _table(block: Table) -> dict[str, Any]:
    made = grid(block)
    strong = [Line(column.title, Tone.STRONG) for column in block.columns]
    return {
        "kind": "table",
        "widths": made.widths,
        "size": made.size,
        "left": ROOM - NARROW if block.narrow else 0,
        "right": [column.right for column in block.columns],
        "titles": [made.cell(at, title) for at, title in enumerate(strong)],
        "rows": [_row(row, made) for row in block.rows],
    }


def _row(row: Row, made: Grid) -> dict[str, Any]:
    """A cell of one ordinary line is a string, any other a list of lines with their tones.

    `flat`: every cell is one line, which is typeset several times cheaper. `tall`: it may need more than a page.
    """
    cells: list[str | list[tuple[str, str]]] = []
    flat, length = True, 0
    for at, cell in enumerate(row.cells):
        flat = flat and len(cell) <= 1 and all(made.fits(at, line) for line in cell)
        length = max(length, sum(len(line.text) for line in cell))
        if len(cell) == 1 and cell[0].tone is Tone.NORMAL:
            cells.append(made.cell(at, cell[0]))
        else:
            cells.append([(made.cell(at, line), line.tone.value) for line in cell])
    return {"shaded": row.shaded, "flat": flat, "tall": length > _TALL, "cells": cells}


def _total(block: Total) -> dict[str, Any]:
    """The value takes what it needs, up to a share that leaves the label readable."""
    value = min(width(block.value, _SIZES["total"], bold=True) + 0.5, NARROW - 40)
    return {
        "kind": "total",
        "left": ROOM - NARROW,
        "width": value,
        "label": breakable(block.label, NARROW - value - 10, 9, bold=True),
        "value": _fit(block.value, value, "total", bold=True),
    }


def _branch(depth: int, label: str, value: str) -> tuple[int, str, str]:
    """One element of an unknown form: depth, name, text."""
    return depth, _fit(label, _TREE - depth * 3, bold=not value), _fit(value, ROOM - _TREE - _GUTTER)


def _codes(codes: tuple[Code, ...]) -> dict[str, Any]:
    """One code takes the whole width, two stand beside each other, both as large as the finer one needs."""
    squares = [qr_svg(code.url) for code in codes]
    side = max(_LEAST_SIDE, *(_MODULE * modules for _, modules in squares))
    room = ROOM if len(codes) == 1 else _PAIR
    found = [_code(code, room, side) | {"svg": svg} for code, (svg, _) in zip(codes, squares, strict=True)]
    return {"kind": "codes", "side": round(side, 3), "codes": found}


def _code(code: Code, room: float, side: float) -> dict[str, Any]:
    """The words around a square; only web addresses can be clicked."""
    return {
        "name": code.name,
        "url": code.url,
        "clickable": code.url.startswith(("https://", "http://")),
        "shown": _fit(clean(code.url), room - side - _FOLD, "link"),
        "caption": _fit(code.caption, room, bold=True),
        "caption-width": room,
        "purpose": code.purpose,
    }
