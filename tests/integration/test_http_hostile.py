"""Raw sockets against the drop-point (X16, D09): malformed, slow, endless and cut requests."""

import asyncio
import contextlib
import io
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from gateway.http import listener
from gateway.http.body import Patience
from gateway.sizes import MAX_XML
from spool import logs
from tests.http_bench import SCHOOL, TOKENS, Bench, running, school_invoice

INVOICE = school_invoice()
LOGIN = f"Authorization: Bearer {TOKENS[SCHOOL]}\r\n"
POST = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\n{LOGIN}"


async def talk(bench: Bench, *pieces: bytes | float, wait: float = 3.0) -> bytes:
    """Send the pieces (a number is a pause in seconds), then read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            writer.write(piece)
            await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), wait)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def head(*lines: str) -> bytes:
    """A POST with these further header lines."""
    return (POST + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode("latin-1")


MALFORMED = {
    "two lengths, equal": head("Content-Length: 5", "Content-Length: 5"),
    "two lengths, different": head("Content-Length: 5", "Content-Length: 50"),
    "length list": head("Content-Length: 5, 5"),
    "negative length": head("Content-Length: -1"),
    "signed length": head("Content-Length: +5"),
    "hexadecimal length": head("Content-Length: 0x5"),
    "huge length": head("Content-Length: " + "9" * 40),
    "empty length": head("Content-Length:"),
    "length and chunked": head("Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 5"),
    "unknown coding": head("Transfer-Encoding: gzip"),
    "chunked not last": head("Transfer-Encoding: chunked, identity"),
    "odd chunked": head("Transfer-Encoding: xchunked"),
    "folded header": head("X-File-Name: a", " b", "Content-Length: 5"),
    "space before colon": head("Content-Length : 5"),
    "line feed in a value": head("X-File-Name: a\nContent-Length: 5"),
    "zero byte": head("X-File-Name: a\x00b"),
    "no colon": head("Nonsense"),
    "many fields": head(*(f"X-{n}: 1" for n in range(200))),
    "long field": head("X-File-Name: " + "a" * 20_000),
    "long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300 + b"\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "bad chunk size": head("Transfer-Encoding: chunked") + b"ZZ\r\nabc\r\n0\r\n\r\n",
    "bad chunk end": head("Transfer-Encoding: chunked") + b"3\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_fault_X16_malformed_is_4xx_and_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_bytes: bytes
) -> None:
    """One 4xx in our own words, the connection closed, nothing stored, and what follows is never a second request."""
    monkeypatch.setattr(listener, "HEADER_SECONDS", 1.0)
    async with running(tmp_path, patience=Patience(grace_s=0.5)) as bench:
        smuggled = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await talk(bench, request_bytes + smuggled)
        assert answer[:10] in {b"HTTP/1.0 4", b"HTTP/1.1 4"}, answer[:80]
        assert answer.count(b"HTTP/1.") == 1, answer
        assert b"aiohttp" not in answer
        assert b"Python" not in answer
        assert b"application/problem+json" in answer
        assert await bench.stored() == 0
        assert (await bench.call("GET", "/healthz", unit=None)).status == 200


@pytest.mark.parametrize("cut", [0, 1, 2, 40, 41, *range(100, len(INVOICE), 256), len(INVOICE) - 1])
async def test_fault_D09_client_dies_mid_body(tmp_path: Path, cut: int) -> None:
    """The connection ends after so many bytes, announced or chunked, half-closed or reset: nothing is stored."""
    async with running(tmp_path) as bench:
        part = INVOICE[:cut]
        chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n" if part else b""
        for raw in (
            head(f"Content-Length: {len(INVOICE)}") + part,
            head("Transfer-Encoding: chunked") + chunk,
            head("Transfer-Encoding: chunked") + f"{len(INVOICE):x}\r\n".encode() + part,
        ):
            for reset in (False, True):
                _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
                writer.write(raw)
                await writer.drain()
                await asyncio.sleep(0.005)
                if reset:
                    writer.transport.abort()
                else:
                    writer.close()
        await asyncio.sleep(0.05)
        assert await bench.stored() == 0
        assert (await bench.post(INVOICE)).status == 202


async def test_fault_X16_slow_head_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that trickles in is cut off, however regularly a byte comes."""
    monkeypatch.setattr(listener, "HEADER_SECONDS", 1.0)  # asyncio rounds longer timers up to whole seconds
    async with running(tmp_path) as bench:
        start = time.monotonic()
        pieces = [piece for byte in b"GET /healthz HTTP/1.1\r\nX-" + b"a" * 30 for piece in (bytes([byte]), 0.1)]
        assert b" 200 " not in await talk(bench, *pieces, wait=1)
        reader, _ = await asyncio.open_connection("127.0.0.1", bench.port)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        assert time.monotonic() - start < 60


