"""A lost answer whose session KSeF does not show any more: what its register proves, and what it does not (K01)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluza.samples import invoice
from spool.domain.ledger import Document
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import SEND, _moves, _outcomes, _send_elsewhere, _until_event

QUERY = "POST /v2/invoices/query/metadata"


async def _in_doubt(rig: Rig, sandbox: Sandbox, document: Document, lost: str, hidden: str = "21173") -> Document:
    """The answer to the send is lost, before or after the deed, and KSeF hides that one session from then on."""
    everything = sandbox.fault("GET /v2/sessions/*", hidden, None)
    sandbox.fault(SEND, lost, 1, hold_s=0.05)
    await rig.start()
    return await _hide(rig, sandbox, await rig.until(document, State.UNKNOWN), everything, hidden)


async def _hide(rig: Rig, sandbox: Sandbox, document: Document, everything: str, hidden: str) -> Document:
    sandbox.fault("* /v2/sessions/*", hidden, None, match=document.session)
    sandbox.call("DELETE", f"/sandbox/faults/{everything}")
    return document


async def _looked(rig: Rig, sandbox: Sandbox, document: Document, **span: float) -> Document:
    """So much later the register has been looked into once more, and what that says is written."""
    before = sandbox.requests()["by_endpoint"].get(QUERY, 0)
    await rig.advance(**span)

    async def look() -> Document | None:
        now = await rig.read(document)
        asked = sandbox.requests()["by_endpoint"].get(QUERY, 0) > before
        return now if asked and (now.next_action_at > rig.clock() or now.state is not State.UNKNOWN) else None

    found = await rig.eventually(look, "a look into the register")
    assert isinstance(found, Document)
    return found


@pytest.mark.parametrize("hidden", ["21173", "foreign_403"])
async def test_fault_K01_absence_is_proven_by_the_register(rig: Rig, sandbox: Sandbox, hidden: str) -> None:
    """Only when the mark has passed the end of the attempt do the same bytes go again, in another session, once."""
    document = await rig.put_new(f"K01b/{hidden}")
    first = await _in_doubt(rig, sandbox, document, "timeout_before", hidden)
    early = await _looked(rig, sandbox, document, hours=13)
    assert (early.state, early.attempts) == (State.UNKNOWN, 1)
    await rig.kill()  # nothing of the proof is kept in memory
    await rig.start()
    await rig.advance(hours=24)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    assert done.session != first.session
    assert await rig.spool.read(lambda store: _outcomes(store, document.id)) == ["absent", "accepted"]
    assert {"no_session", "unknown_long"} <= set(await _moves(rig, document))


@pytest.mark.parametrize("switch", [{"hwm_lag_s": 5 * 86_400}, {"hwm_absent": True}])
async def test_fault_K01_no_mark_no_proof(rig: Rig, sandbox: Sandbox, switch: dict[str, float]) -> None:
    """The mark lags behind the attempt, or is not told: it stays UNKNOWN with its alarm until the mark has come."""
    sandbox.switch(**switch)
    document = await rig.put_new(f"K01b/{next(iter(switch))}")
    await _in_doubt(rig, sandbox, document, "timeout_before")
    late = await _looked(rig, sandbox, document, hours=40)
    assert (late.state, late.attempts) == (State.UNKNOWN, 1)
    await _until_event(rig, document, "unknown_long")
    sandbox.switch(**dict.fromkeys(switch))
    await rig.advance(hours=2)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_K01_presence_is_found_in_the_register(rig: Rig, sandbox: Sandbox) -> None:
    """It was heard; the list lags and shows it only now and then: adopted when it is seen, never sent again."""
    sandbox.switch(unstable_above_hwm=True, hwm_lag_s=6 * 3600)
    document = await rig.put_new("K01b/there")
    await _in_doubt(rig, sandbox, document, "timeout_after")
    await rig.advance(hours=7)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["ksef_number"] == done.ksef_number
    assert (sandbox.ledger()[done.sha256]["posts"], done.attempts) == (1, 1)


async def test_fault_K01_processed_for_hours_is_not_absent(rig: Rig, sandbox: Sandbox) -> None:
    """At 150 for a day, in no list though the mark has long passed the call: nothing is sent, then it is adopted."""
    sandbox.switch(stuck_150=True)
    document = await rig.put_new("K01b/150")
    await _in_doubt(rig, sandbox, document, "timeout_after")
    late = await _looked(rig, sandbox, document, hours=35)
    assert (late.state, late.attempts) == (State.UNKNOWN, 1)
    sandbox.switch(stuck_150=False)
    await rig.advance(hours=2)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_K01_taken_in_is_never_absent(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF gave a reference and then lost sight of the session: no mark ever proves that it has not got it."""
    sandbox.switch(stuck_150=True)
    document = await rig.put_new("K01b/202")
    await rig.start()
    submitted = await rig.until(document, State.SUBMITTED)
    sandbox.fault("* /v2/sessions/*", "21173", None, match=submitted.session)
    await rig.advance(minutes=10)
    await rig.until(document, State.UNKNOWN)
    late = await _looked(rig, sandbox, document, days=4)
    assert (late.state, late.attempts) == (State.UNKNOWN, 1)
    sandbox.switch(stuck_150=False)
    await rig.advance(hours=2)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_K01_number_on_other_bytes_is_a_conflict(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """The register has our number with another hash: a person decides, nothing is sent again."""
    await _send_elsewhere(rig, tmp_path, invoice(number="K01b/clash", issue_date=rig.today(), footer="inna"))
    document = await rig.put_new("K01b/clash")
    await _in_doubt(rig, sandbox, document, "timeout_before")
    clash = await rig.until(document, State.CONFLICT)
    assert clash.attempts == 1


async def test_fault_K01_another_ksef_proves_nothing(rig: Rig, sandbox: Sandbox) -> None:
    """The context was moved to another KSeF meanwhile: that one's register knows nothing of the old sessions."""
    document = await rig.put_new("K01b/moved")
    await _in_doubt(rig, sandbox, document, "timeout_before")
    await rig.stop()
    rig.context = replace(rig.context, url=f"{sandbox.url}/v2".replace("127.0.0.1", "localhost"))
    await rig.start()
    late = await _looked(rig, sandbox, document, hours=40)
    assert (late.state, late.attempts) == (State.UNKNOWN, 1)


async def test_fault_K04_no_query_left_holds_nobody(rig: Rig, sandbox: Sandbox) -> None:
    """The queries of this hour are spent: a document in doubt whose session answers is settled all the same."""
    hidden = await rig.put_new("K04b/hidden")
    await _in_doubt(rig, sandbox, hidden, "timeout_before")
    assert rig.office is not None
    rig.office._budget.ban("invoiceMetadata", 3600, rig.clock().timestamp())
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.05)
    other = await rig.put_new("K04b/other")
    await rig.advance(minutes=10)
    await rig.until(other, State.ACCEPTED)
    assert (await rig.read(hidden)).state is State.UNKNOWN


