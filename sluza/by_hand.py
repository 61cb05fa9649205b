"""The front door for the command line: `sluza submit`, and what `sluza queue` does through `gateway.by_person`."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from gateway import by_person, evidence
from gateway.admission import Verdict
from gateway.by_person import Desk
from gateway.evidence import Gathered
from gateway.intake import FrontDoor, Origin
from gateway.render.work import drawing_workers
from gateway.seals import Seals
from sluza.console import emit, out, plain
from sluza.workbench import Bench
from spool import files
from spool.bodies import sha256_hex
from spool.domain.ledger import Document
from spool.workers import Workers

T = TypeVar("T")


def accept(opened: Bench, raw: bytes, origin: Origin) -> list[Verdict]:
    """What the front door says of these bytes, as for a folder or HTTP."""
    return _at_the_desk(opened, lambda desk: desk.door.accept(raw, origin))


def retry(opened: Bench, document_id: str, actor: str, reason: str) -> Document | None:
    """`gateway.by_person.retry`."""
    return _at_the_desk(opened, lambda desk: by_person.retry(desk, document_id, actor, reason))


def correct(opened: Bench, original: Document, raw: bytes, name: str, actor: str) -> Verdict:
    """`gateway.by_person.correct`."""
    return _at_the_desk(opened, lambda desk: by_person.correct(desk, original, raw, name, actor))


def _at_the_desk(opened: Bench, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
    """Run one piece of work with a front door and a worker of its own."""
    return asyncio.run(_sit_down(opened, work))


async def _sit_down(opened: Bench, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
    workers = Workers(processes=1)
    try:
        shared = opened.settings.shared
        policies, law, seals = opened.settings.policies, shared.law, Seals(shared.municipality, opened.clock)
        door = FrontDoor(opened.spool, workers, shared.municipality, policies, opened.clock, law, seals)
        return await work(Desk(opened.spool, door, shared.municipality, shared.rules, opened.clock()))
    finally:
        workers.close()


def save_proof(found: Gathered, to: Path, *, as_json: bool) -> None:
    """Write the package of proofs, drawn by a worker of its own, and say where it lies."""
    drawing = drawing_workers()
    try:
        raw = asyncio.run(evidence.packed(found, drawing))
    finally:
        drawing.close()
    files.write(to, raw)
    if as_json:
        emit({"file": str(to), "size": len(raw), "sha256": sha256_hex(raw)})
    else:
        out.print(f"Zapisano {plain(to)}. Jak sprawdzić: plik JAK-SPRAWDZIC.txt w środku.")
