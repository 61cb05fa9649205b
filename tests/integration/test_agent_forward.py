"""Sending against the sandbox: from the queue to the KSeF number and the receipt, and every way it can go wrong."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluza.samples import invoice
from spool.access import Spool
from spool.domain.document import Mode
from spool.domain.ledger import Document, Event
from spool.domain.states import State
from spool.store import Store
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401

SEND = "POST /v2/sessions/online/{referenceNumber}/invoices"
OPEN = "POST /v2/sessions/online"


async def test_three_documents_get_numbers_and_receipts(rig: Rig, sandbox: Sandbox) -> None:
    """Documents in the queue come out with their own KSeF number and a UPO that names it."""
    documents = [await rig.put_new(f"S/{n}") for n in range(3)]
    await rig.start()
    done = [await rig.until_upo(d) for d in documents]
    ledger = sandbox.ledger()
    for document in done:
        assert document.state is State.ACCEPTED
        assert document.ksef_number == ledger[document.sha256]["ksef_number"]
        assert ledger[document.sha256]["posts"] == 1
        assert document.acquisition_date is not None
        assert document.upo_sha256 is not None


async def test_fault_K01_lost_answer_is_reconciled_not_resent(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF took the document, its answer was lost: the list of the session knows it, nothing is sent again."""
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.05)
    document = await rig.put_new("K01/after")
    await rig.start()
    done = await rig.until_upo(document)
    entry = sandbox.ledger()[done.sha256]
    assert (entry["posts"], entry["ksef_number"]) == (1, done.ksef_number)
    moves = await _moves(rig, document)
    assert "SENDING>UNKNOWN" in moves
    assert "UNKNOWN>SUBMITTED" in moves


@pytest.mark.parametrize("kind", ["timeout_before", "http_502", "html_200"])
async def test_fault_K01_absence_is_proven_by_the_closed_session(rig: Rig, sandbox: Sandbox, kind: str) -> None:
    """Nobody knows whether it was heard: only the list of the closed session allows a second send."""
    sandbox.fault(SEND, kind, 1, **({"hold_s": 0.05} if kind == "timeout_before" else {}))
    document = await rig.put_new(f"K01/{kind}")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    moves = await _moves(rig, document)
    assert moves.index("SENDING>UNKNOWN") < moves.index("UNKNOWN>QUEUED")
    outcomes = await rig.spool.read(lambda store: _outcomes(store, document.id))
    assert outcomes == ["absent", "accepted"]


async def test_fault_K01_truncated_answer(rig: Rig, sandbox: Sandbox) -> None:
    """Half an answer to a send is no answer."""
    sandbox.fault(SEND, "truncate", 1)
    document = await rig.put_new("K01/truncate")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_F01_killed_during_the_call(rig: Rig, sandbox: Sandbox) -> None:
    """The process dies between intent and answer: the next one reads KSeF first and sends nothing twice (F01)."""
    sandbox.fault(SEND, "timeout_after", 1, hold_s=1.5)
    document = await rig.put_new("F01/kill")
    await rig.start()

    async def registered() -> bool | None:
        return (document.sha256 in sandbox.ledger()) or None

    await rig.eventually(registered, "registered by the sandbox")
    await rig.kill()
    assert (await rig.read(document)).state is State.SENDING
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


async def test_fault_K01_lost_answer_of_open_costs_nothing(rig: Rig, sandbox: Sandbox) -> None:
    """The opening's answer is lost: another session is opened, the document never left the queue."""
    sandbox.fault(OPEN, "timeout_after", 1, hold_s=0.05)
    document = await rig.put_new("OPEN/1")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert done.attempts == 1


async def test_session_is_rotated_on_21184(rig: Rig, sandbox: Sandbox) -> None:
    """A session that KSeF calls unavailable is left; the same bytes go into a new one."""
    sandbox.fault(SEND, "21184", 1)
    document = await rig.put_new("21184/1")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.requests()["by_endpoint"][OPEN] == 2
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    assert "SENDING>QUEUED" in await _moves(rig, document)


async def test_fault_K09_session_is_left_after_twelve_hours(rig: Rig, sandbox: Sandbox) -> None:
    """A session is left before its end; the old one is followed to its final status (K09)."""
    first = await rig.put_new("K09/1")
    await rig.start()
    await rig.until_upo(first)
    await rig.advance(hours=13)
    second = await rig.put_new("K09/2")
    done = await rig.until_upo(second)
    assert done.session != (await rig.read(first)).session

    async def ended() -> bool | None:
        old = await rig.spool.read(lambda store: store.session(str((store.document(first.id)).session)))
        return (old is not None and old.final_at is not None) or None

    await rig.eventually(ended, "the old session final")


