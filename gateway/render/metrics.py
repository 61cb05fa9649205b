"""Which characters our two fonts have, and how wide each is. Read once per process.

The widths serve two decisions that must be taken before typesetting: how wide the columns of a table are, and which
words are too long for their place and may be broken inside.
"""

import json
from functools import cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
MM_PER_POINT = 25.4 / 72
BREAK = "\u200b"  # here a word may be broken; `clean` takes this character out of everything that comes from outside
_UNITS = 2048


@cache
def _advances(bold: bool) -> dict[str, float]:
    """Advance width of every character, in ems."""
    found = json.loads((FONTS / "advances.json").read_text(encoding="ascii"))
    return {char: units / _UNITS for char, units in found["bold" if bold else "regular"].items()}


@cache
def _widest() -> float:
    """The widest character of both fonts, in ems."""
    return max(max(_advances(bold).values()) for bold in (False, True))


@cache
def covered() -> frozenset[str]:
    """The characters that both fonts can print and that take part in no trick of direction or hiding."""
    return frozenset(_advances(False).keys() & _advances(True).keys())


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in millimetres of cleaned text at this size in points."""
    advances = _advances(bold)
    return sum(advances.get(char, 0.6) for char in text) * size * MM_PER_POINT


def breakable(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """Cleaned text in which every word wider than `room` mm may be broken after each of its characters.

    Hyphens get the same mark: broken at the hyphen itself, a Polish word would have it once more on the next line,
    which is right for words and wrong for numbers and links.
    """
    if len(text) * _widest() * size * MM_PER_POINT <= room or width(text, size, bold=bold) <= room:
        return text
    words = text.split(" ")
    return " ".join(
        word.replace("-", "-" + BREAK) if width(word, size, bold=bold) <= room else BREAK.join(word) for word in words
    )


def shortened(text: str, room: float, size: float) -> str:
    """As much of cleaned text as fits into one line of `room` mm, with an ellipsis where something is missing."""
    if width(text, size) <= room:
        return text
    advances, left, kept = _advances(False), room / (size * MM_PER_POINT) - 1.0, []
    for char in text:
        left -= advances.get(char, 0.6)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"
