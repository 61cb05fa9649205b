"""What a unit finds about one document: progress in `w-toku/`, the end in `wyslane/` or `odrzucone/`.

Plain file work for a thread: everything that is written was decided and fetched before. Each function may be run
again after a crash at any point and ends with the same files.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.folders import layout, notes
from gateway.folders.copies import NO_PDF
from gateway.folders.placing import JSON, NOTE, PDF, UPO, XML, Shelf, beside, own
from gateway.results import result
from spool import files
from spool.domain.ledger import Document, Event
from spool.domain.municipality import Municipality
from spool.domain.states import State

PUT_ASIDE = frozenset({State.REFUSED, State.WITHDRAWN, State.QUARANTINED, State.CEASED})
"""Ends without a KSeF number: the original goes back to the unit, with the reason (docs/decisions/0008)."""
DELIVERED_NOTE = "Wyniki i UPO zapisano w folderze jednostki."


@dataclass(frozen=True)
class Told:
    """A document with its history and bytes, as read from the spool in one snapshot."""

    document: Document
    history: tuple[Event, ...]
    raw: bytes
    upo: bytes | None


@dataclass(frozen=True)
class Writer:
    """Writes into the folders below `root`."""

    root: Path
    municipality: Municipality
    shelf: Shelf
    _drawn: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    """By document, what its progress file said when it was written: a file that somebody deleted stays deleted."""

    def progress(self, told: Told) -> None:
        """`w-toku/<name>.json`, written only when what a unit cares about is no longer what was written."""
        document = told.document
        said = result(document, told.history, self.municipality)
        matters = _matters(said)
        directory = layout.ensure_directory(layout.require(self.root, document.unit) / layout.PENDING)
        if self._last.get(document.id) == hash(matters):
            return
        with self.shelf.place(directory, document.name, document.sha256) as stem:
            path = beside(stem, JSON)
            if _matters(_read(path)) != matters:
                files.write(path, text(said))
        self._last[document.id] = hash(matters)

    def pending_copy(self, told: Told, pdf: bytes) -> None:
        """`w-toku/<name>.pdf` for an offline mode, beside the JSON."""
        document = told.document
        directory = layout.require(self.root, document.unit) / layout.PENDING
        with self.shelf.place(directory, document.name, document.sha256) as stem:
            put(beside(stem, PDF), pdf)
        self._drawn[document.id] = _picture(document)

    def has_pending_copy(self, told: Told) -> bool:
        """True when the PDF of an offline document was written by this run, and would look the same now."""
        return self._drawn.get(told.document.id) == _picture(told.document)

    def sent(self, told: Told, pdf: bytes | None, now: datetime) -> None:
        """`wyslane/RRRR-MM/`: XML, UPO, PDF, then the JSON that programs wait for; then `w-toku/` is cleared.

        The JSON already says DELIVERED: that is true from the moment it can be seen, and the move in the spool
        follows with the same instant. So it appears once and never changes.
        """
        document = told.document
        assert document.acquisition_date is not None, "a number has its day"
        assert told.upo is not None, "delivered means: with UPO"
        directory = layout.ensure_month(self.root, document.unit, layout.SENT, document.acquisition_date)
        move = Event(0, now, document.id, "gateway", f"{State.ACCEPTED}>{State.DELIVERED}", DELIVERED_NOTE, {})
        said = result(replace(document, state=State.DELIVERED), (*told.history, move), self.municipality)
        if pdf is None:
            said["pdf_error"] = NO_PDF
        with self.shelf.place(directory, document.name, document.sha256) as stem:
            put(beside(stem, XML), told.raw)
            put(beside(stem, UPO), told.upo)
            if pdf is not None:
                put(beside(stem, PDF), pdf)
            files.write(beside(stem, JSON), text(said))
        self._clear_pending(document)

    def put_aside(self, told: Told, pdf: bytes | None = None) -> None:
        """`odrzucone/RRRR-MM/`: the original, the note, the JSON; then `w-toku/` is cleared.

        With a PDF where the paper may still be needed: a duty that ceased leaves an invoice outside KSeF.
        """
        document = told.document
        when = _refused_at(told)
        directory = layout.ensure_month(self.root, document.unit, layout.REFUSED, when)
        with self.shelf.place(directory, document.name, document.sha256) as stem:
            put(beside(stem, XML), told.raw)
            if pdf is not None:
                put(beside(stem, PDF), pdf)
            files.write(beside(stem, NOTE), self._note(told, when))
            files.write(beside(stem, JSON), text(result(document, told.history, self.municipality)))
        self._clear_pending(document)

    def rewrite_sent(self, told: Told) -> None:
        """Something was added to a delivered document: its JSON is renewed if the unit still has it."""
        document = told.document
        assert document.acquisition_date is not None, "a number has its day"
        folder = layout.require(self.root, document.unit) / layout.SENT / layout.month(document.acquisition_date)
        stem = own(folder, document.name, document.sha256)
        if stem is not None and beside(stem, JSON).exists():
            files.write(beside(stem, JSON), text(result(document, told.history, self.municipality)))
        self._clear_pending(document)

    def _clear_pending(self, document: Document) -> None:
        directory = layout.require(self.root, document.unit) / layout.PENDING
        stem = own(directory, document.name, document.sha256)
        if stem is not None:  # the JSON last: it says whose the PDF is
            files.remove(beside(stem, PDF))
            files.remove(beside(stem, JSON))
        self._last.pop(document.id, None)
        self._drawn.pop(document.id, None)

    def _note(self, told: Told, when: datetime) -> bytes:
        document = told.document
        unit = self.municipality.units.get(document.unit)
        return notes.note(
            source_name=document.source_name,
            unit=unit.name if unit else document.unit,
            at=when,
            fingerprint=document.sha256,
            problems=document.problems,
            number=document.facts.number,
            state=_last_verdict(told),
            reason=document.reason or ("" if document.problems else told.history[-1].note),
        )


def put(path: Path, content: bytes) -> None:
    """Write unless exactly this lies there already."""
    if not path.exists() or path.read_bytes() != content:
        files.write(path, content)


def text(said: dict[str, Any]) -> bytes:
    """JSON for people and programs: UTF-8, Polish letters as they are."""
    return (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def _picture(document: Document) -> tuple[object, ...]:
    """What the PDF of a waiting document shows beside the invoice itself."""
    return (document.mode, document.kod2_url, document.due_safe)


def _matters(said: dict[str, Any]) -> tuple[object, ...]:
    """What makes a new progress file worth writing: state with its reason, mode, due dates, the number, the UPO."""
    keys = ("id", "state", "reason", "mode", "due_safe", "due_local", "ksef_number", "upo_sha256")
    return tuple(said.get(key) for key in keys)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _last_verdict(told: Told) -> State:
    """What the note says: a withdrawn document that came back and did not pass is refused, whatever its row says."""
    verdicts = [e.move for e in told.history if e.state or e.move == "again"]
    return State.REFUSED if verdicts and verdicts[-1] == "again" else told.document.state


def _refused_at(told: Told) -> datetime:
    """When it was refused last: by a move, or because the same file came again and is still refused."""
    ends = [e.at for e in told.history if e.state == told.document.state or e.move == "again"]
    return ends[-1] if ends else told.document.updated_at
