"""Everything of one schedule in one place: loop, clock, disk, network, KSeF, the two processes, the people.

The processes are the product: `agent.__main__._work` with all loops of the office, and the gateway's intake, watcher
and returns. Only their edges are replaced: spool threads, transport, worker processes and the machine's clock.
"""

import asyncio
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import structlog

import agent.__main__ as agent_process
import agent.gate
import gateway.folders.pickup
import gateway.folders.returns
from agent.office import Bell, House
from agent.settings import AgentSettings, Latarnia, Receive
from agent.settings import Network as Outside
from gateway.folders.returns import Returns
from gateway.folders.watcher import Watcher
from gateway.intake import FrontDoor, Origin
from gateway.seals import Seals
from gateway.settings import Folders, Policies
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_NIP
from spool.domain.errors import BodyDamaged
from spool.domain.municipality import Context, ContextType, Municipality, Policy, Unit
from spool.law import Law
from spool.settings import Paths, Settings
from spool.workers import WorkerCrashed
from tests.credentials import seal
from tests.simulation.disk import Connection, Disk, SimSpool, make_template
from tests.simulation.ksef_answers import LIMITS, Answers
from tests.simulation.ksef_model import KeyPair, Model, sha
from tests.simulation.loop import OWNER, Process, SimLoop
from tests.simulation.network import Network, SimTransport
from tests.simulation.watch import Watch

URL = "http://ksef.model/v2"
_FREE = re.compile(r"\d+ MB")
SCHOOL, HALL = "sp1", "urzad"


class Workshop:
    """What all schedules of one operating system process share: things that are slow to make and never change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.template = make_template(directory)
        self.connection = Connection(self.template)
        self.keys = [KeyPair(), KeyPair()]
        cert, key = seal(MUNICIPALITY_NIP).write_pem(directory)
        offline, offline_key = seal(MUNICIPALITY_NIP, offline=True).write_pem(directory, "offline")
        context = Context(
            "gmina", ContextType.NIP, MUNICIPALITY_NIP, "sandbox", URL, "", "https://qr.test",
            auth_cert=cert, auth_key=key, offline_cert=offline, offline_key=offline_key,
        )  # fmt: skip
        units = {
            SCHOOL: Unit(SCHOOL, "Szkoła Podstawowa nr 1", "gmina", nip=SCHOOL_NIP),
            HALL: Unit(HALL, "Urząd Gminy", "gmina", town_hall=True),
        }
        self.municipality = Municipality("Gmina Przykładowa", MUNICIPALITY_NIP, {"gmina": context}, units)
        self.seen: dict[Any, Any] = {}


class Bench:
    """The worker processes: the same functions, run in a step of their own. Pure ones are remembered by their input."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """The function's value; sometimes its worker dies instead."""
        world = self._world
        await asyncio.sleep(world.dice.random() * 0.02)
        if world.dice.random() < world.worker_deaths:
            raise WorkerCrashed("killed")
        if work.__name__ == "draw":
            return b"%PDF-1.7 left out"
        if len(args) != 1 or not isinstance(args[0], bytes):
            return work(*args)
        key, seen = (work.__name__, args[0]), world.shop.seen
        if key not in seen:
            seen[key] = work(*args)
        return seen[key]


@dataclass
class Ack:
    """What the front door promised: these bytes of this unit are in the spool."""

    unit: str
    raw: bytes
    kind: str


