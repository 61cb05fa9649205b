"""Working days."""

from datetime import date, datetime

import holidays
import pytest

from spool.domain.calendar import by_rule, days_off, end_of_day, is_working_day, warsaw_date, working_day_after


@pytest.mark.parametrize("year", range(2024, 2046))
def test_days_off_agree_with_an_independent_table(year: int) -> None:
    """Our table, the rule of the act and the PyPI package `holidays` name the same days."""
    assert days_off(year) == by_rule(year) == set(holidays.Poland(years=year))


def test_christmas_eve_is_off_only_since_2025() -> None:
    """24 December became a statutory day off in 2025."""
    assert is_working_day(date(2024, 12, 24))
    assert not is_working_day(date(2025, 12, 24))


def test_good_friday_is_a_working_day() -> None:
    """Good Friday is worked in Poland (case D05)."""
    assert is_working_day(date(2026, 4, 3))


def test_a_day_may_be_added_by_regulation() -> None:
    """Art. 1a: a single day can be added, and removed, as data."""
    assert not is_working_day(date(2026, 11, 12), {date(2026, 11, 12): True})
    assert is_working_day(date(2026, 11, 11), {date(2026, 11, 11): False})


def test_day_zero_is_not_counted() -> None:
    """Friday's next working day is Monday; the seventh working day after 9 July 2026 is 20 July."""
    assert working_day_after(date(2026, 4, 10)) == date(2026, 4, 13)
    assert working_day_after(date(2026, 7, 9), 7) == date(2026, 7, 20)


def test_the_offset_is_that_of_the_day() -> None:
    """The last instant carries summer or winter time of its own day (case E13)."""
    assert end_of_day(date(2026, 10, 24)).isoformat() == "2026-10-24T23:59:59+02:00"
    assert end_of_day(date(2026, 10, 26)).isoformat() == "2026-10-26T23:59:59+01:00"


def test_the_warsaw_day_comes_before_the_utc_day() -> None:
    """22:30Z in summer is already the next day in Warsaw (case D04)."""
    assert warsaw_date(datetime.fromisoformat("2026-07-09T22:30:00+00:00")) == date(2026, 7, 10)
