"""Numbers of a series go to KSeF in their order, where the unit wants that (JST rule S3)."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from sluza.samples import invoice
from spool import actions, series
from spool.domain.ledger import Document, Event
from spool.domain.states import State
from spool.xml import read_received
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401

SEND, OPEN = "POST /v2/sessions/online/{referenceNumber}/invoices", "POST /v2/sessions/batch"
GONE = (State.ACCEPTED,)


@pytest.fixture(autouse=True)
async def _another_day_with_limits(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF's limits are on, as in production, and what the test before spent is long ago."""
    sandbox.switch(rate_limits="on")
    noon = datetime.combine(rig.today() + timedelta(days=1), time(11), UTC)
    await rig.advance(seconds=(noon - sandbox.now()).total_seconds())


async def _put(rig: Rig, number: str, **more: Any) -> Document:
    return await rig.put(invoice(number=number, issue_date=rig.today()), **more)


def _order(rig: Rig, order: str) -> None:
    school = replace(rig.units["sp1"], series=r"[A-Z0-9]+/(?P<n>\d+)", series_order=order)
    rig.units = rig.units | {"sp1": school}


async def _events(rig: Rig, document: Document, move: str) -> list[Event]:
    history = await rig.spool.read(lambda store: store.history(document.id))
    return [event for event in history if event.move == move]


async def test_jst_S3_strict_waits_for_the_earlier_number(rig: Rig, sandbox: Sandbox) -> None:
    """Number 2 goes when 1 has its KSeF number, not before; other series, numbers without one and units go at once."""
    _order(rig, "strict")
    sandbox.fault(SEND, "stuck_150", 1)
    first = await _put(rig, "W/1")
    await rig.start()
    await rig.until(first, State.SUBMITTED)
    second = await _put(rig, "W/2")
    others = [await _put(rig, "V/7"), await _put(rig, "W-nic"), await _put(rig, "W/3", unit="urzad")]
    for other in others:
        await rig.until(other, *GONE)
    assert (await rig.read(second)).state is State.QUEUED
    assert second.sha256 not in sandbox.ledger()
    sandbox.call("DELETE", "/sandbox/faults")
    done = await rig.until(second, *GONE)
    before = await rig.read(first)
    assert before.handed_over_at is not None
    assert done.handed_over_at is not None
    assert before.ksef_number is not None
    assert not await _events(rig, second, series.OVERTOOK)


async def test_jst_S3_three_hours_before_its_date_it_goes_with_a_memo(rig: Rig, sandbox: Sandbox) -> None:
    """Number 1 has no verdict: at three hours to its date 2 goes, both histories say so, the memo is drafted once."""
    _order(rig, "strict")
    sandbox.fault(SEND, "stuck_150", 1)
    first = await _put(rig, "M/1")
    await rig.start()
    await rig.until(first, State.SUBMITTED)
    second, third = [await _put(rig, f"M/{n}", due_at=rig.clock() + timedelta(hours=8)) for n in (2, 3)]
    later = await _put(rig, "M/4", due_at=rig.clock() + timedelta(hours=30))
    await rig.advance(hours=5, seconds=1)
    for document in (second, third):
        await rig.until(document, *GONE)
        assert len(await _events(rig, document, series.OVERTOOK)) == 1
    assert (await rig.read(later)).state is State.QUEUED
    [memo] = await _events(rig, first, series.MEMO)
    assert all(part in memo.note for part in ("NOTATKA SŁUŻBOWA", "M/1", "M/2", "seria M/…"))
    assert await rig.spool.read(lambda store: series.memo(store, third.id)) == memo.note
    assert (await rig.read(first)).state is State.SUBMITTED


async def test_jst_S3_a_run_of_numbers_is_one_package(rig: Rig, sandbox: Sandbox) -> None:
    """Forty numbers that came in the wrong order are one package, none waits for the verdict of the one before."""
    _order(rig, "strict")
    day = rig.today()
    documents = await rig.put_all([invoice(number=f"P/{n}", issue_date=day) for n in range(40, 0, -1)])
    await rig.start()
    done = [await rig.until(document, *GONE) for document in documents]
    assert len({document.session for document in done}) == 1
    calls = sandbox.requests()["by_endpoint"]
    assert (calls.get(OPEN, 0), calls.get(SEND, 0)) == (1, 0)
    assert not [e for d in documents for e in await _events(rig, d, series.OVERTOOK)]


async def test_jst_S3_a_number_that_cannot_be_packed_stops_the_package(rig: Rig, sandbox: Sandbox) -> None:
    """Number 35 is damaged: what comes after it is taken out of the package again, what comes before it goes."""
    _order(rig, "strict")
    day = rig.today()
    documents = await rig.put_all([invoice(number=f"D/{n}", issue_date=day) for n in range(40)])
    await rig.spool.write(
        lambda store: store._db.execute("UPDATE body SET packed = x'00' WHERE sha256 = ?", (documents[35].sha256,))
    )
    rig.broken = frozenset({"I8"})
    await rig.start()
    for document in documents[:35]:
        await rig.until(document, *GONE)
    assert [(await rig.read(d)).state for d in documents[35:]] == [State.QUEUED] * 5
    assert not {d.sha256 for d in documents[35:]} & sandbox.ledger().keys()


async def test_jst_S3_a_parked_number_frees_the_next(rig: Rig, sandbox: Sandbox) -> None:
    """A person parks number 1 with a reason: 2 goes. Released, 1 goes, too."""
    _order(rig, "strict")
    first, second = await _put(rig, "H/1"), await _put(rig, "H/2")
    await rig.spool.write(lambda store: actions.hold(store, first.id, rig.clock(), "Anna", "Czekamy na aneks."))
    await rig.start()
    await rig.until(second, *GONE)
    assert first.sha256 not in sandbox.ledger()
    await rig.spool.write(lambda store: actions.release(store, first.id, rig.clock(), "Anna", ""))
    await rig.until(first, *GONE)


async def test_jst_S7_a_refused_number_frees_the_next(rig: Rig) -> None:
    """Number 1 goes back to the unit, its number is free: 2 goes, and nothing was overtaken."""
    _order(rig, "strict")
    right = invoice(number="R/1", issue_date=rig.today())
    wrong = right.replace(b"<P_2>", b"<P_2X>").replace(b"</P_2>", b"</P_2X>")
    first, second = await rig.put(wrong, facts=read_received(right)), await _put(rig, "R/2")
    await rig.start()
    await rig.until(first, State.REFUSED)
    await rig.until(second, *GONE)
    assert not await _events(rig, second, series.OVERTOOK)


async def test_jst_S3_warn_tells_once(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that only warns: 2 goes while 1 has had no verdict for minutes, sent twice and told once, no memo."""
    # In the session of a stuck neighbour a verdict that allows a second send counts only once its list is complete.
    monkeypatch.setattr("agent.follow._LIST_COMPLETE_S", 0.2)
    _order(rig, "warn")
    sandbox.fault(SEND, "stuck_150", 1)
    first = await _put(rig, "N/1")
    await rig.start()
    await rig.until(first, State.SUBMITTED)
    await rig.advance(minutes=3)
    sandbox.fault(SEND, "verdict_550", 1)
    second = await _put(rig, "N/2")
    assert (await rig.until(second, *GONE)).attempts == 2
    [told] = await _events(rig, second, series.OVERTOOK)
    assert "N/1" in told.note
    assert not await _events(rig, first, series.MEMO)
