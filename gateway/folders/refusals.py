"""Putting a refused drop aside: the file itself into `odrzucone/`, with its note and JSON.

For what gets no row in the spool (too big, empty, not an invoice, a broken archive) this is the only place where it
goes on existing, so note and JSON are written first, then the file is moved, and only the move takes it from the drop
folder. After a crash the same steps lead to the same names.
"""

import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.folders import layout, notes
from gateway.folders.door import Answer
from gateway.folders.drops import Drop, DropFile
from gateway.folders.placing import JSON, NOTE, Shelf, beside, stem_for_source
from gateway.results import SCHEMA, local
from gateway.sizes import MAX_ZIP
from spool import files
from spool.bodies import sha256_hex
from spool.crashpoint import reached
from spool.domain.catalogue import problem
from spool.domain.errors import Problem
from spool.domain.municipality import Unit
from spool.domain.states import State


@dataclass(frozen=True)
class Refusal:
    """Why a drop is put aside; `known` when there is a row for these very bytes under another name."""

    unit: Unit
    label: str
    problems: tuple[Problem, ...]
    at: datetime
    known: Answer | None = None


def put_aside(root: Path, shelf: Shelf, drop: Drop, file: DropFile, refusal: Refusal) -> bool:
    """Note, JSON, file; True when the file has left the drop folder. Raises OSError, then it is still there.

    The file last: once it has left the drop folder nothing would bring anybody back to write the rest.
    """
    hashed = file.size <= MAX_ZIP
    fingerprint = file.digest() if hashed else file.fingerprint()
    directory = layout.ensure_month(root, refusal.unit.id, layout.REFUSED, refusal.at)
    name, ending = stem_for_source(refusal.label, fingerprint[:16])
    with shelf.place(directory, name, fingerprint, ending) as stem:
        target, note = beside(stem, ending), beside(stem, NOTE)
        there = target.exists()
        if there and not _same(target, file, fingerprint):
            raise FileExistsError(errno.EEXIST, "other bytes have this name", str(target))
        files.write(note, _note(refusal, fingerprint))
        said = _json(refusal, file.size, fingerprint if hashed else None)
        files.write(beside(stem, JSON), (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode())
        reached("aside.noted", file.name)
        gone = drop.remove(file, fingerprint) if there else _move(drop, file, target, fingerprint)
        if not gone and not target.exists():
            files.remove(beside(stem, JSON))
            files.remove(note)
        reached("aside.moved", file.name)
    return gone


def tell_archive(
    root: Path, shelf: Shelf, unit: Unit, label: str, sha256: str, answers: Sequence[Answer], at: datetime
) -> None:
    """`<name>.blad.txt` about a ZIP of which something was refused; before the ZIP goes. Raises OSError.

    The files inside that have a row are told by it, each on its own; this is the one place that tells them all, and
    the only one for bytes that a person put away before.
    """
    directory = layout.ensure_month(root, unit.id, layout.REFUSED, at)
    name, ending = stem_for_source(label, sha256[:16])
    with shelf.place(directory, name, sha256, ending) as stem:
        told = notes.archive_note(source_name=label, unit=unit.name, at=at, fingerprint=sha256, answers=answers)
        files.write(beside(stem, NOTE), told)


def _same(target: Path, file: DropFile, fingerprint: str) -> bool:
    """True when these very bytes lie there already, from before a crash."""
    same_size = target.stat().st_size == file.size <= MAX_ZIP
    return same_size and sha256_hex(target.read_bytes()) == fingerprint


def foreign(name: str) -> Problem:
    """The finding for a file that is neither XML nor ZIP by its name."""
    _, dot, ending = name.rpartition(".")
    what = f"plik „.{ending.lower()}”" if dot and ending.isalnum() else "plik bez rozszerzenia „.xml”"
    return problem("not_xml", what=f"{what} (przyjmujemy tylko pliki .xml i .zip)")


def _move(drop: Drop, file: DropFile, target: Path, fingerprint: str) -> bool:
    """By rename; across file systems by copy, where the size allows to hold the file in memory."""
    try:
        return drop.move(file, target)
    except OSError as error:
        if error.errno != errno.EXDEV or file.size > MAX_ZIP:
            raise
    files.write(target, file.read())
    return drop.remove(file, fingerprint)


def _note(refusal: Refusal, fingerprint: str) -> bytes:
    number = refusal.known.number if refusal.known else ""
    return notes.note(
        source_name=refusal.label,
        unit=refusal.unit.name,
        at=refusal.at,
        fingerprint=fingerprint,
        problems=refusal.problems,
        number=number,
        state=_state(refusal),
    )


def _state(refusal: Refusal) -> State:
    """What the file is told to be: what its row says, if a person had put the same bytes away before."""
    return (refusal.known and refusal.known.state) or State.REFUSED


def _json(refusal: Refusal, size: int, sha256: str | None) -> dict[str, Any]:
    """The result contract, with null for everything that was never read."""
    unknown = (
        "seller_nip", "number", "kind", "issue_date", "issued_at", "mode", "due_safe", "due_local", "ksef_number",
        "acquisition_date", "upo_sha256", "kod1_url", "kod2_url", "document_title", "jpk_mark", "payment_title",
    )  # fmt: skip
    return {
        "schema": SCHEMA,
        "id": refusal.known.id if refusal.known else None,
        "unit": refusal.unit.id,
        "source_name": refusal.label,
        "sha256": sha256,
        "size": size,
        "state": _state(refusal).value,
        "reason": "",
        **dict.fromkeys(unknown),
        "errors": [p.as_dict() for p in refusal.problems],
        "warnings": [],
        "repaired_from": None,
        "history": [_event(refusal.at, refusal.problems)],
    }


def _event(at: datetime, problems: Sequence[Problem]) -> dict[str, Any]:
    return {"at": local(at), "state": State.REFUSED.value, "note": problems[0].message if problems else ""}
