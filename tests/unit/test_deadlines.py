"""Send deadlines: the worked cases, the edge cases, and what must hold whatever is announced."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spool.domain import deadline_events
from spool.domain.announcements import Announcement, Category, known
from spool.domain.calendar import WARSAW, end_of_day, is_working_day, start_of_day, warsaw_date
from spool.domain.deadlines import Deadline, assess
from spool.domain.document import Mode
from spool.domain.modes import Issue
from spool.domain.terms import DueState

CASES = Path(__file__).with_name("deadline_cases.csv")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "domain" / "deadline-cases.csv"


def rows(path: Path) -> list[dict[str, str]]:
    """The cases of a table; none when it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def at(text: str) -> datetime:
    """A moment in Warsaw, as "2026-10-12 10:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=WARSAW)


def judge(issue_date: str, mode: str, *events: dict[str, object], now: str = "", local: bool = False) -> Deadline:
    """The deadline of a case in the event notation."""
    story = deadline_events.read(issue_date, mode, json.dumps(events), now)
    return assess(story.issue, story.announcements, story.now, handed_over=story.handed_over, local_maintenance=local)


def event(name: str, start: str, end: str | None = None, **more: object) -> dict[str, object]:
    """An announced period; times are Warsaw's."""
    told = {k: at(v).isoformat() if k.endswith("published") else v for k, v in more.items()}  # type: ignore[arg-type]
    return {"e": name, "start": at(start).isoformat(), "end": at(end).isoformat() if end else None, **told}


def moment(name: str, when: str) -> dict[str, object]:
    """Something that the unit or KSeF did."""
    return {"e": name, "at": at(when).isoformat()}


def answer(found: Deadline) -> str:
    """The due date as the table of cases writes it."""
    if found.safe is not None:
        return found.safe.isoformat()
    return "none" if found.state in {DueState.NONE, DueState.CEASED} else "pending"


def day(found: Deadline) -> str:
    """The last permitted day."""
    assert found.safe is not None
    return warsaw_date(found.safe).isoformat()


@pytest.mark.parametrize("case", rows(CASES), ids=lambda case: case["id"])
def test_fault_K12_worked_case(case: dict[str, str]) -> None:
    """Each worked case has its due date, its state and its local date."""
    events = json.loads(case["sequence_of_events"])
    found = judge(case["issue_date"], case["mode"], *events, local=True)
    local = found.local.isoformat() if found.local else ""
    assert (answer(found), found.state, local) == (case["expected_due"], case["expected_state"], case["expected_local"])


def test_all_forty_cases_are_here() -> None:
    """The table holds D01 to D40."""
    assert [case["id"] for case in rows(CASES)] == [f"D{n:02}" for n in range(1, 41)]


def test_the_cases_beside_the_project_agree() -> None:
    """Where the source of the cases lies beside the project, its expected dates are ours, too."""
    wrong = [c["id"] for c in rows(SHARED) if answer(_of(c)) != c["expected_due"]]
    assert wrong == []


def _of(case: dict[str, str]) -> Deadline:
    return judge(case["issue_date"], case["mode"], *json.loads(case["sequence_of_events"]))


# -- edge cases ----------------------------------------------------------------------------------------------------


def test_e1_a_failure_of_one_day_gives_seven_days_from_the_next() -> None:
    """E1: begun and ended on the day of issue, the day itself is not counted."""
    assert day(judge("2026-07-08", "failure", event("failure", "2026-07-08 10:00", "2026-07-08 16:00"))) == "2026-07-17"


def test_e2_a_failure_that_was_over_before_the_issue_does_nothing() -> None:
    """E2: the base rule holds although the failure was on the same date."""
    over = event("failure", "2026-10-12 18:00", "2026-10-12 20:00")
    assert day(judge("2026-10-12", "offline24", moment("issued", "2026-10-12 21:00"), over)) == "2026-10-13"


def test_e2_nor_does_one_that_was_over_and_is_announced_only_later() -> None:
    """E2: a notice within the term about a failure that ended before the issue moves nothing."""
    late = event("failure", "2026-10-12 18:00", "2026-10-12 20:00", published="2026-10-13 09:00")
    assert day(judge("2026-10-12", "offline24", moment("issued", "2026-10-12 21:00"), late)) == "2026-10-13"


def test_e3_a_failure_announced_after_the_term_does_nothing() -> None:
    """E3: the breach stands."""
    found = judge("2026-10-12", "offline24", event("failure", "2026-10-14 08:00", "2026-10-14 18:00"))
    assert (day(found), found.state) == ("2026-10-13", DueState.OVERDUE)


