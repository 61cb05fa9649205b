"""Mending how a file is written, never what it says: BOM, Windows-1250 and ISO-8859-2, characters XML does not know.

Only for units that asked for it (`repair_encoding`). What comes out is another file: a new document with a hash of its
own, with the original kept beside it and every change named (DESIGN decision 5, faults X04).
"""

import re
from dataclasses import dataclass

from spool.xml import byte_rules

REPAIRABLE = frozenset(
    {"xml_bom", "xml_encoding", "xml_not_utf8", "xml_encoding_declared", "xml_control_character",
     "xml_discouraged_character"}
)  # fmt: skip
"""Problems of the bytes after which a repair may be tried."""
_BOM = b"\xef\xbb\xbf"
_CODECS = {"Windows-1250": "cp1250", "ISO-8859-2": "iso8859_2"}
_DECLARED = re.compile(rb"""(<\?xml[ \t\r\n][^>]*?encoding[ \t\r\n]*=[ \t\r\n]*)(["'])([A-Za-z0-9._-]{1,40})\2""")
_SHOWN = 6


@dataclass(frozen=True)
class Repaired:
    """The file as it goes on, and in Polish what was changed."""

    raw: bytes
    changes: tuple[str, ...]


def repair(raw: bytes) -> Repaired | None:
    """The same invoice as KSeF takes it, or None when nothing was mended or it cannot be done without a guess."""
    changes: list[str] = []
    text = _as_utf8(raw, changes)
    if text is None:
        return None
    text = _without_characters(_as_declared(text, changes), changes)
    mended = text.encode()
    return Repaired(mended, tuple(changes)) if changes and mended != raw else None


def _as_utf8(raw: bytes, changes: list[str]) -> str | None:
    """The text; from an old Polish encoding only where its letters, and nothing else, stand above ASCII."""
    if raw.startswith(_BOM):
        raw = raw[len(_BOM) :]
        changes.append("usunięto znacznik BOM")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        name = byte_rules.old_polish_encoding(raw)
    codec = _CODECS.get(name)
    if codec is None:
        return None
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    letters = sorted({c for c in text if c > "\x7f"})
    pairs = ", ".join(f"{c.encode(codec).hex().upper()} → „{c}”" for c in letters[:_SHOWN])
    more = " i inne" if len(letters) > _SHOWN else ""
    count = sum(c > "\x7f" for c in text)
    changes.append(f"zamieniono kodowanie {name} na UTF-8 (znaków: {count}; {pairs}{more})")
    return text


def _as_declared(text: str, changes: list[str]) -> str:
    """The first line names the encoding that the file now has."""
    head = text[:200].encode()
    found = _DECLARED.match(head)
    if found is None or found[3].lower() == b"utf-8":
        return text
    declared = found[3].decode()
    changes.append(f"w pierwszym wierszu zamieniono kodowanie „{declared}” na UTF-8")
    start = found.start(3)
    return text[:start] + "UTF-8" + text[start + len(declared) :]


def _without_characters(text: str, changes: list[str]) -> str:
    """Characters that XML or KSeF does not take are left out; nobody can see them, so each is named with its line."""
    gone = [m for pattern in byte_rules.UNWANTED for m in pattern.finditer(text)]
    if not gone:
        return text
    gone.sort(key=lambda m: m.start())
    named = ", ".join(f"U+{ord(m[0]):04X} (wiersz {byte_rules.line_of(text, m.start())})" for m in gone[:_SHOWN])
    changes.append(f"usunięto niewidoczne znaki: {len(gone)} ({named}{' i inne' if len(gone) > _SHOWN else ''})")
    for pattern in byte_rules.UNWANTED:
        text = pattern.sub("", text)
    return text
