"""What kills its process three times is quarantined, or set aside where only KSeF may decide (F19)."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import take
from spool import actions, law, poison
from spool.access import FILE, Spool
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document
from spool.domain.municipality import Context, ContextType, Municipality
from spool.domain.states import State
from spool.hands import Hands
from spool.looking import Looking
from spool.store import Store
from tests.documents import due, new
from tests.spool_story import report_of

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)
TOWN = Context("gmina", ContextType.NIP, "5080014460", "prod", "", "", "")
RULES = law.Rules(law.Law(), Municipality("Gmina", "5080014460", {"gmina": TOWN}))
UNIT = {"sp1"}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def put(spool: Spool, number: str = "FV/1", state: State = State.QUEUED) -> Document:
    """A document in this state, by the way that leads there; due tomorrow."""
    raw = f"<a>{number}</a>".encode()
    tomorrow = due(NOW + timedelta(days=1), NOW)

    def job(store: Store) -> Document:
        document = store.add(new(raw, NOW, number=number, due=tomorrow), raw, "a", NOW)
        if state in {State.WAITING, State.HELD}:
            return store.move(document.id, state, NOW, "agent", "Czeka.", reason="Czeka.")
        if state is not State.QUEUED:
            store.begin_attempt(document, "S", NOW)
        if state in {State.SUBMITTED, State.ACCEPTED}:
            store.end_attempt(document.id, "submitted", NOW)
            store.move(document.id, State.SUBMITTED, NOW, "agent", "Przyjęto.")
        if state is State.ACCEPTED:
            store.end_attempt(document.id, "accepted", NOW)
            store.move(document.id, state, NOW, "agent", "Numer.", ksef_number=f"K{number}")
        if state is State.UNKNOWN:
            store.end_attempt(document.id, "unknown", NOW)
            store.move(document.id, state, NOW, "agent", "Nie wiadomo.")
        return store.document(document.id)

    return spool.write_now(job)


def die(spool: Spool, subject: str, times: int = 1, role: str = "agent", now: datetime = NOW) -> None:
    """So many deaths of a process with this in its hands."""
    for _ in range(times):
        spool.write_now(lambda store: poison.died_with(store, [subject], role, now))


def read(spool: Spool, document: Document) -> Document:
    """The document now."""
    return spool.read_now(lambda store: store.document(document.id))


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.HELD])
def test_fault_F19_the_third_death_quarantines_what_waits(spool: Spool, state: State) -> None:
    """Twice proves nothing. The third time: QUARANTINED, a Polish reason, an alarm, and a spool that checks clean."""
    document, other = put(spool, state=state), put(spool, "FV/2")
    die(spool, document.id, 2)
    assert read(spool, document).state is state
    die(spool, document.id)
    done = read(spool, document)
    assert (done.state, done.problems[0].code) == (State.QUARANTINED, "poison")
    assert "3 razy przerwał pracę" in done.reason
    assert read(spool, other).state is State.QUEUED
    told = [f for f in findings(spool.read_now(lambda s: take(s, ["gmina"], NOW, UNIT))) if f.level is Level.ALARM]
    assert any("1 faktura jest w kwarantannie" in finding.sentence for finding in told)
    assert report_of(spool.path, NOW).ok


def test_fault_F19_the_duty_of_a_quarantined_document_goes_on(spool: Spool) -> None:
    """Its date is still on the ladder of alarms: quarantine never makes a deadline pass in silence."""
    document = put(spool)
    die(spool, document.id, 3)
    seen = spool.read_now(lambda store: store.alarm_look(NOW, NOW + timedelta(days=5)))
    assert [(c.unit, c.due) for c in seen.candidates] == [("sp1", document.due_safe)]
    spool.write_now(lambda store: actions.withdraw(store, document.id, NOW, "anna", "Nieważna."))
    assert not spool.read_now(lambda store: store.alarm_look(NOW, NOW + timedelta(days=5))).candidates


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.SUBMITTED, State.ACCEPTED])
def test_fault_F19_without_a_verdict_it_is_never_quarantined(spool: Spool, state: State) -> None:
    """What is on its way or numbered keeps its state: one event, an alarm, an hour's pause, and a person's way back."""
    document = put(spool, state=state)
    die(spool, document.id, 4)
    spool.write_now(lambda store: poison.put_off(store, "agent", NOW))
    done = read(spool, document)
    assert (done.state, done.next_action_at) == (state, NOW + timedelta(hours=1))
    assert [e.move for e in spool.read_now(lambda s: s.history(document.id))].count("set_aside") == 1
    sentences = [f.sentence for f in findings(spool.read_now(lambda s: take(s, ["gmina"], NOW, UNIT)))]
    assert any(document.id in sentence and "przerywa pracę programu" in sentence for sentence in sentences)
    assert spool.write_now(lambda store: actions.try_again(store, document.id, NOW, "anna"))
    assert read(spool, document).next_action_at == NOW
    assert not spool.read_now(lambda store: store.crashed(1))
    assert not spool.write_now(lambda store: actions.try_again(store, document.id, NOW, "anna"))


def test_fault_F19_a_machine_that_keeps_dying_does_not_quarantine_everything(spool: Spool) -> None:
    """At most three within an hour: more poison than that is not the documents. The others wait an hour, alarmed."""
    documents = [put(spool, f"FV/{n}") for n in range(5)]
    for document in documents:
        die(spool, document.id, 3)
    states = [read(spool, document).state for document in documents]
    assert states == [State.QUARANTINED] * 3 + [State.QUEUED] * 2
    later = NOW + timedelta(hours=2)
    die(spool, documents[3].id, now=later)
    assert read(spool, documents[3]).state is State.QUARANTINED


def test_fault_F19_a_person_puts_it_back(spool: Spool) -> None:
    """Back to QUEUED under the person's name, with its date and three new lives; not while its number is taken."""
    document = put(spool)
    die(spool, document.id, 3)
    back = spool.write_now(lambda s: actions.out_of_quarantine(s, document.id, NOW, "anna", "", RULES))
    assert (back.state, back.owed, back.problems) == (State.QUEUED, False, ())
    assert back.due_safe is not None
    die(spool, document.id, 2)
    assert read(spool, document).state is State.QUEUED
    die(spool, document.id)
    twin = new(b"<b/>", NOW, number="FV/1")
    spool.write_now(lambda store: store.add(twin, b"<b/>", "b", NOW))
    with pytest.raises(MoveRefused):
        spool.write_now(lambda s: actions.out_of_quarantine(s, document.id, NOW, "anna", "", RULES))
    assert report_of(spool.path, NOW).ok