async def test_sessions_of_an_earlier_run_are_closed(rig: Rig, sandbox: Sandbox) -> None:
    """A session whose key is gone is closed and watched, never sent into."""
    first = await rig.put_new("RUN/1")
    await rig.start()
    await rig.until_upo(first)
    await rig.kill()
    second = await rig.put_new("RUN/2")
    await rig.start()
    done = await rig.until_upo(second)
    old = (await rig.read(first)).session
    assert done.session != old

    async def ended() -> bool | None:
        session = await rig.spool.read(lambda store: store.session(str(old)))
        return (session is not None and session.final_at is not None) or None

    await rig.eventually(ended, "the old session final")


async def test_fault_K11_rotated_key_is_fetched_anew(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF replaces its key at once: 21470, fetch the keys, go on (K11)."""
    first = await rig.put_new("KEY/1")
    await rig.start()
    await rig.until(first, State.ACCEPTED)
    keys = sandbox.call("GET", "/v2/security/public-key-certificates")
    old = [k["publicKeyId"] for k in keys if "SymmetricKeyEncryption" in k["usage"]]
    sandbox.call("POST", "/sandbox/keys", {"add": "SymmetricKeyEncryption"})
    for key_id in old:
        sandbox.call("POST", "/sandbox/keys", {"retire": key_id})
    assert rig.office is not None
    rig.office._sessions.leave_all()
    second = await rig.put_new("KEY/2")
    await rig.until(second, State.ACCEPTED)


async def test_status_410_pauses_the_context_and_holds_the_document(rig: Rig, sandbox: Sandbox) -> None:
    """No right to issue for this seller is a fault of the set-up: never refused, nothing more is sent."""
    foreign = await rig.put_new("410/1", seller_nip="5250000021")
    await rig.start()
    held = await rig.until(foreign, State.HELD)
    assert "Kontekst KSeF" in held.reason
    paused = await rig.condition("paused")
    assert (paused["code"], paused["kind"]) == ("invoice:410", "send")
    waiting = await rig.put_new("410/2")
    await asyncio.sleep(1.0)  # nothing must happen in this time: there is no event to wait for
    assert (await rig.read(waiting)).state is State.QUEUED
    now = rig.clock()
    await rig.spool.write(lambda store: store.set_condition("gmina", "paused", None, now))
    await rig.until(waiting, State.ACCEPTED)
    assert (await rig.read(foreign)).state is State.HELD


async def test_refused_content_goes_back_with_a_reason(rig: Rig, sandbox: Sandbox) -> None:
    """A content error is the unit's: REFUSED, with KSeF's own words in a Polish sentence."""
    raw = invoice(number="450/1", issue_date=rig.today()).replace(b"<KodWaluty>PLN<", b"<KodWaluty>XX<")
    document = await rig.put(raw)
    await rig.start()
    refused = await rig.until(document, State.REFUSED)
    assert refused.problems[0].code == "ksef_refused"
    assert "450" in refused.problems[0].message
    assert refused.ksef_number is None


async def test_fault_K05_own_bytes_are_adopted(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """A duplicate whose registered bytes are ours: its number is our number, its receipt our receipt."""
    raw = invoice(number="440/own", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    document = await rig.put(raw)
    await rig.start()
    done = await rig.until_upo(document)
    assert done.ksef_number == sandbox.ledger()[done.sha256]["ksef_number"]
    assert done.acquisition_date is not None


async def test_fault_K05_own_bytes_without_extensions(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """The extensions are missing: the metadata query finds the original by seller and number."""
    sandbox.switch(duplicate_extensions_absent=True)
    raw = invoice(number="440/bare", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    document = await rig.put(raw)
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert done.ksef_number == sandbox.ledger()[done.sha256]["ksef_number"]


@pytest.mark.parametrize("bare", [False, True])
async def test_fault_K05_other_bytes_are_a_conflict(rig: Rig, sandbox: Sandbox, tmp_path: Path, bare: bool) -> None:
    """The number belongs to another document: a person decides, nothing is adopted."""
    number = f"440/other{bare:d}"
    sandbox.switch(duplicate_extensions_absent=bare)
    await _send_elsewhere(rig, tmp_path, invoice(number=number, issue_date=rig.today(), footer="inna"))
    document = await rig.put_new(number)
    await rig.start()
    clash = await rig.until(document, State.CONFLICT)
    assert clash.ksef_number is None
    assert "inny dokument" in clash.reason


async def test_fault_K04_ban_is_obeyed(rig: Rig, sandbox: Sandbox) -> None:
    """After a 429 nothing of that group is asked for before the time is up; other groups go on."""
    first = await rig.put_new("429/1")
    await rig.start()
    await rig.until_upo(first)
    sandbox.fault(SEND, "429", 1, retry_after=2)
    second = await rig.put_new("429/2")
    started = time.monotonic()
    await rig.until(second, State.ACCEPTED)
    assert time.monotonic() - started >= 1.9
    assert sandbox.requests()["in_ban"] == 0
    assert sandbox.ledger()[second.sha256]["posts"] == 1


async def test_fault_K04_own_budget_keeps_clear_of_429(rig: Rig, sandbox: Sandbox) -> None:
    """With KSeF's limits on, a burst is paced by ourselves: not one request too many."""
    sandbox.switch(rate_limits="on")
    documents = [await rig.put_new(f"PACE/{n}") for n in range(12)]
    await rig.start()
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    assert sandbox.requests()["in_ban"] == 0
    assert [(await rig.read(d)).attempts for d in documents] == [1] * 12


async def test_case_E10_tomorrow_is_refused_again_at_send(rig: Rig, sandbox: Sandbox) -> None:
    """A document dated after today, by our clock and KSeF's, goes back to the unit instead of waiting in silence."""
    tomorrow = rig.today() + timedelta(days=1)
    document = await rig.put(invoice(number="K17/1", issue_date=tomorrow))
    other = await rig.put_new("K17/2")
    await rig.start()
    await rig.until(other, State.ACCEPTED)
    refused = await rig.until(document, State.REFUSED)
    assert [p.code for p in refused.problems] == ["issue_date_in_future"]
    assert document.sha256 not in sandbox.ledger()


async def test_fault_F10_damaged_body_is_never_sent(rig: Rig, sandbox: Sandbox) -> None:
    """Bytes that no longer have their hash are not sent; the alarm is raised, the rest goes on."""
    document = await rig.put_new("F10/1")
    await rig.spool.write(
        lambda store: store._db.execute("UPDATE body SET packed = x'00' WHERE sha256 = ?", (document.sha256,))
    )
    other = await rig.put_new("F10/2")
    await rig.start()
    await rig.until(other, State.ACCEPTED)
    assert (await rig.condition(f"damaged:{document.id}"))["document"] == document.id
    assert (await rig.read(document)).state is State.QUEUED
    assert document.sha256 not in sandbox.ledger()
    rig.broken = frozenset({"I8"})


async def test_offline_mode_is_declared(rig: Rig, sandbox: Sandbox) -> None:
    """A document issued offline is sent as such; an online one of today is not."""
    offline = await rig.put(invoice(number="OFF/1", issue_date=rig.today()), mode=Mode.OFFLINE24)
    online = await rig.put_new("OFF/2")
    await rig.start()
    await rig.until(offline, State.ACCEPTED)
    await rig.until(online, State.ACCEPTED)
    ledger = sandbox.ledger()
    assert ledger[offline.sha256]["offline"] is True
    assert ledger[online.sha256]["offline"] is False


async def test_fault_K14_receipt_only_after_close(rig: Rig, sandbox: Sandbox) -> None:
    """The number is kept without a receipt; after ten minutes the session is closed and the receipt is there."""
    sandbox.switch(upo_only_after_close=True)
    document = await rig.put_new("K14/1")
    await rig.start()
    numbered = await rig.until(document, State.ACCEPTED)
    assert numbered.upo_sha256 is None
    await rig.advance(minutes=11)
    done = await rig.until_upo(document)
    assert done.ksef_number == numbered.ksef_number


async def test_fault_K07_stuck_is_never_resent(rig: Rig, sandbox: Sandbox) -> None:
    """150 for an hour: no resend, one alarm; when KSeF goes on, the number comes."""
    sandbox.switch(stuck_150=True)
    document = await rig.put_new("K07/1")
    await rig.start()
    await rig.until(document, State.SUBMITTED)
    await rig.advance(minutes=31)
    await _until_event(rig, document, "stuck")
    sandbox.switch(stuck_150=False)
    await rig.advance(minutes=5)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    assert [e.move for e in await _events(rig, document)].count("stuck") == 1


async def test_many_are_read_from_the_list(rig: Rig, sandbox: Sandbox) -> None:
    """Many waiting verdicts of one session cost one look at its list, not one question each."""
    sandbox.switch(stuck_150=True)
    documents = [await rig.put_new(f"LIST/{n}") for n in range(20)]
    await rig.start()
    for document in documents:
        await rig.until(document, State.SUBMITTED)
    await rig.stop()
    sandbox.switch(stuck_150=False)
    at = rig.clock()
    await rig.spool.write(lambda store: [store.postpone(d.id, at) for d in documents])  # all of them at once
    await rig.start()
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    calls = sandbox.requests()["by_endpoint"]
    assert calls["GET /v2/sessions/{referenceNumber}/invoices"] >= 1


async def test_front_door_without_reason_is_left_alone(rig: Rig, sandbox: Sandbox) -> None:
    """An empty 403 proves that nothing happened; nobody knocks again for a minute."""
    sandbox.fault(SEND, "empty_403", 1)
    document = await rig.put_new("403/1")
    await rig.start()

    async def back() -> Document | None:
        now = await rig.read(document)
        return now if now.state is State.QUEUED and now.attempts == 1 else None

    await rig.eventually(back, "back in the queue")
    await asyncio.sleep(0.7)  # nothing must happen in this time: there is no event to wait for
    assert sandbox.requests()["by_endpoint"][SEND] == 1
    await rig.advance(seconds=61)
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[done.sha256]["posts"]) == (2, 1)


