"""Blocks onto pages: one function per kind of block."""

from collections.abc import Callable
from typing import Any

from gateway.render.blocks import (
    Block,
    Card,
    Cards,
    Codes,
    Document,
    Facts,
    Heading,
    Indented,
    Line,
    Notice,
    Pairs,
    Table,
    Text,
    Title,
    Tone,
    Total,
)
from gateway.render.codes import draw_codes
from gateway.render.flow import (
    BOTTOM,
    INK,
    LEFT,
    MUTED,
    RIGHT,
    ROOM,
    SHADE,
    TOP,
    WIDTH,
    Area,
    Flow,
    Mark,
    Rule,
    leading,
)
from gateway.render.metrics import BOLD, REGULAR, width, wrap
from gateway.render.table import NARROW, draw_table

_BODY, _SMALL = 8.0, 6.8
_RIBBON = 5.0
_GUTTER = 6.0
_LABEL = 52.0


def lay_out(document: Document) -> list[list[Mark]]:
    """The marks of every page, with footer and ribbon."""
    flow = Flow(TOP + (_RIBBON if document.ribbon else 0))
    for block in document.blocks:
        _DRAW[type(block)](flow, block)
    return [_framed(page, number, len(flow.pages), document) for number, page in enumerate(flow.pages, start=1)]


def _framed(page: list[Mark], number: int, count: int, document: Document) -> list[Mark]:
    """A page with its ribbon, its footer and its number."""
    frame = Flow()
    if document.ribbon:
        frame.y = 6.5
        frame.put(Area(LEFT, frame.y, ROOM, 7.5, 225))
        text = _shortened(document.ribbon, ROOM - 6, 10, BOLD)
        frame.words(WIDTH / 2 - width(text, 10, BOLD) / 2, text, 10, BOLD, down=1.4)
    frame.y = BOTTOM + 2.5
    frame.put(Rule(LEFT, frame.y, ROOM))
    frame.words(LEFT, _shortened(document.footer, ROOM - 35, 6.5, REGULAR), 6.5, grey=MUTED, down=1)
    frame.words(RIGHT, f"Strona {number} z {count}", 6.5, grey=MUTED, right=True, down=1)
    return [*frame.pages[0], *page]


def _shortened(text: str, room: float, size: float, style: str) -> str:
    """The text, or as much of it as fits and an ellipsis."""
    if not text:
        return ""
    first, *more = wrap(text, room, size, style)
    return first + "…" if more else first


def _title(flow: Flow, block: Title) -> None:
    """Name and number at the left; KSeF number and unit at the right."""
    room = ROOM - 72
    for text, size, style in ((block.name, 15.0, BOLD), (f"nr {block.number}" if block.number else "", 11.0, REGULAR)):
        for line in wrap(text, room, size, style) if text else ():
            flow.words(LEFT, line, size, style)
            flow.y += leading(size)
    bottom, flow.y = flow.y, flow.top
    right = [("Numer KSeF", _SMALL, REGULAR, MUTED), (block.ksef_number, 7.8, BOLD, INK)] if block.ksef_number else []
    right += [(line, _SMALL, REGULAR, MUTED) for line in (wrap(block.unit, 68, _SMALL) if block.unit else ())]
    for text, size, style, grey in right:
        flow.words(RIGHT, text, size, style, grey=grey, right=True, down=0.8)
        flow.y += leading(size) + 0.4
    flow.y = max(bottom, flow.y) + 1.0
    flow.put(Area(LEFT, flow.y, ROOM, 0.6, INK))
    flow.y += 2.8


def _heading(flow: Flow, block: Heading) -> None:
    """The name of a section, never alone at the foot of a page."""
    flow.skip(2.2)
    flow.need(20)
    for line in wrap(block.text, ROOM, 9.2, BOLD):
        flow.words(LEFT, line, 9.2, BOLD)
        flow.y += leading(9.2)
    flow.y += 0.3
    flow.put(Rule(LEFT, flow.y, ROOM))
    flow.y += 1.6


def _notice(flow: Flow, block: Notice) -> None:
    """Sentences on a shaded ground with a bar at the left."""
    lines = [part for line in block.lines for part in wrap(line, ROOM - 8, _BODY, BOLD)]
    for begin in range(0, len(lines), 40):
        part = lines[begin : begin + 40]
        height = len(part) * leading(_BODY) + 3
        flow.need(height)
        flow.put(Area(LEFT, flow.y, ROOM, height))
        flow.put(Area(LEFT, flow.y, 1.2, height, INK))
        for number, line in enumerate(part):
            flow.words(LEFT + 4, line, _BODY, BOLD, down=1.5 + number * leading(_BODY))
        flow.y += height
    flow.y += 3


