"""The alarm ladder as a table: which step, when, for whom (deadlines §5); invariant I12 as a property."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import WARSAW, end_of_day, is_working_day, working_day_after
from spool.domain.deadlines import Deadline, assess
from spool.domain.document import Mode
from spool.domain.ladder import (
    LABELS,
    ON_CALL,
    Call,
    Candidate,
    Step,
    calls,
    came_sooner,
    horizon,
    ripe,
    rungs,
)
from spool.domain.modes import Issue

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FRIDAY = date(2026, 11, 20)


def wall(text: str) -> datetime:
    """`2026-11-20 08:00` on the wall in Warsaw."""
    return datetime.fromisoformat(text).replace(tzinfo=WARSAW)


def told(due: date, mode: Mode = Mode.OFFLINE24, **more: object) -> list[tuple[str, str]]:
    """The rungs as (step, Warsaw time)."""
    found = rungs(end_of_day(due), mode, **more)  # type: ignore[arg-type]
    return [(r.step.value, f"{r.at.astimezone(WARSAW):%m-%d %H:%M:%S}") for r in found]


def step_now(due: datetime, mode: Mode, taken_in: datetime, now: datetime) -> Step | None:
    """What is told of one document of which nothing was told yet: by `calls` as the alarm loop asks them, and after the
    due moment, which it asks the spool for, always that."""
    if now >= due:
        return Step.DUE
    found = [call.step for call in calls([Candidate("sp1", due, mode, taken_in, taken_in)], now)]
    steps = [step for step in found if step is not Step.LAST_MINUTE or ripe(due, taken_in, now)]
    assert len(steps) < 2, "one document, one step"
    return steps[0] if steps else None


def test_the_ladder_of_a_working_day() -> None:
    """Office at 8, at 12 and an hour before it ends; on call 3 h, 1 h, 15 min before and at due."""
    assert told(FRIDAY) == [
        ("morning", "11-20 08:00:00"),
        ("noon", "11-20 12:00:00"),
        ("office", "11-20 14:30:00"),
        ("hours_3", "11-20 20:59:59"),
        ("hour_1", "11-20 22:59:59"),
        ("minutes_15", "11-20 23:44:59"),
        ("due", "11-20 23:59:59"),
    ]


def test_the_office_hours_are_a_setting() -> None:
    """The third step follows the configured end of office hours."""
    assert ("office", "11-20 17:00:00") in told(FRIDAY, office_ends=time(18, 0))


@pytest.mark.parametrize("due", [date(2026, 11, 21), date(2026, 11, 22), date(2026, 12, 24), date(2027, 1, 6)])
def test_on_a_day_off_only_the_one_on_duty_is_called(due: date) -> None:
    """Weekends, 24 December, Epiphany: an online invoice may be due then, but nobody reads the office's mail."""
    assert [step for step, _ in told(due, Mode.ONLINE)] == ["hours_3", "hour_1", "minutes_15", "due"]


def test_a_day_that_the_configuration_makes_off_is_off() -> None:
    """The calendar's changes apply to the steps, too."""
    assert "morning" not in dict(told(FRIDAY, changes={FRIDAY: True}))
    assert "morning" in dict(told(date(2026, 12, 24), changes={date(2026, 12, 24): False}))


@pytest.mark.parametrize(
    ("ended", "fifth", "due"),
    [
        (date(2026, 11, 9), "11-17 08:00:00", date(2026, 11, 19)),  # 11 November is off
        (date(2026, 12, 18), "12-29 08:00:00", date(2026, 12, 31)),  # 24 to 27 December are off
        (date(2026, 10, 21), "10-28 08:00:00", date(2026, 10, 30)),  # the clocks change on the 25th
    ],
)
def test_a_failure_is_warned_of_on_the_fifth_of_its_seven_days(ended: date, fifth: str, due: date) -> None:
    """Counted as the term is: the fifth working day after the end, at 8 by the clock of that day."""
    assert working_day_after(ended, 7) == due
    assert told(due, Mode.FAILURE)[0] == ("fifth_day", fifth)


def test_only_a_failure_has_a_fifth_day() -> None:
    """Every other mode begins on the due day."""
    assert all("fifth_day" not in dict(told(FRIDAY, mode)) for mode in Mode if mode is not Mode.FAILURE)


