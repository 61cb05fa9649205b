"""One lost answer does not hold the others: a few sends at once, each alone with its document and its session (K01)."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from math import inf
from typing import Any

import pysqlite3
import pytest

from agent import verdict
from agent.forward import MOST_IN_FLIGHT
from agent.ksef.api import Sealed
from agent.ksef.transport import Timeouts
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.store import Store
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import OPEN, SEND, _moves

PATIENT = Timeouts(connect=4, read=4, total=6, download=10)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next send begins after a tenth of a second; a hanging one is given up after four."""
    monkeypatch.setattr("agent.forward.PATIENCE_S", 0.1)


def _attempts(store: Store) -> list[Any]:
    return list(store._db.execute("SELECT * FROM attempt ORDER BY id"))


@dataclass
class _Call:
    session: str
    hash: str
    start: float
    end: float = inf


def _watched(rig: Rig, *slow_s: float) -> list[_Call]:
    """Every send from now on, with its beginning and its end; each takes so much longer, the last time for the rest."""
    assert rig.office is not None
    ksef, calls = rig.office._tools.ksef, list[_Call]()
    send = ksef.send

    async def watched(session: str, sealed: Sealed, **more: Any) -> str:
        call = _Call(session, sealed.invoice_hash, time.monotonic())
        calls.append(call)
        try:
            await asyncio.sleep([*slow_s, 0][min(len(calls), len(slow_s)) - 1])
            return await send(session, sealed, **more)
        finally:
            call.end = time.monotonic()

    ksef.send = watched  # type: ignore[method-assign]
    return calls


def _at_once(calls: list[_Call]) -> int:
    """The most calls under way at one instant, after proof that no two of them shared a document or a session."""
    for one, other in combinations(calls, 2):
        if one.start < other.end and other.start < one.end:
            assert one.hash != other.hash
            assert one.session != other.session
    return max(sum(call.start <= at.start < call.end for call in calls) for at in calls)


async def test_fault_K01_one_hanging_call_holds_nobody(rig: Rig, sandbox: Sandbox) -> None:
    """The first send hangs: the others get their numbers meanwhile, in another session, and it is settled later."""
    rig.timeouts = PATIENT
    sandbox.fault(SEND, "timeout_before", 1)
    hanging, *others = [await rig.put_new(f"LANE/{n}") for n in range(4)]
    await rig.start()
    done = [await rig.until(d, State.ACCEPTED, seconds=3.5) for d in others]
    stuck = await rig.read(hanging)
    assert stuck.state is State.SENDING
    assert stuck.session not in {d.session for d in done}
    done.append(await rig.until(hanging, State.ACCEPTED))
    ledger = sandbox.ledger()
    assert [ledger[d.sha256]["posts"] for d in done] == [1] * 4


async def test_inv_I6_few_in_flight_each_alone(rig: Rig, sandbox: Sandbox) -> None:
    """All of KSeF hangs: three documents are in doubt, no more, and none is in two calls or shares a session."""
    sandbox.fault(SEND, "timeout_before", 5)
    documents = [await rig.put_new(f"FLIGHT/{n}") for n in range(7)]
    await rig.start()
    calls = _watched(rig)
    done = [await rig.until(d, State.ACCEPTED) for d in documents]
    assert _at_once(calls) == MOST_IN_FLIGHT
    ledger = sandbox.ledger()
    assert [ledger[d.sha256]["posts"] for d in done] == [1] * 7


async def test_fault_K01_session_in_doubt_takes_no_more(rig: Rig, sandbox: Sandbox) -> None:
    """A page instead of an answer to a send: what comes next, at once, goes into another session."""
    sandbox.fault(SEND, "html_200", 1)
    documents = [await rig.put_new(f"LEFT/{n}") for n in range(3)]
    await rig.start()
    done = [await rig.until(d, State.ACCEPTED) for d in documents]
    doubted, *others = [row["session"] for row in await rig.spool.read(_attempts)]
    assert doubted not in others
    assert [sandbox.ledger()[d.sha256]["posts"] for d in done] == [1] * 3


async def test_slow_ksef_costs_few_sessions(rig: Rig, sandbox: Sandbox) -> None:
    """Every send is slow but answered: the same three sessions are used again and again."""
    documents = [await rig.put_new(f"SLOW/{n}") for n in range(9)]
    await rig.start()
    calls = _watched(rig, 0.5)
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    assert sandbox.requests()["by_endpoint"][OPEN] <= MOST_IN_FLIGHT
    assert 1 < _at_once(calls) <= MOST_IN_FLIGHT


async def test_nearest_deadline_first_in_lanes(rig: Rig, sandbox: Sandbox) -> None:
    """Documents begin in the order of their deadlines although several are under way."""
    documents = [await rig.put_new(f"DUE/{n}") for n in range(6)]
    now = rig.clock()

    def later(store: Store) -> None:
        for hours, document in zip((5, 1, 6, 2, 4, 3), documents, strict=True):
            store.touch(document.id, now, due_safe=(now + timedelta(hours=hours)).isoformat())

    await rig.spool.write(later)
    await rig.start()
    _watched(rig, 0.3)
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    begun = [row["document"] for row in await rig.spool.read(_attempts)]
    assert begun == [documents[n].id for n in (1, 3, 5, 4, 0, 2)]


async def test_killed_with_calls_under_way(rig: Rig, sandbox: Sandbox) -> None:
    """The process dies while three calls hang: at the next start all are UNKNOWN first, none is sent twice (F01)."""
    sandbox.fault(SEND, "timeout_after", 3, hold_s=3)
    documents = [await rig.put_new(f"KILL/{n}") for n in range(3)]
    await rig.start()

    async def registered() -> bool | None:
        return {d.sha256 for d in documents} <= sandbox.ledger().keys() or None

    await rig.eventually(registered, "all registered by the sandbox")
    await rig.kill()
    assert [(await rig.read(d)).state for d in documents] == [State.SENDING] * 3
    await rig.start()
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    assert [sandbox.ledger()[d.sha256]["posts"] for d in documents] == [1] * 3
    assert all(["SENDING>UNKNOWN" in await _moves(rig, d) for d in documents])


async def test_sending_never_stays_behind_a_lane(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of a slow send cannot be written: KSeF is asked, another lane's document is left alone (I6)."""
    real, broken = verdict.submitted, [pysqlite3.OperationalError("database or disk is full")]

    def once(store: Store, document: Document, *more: Any) -> None:
        if broken and document.id == documents[0].id:
            raise broken.pop()
        real(store, document, *more)

    monkeypatch.setattr(verdict, "submitted", once)
    monkeypatch.setattr("agent.office._AFTER_TROUBLE_S", 0.2)
    documents = [await rig.put_new(f"FULL/{n}") for n in range(3)]
    await rig.start()
    _watched(rig, 0.3, 2.0)
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    assert [sandbox.ledger()[d.sha256]["posts"] for d in documents] == [1] * 3
    assert ["SENDING>UNKNOWN" in await _moves(rig, d) for d in documents] == [True, False, False]


async def test_clean_stop_waits_for_calls(rig: Rig, sandbox: Sandbox) -> None:
    """A stop while slow calls are under way ends after their answers are written."""
    documents = [await rig.put_new(f"STOP/{n}") for n in range(2)]
    await rig.start()
    _watched(rig, 0.8)
    for document in documents:
        await rig.until(document, State.SENDING)
    await rig.stop()
    assert all([(await rig.read(d)).state in {State.SUBMITTED, State.ACCEPTED} for d in documents])
