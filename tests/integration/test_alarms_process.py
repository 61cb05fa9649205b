"""Warnings of the gateway as a process: a clock that jumps, a kill, a restart, the command line."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spool import law
from spool.access import FILE, Spool
from spool.law import Law, Rules
from tests.alarms_bench import ON_CALL, Bench, at, town
from tests.integration.test_http_process import ROOT, configuration
from tests.mail_server import Server


class MovableClock:
    """The sandbox's clock, as far as anybody asks it; `now` may be set to any time."""

    def __init__(self) -> None:
        self.now = at(7)
        clock = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"now": clock.now.isoformat()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/sandbox/clock"


@pytest.fixture
def clock() -> Iterator[MovableClock]:
    """A clock that stands at 7 on the due day."""
    found = MovableClock()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A mail server."""
    found = Server().start()
    yield found
    found.stop()


def set_up(directory: Path, server: Server | None) -> Path:
    """A configuration with mail through this server, and one document due on that day."""
    mail = (
        server
        and f"""
[alerts]
smtp = "127.0.0.1:{server.port}"
tls = "none"
sender = "sluza@gmina.example"
recipients = ["biuro@gmina.example"]
on_call = ["{ON_CALL}"]
quiet_hours = "00:00-23:59"   # no agent runs here, and that is not what these tests are about
"""
    )
    config = configuration(directory, more=mail or "")
    with put_in(directory) as bench:
        bench.add("FV/1")
    return config


class put_in:  # noqa: N801 - reads as what it does
    """The spool of that directory for a moment, with deadlines that are up to date."""

    def __init__(self, directory: Path, now: datetime | None = None) -> None:
        self.path, self.now = directory / "state" / FILE, now or at(7)

    def __enter__(self) -> Bench:
        self.bench = Bench(self.path, Spool(self.path), self.now)
        self.bench.spool.write_now(lambda s: law.recompute(s, Rules(Law(), town()), self.now))
        return self.bench

    def __exit__(self, *_: Any) -> None:
        self.bench.spool.close()


class Gateway:
    """`python -m gateway` under that clock."""

    def __init__(self, config: Path, clock: MovableClock) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "--config", str(config)], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | {"SLUZA_CLOCK_URL": clock.url},
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send this signal; returns the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode


def distinct(server: Server) -> list[str]:
    """Whom the messages are for; one that a killed process sent, and the next one once more, counts once."""
    return list({m["Message-ID"]: str(m["To"]) for m in server.taken}.values())


def await_mail(server: Server, count: int) -> None:
    """Until the server has taken so many different messages."""
    while len(distinct(server)) < count:
        server.arrived.clear()
        if len(distinct(server)) < count:
            assert server.arrived.wait(60), server.recipients


def sluza(config: Path, clock: MovableClock, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command under that clock."""
    return subprocess.run(
        [sys.executable, "-m", "sluza", *words, "--config", str(config)], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"SLUZA_CLOCK_URL": clock.url, "COLUMNS": "300"},
    )  # fmt: skip


def test_a_jumping_clock_a_kill_and_a_restart(tmp_path: Path, server: Server, clock: MovableClock) -> None:
    """Each step is mailed once: the clock jumps, the process is killed and begins again, what was told stays told."""
    config = set_up(tmp_path, server)
    first = Gateway(config, clock)
    try:
        clock.now = at(8)
        await_mail(server, 1)
    finally:
        first.end(signal.SIGKILL)
    second = Gateway(config, clock)
    try:
        clock.now = at(21)
        await_mail(server, 2)
    finally:
        code = second.end()
    assert code == 0
    assert distinct(server) == ["biuro@gmina.example", ON_CALL]
    with put_in(tmp_path) as bench:
        assert bench.steps() == ["morning", "hours_3"]


def test_three_days_pass_at_once(tmp_path: Path, server: Server, clock: MovableClock) -> None:
    """The clock jumps over the due moment: that it passed is told to everybody, without any step in between."""
    config = set_up(tmp_path, server)
    running = Gateway(config, clock)
    try:
        clock.now = at(9) + timedelta(days=3)
        with put_in(tmp_path, clock.now):  # the agent applies the law when a new day begins
            pass
        await_mail(server, 2)
    finally:
        running.end()
    assert sorted(distinct(server)) == ["biuro@gmina.example", ON_CALL]
    with put_in(tmp_path, clock.now) as bench:
        assert bench.steps() == ["due"]


def test_the_commands(tmp_path: Path, server: Server, clock: MovableClock) -> None:
    """`alerts list` and `status` show the alarm, `alerts test` what the server answers, and how it ends."""
    config = set_up(tmp_path, server)
    running = Gateway(config, clock)
    try:
        clock.now = at(8)
        await_mail(server, 1)
    finally:
        running.end()
    (row,) = json.loads(sluza(config, clock, "alerts", "list", "--json").stdout)["deadlines"]
    assert (row["unit"], row["step"], row["documents"], row["over_at"]) == ("sp1", "morning", 1, None)
    assert [m["address"] for m in row["mail"]] == ["biuro@gmina.example"]
    assert "1 faktura bez numeru KSeF" in sluza(config, clock, "alerts", "list").stdout
    seen = json.loads(sluza(config, clock, "status", "--json").stdout)
    assert any("1 faktura bez numeru KSeF" in f["message"] for f in seen["findings"])
    server.refuse[ON_CALL] = ["550 no such user"]
    tried = sluza(config, clock, "alerts", "test")
    assert tried.returncode == 1
    assert "biuro@gmina.example: Serwer przyjął wiadomość" in tried.stdout
    assert f"{ON_CALL}: Serwer poczty odpowiedział: 550 no such user" in tried.stdout


def test_without_a_server_the_configuration_check_says_so(tmp_path: Path, clock: MovableClock) -> None:
    """One sentence; and a test of the mail has nothing to test."""
    config = set_up(tmp_path, None)
    (tmp_path / "none").write_text("token")
    (tmp_path / "none").chmod(0o600)
    checked = sluza(config, clock, "check-config")
    assert checked.returncode == 0, checked.stderr
    assert "pole alerts.smtp jest puste" in checked.stdout
    tried = sluza(config, clock, "alerts", "test")
    assert tried.returncode == 2
    assert "alerts.smtp" in tried.stderr


def test_a_password_open_to_everybody_stops_the_start(tmp_path: Path, server: Server, clock: MovableClock) -> None:
    """Said by field name at once, not at the first alarm (faults X23)."""
    config = set_up(tmp_path, server)
    (tmp_path / "haslo").write_text("x")
    (tmp_path / "haslo").chmod(0o644)
    text = config.read_text().replace(
        'tls = "none"\nsender', 'tls = "none"\nuser = "u"\npassword_file = "haslo"\nsender'
    )
    config.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "--config", str(config)], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"SLUZA_CLOCK_URL": clock.url}, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "alerts.password_file" in ended.stderr
