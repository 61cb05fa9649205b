"""A small brake on guessing: failed attempts per peer address, or whatever else names a source, in memory only.

A token is 256 random bits, which needs no brake against guessing: there it keeps a runaway program from being answered
as fast as it can ask, and tells its owner when to come back. A password needs one: who signs in asks `wait` first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

_BRAKED = 20


class Throttle:
    """Counts failed attempts per peer address; remembers at most `remembered` addresses, the latest ones."""

    def __init__(
        self,
        allowed: int = 10,
        window_s: float = 60,
        remembered: int = 4096,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = allowed
        self._window_s = window_s
        self._remembered = remembered
        self._now = monotonic
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._braked: OrderedDict[str, None] = OrderedDict()

    def failed(self, address: str) -> int:
        """Note one more failure; returns the seconds to wait when there were too many, else 0."""
        now = self._now()
        since, count = self._failures.pop(address, (now, 0))
        if now - since >= self._window_s:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        if count + 1 == self._allowed and len(self._braked) < _BRAKED:
            self._braked[address] = None
        while len(self._failures) > self._remembered:
            self._failures.popitem(last=False)
        return max(1, round(since + self._window_s - now)) if count >= self._allowed else 0

    def wait(self, address: str) -> int:
        """The seconds until this address may try again; 0 when it may now. Counts nothing."""
        since, count = self._failures.get(address, (0.0, 0))
        left = since + self._window_s - self._now()
        return max(1, round(left)) if count >= self._allowed and left > 0 else 0

    def count(self, address: str) -> int:
        """How many failures of this address are remembered."""
        return self._failures.get(address, (0.0, 0))[1]

    def forget(self, address: str) -> None:
        """It got in."""
        self._failures.pop(address, None)

    @property
    def braked(self) -> tuple[str, ...]:
        """Sources whose next attempt waits and of which nobody has been told; of very many only the first."""
        return tuple(self._braked)

    def told(self, addresses: Iterable[str]) -> None:
        """Somebody was told of these."""
        for address in addresses:
            self._braked.pop(address, None)
