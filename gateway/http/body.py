"""Taking a request body: caps before and while reading, a floor on its speed, and a whole body or nothing.

A cut or slow body never reaches intake (faults D09, X16); what is in memory at once is bounded for all clients
together.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from gateway.http.problems import HttpProblem
from gateway.sizes import MAX_XML, MAX_ZIP, is_zip

_TYPES = {
    "application/xml": MAX_XML,
    "text/xml": MAX_XML,
    "application/zip": MAX_ZIP,
    "application/octet-stream": MAX_ZIP,
    "": MAX_ZIP,
}
_MAGIC_BYTES = 4


@dataclass(frozen=True)
class Patience:
    """How slow a body may be: `grace_s` seconds in all, plus the time its bytes take at `bytes_per_s`."""

    grace_s: float = 20
    bytes_per_s: float = 20_000


class Room:
    """Bytes of bodies held at once by all requests of this listener."""

    def __init__(self, total: int = 256_000_000) -> None:
        self._left = total

    def take(self, count: int) -> None:
        """Raises HttpProblem `busy` when there is no room for so many bytes."""
        if count > self._left:
            raise HttpProblem("busy", close=True)
        self._left -= count

    def give_back(self, count: int) -> None:
        """These bytes are no longer held."""
        self._left += count


@asynccontextmanager
async def whole_body(request: web.Request, room: Room, patience: Patience) -> AsyncIterator[bytes]:
    """The complete body within its caps, for as long as the block lasts. Raises HttpProblem 400, 408, 411, 413, 415."""
    limit = _limit(request)
    await _say_continue(request)
    body, held = bytearray(), 0
    try:
        async for chunk in _chunks(request, patience):
            room.take(len(chunk))
            held += len(chunk)
            body += chunk
            if held >= _MAGIC_BYTES and not is_zip(bytes(body[:_MAGIC_BYTES])):
                limit = min(limit, MAX_XML)  # only what begins as a ZIP may be as large as one
            if held > limit or (request.content_length or 0) > limit:
                raise HttpProblem("too_big", close=True)
        if request.content_length is not None and held != request.content_length:
            raise HttpProblem("body_cut", close=True)
        yield bytes(body)
    finally:
        room.give_back(held)


async def pieces(request: web.Request, patience: Patience, limit: int) -> AsyncIterator[bytes]:
    """A body as it arrives, for who keeps what came before a cut. Raises HttpProblem 400, 408, 413."""
    if (request.content_length or 0) > limit:
        raise HttpProblem("too_big", close=True)
    await _say_continue(request)
    held = 0
    async for chunk in _chunks(request, patience):
        held += len(chunk)
        if held > limit:
            raise HttpProblem("too_big", close=True)
        yield chunk
    if request.content_length is not None and held != request.content_length:
        raise HttpProblem("body_cut", close=True)


def _limit(request: web.Request) -> int:
    """The cap that the headers allow, before a byte is read."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise HttpProblem("bad_encoding", close=True)
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given not in _TYPES or len(request.headers.getall("Content-Type", [])) > 1:
        raise HttpProblem("bad_type", close=True)
    if request.content_length is None and not request.body_exists:
        raise HttpProblem("length_required")
    if (request.content_length or 0) > _TYPES[given]:
        raise HttpProblem("too_big", close=True)
    return _TYPES[given]


async def _say_continue(request: web.Request) -> None:
    """Ask for the body only now, when token and headers are in order: a refused upload is never sent at all."""
    expected = request.headers.get("Expect", "").strip().lower()
    if expected and expected != "100-continue":
        raise HttpProblem("expectation", close=True)
    if expected:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


async def _chunks(request: web.Request, patience: Patience) -> AsyncIterator[bytes]:
    """The body as it arrives; a client slower than our patience, or gone, ends it."""
    content, start, received = request.content, time.monotonic(), 0
    while True:
        try:
            # What is here already, of a small body all of it, needs no watch.
            chunk = content.read_nowait()
            if not chunk and not content.at_eof():
                left = start + patience.grace_s + received / patience.bytes_per_s - time.monotonic()
                async with asyncio.timeout(max(left, 0)):
                    chunk = await content.readany()
        except TimeoutError:
            raise HttpProblem("too_slow", close=True) from None
        except (ConnectionError, web.RequestPayloadError, asyncio.IncompleteReadError):
            raise HttpProblem("body_cut", close=True) from None
        if not chunk and content.at_eof():
            return
        received += len(chunk)
        yield chunk
