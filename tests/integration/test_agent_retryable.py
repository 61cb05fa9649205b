"""Verdicts and sessions that end without a number: read first, then the same bytes in another session (K08, K09)."""

from pathlib import Path
from typing import Any

import pytest

from agent.ksef import session as sessions
from sluza.samples import invoice
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.store import Store
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import SEND, _moves, _outcomes, _send_elsewhere
from tests.integration.test_agent_lost_answers import CLOSE, hurried, passing_fixture  # noqa: F401

STATUS = "GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}"


async def _attempts(rig: Rig, document: Document) -> list[dict[str, Any]]:
    def job(store: Store) -> list[dict[str, Any]]:
        found = store._db.execute("SELECT * FROM attempt WHERE document = ? ORDER BY id", (document.id,))
        return [dict(row) for row in found]

    return await rig.spool.read(job)


@pytest.mark.parametrize("code", ["405", "550", "500"])
async def test_fault_K08_cancelled_is_read_and_the_same_bytes_go_again(rig: Rig, sandbox: Sandbox, code: str) -> None:
    """KSeF cancelled it and asks to try again: the verdict is read, then the same bytes go into a new session."""
    sandbox.fault(SEND, f"verdict_{code}", 1)
    document = await rig.put_new(f"K08/{code}")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    first, second = await _attempts(rig, document)
    assert (first["outcome"], second["outcome"]) == ("later", "accepted")
    assert first["session"] != second["session"]
    assert first["sha256"] == second["sha256"] == document.sha256
    moves = await _moves(rig, document)
    assert moves.index("SUBMITTED>QUEUED") < moves.index("SUBMITTED>ACCEPTED")
    assert sandbox.requests()["by_endpoint"][STATUS] >= 2
    entry = sandbox.ledger()[document.sha256]
    assert (entry["posts"], entry["ksef_number"]) == (2, done.ksef_number)


async def test_fault_K08_cancelled_although_registered_is_adopted(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """KSeF says 550 but these bytes are in its register: the second send is a duplicate of ours, one registration."""
    raw = invoice(number="K08/there", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    sandbox.fault(SEND, "verdict_550", 1)
    document = await rig.put(raw)
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert "SUBMITTED>QUEUED" in await _moves(rig, document)
    assert done.ksef_number == sandbox.ledger()[done.sha256]["ksef_number"]


async def test_fault_K08_never_for_ever(rig: Rig, sandbox: Sandbox, passing: None) -> None:
    """Cancelled again and again: a person looks, the others of the context go on."""
    sandbox.fault(SEND, "verdict_500", 3)
    document = await rig.put_new("K08/many")
    await rig.start()
    held = await rig.until(document, State.HELD)
    assert "Wysłano 3 razy" in held.reason
    other = await rig.put_new("K08/other")
    await rig.until(other, State.ACCEPTED)
    assert document.sha256 not in sandbox.ledger()


async def test_fault_K09_full_by_our_count(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the most documents a session may have, the next one opens another; nothing is refused on the way."""
    assert sessions.MOST_INVOICES == 10_000
    monkeypatch.setattr(sessions, "MOST_INVOICES", 2)
    documents = [await rig.put_new(f"K09/count/{n}") for n in range(5)]
    await rig.start()
    done = [await rig.until(d, State.ACCEPTED) for d in documents]
    assert len({d.session for d in done}) >= 3
    assert [d.attempts for d in done] == [1] * 5


async def test_fault_K09_full_by_ksefs_count(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF says that the session is full: a new one, the same bytes, nothing twice."""
    await rig.start()
    assert rig.office is not None
    access = await rig.office.login.access()
    bounds = {"maxInvoiceSizeInMB": 1, "maxInvoiceWithAttachmentSizeInMB": 3, "maxInvoices": 1}
    limits = {"onlineSession": bounds, "batchSession": bounds, "collectiveIdentifier": {"maxInvoices": 100}}
    sandbox.call("POST", "/v2/testdata/limits/context/session", limits, bearer=access)
    try:
        documents = [await rig.put_new(f"K09/full/{n}") for n in range(3)]
        done = [await rig.until(d, State.ACCEPTED) for d in documents]
    finally:
        sandbox.call("DELETE", "/v2/testdata/limits/context/session", bearer=access)
    assert len({d.session for d in done}) == 3
    assert [sandbox.ledger()[d.sha256]["posts"] for d in done] == [1] * 3
    outcomes = [await rig.spool.read(lambda store, d=d: _outcomes(store, d.id)) for d in documents]  # type: ignore[misc]
    assert any(said[0] == "later" for said in outcomes)
    assert all(said[-1] == "accepted" for said in outcomes)


async def test_fault_K09_an_empty_session_is_over(rig: Rig, sandbox: Sandbox) -> None:
    """Opened and never used, KSeF cancels it with 440: that is an end like any other, and nothing waits for it."""
    await rig.start()
    assert rig.office is not None
    empty = await rig.office._sessions.ready()
    empty.busy = False
    rig.office._sessions.leave(empty.reference)

    async def over() -> bool | None:
        found = await rig.spool.read(lambda store: store.session(empty.reference))
        return (found is not None and found.final_at is not None) or None

    await rig.eventually(over, "the empty session final")
    document = await rig.put_new("K09/after")
    assert (await rig.until(document, State.ACCEPTED)).session != empty.reference


async def test_fault_K09_a_close_that_times_out_proves_nothing(rig: Rig, sandbox: Sandbox, passing: None) -> None:
    """A send and three closes in a row get no answer: the document is looked for, not sent again, until the end is
    sure; what else is in the queue goes into a new session."""
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.02)
    listed = sandbox.fault("GET /v2/sessions/{referenceNumber}/invoices", "http_502", None)
    sandbox.fault(CLOSE, "timeout_before", 3, hold_s=0.02)
    document = await rig.put_new("K09/close/1")
    await rig.start()
    doubted = await rig.until(document, State.UNKNOWN)
    other = await rig.put_new("K09/close/2")
    assert (await rig.until(other, State.ACCEPTED)).session != doubted.session
    assert (await rig.read(document)).state is State.UNKNOWN
    sandbox.call("DELETE", f"/sandbox/faults/{listed}")
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[done.sha256]["posts"]) == (1, 1)


async def test_fault_K09_an_expired_session_is_read_before_anything_goes_again(
    rig: Rig, sandbox: Sandbox, passing: None
) -> None:
    """Twelve hours pass while one document is in doubt and one waits for its verdict: both are read, none resent."""
    sandbox.switch(stuck_150=True)
    waiting = await rig.put_new("K09/old/1")
    await rig.start()
    await rig.until(waiting, State.SUBMITTED)
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.02)
    doubted = await rig.put_new("K09/old/2")
    await rig.until(doubted, State.UNKNOWN, State.SUBMITTED)
    await rig.kill()
    sandbox.advance(hours=13)
    sandbox.switch(stuck_150=False)
    await rig.start()
    for document in (waiting, doubted):
        done = await rig.until(document, State.ACCEPTED)
        assert (done.attempts, sandbox.ledger()[done.sha256]["posts"]) == (1, 1)
