"""Yearly archives: what is old enough, when the next look is due, what a volume is called. Pure.

A volume is one sealed file with bodies of one year. A year has as many of them as it was looked at with something to
move; none is ever written again, so whoever has a copy of it has it for good.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta

from spool.domain.calendar import WARSAW

ARCHIVE = "archive"
"""The condition, of no context, that says how the archives stand; its value is `Standing.as_value`."""
DIRECTORY = "archive"
"""The directory beside the spool that holds the volumes."""
PUT_BACK = "Proszę przynieść tom z kopii zapasowej: sluza archive fetch."
"""The cure for a volume that is damaged or missing."""
NAME = re.compile(r"(\d{4})-([1-9]\d{0,5})")
MONTHS = 13
"""So many whole months a body stays in the spool, unless the configuration says otherwise."""
LOOK_AGAIN = timedelta(days=7)
"""So often every byte of every volume is read again; that each file is there is asked at every look."""
AGAIN_AFTER = timedelta(hours=1)
"""So long after a failure the look is tried again."""


def file_of(volume: str) -> str:
    """The file of this volume in the directory of the archives."""
    return f"{volume}.db"


def volume_of(file: str) -> str:
    """The volume that a file of this name is; empty for any other file."""
    name = file.removesuffix(".db")
    return name if name != file and NAME.fullmatch(name) else ""


@dataclass(frozen=True)
class Volume:
    """One sealed file: its name (RRRR-N), size in bytes, SHA-256 (hex) and the number of bodies; `moved` when the
    spool has none of these bodies any more that it may give away."""

    name: str
    size: int
    sha256: str
    bodies: int
    made_at: datetime
    moved: bool = False

    @property
    def file(self) -> str:
        """Its file in the directory of the archives."""
        return file_of(self.name)


@dataclass(frozen=True)
class Kept:
    """A volume as a backup names it: its name, bytes and SHA-256 (hex) of what was sealed."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Standing:
    """How the archives stand: the last look that ended well, the last that tried, when all was read, what is wrong.

    `damaged` maps the names of volumes to Polish clauses.
    """

    good_at: datetime | None = None
    tried_at: datetime | None = None
    read_at: datetime | None = None
    reason: str = ""
    hint: str = ""
    damaged: Mapping[str, str] | None = None

    def as_value(self) -> dict[str, Any]:
        """The value of the condition."""
        said = asdict(self) | {"damaged": dict(self.damaged or {})}
        for name in ("good_at", "tried_at", "read_at"):
            said[name] = said[name].astimezone(UTC).isoformat() if said[name] else None
        return said


def standing(value: Mapping[str, Any] | None) -> Standing:
    """The condition read again; None before the first look."""
    if value is None:
        return Standing()
    moments = {n: datetime.fromisoformat(value[n]) if value[n] else None for n in ("good_at", "tried_at", "read_at")}
    return Standing(**moments, reason=value["reason"], hint=value["hint"], damaged=value["damaged"])


def cutoff(now: datetime, months: int) -> datetime:
    """What has its KSeF number from before this instant may go: midnight in Warsaw so many months before today."""
    day = now.astimezone(WARSAW).date() - relativedelta(months=months)
    return datetime.combine(day, time(), WARSAW)


def due(now: datetime, hour: int, said: Standing) -> bool:
    """True in the night hours from `hour` (Warsaw) on, when today's look has not been; after a failure, an hour later.

    A machine that is off at night looks in the first hour that it is on.
    """
    planned = datetime.combine(now.astimezone(WARSAW).date(), time(hour), WARSAW)
    if planned > now:
        planned -= timedelta(days=1)
    if said.good_at is not None and planned <= said.good_at <= now:
        return False
    return said.tried_at is None or not timedelta(0) <= now - said.tried_at < AGAIN_AFTER


def may_seal(now: datetime, newest: datetime | None) -> bool:
    """True when a new volume may begin by itself: not twice in one month of Warsaw, or a year had one for each day."""
    return newest is None or f"{newest.astimezone(WARSAW):%Y-%m}" != f"{now.astimezone(WARSAW):%Y-%m}"


def read_all(now: datetime, said: Standing) -> bool:
    """True when every byte is to be read again: a week after the last time, sooner while something is damaged."""
    return bool(said.damaged) or said.read_at is None or not timedelta(0) <= now - said.read_at < LOOK_AGAIN
