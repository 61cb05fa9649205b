"""The deadline of a file that the gateway has not seen yet, as far as this computer can tell. Pure.

The bytes are not parsed here (decision 0027): the issue date is looked for as text, and whatever else a file may be it
gets the earliest date that any file of today could have. Announcements of outages are not known without the line, so
the earlier date holds, as everywhere (deadlines §8).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.calendar import warsaw_date
from spool.domain.deadlines import assess
from spool.domain.document import Mode
from spool.domain.ladder import Call, Candidate, Step, calls
from spool.domain.modes import Issue

HEAD = 65_536
"""So much of a file is looked at: `P_1` comes right after the parties."""
_ISSUE_DATE = re.compile(rb"<(?:[\w.-]{1,40}:)?P_1>\s{0,20}(\d{4}-\d{2}-\d{2})\s{0,20}<")


@dataclass(frozen=True)
class Unsent:
    """A file that waits for the gateway: its name, when it came, and until when KSeF must have it (UTC)."""

    name: str
    since: datetime
    due: datetime
    mode: Mode


def issue_date(head: bytes) -> date | None:
    """`P_1` as it stands in the text, if it does."""
    match = _ISSUE_DATE.search(head)
    try:
        return date.fromisoformat(match[1].decode("ascii")) if match else None
    except ValueError:
        return None


def unsent(name: str, head: bytes, since: datetime, now: datetime, *, offline24: bool) -> Unsent:
    """The file with its deadline at `now`."""
    today = warsaw_date(now)
    issued = min(issue_date(head) or today, today)
    wish = Mode.OFFLINE24 if offline24 else Mode.ONLINE
    found = assess(Issue(issued, since, wish), (), now)
    assert found.safe is not None, "without announcements every deadline has its date"
    return Unsent(name, since, found.safe, found.mode)


def alarms(waiting: Iterable[Unsent], told: dict[str, list[str]], now: datetime) -> list[Call]:
    """The steps of the ladder that have come for these files and were not told yet; `told` is by due moment."""
    candidates = [
        Candidate("", one.due, one.mode, one.since, one.since, frozenset(told.get(one.due.isoformat(), ())))
        for one in waiting
    ]
    passed = {c.due for c in candidates if c.due <= now and Step.DUE not in c.told}
    ahead = [call for call in calls(candidates, now) if call.step not in told.get(call.due.isoformat(), ())]
    return [Call("", Step.DUE, due) for due in sorted(passed)] + ahead
