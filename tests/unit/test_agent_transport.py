"""The way out against misbehaving servers of our own: what was sent, what came back, and what is never done."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from agent.forward import not_before
from agent.ksef import transport as transport_module
from agent.ksef.api import NoAnswer
from agent.ksef.transport import Timeouts, Transport, _tls
from spool.domain.document import Facts
from spool.domain.errors import ConfigError
from spool.domain.ledger import Document
from spool.domain.outcomes import Later, Unknown
from tests import credentials
from tests.documents import document

QUICK = Timeouts(connect=1, read=0.3, total=1, download=1)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on a port of its own that answers everything with this handler."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _no_answer(url: str, timeouts: Timeouts = QUICK) -> NoAnswer:
    async with Transport(timeouts=timeouts) as transport:
        with pytest.raises(NoAnswer) as caught:
            await transport.request("POST", url, headers={}, content=b"x")
    return caught.value


async def test_fault_K03_refused_connection_is_later() -> None:
    """Nobody listens, or the name is unknown: nothing was sent."""
    for url in ("http://127.0.0.1:9/x", "http://nie-ma.invalid/x"):
        no = await _no_answer(url)
        assert isinstance(no.reading.outcome, Later)
        assert no.code == "network:connect"


async def test_fault_K03_plain_server_behind_https_is_later() -> None:
    """A failed TLS handshake sends nothing."""

    async def page(_: web.Request) -> web.Response:
        return web.Response()

    async with serving(page) as url:
        no = await _no_answer(url.replace("http://", "https://"))
    assert isinstance(no.reading.outcome, Later)


async def test_fault_K03_silence_after_the_request_is_unknown() -> None:
    """The request was heard, no answer came in time."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    async with serving(silent) as url:
        no = await _no_answer(url)
    assert isinstance(no.reading.outcome, Unknown)
    assert no.code == "network:timeout"


async def test_fault_K03_slow_body_is_bounded() -> None:
    """A byte now and then does not hold us longer than the whole call may take."""

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(b".")
            await asyncio.sleep(0.1)
        return response

    async with serving(dripping) as url:
        started = asyncio.get_running_loop().time()
        no = await _no_answer(url)
        assert asyncio.get_running_loop().time() - started < 2
    assert isinstance(no.reading.outcome, Unknown)


async def test_fault_K03_a_slow_download_is_bounded(tmp_path: Path) -> None:
    """A package that drips would be whole after five seconds; a download may take one, so it is given up."""

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(b".")
            await asyncio.sleep(0.1)
        return response

    async with serving(dripping) as url, Transport(timeouts=QUICK) as transport:
        with pytest.raises(NoAnswer) as caught:
            await transport.download(url, tmp_path / "package", 1000)
    assert caught.value.code == "network:timeout"


