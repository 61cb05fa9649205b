"""The order in which documents leave: nearest deadline first, units in turn, packages of one kind only."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import verdict
from sluza.samples import invoice
from spool.access import FILE, Spool
from spool.domain.document import Mode
from spool.domain.ledger import Document, Waiting
from spool.domain.states import LIVE, State
from spool.store import Store
from spool.xml import read_received
from tests.documents import due, new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SOON, LATE = NOW + timedelta(hours=3), NOW + timedelta(hours=9)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def add(spool: Spool, number: str, unit: str, at: datetime, **more: object) -> Document:
    """A queued document of this unit, due then."""
    raw = invoice(number=number, issue_date=NOW.date(), **{k: v for k, v in more.items() if k == "attachment"})
    mode = more.get("mode", Mode.ONLINE)
    assert isinstance(mode, Mode)
    entry = new(raw, NOW, unit=unit, facts=read_received(raw), due=due(at, NOW, mode))
    return spool.write_now(lambda s: s.add(entry, raw, number.replace("/", "-"), NOW))


def drain(spool: Spool) -> list[str]:
    """Numbers in the order in which they are given out one by one."""
    order, turn = [], ""
    while document := spool.read_now(lambda s: s.next_queued("gmina", NOW, after_unit=turn)):  # noqa: B023 - at once
        turn = document.unit
        order.append(document.facts.number)
        spool.write_now(lambda s: s.move(document.id, State.HELD, NOW, "Jan", "x", reason="x"))
    return order


def test_nearest_deadline_first_and_units_in_turn(spool: Spool) -> None:
    """Of equal dates each unit has its turn, however many one of them has; a nearer date goes before all."""
    for n in range(3):
        add(spool, f"A/{n}", "a", LATE)
    add(spool, "B/0", "b", LATE)
    add(spool, "C/0", "c", LATE)
    add(spool, "B/1", "b", SOON)
    assert drain(spool) == ["B/1", "C/0", "A/0", "B/0", "A/1", "A/2"]


def test_an_attachment_is_never_given_out_alone(spool: Spool) -> None:
    """It is counted as waiting for a package, and chosen into one."""
    document = add(spool, "ATT/1", "a", SOON, attachment=True)
    assert drain(spool) == []
    assert spool.read_now(lambda s: s.waiting("gmina", NOW, 100)) == Waiting(0, True)
    choice = spool.read_now(lambda s: s.packable("gmina", NOW.date(), NOW, 10))
    assert [entry.id for entry in choice.entries] == [document.id]


def test_a_package_takes_units_in_turn_and_one_kind(spool: Spool) -> None:
    """The most urgent document decides whether a package goes offline; a small unit is in the first package."""
    for n in range(4):
        add(spool, f"A/{n}", "a", LATE)
    add(spool, "B/0", "b", LATE)
    add(spool, "OFF/0", "b", LATE + timedelta(hours=1), mode=Mode.OFFLINE24)
    choice = spool.read_now(lambda s: s.packable("gmina", NOW.date(), NOW, 3))
    numbers = [spool.read_now(lambda s, e=e: s.document(e.id)).facts.number for e in choice.entries]  # type: ignore[misc]
    assert (choice.offline, numbers) == (False, ["A/0", "B/0", "A/1"])


def test_nothing_from_tomorrow_is_packed(spool: Spool) -> None:
    """What is issued after KSeF's day stays out of a package: KSeF would refuse it."""
    add(spool, "A/0", "a", LATE)
    assert not spool.read_now(lambda s: s.packable("gmina", NOW.date() - timedelta(days=1), NOW, 3)).entries


def test_what_a_package_holds_is_not_asked_about_alone(spool: Spool) -> None:
    """Whatever the clock says, KSeF has no reference of it yet: only the session of the package can be asked."""
    document = add(spool, "A/0", "a", LATE)
    spool.write_now(lambda s: (s.add_package("p-1", "gmina", NOW), s.claim("p-1", [document.id], NOW)))
    spool.write_now(lambda s: verdict.handed_in(s, s.document(document.id), NOW))
    states = [State.SUBMITTED]
    for now in (NOW - timedelta(hours=1), NOW + timedelta(days=2)):
        assert spool.read_now(lambda s, n=now: s.work("gmina", states, n, 9))  # type: ignore[misc]
        assert not spool.read_now(lambda s, n=now: s.work("gmina", states, n, 9, named=True))  # type: ignore[misc]
    assert spool.read_now(lambda s: s.next_action("gmina", states, named=True)) is None


