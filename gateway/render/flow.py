"""Pages being filled from top to bottom: a cursor and the marks made so far. Nothing here knows of PDF.

All lengths are millimetres from the top left corner of an A4 page, sizes are points, greys 0 (black) to 255.
"""

from dataclasses import dataclass

from gateway.render.metrics import MM_PER_POINT, REGULAR, width

WIDTH, HEIGHT = 210.0, 297.0
LEFT, RIGHT = 15.0, 195.0
TOP, BOTTOM = 14.0, 282.0
ROOM = RIGHT - LEFT
INK, MUTED, RULE, SHADE = 0, 95, 165, 240


@dataclass(frozen=True)
class Words:
    """A string on its baseline."""

    x: float
    y: float
    text: str
    size: float
    style: str = REGULAR
    grey: int = INK


@dataclass(frozen=True)
class Rule:
    """A horizontal hairline."""

    x: float
    y: float
    length: float
    grey: int = RULE


@dataclass(frozen=True)
class Area:
    """A filled rectangle without outline."""

    x: float
    y: float
    width: float
    height: float
    grey: int = SHADE


@dataclass(frozen=True)
class Square:
    """A QR code of this text."""

    x: float
    y: float
    side: float
    text: str


@dataclass(frozen=True)
class Link:
    """A clickable area."""

    x: float
    y: float
    width: float
    height: float
    url: str


Mark = Words | Rule | Area | Square | Link


def leading(size: float) -> float:
    """Height of one line of text."""
    return size * MM_PER_POINT * 1.28


class Flow:
    """The pages so far; `y` is where the next thing goes."""

    def __init__(self, top: float = TOP) -> None:
        self.top = top
        self.pages: list[list[Mark]] = [[]]
        self.y = top

    @property
    def left_over(self) -> float:
        """Height that remains on this page."""
        return BOTTOM - self.y

    def turn(self) -> None:
        """Go to a new page."""
        self.pages.append([])
        self.y = self.top

    def need(self, height: float) -> bool:
        """Make sure that so much height is left, turning the page if it is not; True when it was turned."""
        if self.left_over >= height or self.y == self.top:
            return False
        self.turn()
        return True

    def skip(self, height: float) -> None:
        """Leave a gap, but never at the top of a page."""
        if self.y > self.top:
            self.y += height

    def put(self, mark: Mark) -> None:
        """Add a mark to the current page."""
        self.pages[-1].append(mark)

    def words(
        self,
        x: float,
        text: str,
        size: float,
        style: str = REGULAR,
        *,
        grey: int = INK,
        right: bool = False,
        down: float = 0.0,
    ) -> None:
        """One line of text in the line box that begins at `y + down`; with `right`, `x` is its right edge."""
        if not text:
            return
        at = x - width(text, size, style) if right else x
        baseline = self.y + down + leading(size) / 2 + size * MM_PER_POINT * 0.36
        self.put(Words(at, baseline, text, size, style, grey))
