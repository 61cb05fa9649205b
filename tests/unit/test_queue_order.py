"""The order in which documents leave: nearest deadline first, units in turn, packages of one kind only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import verdict
from sluza.samples import invoice
from spool.access import FILE, Spool
from spool.domain.document import Mode
from spool.domain.ledger import Document, Waiting
from spool.domain.states import State
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


def test_the_next_document_is_found_by_the_index(spool: Spool) -> None:
    """However long the queue: the query walks the index of deadlines and sorts nothing."""
    plan = spool.read_now(
        lambda s: s._db.execute(
            """EXPLAIN QUERY PLAN SELECT * FROM document INDEXED BY document_queue WHERE context = 'g'
               AND state = 'QUEUED' AND NOT held_back AND ifnull(due_safe, '~') <= '~' AND NOT attachment
               ORDER BY ifnull(due_safe, '~'), unit, seq LIMIT 1"""
        ).fetchall()
    )
    assert not any("TEMP B-TREE" in row["detail"] for row in plan)
