"""Until when a seller may hand over an invoice that he issued offline: nobody is chased before (JST rule D8). Pure.

A buyer sees two codes and a date, not the mode: offline24, unavailability and failure look alike. So of all that the
announcements allow the latest date counts, and where one has no date yet, there is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import start_of_day, warsaw_date
from spool.domain.deadlines import Deadline
from spool.domain.document import Mode
from spool.domain.modes import Issue
from spool.domain.terms import DueState, written

Assess = Callable[[Issue, tuple[Announcement, ...], datetime], Deadline]
"""`deadlines.assess` under the law of this place: `spool.law.Rules.deadline`."""


@dataclass(frozen=True)
class SellerDue:
    """`last_day` is the last on which he may hand it over, None while that has no date. `never`: he never has to,
    because of a total failure. `failure`: it may have been issued in a failure of KSeF (art. 106nf)."""

    last_day: date | None
    never: bool
    failure: bool
    sentence: str

    def passed(self, now: datetime) -> bool:
        """True once his time is over."""
        return self.last_day is not None and warsaw_date(now) > self.last_day


def seller_due(issued: date, announcements: Sequence[Announcement], assess: Assess, now: datetime) -> SellerDue:
    """For an invoice issued offline on this day. Raises nothing; a day that has not come yet has no term."""
    periods = tuple(announcements)
    midnight = start_of_day(issued)
    covering = [p for p in periods if p.covers(issued)]
    issues = [Issue(issued, midnight, Mode.OFFLINE24)]
    issues += [Issue(issued, max(p.start, midnight), p.category.mode) for p in covering]
    found = [assess(issue, periods, now) for issue in issues]
    if any(d.state is DueState.CEASED or d.mode is Mode.TOTAL_FAILURE for d in found):
        return SellerDue(None, True, False, "nie ma go: awaria całkowita KSeF")
    failure = any(p.category is Category.FAILURE for p in covering)
    if any(d.safe is None for d in found):
        return SellerDue(None, False, failure, "nie da się go jeszcze ustalić")
    last = max(warsaw_date(d.safe) for d in found if d.safe is not None)
    return SellerDue(last, False, failure, written(last))
