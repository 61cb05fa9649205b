"""Where a group of our files may lie: `<stem>.xml`, `.upo.xml`, `.pdf`, `.json`, `.blad.txt` share one stem.

Other bytes under a stem are never overwritten; letter case and Unicode form do not make names different, because
Windows and people do not see it (faults D10). The same bytes find their own stem again, after a crash too.
"""

import contextlib
import json
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from gateway.names import LONGEST, distinct, fold, safe_stem
from spool import files
from spool.bodies import sha256_hex

if sys.platform != "win32":
    import fcntl

XML, UPO, PDF, JSON, NOTE = ".xml", ".upo.xml", ".pdf", ".json", ".blad.txt"
ORIGINAL = ".oryginal"
XML_ORIGINAL = XML + ORIGINAL
"""The file as it came, beside what we made of it by mending its encoding."""
LETTER = ".list-do-dostawcy.txt"
_ENDINGS = (XML_ORIGINAL, LETTER, UPO, NOTE, XML, PDF, JSON)
_MOST_BYTES = 200
"""A stem and its longest ending and `~` plus a hash must stay below the 255 bytes of a name, in UTF-8."""
_DIRECTORIES_KEPT = 64
_READ_AT_MOST = 4_000_000


class Shelf:
    """Finds the stem for a document in a directory, and keeps others from taking it until the files are written.

    The lock is on our own directory of results, never on a drop folder. The names of the directories used last are
    kept in memory and read again when anybody else changed the directory.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, dict[str, str]]] = OrderedDict()
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def place(self, directory: Path, name: str, sha256: str, main: str = XML) -> Iterator[Path]:
        """The path without ending for the document with these bytes: its own from before, else the first free one.

        `main` is the ending of the file that holds the bytes themselves. The directory is locked inside the block.
        """
        with _locked(directory):
            stems = self._stems(directory)
            stem = _choose(directory, stems, name, sha256, main)
            yield directory / stem
            stems[fold(stem)] = stem
            with self._guard:
                self._known[os.fspath(directory)] = (directory.stat().st_mtime_ns, stems)

    def _stems(self, directory: Path) -> dict[str, str]:
        """Folded stem → stem of what lies in the directory."""
        key, changed = os.fspath(directory), directory.stat().st_mtime_ns
        with self._guard:
            known = self._known.get(key)
            if known is None or known[0] != changed:
                names = os.listdir(directory)  # noqa: PTH208 - names are all that is wanted
                files.sweep(directory, names)
                known = (changed, {fold(s): s for s in map(_stem_of, names)})
                self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _DIRECTORIES_KEPT:
                self._known.popitem(last=False)
        return known[1]


def own(directory: Path, name: str, sha256: str, main: str = XML) -> Path | None:
    """The path without ending that this document already has in the directory, or None."""
    stems = (directory / candidate for candidate in _candidates(name, sha256))
    return next((stem for stem in stems if owned(stem, sha256, main)), None)


def fit(name: str) -> str:
    """A stem short enough in bytes, and not ending like one of our own endings (`a.upo` + `.xml` would be a UPO)."""
    name = re.sub(r"\.(upo|blad|xml|pdf|json|txt|zip)$", r"-\1", name, flags=re.IGNORECASE)
    while len(name.encode()) > _MOST_BYTES:
        name = name[:-1]
    return name.rstrip(" .") or "_"


def stem_for_source(source_name: str, fallback: str) -> tuple[str, str]:
    """The stem, and the ending in lower case, for a file that is put aside as it is, whatever it is.

    A foreign `.json` would have the name of the result that goes beside it, so it becomes `.json.oryginal`.
    """
    match = re.fullmatch(r"(.+)(\.[A-Za-z0-9]{1,10})", source_name, re.DOTALL)
    stem, ending = match.groups() if match else (source_name, "")
    ending = ending.lower()
    return fit(safe_stem(stem, fallback)), ending + ORIGINAL if ending == JSON else ending


def beside(stem: Path, ending: str) -> Path:
    """`stem` is a path without an ending; dots in it belong to it."""
    return stem.with_name(stem.name + ending)


def owned(stem: Path, sha256: str, main: str = XML) -> bool:
    """True when the files with this stem are about these bytes: by their JSON, their note, or the bytes themselves."""
    said = _said_by_json(beside(stem, JSON))
    if said:
        return said == sha256
    if sha256.encode() in _content(beside(stem, NOTE)):
        return True
    return sha256_hex(_content(beside(stem, main))) == sha256 and beside(stem, main).exists()


def _candidates(name: str, sha256: str) -> Iterator[str]:
    """The name, then with more and more of the hash; the last one cannot belong to other bytes."""
    stem = fit(name)
    yield stem
    short = stem[:LONGEST]
    yield distinct(short, sha256)
    yield f"{short}~{sha256[:16]}"
    yield f"{short[:40]}~{sha256}"


def _choose(directory: Path, stems: dict[str, str], name: str, sha256: str, main: str) -> str:
    """The document's own stem wherever it is among the candidates, else the first that is free."""
    free = ""
    for candidate in _candidates(name, sha256):
        there = stems.get(fold(candidate))
        if there is None and not _any_file(directory, candidate, main):
            free = free or candidate
        elif owned(directory / (there or candidate), sha256, main):
            return there or candidate
    if not free:
        raise FileExistsError(f"Wszystkie nazwy dla „{name}” są zajęte.")
    return free


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    if sys.platform == "win32":  # there only one program writes here, which `gateway.remote.seat` sees to
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a mounted share may not know locks; then we are its only writer anyway
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _any_file(directory: Path, stem: str, main: str) -> bool:
    return any(os.path.lexists(directory / (stem + ending)) for ending in {*_ENDINGS, main})


def _stem_of(name: str) -> str:
    for ending in (JSON + ORIGINAL, *_ENDINGS):
        if name.casefold().endswith(ending):
            return name[: -len(ending)]
    return re.sub(r"(?<=.)\.[A-Za-z0-9]{1,10}$", "", name)


def _said_by_json(path: Path) -> str:
    try:
        return str(json.loads(_content(path)).get("sha256") or "")
    except (ValueError, AttributeError):
        return ""


def _content(path: Path) -> bytes:
    """The bytes of a file of ours, or nothing when it is gone, unreadable or far too big to be one."""
    try:
        if path.stat().st_size > _READ_AT_MOST:
            return b""
        return path.read_bytes()
    except OSError:
        return b""
