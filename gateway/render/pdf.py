"""The template and the data into a PDF/A-3b, through typst. The same input gives the same bytes.

typst sees the template, our two fonts and the strings handed to it: no system fonts, no packages, no file of this
machine, no network. Fonts and template are read once per process.
"""

import json
import os
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst

from gateway.render.marks import Arms
from gateway.render.metrics import FONTS

_TEMPLATE = Path(__file__).parent / "invoice.typ"
_PIXELS_PER_INCH = 110
_STANDARD: Literal["a-3b"] = "a-3b"


def write(data: dict[str, Any], *, original: bytes | None, name: str, arms: Arms | None, created: datetime) -> bytes:
    """The finished file, with the `original` bytes, where there are any, attached as `name`."""
    inputs = _inputs(data, original, name, arms)
    compiler, template = _tools()
    whole = created.replace(microsecond=0)  # typst's dates have no finer grain
    made = compiler.compile(
        template,
        format="pdf",
        sys_inputs=inputs,
        pdf_standards=_STANDARD,
        timestamp=whole,
        pdf_tags=False,
    )
    assert isinstance(made, bytes)
    return made


def draw(data: dict[str, Any], *, original: bytes, name: str, arms: Arms | None) -> bytes:
    """The first page as a PNG of a width that reads well beside text."""
    compiler, template = _tools()
    inputs = _inputs(data, original, name, arms)
    made = compiler.compile(template, format="png", sys_inputs=inputs, ppi=_PIXELS_PER_INCH)
    first = made[0] if isinstance(made, list) else made
    assert isinstance(first, bytes)
    return first


def _inputs(data: dict[str, Any], original: bytes | None, name: str, arms: Arms | None) -> dict[str, str]:
    """What the template reads, as strings, because typst takes nothing else: what the hardened parser let through is
    UTF-8."""
    inputs = {} if original is None else {"original": original.decode()}
    if arms is not None:
        inputs["arms"] = arms.svg
    inputs["data"] = json.dumps(data | {"attachment": name}, ensure_ascii=False)
    return inputs


@cache
def _tools() -> tuple[typst.Compiler, bytes]:
    """A compiler that knows our fonts, and the template."""
    # One thread: a worker has one document at a time, and intake needs the other cores (and 512 MB are soon spent
    # on the stacks of many threads). typst's thread pool reads this when it is first used.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    # The folder of the fonts as root: the template opens no file, and could open none but these.
    return typst.Compiler(font_paths=fonts, ignore_system_fonts=True, root=FONTS), _TEMPLATE.read_bytes()
