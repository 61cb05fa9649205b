"""The gate before the sending loop: closed while KSeF may know more of us than the spool (faults F11, F12)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.ksef.api import ListedSession
from sluza.samples import attachment_invoice
from spool import identity
from spool.domain.document import FormCode
from spool.domain.identity import RECONCILE_FIRST, Doubt
from spool.domain.ledger import Session
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.machine_rig import Machine, machine_fixture, put  # noqa: F401


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


async def test_fault_F12_a_jump_while_a_session_is_opened(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was chosen before the machine was put back is not sent by it afterwards: the gate looks first."""
    rig, withheld, jumped = machine.rig, list[bool](), asyncio.Event()
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the start")
    office = rig.office
    assert office is not None
    ready, send = office._sessions.ready, office._tools.ksef.send

    async def ready_later(*args: Any) -> Any:
        session = await ready(*args)
        if not jumped.is_set():
            jumped.set()
            await rig.advance(minutes=5)
        return session

    async def sending(*args: Any, **more: Any) -> str:
        withheld.append(office.contact.withheld())
        return await send(*args, **more)

    monkeypatch.setattr(office._sessions, "ready", ready_later)
    monkeypatch.setattr(office._tools.ksef, "send", sending)
    sandbox.call("DELETE", "/sandbox/requests")
    await machine.settle(await put(rig, "ASLEEP"))
    assert withheld == [False]
    assert sandbox.requests()["by_endpoint"]["GET /v2/sessions"] == 2


async def test_fault_F12_a_jump_while_a_package_is_uploaded(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is at KSeF, but not handed in yet: that waits until the gate has looked."""
    rig, withheld, jumped = machine.rig, list[bool](), asyncio.Event()
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the start")
    office = rig.office
    assert office is not None
    upload, close = office._tools.ksef.upload, office._tools.ksef.close_batch

    async def upload_long(*args: Any) -> None:
        await upload(*args)
        if not jumped.is_set():
            jumped.set()
            await rig.advance(minutes=5)

    async def closing(*args: Any) -> None:
        withheld.append(office.contact.withheld())
        await close(*args)

    monkeypatch.setattr(office._tools.ksef, "upload", upload_long)
    monkeypatch.setattr(office._tools.ksef, "close_batch", closing)
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
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the gate")
    assert await machine.doubts() == []


def _looked(rig: Rig) -> Callable[[], Awaitable[bool | None]]:
    async def look() -> bool | None:
        assert rig.office is not None
        return rig.office.contact.looked or None

    return look


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
