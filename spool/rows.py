"""Between SQLite rows and the values of `spool.domain.ledger`: instants as fixed-width UTC text, lists as JSON."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import pysqlite3

from spool.domain.accounts import Account, Role
from spool.domain.alarms import Alarm, Mail
from spool.domain.announcements import Announcement, Category
from spool.domain.document import Mode, facts_from_dict
from spool.domain.errors import Problem
from spool.domain.ladder import Step
from spool.domain.ledger import Condition, Document, Event, NewDocument, Outage, Received, Session
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.domain.troubles import Seen, Trouble
from spool.domain.volumes import Volume


def stamp(moment: datetime) -> str:
    """An instant as text that sorts like time: UTC, microseconds, Z. The instant must carry an offset."""
    if moment.tzinfo is None:
        raise ValueError("an instant without an offset")
    return _text(moment.astimezone(UTC))


@lru_cache(256)
def _text(in_utc: datetime) -> str:
    """Of one commit most instants are the same. Only in UTC are equal ones one instant: elsewhere Python takes the two
    halves past two of an autumn night for equal."""
    return in_utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """The instant again."""
    return datetime.fromisoformat(text)


def dump(value: Any) -> str:
    """JSON with Polish letters as they are and keys in the given order."""
    return "[]" if value in _NOTHING else _ENCODE(value)


_NOTHING: tuple[Any, ...] = ([], ())
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # `dumps` would make one every time


def plain(value: Any) -> Any:
    """A value as a column takes it."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple) and all(isinstance(p, Problem) for p in value):
        return dump([p.as_dict() for p in value])
    return value


_MAYBE_INSTANTS = (
    "issued_at", "due_safe", "due_local", "next_action_at", "acquisition_date", "created_at", "updated_at",
    "asked_at", "handed_over_at",
)  # fmt: skip
_FIELDS = frozenset(Document.__dataclass_fields__)


def document(row: pysqlite3.Row) -> Document:
    """A row of `document`."""
    # All at once: a row looks for each name that it is asked for through all of its columns.
    values = dict(zip(row.keys(), row, strict=True))
    values["facts"] = facts_from_dict(json.loads(values["facts"]))
    for name in ("problems", "warnings"):
        values[name] = tuple(Problem(**p) for p in _list(values[name]))
    return _document(values)


_ENTERED = {
    "attempts": 0, "session": None, "invoice_ref": None, "ksef_number": None, "acquisition_date": None,
    "upo_sha256": None, "handed_over_at": None, "version": 1, "shown": 0, "held_back": 0, "parked": 0,
}  # fmt: skip
"""What the schema gives to columns that intake does not fill."""


def entered(new: NewDocument, columns: dict[str, Any]) -> Document:
    """The row just made of these columns, without asking for it: intake has no time to read what it wrote."""
    read = {"facts": new.facts, "problems": new.problems, "warnings": new.warnings}
    return _document({**_ENTERED, **columns, **read})


def _document(values: dict[str, Any]) -> Document:
    """From all columns, of which these are values already: facts, problems and warnings."""
    values = {name: value for name, value in values.items() if name in _FIELDS}
    for name in _MAYBE_INSTANTS:
        values[name] = _maybe(values[name])
    values["state"] = State(values["state"])
    values["mode"], values["wish"] = Mode(values["mode"]), Mode(values["wish"])
    values["deemed"], values["due_state"] = bool(values["deemed"]), DueState(values["due_state"])
    for name in ("owed", "in_order", "held_back", "parked"):
        values[name] = bool(values[name])
    values["announcements"] = tuple(_list(values["announcements"]))
    return Document(**values)


def event(row: pysqlite3.Row) -> Event:
    """A row of `event`."""
    return Event(
        row["seq"],
        instant(row["at"]),
        row["subject"],
        row["actor"],
        row["move"],
        row["note"],
        json.loads(row["data"]),
    )


def received(row: pysqlite3.Row) -> Received:
    """A row of `received`."""
    values = {name: row[name] for name in Received.__dataclass_fields__}
    for name in ("acquisition_date", "permanent_storage_date", "stored_at", "mirrored_at"):
        values[name] = _maybe(values[name])
    values["facts"] = facts_from_dict(json.loads(row["facts"]))
    values["metadata"] = json.loads(row["metadata"])
    values["remarks"] = tuple(Problem(**p) for p in _list(row["remarks"]))
    return Received(**values)


def session(row: pysqlite3.Row) -> Session:
    """A row of `session`."""
    values = {name: row[name] for name in Session.__dataclass_fields__}
    for name in ("opened_at", "valid_until", "closed_at", "final_at", "lost_at"):
        values[name] = _maybe(values[name])
    return Session(**values)


def condition(row: pysqlite3.Row) -> Condition:
    """A row of `condition`."""
    return Condition(row["context"], row["name"], json.loads(row["value"]), instant(row["at"]))


def outage(row: pysqlite3.Row) -> Outage:
    """A row of `announcement`."""
    period = Announcement(
        row["id"], Category(row["category"]), instant(row["start"]), _maybe(row["end"]), instant(row["published"]),
        _maybe(row["end_published"]), row["version"],
    )  # fmt: skip
    names = ("environment", "source", "title", "link", "actor", "confirmed_by", "cancelled_by")
    return Outage(period, **{name: row[name] for name in names})


def alarm(row: pysqlite3.Row) -> Alarm:
    """A row of `alarm`, its documents counted."""
    return Alarm(
        row["id"], row["unit"], Step(row["step"]), instant(row["due"]), row["part"], row["documents"],
        row["sentence"], instant(row["at"]), _maybe(row["over_at"]),
    )  # fmt: skip


def mail(row: pysqlite3.Row) -> Mail:
    """A row of `alarm_mail` with what its alarm says."""
    return Mail(
        row["alarm"], row["address"], row["sentence"], row["text"], instant(row["at"]), row["tries"], row["error"],
        _maybe(row["sent_at"]),
    )  # fmt: skip


def letter_to(row: pysqlite3.Row) -> Mail:
    """A row of `letter_to` with what its letter says."""
    return Mail(
        0, row["address"], row["sentence"], row["text"], instant(row["at"]), row["tries"], row["error"],
        _maybe(row["sent_at"]), row["letter"], row["way"], row["kind"], row["data"],
    )  # fmt: skip


def trouble(row: pysqlite3.Row) -> Trouble:
    """A row of `trouble`."""
    seen = Seen(row["code"], row["sentence"], bool(row["grave"]), row["grade"])
    return Trouble(
        row["id"], seen, instant(row["since"]), _maybe(row["told_at"]), row["told_grade"], _maybe(row["gone_at"]),
        _maybe(row["over_at"]),
    )  # fmt: skip


def account(row: pysqlite3.Row) -> Account:
    """A row of `account`, without its secrets."""
    return Account(
        row["login"], row["name"], Role(row["role"]), tuple(json.loads(row["units"])), bool(row["must_change"]),
        bool(row["totp"]), instant(row["created_at"]), _maybe(row["disabled_at"]),
    )  # fmt: skip


def volume(row: pysqlite3.Row) -> Volume:
    """A row of `volume`."""
    made_at = instant(row["made_at"])
    return Volume(row["name"], row["size"], row["sha256"], row["bodies"], made_at, bool(row["moved"]))


def _list(text: str) -> list[Any]:
    return [] if text == "[]" else list(json.loads(text))


def _maybe(text: str | None) -> datetime | None:
    return instant(text) if text else None
