"""The real agent in simulated time: what waits counts, what computes does not.

The production loops of the agent (`agent.__main__._work`) run on the event loop and the model of KSeF of
`tests/simulation`, on a machine with all the processor it wants. Between them is a line with a round trip and an
uplink; a commit takes as long as a disk does; KSeF needs a while for a package and then a while for each document,
counts every call against its published limits, and keeps the dates by which its own work is told from ours. Nothing
fails here.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import agent.__main__ as agent_process
from agent.ksef.budget import Budget
from agent.ksef.client import SDK_ERRORS, KsefDoor
from agent.ksef.line import Line
from agent.ksef.login import Keys, Login
from agent.office import Bell, House
from agent.settings import AgentSettings, Latarnia, Receive
from agent.settings import Network as Outside
from bench.documents import invoices
from bench.grouping import adding
from certs import watched
from spool.settings import Paths, Settings
from spool.xml import examine
from tests.documents import due
from tests.simulation.disk import Disk, SimSpool
from tests.simulation.ksef_answers import Answers, Reply
from tests.simulation.ksef_model import Entry, Model, Sitting
from tests.simulation.loop import Process, SimLoop
from tests.simulation.network import Call, SimTransport
from tests.simulation.world import URL, Patched, Workshop

ROUND_TRIP_S, UPLINK = 0.06, 1_250_000
"""Seconds there and back; bytes a second: ten megabits, which a town hall has."""
COMMIT_S = 0.005
UNPACKING_S, EACH_S, LEAST_S, FINAL_S = 2.0, 0.003, 1.5, 1.0
"""What KSeF needs: for a package before the first document, for each of its documents, for one alone; and at least from
the close until a session is final."""
_DUE = timedelta(hours=8)
_STEPS = 10**9


class Own:
    """Processor seconds that the model of KSeF spends: not the product's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def counted(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do it on KSeF's account."""
        began = time.process_time()
        try:
            return work(*args)
        finally:
            self.seconds += time.process_time() - began


class Ksef(Model):
    """A KSeF that needs its time and makes no trouble."""

    def __init__(self, loop: SimLoop, now: Callable[[], datetime], shop: Workshop, own: Own, batch: int) -> None:
        def later(delay: float, work: Callable[..., Any], *args: Any) -> None:
            loop.outside(delay, own.counted, work, *args)

        super().__init__(_dice(), now, later, shop.keys[:1])
        self.habits = replace(
            self.habits, unpacking_s=UNPACKING_S, judging_s=max(LEAST_S, batch * EACH_S), final_s=FINAL_S, upo_s=0.0
        )
        self.judged: dict[str, datetime] = {}
        self.took_in = now()

    def take_in(self, session: Sitting, raw: bytes, *, offline: bool, name: str = "") -> Entry:
        """Remembers when the last one came."""
        self.took_in = self.now()
        return super().take_in(session, raw, offline=offline, name=name)

    def judge(self, entry: Entry) -> None:
        """Remembers the last of each session."""
        super().judge(entry)
        self.judged[entry.session.ref] = self.now()

    def packages(self) -> list[Sitting]:
        """The packages that were handed in, in that order."""
        return [session for session in self.sessions.values() if session.batch and session.closed is not None]

    def work_on(self, package: Sitting) -> float:
        """Seconds of its own on a package, from the close until the session is final."""
        assert package.closed is not None
        final = max(self.judged[package.ref], package.closed + timedelta(seconds=FINAL_S))
        return (final - package.closed).total_seconds()

    def work_on_last_document(self) -> float:
        """Seconds from the last document that came until all have their numbers."""
        return (max(self.judged.values()) - self.took_in).total_seconds()


class Door(Answers):
    """Its answers; a login is in order at once."""

    def _auth_status(self, _ref: str, **_: Any) -> Reply:
        return self._said({"status": {"code": 200, "description": ""}})


class Wire:
    """What `tests.simulation.network.Network` is there: here nothing is lost, and the uplink has its width."""

    def __init__(self, loop: SimLoop, answers: Answers, own: Own) -> None:
        self.loop, self._answers, self._own = loop, answers, own
        self._free_at = 0.0
        self.refused = 0
        self.asked: Counter[str] = Counter()

    async def exchange(self, call: Call) -> Reply:
        """One call. Packages wait for one another; a call of a few bytes has its share of the line beside them."""
        self.asked[call.name] += 1
        done: asyncio.Future[Reply] = self.loop.create_future()
        left = now = self.loop.time()
        if call.name == "upload":
            left = self._free_at = max(now, self._free_at) + len(call.content) / UPLINK
        self.loop.outside(left + ROUND_TRIP_S / 2 - now, self._arrive, call, done)
        return await done

    def _arrive(self, call: Call, done: "asyncio.Future[Reply]") -> None:
        handle = self._answers.handle
        reply = self._own.counted(handle, call.method, call.path, call.headers, call.params, call.content)
        self.refused += reply[0] == 429
        self.loop.outside(ROUND_TRIP_S / 2, done.set_result, reply)


class OnDisk(SimSpool):
    """A spool on a disk that needs the same time for every commit."""

    def _commit_soon(self) -> None:
        self._disk.loop.call_later(COMMIT_S, self._commit)


class Hands:
    """The worker processes: at once."""

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """The function's value."""
        return work(*args)