async def test_fault_X16_slow_body_is_408(tmp_path: Path) -> None:
    """A body below the least speed is given up with 408; one that is slow but fast enough is taken."""
    async with running(tmp_path, patience=Patience(grace_s=0.3, bytes_per_s=2000)) as bench:
        pieces: list[bytes | float] = [head(f"Content-Length: {len(INVOICE)}")]
        for start in range(0, len(INVOICE), 10):
            pieces += [INVOICE[start : start + 10], 0.02]
        slow = await talk(bench, *pieces[:60])
        assert b" 408 " in slow.splitlines()[0]
        assert await bench.stored() == 0
        pieces = [head(f"Content-Length: {len(INVOICE)}", "Connection: close")]
        for start in range(0, len(INVOICE), 300):
            pieces += [INVOICE[start : start + 300], 0.06]
        assert b" 202 " in (await talk(bench, *pieces)).splitlines()[0]


async def test_fault_X16_endless_chunks_end_at_the_cap(tmp_path: Path) -> None:
    """Chunks without end are refused at three million bytes and the connection closes."""
    async with running(tmp_path) as bench:
        chunk = b"10000\r\n" + b"<" * 0x10000 + b"\r\n"
        answer = await talk(bench, head("Transfer-Encoding: chunked"), *[chunk] * (2 * MAX_XML // 0x10000))
        assert answer == b"" or b" 413 " in answer.splitlines()[0]
        assert await bench.stored() == 0


async def test_fault_X16_tiny_chunks_are_taken(tmp_path: Path) -> None:
    """Ten thousand parts are only a slow way to send one invoice."""
    async with running(tmp_path) as bench:
        parts = b"".join(b"1\r\n%c\r\n" % byte for byte in INVOICE)
        answer = await talk(bench, head("Transfer-Encoding: chunked", "Connection: close") + parts + b"0\r\n\r\n")
        assert b" 202 " in answer.splitlines()[0]


async def test_fault_X16_others_are_served_meanwhile(tmp_path: Path) -> None:
    """With three hundred half-open requests another client is answered long before these are given up."""
    async with running(tmp_path) as bench:
        idle = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(300)]
        for n, (_, writer) in enumerate(idle):
            writer.write(head("Content-Length: 2000000") + b"<" * 1000 if n % 2 else b"GET / HTTP/1.1\r\nX-Slow: ")
        start = time.monotonic()
        assert (await bench.post(INVOICE)).status == 202
        assert time.monotonic() - start < 10
        for _, writer in idle:
            writer.transport.abort()


async def test_fault_X16_connections_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap a connection is dropped at once; when others leave there is room again."""
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 5)
    async with running(tmp_path) as bench:
        held = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert await talk(bench, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await bench.call("GET", "/healthz", unit=None)).status == 200


async def test_unread_answers_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks and never reads does not keep its answer in memory for ever."""
    monkeypatch.setattr(listener, "WRITE_SECONDS", 0.3)
    async with running(tmp_path) as bench:
        await bench.post(INVOICE)
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, limit=1)
        for _ in range(20_000):
            if writer.is_closing():
                break
            writer.write(f"GET /openapi.json HTTP/1.1\r\nHost: x\r\n{LOGIN}\r\n".encode())
            await asyncio.sleep(0)
        assert (await bench.call("GET", "/healthz", unit=None)).status == 200
        writer.transport.abort()
        del reader


@pytest.fixture
async def log_text() -> AsyncIterator[io.StringIO]:
    """Everything logged during the test, as a process would write it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.to_stderr(stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


async def test_fault_X22_tokens_never_reach_the_log(tmp_path: Path, log_text: io.StringIO) -> None:
    """A good token, a wrong one, one in a malformed header, in the path, in the query, in a failing request."""
    canary = "canary-0123456789abcdef0123456789"
    async with running(tmp_path) as bench:
        await bench.post(INVOICE, X_File_Name=f"{canary}.xml", Idempotency_Key=canary)
        await bench.call("GET", "/v1/invoices", unit=None, headers={"Authorization": f"Bearer {canary}"})
        await bench.call("GET", f"/v1/{canary}?token={canary}", unit=None)
        await bench.call("GET", f"/v1/invoices/{canary}?token={canary}")
        await talk(bench, f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {canary}\x01\r\n\r\n".encode())
        await talk(bench, f"{canary} / HTTP/1.1\r\n\r\n".encode())
        bench.workers.fail = RuntimeError(f"Authorization: Bearer {canary}")
        assert (await bench.post(school_invoice("SP1/2/2026"))).status == 500
    text = log_text.getvalue()
    assert "unforeseen" in text
    assert canary not in text
    assert TOKENS[SCHOOL] not in text
    assert "Wynajem" not in text


async def test_fault_X14_one_record_is_one_line(tmp_path: Path, log_text: io.StringIO) -> None:
    """Line breaks and escapes in paths, names and methods never make a second record; each names its document."""
    async with running(tmp_path) as bench:
        accepted = await bench.post(INVOICE, X_File_Name="a%0d%0aevil%1b%5b31m.xml")
        await bench.call("GET", "/v1/invoices/%0d%0aevil%1b[31m", unit=SCHOOL)
        await talk(bench, b"EVIL\x1b / HTTP/1.1\r\n\r\n")
    lines = log_text.getvalue().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert "evil" not in log_text.getvalue()
    posted = next(json.loads(line) for line in lines if '"POST"' in line)
    assert posted["document"] == accepted.json["id"]
    assert (posted["unit"], posted["status"], posted["route"]) == (SCHOOL, 202, "/v1/invoices")
