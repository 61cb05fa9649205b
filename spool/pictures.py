"""Which kind of picture bytes are, by how they begin. Nothing is decoded here."""

import re

LARGEST = 500_000
"""Bytes; the coat of arms goes into every PDF."""
KINDS = {"png": "PNG", "jpg": "JPEG", "svg": "SVG"}


def kind_of(raw: bytes) -> str:
    """`png`, `jpg` or `svg`; empty for anything else."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if raw.startswith(b"\xff\xd8\xff"):
        return "jpg"
    return "svg" if re.search(rb"<(?:\w+:)?svg[\s>]", raw[:4096]) else ""
