"""The alarm loop over a real spool with a clock that can be set: who is told what, once, and nothing in silence."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spool.domain.calendar import end_of_day
from spool.domain.document import Mode
from spool.domain.states import State
from spool.store import Store
from tests.alarms_bench import DAY, DUE, OFFICE, ON_CALL, SCHOOL, Bench, alerts, at, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench at 7 in the morning of the due day, before any step."""
    with opened(tmp_path) as found:
        yield found


async def test_the_whole_day(bench: Bench) -> None:
    """A document that stays is told at every step of the ladder, in order, each once."""
    bench.add("FV/1")
    await bench.pass_time(bench.loop(), at(23, 59, 59))
    assert bench.steps() == ["morning", "noon", "office", "hours_3", "hour_1", "minutes_15", "due"]


async def test_a_document_that_was_handed_over_is_not_told(bench: Bench) -> None:
    """KSeF has it: nobody needs to do anything."""
    bench.hand_over(bench.add("FV/1"))
    await bench.pass_time(bench.loop(), at(23, 59, 59), timedelta(hours=1))
    assert bench.steps() == []


async def test_an_unknown_result_counts_as_open(bench: Bench) -> None:
    """Nothing proves the hand-over, even where KSeF seemed to have taken the document."""
    document = bench.add("FV/1")
    bench.hand_over(document)
    bench.spool.write_now(lambda s: s.move(document.id, State.UNKNOWN, bench.now, "agent", "x"))
    bench.now = at(8)
    await bench.loop().look()
    assert bench.steps() == ["morning"]


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.REFUSED, State.CEASED, State.QUARANTINED])
async def test_a_document_that_has_ended_is_not_told(bench: Bench, state: State) -> None:
    """There is no duty any more."""
    document = bench.add("FV/1")
    bench.spool.write_now(lambda s: s.move(document.id, state, bench.now, "x", "x"))
    await bench.pass_time(bench.loop(), at(23, 59, 59), timedelta(hours=1))
    assert bench.steps() == []


async def test_an_offline_invoice_that_ksef_rejected_is_told(bench: Bench) -> None:
    """Its buyer has the paper, so the duty goes on with its date, and somebody has to mend it (deadlines §5): we say
    how, and not that Śluza will send it."""
    document = bench.add("FV/1")
    bench.hand_over(document)
    rejected = {"handed_over_at": None, "owed": 1}
    bench.spool.write_now(lambda s: s.move(document.id, State.REFUSED, bench.now, "agent", "x", **rejected))
    bench.now = at(8)
    (alarm,) = await bench.loop().look()
    assert "sluza queue correct" in bench.text(alarm)
    assert "Śluza wysyła także po terminie" not in bench.text(alarm)


async def test_fault_K10_a_paused_context_is_still_told_of_its_dates(bench: Bench) -> None:
    """The login is refused and nothing is sent: the dates of what waits are told all the same, every step."""
    bench.add("FV/1")
    paused = {"reason": "KSeF nie uznał certyfikatu.", "hint": "", "code": "auth:460", "kind": "login"}
    bench.spool.write_now(lambda s: s.set_condition("gmina", "paused", paused, bench.now))
    await bench.pass_time(bench.loop(), at(23, 59, 59), timedelta(minutes=15))
    assert bench.steps() == ["morning", "noon", "office", "hours_3", "hour_1", "minutes_15", "due"]


@pytest.mark.parametrize("state", [State.SUBMITTED, State.UNKNOWN])
async def test_fault_K07_no_verdict_is_told_before_the_date(bench: Bench, state: State) -> None:
    """KSeF works on it for hours and nothing proves the hand-over: the ladder goes on to the last step before it."""
    document = bench.add("FV/1")

    def stuck(store: Store) -> None:
        store.begin_attempt(document, "S", bench.now)
        store.move(document.id, State.UNKNOWN, bench.now, "agent", "x")
        if state is State.SUBMITTED:
            store.move(document.id, State.SUBMITTED, bench.now, "agent", "x")

    bench.spool.write_now(stuck)
    await bench.pass_time(bench.loop(), at(23, 50), timedelta(minutes=15))
    assert bench.steps()[-1] == "minutes_15"


async def test_a_document_without_a_date_is_not_told(bench: Bench) -> None:
    """While a failure lasts there is no date; when it is announced, its own steps come."""
    document = bench.add("FV/1", None, mode=Mode.FAILURE)
    loop = bench.loop()
    bench.now = at(9)
    await loop.look()
    assert bench.steps() == []
    bench.move_due(document, DUE)
    await loop.look()
    assert bench.steps() == ["morning"]