class Town:
    """One spool with a backlog, one agent, one KSeF."""

    def __init__(self, shop: Workshop, directory: Path, batch: int) -> None:
        """`batch` is how many documents a package will have."""
        self.shop, self.directory, self.seed = shop, directory, 1
        self.start = datetime.combine(date(2026, 11, 20), datetime.min.time(), UTC) + timedelta(hours=9)
        self.loop, self.own = SimLoop(_dice()), Own()
        self.loop.most_steps = _STEPS
        self.watch = SimpleNamespace(wrong=self._wrong)
        self.disk = Disk(shop.connection, shop.template, self.loop, _dice())
        self.disk.clock = self.clock
        self.ksef = Ksef(self.loop, self.clock, shop, self.own, batch)
        self.login_s = 0.0
        self.wire = Wire(self.loop, Door(self.ksef, "http://ksef.model"), self.own)

    def clock(self) -> datetime:
        """Everybody's."""
        return self.start + timedelta(seconds=self.loop.time())

    def trace(self, *_what: Any) -> None:
        """Nobody reads along."""

    def _wrong(self, rule: str, what: str) -> None:
        raise SystemExit(f"{rule}: {what}")

    def fill(self, count: int, seed: int) -> None:
        """So many documents in the queue; then a bare login, for the floor."""
        spool, now = OnDisk(self.disk, Process("gateway"), "gateway"), self.clock()
        for raw in invoices(count, seed=seed, issued=now.date()):
            facts = examine(raw).facts
            assert facts is not None
            spool.write_now(adding((raw, facts), now, due(now + _DUE, now)))

        self.login_s = self._timed(self._login())

    async def _login(self) -> None:
        context = self.shop.municipality.contexts["gmina"]
        transport: Any = SimTransport(self.wire, self.clock)  # type: ignore[arg-type]
        door = KsefDoor(Line(transport, URL, Budget(), self.clock, SDK_ERRORS), context)
        await Login(door, Keys(door, self.clock), watched.authentication(context), None, self.clock).access()

    def all_numbered(self, count: int) -> float:
        """Start the agent; seconds until so many documents have their numbers."""
        done = self.loop.create_future()

        def look() -> None:
            states = self._counts()
            if states.get("ACCEPTED", 0) + states.get("DELIVERED", 0) == count and not done.done():
                done.set_result(None)

        self.disk.on_commit = look
        agent = Process("agent")
        task = self.loop.spawn(agent, self._agent(agent))
        task.add_done_callback(lambda ended: ended.result())
        seconds = self._timed(_until(done))
        agent.alive = False
        return seconds

    def _counts(self) -> dict[str, int]:
        found = self.disk.eye.execute("SELECT state, sum(n) AS n FROM tally GROUP BY state")
        return {r["state"]: r["n"] for r in found}

    async def _agent(self, process: Process) -> None:
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        shared = Settings(state / "sluza.toml", self.shop.municipality, Paths(state, self.directory), "")
        settings = AgentSettings(shared, Receive(self.start.date(), 1e9), Outside("", None), Latarnia(60))
        transport: Any = SimTransport(self.wire, self.clock)  # type: ignore[arg-type]
        hands: Any = Hands()
        spool = OnDisk(self.disk, process, "agent")
        await agent_process._work(House(settings, spool, transport, hands, self.clock, Bell(), 30.0), [])

    def _timed(self, work: Coroutine[Any, Any, None]) -> float:
        """Simulated seconds of some work of the product."""
        began = self.loop.time()
        self.loop.run_until_complete(self.loop.spawn(Process("bench"), work))
        return self.loop.time() - began

    def close(self) -> None:
        """Let go of everything."""
        self.disk.on_commit = lambda: None
        self.loop.bury()
        self.disk.close()


def _dice() -> Random:
    return Random(1)  # noqa: S311 - every run is the same


async def _until(done: "asyncio.Future[None]") -> None:
    await done


@contextmanager
def town(batch: int) -> Iterator[Town]:
    """A town with an empty spool, its agent not yet started; clocks and randomness of this process are its."""
    with tempfile.TemporaryDirectory(prefix="sluza-bench-") as name:
        made = Town(Workshop(Path(name)), Path(name), batch)
        with Patched(made):  # type: ignore[arg-type]
            try:
                yield made
            finally:
                made.close()
