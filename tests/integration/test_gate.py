"""The gate before the sending loop: closed while KSeF may know more of us than the spool (faults F11, F12)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.ksef.api import ListedSession
from agent.office import Office
from sluza.samples import attachment_invoice
from spool import identity
from spool.domain.document import FormCode
from spool.domain.identity import RECONCILE_FIRST, Doubt
from spool.domain.ledger import Session
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.machine_rig import Machine, machine_fixture, put  # noqa: F401

Call = Callable[..., Awaitable[Any]]


async def test_fault_F11_an_ordinary_restart_compares_nothing(machine: Machine, sandbox: Sandbox) -> None:
    """The list of sessions is asked for, two questions, and there is nothing to compare: no package is spent."""
    rig = machine.rig
    sandbox.call("DELETE", "/sandbox/requests")
    machine.restore({})
    document = await put(rig, "NEXT")
    await rig.start()
    await machine.settle(document)
    asked = sandbox.requests()["by_endpoint"]
    assert (asked["GET /v2/sessions"], "POST /v2/invoices/exports" in asked) == (2, False)
    assert await machine.events(RECONCILE_FIRST) == []


async def test_a_ksef_that_lists_no_sessions_holds_up_nothing_for_long(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precaution is given up after a few refusals of that one question, here the first."""
    monkeypatch.setattr("agent.gate._TRIES", 1)
    sandbox.fault("GET /v2/sessions", "empty_403", None)
    await machine.rig.start()
    document = await put(machine.rig, "REFUSED LIST")
    await machine.settle(document)
    assert machine.posts(document) == [1]


async def test_fault_F12_after_a_jump_of_the_clock_the_gate_looks_again(machine: Machine, sandbox: Sandbox) -> None:
    """A machine that was put back with its memory does not start anew; the time that it lost gives it away."""
    rig = machine.rig
    await rig.start()
    await machine.settle(await put(rig, "BEFORE"))
    sandbox.call("DELETE", "/sandbox/requests")
    await machine.settle(await put(rig, "NO JUMP"))
    assert "GET /v2/sessions" not in sandbox.requests()["by_endpoint"]
    await rig.advance(minutes=5)
    await machine.settle(await put(rig, "JUMP"))
    assert sandbox.requests()["by_endpoint"]["GET /v2/sessions"] == 2


async def _at_work(rig: Rig) -> Office:
    """The agent runs, and its gate has looked."""
    await rig.start()

    async def look() -> Office | None:
        return rig.office if rig.office is not None and rig.office.contact.looked else None

    office = await rig.eventually(look, "the look of the gate")
    assert isinstance(office, Office)
    return office


def _then_a_jump(rig: Rig, call: Call) -> Call:
    """The first time that this call has ended, the clock jumps before anybody hears."""
    jumped = asyncio.Event()

    async def jumping(*args: Any) -> Any:
        found = await call(*args)
        if not jumped.is_set():
            jumped.set()
            await rig.advance(minutes=5)
        return found

    return jumping


def _noted(office: Office, call: Call, withheld: list[bool]) -> Call:
    """Whether sending is withheld when this call begins."""

    async def noting(*args: Any, **more: Any) -> Any:
        withheld.append(office.contact.withheld())
        return await call(*args, **more)

    return noting


async def test_fault_F12_a_jump_while_a_session_is_opened(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was chosen before the machine was put back is not sent by it afterwards: the gate looks first."""
    rig, withheld = machine.rig, list[bool]()
    office = await _at_work(rig)
    sessions, ksef = office._sessions, office._tools.ksef
    monkeypatch.setattr(sessions, "ready", _then_a_jump(rig, sessions.ready))
    monkeypatch.setattr(ksef, "send", _noted(office, ksef.send, withheld))
    sandbox.call("DELETE", "/sandbox/requests")
    await machine.settle(await put(rig, "ASLEEP"))
    assert withheld == [False]
    assert sandbox.requests()["by_endpoint"]["GET /v2/sessions"] == 2


async def test_fault_F12_a_jump_while_a_package_is_uploaded(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is at KSeF, but not handed in yet: that waits until the gate has looked."""
    rig, withheld = machine.rig, list[bool]()
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    office = await _at_work(rig)
    ksef = office._tools.ksef
    monkeypatch.setattr(ksef, "upload", _then_a_jump(rig, ksef.upload))
    monkeypatch.setattr(ksef, "close_batch", _noted(office, ksef.close_batch, withheld))
    raw = attachment_invoice(number=f"PACKED/{rig.state.parent.name}", issue_date=rig.today())
    await machine.settle(await rig.put(raw))
    assert withheld == [False]


async def test_fault_F11_a_session_of_our_own_is_no_doubt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """KSeF's list shows one that was opened, and sent into, while the list was being read."""
    rig, ours = machine.rig, "20261120-SO-0000000006-8A5C28FB89-00"

    async def listed(*_: object) -> list[ListedSession]:
        now = rig.clock()
        opened = Session(ours, "gmina", FormCode.FA3, now, now + timedelta(hours=12), None, None, ksef=rig.context.url)
        await rig.spool.write(lambda store: store.add_session(opened))
        return [ListedSession(ours, True, now, 1)]

    monkeypatch.setattr("agent.compare.sessions_with_documents", listed)
    monkeypatch.setattr("agent.gate.sessions_with_documents", listed)
    await _at_work(rig)
    assert await machine.doubts() == []


async def test_fault_F11_the_gate_stays_closed_while_ksef_was_not_compared(machine: Machine, sandbox: Sandbox) -> None:
    """The register cannot be read: nothing is sent, the page says why, and receiving and reading go on."""
    rig = machine.rig
    document = await put(rig, "HELD BACK")
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    package = await rig.put(attachment_invoice(number=f"PACKAGE/{rig.state.parent.name}", issue_date=rig.today()))
    sandbox.fault("POST /v2/invoices/exports", "http_503", None)
    (rig.state / identity.RESTORED).write_text("{}")
    machine.restore({})
    await rig.start()

    async def asked() -> bool | None:
        return sandbox.requests()["by_endpoint"].get("POST /v2/invoices/exports", 0) > 0 or None

    await rig.eventually(asked, "the register was asked for")
    await rig.stop()
    assert machine.posts(document, package) == [0, 0]
    assert [(await rig.read(d)).state for d in (document, package)] == [State.QUEUED] * 2
    assert await machine.doubts() == [Doubt.RESTORED]
    code, answer = await machine.reconcile()
    assert (code, answer["contexts"]["gmina"]["compared"]) == (1, False)
    assert await machine.doubts() == [Doubt.RESTORED]
