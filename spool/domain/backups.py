"""Backups: when the next one is due, which older ones may go, when to worry. Pure; `now` is always an argument."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from spool.domain.calendar import WARSAW

BACKUP = "backup"
"""The condition, of no context, that says how the scheduled backups stand; its value is `Standing.as_value`."""
TOO_OLD = timedelta(days=2)
"""A last good backup older than this is an alarm."""
AGAIN_AFTER = timedelta(hours=1)
"""So long after a failure the day's backup is tried again."""
NAME = re.compile(r"sluza-\d{8}T\d{6}Z\.tar(\.age)?")
"""What a backup's file is called: the instant (UTC), and whether it is encrypted. Its manifest adds `.json`."""


@dataclass(frozen=True)
class Keep:
    """How many days, ISO weeks and months keep their newest backup."""

    daily: int = 14
    weekly: int = 8
    monthly: int = 12


@dataclass(frozen=True)
class Standing:
    """How the scheduled backups stand: since when there are any, the last good one, the last try and why it failed.

    `unreadable` are the files that the last good one lacks, because the service's user may not read them.
    """

    since: datetime
    good_at: datetime | None = None
    file: str = ""
    tried_at: datetime | None = None
    reason: str = ""
    hint: str = ""
    unreadable: tuple[str, ...] = ()

    def as_value(self) -> dict[str, Any]:
        """The value of the condition."""
        moments = {"since": self.since, "good_at": self.good_at, "tried_at": self.tried_at}
        said = {name: at.astimezone(UTC).isoformat() if at else None for name, at in moments.items()}
        return said | {"file": self.file, "reason": self.reason, "hint": self.hint, "unreadable": list(self.unreadable)}


def standing(value: Mapping[str, Any]) -> Standing:
    """The condition read again. Raises KeyError or ValueError for one that is none of ours."""
    moments = {name: datetime.fromisoformat(value[name]) if value[name] else None for name in ("good_at", "tried_at")}
    since = datetime.fromisoformat(value["since"])
    lacking = tuple(value.get("unreadable", ()))  # not in one that an older release has written
    return Standing(
        since, moments["good_at"], value["file"], moments["tried_at"], value["reason"], value["hint"], lacking
    )


def name_at(now: datetime, *, sealed: bool) -> str:
    """The name of a backup made at this instant."""
    return f"sluza-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar" + (".age" if sealed else "")


def due(now: datetime, hour: int, said: Standing) -> bool:
    """True when the newest hour of backup (Warsaw) has passed without a good one, and no try failed just now.

    A machine that was off at that hour makes it up; clocks that were set back do not stop the next one for long.
    """
    today = now.astimezone(WARSAW).date()
    planned = datetime.combine(today, time(hour), WARSAW)
    if planned > now:
        planned = datetime.combine(today - timedelta(days=1), time(hour), WARSAW)
    if said.good_at is not None and planned <= said.good_at <= now:
        return False
    return said.tried_at is None or not timedelta(0) <= now - said.tried_at < AGAIN_AFTER


def superseded(made: Iterable[tuple[str, datetime]], keep: Keep) -> list[str]:
    """Which of these backups, all of them whole, may be removed. The newest one never is."""
    newest_first = sorted(made, key=lambda one: (one[1], one[0]), reverse=True)
    kept = {name for name, _ in newest_first[:1]}
    for most, period in ((keep.daily, _DAY), (keep.weekly, _WEEK), (keep.monthly, _MONTH)):
        firsts: dict[str, str] = {}
        for name, at in newest_first:
            firsts.setdefault(f"{at.astimezone(WARSAW):{period}}", name)
        kept |= set(list(firsts.values())[:most])
    return [name for name, _ in newest_first if name not in kept]


_DAY, _WEEK, _MONTH = "%Y-%m-%d", "%G-%V", "%Y-%m"


def worry(said: Standing, now: datetime) -> str:
    """What is wrong with the backups, as one word: `failed`, `old`, or nothing."""
    if now - (said.good_at or said.since) > TOO_OLD:
        return "old"
    return "failed" if said.reason else ""
