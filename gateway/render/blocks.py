"""What a page is made of: plain values between the reading of an invoice and its drawing.

All text in blocks is cleaned already.
"""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How a line of text looks."""

    NORMAL = "normal"
    STRONG = "strong"
    MUTED = "muted"  # small and grey
    FAINT = "faint"  # grey


@dataclass(frozen=True)
class Line:
    """One paragraph inside a card or a cell."""

    text: str
    tone: Tone = Tone.NORMAL


@dataclass(frozen=True)
class Title:
    """The top of the first page: name of the document, its number, and what stands at the right."""

    name: str
    number: str
    unit: str
    ksef_number: str


@dataclass(frozen=True)
class Heading:
    """The name of a section; `narrow` above a narrow table."""

    text: str
    narrow: bool = False


@dataclass(frozen=True)
class Notice:
    """Sentences about the state of the document, in a frame."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Short labelled values in a grid."""

    items: tuple[tuple[str, str], ...]
    columns: int = 4


@dataclass(frozen=True)
class Pairs:
    """Label and value, one pair below the other; the value may be long."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Card:
    """One party; `prominent` for the units of a municipality."""

    title: str
    lines: tuple[Line, ...]
    prominent: bool = False


@dataclass(frozen=True)
class Cards:
    """Up to two cards beside each other."""

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Column:
    """One column: `weight` is its width in millimetres, for the one flexible column the least it needs."""

    title: str
    weight: float
    right: bool = False
    flexible: bool = False


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns, each of one or more paragraphs."""

    cells: tuple[tuple[Line, ...], ...]
    shaded: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose header is repeated on each page."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    narrow: bool = False


@dataclass(frozen=True)
class Total:
    """The sum that the reader looks for."""

    label: str
    value: str


@dataclass(frozen=True)
class Text:
    """Running text."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Indented:
    """Label and value at a depth: the element tree of a form that we do not know."""

    items: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class Code:
    """A QR code with its caption and its link as text."""

    name: str
    url: str
    caption: str
    purpose: str


@dataclass(frozen=True)
class Codes:
    """The codes of the document, never parted by a page break."""

    codes: tuple[Code, ...]


Block = Title | Heading | Notice | Facts | Pairs | Cards | Table | Total | Text | Indented | Codes


@dataclass(frozen=True)
class Document:
    """All blocks, and what is on every page."""

    blocks: tuple[Block, ...]
    footer: str
    ribbon: str = ""
    title: str = "Faktura"
    number: str = ""
