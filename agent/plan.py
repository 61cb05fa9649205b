"""Interactive or batch: decided by how many wait, how urgent they are, and what the rate budget has left. Pure.

An interactive session takes 180 documents an hour, a batch session 10,000 at once, but sixty batch sessions an hour are
all there are, and a package takes its time to be packed and judged (protocol §16.1, DESIGN decision 9). So the few go
one by one, at once; the many go together; and when one way is barred, the other is used.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from spool.domain.ledger import Waiting

MOST_IN_PACKAGE = 10_000
"""Documents in one batch session (protocol §7.1)."""
COUNTED = 200
"""Waiting documents are counted so far: beyond an hour's interactive sends the answer does not change."""
PACKAGE_TAKES_S = 30.0
"""Packing, opening, closing and KSeF's work on a package: what could be sent one by one meanwhile, is."""
BETWEEN_SMALL, AT_ONCE = timedelta(minutes=1), 20
"""Sixty packages an hour are all that KSeF opens: after so many, one of few documents waits so long for the next."""
FEW = 100
URGENT = timedelta(hours=2)
"""So near to its date a document goes by itself while a package is on its way."""
_HOUR = timedelta(hours=1)
_REST_FIRST, _REST_LONGEST = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True)
class Outlook:
    """What the budget of the context allows: seconds until so many more sends could be made, and until a package."""

    sends_take: float
    package_in: float


def by_batch(waiting: Waiting, outlook: Outlook, *, rested: bool) -> bool:
    """True when what waits should go as a package now. `rested`: the last small package is long enough ago."""
    if outlook.package_in > 0 or not (waiting.plain or waiting.attached):
        return False
    if waiting.attached:
        return rested or waiting.plain >= FEW
    return outlook.sends_take > PACKAGE_TAKES_S and (rested or waiting.plain >= FEW)


class Planner:
    """What the sending loops of one context agree on. It holds no documents; instants are the caller's."""

    def __init__(self) -> None:
        self.packing = False
        self._opened: deque[datetime] = deque(maxlen=AT_ONCE)
        self._failures = 0
        self._not_before: datetime | None = None

    def by_batch(self, waiting: Waiting, outlook: Outlook, now: datetime) -> bool:
        """True when a package is to be made, or is being made and more than a few still wait."""
        if self._not_before is not None and now < min(self._not_before, now + _REST_LONGEST):
            return False
        return by_batch(waiting, outlook, rested=self._rested(now))

    def _rested(self, now: datetime) -> bool:
        many = len(self._opened) == AT_ONCE and abs(now - self._opened[0]) < _HOUR
        return not many or abs(now - self._opened[-1]) >= BETWEEN_SMALL

    def opened(self, now: datetime) -> None:
        """A package got its session."""
        self._opened.append(now)

    def worked(self) -> None:
        """KSeF judged a package's documents one by one, as it should."""
        self._failures, self._not_before = 0, None

    def failed(self, now: datetime) -> None:
        """A package as a whole came to nothing: for a while everything goes one by one, longer after each failure."""
        rest = min(_REST_LONGEST, _REST_FIRST * 2 ** min(self._failures, 10))
        self._failures += 1
        self._not_before = now + rest