def test_e4_a_failure_that_began_in_the_term_but_was_announced_after_it_does_nothing() -> None:
    """E4: the publication of the notice decides, not the fault."""
    late = event("failure", "2026-10-13 20:00", "2026-10-14 10:00", published="2026-10-14 00:00")
    assert day(judge("2026-10-12", "offline24", late)) == "2026-10-13"


def test_e4_holds_for_a_failure_in_which_the_document_was_issued() -> None:
    """E4: even the recorded mode needs a notice that came in the term that runs without it."""
    late = event("failure", "2026-10-12 08:00", "2026-10-12 18:00", published="2026-10-20 08:00")
    found = judge("2026-10-12", "failure", late)
    assert (day(found), found.state) == ("2026-10-13", DueState.OVERDUE)


@pytest.mark.parametrize(
    ("published", "expected"), [("2026-09-11 23:59", "2026-09-22"), ("2026-09-12 00:00", "2026-09-11")]
)
def test_e5_the_last_minute_of_the_last_day_is_in_the_term(published: str, expected: str) -> None:
    """E5: a notice before midnight restarts the count, one at midnight does not."""
    first = event("failure", "2026-09-01 08:00", "2026-09-02 12:00")
    second = event("failure", "2026-09-11 20:00", "2026-09-12 01:00", published=published)
    assert day(judge("2026-09-01", "failure", first, second)) == expected


def test_e6_failure_wins_over_maintenance_at_the_issue() -> None:
    """E6: issued while both run, the document has the failure's mode."""
    window = event("maintenance", "2026-08-17 20:00", "2026-08-18 06:00")
    fault = event("failure", "2026-08-17 21:00", "2026-08-18 15:00")
    found = judge("2026-08-17", "offline24", moment("issued", "2026-08-17 22:00"), window, fault)
    assert (found.mode, day(found)) == (Mode.FAILURE, "2026-08-27")


def test_e7_a_failure_without_an_end_is_pending() -> None:
    """E7: nobody guesses the end."""
    found = judge("2026-11-16", "failure", event("failure", "2026-11-16 09:00"))
    assert (found.safe, found.state) == (None, DueState.PENDING)


@pytest.mark.parametrize("issued", ["2026-10-31", "2026-11-01"])
def test_e8_a_day_off_is_a_good_issue_date(issued: str) -> None:
    """E8: Saturday or holiday, the first working day after it is the last day."""
    assert day(judge(issued, "offline24")) == "2026-11-02"


@pytest.mark.parametrize(("second", "state"), [("23:59:59.999999", DueState.MET), ("24:00", DueState.OVERDUE)])
def test_fault_F15_e9_the_last_instant_of_the_day_is_in_time(second: str, state: DueState) -> None:
    """E9: the day counts to its end, and the number may come the next day."""
    handed = start_of_day(date(2026, 10, 14)) if second == "24:00" else at(f"2026-10-13 {second}")
    issue = Issue(date(2026, 10, 12), at("2026-10-12 10:00"), Mode.OFFLINE24)
    assert assess(issue, (), at("2026-10-14 00:03"), handed_over=handed).state is state


@pytest.mark.parametrize("mode", list(Mode))
def test_e10_before_its_date_a_document_has_no_deadline(mode: Mode) -> None:
    """E10: KSeF refuses a date in the future, so there is no duty yet, whatever the mode."""
    found = assess(Issue(date(2026, 5, 20), at("2026-05-19 10:00"), mode), (), at("2026-05-19 10:00"))
    assert (found.safe, found.state) == (None, DueState.NONE)


def test_fault_F15_e11_sent_after_midnight_is_deemed_offline24() -> None:
    """E11: the sending moment decides; the safe date is the next working day."""
    found = judge("2026-05-13", "online", moment("handover", "2026-05-14 00:00"))
    assert (found.mode, found.deemed, day(found), found.state) == (Mode.OFFLINE24, True, "2026-05-14", DueState.MET)


@pytest.mark.parametrize(
    ("issued", "expected"),
    [("2026-03-27", "2026-03-30T23:59:59+02:00"), ("2026-10-23", "2026-10-26T23:59:59+01:00")],
)
def test_fault_F14_e13_the_clock_change_moves_only_the_offset(issued: str, expected: str) -> None:
    """E13: the due instant carries the offset of its own day."""
    assert answer(judge(issued, "offline24")) == expected