class World:
    """One schedule."""

    def __init__(self, shop: Workshop, seed: int, *, keep_trace: bool = False) -> None:
        self.shop, self.seed = shop, seed
        self.dice = Random(seed)
        self.loop = SimLoop(Random(self.dice.random()))
        self.start = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
        self.skew = timedelta()
        self.ksef_skew = timedelta()
        self.trace_lines: list[tuple[Any, ...]] = []
        self.keep_trace = keep_trace
        self.directory = shop.directory / f"s{os.getpid()}"
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "state").mkdir(parents=True)
        self.disk = Disk(shop.connection, shop.template, self.loop, Random(self.dice.random()))
        later = self.loop.outside
        self.model = Model(Random(self.dice.random()), self.ksef_now, later, shop.keys[:1])
        self.watch = Watch(self.model, self.loop.time, self.trace)
        self.watch.disk = self.disk
        self.disk.on_commit, self.disk.clock = self._committed, self.clock
        self.model.on_registered, self.model.on_unpacked = self.watch.registered, self.watch.unpacked
        answers = Answers(self.model, "http://ksef.model")
        answers.limits = self.watch.limits = dict(LIMITS)
        self.network = Network(self.loop, Random(self.dice.random()), answers, self.watch)
        self.acks: list[Ack] = []
        self.dropped: list[tuple[str, bytes]] = []
        self.worker_deaths = 0.0
        self.receive_every = 60.0
        self.folders = self.returns = False
        self.agent = self.gateway = Process("none")
        self.agent.alive = False
        self.door: FrontDoor | None = None
        self.root = self.watch.root = self.directory / "folders"

    # -- time --------------------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """The machine's wall clock, for both programs."""
        return self.start + timedelta(seconds=self.loop.time()) + self.skew

    def ksef_now(self) -> datetime:
        """KSeF's clock."""
        return self.start + timedelta(seconds=self.loop.time()) + self.ksef_skew

    def trace(self, *what: Any) -> None:
        """One line of what happens."""
        self.trace_lines.append((round(self.loop.time(), 6), *map(str, what)))

    def _committed(self) -> None:
        self.watch.committed()
        self.look_for_dropped()
        if self.watch.broken:
            self.loop.stop()

    def look_for_dropped(self) -> None:
        """I1: at every moment a dropped file is in the spool, or still lies somewhere in its unit's folder."""
        mine = {(r.unit, r.sha256) for r in self.watch.rows.values()}
        for unit, raw in self.dropped:
            if (unit, sha(raw).hex()) in mine:
                continue
            if not any(p.is_file() and p.read_bytes() == raw for p in (self.root / unit).rglob("*")):
                self.watch.wrong("I1", f"a file that {unit} dropped is nowhere")

    # -- the programs ------------------------------------------------------------------------------------------

    def start_agent(self) -> None:
        """The agent comes up, unless it is up."""
        if self.agent.alive:
            return
        self.trace("agent up")
        self.agent = process = Process("agent")
        self.loop.spawn(process, self._agent(process))

    async def _agent(self, process: Process) -> None:
        state = self.directory / "state"
        shared = Settings(state / "sluza.toml", self.shop.municipality, Paths(state, self.root), "")
        outside = Outside("", None)
        settings = AgentSettings(shared, Receive(date(2026, 11, 19), self.receive_every), outside, Latarnia(60))
        spool = SimSpool(self.disk, process, "agent")
        transport: Any = SimTransport(self.network, self.ksef_now)
        house = House(settings, spool, transport, Bench(self), self.clock, Bell(), 30.0)
        try:
            await agent_process._work(house, [])
        except Exception as error:
            self._died(process, error)

    def start_gateway(self) -> None:
        """The gateway comes up, unless it is up."""
        if self.gateway.alive:
            return
        self.trace("gateway up")
        self.gateway = process = Process("gateway")
        self.loop.spawn(process, self._gateway(process))

    async def _gateway(self, process: Process) -> None:
        town, stop = self.shop.municipality, asyncio.Event()
        process.stop = stop.set
        desk: Any = SimSpool(self.disk, process, "gateway")
        bench: Any = Bench(self)
        seals = Seals(town, self.clock)
        self.door = door = FrontDoor(desk, bench, town, Policies(Policy("allowed")), self.clock, Law(), seals)
        times = Folders(settle_seconds=0.5, incomplete_seconds=5, empty_minutes=0.1, rescan_seconds=20)
        parts: list[Any] = [stop.wait()]
        if self.returns:
            parts.append(Returns(desk, bench, town, self.root, self.clock, seals).run(stop))
        if self.folders:
            parts.append(Watcher(door, town, self.root, times, self.clock, events=False).run(stop))
        try:
            await asyncio.gather(*parts)
        except Exception as error:
            self._died(process, error)

    def _died(self, process: Process, error: Exception) -> None:
        """Nothing that happens here is a reason for a program to end by itself, a full disk least of all (F04)."""
        self.watch.wrong("alive", f"the {process.name} ended by itself: {error!r}")
        self.loop.stop()

    def kill(self, process: Process) -> None:
        """SIGKILL: at this instant."""
        self.trace(process.name, "killed")
        process.alive = False

    def submit(self, unit: str, raw: bytes, name: str, *, offline24: bool = False) -> None:
        """A client of the drop-point hands a document in; it is promised only what the gateway answers."""
        gateway, door = self.gateway, self.door
        if not gateway.alive or door is None:
            return
        origin = Origin(self.shop.municipality.units[unit], "http", name, offline24=offline24)

        async def ask() -> None:
            try:
                verdicts = await door.accept(raw, origin)
            except WorkerCrashed:
                return
            except Exception as error:
                # Not its text: that names the free space of the real disk below, which is no part of a schedule.
                self.trace("not accepted", name, type(error).__name__)
                if not no_room(error):
                    self.watch.wrong("crash", f"intake: {error!r}")
                return
            for verdict in verdicts:
                self.trace("answers", name, verdict.kind, [p.code for p in verdict.problems])
                if verdict.document is not None and verdict.document.unit != unit:
                    self.watch.wrong("I7", f"{unit} is answered with a document of {verdict.document.unit}")
                if verdict.document is not None:
                    self.acks.append(Ack(unit, raw, verdict.kind))

        self.loop.spawn(gateway, ask())

    # -- the end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything; what the dead programs still hold is closed without being heard."""
        for process in (self.agent, self.gateway):
            process.alive = False
        self.disk.on_commit = lambda: None
        self.loop.bury()
        self.disk.close()
        shutil.rmtree(self.directory, ignore_errors=True)


