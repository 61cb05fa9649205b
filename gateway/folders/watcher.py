"""Drop folders → front door: one box per unit, so that a unit with thousands of files, or with a share that hangs,
holds up nobody else; the files being worked on at once are bounded per unit and in all."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.admission import Verdict
from gateway.folders import layout
from gateway.folders.box import Box
from gateway.folders.door import Answer
from gateway.folders.events import Hints
from gateway.folders.leftovers import Leftovers
from gateway.folders.pickup import Desk
from gateway.folders.placing import Shelf
from gateway.folders.settling import Patience
from gateway.folders.setup import folders_of
from gateway.folders.turn import Turn
from gateway.intake import FrontDoor, Origin
from gateway.settings import Folders
from spool.clock import Clock
from spool.domain.municipality import Municipality, Unit

_AT_ONCE = 8


class LocalDoor:
    """The front door of this gateway, for its folders."""

    def __init__(self, front_door: FrontDoor) -> None:
        self._front_door = front_door

    async def accept(self, unit: Unit, raw: bytes, label: str, *, offline24: bool, may_wait: bool) -> list[Answer]:
        """`gateway.folders.door.Door`; raises what `FrontDoor.accept` raises."""
        origin = Origin(unit, "folder", label, offline24=offline24)
        return [_answer(v) for v in await self._front_door.accept(raw, origin, may_wait=may_wait)]


def _answer(verdict: Verdict) -> Answer:
    if (document := verdict.document) is None:
        return Answer(verdict.kind, verdict.problems, name=verdict.name)
    facts = document.facts
    return Answer(verdict.kind, verdict.problems, document.id, facts.number, document.state, verdict.name)


class Watcher:
    """Takes what the units drop. One per process."""

    def __init__(
        self,
        front_door: FrontDoor,
        municipality: Municipality,
        folders_root: Path,
        settings: Folders,
        clock: Clock,
        *,
        events: bool = True,
        leftovers: Leftovers | None = None,
    ) -> None:
        """`events` False: scans only, as for folders mounted from elsewhere. `leftovers` tells what is no file."""
        self._rescan_s = settings.rescan_seconds
        self._threads = ThreadPoolExecutor(2 * _AT_ONCE, "folders")
        patience = Patience(settings.settle_seconds, settings.incomplete_seconds, settings.empty_minutes * 60)
        self._turn = Turn(self._threads)
        self._desk = Desk(LocalDoor(front_door), folders_root, patience, clock, self._threads, Shelf(), self._turn)
        self._hints = Hints() if events else None
        places = asyncio.Semaphore(_AT_ONCE)
        tell = leftovers.tell if leftovers else None
        self._boxes = [
            Box(self._desk, unit, self._hints, places, self._rescan_s, folders=folders_of(unit), tell=tell)
            for unit in municipality.units.values()
            if _dropped_here(folders_root, unit)
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; files being taken are finished first."""
        if self._hints:
            self._hints.start()  # never fails: without events the scans go on
        try:
            async with asyncio.TaskGroup() as group:
                for box in self._boxes:
                    group.create_task(box.run(stop), name=f"folder-{box.unit.id}")
        finally:
            if self._hints:
                await asyncio.to_thread(self._hints.stop)
            self._turn.end()
            self._threads.shutdown(wait=False)


def _dropped_here(root: Path, unit: Unit) -> bool:
    """A unit that has become a remote one may still have files in its folder here: they are taken all the same."""
    return not unit.remote or (layout.unit_folder(root, unit.id) / layout.OUTBOX).is_dir()
