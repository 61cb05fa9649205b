"""The alarm ladder: who is told when about a document that is not handed over (deadlines §5). Pure.

    office     the fifth of a failure's seven days, 08:00 · the due day at 08:00, at 12:00, 1 h before the office ends
    on call    3 h, 1 h and 15 min before the due moment, and at it
    at once    the date came sooner than people expect · taken in too late for any warning · found after its due

The office's steps fall on working days only, because on the others nobody is there to read them; the on-call ones
always. At the issue the page shows the document, and nobody gets a message.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from spool.domain.calendar import (
    WARSAW,
    Changes,
    end_of_day,
    is_working_day,
    warsaw_date,
    working_day_after,
    working_day_before,
)
from spool.domain.deadlines import Deadline
from spool.domain.document import Mode
from spool.domain.terms import FAILURE_DAYS


class Step(StrEnum):
    """One rung. The later ones are the graver ones; the first is about purchases, and no rung of a deadline."""

    TRAY = "tray"
    FIFTH_DAY = "fifth_day"
    SOONER = "sooner"
    MORNING = "morning"
    NOON = "noon"
    OFFICE = "office"
    HOURS_3 = "hours_3"
    HOUR_1 = "hour_1"
    MINUTES_15 = "minutes_15"
    LAST_MINUTE = "last_minute"
    DUE = "due"


LABELS = {
    Step.TRAY: "faktury zakupowe bez jednostki",
    Step.FIFTH_DAY: "5. dzień roboczy po awarii",
    Step.SOONER: "termin wcześniejszy, niż można było oczekiwać",
    Step.MORNING: "dzień terminu, 8:00",
    Step.NOON: "dzień terminu, 12:00",
    Step.OFFICE: "godzina przed końcem pracy urzędu",
    Step.HOURS_3: "3 godziny przed terminem",
    Step.HOUR_1: "godzina przed terminem",
    Step.MINUTES_15: "15 minut przed terminem",
    Step.LAST_MINUTE: "przyjęto tuż przed terminem",
    Step.DUE: "termin minął",
}
ON_CALL = frozenset({Step.HOURS_3, Step.HOUR_1, Step.MINUTES_15, Step.LAST_MINUTE, Step.DUE})
"""Steps that go to whoever is on duty; the others go to the office."""
OFFICE_ENDS = time(15, 30)
FIFTH = 5
_SEVEN_DAYS = "106nf"
"""Whatever rests on this article, on its own or by analogy, has the seven days of a failure."""
_BEFORE_DUE = {
    Step.HOURS_3: timedelta(hours=3),
    Step.HOUR_1: timedelta(hours=1),
    Step.MINUTES_15: timedelta(minutes=15),
}
_BEFORE_OFFICE_ENDS = timedelta(hours=1)
_TRANSIT = timedelta(minutes=1)
"""A document on its way needs seconds: of its last minutes it gets this long before anybody is called."""


@dataclass(frozen=True)
class Rung:
    """A step and its moment."""

    step: Step
    at: datetime


@dataclass(frozen=True)
class Candidate:
    """Documents of one unit, due moment and mode that are not handed over; `told` are steps told for that moment.

    `first` and `last` are when the earliest and the latest of them were taken in.
    """

    unit: str
    due: datetime
    mode: Mode
    first: datetime
    last: datetime
    told: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Call:
    """Somebody must be told: about which unit, which step, which due moment.

    Of the documents with this due only those taken in within `since` and `until` (None: no such limit) are meant.
    """

    unit: str
    step: Step
    due: datetime
    since: datetime | None = None
    until: datetime | None = None


def rungs(
    due: datetime, mode: Mode, office_ends: time = OFFICE_ENDS, changes: Changes | None = None
) -> tuple[Rung, ...]:
    """The steps that have a moment of their own (UTC), in its order; the last one is the due moment itself."""
    due, day = due.astimezone(UTC), warsaw_date(due)
    found = [Rung(Step.DUE, due), *(Rung(step, due - gap) for step, gap in _BEFORE_DUE.items())]
    if is_working_day(day, changes):
        office = _at(day, office_ends) - _BEFORE_OFFICE_ENDS
        found += [Rung(Step.MORNING, _at(day, time(8))), Rung(Step.NOON, _at(day, time(12))), Rung(Step.OFFICE, office)]
    if mode is Mode.FAILURE:
        fifth = working_day_before(day, FAILURE_DAYS - FIFTH, changes)
        found.append(Rung(Step.FIFTH_DAY, _at(fifth, time(8))))
    return tuple(sorted(found, key=lambda rung: (rung.at, tuple(Step).index(rung.step))))


def calls(
    candidates: Iterable[Candidate], now: datetime, office_ends: time = OFFICE_ENDS, changes: Changes | None = None
) -> list[Call]:
    """Whom to call now: one message per unit and step, about due moments that lie ahead, and none told already.

    What has passed its due moment is not here: it is told whenever it is found. The most urgent call comes first.
    """
    same_due: dict[tuple[str, datetime], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.due > now:
            same_due[candidate.unit, candidate.due].append(candidate)
    found = []
    for (unit, due), group in same_due.items():
        told = frozenset[str]().union(*(c.told for c in group))
        ladder = {(c, r) for c in group for r in rungs(due, c.mode, office_ends, changes)}
        passed = [r for c, r in ladder if c.first <= r.at <= now]
        if passed:
            gravest = max(passed, key=lambda rung: rung.at)
            if not told & {r.step for _, r in ladder if r.at >= gravest.at}:
                found.append(Call(unit, gravest.step, due, until=gravest.at))
        last = max(c.last for c in group)
        if _too_late(due, last):
            found.append(Call(unit, Step.LAST_MINUTE, due, since=_last_rung(due)))
    return sorted(found, key=lambda call: (call.due, call.unit))


def horizon(now: datetime, changes: Changes | None = None) -> datetime:
    """No step of a later due moment can have come: the fifth day of a failure is the earliest one."""
    return end_of_day(working_day_after(warsaw_date(now), FAILURE_DAYS - FIFTH, changes))


def ripe(due: datetime, taken_in: datetime, now: datetime) -> bool:
    """True when a document of the last minutes has had the time to go by itself."""
    return now >= _last_minute(due, taken_in)


def came_sooner(before: datetime | None, after: Deadline, now: datetime, changes: Changes | None = None) -> bool:
    """True when a date is earlier than people could expect, and somebody should hear of it at once.

    It moved to an earlier one; or there was none yet, a failure ended days ago, and not all of its seven are left.
    """
    if after.safe is None:
        return False
    if before is not None:
        return after.safe < before
    seven = any(_SEVEN_DAYS in article for article in after.basis)
    return seven and after.safe < end_of_day(working_day_after(warsaw_date(now), FAILURE_DAYS, changes))


def _too_late(due: datetime, taken_in: datetime) -> bool:
    """Taken in after the last warning: no step is left but the due moment itself."""
    return _last_rung(due) < taken_in < due


def _last_rung(due: datetime) -> datetime:
    return due.astimezone(UTC) - min(_BEFORE_DUE.values())


def _last_minute(due: datetime, taken_in: datetime) -> datetime:
    """Half of what is left, at most a minute."""
    return taken_in + min(_TRANSIT, (due - taken_in) / 2)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, WARSAW).astimezone(UTC)
