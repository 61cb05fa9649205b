"""Every call to KSeF whose answer may be lost, lost once before and once after the deed: one registration (K01)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from sluza.samples import purchase_for_unit
from spool.domain.ledger import Document
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import OPEN, SEND, _moves, _outcomes

CHALLENGE = "POST /v2/auth/challenge"
SIGNATURE = "POST /v2/auth/xades-signature"
LOGIN_STATUS = "GET /v2/auth/{referenceNumber}"
REDEEM = "POST /v2/auth/token/redeem"
REFRESH = "POST /v2/auth/token/refresh"
CLOSE = "POST /v2/sessions/online/{referenceNumber}/close"
STATUS = "GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}"
SESSION = "GET /v2/sessions/{referenceNumber}"
LIST = "GET /v2/sessions/{referenceNumber}/invoices"
EXPORT = "POST /v2/invoices/exports"
EXPORT_STATUS = "GET /v2/invoices/exports/{referenceNumber}"
KINDS = ("timeout_before", "timeout_after")

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken line is tried again after a tenth of a second."""
    monkeypatch.setattr("agent.contact._LONGEST_SILENCE_S", 0.1)
    monkeypatch.setattr("agent.contact._PROBE_FIRST_S", 0.1)


@pytest.fixture(name="passing")
async def passing_fixture(rig: Rig, sandbox: Sandbox) -> AsyncIterator[None]:
    """The sandbox's time goes ten times as fast, so that no pause of ours is waited for in full."""

    async def hurry() -> None:
        while True:
            await asyncio.sleep(0.1)
            await asyncio.to_thread(sandbox.advance, seconds=1)

    task = asyncio.create_task(hurry())
    yield
    task.cancel()


def _lose(sandbox: Sandbox, call: str, kind: str) -> None:
    """A GET is lost twice: aiohttp itself asks once more when a kept connection breaks."""
    sandbox.fault(call, kind, 2 if call.startswith("GET ") else 1, hold_s=0.02)


def _lost(sandbox: Sandbox) -> bool:
    """The scripted fault has happened."""
    return all(fault["count"] == 0 for fault in sandbox.call("GET", "/sandbox/faults")["faults"])


async def _registered_once(rig: Rig, sandbox: Sandbox, document: Document) -> Document:
    """Its number and receipt come; KSeF has these bytes once, under that number, and was sent them once (I2-I4)."""
    done = await rig.until_upo(document)
    entry = sandbox.ledger()[document.sha256]
    assert (entry["posts"], entry["ksef_number"]) == (1, done.ksef_number)
    assert _lost(sandbox)
    return done


@pytest.mark.parametrize("call", [LOGIN_STATUS, REDEEM, OPEN, SEND, STATUS])
async def test_fault_K01_a_lost_answer_on_the_way_there(
    rig: Rig, sandbox: Sandbox, passing: None, call: str, kind: str
) -> None:
    """From the login to the receipt: whichever answer is lost, the document is sent once."""
    _lose(sandbox, call, kind)
    document = await rig.put_new(f"LOST/{call}/{kind}"[-60:])
    await rig.start()
    done = await _registered_once(rig, sandbox, document)
    outcomes = await rig.spool.read(lambda store: _outcomes(store, document.id))
    resent = call == SEND and kind == "timeout_before"  # the only way to a second send: it provably never arrived
    assert outcomes == (["absent", "accepted"] if resent else ["accepted"])
    assert ("SENDING>UNKNOWN" in await _moves(rig, document)) is (call == SEND)
    assert done.attempts == len(outcomes)


@pytest.mark.parametrize("call", [LIST, CLOSE, SESSION])
async def test_fault_K01_a_lost_answer_while_the_truth_is_looked_for(
    rig: Rig, sandbox: Sandbox, passing: None, call: str, kind: str
) -> None:
    """The send was lost, and an answer on the way to the proof is lost as well: still no guess."""
    _lose(sandbox, SEND, "timeout_before" if call != LIST else kind)
    _lose(sandbox, call, kind)
    document = await rig.put_new(f"PROOF/{call}/{kind}"[-60:])
    await rig.start()
    await _registered_once(rig, sandbox, document)


async def test_fault_K01_a_lost_answer_of_the_refresh(rig: Rig, sandbox: Sandbox, kind: str) -> None:
    """The new access token is lost on its way: asked for again, or a new login; the document goes once."""
    first = await rig.put_new(f"FRESH/1/{kind}")
    await rig.start()
    await rig.until(first, State.ACCEPTED)
    _lose(sandbox, REFRESH, kind)
    await rig.advance(minutes=16)
    second = await rig.put_new(f"FRESH/2/{kind}")
    await _registered_once(rig, sandbox, second)


@pytest.mark.parametrize("call", [EXPORT, EXPORT_STATUS])
async def test_fault_K01_a_lost_answer_while_receiving(
    rig: Rig, sandbox: Sandbox, passing: None, call: str, kind: str
) -> None:
    """Whichever answer of an export is lost, the purchase is stored once and the mark passes it."""
    raw = purchase_for_unit(number=f"IN/{call}/{kind}"[-60:], issue_date=rig.today())
    number = sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"]
    _lose(sandbox, call, kind)
    rig.receive, rig.every_seconds = True, 0.2
    stored = sandbox.now()
    await rig.start()

    async def passed() -> bool | None:
        marks = await rig.spool.read(lambda store: [store.mark("gmina", s) for s in ("Subject2", "Subject3")])
        return all(mark is not None and mark > stored + timedelta(seconds=1) for mark in marks) or None

    await rig.eventually(passed, "both marks beyond it")
    found = await rig.spool.read(lambda store: store.received_page(limit=1000))
    assert [r.ksef_number for r in found].count(number) == 1
    assert _lost(sandbox)
