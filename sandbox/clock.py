"""The one source of wall time: real time plus a settable offset."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

WARSAW = ZoneInfo("Europe/Warsaw")


class Clock:
    """Simulated wall time in whole milliseconds since the Unix epoch (F4)."""

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        """Simulated now, milliseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def set_ms(self, instant_ms: int) -> None:
        """Make `instant_ms` the present; time goes on from there at real speed."""
        self.offset_ms = instant_ms - time.time_ns() // 1_000_000


def iso(instant_ms: int) -> str:
    """An instant as ISO-8601 in UTC with milliseconds and an explicit offset (S7)."""
    stamp = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant_ms % 1000:03d}+00:00"


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO-8601 date-time; ValueError without an explicit offset or Z."""
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        raise ValueError(f"date-time without an offset: {text!r}")
    return round(stamp.timestamp() * 1000)


def plausible(instant_ms: int) -> bool:
    """Whether an instant somebody sent is between 1900 and 3000, where calendars and zones can follow."""
    return -2_208_988_800_000 <= instant_ms < 32_503_680_000_000


def warsaw_day(instant_ms: int) -> date:
    """The calendar day in Europe/Warsaw that contains the instant (I10)."""
    return datetime.fromtimestamp(instant_ms / 1000, WARSAW).date()


def warsaw_iso(instant_ms: int) -> str:
    """An instant as ISO-8601 in Polish local time with milliseconds, as UPO documents carry it."""
    stamp = datetime.fromtimestamp(instant_ms // 1000, WARSAW)
    offset = stamp.strftime("%z")
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant_ms % 1000:03d}{offset[:3]}:{offset[3:]}"