async def _wait_for(wanted: Any, seconds: float | None) -> Any:
    """As from Python 3.12 on; the older one makes a task of its own for every wait."""
    async with asyncio.timeout(seconds):
        return await wanted


def no_room(error: BaseException | None) -> bool:
    """True for what a full disk, which a schedule may bring about, makes of a step."""
    return "disk is full" in repr(error) or "NoRoom" in repr(error)


def _nobody_else(_path: Path) -> Any:
    raise AssertionError("the gate takes a session of this agent's, the only one there is, for another's")


class Patched:
    """Randomness, monotonic clocks and the log of the product, in the hands of one world at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._undo: list[Callable[[], None]] = []

    def _set(self, where: Any, name: str, value: Any) -> None:
        old = getattr(where, name)
        setattr(where, name, value)
        self._undo.append(lambda: setattr(where, name, old))

    def __enter__(self) -> None:
        import random

        world = self._world
        own = Random(world.seed + 1)
        random.seed(world.seed + 2)
        self._set(os, "urandom", own.randbytes)
        self._set(secrets, "token_hex", lambda n=16: own.randbytes(n).hex())
        self._set(os, "fsync", lambda _descriptor: None)  # power loss has its own harness
        self._set(asyncio, "wait_for", _wait_for)
        self._set(time, "monotonic", world.loop.time)
        self._set(gateway.folders.pickup, "monotonic", world.loop.time)
        self._set(gateway.folders.returns, "monotonic", world.loop.time)
        self._set(agent.gate, "Looking", _nobody_else)
        agent_process.print = lambda *_a, **_k: None  # type: ignore[attr-defined]
        structlog.configure(processors=[self._log], cache_logger_on_first_use=False)

    def _log(self, _logger: Any, method: str, event: dict[str, Any]) -> Any:
        world, owner = self._world, OWNER.get()
        name = str(event.get("event"))
        # The free space of the real disk below is no part of a schedule.
        said = _FREE.sub("", str(event.get("error", "")).replace(str(world.directory), ""))
        world.trace("log", owner.name if owner else "", name, event.get("code", ""), said)
        if method == "error" and event.get("exc_info") and name in ("step_crashed", "not_shown"):
            error = event["exc_info"]
            import sys

            found = sys.exc_info()[1] if error is True else error
            if not isinstance(found, BodyDamaged) and not no_room(found):
                world.watch.wrong("crash", f"{name}: {found!r}")
        raise structlog.DropEvent

    def __exit__(self, *_: object) -> None:
        for undo in reversed(self._undo):
            undo()
        del agent_process.print  # type: ignore[attr-defined]
        structlog.reset_defaults()
