"""The front door for the command line: `sluza submit`, and the second look that `sluza queue retry` takes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway.admission import Verdict
from gateway.intake import FrontDoor, Origin
from gateway.seals import Seals
from sluza.workbench import Bench
from spool.domain.document import Mode
from spool.domain.ledger import Document
from spool.workers import Workers

T = TypeVar("T")


def accept(opened: Bench, raw: bytes, origin: Origin) -> list[Verdict]:
    """What the front door says of these bytes, as for a folder or HTTP."""
    return _through_the_door(opened, lambda door: door.accept(raw, origin))


def again(opened: Bench, document: Document, actor: str) -> Document:
    """Judge the stored bytes of a refused or withdrawn document anew; returns it, queued or still refused."""
    raw = opened.spool.read_now(lambda store: store.body(document.sha256))
    unit = opened.settings.shared.municipality.units[document.unit]
    offline24 = document.wish is Mode.OFFLINE24
    accept(opened, raw, Origin(unit, "cli", document.source_name, offline24=offline24, actor=actor))
    return opened.spool.read_now(lambda store: store.document(document.id))


def correct(opened: Bench, original: Document, raw: bytes, name: str, actor: str) -> Verdict:
    """A technical correction of a refused offline invoice. Raises MoveRefused when that is not possible."""
    unit = opened.settings.shared.municipality.units[original.unit]
    origin = Origin(unit, "cli", name, actor=actor)
    return _through_the_door(opened, lambda door: door.correct(raw, original, origin))


def _through_the_door(opened: Bench, work: Callable[[FrontDoor], Coroutine[Any, Any, T]]) -> T:
    """Run one piece of work with a front door and a worker of its own."""
    return asyncio.run(_open_door(opened, work))


async def _open_door(opened: Bench, work: Callable[[FrontDoor], Coroutine[Any, Any, T]]) -> T:
    workers = Workers(processes=1)
    try:
        shared = opened.settings.shared
        policies, law, seals = opened.settings.policies, shared.law, Seals(shared.municipality, opened.clock)
        door = FrontDoor(opened.spool, workers, shared.municipality, policies, opened.clock, law, seals)
        return await work(door)
    finally:
        workers.close()
