"""What the gateway does now and then beside its real work: one step, a pause, again."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from spool.domain.errors import SluzaError

_log = structlog.get_logger("gateway.chores")


async def repeat(name: str, step: Callable[[], Awaitable[None]], stop: asyncio.Event, every_s: float) -> None:
    """Until `stop`, which may come in the middle of a step: it is given up then. A step that fails ends nobody."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            running = asyncio.ensure_future(step())
            await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await _ended(name, running)
            await asyncio.wait([stopped], timeout=every_s)
    finally:
        stopped.cancel()


async def _ended(name: str, step: "asyncio.Future[None]") -> None:
    """What broke a step is written to the log."""
    try:
        await step
    except (OSError, SluzaError) as error:
        _log.warning(name, cause=str(error))
    except Exception:
        _log.exception(name)
