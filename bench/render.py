"""How fast a PDF is drawn, beside weasyprint, and how little that hurts intake.

Both renderers get the same blocks of the same invoice of 50 rows (fresh numbers in every document, so that nothing is
found in a cache), the same two fonts, the same QR code, PDF/A-3b and the XML attached; each is warm. weasyprint is
installed into a throw-away environment; where that fails, that half is skipped with a sentence. It is no dependency of
the project.
"""

import asyncio
import html
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report
from gateway.render import Marks, render_invoice
from gateway.render.blocks import Codes
from gateway.render.codes import qr_svg
from gateway.render.compose import compose
from gateway.render.metrics import FONTS
from gateway.render.work import draw, drawing_workers, warm
from sluza.samples import Line, invoice, ksef_number_for
from spool.workers import Workers
from spool.xml import examine

ROWS, DOCUMENTS = 50, 8
PDFS_PER_SECOND = 3.0
SECONDS = 4.0
MARKS = Marks(
    ksef_number=ksef_number_for(),
    kod1_url="https://qr-test.ksef.mf.gov.pl/invoice/5080014460/20-11-2026/UtQp9Gpc51y-u3xApZjIjgkpZ01js-J8KflSPW8WzIE",
    status=("Przyjęta przez KSeF 20.11.2026, godz. 12:00.",),
    unit="Szkoła Podstawowa nr 1",
)


def invoices(rows: int = ROWS) -> Iterator[bytes]:
    """Invoices without end, no two alike in any row."""
    for number in range(10**6):
        yield invoice(
            number=f"FV/{number}/2026",
            lines=[Line(f"Obiad {number}.{row} dla ucznia szkoły", f"{row + 7}.{number % 90 + 10}", "8")
                   for row in range(rows)],
        )  # fmt: skip


# --- Side by side ------------------------------------------------------------------------------------------------

THEIRS = """
import json, sys, time
from weasyprint import Attachment, HTML
from weasyprint.text.fonts import FontConfiguration
for line in sys.stdin:
    seconds = []
    for page, original in json.loads(line):
        start = time.perf_counter()
        attached = [Attachment(string=original, name="faktura.xml", relationship="Source")]
        made = HTML(string=page).write_pdf(pdf_variant="pdf/a-3b", attachments=attached)
        seconds.append(time.perf_counter() - start)
        assert made.startswith(b"%PDF-")
    print(json.dumps(seconds), flush=True)
"""
STYLE = """
@font-face { font-family: D; src: url(file://FONTS/DejaVuSans.ttf) }
@font-face { font-family: D; font-weight: bold; src: url(file://FONTS/DejaVuSans-Bold.ttf) }
@page { size: A4; margin: 14mm 15mm 18mm; @bottom-right { content: "Strona " counter(page) " z " counter(pages) } }
body { font: 8pt D; color: #1b2026 } h1 { font-size: 19pt } h2 { font-size: 9.6pt; color: #1c4e72 }
table { width: 100%; border-collapse: collapse; font-size: 7.6pt } thead { background: #e7eef4 }
td { border-bottom: .4pt solid #dde2e7; padding: 1.25mm 1.3mm }
"""


def as_html(raw: bytes) -> str:
    """The same blocks as the simplest page that a person would accept."""
    parts = [f"<style>{STYLE.replace('FONTS', str(FONTS))}</style>"]
    for block in compose(raw, MARKS).blocks:
        if isinstance(block, Codes):
            parts += [
                f"<div style='width:30mm'>{qr_svg(c.url)[0]}</div><b>{c.caption}</b> {c.url}" for c in block.codes
            ]
        else:
            parts.append(_html(block))
    return "<html lang='pl'><title>Faktura</title><body>" + "".join(parts)


def _html(block: Any) -> str:
    """Any block by its parts: tables as tables, everything else as paragraphs."""
    if rows := getattr(block, "rows", None):
        head = "".join(f"<th>{html.escape(column.title)}</th>" for column in block.columns)
        body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row.cells) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    tag = {"Title": "h1", "Heading": "h2"}.get(type(block).__name__, "p")
    return f"<{tag}>{'<br>'.join(map(html.escape, _strings(vars(block))))}</{tag}>"


def _text(cell: tuple[Any, ...]) -> str:
    return "<br>".join(html.escape(line.text) for line in cell)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if hasattr(value, "__dict__"):
        value = vars(value)
    found = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [text for item in found for text in _strings(item)]


