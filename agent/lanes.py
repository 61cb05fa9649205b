"""A few calls at once: each under its own key, none awaited longer than its starter wants. Knows no KSeF.

What a call broke with is not lost in the background: the next `reap` raises it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Lanes:
    """At most `most` calls in flight."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: dict[str, asyncio.Task[None]] = {}

    @property
    def keys(self) -> frozenset[str]:
        """Whose calls are under way, or not reaped yet."""
        return frozenset(self._calls)

    @property
    def full(self) -> bool:
        """No further call may begin now."""
        return len(self._calls) >= self._most

    def start(self, key: str, call: Coroutine[Any, Any, None]) -> None:
        """Begin a call. Never a second one under the same key."""
        assert key not in self._calls
        assert not self.full
        self._calls[key] = asyncio.create_task(call, name=f"lane:{key}")

    async def wait(self, seconds: float) -> None:
        """Until one of the calls is over, but no longer than this."""
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def reap(self) -> None:
        """Forget calls that are over. Raises what one of them broke with, one at a time."""
        for key in [key for key, call in self._calls.items() if call.done()]:
            self._calls.pop(key).result()

    async def finish(self) -> list[BaseException]:
        """Let every call come to its end; what they broke with."""
        ended = await asyncio.gather(*self._calls.values(), return_exceptions=True)
        self._calls.clear()
        return [error for error in ended if error is not None]

    async def abandon(self) -> None:
        """Cancel what is under way, as when the process is stopped at once."""
        for call in self._calls.values():
            call.cancel()
        await self.finish()
