"""What a reviewer proved about doubts, poison and silence: each of these once lost, repeated or hid a document."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pysqlite3
import pytest

from agent import verdict
from agent.ksef.api import NoAnswer, Reading, Registered
from sluza.samples import invoice, purchase_for_unit
from spool import actions
from spool.bodies import sha256_hex
from spool.domain.ledger import Document
from spool.domain.outcomes import Later
from spool.domain.states import State
from tests.integration.agent_rig import NIP, Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import SEND, _events, _moves, _send_elsewhere, _until_event

STATUS = "GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}"
UPO = STATUS + "/upo"
SELLER = "5250000021"


async def test_fault_K02_second_send_is_not_matched_with_the_first(rig: Rig, sandbox: Sandbox) -> None:
    """Held after 410, released, sent again, answer lost: the old verdict is not taken for the new one's."""
    document = await rig.put_new("A1/1", seller_nip=SELLER)
    await rig.start()
    first = await rig.until(document, State.HELD)
    grant = {"seller": SELLER, "context": NIP, "scopes": ["SelfInvoicing", "TaxRepresentative"]}
    sandbox.call("POST", "/sandbox/authorizations", grant)
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.05)
    now = rig.clock()
    await rig.spool.write(lambda store: actions.release(store, document.id, now, "jan", ""))
    done = await rig.until(document, State.ACCEPTED)
    assert done.session != first.session
    assert [m for m in await _moves(rig, document) if m.endswith(">HELD")] == ["SUBMITTED>HELD"]