@pytest.mark.parametrize("due", [date(2026, 3, 29), date(2026, 10, 25)])
def test_an_hour_is_an_hour_when_the_clocks_change(due: date) -> None:
    """The steps before due are distances in time, whatever the day does."""
    found = {r.step: r.at for r in rungs(end_of_day(due), Mode.ONLINE)}
    assert found[Step.DUE] - found[Step.HOURS_3] == timedelta(hours=3)


@pytest.mark.parametrize(
    ("now", "taken_in", "step"),
    [
        ("2026-11-20 07:59", "2026-11-19 10:00", None),
        ("2026-11-20 08:00", "2026-11-19 10:00", Step.MORNING),
        ("2026-11-20 11:59", "2026-11-19 10:00", Step.MORNING),
        ("2026-11-20 12:00", "2026-11-19 10:00", Step.NOON),
        ("2026-11-20 22:00", "2026-11-19 10:00", Step.HOURS_3),  # of several missed ones the gravest
        ("2026-11-20 09:30", "2026-11-20 09:00", None),  # 8:00 was before it came
        ("2026-11-20 12:00", "2026-11-20 09:00", Step.NOON),
        ("2026-11-20 23:50", "2026-11-20 23:49", Step.LAST_MINUTE),
        ("2026-11-20 23:49", "2026-11-20 23:49", None),  # on its way
        ("2026-11-21 00:00", "2026-11-20 23:49", Step.DUE),
        ("2026-11-24 09:00", "2026-11-19 10:00", Step.DUE),  # off for three days
        ("2026-11-24 09:00", "2026-11-24 09:00", Step.DUE),  # overdue at intake
    ],
)
def test_what_is_told_of_one_document(now: str, taken_in: str, step: Step | None) -> None:
    """The gravest step that has passed since it was taken in; after due always something."""
    assert step_now(end_of_day(FRIDAY), Mode.OFFLINE24, wall(taken_in), wall(now)) is step


MOMENTS = st.timedeltas(timedelta(0), timedelta(days=1065)).map(lambda gap: LONG_AGO + gap)


@given(
    st.dates(date(2026, 2, 1), date(2028, 12, 31)),
    st.sampled_from(list(Mode)),
    st.timedeltas(timedelta(seconds=2), timedelta(days=9)),
)
def test_inv_I12_an_alarm_precedes_every_deadline(due: date, mode: Mode, left: timedelta) -> None:
    """Whenever a document is taken in before its due, some step is told before that passes, looked for each second."""
    ends = end_of_day(due).astimezone(UTC)
    taken_in = ends - left
    assert step_now(ends, mode, taken_in, ends - timedelta(seconds=1)) not in {None, Step.DUE}


@given(st.dates(date(2026, 2, 1), date(2028, 12, 31)), st.sampled_from(list(Mode)), MOMENTS, MOMENTS)
def test_the_gravest_missed_step_only_grows(due: date, mode: Mode, first: datetime, second: datetime) -> None:
    """As time goes on a step never becomes less grave, and after due it is always the last one."""
    ends, order = end_of_day(due), [None, *Step]
    early, late = sorted((first, second))
    steps = [step_now(ends, mode, LONG_AGO, moment) for moment in (early, late)]
    assert order.index(steps[0]) <= order.index(steps[1])
    assert (steps[1] is Step.DUE) is (late >= ends)


@given(st.dates(date(2026, 2, 1), date(2028, 12, 31)), st.sampled_from(list(Mode)), MOMENTS)
def test_nothing_beyond_the_horizon_is_due_for_telling(due: date, mode: Mode, now: datetime) -> None:
    """A look that leaves out later due moments misses no step."""
    if end_of_day(due) > horizon(now):
        assert step_now(end_of_day(due), mode, LONG_AGO, now) is None


@given(st.dates(date(2026, 2, 1), date(2028, 12, 31)), st.sampled_from(list(Mode)))
def test_office_steps_fall_on_working_days(due: date, mode: Mode) -> None:
    """Whatever the due day is."""
    office = [r for r in rungs(end_of_day(due), mode) if r.step not in ON_CALL]
    assert all(is_working_day(r.at.astimezone(WARSAW).date()) for r in office)


