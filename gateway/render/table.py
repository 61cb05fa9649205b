"""Tables: column widths from their content, wrapped cells, header repeated on each page."""

from dataclasses import dataclass

from gateway.render.blocks import Column, Line, Table, Tone
from gateway.render.flow import INK, MUTED, RIGHT, ROOM, SHADE, Area, Flow, Rule, leading
from gateway.render.metrics import BOLD, REGULAR, width, wrap

NARROW = 125.0
_PAD = 1.3
_SIZES = (7.4, 6.8, 6.2, 5.6, 5.0)
_MUTED_SCALE = 0.86

_Printed = tuple[str, float, str, int]


@dataclass(frozen=True)
class _Grid:
    """Where the columns of one table stand, and how large its text is."""

    columns: tuple[Column, ...]
    edges: tuple[float, ...]
    size: float

    def room(self, at: int) -> float:
        """Width for text in this column."""
        return self.edges[at + 1] - self.edges[at] - 2 * _PAD


def draw_table(flow: Flow, table: Table) -> None:
    """Header and rows."""
    grid = _grid(table)
    header = [wrap(c.title, grid.room(i), grid.size, BOLD) for i, c in enumerate(grid.columns)]
    header_height = max(len(lines) for lines in header) * leading(grid.size) + 2 * _PAD
    flow.need(header_height + 3 * leading(grid.size))
    _draw_header(flow, grid, header, header_height)
    for row in table.rows:
        cells = [_printed(cell, grid.room(at), grid.size) for at, cell in enumerate(row.cells)]
        _draw_row(flow, grid, cells, row.shaded, (header, header_height))
    flow.skip(1.5)


def _grid(table: Table) -> _Grid:
    """The largest text size at which all columns fit; at the smallest, columns are squeezed and cells wrap."""
    room = NARROW if table.narrow else ROOM
    for size in _SIZES:
        wanted = _wanted(table, size)
        flexible = [at for at, column in enumerate(table.columns) if column.flexible]
        fixed = sum(w for at, w in enumerate(wanted) if at not in flexible)
        least = sum(max(table.columns[at].weight, wanted[at]) for at in flexible)
        if fixed + least <= room:
            break
    else:
        scale = (room - least) / fixed if fixed and least < room else 1.0
        wanted = [w if at in flexible else w * scale for at, w in enumerate(wanted)]
        fixed = sum(w for at, w in enumerate(wanted) if at not in flexible)
    for at in flexible:
        wanted[at] = (room - fixed) / len(flexible)
    edges = [RIGHT - room]
    for each in wanted:
        edges.append(edges[-1] + each)
    return _Grid(table.columns, tuple(edges), size)


def _wanted(table: Table, size: float) -> list[float]:
    """For each column the width that its longest title word and its content ask for, within its limit."""
    wanted = []
    for at, column in enumerate(table.columns):
        parts = [column.title] if table.narrow else column.title.split(" ")
        title = max(width(part, size, BOLD) for part in parts)
        if column.flexible:
            wanted.append(title + 2 * _PAD)
            continue
        texts = {line.text for row in table.rows for line in row.cells[at]}
        content = max((width(text, size) for text in texts), default=0.0)
        wanted.append(max(title, min(content, column.weight)) + 2 * _PAD + 0.1)
    return wanted


def _printed(cell: tuple[Line, ...], room: float, size: float) -> list[_Printed]:
    """The lines of one cell as text, size, style and grey."""
    printed: list[_Printed] = []
    for line in cell:
        small = size * (_MUTED_SCALE if line.tone is Tone.MUTED else 1)
        style = BOLD if line.tone is Tone.STRONG else REGULAR
        grey = MUTED if line.tone in {Tone.MUTED, Tone.FAINT} else INK
        printed += [(text, small, style, grey) for text in wrap(line.text, room, small, style)]
    return printed


def _draw_header(flow: Flow, grid: _Grid, header: list[list[str]], height: float) -> None:
    """The shaded line of titles, at the bottom of its box."""
    flow.put(Area(grid.edges[0], flow.y, grid.edges[-1] - grid.edges[0], height))
    for at, lines in enumerate(header):
        down = height - _PAD - len(lines) * leading(grid.size)
        for line in lines:
            _cell_line(flow, grid, at, (line, grid.size, BOLD, INK), down)
            down += leading(grid.size)
    flow.y += height


def _draw_row(
    flow: Flow,
    grid: _Grid,
    cells: list[list[_Printed]],
    shaded: bool,
    header: tuple[list[list[str]], float],
) -> None:
    """One row; what is taller than the rest of the page moves to the next, what is taller than a page is cut."""
    step = leading(grid.size)
    begin, count = 0, max((len(cell) for cell in cells), default=1)
    whole_page = int((flow.left_over + flow.y - flow.top - header[1] - 2 * _PAD) / step)
    while begin < count:
        fitting = int((flow.left_over - 2 * _PAD) / step)
        if fitting < count - begin and (count - begin <= whole_page or fitting < 1):
            flow.turn()
            _draw_header(flow, grid, *header)
            fitting = whole_page
        end = min(count, begin + max(fitting, 1))
        height = (end - begin) * step + 2 * _PAD
        if shaded:
            flow.put(Area(grid.edges[0], flow.y, grid.edges[-1] - grid.edges[0], height, SHADE + 8))
        for at, cell in enumerate(cells):
            for number, line in enumerate(cell[begin:end]):
                _cell_line(flow, grid, at, line, _PAD + number * step)
        flow.y += height
        flow.put(Rule(grid.edges[0], flow.y, grid.edges[-1] - grid.edges[0], 205))
        begin = end


def _cell_line(flow: Flow, grid: _Grid, at: int, line: _Printed, down: float) -> None:
    """One line of a cell at its side of the column."""
    text, size, style, grey = line
    right = grid.columns[at].right
    x = grid.edges[at + 1] - _PAD if right else grid.edges[at] + _PAD
    flow.words(x, text, size, style, grey=grey, right=right, down=down)
