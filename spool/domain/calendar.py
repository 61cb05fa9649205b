"""Polish working days: Monday to Friday minus the statutory days off of `spool.domain.days_off`."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from dateutil.easter import easter

from spool.domain.days_off import DAYS_OFF

WARSAW = ZoneInfo("Europe/Warsaw")
Changes = Mapping[date, bool]
"""Single days that the configuration adds to (True) or takes from (False) the days off."""

_FIXED = ((1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26))
_CHRISTMAS_EVE_SINCE = 2025


def days_off(year: int, changes: Changes | None = None) -> frozenset[date]:
    """The statutory days off of a year: from the table, for years outside it by the rule of the act.

    `changes` adds (True) or removes (False) single days: art. 1a lets the Prime Minister add days by regulation.
    """
    days = _days_off(year)
    for day, off in (changes or {}).items():
        if day.year == year:
            days = days | {day} if off else days - {day}
    return days


@cache
def _days_off(year: int) -> frozenset[date]:
    if year not in DAYS_OFF:
        return by_rule(year)
    return frozenset(date.fromisoformat(f"{year}-{day}") for day in DAYS_OFF[year].split())


def by_rule(year: int) -> frozenset[date]:
    """The days that art. 1 names, computed: fixed dates, Easter and what hangs on it, 24 December since 2025."""
    sunday = easter(year)
    days = {date(year, m, d) for m, d in _FIXED}
    days |= {sunday, sunday + timedelta(1), sunday + timedelta(49), sunday + timedelta(60)}
    if year >= _CHRISTMAS_EVE_SINCE:
        days.add(date(year, 12, 24))
    return frozenset(days)


def is_working_day(day: date, changes: Changes | None = None) -> bool:
    """Monday to Friday and not a statutory day off; a Saturday is never counted (deadlines §2.2)."""
    return day.weekday() < 5 and day not in days_off(day.year, changes)


def working_day_after(day: date, count: int = 1, changes: Changes | None = None) -> date:
    """The `count`-th working day after `day`; `day` itself is day 0 and never counted (deadlines §2.1)."""
    while count:
        day += timedelta(1)
        count -= is_working_day(day, changes)
    return day


def working_day_before(day: date, count: int = 1, changes: Changes | None = None) -> date:
    """The `count`-th working day before `day`, which is not counted itself."""
    while count:
        day -= timedelta(1)
        count -= is_working_day(day, changes)
    return day


def end_of_day(day: date) -> datetime:
    """23:59:59 Europe/Warsaw of that day, with the offset of that day (deadlines §2.4)."""
    return datetime.combine(day, time(23, 59, 59), WARSAW)


def start_of_day(day: date) -> datetime:
    """00:00 Europe/Warsaw of that day."""
    return datetime.combine(day, time(), WARSAW)


def warsaw_date(moment: datetime) -> date:
    """The calendar day in Warsaw of an instant that carries an offset."""
    return moment.astimezone(WARSAW).date()