async def test_one_alarm_per_unit_and_step_names_all_its_documents(bench: Bench) -> None:
    """Not one per document; and another unit has its own."""
    mine = {bench.add("FV/1").id, bench.add("FV/2", mode=Mode.ONLINE).id}
    bench.add("FV/3", unit="gops")
    bench.now = at(8)
    await bench.loop().look()
    found = {a.unit: a for a in bench.alarms()}
    assert {unit: a.documents for unit, a in found.items()} == {"sp1": 2, "gops": 1}
    assert set(bench.documents(found["sp1"].id)) == mine


async def test_once_also_across_restarts(bench: Bench) -> None:
    """A second process, or the same one after a crash, does not tell it again."""
    bench.add("FV/1")
    bench.now = at(8)
    await bench.loop().look()
    bench.restart()
    await bench.loop().look()
    bench.now = at(9)
    await bench.loop().look()
    assert bench.steps() == ["morning"]


async def test_two_loops_at_once_tell_once(bench: Bench) -> None:
    """Whoever commits first wins; the database refuses the other."""
    bench.add("FV/1")
    bench.now = at(8)
    first, second = bench.loop(), bench.loop()
    seen = [await loop._see(bench.now) for loop in (first, second)]
    raised = [
        [await loop._tell(c, bench.now) for c in loop._calls(s, bench.now)]
        for loop, s in zip((first, second), seen, strict=True)
    ]
    assert [len([a for a in found if a]) for found in raised] == [1, 0]
    assert bench.steps() == ["morning"]


async def test_of_missed_steps_only_the_gravest(bench: Bench) -> None:
    """Off from 7 to 22: one message, to the one on duty."""
    bench.add("FV/1")
    bench.now = at(22)
    await bench.loop(alerts(25)).look()
    assert bench.steps() == ["hours_3"]
    assert bench.addresses(bench.alarms()[0].id) == [ON_CALL]


async def test_off_for_three_days(bench: Bench) -> None:
    """What passed in the meantime is told at once, in one message for all its dates, to everybody."""
    bench.add("FV/1")
    bench.add("FV/2", DUE + timedelta(days=1))
    bench.now = at(9, day=DAY + timedelta(days=3))
    await bench.loop(alerts(25)).look()
    (alarm,) = bench.alarms()
    assert (alarm.step, alarm.documents) == ("due", 2)
    assert bench.addresses(alarm.id) == sorted([ON_CALL, OFFICE, SCHOOL])


async def test_overdue_at_intake_is_told_at_once_even_when_it_goes_at_once(bench: Bench) -> None:
    """`P_1` in the past: the breach is told although KSeF took the document before anybody looked."""
    bench.now = at(9, day=DAY + timedelta(days=3))
    document = bench.add("FV/1")
    bench.hand_over(document)
    bench.spool.write_now(lambda s: s.touch(document.id, bench.now, due_state="overdue"))
    await bench.loop().look()
    (alarm,) = bench.alarms()
    assert alarm.step == "due"
    assert "wysłana po terminie" in bench.text(alarm.id)


async def test_an_online_document_that_went_after_midnight_broke_no_term(bench: Bench) -> None:
    """It is deemed offline24 and in time; nobody is woken for what stands there until the law is applied again."""
    document = bench.add("FV/1", mode=Mode.ONLINE)
    bench.now = DUE + timedelta(seconds=10)
    bench.hand_over(document)
    bench.spool.write_now(lambda s: s.touch(document.id, bench.now, due_state="overdue"))
    await bench.loop().look()
    assert bench.steps() == []


async def test_what_is_found_overdue_later_is_told_too_in_one_message(bench: Bench) -> None:
    """The first at once, those that follow together after a pause: nothing in silence, and no flood."""
    loop = bench.loop()
    bench.now = at(9, day=DAY + timedelta(days=3))
    for number in range(5):
        bench.add(f"FV/{number}")
        await loop.look()
        bench.now += timedelta(seconds=30)
    assert [a.documents for a in bench.alarms()] == [1]
    bench.now += timedelta(minutes=10)
    await loop.look()
    await loop.look()
    assert [(a.documents, a.part) for a in bench.alarms()] == [(1, 0), (4, 1)]


async def test_a_document_that_comes_back_after_its_due_is_told(bench: Bench) -> None:
    """Handed over in time, given back by KSeF after midnight: it is late now, and the unit's alarm did not name it."""
    first, second = bench.add("FV/1"), bench.add("FV/2")
    bench.hand_over(second)
    loop = bench.loop()
    bench.now = at(23, 59, 59)
    await loop.look()
    bench.now += timedelta(hours=1)
    again = {"handed_over_at": None}
    bench.spool.write_now(lambda s: s.move(second.id, State.QUEUED, bench.now, "agent", "x", **again))
    await loop.look()
    assert [bench.documents(a.id) for a in bench.alarms() if a.step == "due"] == [[first.id], [second.id]]