async def test_fault_K03_an_untrusted_server_hears_nothing(tmp_path: Path) -> None:
    """A certificate of nobody we trust: the handshake ends it, the request never left, so it may go again."""
    cert, key = credentials.seal("5080014460").write_pem(tmp_path)
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(cert, key)
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=offered)
    async with server:
        no = await _no_answer(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
    assert isinstance(no.reading.outcome, Later)
    assert no.code in {"network:connect", "network:tls"}
    assert heard == []


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
async def test_fault_K03_half_open_is_bounded(said: bytes) -> None:
    """The other end stops in the middle of nothing, of the head or of the body and never closes: given up in time."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    async with server:
        no = await _no_answer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        gone.set()
    assert isinstance(no.reading.outcome, Unknown)
    assert no.code == "network:timeout"


async def test_fault_K03_dropped_connection_is_unknown() -> None:
    """The connection breaks after the request."""

    async def dropping(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(dropping) as url:
        assert isinstance((await _no_answer(url)).reading.outcome, Unknown)


async def test_fault_X26_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer longer than any of KSeF's is not kept."""
    monkeypatch.setattr(transport_module, "ANSWER_LIMIT", 10_000)

    async def huge(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 10_001)

    async with serving(huge) as url:
        assert (await _no_answer(url)).code == "http:garbled"


async def test_redirects_are_not_followed() -> None:
    """A redirect is an answer, not an order (X15)."""
    seen = []

    async def moved(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with serving(moved) as url, Transport(timeouts=QUICK) as transport:
        answer = await transport.request("GET", f"{url}/x", headers={"Authorization": "Bearer t"})
    assert answer.status == 302
    assert seen == ["/x"]


async def test_presigned_address_is_used_as_given(tmp_path: Path) -> None:
    """Not re-quoted, without a bearer, streamed into the file with its hash."""
    seen: list[web.Request] = []
    body = bytes(range(256)) * 5000

    async def storage(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=body)

    async with serving(storage) as url, Transport(timeouts=QUICK) as transport:
        await transport.request("GET", f"{url}/before", headers={"Authorization": "Bearer secret"})
        got = await transport.download(f"{url}/a%2Fb?sig=x%2By%3D%3D&se=2026", tmp_path / "f", 2_000_000)
        with pytest.raises(NoAnswer):
            await transport.download(f"{url}/again", tmp_path / "g", 1000)
        with pytest.raises(NoAnswer):
            await transport.download("file:///etc/passwd", tmp_path / "h", 1000)
    assert seen[1].raw_path == "/a%2Fb?sig=x%2By%3D%3D&se=2026"
    assert "Authorization" not in seen[1].headers
    assert (got.size, got.sha256) == (len(body), hashlib.sha256(body).digest())
    assert (tmp_path / "f").read_bytes() == body


def test_fault_X24_tls_is_never_weaker(tmp_path: Path) -> None:
    """TLS 1.2 at least, always verified; the one extra authority must be a certificate."""
    cert, _ = credentials.seal("5080014460").write_pem(tmp_path)
    for context in (_tls(None), _tls(cert)):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    (tmp_path / "bad").write_text("nic")
    for bad in (tmp_path / "bad", tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"network\.extra_ca"):
            _tls(bad)


async def test_servers_clock_is_read_from_its_answers() -> None:
    """The Date header of the last answer, going on from there."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": "Fri, 20 Nov 2026 22:59:30 GMT"})

    async with serving(page) as url, Transport(timeouts=QUICK) as transport:
        assert transport.server_now() is None
        await transport.request("GET", url, headers={})
        seen = transport.server_now()
    assert seen is not None
    assert 0 <= (seen - datetime(2026, 11, 20, 22, 59, 30, tzinfo=UTC)).total_seconds() < 2


def _dated(day: str) -> Document:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    facts = Facts(issue_date=datetime.fromisoformat(day).date())
    return document(facts, at)


MIDNIGHT = datetime(2026, 11, 20, 23, tzinfo=UTC)
"""00:00 of 21 November in Warsaw."""


@pytest.mark.parametrize(
    ("now", "server", "may_go_at"),
    [
        ("2026-11-20T22:59:59+00:00", None, MIDNIGHT),
        ("2026-11-20T23:00:30+00:00", None, datetime(2026, 11, 20, 23, 0, 32, tzinfo=UTC)),
        ("2026-11-20T23:01:59+00:00", None, datetime(2026, 11, 20, 23, 2, tzinfo=UTC)),
        ("2026-11-20T23:00:30+00:00", "2026-11-20T23:00:29+00:00", None),
        ("2026-11-20T23:00:30+00:00", "2026-11-20T22:59:50+00:00", datetime(2026, 11, 20, 23, 0, 35, tzinfo=UTC)),
        ("2026-11-20T23:05:00+00:00", "2026-11-20T22:59:50+00:00", datetime(2026, 11, 20, 23, 5, 5, tzinfo=UTC)),
        ("2026-11-20T23:02:00+00:00", None, None),
        ("2026-12-01T12:00:00+00:00", None, None),
    ],
)
def test_fault_K17_not_before_ksefs_midnight(now: str, server: str | None, may_go_at: datetime | None) -> None:
    """A document of the new day waits for midnight, and at midnight for KSeF's clock."""
    seen = datetime.fromisoformat(server) if server else None
    assert not_before(_dated("2026-11-21"), datetime.fromisoformat(now), seen) == may_go_at
