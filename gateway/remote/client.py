"""The client of a remote unit as a process: seat, folders, delivery, fetching, the deadline clock; a clean stop."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from yarl import URL

from gateway.folders import layout
from gateway.folders.box import Box
from gateway.folders.events import Hints
from gateway.folders.filing import Filing
from gateway.folders.pickup import Desk
from gateway.folders.placing import Shelf
from gateway.folders.settling import Patience
from gateway.remote.board import STATUS, page
from gateway.remote.delivery import RemoteDoor
from gateway.remote.errors import LineError, TokenRefusedError
from gateway.remote.fetching import Fetching, either
from gateway.remote.gate import AGAIN_S, Gate
from gateway.remote.line import SEAT, Bounds, Line
from gateway.remote.memory import Memory
from gateway.remote.parts import Parts
from gateway.remote.watch import Watch
from spool import files
from spool.clock import Clock, system_clock
from spool.domain.municipality import Unit

_UNIT, _FOLDERS = "unit", "folders"
_THREADS = 6
_log = structlog.get_logger("gateway.remote")


@dataclass(frozen=True)
class Settings:
    """What `sluza folders` was told; times in seconds. `patience` is that of `[folders]` on the gateway."""

    server: URL
    token_file: Path
    root: Path
    ca_file: Path | None
    state: Path
    take_over: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    patience: Patience = field(default_factory=lambda: Patience(2, 60, 600))
    rescan_s: float = 30
    poll_s: float = 10
    beat_s: float = 60
    look_s: float = 5
    again_s: tuple[float, ...] = AGAIN_S
    events: bool = True


async def serve(settings: Settings, stop: asyncio.Event, clock: Clock = system_clock) -> None:
    """Until `stop`. Raises ConfigError, AlreadyRunning; whatever the line does, it goes on."""
    memory = Memory(settings.state)
    try:
        await Client(settings, memory, clock).run(stop)
    finally:
        memory.close()


class Client:
    """Everything around one line, for one unit."""

    def __init__(self, settings: Settings, memory: Memory, clock: Clock) -> None:
        self._settings, self._memory, self._clock = settings, memory, clock
        self._take_over = settings.take_over
        self._unit = _known(memory)
        self._met = asyncio.Event()
        self._box: Box | None = None
        self._watch: Watch | None = None
        self.gate = Gate(clock, self._opened, settings.again_s)
        self._line = Line(
            settings.server, settings.token_file, settings.ca_file, memory.client, Parts(memory.directory / "parts"),
            settings.bounds,
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """The parts, until `stop`; before the first contact ever nobody knows whose folders these are."""
        async with self._line:
            beat = asyncio.ensure_future(self._beat(stop))
            try:
                if self._unit is None:
                    await either(self._met.wait(), stop)
                if self._unit is not None and not stop.is_set():
                    await self._work(self._unit, stop, beat)
            finally:
                stop.set()
                await beat

    async def _work(self, unit: Unit, stop: asyncio.Event, beat: asyncio.Task[None]) -> None:
        settings, threads = self._settings, ThreadPoolExecutor(_THREADS, "remote")
        await asyncio.to_thread(_set_up, settings.root, unit.id, self._memory)
        hints = Hints() if settings.events else None
        shelf = Shelf()
        filing = Filing(settings.root, shelf)
        fetching = Fetching(self._line, self.gate, filing, unit.id, threads, settings.poll_s)
        door = RemoteDoor(self._line, self.gate, fetching.soon)
        desk = Desk(door, settings.root, settings.patience, self._clock, threads, shelf)
        watch = self._watch = Watch(settings.root, unit, self.gate, self._memory, self._clock, threads, settings.look_s)
        watch.unwritable = lambda: fetching.unwritable
        one_at_a_time = asyncio.Semaphore(1)  # a thin line carries the most urgent file, not a part of each
        self._box = Box(desk, unit, hints, one_at_a_time, settings.rescan_s, order=watch.order)
        if hints:
            hints.start()
        try:
            await _all(stop, beat, self._box.run(stop), fetching.run(stop), watch.run(stop))
        finally:
            if hints:
                await asyncio.to_thread(hints.stop)
            threads.shutdown(wait=False)

    async def _beat(self, stop: asyncio.Event) -> None:
        """Take the seat, keep it, and open the gate again whenever the line is back."""
        while not stop.is_set():
            try:
                await self._sit()
            except LineError as error:
                if self._unit is None:
                    await asyncio.to_thread(_say_first, self._settings.root, error, self._clock())
                await either(asyncio.sleep(self.gate.close(error)), stop)
                continue
            self.gate.open()
            await either(self.gate.wait_closed(), stop, self._settings.beat_s)
            if not self.gate.is_open:
                await either(asyncio.sleep(self.gate.left()), stop)

    async def _sit(self) -> None:
        """Raises LineError, also when the token turns out to be another unit's."""
        query = {"computer": socket.gethostname(), "take": "true" if self._take_over else "false"}
        said = (await self._line.call("PUT", SEAT, query)).body.get("unit") or {}
        unit = Unit(str(said.get("id") or ""), str(said.get("name") or ""), "")
        if self._unit is not None and unit.id != self._unit.id:
            raise TokenRefusedError(
                f"Token należy do jednostki „{unit.id}”, a te foldery są jednostki „{self._unit.id}”.",
                "Proszę użyć właściwego tokenu albo innego katalogu stanu (--state).",
                60,
            )
        if self._unit is None or self._unit.name != unit.name:
            await asyncio.to_thread(self._memory.keep, _UNIT, {"id": unit.id, "name": unit.name})
        self._take_over = False
        if self._unit is None:
            await asyncio.to_thread(files.remove, self._settings.root / STATUS)
            self._unit = unit
            self._met.set()
        if self._watch is not None:
            rows = (await self._line.call("GET", "/v1/warnings")).body.get("warnings", ())
            self._watch.warnings = [str(row.get("text")) for row in rows]

    def _opened(self) -> None:
        """The line is back: everything that waits is due now, the most urgent first."""
        said = {"ready": True, "role": "folders", "unit": self._unit.id if self._unit else None}
        print(json.dumps(said), flush=True)
        if self._box is not None:
            self._box.hurry()


def _say_first(root: Path, error: LineError, now: datetime) -> None:
    """Before the first contact ever there is no folder to say it in, so it lies where the folder will be."""
    files.write(
        root / STATUS, page("ŚLUZA – PIERWSZE POŁĄCZENIE Z BRAMKĄ JESZCZE SIĘ NIE UDAŁO", ["", error.text], now)
    )


def _known(memory: Memory) -> Unit | None:
    said = memory.recall(_UNIT)
    return Unit(str(said["id"]), str(said.get("name") or said["id"]), "") if said.get("id") else None


def _set_up(root: Path, unit: str, memory: Memory) -> None:
    """Make and mark the folders once; a folder set up before and now without its marker is not mounted (faults F08)."""
    files.make_directory(root)
    path = str(layout.unit_folder(root, unit))
    known = memory.recall(_FOLDERS)
    if path not in known:
        if not (layout.unit_folder(root, unit) / layout.MARKER).exists():
            layout.mark(root, unit)
        memory.keep(_FOLDERS, known | {path: True})
    if layout.available(root, unit):
        layout.ensure_missing(root, unit)
        layout.sweep(layout.unit_folder(root, unit))


async def _all(stop: asyncio.Event, *parts: Awaitable[None]) -> None:
    """Until `stop`; a part that dies ends all, and its error is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait([asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asked
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


def stop_at_signal(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT end the process in order; Windows has no handlers in its loop, so the plain ones serve."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            with contextlib.suppress(ValueError):
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
