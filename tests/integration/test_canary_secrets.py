"""Secrets that were planted come out nowhere: logs, pages, metrics, commands, letters, packages (faults X22, X14)."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from gateway.web.app import PAGES
from spool import logs
from spool.domain.accounts import Role
from tests.http_bench import SCHOOL, TOKENS, Bench, running, school_invoice
from tests.integration.test_http_process import ROOT, configuration

CANARY = "kanarek-4f9d2c7be1"
"""In every secret file of the set-up, so that one search finds them all."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A drop-point and pages over a fresh spool."""
    async with running(tmp_path) as started:
        yield started


async def test_fault_X22_no_page_and_no_metric_shows_a_secret(bench: Bench) -> None:
    """Every GET page, as the administrator sees it: no token, cookie or password hash but what its own forms carry."""
    document = (await bench.post(school_invoice())).json["id"]
    number, paper = await bench.receive(SCHOOL), await bench.paper(SCHOOL)
    await bench.enter("anna", Role.ADMIN, password=CANARY)
    hashed = await bench.spool.read(lambda store: store.password_of("anna")[0])
    secrets = [*TOKENS.values(), *bench.cookies.values(), CANARY, hashed, "token-admin"]
    for page in PAGES:
        if page.method != "GET" or page.path == "/zdarzenia":
            continue
        path = page.path.replace("{id}", document).replace("{number}", number).replace("{action}", "hold")
        path = path.replace("{paper}", paper)
        answer = await bench.admin(path.replace("{owner}", SCHOOL).replace("{name}", "x.csv"), who="anna")
        assert answer.status < 500, path
        text = answer.body.decode("utf-8", "replace") + str(answer.headers)
        assert [one for one in secrets if one in text] == [], path
    metrics = (await bench.admin("/metrics")).body.decode()
    assert [one for one in secrets if one in metrics] == []


async def test_fault_X22_the_history_and_the_logs_hold_no_secret(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """After sign-ins that failed and one that did not, and requests with tokens."""
    await bench.enter("anna", Role.ADMIN, password=CANARY)
    for password in (CANARY, CANARY + "-zle"):
        form = {"login": "anna", "password": password, "code": ""}
        await bench.admin("/logowanie", {}, "POST", who=None, form=form)
    await bench.post(school_invoice())
    links = await bench.spool.read(lambda store: store.all_links(0, None, 1000))
    told = json.dumps(links) + capsys.readouterr().out
    assert [one for one in (*TOKENS.values(), CANARY) if one in told] == []


def test_fault_X14_one_record_is_one_line_without_escapes() -> None:
    """Line breaks, terminal escapes and direction marks in any field come out spelled; secrets blacked out."""
    stream = io.StringIO()
    before = logging.getLogger().handlers[:], structlog.get_config()
    try:
        logs.to_stderr(stream)
        hostile = "a\r\nb\x1b[31m\u2028\u202e\x9b2J"
        structlog.get_logger("x").warning(hostile, name=hostile, password=CANARY, header=f"Bearer {CANARY}")
        logging.getLogger("y").error("%s", hostile)
    finally:
        logging.getLogger().handlers[:] = before[0]
        structlog.configure(**before[1])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert [json.loads(line)["event"] for line in lines] == [hostile, hostile]
    assert not {"\x1b", "\u2028", "\u202e", "\x9b", "\r"} & set(stream.getvalue())
    assert CANARY not in stream.getvalue()


def test_fault_X22_commands_tell_no_secret(tmp_path: Path) -> None:
    """Configuration, a trial that fails: on both streams, with and without JSON."""
    secret = tmp_path / "hook.secret"
    secret.write_text(CANARY + CANARY)
    secret.chmod(0o600)
    alerts = f"""
[alerts]
webhook = "http://127.0.0.1:9/{CANARY}"
webhook_hosts = ["127.0.0.1"]
webhook_secret_file = "{secret}"
smtp = "127.0.0.1:9"
tls = "none"
sender = "sluza@gmina.example"
recipients = ["biuro@gmina.example"]
user = "sluza"
password_file = "{secret}"
"""
    config = configuration(tmp_path, more=alerts)
    for words in (["check-config"], ["alerts", "test"], ["alerts", "test", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "sluza", "--config", str(config), *words], capture_output=True, text=True, cwd=ROOT
        )
        assert done.stdout + done.stderr != ""
        assert CANARY not in done.stdout + done.stderr, words