def candidate(
    unit: str = "sp1", mode: Mode = Mode.OFFLINE24, told: str = "", first: str = "2026-11-19 10:00"
) -> Candidate:
    """Documents due on the Friday."""
    return Candidate(unit, end_of_day(FRIDAY), mode, wall(first), wall(first), frozenset(told.split()))


def called(*candidates: Candidate, now: str = "2026-11-20 12:30") -> list[tuple[str, str]]:
    return [(call.unit, call.step.value) for call in calls(candidates, wall(now))]


def test_one_call_per_unit_and_step() -> None:
    """Documents of several modes with one due moment are one message; another unit gets its own."""
    assert called(candidate(), candidate(mode=Mode.ONLINE), candidate("gops")) == [("gops", "noon"), ("sp1", "noon")]


def test_what_was_told_is_not_called_again() -> None:
    """Neither the step itself nor, once a graver one was told, a lesser."""
    assert called(candidate(told="noon")) == []
    assert called(candidate(told="hours_3")) == []
    assert called(candidate(told="morning")) == [("sp1", "noon")]


def test_nobody_is_called_for_what_was_not_there() -> None:
    """At the moment of the step the unit had no such document."""
    assert called(candidate(first="2026-11-20 12:10")) == []


def test_a_call_names_only_documents_that_were_there() -> None:
    """`until` is the moment of the step: what came later is not told it."""
    (call,) = calls([candidate()], wall("2026-11-20 12:30"))
    assert call == Call("sp1", Step.NOON, end_of_day(FRIDAY), until=wall("2026-11-20 12:00"))


def test_what_came_after_the_last_step_is_called_for() -> None:
    """A quarter of an hour before due is the last step; a later document has a call of its own."""
    late = candidate(told="minutes_15", first="2026-11-20 23:50")
    assert called(late, now="2026-11-20 23:52") == [("sp1", "last_minute")]


def test_a_document_on_its_way_gets_a_minute_or_half_of_what_is_left() -> None:
    """Most of them are in KSeF within seconds, and nobody should be woken for those."""
    ends = end_of_day(FRIDAY)
    assert not ripe(ends, wall("2026-11-20 23:50"), wall("2026-11-20 23:50:59"))
    assert ripe(ends, wall("2026-11-20 23:50"), wall("2026-11-20 23:51"))
    assert ripe(ends, wall("2026-11-20 23:59:49"), wall("2026-11-20 23:59:54"))


def failure_over(ended: str, told_at: str) -> Deadline:
    """The deadline of a document issued in a failure, as it is known when its end is announced."""
    start = wall("2026-11-09 08:00")
    notice = Announcement("F", Category.FAILURE, start, wall(ended), start, wall(told_at))
    issue = Issue(date(2026, 11, 9), wall("2026-11-09 10:00"), Mode.ONLINE)
    return assess(issue, [notice], wall(told_at))


def test_an_end_notice_of_the_same_day_shortens_nothing() -> None:
    """Seven working days are left, as everybody expects."""
    assert not came_sooner(None, failure_over("2026-11-10 12:00", "2026-11-10 12:30"), wall("2026-11-10 12:30"))


def test_a_late_end_notice_comes_sooner_than_expected() -> None:
    """The day named in the notice counts, not the day of the notice: days of the seven are gone already."""
    assert came_sooner(None, failure_over("2026-11-10 12:00", "2026-11-17 12:30"), wall("2026-11-17 12:30"))


def test_a_date_that_moves_back_comes_sooner_and_one_that_moves_on_does_not() -> None:
    """A notice withdrawn, an end moved to an earlier day."""
    deadline = failure_over("2026-11-10 12:00", "2026-11-10 12:30")
    assert deadline.safe is not None
    assert came_sooner(deadline.safe + timedelta(days=1), deadline, wall("2026-11-10 12:30"))
    assert not came_sooner(deadline.safe - timedelta(days=1), deadline, wall("2026-11-10 12:30"))
    assert not came_sooner(deadline.safe, deadline, wall("2026-11-10 12:30"))


def test_every_step_has_a_polish_name() -> None:
    """The command shows it."""
    assert set(LABELS) == set(Step)