def side_by_side(python: str | None, rounds: int) -> list[str]:
    """Median seconds for one document of either, in turns."""
    source = invoices()
    ours: list[float] = []
    theirs: list[float] = []
    warm()
    command = [python, "-c", THEIRS] if python else ["cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        for number in range(rounds + 1):
            batch = [next(source) for _ in range(DOCUMENTS)]
            measured = [_timed(raw) for raw in batch]
            answer = []
            if python:
                other.stdin.write(json.dumps([(as_html(raw), raw.decode()) for raw in batch]) + "\n")
                other.stdin.flush()
                answer = json.loads(other.stdout.readline())
            if number:  # the first round warms up
                ours += measured
                theirs += answer
        other.stdin.close()
    mine = statistics.median(ours)
    lines = [f"| our renderer | {mine * 1000:.0f} ms | |"]
    if theirs:
        other_median = statistics.median(theirs)
        lines.append(f"| weasyprint | {other_median * 1000:.0f} ms | {other_median / mine:.1f} × ours |")
    return lines


def _timed(raw: bytes) -> float:
    start = time.perf_counter()
    render_invoice(raw, marks=MARKS)
    return time.perf_counter() - start


def weasyprint_python(folder: Path) -> str | None:
    """A throw-away environment with weasyprint, or None with a sentence why not."""
    try:
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "weasyprint"], check=True, capture_output=True)
        subprocess.run([python, "-c", "import weasyprint"], check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"weasyprint skipped: it could not be installed here ({type(error).__name__}).", file=sys.stderr)
        return None
    return python


# --- What intake feels -------------------------------------------------------------------------------------------


@dataclass
class Load:
    """Where PDFs are drawn while intake works; None draws nothing."""

    name: str
    pool: Workers | None


async def intake_beside(rounds: int) -> list[str]:
    """Documents examined per second, alone and beside a steady few PDFs a second, in turns."""
    reading, drawing = Workers(), drawing_workers()
    try:
        await asyncio.gather(reading.warm(), drawing.warm())
        await reading.run(draw, next(invoices()), MARKS)
        loads = [Load("nothing", None), Load("PDFs in their own pool", drawing), Load("PDFs in intake's pool", reading)]
        rates: dict[str, list[float]] = {load.name: [] for load in loads}
        for _ in range(rounds):
            for load in loads:
                rates[load.name].append(await _rate(reading, load.pool))
    finally:
        reading.close()
        drawing.close()
    alone = statistics.median(rates["nothing"])
    lines = []
    for name, found in rates.items():
        rate = statistics.median(found)
        lines.append(f"| {name} | {rate:.0f} | {(1 - rate / alone) * 100:+.1f} % |")
    return lines


async def _rate(reading: Workers, drawing: Workers | None) -> float:
    """Examined documents per second with all reading workers busy."""
    source, large = invoices(rows=10), invoices()
    batch = [next(source) for _ in range(50)]
    drawn = iter([next(large) for _ in range(int(SECONDS * PDFS_PER_SECOND) + 2)])
    until = time.monotonic() + SECONDS
    done = 0

    async def examine_on() -> None:
        nonlocal done
        while time.monotonic() < until:
            await reading.run(examine, batch[done % len(batch)])
            done += 1

    async def draw_on(pool: Workers) -> None:
        pending = set()
        while time.monotonic() < until:
            pending.add(asyncio.ensure_future(pool.run(draw, next(drawn), MARKS)))
            await asyncio.sleep(1 / PDFS_PER_SECOND)
        await asyncio.gather(*pending)

    background = asyncio.ensure_future(draw_on(drawing)) if drawing else None
    start = time.monotonic()
    await asyncio.gather(*(examine_on() for _ in range(8)))
    rate = done / (time.monotonic() - start)
    if background:
        await background
    return rate


def measure(rounds: int) -> str:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        first = side_by_side(weasyprint_python(Path(folder)), rounds)
    second = asyncio.run(intake_beside(rounds))
    drawn = "\n".join([f"| One invoice of {ROWS} rows, PDF/A-3b | median | |", "|---|---|---|", *first])
    beside = "\n".join(
        [f"| Beside intake ({PDFS_PER_SECOND:g} a second) | examined a second | slower by |", "|---|---|---|", *second]
    )
    return f"""{drawn}

Goal: at least 8 ×. Both warm; the time of ours contains reading the XML, composing it and the QR code.

{beside}

Goal: less than 10 % with a pool of their own."""


if __name__ == "__main__":
    report.run("render", "Drawing PDFs", __doc__, measure, rounds=5)