async def test_a_later_date_has_steps_of_its_own(bench: Bench) -> None:
    """An announcement moved it: the old alarm is over, and the new day begins its ladder anew."""
    document, loop = bench.add("FV/1"), bench.loop()
    bench.now = at(8)
    await loop.look()
    bench.move_due(document, DUE + timedelta(days=3))
    await loop.look()
    assert bench.alarms()[0].over_at == bench.now
    bench.now += timedelta(days=3)
    await loop.look()
    assert bench.steps() == ["morning", "morning"]


async def test_an_earlier_date_is_told_at_once(bench: Bench) -> None:
    """Days before the first step: a late end notice, or one that was withdrawn."""
    document, loop = bench.add("FV/1", DUE + timedelta(days=7), mode=Mode.FAILURE), bench.loop()
    bench.move_due(document, DUE + timedelta(days=4), sooner=True)
    await loop.look()
    await loop.look()
    assert bench.steps() == ["sooner"]


async def test_an_earlier_date_that_is_today_is_told_by_its_step(bench: Bench) -> None:
    """One message, the graver one."""
    document, loop = bench.add("FV/1", DUE + timedelta(days=7), mode=Mode.FAILURE), bench.loop()
    bench.now = at(13)
    bench.move_due(document, DUE, sooner=True)
    await loop.look()
    await loop.look()
    assert bench.steps() == ["noon"]


async def test_the_fifth_day_speaks_of_failures_only(bench: Bench) -> None:
    """Another document of the unit with the same date is not in that message."""
    until = end_of_day(DAY + timedelta(days=4))
    failure = bench.add("FV/1", until, mode=Mode.FAILURE)
    bench.add("FV/2", until)
    bench.now = at(8)
    await bench.loop().look()
    assert [(a.step.value, bench.documents(a.id)) for a in bench.alarms()] == [("fifth_day", [failure.id])]


async def test_late_documents_are_named_each_once(bench: Bench) -> None:
    """In the last quarter of an hour each document is told before its due passes."""
    loop = bench.loop()
    bench.now = at(23, 46)
    ids = [bench.add("FV/1").id]
    await bench.pass_time(loop, at(23, 50), timedelta(seconds=15))
    ids.append(bench.add("FV/2").id)
    await bench.pass_time(loop, at(23, 59), timedelta(seconds=15))
    found = bench.alarms()
    assert [a.step.value for a in found] == ["last_minute", "last_minute"]
    assert [bench.documents(a.id) for a in found] == [[i] for i in ids]


@given(
    st.lists(
        st.tuples(st.integers(0, 26 * 60), st.sampled_from(["sp1", "gops"]), st.booleans()), min_size=1, max_size=6
    ),
    st.sets(st.integers(0, 26 * 12)),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_inv_I12_every_open_document_is_named_before_its_due(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[int, str, bool]], asleep: set[int]
) -> None:
    """Whenever they come, and whenever the loop sleeps: named before due if it looked in time, and after due always."""
    with opened(tmp_path_factory.mktemp("i12")) as bench:
        begin, loop = at(0) - timedelta(hours=2), bench.loop()
        waiting = sorted((begin + timedelta(minutes=m), u, g) for m, u, g in arrivals)
        documents, looked = [], []
        for tick in range(27 * 12):
            bench.now = begin + timedelta(minutes=5 * tick)
            while waiting and waiting[0][0] <= bench.now:
                when, unit, gone = waiting.pop(0)
                bench.now, later = when, bench.now
                document = bench.add(f"FV/{len(documents)}", unit=unit)
                bench.now = later
                if gone:
                    bench.hand_over(document)
                documents.append((document, gone))
            if tick not in asleep:
                await loop.look()
                looked.append(bench.now)
        bench.now = DUE + timedelta(minutes=30)
        await loop.look()
        named = bench.named()
        for document, gone in documents:
            moments = [a.at for a in named[document.id]]
            assert bool(moments) is not gone
            if not gone:
                assert moments[-1] >= DUE  # that it passed is told, too
                last = DUE - timedelta(minutes=15)
                if document.created_at <= last and any(last <= x < DUE for x in looked):
                    assert moments[0] < DUE


async def test_a_document_on_its_way_wakes_nobody(bench: Bench) -> None:
    """Taken in ten seconds ago, ten minutes before due: it gets its minute."""
    bench.now = at(23, 50)
    bench.add("FV/1")
    bench.now += timedelta(seconds=10)
    await bench.loop().look()
    assert bench.steps() == []
