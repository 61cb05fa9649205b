"""Latarnia's messages as announcements (protocol §18). Pure: message objects in, periods out.

A message has `id`, `eventId` (groups start and end of one event), `category`, `type`, `start`, `end`, `version`,
`published`. Of one `id` the highest version wins; what we do not understand is kept as evidence and changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import WARSAW

_CATEGORIES = {
    "MAINTENANCE": Category.MAINTENANCE,
    "FAILURE": Category.FAILURE,
    "TOTAL_FAILURE": Category.TOTAL_FAILURE,
}
_BEGINS = frozenset({"MAINTENANCE_ANNOUNCEMENT", "FAILURE_START"})
_ENDS = "FAILURE_END"
_HIGHEST_VERSION = 2**31
YEARS = range(2000, 2200)
"""An instant outside these years is a mistake, or stands for "unknown"."""


@dataclass(frozen=True)
class Message:
    """One message that could be read. `start` of an end message is not used."""

    id: str
    event: str
    category: Category
    ends: bool
    title: str
    start: datetime
    end: datetime | None
    version: int
    published: datetime


def event_of(raw: Mapping[str, Any]) -> str:
    """Which event a message belongs to; "?" when it does not say."""
    return _text(raw.get("eventId", "?"))


def id_of(raw: Mapping[str, Any]) -> str:
    """The id of a message, empty when it names none."""
    return _text(raw.get("id", ""))


def version_of(raw: Mapping[str, Any]) -> int:
    """The version of a message, 1 when it names none."""
    version = raw.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        return 1
    return version if 0 <= version <= _HIGHEST_VERSION else 1


def read(raw: Mapping[str, Any]) -> Message | None:
    """A message, or None when its kind is unknown to us or a moment that it needs is missing."""
    category, kind = _CATEGORIES.get(str(raw.get("category"))), str(raw.get("type"))
    published, start, end = (_instant(raw.get(name)) for name in ("published", "start", "end"))
    if category is None or kind not in _BEGINS | {_ENDS} or published is None or (start or end) is None:
        return None
    return Message(
        id=id_of(raw),
        event=event_of(raw),
        category=category,
        ends=kind == _ENDS,
        title=_text(raw.get("title") or ""),
        start=start or end or published,
        end=end,
        version=version_of(raw),
        published=published,
    )


def periods(environment: str, messages: Iterable[Message]) -> list[tuple[Announcement, str]]:
    """The announcements of one event, from all its messages ever seen, each with its title.

    A failure and the total failure it grew into are two periods, also where one message was corrected from the one to
    the other; an end message ends every failure of its event that had begun by then. `published` is that of the first
    notice of occurrence, whatever was corrected later.
    """
    found = sorted(messages, key=lambda m: (m.version, m.published, m.id))
    newest = {(m.id, m.ends, m.category): m for m in found}.values()
    ends = [m for m in newest if m.ends]
    out = []
    for category in Category:
        begins = [m for m in newest if m.category is category and not m.ends]
        if not begins:
            continue
        last = max(begins, key=lambda m: (m.published, m.version))
        published = min(m.published for m in found if m.category is category and not m.ends)
        end, end_published = _end(last, [] if category is Category.MAINTENANCE else ends, found)
        name = _name(last.event, environment, category)
        out.append((Announcement(name, category, last.start, end, published, end_published), last.title))
    return out


def _name(event: str, environment: str, category: Category) -> str:
    return f"{environment}-{event}-{category.value}"


def event_in(announcement: str, environment: str, category: Category) -> str:
    """The event that an announcement's id was made of by `periods`."""
    return announcement.removeprefix(f"{environment}-").removesuffix(f"-{category.value}")


def _end(last: Message, ends: list[Message], found: list[Message]) -> tuple[datetime | None, datetime | None]:
    """The end that was named, and when it first was; a window names its own."""
    ends = [m for m in ends if (m.end or m.published) > last.start]
    if not ends:
        return last.end, last.published if last.end and last.category is not Category.MAINTENANCE else None
    named = max(ends, key=lambda m: (m.published, m.version))
    first = min(m.published for m in found if m.ends)
    return named.end or named.published, first


def _instant(value: Any) -> datetime | None:
    """An instant; one without an offset is Warsaw time, and what is none is None."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.year not in YEARS:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=WARSAW)


def _text(value: Any) -> str:
    """A value as text that can be stored: half a surrogate pair, which JSON allows, becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode()