def _facts(flow: Flow, block: Facts) -> None:
    """Small labels above their values, in columns."""
    cell = ROOM / block.columns
    for at in range(0, len(block.items), block.columns):
        row = [(label, wrap(value, cell - 4, 8.6, BOLD)) for label, value in block.items[at : at + block.columns]]
        flow.need(leading(_SMALL) + leading(8.6))
        for number, (label, _) in enumerate(row):
            flow.words(LEFT + number * cell, label, _SMALL, grey=MUTED)
        flow.y += leading(_SMALL) + 0.2
        for line in range(max(len(lines) for _, lines in row)):
            flow.need(leading(8.6))
            for number, (_, lines) in enumerate(row):
                flow.words(LEFT + number * cell, lines[line] if line < len(lines) else "", 8.6, BOLD)
            flow.y += leading(8.6)
        flow.y += 1.8


def _cards(flow: Flow, block: Cards) -> None:
    """Parties beside each other, line by line so that even a very long one may cross a page."""
    room = (ROOM - _GUTTER) / 2
    flow.skip(2)
    flow.need(28)
    titles = [wrap(card.title, room - 3, _BODY, BOLD) for card in block.cards]
    height = max(map(len, titles)) * leading(_BODY) + 1.6
    for at, (card, lines) in enumerate(zip(block.cards, titles, strict=True)):
        _card_title(flow, card, lines, LEFT + at * (room + _GUTTER), room, height)
    flow.y += height + 1
    columns = [[part for line in card.lines for part in _lines(line, room)] for card in block.cards]
    for number in range(max(map(len, columns))):
        flow.need(leading(_BODY))
        for at, column in enumerate(columns):
            if number < len(column):
                text, size, style, grey = column[number]
                flow.words(LEFT + at * (room + _GUTTER), text, size, style, grey=grey)
        flow.y += leading(_BODY)


def _card_title(flow: Flow, card: Card, lines: list[str], x: float, room: float, height: float) -> None:
    """The role of a party; the municipality's units on black."""
    flow.put(Area(x, flow.y, room, height, INK if card.prominent else SHADE))
    for number, line in enumerate(lines):
        grey = 255 if card.prominent else INK
        flow.words(x + 1.5, line, _BODY, BOLD, grey=grey, down=0.8 + number * leading(_BODY))


def _lines(line: Line, room: float) -> list[tuple[str, float, str, int]]:
    """A paragraph wrapped: text, size, style, grey."""
    size = 7.2 if line.tone is Tone.MUTED else _BODY
    style = BOLD if line.tone is Tone.STRONG else REGULAR
    grey = MUTED if line.tone is Tone.MUTED else INK
    return [(text, size, style, grey) for text in wrap(line.text, room, size, style)]


def _text(flow: Flow, block: Text) -> None:
    """Running text."""
    for line in block.lines:
        for text, size, style, grey in _lines(line, ROOM):
            flow.need(leading(_BODY))
            flow.words(LEFT, text, size, style, grey=grey)
            flow.y += leading(_BODY)
    flow.y += 0.8


def _pairs(flow: Flow, block: Pairs) -> None:
    """Label at the left, value at the right of it."""
    for label, value in block.items:
        _two(flow, LEFT, label, value, LEFT + _LABEL)
    flow.y += 0.8


def _indented(flow: Flow, block: Indented) -> None:
    """The same, with labels moved to the right by their depth; an element without text is a heading."""
    for depth, label, value in block.items:
        _two(flow, LEFT + depth * 3, label, value, LEFT + 85, strong=not value)


def _two(flow: Flow, x: float, label: str, value: str, second: float, *, strong: bool = False) -> None:
    """Label and value, each wrapped in its own column."""
    style, grey = (BOLD, INK) if strong else (REGULAR, MUTED)
    labels = wrap(label, second - x - 3, 7.2, style)
    values = wrap(value, RIGHT - second, _BODY)
    count = max(len(labels), len(values))
    flow.need(min(count, 5) * (leading(_BODY) + 0.15))
    for number in range(count):
        flow.need(leading(_BODY))
        flow.words(x, labels[number] if number < len(labels) else "", 7.2, style, grey=grey, down=0.25)
        flow.words(second, values[number] if number < len(values) else "", _BODY)
        flow.y += leading(_BODY) + 0.15


def _total(flow: Flow, block: Total) -> None:
    """The sum, large, at the right edge."""
    flow.skip(1)
    left = RIGHT - NARROW
    value = wrap(block.value, NARROW - 6, 12.5, BOLD)
    label = wrap(block.label, max(NARROW - 10 - width(value[-1], 12.5, BOLD), 25), 9, BOLD)
    height = max(len(label) * leading(9), len(value) * leading(12.5)) + 3.4
    flow.need(height)
    flow.put(Area(left, flow.y, NARROW, height, 228))
    for number, line in enumerate(label):
        flow.words(left + 3, line, 9, BOLD, down=(height - len(label) * leading(9)) / 2 + number * leading(9))
    for number, line in enumerate(value):
        flow.words(RIGHT - 3, line, 12.5, BOLD, right=True, down=1.7 + number * leading(12.5))
    flow.y += height + 1.5


_DRAW: dict[type[Block], Callable[[Flow, Any], None]] = {
    Title: _title,
    Heading: _heading,
    Notice: _notice,
    Facts: _facts,
    Pairs: _pairs,
    Cards: _cards,
    Table: draw_table,
    Total: _total,
    Text: _text,
    Indented: _indented,
    Codes: draw_codes,
}
