"""The event notation of `sluza deadline` (DESIGN 4.2): JSON objects in, what `deadlines.assess` takes out.

Objects with `e` = maintenance, failure or total_failure (`start`, `end` or null, `published`, `end_published`, `id`,
`version`), issued, handover, number, rejected (each with `at`), or online_missed. Announcements given here count as
effective. Instants carry an offset or Z.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import start_of_day
from spool.domain.document import Mode
from spool.domain.modes import Issue

_PERIODS = frozenset(c.value for c in Category)
_MOMENTS = frozenset({"issued", "handover", "number", "rejected"})
_MISSED = "online_missed"
_YEARS = range(2000, 2200)


@dataclass(frozen=True)
class Story:
    """One case: the issue, what was announced, the hand-over that stands, and the instant to look from."""

    issue: Issue
    announcements: tuple[Announcement, ...]
    handed_over: datetime | None
    now: datetime


def read(issue_date: str, mode: str, events: str, now: str = "") -> Story:
    """A case as it is written on the command line or in a row of a table. ValueError says in Polish what is wrong."""
    day = _date(issue_date)
    if mode not in {m.value for m in Mode}:
        raise ValueError(f"nieznany tryb „{mode}”; dozwolone: {', '.join(m.value for m in Mode)}")
    found = _objects(events)
    announcements = tuple(_announcement(o, n) for n, o in enumerate(found, 1) if o["e"] in _PERIODS)
    moments = [(str(o["e"]), _instant(o, "at")) for o in found if o["e"] in _MOMENTS]
    issued = [at for name, at in moments if name == "issued"]
    at = issued[-1] if issued else _issue_moment(day, Mode(mode), announcements)
    issue = Issue(day, at, Mode(mode), missed=any(o["e"] == _MISSED for o in found))
    return Story(
        issue, announcements, _handed_over(moments), _instant_of(now) if now else _last(day, announcements, moments)
    )


def _objects(events: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(events or "[]")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"zdarzenia nie są poprawnym JSON-em: {error}") from error
    if not isinstance(found, list) or not all(isinstance(o, dict) for o in found):
        raise ValueError("zdarzenia to lista obiektów JSON")
    for one in found:
        if str(one.get("e")) not in _PERIODS | _MOMENTS | {_MISSED}:
            raise ValueError(f"nieznane zdarzenie „{_text(one.get('e'))}”")
    return found


def _announcement(one: dict[str, Any], position: int) -> Announcement:
    start, end = _instant(one, "start"), _maybe(one, "end")
    version = one.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool):
        raise _bad(f"wersja komunikatu nie jest liczbą: {version!r}")
    if end is not None and end < start:
        raise ValueError(f"zdarzenie „{one['e']}” kończy się wcześniej, niż się zaczyna")
    return Announcement(
        id=_text(one.get("id") or f"{one['e']}-{position}"),
        category=Category(one["e"]),
        start=start,
        end=end,
        published=_maybe(one, "published") or start,
        end_published=_maybe(one, "end_published"),
        version=version,
    )


def _text(value: Any) -> str:
    """Half a surrogate pair, which JSON allows, cannot be printed and becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode()


def _issue_moment(day: date, mode: Mode, announcements: Sequence[Announcement]) -> datetime:
    """Without an `issued` event: 00:00 of `P_1`, or the start on `P_1` of the period that the mode names."""
    midnight = start_of_day(day)
    starts = [
        max(a.start, midnight) for a in announcements if a.category.mode is mode and (a.end is None or a.end > midnight)
    ]
    on_the_day = [at for at in starts if at.astimezone(midnight.tzinfo).date() == day]
    return min(on_the_day, default=midnight)


def _handed_over(moments: Sequence[tuple[str, datetime]]) -> datetime | None:
    """The last hand-over that no rejection followed; a number proves one."""
    rejected = max((at for name, at in moments if name == "rejected"), default=None)
    standing = [at for name, at in moments if name == "handover" and (rejected is None or at > rejected)]
    numbers = [at for name, at in moments if name == "number"]
    return min(standing or numbers, default=None)


def _last(day: date, announcements: Sequence[Announcement], moments: Sequence[tuple[str, datetime]]) -> datetime:
    """The instant of the last event, or 00:00 of `P_1` when there is none or all lie before it."""
    instants = [at for _, at in moments]
    for one in announcements:
        instants += [at for at in (one.start, one.end, one.published, one.end_published) if at is not None]
    return max([start_of_day(day), *instants])


def _maybe(one: dict[str, Any], field: str) -> datetime | None:
    return None if one.get(field) is None else _instant(one, field)


def _instant(one: dict[str, Any], field: str) -> datetime:
    value = one.get(field)
    if not isinstance(value, str):
        raise _bad(f"zdarzenie „{one['e']}” nie ma pola „{field}” z datą i godziną")
    return _instant_of(value)


def _instant_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"„{_text(text)}” nie jest datą z godziną w zapisie ISO") from error
    if moment.tzinfo is None:
        raise ValueError(f"„{text}” nie ma przesunięcia strefy (np. +02:00 albo Z)")
    return _in_reach(moment, text)


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise ValueError(f"„{_text(text)}” nie jest datą w zapisie RRRR-MM-DD")
    return _in_reach(day, text)


_Day = TypeVar("_Day", bound=date)


def _in_reach(day: _Day, text: str) -> _Day:
    """Far from today there is no KSeF, and at the ends of the calendar no next day."""
    if day.year not in _YEARS:
        raise ValueError(f"„{text}” leży poza latami {_YEARS.start}–{_YEARS.stop - 1}")
    return day


def _bad(text: str) -> ValueError:
    return ValueError(text)
