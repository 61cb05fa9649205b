"""Numbering series of a unit, and the rule that a number goes to KSeF after the earlier ones (JST rule S3). Pure.

`series` of a unit is a regular expression for its whole invoice numbers whose group `n` is the running part; what is
left of a number without that part names the series, so `SP1/12/2026` is number 12 of `SP1/…/2026`, and each year is a
series of its own. A number that does not match belongs to no series.

    off      nothing
    warn     a document goes at once, and its history says which earlier number was still open
    strict   a document goes when no earlier number of its series in the spool is open any more, or together with
             those in one package; three hours before its own safe date it goes all the same, with a memo

Open is what has no verdict: queued, waiting, on its way, in doubt, or held by a program. A number that a person holds
is parked and holds up nobody; one that is refused, withdrawn or in conflict has its answer.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from spool.domain.municipality import Unit
from spool.domain.states import State

WARN, STRICT = "warn", "strict"
GOES_BEFORE_DUE = timedelta(hours=3)
"""So long before its safe date a document does not wait for earlier numbers any more (JST rule S3)."""
MOVING = timedelta(minutes=2)
"""An earlier number that has moved on so lately is on its way: no reason yet to overtake it, or to tell of it."""
LAST_HOUR = timedelta(hours=1)
"""So near to its date a document waits for nothing, not even for what is on its way."""
_MOST_DIGITS = 18
"""A running number is kept in 64 bits; longer rows of digits are something else."""


@dataclass(frozen=True)
class Place:
    """A document's place: `series` names the series within its unit, empty for none; `strict`: it waits its turn."""

    series: str = ""
    n: int = 0
    strict: bool = False


NO_PLACE = Place()


def place(unit: Unit, number: str) -> Place:
    """The place of this business number (`P_2`, white space collapsed) in a series of the unit."""
    if not unit.series or unit.series_order not in {WARN, STRICT}:
        return NO_PLACE
    found = re.fullmatch(unit.series, number)
    digits = found["n"] if found else None
    if found is None or not digits or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        return NO_PLACE
    start, end = found.span("n")
    return Place(f"{number[:start]}…{number[end:]}", int(digits), unit.series_order == STRICT)


def goes_at(due: datetime | None) -> datetime | None:
    """When a document with this safe date goes without waiting any longer; None while it has no date."""
    return due - GOES_BEFORE_DUE if due else None


def let_go_before(moved_at: datetime, now: datetime) -> datetime:
    """What is due by then waits no longer for the earlier number, still open, that moved on last at `moved_at`."""
    return now + (LAST_HOUR if moving(moved_at, now) else GOES_BEFORE_DUE)


def moving(moved_at: datetime, now: datetime) -> bool:
    """True when so little time has passed since then that an answer is to be expected any moment."""
    return timedelta(0) <= now - moved_at < MOVING


def on_its_way(state: State, moved_at: datetime, now: datetime) -> bool:
    """True for an earlier number that went to KSeF a moment ago: that it has no verdict yet is nothing to tell."""
    return state in {State.SENDING, State.SUBMITTED} and moving(moved_at, now)


class Candidate(Protocol):
    """A document that might go into a package: its series with the unit, its number there, and whether it must wait
    for earlier ones."""

    @property
    def series(self) -> tuple[str, str] | None: ...

    @property
    def n(self) -> int: ...

    @property
    def held_back(self) -> bool: ...


_C = TypeVar("_C", bound=Candidate)


def together(candidates: Iterable[_C], stops: Mapping[tuple[str, str], int], most: int) -> list[_C]:
    """The documents of one package, of candidates with the most urgent first.

    A number brings the earlier ones of its series along, before itself. `stops` is the first open number of a series
    that is no candidate: what is held back does not go past it.
    """
    allowed = [c for c in candidates if not (c.held_back and c.series and stops.get(c.series, c.n) < c.n)]
    runs: dict[tuple[str, str], list[_C]] = defaultdict(list)
    for one in allowed:
        if one.series is not None:
            runs[one.series].append(one)
    for run in runs.values():
        run.sort(key=lambda c: c.n, reverse=True)
    chosen: list[_C] = []
    for one in allowed:
        if len(chosen) >= most:
            break
        if one.series is None:
            chosen.append(one)
            continue
        run = runs[one.series]
        while run and run[-1].n <= one.n and len(chosen) < most:
            chosen.append(run.pop())
    return chosen
