"""Clocks that are certainly wrong, and nights in which an hour comes twice or not at all (faults F14)."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import cast

import pytest

from agent.contact import Contact
from agent.forward import from_the_future, not_before
from agent.ksef.login import Login
from gateway.http.problems import from_exception
from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import take
from spool.domain.built import BUILT, too_early, wrong_clock
from spool.domain.calendar import WARSAW, end_of_day, is_working_day, start_of_day, warsaw_date
from spool.domain.deadlines import assess
from spool.domain.document import Facts, Mode
from spool.domain.errors import ClockWrong
from spool.domain.exits import Exit, exit_for
from spool.domain.modes import Issue
from spool.domain.terms import DueState
from tests.documents import document
from tests.folders_bench import NOW, Bench, sale, until

BOOT = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)


@pytest.fixture(name="bench")
def bench_fixture(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_fault_F14_a_clock_from_before_this_program_cannot_be_right() -> None:
    """The bound itself may be right; today, when this test runs, certainly is not before it."""
    assert too_early(BOOT)
    assert too_early(BUILT - timedelta(microseconds=1))
    assert not too_early(BUILT)
    assert not too_early(datetime.now(UTC))


async def test_fault_F14_nothing_is_judged_by_a_clock_of_1970(bench: Bench) -> None:
    """Intake refuses nobody for its own clock: it stores nothing, says "later", and takes the same file once it is
    right, with the deadline of that day."""
    bench.now = BOOT
    with pytest.raises(ClockWrong, match="Zegar tego serwera"):
        await bench.post(sale("F14/1"), "a.xml")
    assert bench.spool.read_now(lambda store: store.counts()) == {}
    bench.now = NOW
    taken = await bench.post(sale("F14/1"), "a.xml")
    assert taken.due_safe == end_of_day(warsaw_date(NOW))


async def test_fault_F14_a_file_waits_in_its_folder_for_the_right_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dropped file stays where it is while the clock is wrong, and is taken by itself afterwards."""
    bench.now, asked = BOOT, asyncio.Event()
    monkeypatch.setattr("gateway.intake.too_early", lambda now: asked.set() or too_early(now))
    async with bench.running():
        file = bench.drop("a.xml", sale("F14/2"))
        await asyncio.wait_for(asked.wait(), 60)
        assert file.exists()
        bench.now = NOW
        await until(lambda: not file.exists())
    assert bench.spool.read_now(lambda store: store.counts()) == {"QUEUED": 1}


def test_fault_F14_people_are_told(bench: Bench) -> None:
    """An alarm on the page and in `sluza status` while it lasts; "come again" over HTTP; no internal error."""
    seen = bench.spool.read_now(lambda store: take(store, ["gmina"], BOOT))
    assert (findings(seen)[0].level, findings(seen)[0].sentence) == (Level.ALARM, wrong_clock(BOOT))
    fine = bench.spool.read_now(lambda store: take(store, ["gmina"], NOW))
    assert "Zegar" not in " ".join(f.sentence for f in findings(fine))
    assert from_exception(ClockWrong("x")).code == "busy"
    assert exit_for(ClockWrong("x")) is Exit.REFUSED


@pytest.mark.parametrize(("apart", "wrong"), [(119, False), (121, True), (-121, True), (-119, False)])
async def test_fault_F14_a_clock_that_differs_from_ksefs_is_a_condition_until_it_agrees(
    bench: Bench, apart: int, wrong: bool
) -> None:
    """More than two minutes by KSeF's Date header, in either direction; it heals with the next answer that agrees."""
    contact = Contact("gmina", bench.spool, cast("Login", None), bench.clock)
    await contact.compare_clocks(NOW - timedelta(seconds=apart))
    found = bench.spool.read_now(lambda store: store.condition("gmina", "clock"))
    assert (found is not None and found.value == {"seconds": apart}) is wrong
    await contact.compare_clocks(NOW)
    assert bench.spool.read_now(lambda store: store.condition("gmina", "clock")) is None


# -- nights --------------------------------------------------------------------------------------------------------


def _last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


NIGHTS = [_last_sunday(year, month) for year in range(2026, 2037) for month in (3, 10)]


def _quarters(day: date) -> list[datetime]:
    """Every quarter of an hour from noon before to noon after the midnight that begins this day, in UTC."""
    start = start_of_day(day).astimezone(UTC) - timedelta(hours=12)
    return [start + timedelta(minutes=15 * n) for n in range(4 * 40)]


@pytest.mark.parametrize("night", NIGHTS, ids=str)
def test_fault_F14_every_night_of_the_clock_change(night: date) -> None:
    """Through the whole night and the midnights around it the Warsaw day never goes back, is 23 or 25 hours long, and
    neither the date an invoice of that day is due nor what is over by then depends on the moment of asking."""
    length = start_of_day(night + timedelta(days=1)).astimezone(UTC) - start_of_day(night).astimezone(UTC)
    assert length == timedelta(hours=23 if night.month == 3 else 25)
    days = [warsaw_date(now) for now in _quarters(night)]
    assert days == sorted(days)
    for day in (night - timedelta(days=1), night):
        next_working = next(d for n in range(1, 9) if is_working_day(d := day + timedelta(days=n)))
        for now in (now for now in _quarters(night) if warsaw_date(now) >= day):
            issue = Issue(day, start_of_day(day), Mode.ONLINE)
            online = assess(issue, (), now)
            over = warsaw_date(now) > day
            assert (online.deemed, online.safe) == (over, end_of_day(next_working if over else day)), now
            offline = assess(Issue(day, start_of_day(day), Mode.OFFLINE24), (), now)
            assert offline.safe == end_of_day(next_working), now
            assert (offline.state is DueState.OVERDUE) == (now > end_of_day(next_working)), now


@pytest.mark.parametrize("night", [*NIGHTS, date(2026, 12, 31), date(2028, 2, 29), date(2027, 1, 1)], ids=str)
def test_fault_F14_a_document_waits_for_its_own_midnight(night: date) -> None:
    """Dated on that day it is not sent before the Warsaw midnight that begins it, whichever offset that has."""
    dated = document(Facts(issue_date=night), start_of_day(night))
    midnight = datetime.combine(night, time(), WARSAW).astimezone(UTC)
    before, after = midnight - timedelta(microseconds=1), midnight
    assert not_before(dated, before, before) is not None
    assert not_before(dated, after, after) is None
    assert from_the_future(dated, before, before)
    assert not from_the_future(dated, after, after)
    assert not from_the_future(dated, BOOT, after)  # our own clock alone proves nothing