async def test_fault_K01_looked_for_more_often_before_the_deadline(rig: Rig, sandbox: Sandbox) -> None:
    """Ten hours in doubt and one hour left: the next look comes while there is still time to send."""
    raw, due_at = invoice(number="K01b/late", issue_date=rig.today()), rig.clock() + timedelta(hours=11)
    document = await rig.put(raw, due_at=due_at)
    await _in_doubt(rig, sandbox, document, "timeout_before")
    late = await _looked(rig, sandbox, document, hours=10)
    assert late.next_action_at < rig.clock() + timedelta(minutes=20)


async def _lost_and_shown_again(rig: Rig, sandbox: Sandbox, document: Document) -> None:
    """The hidden session of this document is given up, KSeF shows it again, and it is brought to its end."""

    async def look(column: str) -> bool | None:
        session = await rig.spool.read(lambda store: store.session(str(document.session)))
        return getattr(session, column) is not None or None

    # Looked for: a look that is under way while the clock goes on would count as one of afterwards.
    await _looked(rig, sandbox, document, hours=13)
    await rig.eventually(lambda: look("lost_at"), "the session given up")
    sandbox.call("DELETE", "/sandbox/faults")
    await rig.advance(hours=2)
    await rig.eventually(lambda: look("final_at"), "the session brought to its end")


async def test_fault_K09_lost_session_comes_back(rig: Rig, sandbox: Sandbox) -> None:
    """Given up as lost and then shown again: it is brought to its end, and its list proves the absence as ever."""
    document = await _in_doubt(rig, sandbox, await rig.put_new("K09b/1"), "timeout_before")
    await _lost_and_shown_again(rig, sandbox, document)
    await rig.advance(minutes=5)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_K09_a_verdict_in_a_session_that_comes_back_counts(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF had cancelled it there, and the session was given up before anybody heard: it goes again all the same."""
    everything = sandbox.fault("GET /v2/sessions/*", "21173", None)
    sandbox.fault(SEND, "verdict_500", 1)
    document = await rig.put_new("K09b/2")
    await rig.start()
    await _hide(rig, sandbox, await rig.until(document, State.UNKNOWN), everything, "21173")
    await _lost_and_shown_again(rig, sandbox, await rig.read(document))
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[done.sha256]["posts"]) == (2, 2)
