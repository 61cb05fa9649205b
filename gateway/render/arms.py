"""The municipality's coat of arms in the form in which the template takes it: always an SVG, because that is text."""

import json
from base64 import b64encode
from functools import cache
from pathlib import Path

import typst

from gateway.render.marks import Arms
from spool.pictures import kind_of

_TRIAL = b"#image(bytes(json(bytes(sys.inputs.picture))), format: sys.inputs.kind)"


@cache
def arms_from(path: Path) -> Arms:
    """The picture of the configuration, read once per process. OSError when it is not there any more."""
    raw = path.read_bytes()
    kind = kind_of(raw)
    if kind == "svg":
        return Arms(raw.decode("utf-8-sig"))
    media = {"png": "image/png", "jpg": "image/jpeg"}[kind]
    # In a box as large as its place in the title; the picture keeps its own proportions inside.
    return Arms(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 100"><image width="90" height="100" '
        f'href="data:{media};base64,{b64encode(raw).decode()}"/></svg>'
    )


def draws(path: Path) -> bool:
    """Whether the file is a sound picture. In an SVG a broken one would be left out without a word."""
    raw = path.read_bytes()
    inputs = {"picture": json.dumps(list(raw)), "kind": kind_of(raw)}
    try:
        typst.compile(_TRIAL, format="pdf", ignore_system_fonts=True, sys_inputs=inputs)
        arms_from(path)
    except (typst.TypstError, UnicodeDecodeError):
        return False
    return True
