"""The agent against a real sandbox process over real HTTP: one sandbox per test module, one spool per test."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from agent.bench import Bench
from agent.ksef.transport import Timeouts, Transport
from agent.latarnia import Beacon
from agent.law import keep_the_law
from agent.office import Bell, House, Office
from agent.settings import AgentSettings, Latarnia, Network
from agent.settings import Receive as ReceiveSettings
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_IDWEW, SCHOOL_NIP, invoice
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.clock import SandboxClock
from spool.domain.calendar import warsaw_date
from spool.domain.document import Facts, FormCode, Mode
from spool.domain.ledger import Document, NewDocument
from spool.domain.municipality import Context, ContextType, Municipality, Unit
from spool.domain.series import place
from spool.domain.states import State
from spool.settings import Paths, Settings
from spool.workers import Workers
from spool.xml import read_received
from tests import credentials
from tests.documents import due
from tests.spool_story import report_of

NIP = MUNICIPALITY_NIP
ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
"""For what never comes. A busy machine is slow, and a process that gives way to everything more so."""


class Sandbox:
    """A `python -m sandbox` of our own and its controls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, bearer: str = "") -> Any:
        """One control call, synchronous."""
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Registered invoices by SHA-256."""
        return {i["sha256"]: i for i in self.call("GET", "/sandbox/ledger")["invoices"]}

    def fault(self, endpoint: str, kind: str, count: int | None = 1, **more: Any) -> str:
        """Script a fault."""
        body = {"endpoint": endpoint, "kind": kind, "count": count} | more
        return str(self.call("POST", "/sandbox/faults", body)["id"])

    def advance(self, **span: float) -> None:
        """Move the clock forward."""
        self.call("POST", "/sandbox/clock", {"advance_s": timedelta(**span).total_seconds()})

    def switch(self, **values: Any) -> None:
        """Turn SIM switches."""
        self.call("POST", "/sandbox/switches", values)

    def announce(self, **body: Any) -> None:
        """What Latarnia says from now on."""
        self.call("POST", "/sandbox/latarnia", body)

    def requests(self) -> dict[str, Any]:
        """How often each endpoint was called."""
        return dict(self.call("GET", "/sandbox/requests"))

    def now(self) -> datetime:
        """The sandbox's time."""
        return datetime.fromisoformat(self.call("GET", "/sandbox/clock")["now"])

    def reset(self) -> None:
        """No faults, default switches."""
        self.call("DELETE", "/sandbox/faults")
        self.call("DELETE", "/sandbox/requests")
        self.call("POST", "/sandbox/latarnia", {"reset": True})
        self.call("POST", "/sandbox/switches", dict.fromkeys(self.call("GET", "/sandbox/switches")))
        self.switch(rate_limits="off")


