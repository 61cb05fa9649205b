"""Drop folders → front door. Thin: events wake it, a periodic scan of every folder is the source of truth (D02).

One task per unit, so that a unit with thousands of files, or with a share that hangs, holds up nobody else; the
files being worked on at once are bounded per unit and in all.
"""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.folders import layout, settling
from gateway.folders.alerts import Alerts
from gateway.folders.dropbox import HELD_PREFIX, Drop, OddEntryError
from gateway.folders.events import Hints
from gateway.folders.pickup import Desk, Pickup, outbox
from gateway.folders.placing import Shelf
from gateway.folders.settling import Patience
from gateway.intake import FrontDoor
from gateway.settings import Folders
from spool.clock import Clock
from spool.domain.municipality import Municipality, Unit

_AT_ONCE = 8
_AT_ONCE_PER_UNIT = 4
_PER_ROUND = 64
_UNAVAILABLE_AGAIN_S = 1.0
_SHORTEST_ROUND_S = 0.02


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
    ) -> None:
        """`events` False: scans only, as for folders mounted from another machine."""
        self._municipality = municipality
        self._rescan_s = settings.rescan_seconds
        self._threads = ThreadPoolExecutor(2 * _AT_ONCE, "folders")
        patience = Patience(settings.settle_seconds, settings.incomplete_seconds, settings.empty_minutes * 60)
        self._desk = Desk(front_door, folders_root, patience, clock, self._threads, Shelf())
        self._hints = Hints() if events else None
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; files being taken are finished first."""
        if self._hints:
            self._hints.start()  # never fails: without events the scans go on
        boxes = [
            _Box(self._desk, unit, self._hints, self._places, self._rescan_s)
            for unit in self._municipality.units.values()
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for box in boxes:
                    group.create_task(box.run(stop), name=f"folder-{box.unit.id}")
        finally:
            if self._hints:
                await asyncio.to_thread(self._hints.stop)
            self._threads.shutdown(wait=False)


class _Box:
    """One unit's drop folder and its `offline24` inside."""

    def __init__(self, desk: Desk, unit: Unit, hints: Hints | None, places: asyncio.Semaphore, rescan_s: float) -> None:
        self.unit = unit
        self._desk = desk
        self._hints = hints
        self._places = places
        self._own_places = asyncio.Semaphore(_AT_ONCE_PER_UNIT)
        self._rescan_s = rescan_s
        self._plain = Pickup(desk, unit, offline24=False)
        self._offline24 = Pickup(desk, unit, offline24=True)
        self._alerts = Alerts(unit.id)
        self._wake = asyncio.Event()
        self._hurried: set[str] = set()
        self._watched: tuple[int, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Scan, work, sleep until an event, a due look or the next scan."""
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(stop.wait())
        ended.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                self._wake.clear()
                pause = await self._round(loop)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(pause, _SHORTEST_ROUND_S))
        finally:
            ended.cancel()

    async def _round(self, loop: asyncio.AbstractEventLoop) -> float:
        """One scan and the files that are due; returns how long nothing needs to be done. Never raises OSError."""
        hurried, self._hurried = self._hurried, set()
        try:
            drop = await self._desk.io(outbox, self._desk.root, self.unit.id)
        except OSError as error:
            self._alerts.once(
                ("unavailable",),
                "folder_unavailable",
                "Folder jednostki jest niedostępny; pliki czekają, nic nie zostało uznane za usunięte.",
                error=error,
            )
            self._watched = None
            return min(_UNAVAILABLE_AGAIN_S, self._rescan_s)
        self._alerts.over(("unavailable",))
        try:
            await self._watch(drop, loop)
            more = await self._work(self._plain, drop, hurried)
            with contextlib.closing(await self._desk.io(drop.child, layout.OFFLINE24)) as inner:
                more |= await self._work(self._offline24, inner, hurried)
        except (OSError, OddEntryError) as error:
            self._alerts.once(
                ("scan", type(error).__name__),
                "folder_not_read",
                "Nie udało się odczytać folderu do wysłania (albo offline24); spróbujemy ponownie.",
                error=error,
            )
            more = False
        finally:
            drop.close()
        soonest = [s for s in (self._plain.soonest(), self._offline24.soonest()) if s is not None]
        return 0.0 if more else min([self._rescan_s, *soonest])

    async def _work(self, pickup: Pickup, drop: Drop, hurried: set[str]) -> bool:
        """Look at the due files of one folder; True when there are more than one round takes."""
        names = await self._desk.io(_names, drop)
        due = pickup.due([name for name in names if not settling.ignored(name)], hurried)
        await asyncio.gather(*(self._step(pickup, drop, name) for name in due[:_PER_ROUND]))
        return len(due) > _PER_ROUND

    async def _step(self, pickup: Pickup, drop: Drop, name: str) -> None:
        async with self._own_places, self._places:
            await pickup.step(drop, name)

    async def _watch(self, drop: Drop, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for events on this very directory; again when another one has come in its place."""
        if self._hints is None or self._watched == drop.identity:
            return

        def tell(name: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
                loop.call_soon_threadsafe(self._hurry, name)

        self._watched = drop.identity
        await self._desk.io(self._hints.watch, drop.path, tell)
        self._wake.set()  # what came between the scan before and this watch made no event

    def _hurry(self, name: str) -> None:
        self._hurried.add(name)
        self._wake.set()


def _names(drop: Drop) -> list[str]:
    """Everything in the folder, after giving their names back to files that a killed process held."""
    names = drop.names()
    if any(name.startswith(HELD_PREFIX) for name in names):
        drop.restore_held()
        names = drop.names()
    return [name for name in names if name != layout.OFFLINE24]