def asked_without_sorting(spool: Spool, question: Callable[[Store], object]) -> bool:
    """True when every walk over documents, in whatever it asks, is in the order of an index."""
    asked: list[str] = []
    spool.read_now(lambda s: s._db.set_trace_callback(asked.append))
    spool.read_now(question)
    spool.read_now(lambda s: s._db.set_trace_callback(None))
    plans = spool.read_now(
        lambda s: [[r["detail"] for r in s._db.execute(f"EXPLAIN QUERY PLAN {q}")] for q in asked if " document " in q]
    )
    assert plans
    # The rows that were chosen are put in order once more at the end: what comes before that must not sort.
    walks = [plan[: next((n for n, step in enumerate(plan) if step == "SCAN near"), None)] for plan in plans]
    return not any("TEMP B-TREE" in step or step.startswith("SCAN document") for walk in walks for step in walk)


def test_the_next_document_is_found_by_the_index(spool: Spool) -> None:
    """However long the queue, and however many share a date: nothing is sorted, neither for the first nor for whose
    turn it is."""
    add(spool, "A/0", "a", LATE)
    add(spool, "B/0", "b", LATE)
    assert asked_without_sorting(spool, lambda s: s.next_queued("gmina", NOW, after_unit="a"))


def test_lists_by_deadline_come_off_an_index(spool: Spool) -> None:
    """In one state or in all, of one unit or of everybody: what a list costs does not grow with the queue."""
    for unit in "ab":
        add(spool, f"{unit}/0", unit, LATE)
    for unit in (None, "a"):
        for states in ([State.QUEUED], LIVE, []):
            assert asked_without_sorting(
                spool,
                lambda s, u=unit, w=states: s.most_urgent(unit=u, states=w, limit=9),  # type: ignore[misc]
            )
    assert asked_without_sorting(spool, lambda s: s.by_due(9))
    assert asked_without_sorting(spool, lambda s: s.due_next({"a", "b"}, 9))


def test_lists_by_deadline_are_merged_over_states_and_units(spool: Spool) -> None:
    """The nearest first whatever its state; without a date last; what is over or has its number is not due."""
    for n, (unit, hours) in enumerate([("a", 5), ("b", 1), ("a", 3), ("b", 4), ("a", 2)]):
        add(spool, f"N/{n}", unit, NOW + timedelta(hours=hours))
    number = {d.facts.number: d.id for d in spool.read_now(lambda s: s.documents())}
    for which, state in (("N/1", State.HELD), ("N/2", State.WITHDRAWN), ("N/4", State.WAITING)):
        spool.write_now(lambda s, i=number[which], t=state: s.move(i, t, NOW, "Jan", "x", reason="x"))  # type: ignore[misc]
    spool.write_now(lambda s: s.touch(number["N/1"], NOW, due_safe=None))

    def numbers(found: list[Document]) -> list[str]:
        return [d.facts.number for d in found]

    assert numbers(spool.read_now(lambda s: s.by_due())) == ["N/4", "N/3", "N/0", "N/1"]
    assert numbers(spool.read_now(lambda s: s.by_due(2))) == ["N/4", "N/3"]
    assert numbers(spool.read_now(lambda s: s.due_next({"b"}, 9))) == ["N/3", "N/1"]
    everything = spool.read_now(lambda s: s.most_urgent(unit=None, states=[], limit=9))
    assert numbers(everything) == ["N/4", "N/2", "N/3", "N/0", "N/1"]
    of_one = spool.read_now(lambda s: s.most_urgent(unit="a", states=[State.QUEUED, State.WITHDRAWN], limit=9))
    assert numbers(of_one) == ["N/2", "N/0"]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_page_by_state_is_the_same_either_way(spool: Spool, limit: int) -> None:
    """Few are looked up, many are met on the way: with a page of one document the many begin at once."""
    for n in range(4):
        add(spool, f"N/{n}", "ab"[n % 2], LATE)
    newest = spool.read_now(lambda s: s.documents())[-1]
    spool.write_now(lambda s: s.move(newest.id, State.HELD, NOW, "Jan", "x", reason="x"))
    for units, held, queued in ((None, ["N/3"], ["N/2", "N/1", "N/0"]), (["b"], ["N/3"], ["N/1"])):
        for state, numbers in ((State.HELD, held), (State.QUEUED, queued), (State.CEASED, [])):
            found = spool.read_now(
                lambda s, u=units, w=state: s.find_documents(u, states=[w], limit=limit)  # type: ignore[misc]
            )
            assert [d.facts.number for d in found] == numbers[:limit]
