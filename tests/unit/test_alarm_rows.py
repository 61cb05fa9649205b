"""What alarms leave behind: rows that never change, what the page shows, and a look that stays cheap."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pysqlite3
import pytest

from gateway.alarms.watch import Alarms
from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import take
from spool import law
from spool.domain.announcements import Announcement, Category
from spool.domain.document import Mode
from spool.domain.ladder import horizon
from spool.law import Law, Rules
from spool.store import Store
from tests.alarms_bench import BEFORE, DAY, DUE, OFFICE, ON_CALL, RULES, SCHOOL, Bench, alerts, at, opened, town


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench at 7 in the morning of the due day, before any step."""
    with opened(tmp_path) as found:
        yield found


async def test_an_alarm_is_one_event_and_never_changes(bench: Bench) -> None:
    """Under a subject of its own, not on its documents; the row itself cannot be changed or removed."""
    document = bench.add("FV/1")
    bench.now = at(8)
    (alarm,) = await bench.loop().look()
    (event,) = bench.spool.read_now(lambda s: s.history(f"alarm:{alarm}"))
    assert (event.move, event.data["documents"]) == ("morning", 1)
    assert len(bench.spool.read_now(lambda s: s.history(document.id))) == 1
    for statement in ("UPDATE alarm SET text = ''", "DELETE FROM alarm"):
        connection = pysqlite3.connect(bench.path)
        with pytest.raises(pysqlite3.IntegrityError):
            connection.execute(statement)
        connection.close()


async def test_deadlines_that_are_being_recomputed_are_waited_for(bench: Bench) -> None:
    """A date that is about to change is not told; but the wait has an end, because the agent may be dead."""
    bench.add("FV/1")
    bench.now = at(8)
    assert bench.spool.read_now(lambda s: law.wanted(s, RULES, bench.now))
    patient, impatient = bench.loop(law=60), bench.loop(law=0)
    await patient.look()
    assert bench.steps() == []
    await impatient.look()
    assert bench.steps() == ["morning"]


async def test_without_a_server_alarms_are_raised_and_not_mailed(bench: Bench) -> None:
    """The page shows them all the same."""
    bench.add("FV/1")
    bench.now = at(8)
    (alarm,) = await bench.loop(alerts()).look()
    assert bench.addresses(alarm) == []


@pytest.mark.parametrize(
    ("moment", "unit", "expected"),
    [
        (at(8), "sp1", [OFFICE, SCHOOL]),
        (at(8), "gops", [OFFICE]),
        (at(21), "sp1", [ON_CALL]),
        (DUE, "gops", [OFFICE, ON_CALL]),
    ],
)
async def test_who_is_told(bench: Bench, moment: datetime, unit: str, expected: list[str]) -> None:
    """The office and the unit by day, the one on duty at night, everybody when it has passed."""
    bench.add("FV/1", unit=unit)
    bench.now = moment
    (alarm,) = await bench.loop(alerts(25)).look()
    assert bench.addresses(alarm) == sorted(expected)


def shown(bench: Bench) -> list[tuple[Level, str]]:
    """The warnings on the status page."""

    def look(store: Store) -> list[tuple[Level, str]]:
        return [(f.level, f.sentence) for f in findings(take(store, [], bench.now, {"sp1", "gops"}))]

    return [f for f in bench.spool.read_now(look) if "Ostrzeż" in f[1]]


async def test_the_page_shows_the_last_alarm_until_it_is_over(bench: Bench) -> None:
    """A graver one takes its place; when the documents are handed over, it goes."""
    document, loop = bench.add("FV/1"), bench.loop()
    for moment, level in ((at(8), Level.LOOK), (at(21), Level.ALARM)):
        bench.now = moment
        await loop.look()
        ((seen, text),) = shown(bench)
        assert seen is level
        assert "Szkoła Podstawowa nr 1: 1 faktura bez numeru KSeF, termin 20.11.2026, godz. 23:59." in text
    bench.hand_over(document)
    await loop.look()
    assert shown(bench) == []


async def test_the_page_does_not_drown(bench: Bench) -> None:
    """Many alarms are some sentences and the command that lists the others."""
    for number in range(9):
        bench.add(f"FV/{number}", unit=f"u{number}")
    bench.now = at(8)
    await bench.loop().look()
    texts = [text for _, text in shown(bench)]
    assert len(texts) == 6
    assert "sluza alerts list" in texts[-1]


