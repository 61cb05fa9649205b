"""ZIP drops: opened inside a worker, within limits of our own, names as labels and never as paths (faults X07)."""

import io
import re
import zipfile
import zlib
from itertools import pairwise

from gateway.sizes import MAX_XML
from spool.domain.catalogue import problem
from spool.domain.errors import Problem

MAX_ENTRIES = 1_000
MAX_TOTAL = 200_000_000
"""Bytes of everything unpacked."""

Entry = tuple[str, bytes]

_LEFT_BY_SYSTEMS = re.compile(r"(^|/)(__MACOSX/|\.[^./]|~\$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
"""What macOS, Windows and Office add to archives by themselves: no documents, and no reason to refuse one."""


def unpack(raw: bytes) -> tuple[list[Entry], list[Problem]]:
    """The files inside, in order, or the reasons why the archive as a whole is refused. Never raises.

    A file that is no invoice is not a reason: it gets its own verdict, and the invoices beside it theirs.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            entries = [e for e in opened.infolist() if not e.is_dir() and not _LEFT_BY_SYSTEMS.search(e.filename)]
            found = _refusals(entries)
            return ([], found) if found else _inflate(opened, entries)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError):
        return [], [problem("zip_broken")]


def _refusals(entries: list[zipfile.ZipInfo]) -> list[Problem]:
    """What the directory of the archive already tells."""
    if not entries:
        return [problem("zip_empty")]
    if len(entries) > MAX_ENTRIES:
        return [problem("zip_too_many", count=len(entries), limit=MAX_ENTRIES)]
    if any(e.flag_bits & 0x1 for e in entries):
        return [problem("zip_encrypted")]
    names = [e.filename for e in entries]
    bad = [n for n in names if _is_path(n)]
    if bad:
        return [problem("zip_bad_name", name=bad[0])]
    if len({n.casefold() for n in names}) < len(names):
        return [problem("zip_same_names")]
    if _overlap(entries):
        return [problem("zip_broken")]
    return []


def _is_path(name: str) -> bool:
    """Absolute, climbing or Windows-style names are refused; a plain sub-folder is only a label."""
    return name.startswith("/") or "\\" in name or ":" in name or re.search(r"(^|/)\.\.(/|$)", name) is not None


def _overlap(entries: list[zipfile.ZipInfo]) -> bool:
    """True when two entries share bytes (a bomb's trick that old `zipfile` versions miss)."""
    spans = sorted((e.header_offset, e.header_offset + 30 + e.compress_size) for e in entries)
    return any(start < before_end for (_, before_end), (start, _) in pairwise(spans))


def _inflate(opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> tuple[list[Entry], list[Problem]]:
    """Inflate with limits counted on the bytes that really come out; sizes in the directory may lie."""
    out: list[Entry] = []
    total = 0
    for entry in entries:
        with opened.open(entry) as stream:
            raw = stream.read(MAX_XML + 1)
        total += len(raw)
        if len(raw) > MAX_XML or total > MAX_TOTAL:
            return [], [problem("zip_too_big", name=entry.filename)]
        out.append((entry.filename, raw))
    return out, []
