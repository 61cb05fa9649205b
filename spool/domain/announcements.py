"""What the ministry announced: maintenance windows, failures, total failures (art. 106ne). Values and their reading.

An `Announcement` is one period as it is known; the messages it was put together from are kept raw in the spool.
A total failure becomes one only after a person confirmed it (`spool.outages`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from spool.domain.calendar import warsaw_date
from spool.domain.document import Mode


class Category(StrEnum):
    """The three kinds of periods that change a duty; the words are those of the events in `sluza deadline`."""

    MAINTENANCE = "maintenance"
    FAILURE = "failure"
    TOTAL_FAILURE = "total_failure"

    @property
    def mode(self) -> Mode:
        """The legal mode of an invoice issued inside such a period (art. 106nh, 106nf, 106ng)."""
        return _MODES[self]

    @property
    def label(self) -> str:
        """The Polish name."""
        return LABELS[self]


_MODES = {
    Category.MAINTENANCE: Mode.UNAVAILABILITY,
    Category.FAILURE: Mode.FAILURE,
    Category.TOTAL_FAILURE: Mode.TOTAL_FAILURE,
}
LABELS = {
    Category.MAINTENANCE: "niedostępność (prace serwisowe)",
    Category.FAILURE: "awaria",
    Category.TOTAL_FAILURE: "awaria całkowita",
}
PRECEDENCE = (Category.TOTAL_FAILURE, Category.FAILURE, Category.MAINTENANCE)
"""Which of several periods at one moment decides the mode (deadlines §1, mode resolution)."""


@dataclass(frozen=True)
class Announcement:
    """One announced period.

    `published` is the moment of the notice of occurrence, `end` the end that a notice names (None: none yet), and
    `end_published` the moment of that notice (None: a failure's at its end, a window's with its announcement).
    """

    id: str
    category: Category
    start: datetime
    end: datetime | None
    published: datetime
    end_published: datetime | None = None
    version: int = 1

    @property
    def key(self) -> tuple[str, Category]:
        """What all versions of one announcement have in common."""
        return (self.id, self.category)

    @property
    def reference(self) -> str:
        """Which version of which announcement, for the record of a decision."""
        return f"{self.id} (wersja {self.version})" if self.version > 1 else self.id

    def runs_at(self, moment: datetime) -> bool:
        """True when `moment` is inside the period; its last instant is not."""
        return self.start <= moment and (self.end is None or moment < self.end)

    def covers(self, day: date) -> bool:
        """True when some moment of this day in Warsaw is inside the period."""
        return warsaw_date(self.start) <= day and (self.end is None or day <= warsaw_date(self.end))

    def end_known_at(self) -> datetime | None:
        """When people could know the end; None while nobody named one."""
        if self.end is None or self.end_published is not None:
            return self.end_published
        return self.published if self.category is Category.MAINTENANCE else max(self.end, self.published)


def known(announcements: Iterable[Announcement], now: datetime) -> tuple[Announcement, ...]:
    """What could be known at `now`: the highest version of each, no notice of later, no end that nobody named yet.

    In the order of publication, whatever order they came in. A correction takes nothing from the day on which the
    occurrence was published first. A failure and the total failure it grew into are two, also under one id.
    """
    newest: dict[tuple[str, Category], Announcement] = {}
    for one in sorted(announcements, key=_by_version):
        if one.published <= now:
            newest[one.key] = _corrected(newest.get(one.key, one), one)
    return tuple(sorted((_without_future(one, now) for one in newest.values()), key=_by_publication))


def _corrected(before: Announcement, after: Announcement) -> Announcement:
    """The later version, with the first publication of the occurrence (art. 106nf(5): the notice decides)."""
    if after.published <= before.published:
        return after
    return replace(after, published=before.published, end_published=after.end_known_at())


def _by_version(one: Announcement) -> tuple[int, datetime, datetime, str]:
    return (one.version, one.published, one.start, f"{one.end} {one.end_published}")


def _by_publication(one: Announcement) -> tuple[datetime, datetime, str]:
    return (one.published, one.start, one.id)


def _without_future(one: Announcement, now: datetime) -> Announcement:
    at = one.end_known_at()
    return one if at is None or at <= now else replace(one, end=None, end_published=None)
