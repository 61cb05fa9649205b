"""Scans come from outside: what they are read from is opened in a confined worker, and harms nobody else (X03, F19)."""

import struct
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import qrcode
from PIL import Image

from gateway import scans
from spool.workers import Workers
from tests.purchase_desk import kod1, kod2, printed


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = scans.scan_workers()
    pool.seconds = 1.0
    yield pool
    pool.close()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int, rows: bytes) -> bytes:
    """A picture that claims to have this side, over these rows."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def stream(raw: bytes, more: bytes = b"") -> bytes:
    packed = zlib.compress(raw, 9)
    return b"<</Length %d/Filter/FlateDecode%s>>\nstream\n%s\nendstream" % (len(packed), more, packed)


def pdf(content: bytes, *more: bytes, box: bytes = b"0 0 595 842", pages: bytes = b"[3 0 R]/Count 1") -> bytes:
    """One page with this content; object 5 and those behind it are `more`, each may draw the next as /F."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids" + pages + b">>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>" % box,
        content, *more,
    )  # fmt: skip
    return (
        b"%PDF-1.7\n"
        + b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, o) for n, o in enumerate(objects, 1))
        + (b"trailer\n<</Size %d/Root 1 0 R>>\n%%%%EOF\n" % (len(objects) + 1))
    )


def form(next_one: int) -> bytes:
    """A drawing that draws the next one a thousand times."""
    return stream(
        b"/F Do " * 1000,
        b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</F %d 0 R>>>>" % next_one,
    )


HOSTILE = {
    "a picture of 14 GB by its header": png(60_000, b""),
    "a picture that unpacks without end": png(10, b"\0" * 50_000_000),
    "a picture that ends too soon": png(100, b"\0" * 100),
    "a page as large as a country": pdf(stream(b"0 0 m"), box=b"0 0 1e12 1e12"),
    "a page thinner than a hair": pdf(stream(b"0 0 m"), box=b"0 0 1e9 0.001"),
    "a page without an extent": pdf(stream(b"0 0 m"), box=b"0 0 0 0"),
    "pages that contain themselves": pdf(stream(b""), pages=b"[2 0 R 2 0 R]/Count 99999999"),
    "drawings in drawings, 10^12 of them": pdf(
        stream(b"/F Do"), form(6), form(7), form(8),
        stream(b"0 0 1 1 re f\n" * 1000, b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]"),
    ),
    "half a PDF": printed(kod1())[:2000],
    "a GIF": b"GIF89a" + b"\0" * 100,
    "nothing": b"",
}  # fmt: skip


async def test_fault_X03_no_bomb_harms_the_reading_of_scans(workers: Workers) -> None:
    """Each ends with a sentence or without a code, in its time; the next scan is read as if nothing had been."""
    assert {name: await harmless(workers, raw) for name, raw in HOSTILE.items()} == dict.fromkeys(HOSTILE, True)
    workers.seconds = 60  # not how fast a busy machine reads is asked here, but that it reads
    assert set((await scans.scan(workers, printed(kod1(), kod2()))).texts) == {kod1(), kod2()}
    assert (await scans.scan(workers, photograph(kod1()))).texts == (kod1(),)


async def harmless(workers: Workers, raw: bytes) -> bool:
    """Nothing was found on it, or it was refused with a sentence and a cure."""
    try:
        return (await scans.scan(workers, raw)).texts == ()
    except scans.NotAScan as refused:
        return bool(str(refused) and refused.hint)


def photograph(link: str) -> bytes:
    """A print on a desk, taken askew by a telephone."""
    code = qrcode.make(link, border=4, box_size=5).get_image().convert("L")
    desk = Image.new("L", (1200, 900), 170)
    desk.paste(code, (300, 200))
    taken = BytesIO()
    desk.rotate(11, resample=Image.Resampling.BILINEAR, fillcolor=170).save(taken, "JPEG", quality=60)
    return taken.getvalue()


def test_fault_X03_how_big_a_picture_is_is_read_before_a_pixel_of_it() -> None:
    """The sentence names what its header says."""
    with pytest.raises(scans.NotAScan, match="60000 × 60000"):
        scans.read_scan(png(60_000, b""))


async def test_rule_P11_a_long_pdf_is_looked_at_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, because a worker would not know of the change."""
    monkeypatch.setattr(scans, "_PAGES", 1)
    long = pdf(stream(b"0 0 m"), pages=b"[3 0 R 3 0 R 3 0 R]/Count 3")
    found = scans.read_scan(long)
    assert (found.looked, found.pages) == (1, 3)
