"""Latarnia's messages: what they become, and that none of them can do harm."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spool import outages
from spool.access import FILE, Spool
from spool.domain import beacon
from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import WARSAW

NOW = datetime(2026, 10, 20, 9, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant of October 2026 in UTC, as "12 08:00"."""
    return datetime.fromisoformat(f"2026-10-{text}+00:00")


def message(kind: str, published: str, **more: Any) -> dict[str, Any]:
    """A message as the beacon shows it; `kind` is one of the ministry's types."""
    category = "MAINTENANCE" if kind == "MAINTENANCE_ANNOUNCEMENT" else "FAILURE"
    when = at(published).isoformat()
    plain = {"id": f"{kind}-1", "eventId": 1, "category": category, "type": kind, "title": "T", "text": "t",
             "start": when, "end": None, "version": 1, "published": when}  # fmt: skip
    return plain | more


def begin(published: str = "12 08:00", **more: Any) -> dict[str, Any]:
    """A failure begins."""
    return message("FAILURE_START", published, **more)


def finish(end: str, published: str, **more: Any) -> dict[str, Any]:
    """A failure is over."""
    return message("FAILURE_END", published, end=at(end).isoformat(), **more)


def window(published: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    """Maintenance announced ahead."""
    told = {"start": at(start).isoformat(), "end": at(end).isoformat()}
    return message("MAINTENANCE_ANNOUNCEMENT", published, **(told | more))


def periods(*raw: dict[str, Any]) -> list[Announcement]:
    """The announcements of one event."""
    read = [beacon.read(one) for one in raw]
    return [period for period, _ in beacon.periods("prod", [m for m in read if m is not None])]


def test_a_failure_that_runs_has_no_end() -> None:
    """Nobody guesses it."""
    (found,) = periods(begin())
    start = at("12 08:00")
    assert found == Announcement("prod-1-failure", Category.FAILURE, start, None, start)


def test_an_end_message_names_the_end_and_its_own_moment() -> None:
    """The end and the publication of the end are two instants."""
    (found,) = periods(begin(), finish("12 16:00", "12 17:00"))
    assert (found.end, found.end_published) == (at("12 16:00"), at("12 17:00"))


def test_an_end_message_without_an_end_ends_at_its_publication() -> None:
    """The only instant that it names."""
    (found,) = periods(begin(), finish("12 16:00", "12 17:00") | {"end": None})
    assert found.end == at("12 17:00")


def test_an_end_alone_is_no_failure() -> None:
    """Without a notice of occurrence there is nothing that ended."""
    assert periods(finish("12 16:00", "12 17:00")) == []


@pytest.mark.parametrize("end", ["11 20:00", "13 20:00"])
def test_an_end_may_be_corrected_both_ways(end: str) -> None:
    """The highest version of the message wins, also where it names an earlier day."""
    first = finish("12 20:00", "12 20:00")
    (found,) = periods(begin("10 08:00"), first, finish(end, "13 21:00", version=2))
    assert found.end == at(end)


def test_fault_K13_an_older_version_seen_later_changes_nothing() -> None:
    """A cache may serve it for a while."""
    newer, older = finish("12 18:00", "12 21:00", version=2), finish("12 20:00", "12 20:00")
    assert periods(begin(), newer, older) == periods(begin(), older, newer)


def test_a_corrected_beginning_keeps_its_first_publication() -> None:
    """The notice of occurrence is the one that was first."""
    (found,) = periods(begin(), begin("13 08:00", version=2, start=at("12 07:00").isoformat()))
    assert (found.start, found.published) == (at("12 07:00"), at("12 08:00"))


def test_maintenance_is_announced_ahead_and_corrected() -> None:
    """The window is that of the newest version, the publication that of the first."""
    first = window("09 12:00", "12 18:00", "13 02:00")
    (found,) = periods(first, window("11 12:00", "12 20:00", "13 06:00", version=2))
    assert (found.start, found.end, found.published) == (at("12 20:00"), at("13 06:00"), at("09 12:00"))


@pytest.mark.parametrize("worse_id", ["FAILURE_START-1", "other"])
def test_an_escalation_of_the_same_event_is_two_periods(worse_id: str) -> None:
    """The failure keeps its notice; the total failure has its own; one end message ends both."""
    worse = begin("12 12:00", id=worse_id, category="TOTAL_FAILURE", version=2)
    failure, total = periods(begin(), worse, finish("12 20:00", "12 20:00"))
    assert (failure.published, total.published) == (at("12 08:00"), at("12 12:00"))
    assert failure.end == total.end == at("12 20:00")


def test_the_end_of_the_failure_is_not_the_end_of_what_it_grew_into() -> None:
    """An end that lies before the total failure began ends only the failure."""
    worse = begin("12 12:00", id="other", category="TOTAL_FAILURE")
    failure, total = periods(begin(), finish("12 11:00", "12 11:00"), worse)
    assert (failure.end, total.end) == (at("12 11:00"), None)


@pytest.mark.parametrize(
    "odd",
    [
        {"category": "ALARM"},
        {"category": None},
        {"type": "FAILURE_PAUSE"},
        {"type": 7},
        {"published": None},
        {"published": "yesterday"},
        {"published": "0001-01-01T00:00:00+14:00"},
        {"start": "12.10.2026"},
        {"start": 1760000000},
        {"start": [], "end": {}},
        {"start": "9999-12-31T23:59:59-14:00"},
    ],
    ids=str,
)
def test_what_we_do_not_understand_changes_nothing(odd: dict[str, Any]) -> None:
    """Unknown words and garbled instants make no announcement."""
    assert beacon.read(begin() | odd) is None


def test_an_absurd_end_is_an_unknown_end() -> None:
    """The year 9999 stands for "nobody knows"."""
    (found,) = periods(begin(end="9999-12-31T23:59:59Z"))
    assert found.end is None


def test_an_instant_without_an_offset_is_warsaw_time() -> None:
    """A ministry that forgets the offset means its own clock."""
    (found,) = periods(begin(start="2026-10-12T08:00:00"))
    assert found.start == datetime(2026, 10, 12, 8, tzinfo=WARSAW)


WORDS = [
    "FAILURE",
    "TOTAL_FAILURE",
    "MAINTENANCE",
    "FAILURE_START",
    "FAILURE_END",
    "MAINTENANCE_ANNOUNCEMENT",
    "\ud800",
]
INSTANTS = ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-10-12T08:00:00Z", "2026-10-12T08:00:00"]
PLAIN = st.sampled_from([*WORDS, *INSTANTS, None, True, 1, -1, 2**70, 1.5, float("nan"), "", "1"]) | st.text(max_size=5)
ANYTHING = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)
FIELDS = ["id", "eventId", "category", "type", "title", "text", "start", "end", "version", "published"]
GARBLED = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(GARBLED, max_size=4), st.booleans())
def test_fault_K13_no_message_raises(garbled: list[dict[str, Any]], whole: bool) -> None:
    """Wrong types anywhere, alone or in an otherwise sound message."""
    raw = [begin() | one for one in garbled] if whole else garbled
    assert all(isinstance(found, Announcement) for found in periods(*raw))


