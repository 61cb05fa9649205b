"""Which computer looks after the folders of a remote unit: one at a time (faults D13). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LEASE = timedelta(minutes=5)
"""A computer that has not been heard of for so long may be replaced without asking: it is off, or has lost its line."""


@dataclass(frozen=True)
class Seat:
    """Who has it: the client's own random name, its computer as people call it, since when, and when last heard of."""

    unit: str
    client: str
    computer: str
    since: datetime
    seen_at: datetime


def may_sit(seat: Seat | None, client: str, now: datetime, *, force: bool) -> bool:
    """True when this client may have the seat: it is free, its own already, given up, or taken by a person's word.

    A time ahead of us was written by a clock that has gone back: such a holder counts as heard of just now for a lease
    from then, never for ever.
    """
    if seat is None or seat.client == client or force:
        return True
    return abs(now - seat.seen_at) > LEASE
