"""When people are told what is wrong beside deadlines: pure rules, one truth each."""

from datetime import datetime, time, timedelta

from spool.domain.troubles import SETTLED, Quiet, Seen, Trouble, plan
from tests.alarms_bench import at

AWAKE = Quiet(time(0), time(0))
NIGHT = Quiet(time(21), time(6, 30))
LINK = Seen("unreachable:gmina", "KSeF nie odpowiada.")
DISK = Seen("disk:spool", "Brak miejsca.", grave=True)


def known(seen: Seen, since: datetime, **more: datetime | int | None) -> Trouble:
    """A trouble of the spool."""
    given = {"told_at": None, "told_grade": 0, "gone_at": None, "over_at": None} | more
    return Trouble(1, seen, since, **given)  # type: ignore[arg-type]


def test_a_link_that_is_down_for_a_while_is_nobodys_business() -> None:
    """Half an hour, then once; a full disk at once."""
    assert plan([], [LINK], at(9), AWAKE).tell == ()
    assert plan([known(LINK, at(9))], [LINK], at(9, 29), AWAKE).tell == ()
    assert plan([known(LINK, at(9))], [LINK], at(9, 30), AWAKE).tell == (LINK,)
    assert plan([known(LINK, at(9), told_at=at(9, 30))], [LINK], at(15), AWAKE).empty
    assert plan([], [DISK], at(9), AWAKE).tell == (DISK,)


def test_quiet_hours_put_off_what_is_no_deadline() -> None:
    """At night nothing is told; in the morning what still lasts is, and what ended in the night untold never was."""
    assert plan([], [DISK], at(23), NIGHT).tell == ()
    assert plan([known(DISK, at(23))], [DISK], at(6, 29), NIGHT).tell == ()
    assert plan([known(DISK, at(23))], [DISK], at(6, 30), NIGHT).tell == (DISK,)
    gone = known(DISK, at(2), gone_at=at(3))
    assert plan([gone], [], at(4), NIGHT) == plan([gone], [], at(7), NIGHT)
    assert plan([gone], [], at(7), NIGHT).relieved == ()


def test_its_end_is_told_after_a_pause_and_only_if_it_was_told() -> None:
    """A link that comes back for nine minutes is the same trouble; told ones are over in the morning, not at night."""
    told = known(LINK, at(9), told_at=at(9, 30))
    assert plan([told], [], at(10), AWAKE).gone == (1,)
    resting = known(LINK, at(9), told_at=at(9, 30), gone_at=at(10))
    assert plan([resting], [], at(10) + SETTLED - timedelta(seconds=1), AWAKE).empty
    assert plan([resting], [LINK], at(10, 9), AWAKE).changed == ((1, LINK),)
    assert plan([resting], [], at(10) + SETTLED, AWAKE).relieved == (LINK,)
    assert plan([resting], [], at(23), NIGHT).empty
    assert plan([known(LINK, at(9), gone_at=at(9, 5))], [], at(10), AWAKE).over == (1,)


def test_what_becomes_more_pressing_is_told_again() -> None:
    """A certificate at 60, 30 and 7 days: three letters; the same grade again: none."""
    sixty = Seen("certificate:gmina:auth", "60 dni", grade=1)
    thirty = Seen("certificate:gmina:auth", "30 dni", grade=2)
    told = known(sixty, at(9), told_at=at(9), told_grade=1)
    assert plan([told], [sixty], at(10), AWAKE).tell == ()
    assert plan([told], [thirty], at(10), AWAKE).tell == (thirty,)
    assert plan([known(thirty, at(9), told_at=at(9), told_grade=2)], [thirty], at(11), AWAKE).tell == ()


def test_deadlines_are_left_to_their_ladder() -> None:
    """They come by day and night, step by step; here nothing is told of them."""
    late = Seen("deadline:late", "1 faktura jest po terminie.", grave=True)
    assert plan([], [late], at(23), NIGHT).empty


def test_a_clock_that_went_back_keeps_nothing_open() -> None:
    """Gone in the future: it is over."""
    assert plan([known(DISK, at(9), told_at=at(9), gone_at=at(12))], [], at(10), AWAKE).relieved == (DISK,)
