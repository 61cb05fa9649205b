"""Telling what is wrong beside deadlines: once, together, not at night, and when it is over. Pure.

Something is told when it has lasted as long as its kind may last without anybody being needed. What goes away is over
after a pause, so that a link that comes and goes is one trouble; its end is told only if it was told itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from types import MappingProxyType

from spool.domain.calendar import WARSAW

SETTLED = timedelta(minutes=10)
"""So long something must be gone to be over."""
NEVER = frozenset({"deadline", "unsent"})
"""Kinds that are told elsewhere: deadlines by their ladder at any hour, unsent mail cannot be told by mail."""
_AT_ONCE, _SOON, _LATER = timedelta(0), timedelta(minutes=5), timedelta(minutes=30)
_LASTS: Mapping[str, timedelta] = MappingProxyType(
    {
        "disk": _AT_ONCE,
        "damaged": _AT_ONCE,
        "archive_damaged": _AT_ONCE,
        "own_clock": _AT_ONCE,
        "certificate": _AT_ONCE,
        "passwords": _AT_ONCE,
        "outage_unconfirmed": _AT_ONCE,
        "unmended": _AT_ONCE,
        "paused": _SOON,
        "agent": _SOON,
        "folders": _SOON,
        "clock": _SOON,
    }
)
"""How long each kind may last before somebody is told; all others half an hour."""


@dataclass(frozen=True)
class Seen:
    """What is wrong at this moment; `grade` rises when the same thing becomes more pressing."""

    code: str
    sentence: str
    grave: bool = False
    grade: int = 0

    @property
    def kind(self) -> str:
        """The first word of the code."""
        return self.code.partition(":")[0]


@dataclass(frozen=True)
class Trouble:
    """Something that was seen, as the spool has it. `over_at` None: it lasts, or has only just gone (`gone_at`)."""

    id: int
    seen: Seen
    since: datetime
    told_at: datetime | None
    told_grade: int
    gone_at: datetime | None
    over_at: datetime | None


@dataclass(frozen=True)
class Plan:
    """What changes: `begun` were not known, `changed` read otherwise or are back, `gone` are not seen any more,
    `over` have been gone long enough. `tell` are the codes to tell now, `relieved` what people may forget again."""

    begun: tuple[Seen, ...] = ()
    changed: tuple[tuple[int, Seen], ...] = ()
    gone: tuple[int, ...] = ()
    over: tuple[int, ...] = ()
    tell: tuple[Seen, ...] = ()
    relieved: tuple[Seen, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return not (self.begun or self.changed or self.gone or self.over or self.tell)


@dataclass(frozen=True)
class Quiet:
    """Hours in which nobody is told, Warsaw time, from `begins` to `ends`; the same moment twice: there are none."""

    begins: time
    ends: time

    def at(self, now: datetime) -> bool:
        """True while it is quiet."""
        clock = now.astimezone(WARSAW).time()
        if self.begins <= self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends


def lasts(kind: str) -> timedelta:
    """How long this kind may last before somebody is told."""
    return _LASTS.get(kind, _LATER)


def plan(known: Sequence[Trouble], seen: Iterable[Seen], now: datetime, quiet: Quiet) -> Plan:
    """What to write and what to tell. In quiet hours nothing is told, and what was told is not over yet."""
    here = {one.code: one for one in seen if one.kind not in NEVER}
    silence, old = quiet.at(now), {trouble.seen.code: trouble for trouble in known}
    over = [t for t in known if t.seen.code not in here and _is_over(t, now) and not (silence and t.told_at)]
    return Plan(
        begun=tuple(one for code, one in here.items() if code not in old),
        changed=tuple(
            (t.id, one)
            for code, one in here.items()
            if (t := old.get(code)) is not None and (t.seen != one or t.gone_at is not None)
        ),
        gone=tuple(t.id for t in known if t.seen.code not in here and t.gone_at is None),
        over=tuple(t.id for t in over),
        tell=() if silence else tuple(one for code, one in here.items() if _is_due(old.get(code), one, now)),
        relieved=tuple(t.seen for t in over if t.told_at is not None),
    )


def _is_due(known: Trouble | None, seen: Seen, now: datetime) -> bool:
    if known is None:
        return not lasts(seen.kind)
    if known.told_at is not None:
        return seen.grade > known.told_grade
    return not known.since <= now < known.since + lasts(seen.kind)  # also when the clock has gone back since


def _is_over(trouble: Trouble, now: datetime) -> bool:
    """Gone for long enough, or by a clock that has gone back since."""
    return trouble.gone_at is not None and not trouble.gone_at <= now < trouble.gone_at + SETTLED
