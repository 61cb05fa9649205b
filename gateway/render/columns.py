"""Widths of table columns from their content, so that one look at the page decides nothing twice."""

from dataclasses import dataclass
from math import floor

from gateway.render.blocks import Line, Row, Table, Tone
from gateway.render.metrics import breakable, width

ROOM = 180.0  # mm between the margins of an A4 page
NARROW = 118.0  # mm, for tables of sums
PADDING = 1.3  # mm at each side of a cell
SMALL = 0.88  # how much smaller muted text is
_SIZES = (7.6, 7.2, 6.8, 6.2, 5.6, 5.0)


@dataclass(frozen=True)
class Grid:
    """How one table stands: widths in millimetres, text size in points."""

    widths: tuple[float, ...]
    size: float

    def cell(self, at: int, line: Line) -> str:
        """The text of a line in this column, breakable where a word is too long for it."""
        return breakable(line.text, self._room(at), self._size(line), bold=line.tone is Tone.STRONG)

    def fits(self, at: int, line: Line) -> bool:
        """Whether the line needs no second one in this column."""
        return width(line.text, self._size(line), bold=line.tone is Tone.STRONG) <= self._room(at)

    def _room(self, at: int) -> float:
        return self.widths[at] - 2 * PADDING - 0.1

    def _size(self, line: Line) -> float:
        return self.size * (SMALL if line.tone is Tone.MUTED else 1)


def grid(table: Table) -> Grid:
    """The largest text size at which all columns fit; at the smallest, columns are squeezed and cells wrap."""
    room = NARROW if table.narrow else ROOM
    flexible = [at for at, column in enumerate(table.columns) if column.flexible]
    contents = _longest(table.rows, len(table.columns))
    for size in _SIZES:
        wanted = _wanted(table, contents, size)
        fixed = sum(w for at, w in enumerate(wanted) if at not in flexible)
        least = sum(max(table.columns[at].weight, wanted[at]) for at in flexible)
        if fixed + least <= room:
            break
    else:
        scale = (room - least) / fixed if fixed and least < room else 1.0
        wanted = [w if at in flexible else w * scale for at, w in enumerate(wanted)]
        fixed = sum(w for at, w in enumerate(wanted) if at not in flexible)
    _share(wanted, flexible, contents, room - fixed, size)
    # Rounded down: a row that is wider than the table by a hair would be broken.
    return Grid(tuple(floor(w * 1000) / 1000 for w in wanted), size)


def _longest(rows: tuple[Row, ...], count: int) -> list[float]:
    """For each column the width of its widest line at one point, in millimetres."""
    seen: list[set[str]] = [set() for _ in range(count)]
    for row in rows:
        for at, cell in enumerate(row.cells):
            seen[at].update(line.text for line in cell)
    return [max((width(text, 1) for text in texts), default=0.0) for texts in seen]


def _wanted(table: Table, contents: list[float], size: float) -> list[float]:
    """For each column the width that its longest title word and its content ask for, within its limit."""
    wanted = []
    for column, content in zip(table.columns, contents, strict=True):
        parts = [column.title] if table.narrow else column.title.split(" ")
        title = max(width(part, size, bold=True) for part in parts)
        asked = title if column.flexible else max(title, min(content * size, column.weight))
        wanted.append(asked + 2 * PADDING + 0.2)
    return wanted


def _share(wanted: list[float], flexible: list[int], contents: list[float], room: float, size: float) -> None:
    """Divide `room` among the flexible columns, more to those whose content is longer, enough for each title."""
    if len(flexible) < 2:
        for at in flexible:
            wanted[at] = room
        return
    least = {at: min(wanted[at], room / len(flexible)) for at in flexible}
    more = {at: max(contents[at] * size + 2 * PADDING - least[at], 0.0) ** 0.5 + 0.1 for at in flexible}
    spare = room - sum(least.values())
    for at in flexible:
        wanted[at] = least[at] + spare * more[at] / sum(more.values())
