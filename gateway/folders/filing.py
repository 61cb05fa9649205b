"""What a unit finds about its documents: progress in `w-toku/`, the end in `wyslane/` or `odrzucone/`, purchases.

Plain file work for a thread: everything that is written was decided and fetched before, by the gateway out of its spool
or by a remote unit's computer over the line. Each function may be run again after a crash at any point and ends with
the same files.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.folders import layout
from gateway.folders.placing import JSON, LETTER, NOTE, PDF, UPO, XML, XML_ORIGINAL, Shelf, beside, own
from gateway.results import NO_PDF
from spool import files


@dataclass(frozen=True)
class Sheet:
    """One document as its folder shows it: the stem wanted, the hash of its bytes, and the JSON that says all of it.

    `at` decides the month of what has ended; `picture` what the PDF of a waiting document shows beside the invoice;
    `note` is the text of `<name>.blad.txt`, `letter` that of a draft to a supplier; `original` is the file as it came,
    where we mended its encoding.
    """

    unit: str
    name: str
    sha256: str
    said: dict[str, Any]
    at: datetime | None = None
    note: bytes = b""
    letter: bytes = b""
    original: bytes = b""
    picture: str = ""

    @property
    def month_of(self) -> datetime:
        """The instant whose Warsaw month it belongs into."""
        assert self.at is not None, "what has ended has its day"
        return self.at


@dataclass(frozen=True)
class Filing:
    """Writes into the folders below `root`."""

    root: Path
    shelf: Shelf
    _drawn: dict[str, str] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    """By document, what its progress file said when it was written: a file that somebody deleted stays deleted."""

    def progress(self, sheet: Sheet) -> None:
        """`w-toku/<name>.json`, written only when what a unit cares about is no longer what was written."""
        matters = _matters(sheet.said)
        directory = layout.ensure_directory(layout.require(self.root, sheet.unit) / layout.PENDING)
        if self._last.get(_key(sheet)) == hash(matters):
            return
        with self.shelf.place(directory, sheet.name, sheet.sha256) as stem:
            path = beside(stem, JSON)
            if _matters(read(path)) != matters:
                files.write(path, text(sheet.said))
        self._last[_key(sheet)] = hash(matters)

    def pending_copy(self, sheet: Sheet, pdf: bytes) -> None:
        """`w-toku/<name>.pdf` for an offline mode, beside the JSON."""
        directory = layout.require(self.root, sheet.unit) / layout.PENDING
        with self.shelf.place(directory, sheet.name, sheet.sha256) as stem:
            put(beside(stem, PDF), pdf)
        self._drawn[_key(sheet)] = sheet.picture

    def has_pending_copy(self, sheet: Sheet) -> bool:
        """True when the PDF of an offline document was written by this run, and would look the same now."""
        return self._drawn.get(_key(sheet)) == sheet.picture

    def sent(self, sheet: Sheet, raw: bytes, upo: bytes, pdf: bytes | None) -> None:
        """`wyslane/RRRR-MM/`: XML, UPO, PDF, then the JSON that programs wait for; then `w-toku/` is cleared."""
        directory = layout.ensure_month(self.root, sheet.unit, layout.SENT, sheet.month_of)
        with self.shelf.place(directory, sheet.name, sheet.sha256) as stem:
            _put_bytes(stem, sheet, raw)
            put(beside(stem, UPO), upo)
            if pdf is not None:
                put(beside(stem, PDF), pdf)
            files.write(beside(stem, JSON), text(_with_pdf_error(sheet.said, pdf)))
        self._clear_pending(sheet)

    def put_aside(self, sheet: Sheet, raw: bytes, pdf: bytes | None = None) -> None:
        """`odrzucone/RRRR-MM/`: the original, the note, the JSON; then `w-toku/` is cleared.

        With a PDF where the paper may still be needed: a duty that ceased leaves an invoice outside KSeF.
        """
        directory = layout.ensure_month(self.root, sheet.unit, layout.REFUSED, sheet.month_of)
        with self.shelf.place(directory, sheet.name, sheet.sha256) as stem:
            _put_bytes(stem, sheet, raw)
            if pdf is not None:
                put(beside(stem, PDF), pdf)
            files.write(beside(stem, NOTE), sheet.note)
            files.write(beside(stem, JSON), text(sheet.said))
        self._clear_pending(sheet)

    def rewrite_sent(self, sheet: Sheet) -> None:
        """Something was added to a delivered document: its JSON is renewed if the unit still has it."""
        folder = layout.require(self.root, sheet.unit) / layout.SENT / layout.month(sheet.month_of)
        stem = own(folder, sheet.name, sheet.sha256)
        if stem is not None and beside(stem, JSON).exists():
            files.write(beside(stem, JSON), text(sheet.said))
        self._clear_pending(sheet)

    def received(self, sheet: Sheet, raw: bytes, pdf: bytes | None) -> None:
        """`odebrane/RRRR-MM/`: XML first, the JSON last.

        A copy is written once. What a person then deletes or moves away stays deleted: whoever asks for this remembers
        that it was there, and nothing looks for missing files (faults D11).
        """
        directory = layout.ensure_month(self.root, sheet.unit, layout.RECEIVED, sheet.month_of)
        with self.shelf.place(directory, sheet.name, sheet.sha256) as stem:
            put(beside(stem, XML), raw)
            if pdf is not None:
                put(beside(stem, PDF), pdf)
            if sheet.letter:
                files.write(beside(stem, LETTER), sheet.letter)
            files.write(beside(stem, JSON), text(_with_pdf_error(sheet.said, pdf)))

    def take_away(self, sheet: Sheet) -> None:
        """The copy of a received invoice leaves `odebrane/` of whoever it does not belong to any more.

        Only what was written about this very invoice, under whichever of its names; the JSON, which says whose the
        other files are, goes last.
        """
        folder = layout.require(self.root, sheet.unit) / layout.RECEIVED / layout.month(sheet.month_of)
        stem = own(folder, sheet.name, sheet.sha256)
        if stem is not None:
            for ending in (XML, PDF, LETTER, JSON):
                files.remove(beside(stem, ending))

    def _clear_pending(self, sheet: Sheet) -> None:
        directory = layout.require(self.root, sheet.unit) / layout.PENDING
        stem = own(directory, sheet.name, sheet.sha256)
        if stem is not None:  # the JSON last: it says whose the PDF is
            files.remove(beside(stem, PDF))
            files.remove(beside(stem, JSON))
        self._last.pop(_key(sheet), None)
        self._drawn.pop(_key(sheet), None)


def _put_bytes(stem: Path, sheet: Sheet, raw: bytes) -> None:
    """The document itself, and the file that it was made from."""
    put(beside(stem, XML), raw)
    if sheet.original:
        put(beside(stem, XML_ORIGINAL), sheet.original)


def put(path: Path, content: bytes) -> None:
    """Write unless exactly this lies there already."""
    if not path.exists() or path.read_bytes() != content:
        files.write(path, content)


def text(said: dict[str, Any]) -> bytes:
    """JSON for people and programs: UTF-8, Polish letters as they are."""
    return (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def read(path: Path) -> dict[str, Any]:
    """A JSON file of ours; empty when it is gone or unreadable."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(sheet: Sheet) -> str:
    return str(sheet.said.get("id"))


def _with_pdf_error(said: dict[str, Any], pdf: bytes | None) -> dict[str, Any]:
    return said if pdf is not None else said | {"pdf_error": NO_PDF}


def _matters(said: dict[str, Any]) -> tuple[object, ...]:
    """What makes a new progress file worth writing: state with its reason, mode, due dates, the number, the UPO."""
    keys = ("id", "state", "reason", "mode", "due_safe", "due_local", "ksef_number", "upo_sha256")
    return tuple(said.get(key) for key in keys)
