"""The small parts of the drop-point: brake, body room, log filter, description."""

import asyncio
import errno
import io
import json
import logging
import socket
from collections.abc import Iterator

import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.http.answers import as_file
from gateway.http.app import ROUTES
from gateway.http.body import Room
from gateway.http.openapi import DOCUMENT
from gateway.http.problems import HttpProblem
from gateway.http.throttle import Throttle
from spool import logs


def test_brake_counts_per_address_and_forgets() -> None:
    """Two failures are free, the third waits for the end of the window; other addresses and later times start anew."""
    now = [0.0]
    brake = Throttle(allowed=2, window_s=60, monotonic=lambda: now[0])
    assert [brake.failed("a") for _ in range(3)] == [0, 0, 60]
    assert brake.failed("b") == 0
    now[0] = 45
    assert brake.failed("a") == 15
    now[0] = 60
    assert brake.failed("a") == 0


def test_brake_memory_is_bounded() -> None:
    """A flood of addresses pushes out the oldest ones, nothing else."""
    brake = Throttle(allowed=1, remembered=100)
    for n in range(1000):
        brake.failed(str(n))
    assert len(brake._failures) == 100
    assert brake.failed("999") > 0
    assert brake.failed("0") == 0


def test_room_is_given_back() -> None:
    """What does not fit is refused whole."""
    room = Room(10)
    room.take(7)
    with pytest.raises(HttpProblem, match="busy"):
        room.take(4)
    room.give_back(7)
    room.take(10)


def test_description_is_valid_openapi() -> None:
    """OpenAPI 3.1, by an independent validator."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_description_lists_exactly_the_routes() -> None:
    """No route without a description, no description without a route."""
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(method, path) for method, path, _ in ROUTES}


@pytest.mark.parametrize("name", ['a"b.xml', "a\r\nX-Evil: 1.xml", "żółć.xml", "a\\b;c.xml", "\u202e.xml"])
def test_file_names_cannot_break_headers(name: str) -> None:
    """Quotes, line breaks and Polish letters in Content-Disposition."""
    value = as_file(make_mocked_request("GET", "/"), b"x", "application/xml", name).headers["Content-Disposition"]
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a process would write to stderr."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    logs.to_stderr(out)
    yield out
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_fault_X22_secrets_are_blacked_out(stream: io.StringIO) -> None:
    """By key, by shape, in tracebacks and in lines of other libraries."""
    canary = "canary0123456789abcdef"
    log = structlog.get_logger("x")
    log.info("a", token=canary, Authorization=canary, admin_password=canary)
    log.info("b", cause=f"Bearer {canary}", header=f"basic {canary}==")
    logging.getLogger("lib").warning("sent %s", f"Authorization: Bearer {canary}")
    try:
        int(f"Bearer {canary}")
    except ValueError:
        log.exception("c")
    assert canary not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 4


def test_fault_X14_one_record_one_line(stream: io.StringIO) -> None:
    """Whatever a reader may take for a line break or an escape is spelled out; Polish stays readable."""
    structlog.get_logger("x").info("ż", value="a\r\nb\x1b[31m\x85\u2028\u202e\x9b\ud800")
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert text.rstrip("\n").isprintable()
    assert json.loads(text)["event"] == "ż"


def test_fault_F20_a_broken_log_does_not_hurt(stream: io.StringIO) -> None:
    """Writing fails: the line is lost, the work goes on."""
    stream.close()
    structlog.get_logger("x").error("lost")


async def test_fault_F16_no_descriptor_for_a_connection_is_said_once(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop asks again and again for each waiting connection: one line, and then the client is served."""
    refusals, accept = [OSError(errno.EMFILE, "Too many open files") for _ in range(300)], socket.socket.accept

    def accepting(listening: socket.socket) -> object:
        if refusals:
            raise refusals.pop()
        return accept(listening)

    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.01)
    monkeypatch.setattr(socket.socket, "accept", accepting)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
    assert not refusals
    said = [line for line in stream.getvalue().splitlines() if "out of system resource" in line]
    assert len(said) == 1
