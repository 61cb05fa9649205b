"""How long a certificate still lets us in: days left, and how loudly to say so. Pure.

The steps of the alarm are those of the municipal orders (jst.md U10): 60, 30 and 7 days ahead.
"""

from dataclasses import dataclass
from datetime import datetime

STEPS_DAYS = (60, 30, 7)


@dataclass(frozen=True)
class Expiry:
    """What is known of one credential: what it is for, whose, from when until when. `until` None: it has no end."""

    purpose: str
    subject: str
    serial: str
    since: datetime
    until: datetime | None

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the end, negative after it."""
        return None if self.until is None else (self.until - now).days

    def grade(self, now: datetime) -> int:
        """0 while the end is far, 1 from 60 days ahead, 2 from 30, 3 from 7, 4 when it has come."""
        left = self.days_left(now)
        if left is None:
            return 0
        return sum(left < days for days in STEPS_DAYS) + (self.until is not None and self.until <= now)

    def tone(self, now: datetime) -> str:
        """`fine`, `look` from 60 days ahead, `alarm` from 7 days ahead or when it does not count yet."""
        left = self.days_left(now)
        if left is None:
            return "fine"
        if left < STEPS_DAYS[-1] or now < self.since:
            return "alarm"
        return "look" if left < STEPS_DAYS[0] else "fine"
