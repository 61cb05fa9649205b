"""Pages of marks into the bytes of a PDF, through fpdf2. The same pages give the same bytes."""

import io
from datetime import datetime

from fpdf import FPDF

from gateway.render.codes import qr_png
from gateway.render.flow import Area, Link, Mark, Rule, Square, Words
from gateway.render.metrics import FILES

_FAMILY = "dejavu"


def write(pages: list[list[Mark]], *, title: str, subject: str, created: datetime) -> bytes:
    """The finished file."""
    pdf = FPDF(orientation="portrait", unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_creation_date(created)
    pdf.set_title(title)
    pdf.set_subject(subject)
    pdf.set_creator("Śluza")
    pdf.set_lang("pl")
    for style, path in FILES.items():
        pdf.add_font(_FAMILY, style, path)
    for page in pages:
        pdf.add_page()
        for mark in page:
            _draw(pdf, mark)
    return bytes(pdf.output())


def _draw(pdf: FPDF, mark: Mark) -> None:
    """One mark."""
    match mark:
        case Words(x, y, text, size, style, grey):
            pdf.set_font(_FAMILY, style, size)
            pdf.set_text_color(grey)
            pdf.text(x, y, text)
        case Rule(x, y, length, grey):
            pdf.set_draw_color(grey)
            pdf.set_line_width(0.2)
            pdf.line(x, y, x + length, y)
        case Area(x, y, width, height, grey):
            pdf.set_fill_color(grey)
            pdf.rect(x, y, width, height, style="F")
        case Square(x, y, side, text):
            pdf.image(io.BytesIO(qr_png(text)), x, y, side, side)
        case Link(x, y, width, height, url):
            pdf.link(x, y, width, height, url)
