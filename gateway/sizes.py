"""How large a delivery may be, and which kind it is: what even a unit's own computer can tell without any parser."""

from spool.domain.catalogue import problem
from spool.domain.errors import Problem

MAX_XML = 3_000_000
"""Bytes of one document: the largest invoice KSeF takes, one with an attachment; the schema check knows the rest."""
MAX_ZIP = 50_000_000
"""Bytes of the largest archive we open."""


def is_zip(raw: bytes) -> bool:
    """True when the bytes begin as a ZIP does; an XML never does."""
    return raw.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def too_big(size: int, *, zipped: bool) -> Problem | None:
    """The finding for what is over the limit of its kind, and is therefore not kept."""
    if zipped:
        return problem("zip_file_too_big", size=size, limit=MAX_ZIP) if size > MAX_ZIP else None
    return problem("too_big", size=size, limit=MAX_XML) if size > MAX_XML else None
