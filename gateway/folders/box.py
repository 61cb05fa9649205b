"""One unit's drop folder: events wake it, a periodic scan is the source of truth (faults D02)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.folders import layout, settling
from gateway.folders.alerts import Alerts
from gateway.folders.drops import HELD_PREFIX, Drop, OddEntryError
from gateway.folders.events import Hints
from gateway.folders.pickup import Desk, Pickup, outbox
from spool.domain.municipality import Unit

Order = Callable[[Drop, list[str]], list[str]]
"""Sorts the names that are due, the most urgent first; runs in a thread."""
Tell = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Hears what lies in the folder of a unit and is no file: name → what it is."""

_AT_ONCE = 4
_PER_ROUND = 64
_UNAVAILABLE_AGAIN_S = 1.0
_SHORTEST_ROUND_S = 0.02
_REMOTE_ROUND_S = 5.0
"""A folder mounted from another machine makes no events for its writers (faults D02): it is looked at this often."""


class Box:
    """One unit's drop folder and its `offline24` inside."""

    def __init__(
        self,
        desk: Desk,
        unit: Unit,
        hints: Hints | None,
        places: asyncio.Semaphore,
        rescan_s: float,
        *,
        folders: tuple[str, ...] = layout.OF_A_UNIT,
        order: Order | None = None,
        tell: Tell | None = None,
    ) -> None:
        """`places` bounds the files that are in hand at once. `folders` are made again when somebody deletes them.

        `order` None: by name. `tell` None: what is no file is only logged.
        """
        self.unit = unit
        self._folders = folders
        self._order = order
        self._tell = tell
        self._remote = False
        self._desk = desk
        self._hints = hints
        self._places = places
        self._own_places = asyncio.Semaphore(_AT_ONCE)
        self._rescan_s = rescan_s
        self._plain = Pickup(desk, unit, offline24=False)
        self._offline24 = Pickup(desk, unit, offline24=True)
        self._listing, self._inner_listing = Listing(), Listing()
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
                pause = await self.round(loop)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(pause, _SHORTEST_ROUND_S))
        finally:
            ended.cancel()

    def hurry(self) -> None:
        """Look at every file now: the door has opened again."""
        self._plain.hurry()
        self._offline24.hurry()
        self._wake.set()

    async def round(self, loop: asyncio.AbstractEventLoop) -> float:
        """One scan and the files that are due; returns how long nothing needs to be done. Never raises OSError."""
        hurried, self._hurried = self._hurried, set()
        try:
            found = await self._desk.scan(self._scan)
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
        more = False
        try:
            await self._watch(found.drop, loop)
            if found.names is not None:
                more |= await self._work(self._plain, found.drop, found.names, hurried)
            if found.inner is not None and found.inner_names is not None:
                more |= await self._work(self._offline24, found.inner, found.inner_names, hurried)
        finally:
            found.close()
        if found.error is not None:
            self._alerts.once(
                ("scan", type(found.error).__name__),
                "folder_not_read",
                "Nie udało się odczytać folderu do wysłania (albo offline24); spróbujemy ponownie.",
                error=found.error,
            )
        await self._tell_odd(found)
        soonest = [s for s in (self._plain.soonest(), self._offline24.soonest()) if s is not None]
        rescan_s = min(self._rescan_s, _REMOTE_ROUND_S) if self._remote else self._rescan_s
        return 0.0 if more else min([rescan_s, *soonest])

    def _scan(self) -> "_Scan":
        """Everything that a round needs of the disk, in one go. Raises OSError when the folder is unavailable."""
        found = _Scan(outbox(self._desk.root, self.unit.id, self._folders))
        try:
            found.names = self._listing.names(found.drop)
            found.inner = found.drop.child(layout.OFFLINE24)
            found.inner_names = self._inner_listing.names(found.inner)
        except (OSError, OddEntryError) as error:
            found.error = error
        if not found.names and not found.inner_names:
            found.close()  # nothing to be done in there, as nearly always
        return found

    async def _tell_odd(self, found: "_Scan") -> None:
        """Of both folders at once; the inner one itself may be what is no folder."""
        if self._tell is not None:
            inner = {f"{layout.OFFLINE24}/{name}": what for name, what in self._offline24.odd.items()}
            replaced = {layout.OFFLINE24: str(found.error)} if isinstance(found.error, OddEntryError) else {}
            await self._tell(self.unit.id, self._plain.odd | inner | replaced)

    async def _work(self, pickup: Pickup, drop: Drop, names: list[str], hurried: set[str]) -> bool:
        """Look at the due files of one folder; True when there are more than one round takes."""
        due = pickup.due(names, hurried)
        if not due:
            return False
        if self._order is None:
            await asyncio.gather(*(self._step(pickup, drop, name) for name in due[:_PER_ROUND]))
        else:
            await self._in_order(pickup, drop, await self._desk.io(self._order, drop, due))
        return len(due) > _PER_ROUND

    async def _step(self, pickup: Pickup, drop: Drop, name: str) -> float | None:
        async with self._own_places, self._places:
            return await pickup.step(drop, name)

    async def _in_order(self, pickup: Pickup, drop: Drop, due: list[str]) -> None:
        """One after the other. A door found closed is closed for the rest, too: should it open in between, the next
        round begins with the most urgent one again."""
        for at, name in enumerate(due[:_PER_ROUND]):
            if (after_s := await self._step(pickup, drop, name)) is not None:
                pickup.postpone(due[at:], after_s)
                return

    async def _watch(self, drop: Drop, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for events on this very directory; again when another one has come in its place."""
        if self._watched == drop.identity:
            return

        def tell(name: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
                loop.call_soon_threadsafe(self._hurry_one, name)

        self._watched = drop.identity
        self._remote = await self._desk.io(lambda: drop.remote)
        if self._hints is None or self._remote:
            return
        await self._desk.io(self._hints.watch, drop.path, tell)
        self._wake.set()  # what came between the scan before and this watch made no event

    def _hurry_one(self, name: str) -> None:
        self._hurried.add(name)
        self._wake.set()


@dataclass
class _Scan:
    """A drop folder and the one inside it, both open, with the names in them; None for what could not be read."""

    drop: Drop
    names: list[str] | None = None
    inner: Drop | None = None
    inner_names: list[str] | None = None
    error: OSError | OddEntryError | None = None

    def close(self) -> None:
        """Let go of both; harmless when called twice."""
        self.drop.close()
        if self.inner is not None:
            self.inner.close()


class Listing:
    """What may be taken from one folder: worked out anew only when other names lie there than at the look before."""

    def __init__(self) -> None:
        self._seen: list[str] | None = None
        self._names: list[str] = []

    def names(self, drop: Drop) -> list[str]:
        """In order, without working names; the very same list as long as nothing has come or gone.

        First a killed process's files get their names back; as long as one has not, every look tries again.
        """
        seen = drop.listing()
        if seen == self._seen:
            return self._names
        if _held(seen):
            drop.restore_held()
            seen = drop.listing()
        self._seen = None if _held(seen) else seen
        self._names = sorted(name for name in seen if name != layout.OFFLINE24 and not settling.ignored(name))
        return self._names


def _held(names: list[str]) -> bool:
    return any(name.startswith(HELD_PREFIX) for name in names)
