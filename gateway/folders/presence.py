"""Are the folders there? Written into the spool as conditions, so that the pages and `/readyz` can tell (faults F08).

A folder that was never set up and could not be made is as unavailable as one whose share is not mounted. Looking at a
share that hangs takes a thread of its own here and holds up nobody else; until it answers, the folder counts as lost.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import structlog

from gateway.folders import layout
from spool.access import Spool
from spool.clock import Clock
from spool.domain.errors import NoRoom
from spool.domain.ledger import DISK_OF_FOLDERS, FOLDER
from spool.domain.municipality import Municipality
from spool.room import FOLDERS, shortage
from spool.store import Store

_ROOT = ""
_EVERY_S = 5.0
_ANSWERS_WITHIN_S = 10.0
_THREADS = 8

_log = structlog.get_logger("gateway.folders")


class Presence:
    """Watches the markers of all folders. One per process."""

    def __init__(
        self, spool: Spool, municipality: Municipality, folders_root: Path, clock: Clock, every_s: float = _EVERY_S
    ) -> None:
        self._spool = spool
        self._root = folders_root
        self._clock = clock
        self._every_s = every_s
        self._names = (_ROOT, *municipality.units, layout.CENTRAL)
        self._threads = ThreadPoolExecutor(_THREADS, "presence")
        self._looks: dict[str, asyncio.Future[str]] = {}
        self._disk: asyncio.Future[NoRoom | None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; a condition is written when a folder is lost and lifted when it is back."""
        try:
            while not stop.is_set():
                await self._look_or_log()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._every_s)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_or_log(self) -> None:
        """A full disk or a spool that cannot be written now ends nobody: the next look tells it again."""
        try:
            await self.look()
        except Exception as error:
            _log.warning("presence_not_told", cause=type(error).__name__)

    async def look(self) -> None:
        """One look at every folder, and what has changed into the spool."""
        loop = asyncio.get_running_loop()
        for name in self._names:
            if name not in self._looks:
                self._looks[name] = loop.run_in_executor(self._threads, _why_not, self._root, name)
        await asyncio.wait(self._looks.values(), timeout=_ANSWERS_WITHIN_S)
        late = {name: "Folder nie odpowiada." for name, look in self._looks.items() if not look.done()}
        told = {name: look.result() for name, look in self._looks.items() if look.done()}
        self._looks = {name: look for name, look in self._looks.items() if name in late}
        lost = late | {name: why for name, why in told.items() if why}
        now = self._clock()
        known = await self._spool.read(_known)
        if lost.keys() != known:
            await self._spool.write(lambda store: _write(store, lost, known, now))
        await self._look_at_disk(now)

    async def _look_at_disk(self, now: datetime) -> None:
        """Can results be written? One sentence for all folders; a folder that does not answer is told above."""
        if self._disk is None:
            self._disk = asyncio.get_running_loop().run_in_executor(self._threads, shortage, self._root, FOLDERS)
        await asyncio.wait([self._disk], timeout=_ANSWERS_WITHIN_S)
        if not self._disk.done():
            return  # asked once, however long it hangs
        found, self._disk = self._disk.result(), None
        told = {"since": now.isoformat(), "detail": str(found), "hint": found.hint} if found else None
        before = await self._spool.read(lambda store: store.condition("", DISK_OF_FOLDERS))
        if (told is None) != (before is None):
            await self._spool.write(lambda store: store.set_condition("", DISK_OF_FOLDERS, told, now))


def _why_not(root: Path, name: str) -> str:
    """Empty when the folder is there and is the right one, else a sentence."""
    try:
        if name != _ROOT:
            layout.require(root, name)
        elif not root.is_dir():
            return f"Folder {root} jest niedostępny albo nie jest podłączony."
    except OSError as error:
        return str(error)
    return ""


def _known(store: Store) -> set[str]:
    return {c.name.removeprefix(FOLDER) for c in store.conditions("") if c.name.startswith(FOLDER)}


def _write(store: Store, lost: Mapping[str, str], known: set[str], now: datetime) -> None:
    for name in sorted(lost.keys() - known):
        store.set_condition("", FOLDER + name, {"since": now.isoformat(), "detail": lost[name]}, now)
        _log.warning("folder_lost", unit=name, message=lost[name])
    for name in sorted(known - lost.keys()):
        store.set_condition("", FOLDER + name, None, now)
        _log.info("folder_back", unit=name)
