"""The scans of all drop folders, one after the other in one thread.

Side by side they stand in each other's way: reading a directory gives the interpreter's lock away at every name, and
sixteen threads take three times as long as one. For the same reason the event loop first lets everybody ask, and hears
of the answers when all have ended, or after a few milliseconds. A folder that hangs keeps the others waiting for a
moment only; until it has answered they are scanned side by side after all.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE_S = 0.5
_TOGETHER_S = 0.02
_ASIDE = object()


@dataclass(frozen=True)
class _Place:
    """In the row: `outcome` is set by the thread, `answer` on the loop."""

    scan: Callable[[], Any]
    outcome: "Future[Any]"
    answer: "asyncio.Future[Any]"


class Turn:
    """For one event loop. `aside` is where a scan goes that has waited for too long."""

    def __init__(self, aside: Executor) -> None:
        self._aside = aside
        self._thread = ThreadPoolExecutor(1, "scan")
        self._waiting: deque[_Place] = deque()
        self._ended: deque[_Place] = deque()
        self._under_way = False
        self._hanging: Future[Any] | None = None

    async def take(self, scan: Callable[[], T]) -> T:
        """What the scan returns or raises, once its turn has come."""
        loop = asyncio.get_running_loop()
        if self._hanging is not None and not self._hanging.done():
            return await loop.run_in_executor(self._aside, scan)
        place = _Place(scan, Future(), loop.create_future())
        self._waiting.append(place)
        if not self._under_way:
            self._under_way = True
            loop.call_soon(self._begin, loop)
        impatience = loop.call_later(_PATIENCE_S, self._no_longer, place)
        try:
            found: T = await place.answer
        finally:
            impatience.cancel()
        return await loop.run_in_executor(self._aside, scan) if found is _ASIDE else found

    def end(self) -> None:
        """Nothing is scanned any more."""
        self._thread.shutdown(wait=False)

    def _no_longer(self, place: _Place) -> None:
        """Wait in the row: for who has not begun yet there is another way."""
        self._tell()  # of what has ended before one that hangs
        if place.answer.done():
            return
        if place.outcome.cancel():
            place.answer.set_result(_ASIDE)
        else:
            self._hanging = place.outcome

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the thread has ended: we are stopping
            loop.run_in_executor(self._thread, self._work, loop).add_done_callback(self._over)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread."""
        told = time.monotonic()
        while self._waiting:
            _run(place := self._waiting.popleft())
            self._ended.append(place)
            if (now := time.monotonic()) - told > _TOGETHER_S:
                told = now
                with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
                    loop.call_soon_threadsafe(self._tell)

    def _over(self, worked: "asyncio.Future[None]") -> None:
        self._tell()
        self._under_way = bool(self._waiting)
        if self._under_way:
            self._begin(worked.get_loop())

    def _tell(self) -> None:
        while self._ended:
            place = self._ended.popleft()
            if place.answer.done() or place.outcome.cancelled():
                continue
            if (error := place.outcome.exception()) is not None:
                place.answer.set_exception(error)
            else:
                place.answer.set_result(place.outcome.result())


def _run(place: _Place) -> None:
    if not place.outcome.set_running_or_notify_cancel():
        return  # it waited for too long and went aside
    try:
        place.outcome.set_result(place.scan())
    except BaseException as error:
        place.outcome.set_exception(error)
