"""Listening: aiohttp's server with our limits, and our own words where aiohttp answers by itself.

A request that is no HTTP never reaches an application; aiohttp would answer with its version and with parts of what
was sent, and would log them. Both are secrets' ways out (faults X16, X22), so those answers are made here.
"""

import asyncio
import contextlib
import errno
import ssl
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.http.answers import SECURITY
from gateway.http.problems import HttpProblem
from gateway.settings import Listen
from spool.domain.errors import SluzaError

HEADER_SECONDS = 15.0
"""A connection that has no complete request head after this long is closed; idle keep-alive ends here too."""
WRITE_SECONDS = 120.0
"""An answer that its client does not read for this long is given up."""
MAX_CONNECTIONS = 1000
LINE_BYTES = 8190
FIELD_BYTES = 4096
FIELDS = 64
LINGER_SECONDS = 5.0
"""After an early refusal the rest of a body is read and dropped this long, so that the client sees the answer."""
_FINISH_SECONDS = 6.0
"""What is in flight may take this long when we stop; supervisor gives the whole process twenty."""

log = structlog.get_logger("http")


class _Connection(RequestHandler):
    """One connection. Overrides what aiohttp says, logs and waits for on its own."""

    __slots__ = ("_last_answer",)

    def close(self) -> None:
        """aiohttp stops reading here, in the middle of a body too; a request that has begun may end first."""
        self._last_answer = self.busy
        if not self._last_answer:
            super().close()

    @property
    def busy(self) -> bool:
        """A request is being read or answered."""
        return self._request_in_progress

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._manager is not None and len(self._manager.connections) >= MAX_CONNECTIONS:
            self._manager = None  # never registered: connection_lost has nothing to undo
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            return
        super().connection_made(transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Not HTTP, or an error outside the application: a fixed answer, a log line without the client's bytes."""
        log.warning("bad_request", peer=request.remote, status=status, cause=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        answer = HttpProblem("internal" if status >= 500 else "bad_request", close=True).response()
        answer.headers.update(SECURITY)
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if getattr(self, "_last_answer", False):
            resp.force_close()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self.force_close()
            return resp, True


class _Server(web.Server):
    """aiohttp's server with our connections, and time for requests that have begun before it closes them."""

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS):
                while any(c.busy for c in self.connections if isinstance(c, _Connection)):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.02)
        await super().shutdown(timeout)

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    """AppRunner with our connections. aiohttp has no public way to choose the class; `<4` in pyproject guards this."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)


class Listener:
    """One application on one address."""

    def __init__(self, app: web.Application, listen: Listen, context: ssl.SSLContext | None) -> None:
        options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": HEADER_SECONDS,
            "lingering_time": LINGER_SECONDS,
            "max_line_size": LINE_BYTES,
            "max_field_size": FIELD_BYTES,
            "max_headers": FIELDS,
        }
        self._runner = _Runner(app, shutdown_timeout=1, handle_signals=False, **options)
        self._listen = listen
        self._context = context
        self.port = listen.port

    async def start(self) -> None:
        """Bind and serve; port 0 takes a free one. Raises SluzaError when the address cannot be had (maybe not yet)."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen.host, self._listen.port, ssl_context=self._context)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(self._listen, error) from error
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Accept no more, finish what is in flight, close."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The address for people and programs on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._listen.host, self._listen.host)  # noqa: S104
        scheme = "https" if self._context else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def _cannot_listen(listen: Listen, error: OSError) -> SluzaError:
    why = "ten port zajmuje już inny program" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return SluzaError(
        f"Nie można nasłuchiwać na {listen.host}:{listen.port}: {why}.",
        "Proszę zmienić pole „listen” w konfiguracji albo zatrzymać tamten program.",
    )
