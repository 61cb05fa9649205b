"""Telling open pages that something changed, by server-sent events. They carry no contents: the page asks again."""

import asyncio
import contextlib
import random
from typing import Any

from aiohttp import web

from gateway.web.parts import PARTS, Viewer

_LOOK_EVERY_S = 2.0
_BEAT_EVERY_S = 15.0
_SPREAD_S = 1.5
"""Over so long listeners are told of one change: told at once, all would ask at once, and each wait for the others."""
_REST_S = 6.0
"""So long a listener is told of no further change: under a steady stream open pages must not slow intake down."""
_MOST = 200


class Pulse:
    """Asks the spool for its version for all listeners together, and only while there are any."""

    def __init__(self, app: web.Application) -> None:
        self._spool = app[PARTS].spool
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._version = 0
        self.listeners = 0

    async def wait(self, seen: int, seconds: float) -> int:
        """The version, once it is another one than `seen`, or after so many seconds all the same."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self._version not in {0, seen})
        return self._version

    async def _watch(self) -> None:
        while self.listeners:
            version = await self._spool.version()
            async with self._changed:
                if version != self._version:
                    self._version = version
                    self._changed.notify_all()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def stop(self) -> None:
        """No more looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


PULSE: web.AppKey[Pulse] = web.AppKey("pulse", Pulse)
STREAMS: web.AppKey[list[asyncio.Task[Any]]] = web.AppKey("streams", list[asyncio.Task[Any]])


async def events(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /zdarzenia: `change` whenever the spool changed. An accountant gets only a regular beat: when others work is
    not theirs to know."""
    pulse = request.app[PULSE]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    if pulse.listeners >= _MOST:
        response.set_status(503)
        return response
    await response.prepare(request)
    task = asyncio.current_task()
    assert task is not None
    request.app[STREAMS].append(task)
    pulse.listeners += 1
    try:
        await _tell(response, pulse, whole=viewer.account.whole_town)
    except (ConnectionError, asyncio.CancelledError):
        return response
    finally:
        pulse.listeners -= 1
        request.app[STREAMS].remove(task)
    return response


async def _tell(response: web.StreamResponse, pulse: Pulse, *, whole: bool) -> None:
    seen = 0
    while True:
        if whole:
            version = await pulse.wait(seen, _BEAT_EVERY_S)
        else:
            await asyncio.sleep(_BEAT_EVERY_S)
            version = seen + 1
        first = seen == 0
        word = "change" if version != seen and not first else "beat"
        if whole and not first:
            await asyncio.sleep(random.uniform(0, _SPREAD_S))  # noqa: S311 - nothing secret about it
        seen = version
        await response.write(f"event: {word}\ndata: {word}\n\n".encode())
        if whole and word == "change":
            await asyncio.sleep(_REST_S)
