"""ZIP drops: opened inside a worker, within limits of our own, names as labels and never as paths (faults X07)."""

import io
import re
import stat
import zipfile
from itertools import pairwise

from gateway.names import fold
from gateway.sizes import MAX_XML
from spool.domain.catalogue import problem
from spool.domain.errors import Problem

MAX_ENTRIES = 1_000
MAX_TOTAL = 100_000_000
"""Bytes of everything unpacked; a worker holds them twice on their way out, beside the archive (`spool.workers`)."""

Entry = tuple[str, bytes]

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_END = b"PK\x05\x06"
_COUNTED_ELSEWHERE = 0xFFFF
"""The count of entries in the end record of an archive with more than fit there (APPNOTE 4.4.1.4)."""

_LEFT_BY_SYSTEMS = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|~\$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
"""What macOS, Windows and Office add to archives by themselves: no documents, and no reason to refuse one. Other dot
files get a verdict: the archive goes, so an invoice with such a name would be gone unseen."""


def unpack(raw: bytes) -> tuple[list[Entry], list[Problem]]:
    """The files inside, in order, or the reasons why the archive as a whole is refused. Never raises.

    A file that is no invoice is not a reason: it gets its own verdict, and the invoices beside it theirs.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            everything = opened.infolist()
            if _incomplete(raw, everything):
                return [], [problem("zip_broken")]
            entries = [e for e in everything if not e.is_dir() and not _LEFT_BY_SYSTEMS.search(e.filename)]
            found = _refusals(entries, opened.start_dir)
            return ([], found) if found else _inflate(opened, entries)
    except Exception:  # the library raises a dozen kinds, and whatever hostile bytes lead it to
        return [], [problem("zip_broken")]


def _incomplete(raw: bytes, everything: list[zipfile.ZipInfo]) -> bool:
    """True when there is more in the archive than its directory shows: what we did not see must not be lost unseen.

    Bytes before the first file are another archive to which this one was appended; fewer files than the end record
    counts are a directory that was cut.
    """
    counted = int.from_bytes(raw[raw.rfind(_END) :][10:12], "little")
    if counted not in {len(everything) & _COUNTED_ELSEWHERE, _COUNTED_ELSEWHERE}:
        return True
    return min((e.header_offset for e in everything), default=0) > 0


def _refusals(entries: list[zipfile.ZipInfo], directory_at: int) -> list[Problem]:
    """What the directory of the archive, which begins at that byte, already tells."""
    if not entries:
        return [problem("zip_empty")]
    if len(entries) > MAX_ENTRIES:
        return [problem("zip_too_many", count=len(entries), limit=MAX_ENTRIES)]
    if any(e.flag_bits & 0x1 for e in entries):
        return [problem("zip_encrypted")]
    if any(e.compress_type not in _METHODS for e in entries):
        return [problem("zip_method")]
    if special := [e.filename for e in entries if _special(e)]:
        return [problem("zip_special", name=special[0])]
    names = [e.filename for e in entries]
    bad = [n for n in names if _is_path(n)]
    if bad:
        return [problem("zip_bad_name", name=bad[0])]
    if len({fold(n) for n in names}) < len(names):
        return [problem("zip_same_names")]
    if _overlap(entries, directory_at):
        return [problem("zip_broken")]
    return []


def _special(entry: zipfile.ZipInfo) -> bool:
    """True for a link, a device and the like; archives from Windows say nothing here."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind not in {0, stat.S_IFREG}


def _is_path(name: str) -> bool:
    """Absolute, climbing or Windows-style names are refused; a plain sub-folder is only a label."""
    return name.startswith("/") or "\\" in name or ":" in name or re.search(r"(^|/)\.\.(/|$)", name) is not None


def _overlap(entries: list[zipfile.ZipInfo], directory_at: int) -> bool:
    """True when two entries share bytes, or one reaches into the directory: a bomb's trick. Some versions of `zipfile`
    see it, others of the same number do not: so that every installation says the same, it is looked for here."""
    spans = sorted((e.header_offset, e.header_offset + 30 + e.compress_size) for e in entries)
    return any(start < before_end for (_, before_end), (start, _) in pairwise([*spans, (directory_at, directory_at)]))


def _inflate(opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> tuple[list[Entry], list[Problem]]:
    """Inflate with limits counted on the bytes that really come out; sizes in the directory may lie."""
    out: list[Entry] = []
    total = 0
    for entry in entries:
        try:
            with opened.open(entry) as stream:
                raw = stream.read(MAX_XML + 1)
        except MemoryError:  # some methods let the archive say how much memory unpacking takes
            return [], [problem("zip_too_big", name=entry.filename)]
        total += len(raw)
        if len(raw) > MAX_XML or total > MAX_TOTAL:
            return [], [problem("zip_too_big", name=entry.filename)]
        out.append((entry.filename, raw))
    return out, []
