"""Polish working days: Monday to Friday minus the days of the Act of 18 January 1951, art. 1 (Dz.U. 2025 poz. 296)."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.easter import easter

WARSAW = ZoneInfo("Europe/Warsaw")

_FIXED = ((1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26))
_CHRISTMAS_EVE_SINCE = 2025


def days_off(year: int, changes: Mapping[date, bool] | None = None) -> frozenset[date]:
    """The statutory days off of a year, Saturdays and Sundays not included.

    `changes` adds (True) or removes (False) single days: art. 1a lets the Prime Minister add days by regulation.
    """
    sunday = easter(year)
    days = {date(year, m, d) for m, d in _FIXED}
    days |= {sunday, sunday + timedelta(1), sunday + timedelta(49), sunday + timedelta(60)}
    if year >= _CHRISTMAS_EVE_SINCE:
        days.add(date(year, 12, 24))
    for day, off in (changes or {}).items():
        if day.year == year:
            days = days | {day} if off else days - {day}
    return frozenset(days)


def is_working_day(day: date, changes: Mapping[date, bool] | None = None) -> bool:
    """Monday to Friday and not a statutory day off; a Saturday is never counted (deadlines §2.2)."""
    return day.weekday() < 5 and day not in days_off(day.year, changes)


def working_day_after(day: date, count: int = 1, changes: Mapping[date, bool] | None = None) -> date:
    """The `count`-th working day after `day`; `day` itself is day 0 and never counted (deadlines §2.1)."""
    while count:
        day += timedelta(1)
        count -= is_working_day(day, changes)
    return day


def end_of_day(day: date) -> datetime:
    """23:59:59 Europe/Warsaw of that day, with the offset of that day (deadlines §2.4)."""
    return datetime.combine(day, time(23, 59, 59), WARSAW)


def warsaw_date(moment: datetime) -> date:
    """The calendar day in Warsaw of an instant that carries an offset."""
    return moment.astimezone(WARSAW).date()
