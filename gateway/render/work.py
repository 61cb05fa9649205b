"""What the worker processes import: to draw one invoice, and to be ready for the first."""

from gateway.render.compose import picture_of, render_invoice
from gateway.render.marks import Marks
from spool.workers import Workers

_BEGINNING = b'<Faktura xmlns="http://crd.gov.pl/wzor/2025/06/25/13775/"><Fa><FaWiersz/></Fa></Faktura>'


def draw(raw: bytes, marks: Marks) -> bytes:
    """`render_invoice` with plain arguments, as a worker takes them."""
    return render_invoice(raw, marks=marks)


def picture(raw: bytes, marks: Marks) -> bytes:
    """`picture_of` with plain arguments, as a worker takes them."""
    return picture_of(raw, marks=marks)


def warm() -> None:
    """Draw one small invoice, so that the first real one does not wait for fonts and template."""
    draw(_BEGINNING, Marks(kod1_url="https://qr.ksef.mf.gov.pl/"))


def drawing_workers() -> Workers:
    """A pool of its own for PDFs: one process that gives way to intake.

    Intake answers people and programs and may not wait behind a drawing; a PDF may be late by seconds. On a busy
    machine the worker gets a tenth of a processor (nice 10), on an idle one a whole one. An invoice of 10,000 rows,
    the most that FA(3) permits, needs 730 MB of address space and eight seconds; an ordinary one 210 MB and 40 ms.
    """
    return Workers(processes=1, memory_mb=1024, seconds=60, warm_up=warm, niceness=10)