async def test_budget_survives_a_restart(rig: Rig, sandbox: Sandbox) -> None:
    """What an earlier run sent within the hour still counts: KSeF has not forgotten it either."""
    documents = [await rig.put_new(f"MEM/{n}") for n in range(3)]
    await rig.start()
    for document in documents:
        await rig.until(document, State.ACCEPTED)
    await rig.stop()
    await rig.start()
    assert rig.office is not None
    office = rig.office

    async def remembered() -> bool | None:
        return len(office._budget._groups.get("invoiceSend", _Nothing).spent) == 3 or None

    await rig.eventually(remembered, "three sends remembered")


class _Nothing:
    spent: tuple[float, ...] = ()


async def test_fault_K14_receipt_of_another_document_is_not_stored(rig: Rig) -> None:
    """A UPO that names another number or another hash is refused; the number stays, the right one comes later."""
    first = await rig.put_new("K14/a")
    await rig.start()
    foreign = await rig.until_upo(first)
    wrong = await rig.spool.read(lambda store: store.body(str(foreign.upo_sha256)))
    assert rig.office is not None
    ksef = rig.office._tools.ksef
    real = ksef.upo

    async def other(session: str, reference: str) -> bytes:
        ksef.upo = real  # type: ignore[method-assign]
        return wrong

    ksef.upo = other  # type: ignore[method-assign]
    second = await rig.put_new("K14/b")

    async def noticed() -> bool | None:
        return ("upo_wrong" in await _moves(rig, second)) or None

    await rig.eventually(noticed, "the wrong receipt noticed")
    assert (await rig.read(second)).upo_sha256 is None
    await rig.advance(minutes=11)
    done = await rig.until_upo(second)
    assert done.upo_sha256 != foreign.upo_sha256


