"""Is the line open? One place knows, so that a thousand waiting files do not each find out by a timeout."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import monotonic

import structlog

from gateway.folders.door import DoorClosedError
from gateway.remote.errors import LineError, SeatTakenError
from spool.clock import Clock

AGAIN_S = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
_log = structlog.get_logger("gateway.remote")


class Gate:
    """Closed until the gateway has given this computer its seat, and again at every `LineError`."""

    def __init__(self, clock: Clock, opened: Callable[[], None], again_s: tuple[float, ...] = AGAIN_S) -> None:
        """`opened` is called whenever it opens; `again_s` are the pauses after one trouble, two in a row, and so on."""
        self._again_s = again_s
        self._clock = clock
        self._opened = opened
        self._open = asyncio.Event()
        self._closed = asyncio.Event()
        self._tries = 0
        self._again = 0.0
        self.trouble: LineError | None = None
        self.since: datetime | None = None
        self.last_contact: datetime | None = None
        self.changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """True while the last exchange went through."""
        return self._open.is_set()

    def pass_or_wait(self) -> None:
        """Raises DoorClosedError while closed."""
        if not self.is_open:
            raise DoorClosedError(max(self.left(), self._again_s[0]))

    async def wait_open(self) -> None:
        """Until it opens."""
        await self._open.wait()

    async def wait_closed(self) -> None:
        """Until it closes."""
        while self.is_open:
            self._closed.clear()
            await self._closed.wait()

    def open(self) -> None:
        """The gateway has given this computer its seat."""
        self.last_contact = self._clock()
        if not self.is_open:
            if self.trouble is not None:
                _log.info("line_open", since=str(self.since))
            self.trouble, self.since = None, None
            self._open.set()
            self.changed.set()
            self._opened()

    def heard(self) -> None:
        """Something went through: a later trouble is a new one. A seat alone proves little, when all else fails."""
        self.last_contact = self._clock()
        self._tries = 0

    def left(self) -> float:
        """Seconds until another try makes sense."""
        return max(self._again - monotonic(), 0.0)

    def close(self, error: LineError) -> float:
        """It did not; returns the seconds until another try makes sense."""
        pause = max(self._again_s[min(self._tries, len(self._again_s) - 1)], error.after_s)
        self._tries += 1
        self._again = monotonic() + pause
        if self.trouble is None or self.trouble.text != error.text:
            _log.warning("line_closed", message=error.text, cause=repr(error.__cause__))
            self.changed.set()
        self.since = self.since or self._clock()
        self.trouble = error
        self._open.clear()
        self._closed.set()
        return pause

    @property
    def seat_taken(self) -> bool:
        """Another computer has the folders: this one must not touch what lies in them."""
        return isinstance(self.trouble, SeatTakenError)
