"""The two fonts: where they are, which characters they have, how wide each is. Read once per process."""

import re
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

REGULAR, BOLD = "", "B"
FILES = {
    REGULAR: Path(__file__).parent / "fonts" / "DejaVuSans.ttf",
    BOLD: Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf",
}
MM_PER_POINT = 25.4 / 72
_NO_BREAK = "\u00a0"


@cache
def _advances(style: str) -> dict[str, float]:
    """Advance width of every character, in ems."""
    with TTFont(FILES[style], lazy=True) as font:
        per_em = font["head"].unitsPerEm
        widths = font["hmtx"].metrics
        return {chr(code): widths[name][0] / per_em for code, name in font.getBestCmap().items()}


def covered(char: str) -> bool:
    """True when both fonts can print this character and it takes part in no trick of direction or hiding."""
    return char in _advances(REGULAR) and char in _advances(BOLD)


def width(text: str, size: float, style: str = REGULAR) -> float:
    """Width in millimetres of cleaned text at this size in points."""
    advances = _advances(style)
    return sum(advances.get(char, 0.6) for char in text) * size * MM_PER_POINT


def wrap(text: str, room: float, size: float, style: str = REGULAR) -> list[str]:
    """Break cleaned text into lines no wider than `room` mm; a word that is too long breaks anywhere."""
    if width(text, size, style) <= room:
        return [text]
    lines: list[str] = []
    line = ""
    for word in re.split(r" ", text):
        trial = f"{line} {word}" if line else word
        if width(trial, size, style) <= room:
            line = trial
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, room, size, style)
        lines += full
    return [*lines, line] if line else lines


def _pieces(word: str, room: float, size: float, style: str) -> list[str]:
    """A word cut into pieces that fit, each at least one character long."""
    advances, limit = _advances(style), room / (size * MM_PER_POINT)
    pieces, start, used = [], 0, 0.0
    for at, char in enumerate(word):
        advance = advances.get(char, 0.6)
        if used + advance > limit and at > start:
            pieces.append(word[start:at])
            start, used = at, 0.0
        used += advance
    return [*pieces, word[start:]]