@contextmanager
def running_sandbox(speed: str = "fast") -> Iterator[Sandbox]:
    """A sandbox process on a port of its own."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--speed", speed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield Sandbox(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Rig:
    """One spool, one context, the agent's office for it when started.

    After each test `sluza check` looks at the spool: it finds what the test says it broke, and nothing else.
    """

    sandbox: Sandbox
    state: Path
    clock: SandboxClock
    spool: Spool
    bench: Bench
    context: Context
    units: dict[str, Unit]
    receive: bool = False
    outages: bool = False
    compare: bool = False
    """The gate looks at KSeF before it opens; the sessions of other tests would be an unknown life of ours to it."""
    every_seconds: float = 1.0
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(connect=2, read=2, total=5, download=10))
    beside: dict[str, Context] = field(default_factory=dict)
    """Other contexts of the configuration, for which no office runs here."""
    office: Office | None = None
    broken: frozenset[str] = frozenset()
    _bell: Bell | None = None
    _task: asyncio.Task[None] | None = None
    _count: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Run the office of the context until `stop`."""
        ready = asyncio.get_running_loop().create_future()
        self._bell = Bell()
        self._task = asyncio.create_task(self._run(self._bell, ready))
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()

    async def _run(self, bell: Bell, ready: "asyncio.Future[None]") -> None:
        municipality = Municipality("Gmina Przykładowa", NIP, {self.context.id: self.context} | self.beside, self.units)
        settings = AgentSettings(
            Settings(self.state / "sluza.toml", municipality, Paths(self.state, self.state / "folders"), ""),
            ReceiveSettings(date(2026, 11, 1), self.every_seconds if self.receive else 1e9),
            Network("", None),
            Latarnia(0.1),
        )
        async with Transport(timeouts=self.timeouts) as transport:
            house = House(settings, self.spool, transport, self.bench, self.clock, bell, 0.3)
            self.office = Office(house, self.context)
            if not self.receive:
                self.office._receive.step = _never  # type: ignore[method-assign]
            if not self.compare:
                self.office.contact.looked = True
                self.office.contact._ahead = lambda: 0.0  # type: ignore[method-assign]
                self.office._gate.step = _never  # type: ignore[method-assign]
            ready.set_result(None)
            beside = [asyncio.create_task(self._watch(bell, self.office))]
            if self.outages:
                beacon = Beacon(house, transport, "sandbox", f"{self.sandbox.url}/latarnia")
                beside += [asyncio.create_task(beacon.listen()), asyncio.create_task(keep_the_law(house))]
            try:
                await self.office.work()
            finally:
                for task in beside:
                    task.cancel()

    async def _watch(self, bell: Bell, office: Office) -> None:
        seen = -1
        while True:
            version = await self.spool.version()
            if version != seen:
                seen = version
                office.contact.learn(await self.spool.read(lambda store: store.conditions()))
                bell.ring()
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """A clean stop, as on SIGTERM."""
        if self._task is not None and self._bell is not None:
            self._bell.stop()
            await asyncio.wait_for(self._task, DEADLINE_S)
            self._task = self._bell = None

    async def kill(self) -> None:
        """As if the process had died at this instant: nothing more is written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = self._bell = None

    async def advance(self, **span: float) -> None:
        """Move the sandbox's clock, and wait until the agent has noticed."""
        self.sandbox.advance(**span)

        async def noticed() -> bool | None:
            return abs(self.sandbox.now() - self.clock()) < timedelta(seconds=0.5) or None

        await self.eventually(noticed, "the agent's clock")

    def today(self) -> date:
        """The sandbox's day in Warsaw."""
        return warsaw_date(self.sandbox.now())

    async def put(self, raw: bytes, **more: Any) -> Document:
        """What the gateway's intake does: a document in the queue."""
        return (await self.put_all([raw], **more))[0]

    async def put_all(self, raws: list[bytes], **more: Any) -> list[Document]:
        """Several documents in one commit."""
        new = [self._new(raw, **more) for raw in raws]
        now = self.clock()

        def job(store: Any) -> list[Document]:
            return [store.add(n, raw, n.source_name[:-4], now) for n, raw in zip(new, raws, strict=True)]

        return await self.spool.write(job)

    def _new(
        self,
        raw: bytes,
        *,
        facts: Facts | None = None,
        mode: Mode = Mode.ONLINE,
        corrects: str = "",
        unit: str = "sp1",
        due_at: datetime | None = None,
    ) -> NewDocument:
        self._count += 1
        facts = facts or read_received(raw)
        assert facts.form is FormCode.FA3
        now, wish = self.clock(), mode if mode is Mode.OFFLINE24 else Mode.ONLINE
        return NewDocument(
            unit, self.context.id, "cli", f"f{self._count}.xml", sha256_hex(raw), len(raw), facts, wish, now,
            State.QUEUED, due=due(due_at or now + timedelta(hours=8), now, mode), corrects=corrects,
            place=place(self.units[unit], facts.number_key),
        )  # fmt: skip

    async def put_new(self, number: str, **more: Any) -> Document:
        """An ordinary invoice of today with this number."""
        return await self.put(invoice(number=number, issue_date=self.today(), **more))

    async def read(self, document: Document) -> Document:
        """The document now."""
        return await self.spool.read(lambda store: store.document(document.id))

    async def until(self, document: Document, *states: State, seconds: float = DEADLINE_S) -> Document:
        """Wait until the document is in one of these states."""

        async def look() -> Document | None:
            now = await self.read(document)
            return now if now.state in states else None

        return await self.eventually(look, f"{document.id} in {states}", seconds)

    async def until_upo(self, document: Document, seconds: float = DEADLINE_S) -> Document:
        """Wait until number and receipt are there."""

        async def look() -> Document | None:
            now = await self.read(document)
            return now if now.upo_sha256 else None

        return await self.eventually(look, f"UPO of {document.id}", seconds)

    async def condition(self, name: str, seconds: float = DEADLINE_S) -> dict[str, Any]:
        """Wait until the context has this condition."""

        async def look() -> dict[str, Any] | None:
            return (await self.conditions()).get(name)

        return await self.eventually(look, f"condition {name}", seconds)

    async def conditions(self) -> dict[str, dict[str, Any]]:
        """All conditions of the context by name."""
        found = await self.spool.read(lambda store: store.conditions(self.context.id))
        return {c.name: c.value for c in found}

    async def eventually(self, look: Callable[[], Awaitable[Any]], what: str, seconds: float = DEADLINE_S) -> Any:
        """Poll until `look` gives something, or fail after a deadline with the history at hand."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._task is not None and self._task.done():
                self._task.result()
            if (seen := await look()) is not None:
                return seen
            await asyncio.sleep(0.03)
        pytest.fail(f"not within {seconds:g} s: {what}; {await self.dump()}")

    async def dump(self) -> str:
        """Every document with its history, for a failed test."""

        def job(store: Any) -> str:
            out = [str([(c.name, c.value) for c in store.conditions()])]
            for d in store.documents(limit=20):
                out.append(f"{d.id} {d.state} {d.reason} {[(e.move, e.note) for e in store.history(d.id)]}")
            return "\n".join(out)

        return await self.spool.read(job)


async def _never() -> float:
    return 3600.0


def make_context(sandbox: Sandbox, directory: Path, **more: Any) -> Context:
    """The municipality's context with a fresh EC certificate, unless told otherwise."""
    base = Context("gmina", ContextType.NIP, NIP, "sandbox", f"{sandbox.url}/v2", "", "https://qr.test")
    if not {"auth_cert", "token_file"} & more.keys():
        cert, key = credentials.seal(NIP).write_pem(directory)
        base = replace(base, auth_cert=cert, auth_key=key)
    return replace(base, **more)


