"""Numbers and times on the status page, in Polish."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.web.words import clock, counted, left, moment, number, one_line
from tests.http_bench import NOW


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 faktur"), (1, "1 faktura"), (2, "2 faktury"), (5, "5 faktur"), (12, "12 faktur"),
                        (22, "22 faktury"), (112, "112 faktur"), (1234, "1\u00a0234 faktury")],
)  # fmt: skip
def test_counting_in_polish(count: int, text: str) -> None:
    """One, few, many, and thousands apart."""
    assert counted(count) == text
    assert number(1234567) == "1\u00a0234\u00a0567"


def test_our_own_spaces_are_not_spelled_out() -> None:
    """The page and the mail show `1 234 faktury`; what is invisible in a name from outside is still spelled out."""
    assert one_line(f"{counted(1234)} od \u202e") == "1 234 faktury od \\u{202E}"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 20, 22, 59, tzinfo=UTC), "dziś 23:59"),
        (datetime(2026, 11, 20, 23, 59, tzinfo=UTC), "jutro 00:59"),
        (datetime(2026, 11, 19, 12, 0, tzinfo=UTC), "wczoraj 13:00"),
        (datetime(2026, 11, 23, 22, 59, tzinfo=UTC), "pon. 23.11, 23:59"),
        (datetime(2027, 7, 1, 21, 59, tzinfo=UTC), "czw. 01.07.2027, 23:59"),
    ],
)
def test_moments_are_warsaw_days(at: datetime, text: str) -> None:
    """Days change at midnight in Warsaw, and the offset is that of the day."""
    assert moment(at, NOW) == text
    assert clock(NOW) == "pt. 20.11.2026, 10:00:00"


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(seconds=30), "mniej niż 1 min"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=3, minutes=5), "3 godz. 5 min"),
        (timedelta(hours=30), "30 godz."),
        (timedelta(days=3, hours=4), "3 dni"),
        (timedelta(minutes=-5), "po terminie od 5 min"),
    ],
)
def test_time_left(gap: timedelta, text: str) -> None:
    """Exact when it is close, round when it is far."""
    assert left(NOW + gap, NOW) == text
