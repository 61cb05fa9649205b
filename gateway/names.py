"""Names of files we write: safe on Windows, never a path. What a unit called a file is a label, kept as data (X08)."""

import re
import unicodedata

LONGEST = 80
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in "0123456789¹²³"}
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe_stem(source_name: str, fallback: str) -> str:
    """The stem of a file name, Windows-safe, NFC, at most 80 characters; `fallback` when nothing is left of it."""
    label = re.split(r"[/\\]", source_name)[-1]
    stem = re.sub(r"\.(xml|zip)$", "", label, flags=re.IGNORECASE)
    stem = unicodedata.normalize("NFC", stem)
    stem = "".join("" if unicodedata.category(c) in _DROPPED else c for c in stem)
    stem = re.sub(r'[<>:"|?*]', "-", stem).strip(" .")[:LONGEST].rstrip(" .")
    if not stem:
        return fallback
    if stem.split(".")[0].lower() in _RESERVED:
        stem = f"_{stem}"[:LONGEST]
    return stem


def distinct(stem: str, sha256: str) -> str:
    """The stem for other bytes under a name that is taken: `<stem>~<first 8 hex of sha256>` (DESIGN 4.4)."""
    return f"{stem}~{sha256[:8]}"


def number_part(number: str) -> str:
    """An invoice number inside a file name: characters outside `[A-Za-z0-9.-]` become `-` (DESIGN 4.4)."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", number)[:LONGEST]


def fold(name: str) -> str:
    """What makes two names the same for Windows, macOS and people."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
