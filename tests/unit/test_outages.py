"""Announcements in the spool: heard once, ended and confirmed by people, and never obeyed blindly."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spool import outages
from spool.access import FILE, Spool
from spool.domain.announcements import Category
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import Outage
from spool.store import Store
from tests.unit.test_beacon import NOW, at, begin, finish, window

FAILURE = "prod-1-failure"
TOTAL = "prod-1-total_failure"
WORSE = begin("12 12:00", id="W", category="TOTAL_FAILURE")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def hear(spool: Spool, *messages: dict[str, object], environment: str = "prod") -> list[str]:
    """One poll."""
    return spool.write_now(lambda s: outages.hear(s, environment, messages, NOW))


def read(spool: Spool, outage_id: str = FAILURE) -> Outage:
    """One announcement as it is kept."""
    found = spool.read_now(lambda s: s.outage(outage_id))
    assert found is not None
    return found


def moves(spool: Spool, outage_id: str = FAILURE) -> list[str]:
    """What the history says of it."""
    return [e.move for e in spool.read_now(lambda s: s.history(f"outage:{outage_id}"))]


def acting(spool: Spool, environment: str = "prod") -> list[Category]:
    """What deadlines follow."""
    return [a.category for a in spool.read_now(lambda s: s.acting(environment, date(2026, 1, 1)))]


def add(store: Store, category: Category = Category.FAILURE, environment: str = "prod") -> Outage:
    """A notice that a person read."""
    return outages.add(store, environment, category, at("12 08:00"), NOW, name="Anna", link="https://bip.example/1")


def close(store: Store, end: str = "12 16:00", outage_id: str = FAILURE) -> Outage:
    """A person enters the end."""
    return outages.close(store, outage_id, at(end), NOW, name="Anna", link="https://bip.example/2")


def confirm(store: Store, outage_id: str = TOTAL) -> Outage:
    """A person vouches for it."""
    return outages.confirm(store, outage_id, NOW, name="Anna")


def cancel(store: Store, outage_id: str = FAILURE) -> Outage:
    """A person takes it back."""
    return outages.cancel(store, outage_id, NOW, name="Anna", reason="")


def test_the_same_poll_twice_changes_nothing(spool: Spool) -> None:
    """No second notice, no second announcement, no new revision."""
    assert hear(spool, begin()) == [FAILURE]
    revision = spool.read_now(lambda s: s.outage_revision())
    assert hear(spool, begin()) == []
    assert spool.read_now(lambda s: (s.outage_revision(), len(s.notices("prod", "1")))) == (revision, 1)
    assert moves(spool) == ["announced"]


def test_every_version_is_kept_as_evidence(spool: Spool) -> None:
    """The old wording stays beside the new one, raw."""
    hear(spool, begin(text="first"))
    hear(spool, begin(text="second", version=2))
    notices = spool.read_now(lambda s: s.notices("prod", "1"))
    assert ["first" in n for n in notices] == [True, False]


def test_evidence_that_is_no_announcement_is_kept_all_the_same(spool: Spool) -> None:
    """A kind that we do not know changes nothing and is not lost."""
    assert hear(spool, begin(category="ALARM")) == []
    assert spool.read_now(lambda s: len(s.notices("prod", "1"))) == 1


def test_a_change_raises_version_and_revision(spool: Spool) -> None:
    """A decision can name which version it followed."""
    hear(spool, begin())
    before = spool.read_now(lambda s: s.outage_revision())
    hear(spool, finish("12 16:00", "12 16:00"))
    assert (read(spool).announcement.version, spool.read_now(lambda s: s.outage_revision())) == (2, before + 1)


def test_a_persons_end_holds_while_the_ministry_names_none(spool: Spool) -> None:
    """The beacon that goes on showing an open failure does not undo it."""
    hear(spool, begin())
    spool.write_now(close)
    hear(spool, begin(text="still", version=2, start=at("12 07:00").isoformat()))
    assert read(spool).announcement.end == at("12 16:00")


def test_the_ministrys_end_replaces_a_persons(spool: Spool) -> None:
    """The end that the notice names is the one that counts (art. 106nf(4))."""
    hear(spool, begin())
    spool.write_now(close)
    hear(spool, finish("12 20:00", "12 20:00"))
    assert read(spool).announcement.end == at("12 20:00")


def test_a_ministry_that_takes_its_end_back_is_believed(spool: Spool) -> None:
    """Maintenance extended without a new end is a window without an end."""
    hear(spool, window("09 12:00", "12 18:00", "13 02:00"))
    hear(spool, window("12 20:00", "12 18:00", "13 02:00", version=2) | {"end": None})
    assert read(spool, "prod-1-maintenance").announcement.end is None


def test_maintenance_and_failure_act_at_once(spool: Spool) -> None:
    """Only the total failure waits for a person."""
    hear(spool, begin(), WORSE, window("09 12:00", "12 18:00", "13 02:00"))
    assert sorted(acting(spool)) == [Category.FAILURE, Category.MAINTENANCE]


def test_fault_K13_a_total_failure_acts_once_a_person_confirmed_it(spool: Spool) -> None:
    """One reading of the beacon cancels no duty."""
    hear(spool, WORSE)
    assert acting(spool) == []
    spool.write_now(confirm)
    assert (acting(spool), read(spool, TOTAL).confirmed_by) == ([Category.TOTAL_FAILURE], "Anna")


def test_a_correction_by_the_beacon_keeps_the_confirmation(spool: Spool) -> None:
    """The person's word stands for the event, not for a version."""
    hear(spool, WORSE)
    spool.write_now(confirm)
    hear(spool, begin("12 13:00", id="W", category="TOTAL_FAILURE", version=2, start=at("12 11:00").isoformat()))
    assert acting(spool) == [Category.TOTAL_FAILURE]


