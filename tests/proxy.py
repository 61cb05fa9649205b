"""A bad line: a TCP proxy on loopback that cuts, stalls, slows down and counts, as a test tells it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class BadLine:
    """`port` is where clients connect. What is set here holds for bytes from now on.

    `cut_up` and `cut_down`: the connection is reset after so many more bytes in that direction, then the line is whole
    again; `before_cut` is awaited when those bytes have gone and the connection still stands. `silent`: bytes go
    nowhere and nobody is told (half-open). `down`: connections are refused. `rate`: bytes a second, both ways together.
    """

    target: int
    port: int = 0
    cut_up: int | None = None
    cut_down: int | None = None
    before_cut: Callable[[], Awaitable[None]] | None = None
    silent: bool = False
    down: bool = False
    rate: float = 0
    up: int = 0
    down_bytes: int = 0
    connections: int = 0
    cuts: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def drop_all(self) -> None:
        """As when a VPN goes: every connection is gone at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.down:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        up = asyncio.ensure_future(self._pass(reader, there, up=True))
        down = asyncio.ensure_future(self._pass(there_reader, writer, up=False))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            for one in (writer, there):
                self._writers.discard(one)
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(512 if self.rate else 4096):
                if self.silent:
                    continue
                left = self.cut_up if up else self.cut_down
                if left is not None and len(chunk) >= left:
                    writer.write(chunk[:left])
                    await writer.drain()
                    self._count(left, up=up)
                    if self.before_cut is not None:
                        await self.before_cut()
                    self.cuts += 1
                    if up:
                        self.cut_up = None
                    else:
                        self.cut_down = None
                    return
                if left is not None:
                    if up:
                        self.cut_up = left - len(chunk)
                    else:
                        self.cut_down = left - len(chunk)
                if self.rate:
                    await asyncio.sleep(len(chunk) / self.rate)
                writer.write(chunk)
                await writer.drain()
                self._count(len(chunk), up=up)

    def _count(self, count: int, *, up: bool) -> None:
        if up:
            self.up += count
        else:
            self.down_bytes += count


@asynccontextmanager
async def bad_line(target: int) -> AsyncIterator[BadLine]:
    """A proxy in front of a port of this machine."""
    line = BadLine(target)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.drop_all()
