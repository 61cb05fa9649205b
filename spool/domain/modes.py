"""In which legal mode an invoice is issued: the wish is only an input (deadlines §1, mode resolution).

1. inside an announced total failure: total_failure · 2. inside an announced failure: failure · 3. inside an announced
maintenance window: unavailability · 4. otherwise as wished, online or offline24.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.announcements import PRECEDENCE, Announcement, Category
from spool.domain.calendar import end_of_day, warsaw_date
from spool.domain.document import Mode


@dataclass(frozen=True)
class Issue:
    """What a taxpayer did: `P_1`, the moment at which the document was frozen, the mode wished for.

    `mode` is online or offline24 as wished, or a mode that is already known to be the legal one. `missed` is an
    online document that somebody says was not handed over on its day.
    """

    date: date
    at: datetime
    mode: Mode
    missed: bool = False

    @property
    def moment(self) -> datetime:
        """When it counts as issued: never later than the end of `P_1`, which is the issue date (art. 106nda(10))."""
        return min(self.at, end_of_day(self.date))

    @property
    def late(self) -> bool:
        """Brought in only after its `P_1`: nobody saw it issued on that day (deadlines §1)."""
        return warsaw_date(self.at) > self.date


@dataclass(frozen=True)
class Resolved:
    """The mode at the moment of issue, that moment, and the announcement that decided, if one did."""

    mode: Mode
    at: datetime
    announcement: Announcement | None = None


def resolve(
    issue: Issue, announcements: Iterable[Announcement], now: datetime, handed_over: datetime | None = None
) -> Resolved:
    """The legal mode, from the announcements known at `now` (`announcements.known`).

    An online document that is still here when a period announced for its day begins is issued inside that period
    (§3). A window that is announced ahead and has not begun changes nothing yet.
    """
    issuing = [_issued_inside(issue, one, now, handed_over) for one in announcements]
    inside = [found for found in issuing if found is not None]
    if inside:
        return min(inside, key=_first_then_gravest)
    return Resolved(issue.mode, issue.moment)


def _issued_inside(issue: Issue, one: Announcement, now: datetime, handed_over: datetime | None) -> Resolved | None:
    """The issue inside this period, or None when it is outside.

    A mode that was recorded as unavailability, failure or total failure finds its own period even where the notice
    came a little later than the fact; a wish is changed only by what was announced already. A document that was
    brought in after its day is online missed: a failure or a window on that day is no excuse for it (§1).
    """
    own = issue.mode is one.category.mode
    if issue.late and not own and one.category is not Category.TOTAL_FAILURE:
        return None
    moment = issue.moment if own else max(issue.moment, one.published)
    if issue.mode is Mode.ONLINE:
        moment = max(moment, one.start)
        if moment > now or (handed_over is not None and handed_over <= moment):
            return None
    elif moment != issue.moment:
        return None
    if warsaw_date(moment) != issue.date or not one.runs_at(moment):
        return None
    return Resolved(one.category.mode, moment, one)


def _first_then_gravest(found: Resolved) -> tuple[datetime, int]:
    assert found.announcement is not None
    return (found.at, PRECEDENCE.index(found.announcement.category))


def one_period(
    period: Announcement, announcements: Iterable[Announcement], term_ends: date | None = None
) -> tuple[Announcement, ...]:
    """A period with every other one of its kind that overlaps or touches it: together they are one (deadlines §3).

    One that was announced only after `term_ends` comes too late.
    """
    others = [a for a in announcements if a.category is period.category and a.id != period.id]
    if term_ends is not None:
        others = [a for a in others if warsaw_date(a.published) <= term_ends]
    joined = [period]
    while more := [o for o in others if o not in joined and any(_touch(o, j) for j in joined)]:
        joined += more
    return tuple(joined)


def _touch(one: Announcement, other: Announcement) -> bool:
    starts_in_time = other.end is None or one.start <= other.end
    return starts_in_time and (one.end is None or other.start <= one.end)