def test_a_look_does_not_read_the_documents(bench: Bench) -> None:
    """With many open documents a look hops through an index: its steps do not grow with their number."""

    def steps() -> int:
        """What one look costs, in hundreds of SQLite's own steps."""
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        def watched(store: Store) -> None:
            store._db.set_progress_handler(tick, 100)
            store.alarm_look(bench.now, horizon(bench.now))
            store.next_due(bench.now)
            store._db.set_progress_handler(None, 0)

        bench.spool.read_now(watched)
        return count

    for number in range(20):
        bench.add(f"FV/{number}")
    few = steps()
    for number in range(20, 420):
        bench.add(f"FV/{number}")
    assert steps() <= few + 3


async def test_an_error_does_not_end_the_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that fails is told to the log, and the next one does its work."""
    bench.add("FV/1")
    bench.now = at(8)
    stop, loop, done = asyncio.Event(), bench.loop(look=0.01), asyncio.Event()
    real, failed = Alarms.look, []

    async def look(self: Alarms) -> list[int]:
        if not failed:
            failed.append(True)
            raise OSError("disk full")
        found = await real(self)
        done.set()
        return found

    monkeypatch.setattr(Alarms, "look", look)
    running = asyncio.ensure_future(loop.run(stop))
    await asyncio.wait_for(done.wait(), 60)
    stop.set()
    await asyncio.wait_for(running, 60)
    assert bench.steps() == ["morning"]


async def test_the_page_reads_alarms_by_their_indexes(bench: Bench) -> None:
    """Open alarms and unsent mail of the last days; never all that there ever were."""
    bench.add("FV/1")
    bench.now = at(8)
    await bench.loop(alerts(25)).look()
    asked: list[str] = []

    def look(store: Store) -> list[str]:
        store._db.set_trace_callback(asked.append)
        store.open_alarms(50)
        store.failing_mails(bench.now, 50)
        store.mails_to_send(bench.now, bench.now, 50)
        store._db.set_trace_callback(None)
        return [r["detail"] for q in asked for r in store._db.execute(f"EXPLAIN QUERY PLAN {q}")]

    plan = bench.spool.read_now(look)
    assert len(asked) == 4
    reading = [line for line in plan if line.startswith(("SCAN", "SEARCH"))]
    assert all("INDEX alarm_open" in line or line.startswith("SEARCH") for line in reading), plan


async def test_the_due_moment_is_told_when_it_comes(bench: Bench) -> None:
    """Not when the patience ends: a second later midnight changes the date of an online document."""
    document = bench.add("FV/1")
    begin = time.monotonic()
    bench.clock = lambda: DUE - timedelta(seconds=3) + timedelta(seconds=time.monotonic() - begin)  # type: ignore[method-assign]
    loop, stop = bench.loop(look=600), asyncio.Event()
    running = asyncio.ensure_future(loop.run(stop))
    for _ in range(2):
        await asyncio.wait_for(loop.raised.wait(), 60)
        loop.raised.clear()
    stop.set()
    await asyncio.wait_for(running, 60)
    assert bench.steps() == ["minutes_15", "due"]
    assert bench.alarms()[-1].at - DUE < timedelta(seconds=1)
    assert bench.documents(bench.alarms()[-1].id) == [document.id]


async def test_a_late_end_notice_reaches_people(bench: Bench) -> None:
    """From the announcement over the law to the message: five days of the seven are left when the end is told."""
    bench.now = at(9, day=BEFORE)
    document = bench.add("FV/1", None, mode=Mode.FAILURE)
    told = at(12, day=DAY + timedelta(days=5))
    start = at(8, day=BEFORE)
    notice = Announcement("F", Category.FAILURE, start, at(12), start, told)
    bench.now = told
    bench.spool.write_now(lambda s: law.apply(s, Rules(Law(), town()), document, (notice,), told))
    await bench.loop().look()
    assert bench.steps() == ["sooner"]
    assert "01.12.2026" in bench.text(1)


async def test_what_came_sooner_and_went_is_forgotten(bench: Bench) -> None:
    """Rows of documents that nobody needs to hear of do not pile up."""
    gone, loop = bench.add("FV/1", DUE + timedelta(days=7)), bench.loop()
    bench.move_due(gone, DUE + timedelta(days=5), sooner=True)
    bench.hand_over(gone)
    other = bench.add("FV/2")
    bench.now = at(8)
    await loop.look()
    bench.hand_over(other)
    await loop.look()
    assert bench.spool.read_now(lambda s: s._db.execute("SELECT count(*) FROM sooner").fetchone()[0]) == 0