@pytest.mark.parametrize(
    ("ended", "expected"), [("2026-10-25 02:30", "2026-11-03"), ("2026-03-29 03:30", "2026-04-08")]
)
def test_fault_F14_a_failure_that_ends_in_the_night_of_the_clock_change(ended: str, expected: str) -> None:
    """The day of the end is day 0 in both nights, also in the hour that comes twice."""
    fault = event("failure", "2026-03-20 10:00" if "03-29" in ended else "2026-10-20 10:00", ended)
    issued = "2026-03-20" if "03-29" in ended else "2026-10-20"
    assert day(judge(issued, "failure", fault)) == expected


def test_e14_christmas_and_new_year_are_skipped() -> None:
    """E14: 24, 25, 26 December, 1 January and the weekends are not counted."""
    fault = event("failure", "2026-12-21 07:00", "2026-12-21 19:00")
    assert day(judge("2026-12-21", "failure", fault)) == "2027-01-04"


def test_fault_K13_e16_silence_is_no_failure() -> None:
    """E16, K13: without a recorded notice the earlier date holds, whatever mode was meant."""
    assert {day(judge("2026-10-12", m)) for m in ("failure", "unavailability", "total_failure")} == {"2026-10-13"}


def test_e17_a_clock_of_1970_is_before_every_issue() -> None:
    """E17: with an absurd clock there is an answer all the same."""
    found = judge("2026-10-12", "online", now="2000-01-01T00:00:00Z")
    assert found.state is DueState.NONE


# -- what happens after the issue ----------------------------------------------------------------------------------


def test_a_total_failure_after_an_unannounced_one_ceases_the_duty() -> None:
    """A document meant for a total failure that nobody announced is treated as offline24, also by a later one."""
    found = judge("2026-10-12", "total_failure", event("total_failure", "2026-10-13 07:00"))
    assert found.state is DueState.CEASED


def test_fault_K12_maintenance_announced_ahead_changes_nothing_before_it_begins() -> None:
    """An hour before the window an online document is due today; KSeF is up."""
    window = event("maintenance", "2026-10-12 20:00", "2026-10-13 04:00", published="2026-10-09 12:00")
    found = judge("2026-10-12", "online", moment("issued", "2026-10-12 18:00"), window, now="2026-10-12T19:00:00+02:00")
    assert (found.mode, day(found)) == (Mode.ONLINE, "2026-10-12")


def test_fault_K12_an_online_document_still_here_when_the_window_begins_is_issued_in_it() -> None:
    """Not handed over at the beginning, it takes the regime of the window."""
    window = event("maintenance", "2026-10-12 20:00", "2026-10-13 04:00", published="2026-10-09 12:00")
    found = judge("2026-10-12", "online", moment("issued", "2026-10-12 18:00"), window, now="2026-10-12T20:00:00+02:00")
    assert (found.mode, day(found)) == (Mode.UNAVAILABILITY, "2026-10-14")


def test_a_document_brought_in_after_its_day_is_online_missed() -> None:
    """A failure on the day of P_1 does not excuse a document that came days later."""
    fault = event("failure", "2026-10-09 08:00", "2026-10-12 20:00")
    found = judge("2026-10-09", "online", moment("issued", "2026-10-12 08:00"), fault)
    assert (found.deemed, day(found), found.state) == (True, "2026-10-12", DueState.OPEN)


def test_fault_K12_a_second_window_that_touches_the_first_is_one_window() -> None:
    """The end of the last of them counts."""
    one = event("maintenance", "2026-10-12 20:00", "2026-10-13 04:00")
    two = event("maintenance", "2026-10-13 04:00", "2026-10-15 04:00", published="2026-10-13 08:00")
    assert day(judge("2026-10-12", "unavailability", one, two)) == "2026-10-16"


def test_a_separate_later_window_changes_nothing() -> None:
    """There is no provision for it."""
    one = event("maintenance", "2026-10-12 20:00", "2026-10-13 04:00")
    two = event("maintenance", "2026-10-14 04:00", "2026-10-15 04:00")
    assert day(judge("2026-10-12", "unavailability", one, two)) == "2026-10-14"


def test_fault_K12_a_new_failure_restarts_the_counter_without_a_cap() -> None:
    """K9: each failure within the term starts the seven days again."""
    chain = [event("failure", f"2026-{m:02}-01 08:00", f"2026-{m:02}-28 08:00") for m in (6, 7, 8, 9)]
    assert day(judge("2026-06-01", "failure", *chain)) == "2026-10-07"


