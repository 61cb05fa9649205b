"""How long a purchase may lie in the central tray before somebody is told (jst.md F5: payment terms run). Pure."""

from datetime import UTC, datetime, time, timedelta

from spool.domain.calendar import WARSAW, Changes, is_working_day


def overdue_before(now: datetime, hours: float, changes: Changes | None = None) -> datetime:
    """What lies in the tray since this instant or longer has lain there for `hours`; days off do not count.

    `hours` above 0. The answer is in UTC.
    """
    left, at = timedelta(hours=hours), now.astimezone(WARSAW)
    while True:
        midnight = datetime.combine(at.date(), time(), WARSAW)
        if is_working_day(at.date(), changes):
            spent = at.astimezone(UTC) - midnight.astimezone(UTC)
            if spent >= left:
                return at.astimezone(UTC) - left
            left -= spent
        # The last instant of the day before; a microsecond is nothing among hours.
        at = datetime.combine(midnight.date() - timedelta(days=1), time.max, WARSAW)