def test_fault_F19_a_delivery_that_kills_quarantines_the_document_made_of_it(spool: Spool) -> None:
    """Known by the hash of its bytes; a received invoice has no state and is only set aside."""
    document, number = put(spool), "7770001111-20261120-AAAAAA-AAAAAA-7F"
    die(spool, f"{poison.DELIVERY}{document.sha256}", 3, "gateway")
    assert read(spool, document).state is State.QUARANTINED
    die(spool, number, 3, "gateway")
    assert number in spool.read_now(lambda store: store.crashed(poison.TOO_OFTEN))
    assert spool.write_now(lambda store: actions.try_again(store, number, NOW, "anna"))


# -- the note of what is in hand -----------------------------------------------------------------------------------


def hands(spool: Spool) -> Hands:
    """A run of the gateway begins."""
    return Hands(spool.path.parent, "gateway", spool, lambda: NOW)


async def killed_with(spool: Spool, *subjects: str) -> None:
    """A run that dies with these in its hands: nothing after the note is executed."""
    run = hands(spool)
    await run.begin()
    for subject in subjects:
        await run.on(subject).__aenter__()
    run.close()


async def test_fault_F19_a_healthy_document_costs_no_commit(spool: Spool) -> None:
    """The note is no commit: neither for the work nor at the next start after it."""
    looking = Looking(spool.path)
    version = looking.aside(lambda store: store._db.execute("PRAGMA data_version").fetchone()[0])
    for _ in range(2):
        run = hands(spool)
        await run.begin()
        async with run.on("a", "b"):
            pass
        run.close()
    assert looking.aside(lambda store: store._db.execute("PRAGMA data_version").fetchone()[0]) == version
    looking.close()
    assert not spool.read_now(lambda store: store.crashed(1))


async def test_fault_F19_the_count_is_written_before_the_work(spool: Spool) -> None:
    """Three runs that die with it convict it; a bystander is forgiven as soon as it was handled well."""
    await killed_with(spool, "poison", "bystander")
    run = hands(spool)
    await run.begin()
    assert run.suspicious
    async with run.on("bystander"):
        pass
    run.close()
    await killed_with(spool, "poison")
    await killed_with(spool, "poison", "another")
    run = hands(spool)
    await run.begin()
    assert spool.read_now(lambda store: store.crashes("gateway")) == {"poison": 3, "another": 1}
    assert await run.poison("poison")
    assert not await run.poison("another")
    spool.write_now(lambda store: store.forget_crashes("poison"))  # a person, meanwhile
    assert not await run.poison("poison")
    run.close()


async def test_fault_F19_suspects_are_handled_one_at_a_time(spool: Spool) -> None:
    """So that the next death convicts the guilty one only; what is above suspicion waits for nobody."""
    await killed_with(spool, "one", "two")
    run = hands(spool)
    await run.begin()
    at_work: list[str] = []
    healthy = asyncio.Event()

    async def work(subject: str) -> None:
        async with run.on(subject):
            at_work.append(subject)
            if subject == "healthy":
                healthy.set()
            await asyncio.Event().wait()

    tasks = [asyncio.ensure_future(work(subject)) for subject in ("one", "two", "healthy")]
    await healthy.wait()
    assert at_work == ["one", "healthy"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    run.close()


async def test_more_in_hand_than_the_note_has_room_for(spool: Spool) -> None:
    """Work never waits for a slot, and every slot comes back."""
    run = hands(spool)
    await run.begin()
    many = [f"document-{n}" for n in range(2000)]
    async with run.on(*many), run.on("one more"):
        pass
    async with run.on("x" * 200):
        pass
    run.close()
    assert not hands(spool)._left