def test_fault_K12_a_correction_of_the_notice_keeps_the_day_of_its_first_publication() -> None:
    """A corrected end counts although the correction came after the term."""
    first = event("failure", "2026-10-12 08:00", "2026-10-12 12:00", id="K1")
    again = event("failure", "2026-10-12 08:00", "2026-10-12 18:00", id="K1", version=2, published="2026-11-10 08:00")
    found = judge("2026-10-12", "failure", first, again)
    assert (day(found), found.because) == ("2026-10-21", "K1 (wersja 2)")


def test_a_late_end_notice_that_names_an_earlier_day_shortens_the_term() -> None:
    """Art. 106nf(4): the day named in the notice counts."""
    fault = event("failure", "2026-09-01 08:00", "2026-09-02 12:00", end_published="2026-09-20 08:00")
    found = judge("2026-09-01", "failure", fault)
    assert (day(found), found.state) == ("2026-09-11", DueState.OVERDUE)


def test_a_failure_and_its_escalation_may_share_an_id() -> None:
    """A total failure is announced when it is announced, not when the failure under its id was."""
    fault = event("failure", "2026-10-12 08:00", id="K1")
    worse = event("total_failure", "2026-10-13 08:00", id="K1", version=2)
    found = judge("2026-10-12", "offline24", moment("issued", "2026-10-12 20:00"), fault, worse)
    assert (found.mode, found.state) == (Mode.FAILURE, DueState.CEASED)


def test_handed_over_before_the_end_is_known_stays_met() -> None:
    """An end that is named afterwards, and early, cannot make a breach of it; it only dates the term."""
    fault = event("failure", "2026-09-01 08:00", "2026-09-02 12:00", end_published="2026-09-20 08:00")
    found = judge("2026-09-01", "failure", moment("handover", "2026-09-15 08:00"), fault)
    assert (day(found), found.state) == ("2026-09-11", DueState.MET)


def test_a_rejection_reopens_the_same_term() -> None:
    """A rejected hand-over is none; the due date is what it was."""
    done = moment("handover", "2026-10-13 08:00")
    issued = moment("issued", "2026-10-12 10:00")
    met = judge("2026-10-12", "offline24", issued, done)
    back = judge("2026-10-12", "offline24", issued, done, moment("rejected", "2026-10-14 09:00"))
    assert (met.safe, met.state, back.state) == (back.safe, DueState.MET, DueState.OVERDUE)


def test_the_local_date_never_replaces_the_safe_one() -> None:
    """K3: maintenance after offline24 gives a second date and leaves the first alone."""
    window = event("maintenance", "2026-10-13 18:00", "2026-10-14 06:00")
    found = judge("2026-10-12", "offline24", window, local=True)
    assert (day(found), found.local) == ("2026-10-13", end_of_day(date(2026, 10, 15)))


# -- whatever is announced -----------------------------------------------------------------------------------------

