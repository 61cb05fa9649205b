"""The gateway as a process: ready line, HTTPS with our own CA, clean stop, exit codes, secrets."""

import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from gateway import __main__ as process
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_NIP, unit_invoice
from spool.access import FILE, Spool

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "canary-token-0123456789abcdef"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """`main` sets up the logging of its process, which here is also the tests'."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], root.level, logging.raiseExceptions = handlers, level, raising
    structlog.reset_defaults()


def configuration(directory: Path, http: str = "", admin: str = "", more: str = "") -> Path:
    """A configuration with one unit; ports are free ones."""
    path = directory / "sluza.toml"
    path.write_text(f"""
[municipality]
name = "Gmina Przykładowa"
nip = "{MUNICIPALITY_NIP}"
[paths]
state = "{directory}/state"
folders = "{directory}/folders"
[http]
listen = "127.0.0.1:0"
{http}
[admin]
{admin or 'listen = "127.0.0.1:0"'}
[[context]]
id = "gmina"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
url = "http://127.0.0.1:9/v2"
token_file = "none"
[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
nip = "{SCHOOL_NIP}"
context = "gmina"
[receive]
since = 2026-11-01
{more}
""")
    return path


def give_token(directory: Path) -> None:
    """A token for the school, as `sluza unit token` would."""
    spool = Spool(directory / "state" / FILE)
    digest = sha256(TOKEN.encode()).hexdigest()
    spool.write_now(lambda store: store.add_token("sp1", digest, datetime.now(UTC), "test"))
    spool.close()


class Gateway:
    """A running process with its ready line and log."""

    def __init__(self, config: Path) -> None:
        self.log = config.parent / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "--config", str(config)],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"SLUZA_CLOCK_URL": ""},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready: dict[str, Any] = json.loads(line)
        self.trust = ssl.create_default_context(cafile=self.ready["ca_file"])

    def call(self, path: str, data: bytes | None = None, token: str = TOKEN, **headers: str) -> tuple[int, bytes]:
        """One request to the drop-point, or with a whole URL to anywhere."""
        url = path if path.startswith("http") else self.ready["url"] + path
        request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"} | headers)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(config: Path) -> Iterator[Gateway]:
    """A gateway that is gone afterwards, whatever happens."""
    gateway = Gateway(config)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()


def today_invoice(number: str = "SP1/1/2026") -> bytes:
    return unit_invoice(number=number, issue_date=datetime.now(ZoneInfo("Europe/Warsaw")).date())


def test_a_whole_life(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ready line, HTTPS trusted through ca_file, an invoice in, status page, a second one refused, a clean stop."""
    give_token(tmp_path)
    config = configuration(tmp_path)
    with running(config) as gateway:
        assert set(gateway.ready) == {"ready", "role", "url", "admin_url", "ca_file"}
        assert (gateway.ready["ready"], gateway.ready["role"]) == (True, "gateway")
        assert Path(gateway.ready["ca_file"]) == tmp_path / "state" / "tls" / "ca.pem"
        assert gateway.call("/healthz")[0] == 200
        raw = today_invoice()
        status, body = gateway.call("/v1/invoices", raw, **{"Content-Type": "application/xml"})
        assert status == 202, body
        document_id = json.loads(body)["id"]
        assert gateway.call(f"/v1/invoices/{document_id}/xml") == (200, raw)
        assert gateway.call(f"/v1/invoices/{document_id}/pdf")[1].startswith(b"%PDF-")
        assert gateway.call(gateway.ready["admin_url"] + "/readyz")[0] == 200
        assert (tmp_path / "folders" / "sp1" / "do-wyslania").is_dir()
        assert process.main(["--config", str(config)]) == 3
        assert "Śluza już działa" in capfd.readouterr().err
        assert gateway.stop() == 0
    spool = Spool(tmp_path / "state" / FILE)
    assert spool.read_now(lambda store: store.body(store.document(document_id).sha256)) == raw
    spool.close()
    log = gateway.log.read_text()
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert TOKEN not in log
    modes = {p.name: p.stat().st_mode & 0o077 for p in (tmp_path / "state").iterdir() if p.is_file()}
    assert not any(modes.values()), modes


def test_in_flight_requests_are_finished(tmp_path: Path) -> None:
    """A body that is half here when SIGTERM comes is taken, answered and durable; new connections are not."""
    give_token(tmp_path)
    with running(configuration(tmp_path, http="tls = false")) as gateway:
        port = int(gateway.ready["url"].rpartition(":")[2])
        raw = today_invoice()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            connection.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw[:500])
            time.sleep(0.2)
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            connection.sendall(raw[500:])
            assert b" 202 " in connection.recv(200)
        assert gateway.process.wait(20) == 0
    spool = Spool(tmp_path / "state" / FILE)
    assert sum(spool.read_now(lambda store: store.counts()).values()) == 1
    spool.close()


