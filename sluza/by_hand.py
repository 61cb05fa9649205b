"""The front door for the command line: `sluza submit`, and the second look that `sluza queue retry` takes."""

import asyncio

from gateway.admission import Verdict
from gateway.intake import FrontDoor, Origin
from gateway.seals import Seals
from sluza.workbench import Bench
from spool.domain.document import Mode
from spool.domain.ledger import Document
from spool.workers import Workers


def accept(opened: Bench, raw: bytes, origin: Origin) -> list[Verdict]:
    """What the front door says of these bytes, as for a folder or HTTP."""
    return asyncio.run(_accept(opened, raw, origin))


def again(opened: Bench, document: Document, actor: str) -> Document:
    """Judge the stored bytes of a refused or withdrawn document anew; returns it, queued or still refused."""
    raw = opened.spool.read_now(lambda store: store.body(document.sha256))
    unit = opened.settings.shared.municipality.units[document.unit]
    offline24 = document.mode is Mode.OFFLINE24
    accept(opened, raw, Origin(unit, "cli", document.source_name, offline24=offline24, actor=actor))
    return opened.spool.read_now(lambda store: store.document(document.id))


async def _accept(opened: Bench, raw: bytes, origin: Origin) -> list[Verdict]:
    workers = Workers(processes=1)
    try:
        shared = opened.settings.shared
        policies, law, seals = opened.settings.policies, shared.law, Seals(shared.municipality, opened.clock)
        door = FrontDoor(opened.spool, workers, shared.municipality, policies, opened.clock, law, seals)
        return await door.accept(raw, origin)
    finally:
        workers.close()
