"""The scans of all drop folders, one after the other in one thread.

Side by side they stand in each other's way: reading a directory gives the interpreter's lock away at every name, and
sixteen threads take three times as long as one. A folder that hangs keeps the others waiting for a moment only; until
it has answered they are scanned side by side after all.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE_S = 0.5


class Turn:
    """For one event loop. `aside` is where a scan goes that has waited for too long."""

    def __init__(self, aside: Executor) -> None:
        self._aside = aside
        self._thread = ThreadPoolExecutor(1, "scan")
        self._hanging: Future[Any] | None = None

    async def take(self, scan: Callable[[], T]) -> T:
        """What the scan returns or raises, once its turn has come."""
        loop = asyncio.get_running_loop()
        if self._hanging is not None and not self._hanging.done():
            return await loop.run_in_executor(self._aside, scan)
        job = self._thread.submit(scan)
        answer = asyncio.wrap_future(job)
        done, _ = await asyncio.wait({answer}, timeout=_PATIENCE_S)
        if not done:
            if job.cancel():
                return await loop.run_in_executor(self._aside, scan)
            self._hanging = job
        return await answer

    def end(self) -> None:
        """Nothing is scanned any more."""
        self._thread.shutdown(wait=False)