def test_a_total_failure_entered_by_a_person_waits_for_confirmation_too(spool: Spool) -> None:
    """To enter a notice and to vouch for what it does are two steps."""
    entered = spool.write_now(lambda s: add(s, Category.TOTAL_FAILURE))
    assert acting(spool) == []
    spool.write_now(lambda s: confirm(s, entered.announcement.id))
    assert acting(spool) == [Category.TOTAL_FAILURE]


@pytest.mark.parametrize("environment", ["test", "demo"])
def test_the_beacon_never_acts_in_test_environments(environment: str, spool: Spool) -> None:
    """It shows sample messages there for months, and a confirmation does not change what they are."""
    hear(spool, begin(), WORSE, environment=environment)
    spool.write_now(lambda s: confirm(s, f"{environment}-1-total_failure"))
    assert acting(spool, environment) == []


def test_a_persons_entry_acts_in_a_test_environment(spool: Spool) -> None:
    """So that a town can rehearse."""
    spool.write_now(lambda s: add(s, environment="test"))
    assert acting(spool, "test") == [Category.FAILURE]


def test_an_environment_hears_only_its_own(spool: Spool) -> None:
    """Production is not moved by what is announced elsewhere."""
    hear(spool, begin(), environment="sandbox")
    assert (acting(spool), acting(spool, "sandbox")) == ([], [Category.FAILURE])


def test_only_a_total_failure_can_be_confirmed(spool: Spool) -> None:
    """Any other announcement acts without."""
    hear(spool, begin())
    with pytest.raises(MoveRefused):
        spool.write_now(lambda s: confirm(s, FAILURE))


def test_to_confirm_twice_is_to_confirm_once(spool: Spool) -> None:
    """The first name stays, and the history has one row."""
    hear(spool, WORSE)
    spool.write_now(confirm)
    spool.write_now(lambda s: outages.confirm(s, TOTAL, NOW, name="Jan"))
    assert (read(spool, TOTAL).confirmed_by, moves(spool, TOTAL)) == ("Anna", ["announced", "confirmed"])


def test_cancelled_acts_no_more_and_stays_in_the_record(spool: Spool) -> None:
    """Also when the beacon goes on showing it."""
    hear(spool, begin())
    spool.write_now(cancel)
    hear(spool, begin(version=2, start=at("12 07:00").isoformat()))
    assert (acting(spool), read(spool).cancelled_by) == ([], "Anna")


def test_to_cancel_twice_is_to_cancel_once(spool: Spool) -> None:
    """The history has one row for it."""
    hear(spool, begin())
    spool.write_now(cancel)
    spool.write_now(cancel)
    assert moves(spool) == ["announced", "cancelled"]


def test_a_cancelled_announcement_takes_no_end_and_no_confirmation(spool: Spool) -> None:
    """Neither would do anything, and both would look as if they did."""
    hear(spool, WORSE)
    spool.write_now(lambda s: cancel(s, TOTAL))
    with pytest.raises(MoveRefused):
        spool.write_now(confirm)
    with pytest.raises(MoveRefused):
        spool.write_now(lambda s: close(s, "13 08:00", TOTAL))


def test_an_end_before_the_beginning_is_refused(spool: Spool) -> None:
    """A slip of the pen must not date a term."""
    hear(spool, begin())
    with pytest.raises(ConfigError):
        spool.write_now(lambda s: close(s, "12 08:00"))


def test_an_entry_that_ends_before_it_begins_is_refused(spool: Spool) -> None:
    """The same when both are entered at once."""
    with pytest.raises(ConfigError):
        spool.write_now(
            lambda s: outages.add(
                s, "prod", Category.FAILURE, at("12 08:00"), NOW, name="A", link="x", end=at("12 07:00")
            )
        )


def test_an_unknown_announcement_is_named(spool: Spool) -> None:
    """The sentence says which one there is not."""
    with pytest.raises(ConfigError, match="reczny-9"):
        spool.write_now(lambda s: close(s, "13 08:00", "reczny-9"))


def test_an_end_in_the_future_is_known_only_when_it_comes(spool: Spool) -> None:
    """An announced end is no end yet: the term is not dated by a promise."""
    hear(spool, begin())
    end = NOW + timedelta(days=1)
    spool.write_now(lambda s: outages.close(s, FAILURE, end, NOW, name="Anna", link=""))
    assert read(spool).announcement.end_known_at() == end


def test_entries_by_hand_have_ids_of_their_own(spool: Spool) -> None:
    """Two notices are two announcements, also after one was cancelled."""
    first = spool.write_now(add)
    spool.write_now(lambda s: cancel(s, first.announcement.id))
    assert spool.write_now(add).announcement.id != first.announcement.id


@pytest.mark.parametrize(
    "wrong",
    [{"start": datetime(1, 1, 1, tzinfo=UTC)}, {"end": datetime(9999, 12, 31, tzinfo=UTC)}, {"link": " "},
     {"published": NOW + timedelta(days=1)}],
)  # fmt: skip
def test_what_no_notice_can_say_is_not_entered(spool: Spool, wrong: dict[str, Any]) -> None:
    """The ends of the calendar stop every reckoning of dates; without an address there is no evidence."""
    said = {"start": at("12 08:00"), "name": "Anna", "link": "https://bip.example/1"} | wrong
    with pytest.raises(ConfigError):
        spool.write_now(lambda s: outages.add(s, "prod", Category.MAINTENANCE, said.pop("start"), NOW, **said))
    entered = spool.write_now(add).announcement.id
    with pytest.raises(ConfigError, match="zakresem"):
        spool.write_now(lambda s: outages.close(s, entered, datetime(9999, 12, 31, tzinfo=UTC), NOW, name="A", link=""))