many = settings(
    max_examples=80, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
DAYS = st.sampled_from([date(2026, 10, 23), date(2026, 3, 27), date(2026, 12, 22), date(2026, 4, 2), date(2026, 9, 1)])
OFFLINE = [Mode.OFFLINE24, Mode.UNAVAILABILITY, Mode.FAILURE]
FAILURES = [Category.FAILURE]


@st.composite
def notices(
    draw: st.DrawFn, first: date, kinds: Sequence[Category] = tuple(Category), least: int = 0
) -> list[Announcement]:
    """Up to four announced periods around a day."""
    zero, found = start_of_day(first).timestamp() / 60, []
    for n in range(draw(st.integers(least, 4))):
        start = zero + draw(st.integers(-2 * 1440, 12 * 1440))
        length = draw(st.none() | st.integers(1, 5000))
        published = start + draw(st.sampled_from([0, 0, -900, 900]))
        named = draw(st.none() | st.integers(0, 4000))
        end = None if length is None else start + length
        told = None if end is None or named is None else max(published, end + named)
        found.append(
            Announcement(
                f"n{n}", draw(st.sampled_from(kinds)), _minute(start), _minute(end), _minute(published), _minute(told)
            )
        )
    return found


def _minute(value: float | None) -> datetime | None:  # type: ignore[return]
    return None if value is None else datetime.fromtimestamp(value * 60, WARSAW)


@st.composite
def cases(draw: st.DrawFn, modes: Sequence[Mode] = tuple(Mode)) -> tuple[Issue, list[Announcement], datetime]:
    """An issue, what was announced around it, and a moment to look from."""
    issued = draw(DAYS)
    moment = start_of_day(issued) + timedelta(minutes=draw(st.integers(0, 1439)))
    now = moment + timedelta(minutes=draw(st.integers(0, 30 * 1440)))
    return Issue(issued, moment, draw(st.sampled_from(modes))), draw(notices(issued)), now


@many
@given(cases())
def test_the_order_of_announcements_does_not_matter(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """Whatever order they came in, the answer is one."""
    issue, found, now = case
    assert len({assess(issue, order, now) for order in permutations(found)}) == 1


@many
@given(cases())
def test_recomputation_is_repeatable(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """The same inputs give the same answer, to the last letter."""
    issue, found, now = case
    assert assess(issue, found, now) == assess(issue, found, now)


@many
@given(cases(), st.integers(0, 20 * 1440), st.data())
def test_a_met_deadline_never_moves(
    case: tuple[Issue, list[Announcement], datetime], after: int, data: st.DataObject
) -> None:
    """Handed over in time, no later day and no later notice makes a breach of it."""
    issue, found, _ = case
    handed = issue.at + timedelta(minutes=after)
    then = assess(issue, found, handed, handed_over=handed)
    assume(then.state is DueState.MET)
    later = [replace(a, id=f"x{a.id}", published=max(a.published, handed + timedelta(minutes=1)))
             for a in data.draw(notices(issue.date))]  # fmt: skip
    tomorrow = handed + timedelta(days=1)
    corrected = [
        replace(a, version=2, published=tomorrow, end=a.start + timedelta(1), end_published=None) for a in found
    ]
    now = assess(issue, [*found, *later, *corrected], handed + timedelta(days=60), handed_over=handed)
    assert (now.state, now.mode) == (DueState.MET, then.mode)
    assert then.safe in (None, now.safe)


@many
@given(cases([Mode.OFFLINE24, Mode.FAILURE]), st.data())
def test_more_failures_never_bring_the_due_date_closer(
    case: tuple[Issue, list[Announcement], datetime], data: st.DataObject
) -> None:
    """One failure more, announced after the issue, leaves the date or moves it away."""
    issue, _, _ = case
    found = data.draw(notices(issue.date, FAILURES))
    more = data.draw(notices(issue.date, FAILURES, least=1))[0]
    more = replace(more, id="more", published=max(more.published, issue.at), end_published=None)
    now = issue.at + timedelta(days=60)
    before, after = assess(issue, found, now), assess(issue, [*found, more], now)
    assert after.safe is None or (before.safe is not None and before.safe <= after.safe)


@many
@given(cases([Mode.ONLINE, *OFFLINE]))
def test_total_failure_after_the_due_changes_nothing(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """Announced a minute after the term it has no effect; the breach stands."""
    issue, found, _ = case
    now = issue.at + timedelta(days=90)
    before = assess(issue, found, now)
    assume(before.safe is not None)
    assert before.safe is not None
    late = before.safe + timedelta(minutes=1)
    total = Announcement("total", Category.TOTAL_FAILURE, late, None, late)
    assert assess(issue, [*found, total], now) == before


@many
@given(cases(OFFLINE))
def test_the_due_is_the_end_of_a_working_day(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """23:59:59 Warsaw, Monday to Friday, no holiday, in every offline mode."""
    found = assess(*case)
    assume(found.safe is not None)
    assert found.safe is not None
    local = found.safe.astimezone(WARSAW)
    assert (local.hour, local.minute, local.second, local.microsecond) == (23, 59, 59, 0)
    assert is_working_day(local.date())


@many
@given(cases(), st.booleans())
def test_the_explanation_is_one_sentence_that_names_the_date(
    case: tuple[Issue, list[Announcement], datetime], handed: bool
) -> None:
    """Capital letter, one full stop at the end, no stray braces, and the due date in it."""
    issue, found, now = case
    told = assess(issue, found, now, handed_over=now if handed else None)
    text = re.sub(r"\d\d\.\d\d\.\d{4}|\b7\. dnia|godz\.", "", told.explanation)
    assert text.count(".") == 1
    assert text.endswith(".")
    assert told.explanation[0].isupper()
    assert not set(told.explanation) & set("{}_")
    assert told.safe is None or f"{told.safe:%d.%m.%Y}" in told.explanation


@many
@given(cases())
def test_known_never_lets_the_future_in(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """No notice that was published later, and no end that was named later."""
    _, found, now = case
    for one in known(found, now):
        assert one.published <= now
        named = one.end_known_at()
        assert named is None or named <= now


@many
@given(cases())
def test_what_is_announced_later_does_not_change_an_answer(case: tuple[Issue, list[Announcement], datetime]) -> None:
    """An answer given at some moment can be replayed for ever after."""
    issue, found, now = case
    assert assess(issue, found, now) == assess(issue, known(found, now), now)