async def test_sending_never_stays(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of a send cannot be written: the next step asks KSeF, and nothing is sent twice."""
    real, broken = verdict.submitted, [pysqlite3.OperationalError("database or disk is full")]

    def once(*more: Any) -> None:
        if broken:
            raise broken.pop()
        real(*more)

    monkeypatch.setattr(verdict, "submitted", once)
    monkeypatch.setattr("agent.office._AFTER_TROUBLE_S", 0.2)
    document = await rig.put_new("C1/1")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    assert "SENDING>UNKNOWN" in await _moves(rig, document)


async def test_fault_K01_absence_again_and_again_holds_the_document(rig: Rig) -> None:
    """Never sent for ever: a pause after each proof of absence, a person after the fifth; the context goes on."""
    document = await rig.put_new("C6/1")
    pauses = []
    for n in range(verdict.MOST_TRIES):
        now = rig.clock() + timedelta(minutes=10 * n)

        def once(store: Any, now: Any = now, n: int = n) -> Document:
            reason = NoAnswer(Reading(verdict.Unknown("?"), "http:500"))
            verdict.not_sent(store, store.begin_attempt(store.document(document.id), f"s{n}", now), reason, now, 0.0)
            verdict.overdue(store, store.document(document.id), now)
            verdict.absent(store, store.document(document.id), now, 0.5, verdict.NOT_IN_SESSION)
            return store.document(document.id)  # type: ignore[no-any-return]

        after = await rig.spool.write(once)
        pauses.append((after.next_action_at - now).total_seconds())
    assert after.state is State.HELD
    assert pauses[:-1] == sorted(set(pauses[:-1]))
    assert pauses[0] > 0
    assert "paused" not in await rig.conditions()
    assert "unknown_long" in await _moves(rig, document)


async def test_fault_K14_one_poisoned_receipt_stops_nothing(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF answers 500 for the receipt of one document only: the others get theirs, KSeF is not "unreachable"."""
    fault = sandbox.fault(UPO, "http_500", None)
    poisoned, other = await rig.put_new("C7/1"), await rig.put_new("C7/2")
    await rig.start()
    poisoned = await rig.until(poisoned, State.ACCEPTED)
    await rig.until(other, State.ACCEPTED)
    sandbox.call("DELETE", f"/sandbox/faults/{fault}")
    sandbox.fault(UPO, "http_500", None, match=poisoned.invoice_ref)
    await rig.advance(minutes=5)
    await rig.until_upo(other)
    third = await rig.put_new("C7/3")
    await rig.until_upo(third)
    assert (await rig.conditions())["reachable"]["ok"] is True
    assert (await rig.read(poisoned)).upo_sha256 is None


async def test_fault_K01_unknown_session_proves_nothing(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF does not know the session on closing it: that is no proof of absence, nothing is sent again."""
    sandbox.fault(SEND, "timeout_before", 1, hold_s=0.05)
    document = await rig.put_new("A2/1")
    await rig.start()
    assert rig.office is not None

    async def close(reference: str) -> None:
        raise NoAnswer(Reading(Later("KSeF nie zna tej sesji."), "http:21173"))

    rig.office._sessions._ksef.close_session = close  # type: ignore[method-assign]
    await rig.until(document, State.UNKNOWN)
    await asyncio.sleep(2.0)  # nothing must happen in this time: there is no event to wait for
    assert (await rig.read(document)).state is State.UNKNOWN
    await rig.advance(minutes=40)
    await _until_event(rig, document, "unknown_long")
    assert (await rig.read(document)).attempts == 1


async def test_fault_K07_no_verdict_raises_the_alarm_whatever_the_question_meets(rig: Rig, sandbox: Sandbox) -> None:
    """The status itself cannot be read: after half an hour the document says so, once."""
    sandbox.fault(STATUS, "empty_403", None)
    document = await rig.put_new("C5/1")
    await rig.start()
    await rig.until(document, State.SUBMITTED)
    await rig.advance(minutes=31)
    await _until_event(rig, document, "stuck")


async def test_fault_K05_adopted_without_metadata_has_a_day(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """The query does not show the original yet: the day in its number stands for its acquisition."""
    raw = invoice(number="C4/1", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    document = await rig.put(raw)
    await rig.start()
    assert rig.office is not None

    async def nothing(*_: Any) -> list[Registered]:
        return []

    rig.office._tools.ksef.find = nothing  # type: ignore[method-assign]
    done = await rig.until(document, State.ACCEPTED)
    assert done.acquisition_date is not None
    assert abs(done.acquisition_date - rig.clock()) < timedelta(days=2)


async def test_fault_K05_wrong_original_session_is_no_obstacle(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """The original's session does not show us its receipt: people are told once, the number stays."""
    sandbox.switch(duplicate_wrong_session=True)
    raw = invoice(number="C4/2", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    document = await rig.put(raw)
    await rig.start()
    await rig.until(document, State.ACCEPTED)
    await rig.advance(minutes=20)
    await _until_event(rig, document, "no_upo")
    assert (await rig.condition(f"no_upo:{document.id}"))["document"] == document.id


async def test_fault_K05_front_door_is_no_conflict(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """An empty 403 while the original is fetched says nothing about it: asked again, then adopted."""
    raw = invoice(number="C10/1", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    sandbox.fault("GET /v2/invoices/ksef/{ksefNumber}", "empty_403", 1)
    document = await rig.put(raw)
    await rig.start()
    await rig.until(document, State.UNKNOWN)
    await asyncio.sleep(1.0)  # the first fetch
    await rig.advance(minutes=3)
    await rig.until(document, State.ACCEPTED)


async def test_receiving_fails_aloud_and_alone(rig: Rig, sandbox: Sandbox) -> None:
    """413 for every export: a condition says so, sending goes on, KSeF is not "unreachable"; then it is lifted."""
    number = sandbox.call("POST", "/sandbox/inbound", raw=purchase_for_unit(number="C8/1", issue_date=rig.today()))
    sandbox.fault("POST /v2/invoices/exports", "empty_413", None)
    rig.receive, rig.every_seconds = True, 0.3
    await rig.start()
    assert (await rig.condition("receive_failing"))["since"]
    document = await rig.put_new("C8/2")
    await rig.until(document, State.ACCEPTED)
    seen = await rig.conditions()
    assert seen["reachable"]["ok"] is True
    assert "last_received" not in seen
    sandbox.call("DELETE", "/sandbox/faults")

    async def lifted() -> bool | None:
        return "receive_failing" not in await rig.conditions() or None

    await rig.eventually(lifted, "receive_failing lifted")
    await rig.condition("last_received")
    assert (await rig.spool.read(lambda store: store.received(number["ksef_number"]))).unit == "sp1"


async def test_garbled_package_does_not_silence_sending(rig: Rig, sandbox: Sandbox) -> None:
    """Every package is cut: receiving says so, a document of ours is sent as ever."""
    sandbox.call("POST", "/sandbox/inbound", raw=purchase_for_unit(number="C8/3", issue_date=rig.today()))
    sandbox.fault("GET /storage/{area}/{ref}/{name}", "truncate", None)
    rig.receive, rig.every_seconds = True, 0.3
    await rig.start()
    await rig.condition("receive_failing")
    document = await rig.put_new("C8/4")
    await rig.until(document, State.ACCEPTED)
    assert (await rig.conditions())["reachable"]["ok"] is True


async def test_mended_body_is_sent_and_its_alarm_is_over(rig: Rig) -> None:
    """Each damaged document has an alarm of its own; it goes when the bytes are right again."""
    documents = [await rig.put_new(f"C11/{n}") for n in range(2)]
    packed = await rig.spool.write(lambda store: [_break(store, d.sha256) for d in documents])
    await rig.start()
    for document in documents:
        await rig.condition(f"damaged:{document.id}")
    await rig.spool.write(
        lambda store: store._db.execute("UPDATE body SET packed = ? WHERE sha256 = ?", (packed[0], documents[0].sha256))
    )
    await rig.advance(hours=1, minutes=1)
    await rig.until(documents[0], State.ACCEPTED)
    names = await rig.conditions()
    assert f"damaged:{documents[0].id}" not in names
    assert f"damaged:{documents[1].id}" in names
    rig.broken = frozenset({"I8"})


def _break(store: Any, sha256: str) -> bytes:
    packed = store._db.execute("SELECT packed FROM body WHERE sha256 = ?", (sha256,)).fetchone()["packed"]
    store._db.execute("UPDATE body SET packed = x'00' WHERE sha256 = ?", (sha256,))
    return bytes(packed)


async def test_conflict_does_not_tell_the_other_number(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """The unit reads a neutral sentence; the other document's KSeF number is in the event's data only."""
    raw = invoice(number="U1/1", issue_date=rig.today(), footer="inna")
    await _send_elsewhere(rig, tmp_path, raw)
    other = sandbox.ledger()[sha256_hex(raw)]
    document = await rig.put_new("U1/1")
    await rig.start()
    clash = await rig.until(document, State.CONFLICT)
    told = await _until_event(rig, document, "conflict")
    assert told.data["ksef_number"] == other["ksef_number"]
    assert all(other["ksef_number"] not in e.note for e in await _events(rig, document))
    assert other["ksef_number"] not in clash.reason
