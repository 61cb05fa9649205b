"""KOD I and KOD II on the paper: the square, its caption, its link as text. Source: protocol §13."""

import io
from dataclasses import dataclass

import qrcode
from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M
from qrcode.exceptions import DataOverflowError

from gateway.render.blocks import Block, Code, Codes
from gateway.render.flow import INK, LEFT, MUTED, ROOM, Flow, Link, Rule, Square, leading
from gateway.render.marks import Marks
from gateway.render.metrics import BOLD, wrap
from gateway.render.text import clean

OFFLINE, CERTIFICATE = "OFFLINE", "CERTYFIKAT"
_SIDE, _SMALL_SIDE = 38.0, 26.0
_GUTTER, _QUIET, _UNDER, _ABOVE = 6.0, 2.6, 1.4, 3.0
_LINK_SIZE = 5.4
_PIXELS = 4


def codes_of(marks: Marks) -> list[Block]:
    """The codes that the document carries; none at all gives no block."""
    codes = []
    if marks.kod1_url:
        purpose = "Zeskanuj kod lub otwórz link, aby sprawdzić, czy faktura znajduje się w Krajowym Systemie e-Faktur."
        codes.append(Code("KOD I", marks.kod1_url, clean(marks.ksef_number) or OFFLINE, purpose))
    if marks.kod2_url:
        purpose = "Zeskanuj kod lub otwórz link, aby sprawdzić tożsamość wystawcy faktury."
        codes.append(Code("KOD II", marks.kod2_url, CERTIFICATE, purpose))
    return [Codes(tuple(codes))] if codes else []


def draw_codes(flow: Flow, block: Codes) -> None:
    """One code takes the whole width with its text beside it; two stand beside each other, on one page."""
    if len(block.codes) == 1:
        _draw(flow, block.codes[0], _Place(LEFT, ROOM, _SMALL_SIDE, beside=True))
        return
    room = (ROOM - _GUTTER) / 2
    places = [_Place(LEFT + at * (room + _GUTTER), room, _SIDE, beside=False) for at in range(2)]
    height = max(_height(code, place) for code, place in zip(block.codes, places, strict=True))
    flow.need(height + _ABOVE)
    begin, page = flow.y, len(flow.pages)
    for code, place in zip(block.codes, places, strict=True):
        flow.y = begin
        _draw(flow, code, place)
    assert page == len(flow.pages)
    flow.y = begin + _ABOVE + height


@dataclass(frozen=True)
class _Place:
    """Where one code stands; `beside` puts the text at the right of the square, else below it."""

    x: float
    room: float
    side: float
    beside: bool

    @property
    def text_x(self) -> float:
        """Left edge of purpose and link."""
        return self.x + (self.side + 3 * _QUIET if self.beside else 0)

    def lines(self, code: Code) -> list[tuple[str, float, int]]:
        """Purpose and link, wrapped to the room that they have here: text, size, grey."""
        room = self.x + self.room - self.text_x
        purpose = [(text, 7.0, MUTED) for text in wrap(f"{code.name} – {code.purpose}", room, 7)]
        return purpose + [(text, _LINK_SIZE, INK) for text in wrap(clean(code.url), room, _LINK_SIZE)]


def _height(code: Code, place: _Place) -> float:
    """Height of one code with its caption and text, without the gap above."""
    square = _QUIET + place.side + _UNDER + leading(8) + 0.5
    text = sum(leading(size) + 0.1 for _, size, _ in place.lines(code))
    return max(square, _QUIET + text) if place.beside else square + text


def _draw(flow: Flow, code: Code, place: _Place) -> None:
    """Square with its quiet zone, caption below it; purpose and link as text."""
    height = _height(code, place)
    flow.need(height + _ABOVE)
    flow.skip(_ABOVE)
    flow.put(Rule(place.x, flow.y, place.room))
    flow.put(Square(place.x, flow.y + _QUIET, place.side, code.url))
    under = _QUIET + place.side + _UNDER
    flow.words(place.x, code.caption, 8, BOLD, down=under)
    down = _QUIET if place.beside else under + leading(8) + 0.5
    for text, size, grey in place.lines(code):
        flow.words(place.text_x, text, size, grey=grey, down=down)
        down += leading(size) + 0.1
    if code.url.startswith(("https://", "http://")):
        flow.put(Link(place.x, flow.y, place.room, height, code.url))
    flow.y += height


def qr_png(text: str) -> bytes:
    """The code as a 1-bit PNG without quiet zone: correction level M, else L."""
    for level in (ERROR_CORRECT_M, ERROR_CORRECT_L):
        code = qrcode.QRCode(error_correction=level, box_size=_PIXELS, border=0)
        code.add_data(text, optimize=0)
        try:
            code.make(fit=True)
        except (DataOverflowError, ValueError):
            continue
        buffer = io.BytesIO()
        code.make_image().save(buffer)
        return buffer.getvalue()
    raise ValueError("the link is too long for a QR code")
