"""Outages against a real sandbox: Latarnia speaks, deadlines follow, KSeF itself decides whether to try (K12, K13)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from sluza.samples import MUNICIPALITY_NIP, invoice
from spool import law, outages
from spool.domain.announcements import Category
from spool.domain.calendar import end_of_day, warsaw_date, working_day_after
from spool.domain.document import Mode
from spool.domain.ledger import Document, Outage
from spool.domain.municipality import Municipality
from spool.domain.states import State
from spool.domain.terms import DueState
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture

__all__ = ["bench_fixture", "rig_fixture", "sandbox_fixture"]


@pytest.fixture(name="quiet")
async def quiet_fixture(rig: Rig, sandbox: Sandbox) -> AsyncIterator[Rig]:
    """KSeF does not answer at all, and the agent listens to Latarnia."""
    sandbox.fault("ksef", "http_503", None)
    rig.outages = True
    await rig.start()
    yield rig
    sandbox.call("DELETE", "/sandbox/faults")


async def until_due(rig: Rig, document: Document, state: DueState, mode: Mode) -> Document:
    """Wait until the law says this of the document."""

    async def look() -> Document | None:
        now = await rig.read(document)
        return now if now.due_state is state and now.mode is mode else None

    found: Document = await rig.eventually(look, f"{mode} {state}")
    return found


async def heard(rig: Rig, category: Category) -> Outage:
    """Wait until the announcement is in the spool."""

    async def look() -> Outage | None:
        found = await rig.spool.read(lambda store: store.outages())
        return next((o for o in found if o.announcement.category is category), None)

    found: Outage = await rig.eventually(look, f"announcement {category}")
    return found


async def test_fault_K12_a_failure_opens_seven_days_and_all_drains(quiet: Rig, sandbox: Sandbox) -> None:
    """An online invoice that is still here takes the failure regime; its end gives the date; then everything goes."""
    document = await quiet.put_new("AWARIA/1")
    sandbox.announce(status="FAILURE")
    waiting = await until_due(quiet, document, DueState.PENDING, Mode.FAILURE)
    assert waiting.due_safe is None
    assert waiting.announcements
    sandbox.announce(status="AVAILABLE")
    dated = await until_due(quiet, document, DueState.OPEN, Mode.FAILURE)
    assert dated.due_safe == end_of_day(working_day_after(quiet.today(), 7))
    sandbox.call("DELETE", "/sandbox/faults")
    done = await quiet.until(document, State.ACCEPTED)
    assert sandbox.ledger()[done.sha256]["posts"] == 1
    assert (done.due_state, done.due_safe) == (DueState.MET, dated.due_safe)


async def test_fault_K13_latarnia_never_stops_a_send(rig: Rig, sandbox: Sandbox) -> None:
    """Latarnia announces a failure while KSeF works: the invoice goes at once, as one issued in a failure."""
    sandbox.announce(status="FAILURE")
    rig.outages = True
    await rig.start()
    await heard(rig, Category.FAILURE)
    document = await rig.put_new("AWARIA/2")
    done = await rig.until(document, State.ACCEPTED)
    assert done.sha256 in sandbox.ledger()


@pytest.mark.parametrize("how", ["502", "504", "refuse"])
async def test_fault_K13_a_silent_latarnia_changes_nothing(rig: Rig, sandbox: Sandbox, how: str) -> None:
    """Nobody answers there: it is written down once, deadlines stay, KSeF is asked as ever."""
    sandbox.announce(down=how)
    rig.outages = True
    await rig.start()
    document = await rig.put_new(f"AWARIA/3/{how}")

    async def told() -> dict[str, Any] | None:
        condition = await rig.spool.read(lambda store: store.condition("", "latarnia:sandbox"))
        return condition.value if condition and not condition.value["ok"] else None

    await rig.eventually(told, "the condition")
    assert (await rig.until(document, State.ACCEPTED)).mode is Mode.ONLINE
    assert await rig.spool.read(lambda store: store.outages()) == []


async def test_sandbox_G6_a_total_failure_waits_for_a_person(quiet: Rig, sandbox: Sandbox) -> None:
    """Shown by Latarnia it changes nothing; confirmed by name the duty ceases, and nothing is sent any more."""
    document = await quiet.put_new("AWARIA/4")
    sandbox.announce(status="TOTAL_FAILURE")
    shown = await heard(quiet, Category.TOTAL_FAILURE)
    assert not shown.acts
    assert (await quiet.read(document)).due_state is DueState.OPEN
    now, outage_id = quiet.clock(), shown.announcement.id
    await quiet.spool.write(lambda store: outages.confirm(store, outage_id, now, name="Anna Nowak"))
    ceased = await quiet.until(document, State.CEASED)
    assert ceased.due_safe is None
    sandbox.call("DELETE", "/sandbox/faults")
    await quiet.until(await quiet.put_new("AWARIA/5"), State.ACCEPTED)
    assert ceased.sha256 not in sandbox.ledger()


async def test_total_failure_never_touches_what_is_in_doubt(rig: Rig, sandbox: Sandbox) -> None:
    """An attempt without a verdict stays UNKNOWN and is read, whatever was announced (DESIGN 4.6)."""
    document = await rig.put_new("AWARIA/6")
    now = rig.clock()

    def doubt(store: Any) -> None:
        store.begin_attempt(document, "20261126-SO-0000000000-0000000000-00", now)
        store.end_attempt(document.id, "unknown", now)
        store.move(document.id, State.UNKNOWN, now, "agent", "W wątpliwości.")
        added = outages.add(
            store, "sandbox", Category.TOTAL_FAILURE, now - timedelta(minutes=5), now, name="Anna", link="https://bip"
        )
        outages.confirm(store, added.announcement.id, now, name="Anna")

    await rig.spool.write(doubt)
    rules = _rules(rig)
    await rig.spool.write(lambda store: law.recompute(store, rules, now))
    left = await rig.read(document)
    assert left.state is State.UNKNOWN
    assert left.due_state in {DueState.NONE, DueState.CEASED}


async def test_online_that_misses_midnight_becomes_offline24(quiet: Rig) -> None:
    """Art. 106nda(16): the new day makes it offline24 with the next working day as its date, and says why."""
    document = await quiet.put_new("POLNOC/1")
    issued = quiet.today()
    before = await quiet.spool.read(lambda store: store.history(document.id))
    await quiet.advance(days=1)
    missed = await until_due(quiet, document, DueState.OPEN, Mode.OFFLINE24)
    assert missed.deemed
    assert not missed.sent_offline
    assert missed.due_safe == end_of_day(working_day_after(issued))
    events = await quiet.spool.read(lambda store: store.history(document.id))
    assert [e.note for e in events[len(before) :] if e.move == "due"][-1] == f"Termin przeliczony. {missed.due_why}"


async def test_fault_K03_only_the_probe_asks_while_ksef_is_down(quiet: Rig, sandbox: Sandbox) -> None:
    """Twenty invoices wait through an outage without twenty doubts: at most one was tried."""
    documents = [await quiet.put_new(f"SONDA/{n}") for n in range(20)]
    await quiet.condition("reachable")

    async def probed() -> bool | None:
        calls = sandbox.requests()["by_endpoint"]
        return calls.get("GET /v2/security/public-key-certificates", 0) >= 3 or None

    await quiet.eventually(probed, "three probes")
    states = [(await quiet.read(d)).state for d in documents]
    assert sum(state is not State.QUEUED for state in states) <= 1
    sandbox.call("DELETE", "/sandbox/faults")
    for document in documents:
        await quiet.until(document, State.ACCEPTED)
    ledger = sandbox.ledger()
    assert all(ledger[d.sha256]["posts"] == 1 for d in documents)


async def test_sandbox_I15_a_technical_correction_is_sent_as_one(rig: Rig, sandbox: Sandbox) -> None:
    """Rejected offline: the corrected file names the hash of the original, and the ledger knows what it corrects."""
    sandbox.fault("POST /v2/sessions/online/{referenceNumber}/invoices", "verdict_430", 1)
    original = await rig.put(_raw(rig, "KT/1"), mode=Mode.OFFLINE24)
    await rig.start()
    refused = await rig.until(original, State.REFUSED)
    assert "sluza queue correct" in refused.problems[0].hint
    assert await rig.spool.read(lambda store: store.correctable(refused))
    other = _raw(rig, "KT/1").replace(b"<SystemInfo>", b"<SystemInfo>2 ")
    correction = await rig.put(other, mode=Mode.OFFLINE24, corrects=refused.sha256)
    done = await rig.until(correction, State.ACCEPTED)
    entry = sandbox.ledger()[done.sha256]
    assert (entry["corrects"], entry["offline"]) == (refused.sha256, True)
    assert not await rig.spool.read(lambda store: store.correctable(refused))


def _raw(rig: Rig, number: str) -> bytes:
    return invoice(number=number, issue_date=warsaw_date(rig.sandbox.now()))


def _rules(rig: Rig) -> law.Rules:
    return law.Rules(law.Law(), Municipality("Gmina", MUNICIPALITY_NIP, {rig.context.id: rig.context}, rig.units))


async def test_one_document_is_enough_to_see_that_ksef_is_down(quiet: Rig) -> None:
    """A single invoice meets 503: the probe confirms that KSeF as a whole does not answer, and the page says so."""
    await quiet.put_new("JEDNA/1")
    assert (await quiet.condition("reachable"))["ok"] is False
