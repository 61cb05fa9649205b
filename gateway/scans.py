"""A scan or a PDF to the texts of its QR codes, in a worker process: what comes from outside is never opened here.

Pillow opens PNG and JPEG and nothing else, PDFium draws pages, ZXing finds the codes (decision 0037). Sizes are looked
at before anything is unpacked; what lies about them meets the memory and the time of its worker. The three are imported
where they are used, because only that worker needs them.
"""

from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING

from spool.domain.errors import ConfigError
from spool.domain.scan import LONGEST_LINK, Scan
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdfium2 import PdfDocument

LARGEST = 10_000_000
"""Bytes of one file."""
_PAGES = 20
"""A longer PDF is looked at so far: the codes of an invoice stand with it, not behind its attachments."""
_PIXELS = 40_000_000
_DPI = (200, 350)
"""The second for what the first does not show: a code II printed small."""
_MEMORY_MB, SECONDS = 768, 30.0
_IMAGES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_TEXTS = 50
_ONE_PAGE = "Proszę zeskanować samą stronę z kodami, w szarości i 300 dpi, albo wkleić link spod kodu."


class NotAScan(ConfigError):  # noqa: N818 - reads as the fact it states
    """The bytes are no PDF, PNG or JPEG that can be opened, or one that breaks whoever opens it."""

    code = "not_a_scan"


def warm() -> None:
    """Have the libraries imported, so that the first scan does not wait for them."""
    for name in ("PIL.Image", "pypdfium2", "zxingcpp"):
        import_module(name)


def scan_workers() -> Workers:
    """A pool of its own, one process that gives way to intake: nobody's invoice waits behind somebody's photograph."""
    return Workers(processes=1, memory_mb=_MEMORY_MB, seconds=SECONDS, warm_up=warm, niceness=10)


async def scan(workers: Workers, raw: bytes) -> Scan:
    """What `read_scan` finds, in one of these workers. Raises NotAScan, also for what breaks its worker."""
    if len(raw) > LARGEST:
        limit = LARGEST // 1_000_000
        raise NotAScan(f"Plik ma ponad {limit} MB.", _ONE_PAGE)
    try:
        return await workers.run(read_scan, raw)
    except (WorkerTimeout, WorkerCrashed):
        raise NotAScan(
            "Odczyt tego pliku przerwano: jest za duży po rozpakowaniu albo celowo uszkodzony.", _ONE_PAGE
        ) from None


def read_scan(raw: bytes) -> Scan:
    """The texts of the QR codes on a PDF, PNG or JPEG. Raises NotAScan. Runs in a worker only."""
    if raw.lstrip()[:5] == b"%PDF-":
        return _read_pdf(raw)
    form = next((name for start, name in _IMAGES.items() if raw.startswith(start)), None)
    if form is None:
        raise NotAScan("To nie jest PDF, PNG ani JPG.", "Proszę zapisać skan w jednym z tych formatów.")
    return Scan(_texts([_opened(raw, form)]), 1, 1)


def _opened(raw: bytes, form: str) -> "Image":
    """The picture in grey. Its header says how big it is, before a pixel is unpacked."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # our own limit is stricter, and no warning of a library
    try:
        picture = Image.open(BytesIO(raw), formats=[form])
        if picture.width * picture.height > _PIXELS:
            raise NotAScan(f"Obraz ma {picture.width} × {picture.height} punktów, to za dużo.", _ONE_PAGE)
        return picture.convert("L")
    except (OSError, ValueError, SyntaxError) as error:
        raise NotAScan("Obraz jest uszkodzony.", "Proszę zeskanować dokument jeszcze raz.") from error


def _read_pdf(raw: bytes) -> Scan:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        raise NotAScan("PDF jest uszkodzony albo ma hasło.", "Proszę zapisać go bez hasła.") from error
    try:
        pages = len(document)
        looked = min(pages, _PAGES)
        found: dict[str, None] = {}
        for number in range(looked):
            found |= dict.fromkeys(_texts(_drawings(document, number)))
        return Scan(tuple(found)[:_TEXTS], looked, pages)
    finally:
        document.close()


def _drawings(document: "PdfDocument", number: int) -> "Iterator[Image]":
    """The page, coarser first; a page as large as a wall is drawn no larger than its pixels may be."""
    import pypdfium2

    try:
        page = document[number]
        width, height = page.get_size()
        largest = sqrt(_PIXELS / max(width * height, 1.0))
        for dpi in _DPI:
            bitmap = page.render(scale=min(dpi / 72, largest), grayscale=True)
            yield bitmap.to_pil()
            bitmap.close()
        page.close()
    except pypdfium2.PdfiumError:
        return  # a page that cannot be drawn has no code that anybody could scan


def _texts(pictures: "Iterator[Image] | list[Image]") -> tuple[str, ...]:
    """The texts of the codes, each once; the next picture of the same page only while a code of KSeF may be missing."""
    import zxingcpp

    wanted = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    found: dict[str, None] = {}
    for picture in pictures:
        for code in zxingcpp.read_barcodes(picture, formats=wanted):
            if len(code.text) <= LONGEST_LINK:
                found[code.text] = None
        if any("/certificate/" in text for text in found):
            break
    return tuple(found)[:_TEXTS]
