"""aiohttp under the SDK: TLS, proxy, bounded times and sizes, streamed downloads, one error taxonomy.

Whatever fails here comes out as `NoAnswer`: Later when the request provably never left, Unknown when it may have
been heard (faults K03). Redirects are never followed. Sources: protocol §1.1; faults K03, X15, X24, X26.
"""

import asyncio
import contextlib
import hashlib
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from yarl import URL

from agent.ksef.api import Download, NoAnswer
from agent.ksef.errors import broken, garbled, read_http
from spool.domain.errors import ConfigError

ANSWER_LIMIT = 24_000_000
"""The largest answer kept in memory: a page of 1,000 statuses is below 2 MB, a collective UPO below 20 MB."""
_CHUNK = 256 * 1024
_DATE_IS_FRESH_S = 600.0


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, between two pieces of an answer, for a whole call, for a whole download."""

    connect: float = 15
    read: float = 45
    total: float = 90
    download: float = 900


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Transport:
    """The way out to KSeF. Opened once per process; every call is bounded in time and size."""

    def __init__(self, *, proxy: str = "", extra_ca: Path | None = None, timeouts: Timeouts | None = None) -> None:
        """Raises ConfigError when `extra_ca` is not a readable PEM file."""
        self._timeouts = timeouts or Timeouts()
        self._proxy = proxy or None
        self._tls = _tls(extra_ca)
        self._session: aiohttp.ClientSession | None = None
        self._server: tuple[datetime, float] | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=32, keepalive_timeout=15),
            timeout=aiohttp.ClientTimeout(
                total=self._timeouts.total, sock_connect=self._timeouts.connect, sock_read=self._timeouts.read
            ),
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),  # the front door sets cookies that mean nothing to us
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def server_now(self) -> datetime | None:
        """KSeF's time by the Date header of its last answer, if that is fresh: its clock is not ours (faults K17)."""
        if self._server is None or time.monotonic() - self._server[1] > _DATE_IS_FRESH_S:
            return None
        return self._server[0] + timedelta(seconds=time.monotonic() - self._server[1])

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One call; any HTTP status is an answer. Raises NoAnswer when there was none."""
        query = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in (params or {}).items()}
        async with self._call(method, URL(url), headers=headers, params=query, data=content) as response:
            return Answer(response.status, response.headers, await _whole(response))

    async def download(self, url: str, target: Path, limit: int) -> Download:
        """Stream a presigned address into `target`, at most `limit` bytes; no bearer ever goes there."""
        async with self._presigned("GET", url, {200}) as response:
            return await _stream(response, target, limit)

    async def fetch(self, url: str) -> bytes:
        """What lies at a presigned address, kept in memory."""
        async with self._presigned("GET", url, {200}) as response:
            return await _whole(response)

    async def upload(self, url: str, file: Path, headers: Mapping[str, str]) -> None:
        """Stream a file to a presigned address. Raises NoAnswer unless it was taken (201, or 200)."""
        size = await asyncio.to_thread(lambda: file.stat().st_size)
        sent = dict(headers) | {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with file.open("rb") as body:
            async with self._presigned("PUT", url, {200, 201}, sent, data=body):
                pass

    @contextlib.asynccontextmanager
    async def _presigned(
        self, method: str, url: str, expected: set[int], headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A presigned address, used exactly as given: its signature does not survive re-quoting."""
        address = URL(url, encoded=True)
        if address.scheme not in {"https", "http"} or not address.host:
            raise garbled("adres pobierania lub wysyłania")
        times = self._timeouts
        timeout = aiohttp.ClientTimeout(total=times.download, sock_connect=times.connect, sock_read=times.read)
        sent = {"Accept": "*/*"} | dict(headers or {})
        async with self._call(method, address, headers=sent, timeout=timeout, **more) as response:
            if response.status not in expected:
                raise NoAnswer(read_http(response.status, await _whole(response)))
            yield response

    @contextlib.asynccontextmanager
    async def _call(self, method: str, url: URL, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """The one place where failures of the network become answers."""
        assert self._session is not None, "used outside `async with`"
        sent = SimpleNamespace(sent=False)
        more["headers"] = {"Accept-Encoding": "identity", "User-Agent": "sluza"} | dict(more["headers"])
        try:
            async with self._session.request(
                method, url, proxy=self._proxy, allow_redirects=False, trace_request_ctx=sent, **more
            ) as response:
                self._remember_time(response.headers.get("Date"))
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise broken(False, _words(error), "connect") from error
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            raise broken(False, _words(error), "tls") from error
        except TimeoutError as error:
            raise broken(sent.sent, "przekroczony czas", "timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise broken(sent.sent, _words(error), "broken") from error

    def _remember_time(self, header: str | None) -> None:
        with contextlib.suppress(TypeError, ValueError):
            if header:
                self._server = parsedate_to_datetime(header).astimezone(UTC), time.monotonic()


def _tls(extra_ca: Path | None) -> ssl.SSLContext:
    """The system's authorities plus, only if configured, one more; never below TLS 1.2, never unverified."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca is not None:
        try:
            context.load_verify_locations(cafile=str(extra_ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"Błędna wartość pola „network.extra_ca”: {str(extra_ca)!r} (nie można odczytać certyfikatu PEM)."
            ) from error
    return context


async def _mark_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    """From this moment on KSeF may have heard us."""
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.sent = True


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, refusing to grow beyond the limit."""
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise garbled("odpowiedź jest za długa")
        parts.append(chunk)
    return b"".join(parts)


async def _stream(response: aiohttp.ClientResponse, target: Path, limit: int) -> Download:
    """Write the body into a file, off the event loop, hashing as it goes."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise garbled("plik jest dłuższy, niż zapowiedziano")
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    return Download(size, digest.digest())


def _words(error: BaseException) -> str:
    """The kind of failure in a few words; addresses and texts of others stay out."""
    return type(error).__name__