@pytest.fixture(scope="module")
def garbage_spool(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One spool for everything that is garbled."""
    opened = Spool(tmp_path_factory.mktemp("garbage") / FILE)
    yield opened
    opened.close()


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.lists(GARBLED, max_size=3))
def test_fault_K13_no_message_stops_the_sound_one_beside_it(
    garbage_spool: Spool, garbled: list[dict[str, Any]]
) -> None:
    """Whatever else a poll shows, it is kept, and the failure in it is heard."""

    def poll(store: Any) -> Any:
        event = f"e{len(store.outages())}"
        outages.hear(store, "prod", [*(begin() | one for one in garbled), begin(eventId=event)], NOW)
        return store.outage(f"prod-{event}-failure")

    assert garbage_spool.write_now(poll) is not None


@pytest.mark.parametrize(
    "odd", [{"version": 2**70}, {"version": -(2**70)}, {"title": "\ud800"}, {"id": "\ud800"}], ids=ascii
)
def test_what_the_spool_cannot_hold_is_heard_all_the_same(odd: dict[str, Any], tmp_path: Path) -> None:
    """A number beyond 64 bits or half a surrogate pair does not make a poll fail."""
    spool = Spool(tmp_path / FILE)
    heard = spool.write_now(lambda s: outages.hear(s, "prod", [begin() | odd], NOW))
    spool.close()
    assert heard == ["prod-1-failure"]


STORY = [
    begin(),
    begin("12 09:00", version=2, start=at("12 07:30").isoformat()),
    begin("12 12:00", category="TOTAL_FAILURE", version=3),
    finish("13 08:00", "13 09:00"),
    finish("12 20:00", "14 09:00", version=2),
]


@pytest.mark.parametrize("order", list(permutations(range(len(STORY))))[::9], ids=str)
def test_fault_K13_messages_in_any_order_and_over_several_polls_are_one_story(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    """Each poll shows one more; in the end the announcements are those of the whole."""
    spool = Spool(tmp_path / FILE)
    for position in order:
        spool.write_now(lambda s, p=position: outages.hear(s, "prod", [STORY[p]], NOW))  # type: ignore[misc]
    found = spool.read_now(lambda s: {o.announcement.key: o.announcement for o in s.outages()})
    spool.close()
    told = {p.key: p for p in periods(*STORY)}
    assert {k: (a.start, a.end, a.published, a.end_published) for k, a in found.items()} == {
        k: (a.start, a.end, a.published, a.end_published) for k, a in told.items()
    }


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.permutations(STORY), st.integers(0, 300))
def test_the_order_within_a_poll_does_not_matter(order: list[dict[str, Any]], later: int) -> None:
    """The same messages give the same periods, and a later event of another id leaves them alone."""
    assert periods(*order) == periods(*STORY)
    moved = (at("20 08:00") + timedelta(minutes=later)).isoformat()
    assert len(periods(*order, begin(category="MAINTENANCE", type="MAINTENANCE_ANNOUNCEMENT", start=moved))) == 3