UNITS = {
    "sp1": Unit("sp1", "Szkoła Podstawowa nr 1", "gmina", nip=SCHOOL_NIP, idwew=SCHOOL_IDWEW),
    "urzad": Unit("urzad", "Urząd Gminy", "gmina", town_hall=True),
}


@pytest.fixture(name="sandbox", scope="module")
def sandbox_fixture() -> Iterator[Sandbox]:
    """One sandbox process for a module."""
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(name="bench", scope="module")
def bench_fixture() -> Iterator[Bench]:
    """One worker process for a module."""
    workers = Workers(processes=1)
    yield workers
    workers.close()


_GATEWAYS = "I12"
"""That a passed date is told is the gateway's work, and none runs here."""


@pytest.fixture(name="rig")
async def rig_fixture(sandbox: Sandbox, bench: Bench, tmp_path: Path) -> AsyncIterator[Rig]:
    """A spool of its own, the sandbox healed, the agent not started yet."""
    sandbox.reset()
    clock = SandboxClock(f"{sandbox.url}/sandbox/clock", 0.1)
    spool = Spool(tmp_path / "state" / FILE)
    try:
        context = make_context(sandbox, tmp_path)
        async with Rig(sandbox, tmp_path / "state", clock, spool, bench, context, UNITS) as rig:
            yield rig
        found = {f.invariant: f for f in report_of(spool.path, clock()).in_order()}
        assert found.keys() - {_GATEWAYS} == rig.broken, found
    finally:
        spool.close()
        clock.close()
