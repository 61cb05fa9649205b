"""From a queue to KSeF numbers: the real agent against a real sandbox with production limits, beside the floor.

    .venv/bin/python -m bench.backlog [--rounds N] [--no-write]

The floor of a package is what nobody can go below: a bare login, two round trips (open, close) and KSeF's own work on
it, from the close until the session is final, as the sandbox itself dates them. The floor of an interactive session is
a bare login, the opening, the sends as fast as the limit of ten a second allows, and KSeF's work on the last.
Everything of ours comes on top: claiming, packing, encrypting, looking, reading the list, writing every verdict. Both
programs share the machine, and the uplink is a loopback.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.ksef.budget import Budget
from agent.ksef.client import SDK_ERRORS, KsefDoor
from agent.ksef.line import Line
from agent.ksef.login import Keys, Login
from agent.ksef.transport import Transport
from bench import report
from bench.documents import invoices
from certs import watched
from spool.access import FILE, Spool
from spool.clock import SandboxClock
from spool.workers import Workers
from tests.integration.agent_rig import UNITS, Rig, Sandbox, make_context, running_sandbox

_CASES = ((30, 1.2), (1_000, 1.1), (10_000, 1.1))
_A_SECOND, _ONE_BY_ONE_S = 10, 1.5
"""KSeF's limit of sends, and the sandbox's work on one document (its switches `invoice_…_delay_s`)."""
_CHUNK = 500
_PATIENCE_S = 1800.0


@dataclass(frozen=True)
class Run:
    """One backlog: seconds until its last number, the floor, groups in which KSeF had to say 429, and the way taken."""

    seconds: float
    floor: float
    refused: int
    way: str


async def backlog(sandbox: Sandbox, workers: Workers, count: int, serial: int) -> Run:
    """Put so many documents into a queue, then start the agent and wait for the last number."""
    sandbox.reset()
    sandbox.switch(rate_limits="on")
    sandbox.advance(hours=2)
    with tempfile.TemporaryDirectory() as name:
        directory, clock = Path(name), SandboxClock(f"{sandbox.url}/sandbox/clock", 0.1)
        spool = Spool(directory / "state" / FILE)
        try:
            context = make_context(sandbox, directory)
            async with Rig(sandbox, directory / "state", clock, spool, workers, context, UNITS) as rig:
                raws = list(invoices(count, seed=serial, issued=rig.today()))
                for start in range(0, count, _CHUNK):
                    await rig.put_all(raws[start : start + _CHUNK])
                login, trip, token = await _bare(rig)
                started = time.perf_counter()
                await rig.start()
                await _all_numbered(rig, count)
                seconds = time.perf_counter() - started
                await rig.stop()
                batch = sandbox.requests()["by_endpoint"].get("POST /v2/sessions/batch", 0) > 0
                work = await _ksefs_work(rig, token) if batch else 0.0
                sends = trip + max(count * trip, float((count - 1) // _A_SECOND)) + _ONE_BY_ONE_S
                budget = await spool.read(lambda store: store.budget(context.id))
                refused = sum(group["share"][0] < 1 for group in budget["groups"].values())
                floor = login + (2 * trip + work if batch else sends)
                return Run(seconds, floor, refused, "package" if batch else "one by one")
        finally:
            spool.close()
            clock.close()


async def _bare(rig: Rig) -> tuple[float, float, str]:
    """Seconds for a login alone and for one round trip to something public; and the access token."""
    async with Transport() as transport:
        line = Line(transport, rig.context.url, Budget(), rig.clock, SDK_ERRORS)
        door = KsefDoor(line, rig.context)
        keys = Keys(door, rig.clock)
        login = Login(door, keys, watched.authentication(rig.context), None, rig.clock)
        started = time.perf_counter()
        token = await login.access()
        seconds, trips = time.perf_counter() - started, []
        for _ in range(5):
            started = time.perf_counter()
            await door.public_keys()
            trips.append(time.perf_counter() - started)
    return seconds, report.median(trips), token


async def _all_numbered(rig: Rig, count: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        states = await rig.spool.read(lambda store: store.counts())
        if states.get("ACCEPTED", 0) + states.get("DELIVERED", 0) == count:
            return
        await asyncio.sleep(0.05)
    raise SystemExit(f"not all numbered: {await rig.spool.read(lambda store: store.counts())}")


async def _ksefs_work(rig: Rig, token: str) -> float:
    """Seconds from the close of the package until its session was final, by the sandbox's own dates."""
    sessions = await rig.spool.read(lambda store: {d.session for d in store.documents(limit=100_000)})
    spans = []
    for reference in sessions:
        session = await rig.spool.read(lambda store, r=reference: store.session(str(r)))  # type: ignore[misc]
        assert session is not None
        assert session.closed_at is not None
        body = rig.sandbox.call("GET", f"/v2/sessions/{reference}", bearer=token)
        spans.append((datetime.fromisoformat(body["dateUpdated"]) - session.closed_at).total_seconds())
    return sum(spans)


def measure(rounds: int) -> str:
    """The table."""
    workers, rows = Workers(processes=1), []
    try:
        with running_sandbox("real") as sandbox:
            for count, goal in _CASES:
                runs = [asyncio.run(backlog(sandbox, workers, count, 100 * count + n)) for n in range(rounds)]
                seconds, floor = report.median([r.seconds for r in runs]), report.median([r.floor for r in runs])
                ratio = report.median([r.seconds / r.floor for r in runs])
                banned = sum(r.refused for r in runs)
                rows.append(
                    (
                        f"{count:,} ({runs[0].way})", f"{seconds:.1f} s", f"{floor:.1f} s", f"{ratio:.2f} ×",
                        report.verdict(ratio, goal, at_least=False), str(banned),
                    )
                )  # fmt: skip
    finally:
        workers.close()
    return report.table(("queued", "to the last number", "floor", "ratio", "goal", "429"), rows)


if __name__ == "__main__":
    report.run("backlog", "From a backlog to KSeF numbers", __doc__, measure, rounds=2)