async def test_fault_K01_long_doubt_raises_an_alarm(rig: Rig, sandbox: Sandbox) -> None:
    """Half an hour without knowing: one alarm, still no resend; when the list can be read, the truth is there."""
    sandbox.fault("GET /v2/sessions/{referenceNumber}/invoices", "http_502", None)
    sandbox.fault(SEND, "timeout_after", 1, hold_s=0.05)
    document = await rig.put_new("DOUBT/1")
    await rig.start()
    await rig.until(document, State.UNKNOWN)
    await rig.advance(minutes=31)
    await _until_event(rig, document, "unknown_long")
    sandbox.call("DELETE", "/sandbox/faults")
    await rig.advance(minutes=6)
    done = await rig.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1


@pytest.mark.parametrize("kind", ["html_200", "truncate", "http_503"])
async def test_fault_K03_unreadable_status_changes_nothing(rig: Rig, sandbox: Sandbox, kind: str) -> None:
    """A page of a proxy instead of a status is no verdict."""
    sandbox.fault("GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}", kind, 2)
    document = await rig.put_new(f"K03/{kind}")
    await rig.start()
    await rig.until(document, State.ACCEPTED)
    assert "SUBMITTED>UNKNOWN" not in await _moves(rig, document)


async def _send_elsewhere(rig: Rig, tmp_path: Path, raw: bytes) -> None:
    """Another program of the town, with a spool of its own, sends these bytes first."""
    other = Spool(tmp_path / "other" / "spool.db")
    try:
        async with replace(rig, spool=other, state=tmp_path / "other") as elsewhere:
            document = await elsewhere.put(raw)
            await elsewhere.start()
            await elsewhere.until(document, State.ACCEPTED)
    finally:
        other.close()


async def _until_event(rig: Rig, document: Document, move: str) -> Event:
    async def look() -> Event | None:
        return next((e for e in await _events(rig, document) if e.move == move), None)

    event = await rig.eventually(look, f"event {move}")
    assert isinstance(event, Event)
    return event


async def _events(rig: Rig, document: Document) -> list[Event]:
    return await rig.spool.read(lambda store: store.history(document.id))


async def _moves(rig: Rig, document: Document) -> list[str]:
    return [event.move for event in await _events(rig, document)]


def _outcomes(store: Store, document_id: str) -> list[str]:
    found = store._db.execute("SELECT outcome FROM attempt WHERE document = ? ORDER BY id", (document_id,))
    return [row["outcome"] for row in found]