def test_without_tls_there_is_no_ca(tmp_path: Path) -> None:
    """`tls = false` on loopback: plain HTTP, `ca_file` null, no keys made."""
    with running(configuration(tmp_path, http="tls = false")) as gateway:
        assert gateway.ready["url"].startswith("http://127.0.0.1:")
        assert gateway.ready["ca_file"] is None
        assert not (tmp_path / "state" / "tls").exists()
        assert gateway.stop(signal.SIGINT) == 0


def test_admin_beyond_loopback_needs_tls_and_token(tmp_path: Path) -> None:
    """Listening on all addresses, even a visitor from this machine shows the token, over HTTPS."""
    secret = tmp_path / "admin.token"
    secret.write_text("admin-token-0123456789\n")
    secret.chmod(0o600)
    with running(configuration(tmp_path, admin=f'listen = "0.0.0.0:0"\ntoken_file = "{secret}"')) as gateway:
        url = gateway.ready["admin_url"]
        assert url.startswith("https://127.0.0.1:")
        assert gateway.call(f"{url}/readyz", token="wrong")[0] == 401
        assert gateway.call(f"{url}/readyz", token="admin-token-0123456789")[0] == 200
        assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"more": "[nothing]\nx = 1"}, "nothing"),
        ({"http": 'cert = "none.pem"\nkey = "none.key"'}, "none.key"),
        ({"http": 'names = ["a..b"]'}, "http.names"),
        ({"admin": 'listen = "0.0.0.0:0"'}, "token_file"),
    ],
)
def test_configuration_errors_are_one_sentence_and_code_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], changes: dict[str, str], sentence: str
) -> None:
    """Polish, naming the field or file; never a traceback."""
    assert process.main(["--config", str(configuration(tmp_path, **changes))]) == 2
    said = capfd.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_exposed_admin_token_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A token that everybody can read is no secret (X23)."""
    secret = tmp_path / "admin.token"
    secret.write_text("admin-token-0123456789")
    secret.chmod(0o644)
    config = configuration(tmp_path, admin=f'listen = "127.0.0.1:0"\ntoken_file = "{secret}"')
    assert process.main(["--config", str(config)]) == 2
    assert "chmod 600" in capfd.readouterr().err


def test_taken_port_is_a_sentence_and_code_5(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The other program may be about to stop, so the supervisor tries again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = configuration(tmp_path)
        port = taken.getsockname()[1]
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
        assert process.main(["--config", str(path)]) == 5
    assert f"127.0.0.1:{port}" in capfd.readouterr().err


async def test_a_part_that_dies_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    """With or without an error, before anybody asked it to: exit code 5 and a line that names it."""
    import asyncio

    async def dies(_stop: asyncio.Event) -> None:
        raise RuntimeError("kaboom")

    async def ends(_stop: asyncio.Event) -> None:
        return

    async def waits(stop: asyncio.Event) -> None:
        await stop.wait()

    for part in (dies, ends):
        stop = asyncio.Event()
        code = await asyncio.wait_for(process._watch_over({"part": part(stop), "other": waits(stop)}, stop), 5)
        assert code == 5
        assert stop.is_set()
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    assert await process._watch_over({"other": waits(stop)}, stop) == 0
