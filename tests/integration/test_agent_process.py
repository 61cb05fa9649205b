"""`python -m agent` as a process: ready line, work, clean stop, restart; every bad configuration is one sentence."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.__main__ import main
from sluza.samples import SCHOOL_NIP
from spool.domain.states import State
from tests import credentials
from tests.integration.agent_rig import NIP, ROOT, Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401


def _config(rig: Rig, directory: Path, **changes: str) -> Path:
    """A configuration file for the rig's spool; `changes` replace whole texts in it."""
    text = f"""
[municipality]
name = "Gmina Przykładowa"
nip = "{NIP}"

[paths]
state = "{rig.state}"
folders = "{directory / "foldery"}"

[[context]]
id = "gmina"
value = "{NIP}"
environment = "sandbox"
url = "{rig.sandbox.url}/v2"
auth_cert = "{rig.context.auth_cert}"
auth_key = "{rig.context.auth_key}"

[[unit]]
id = "sp1"
name = "Szkoła"
nip = "{SCHOOL_NIP}"
context = "gmina"

[receive]
since = 2026-11-01
"""
    for old, new in changes.items():
        text = text.replace(old, new)
    path = directory / "sluza.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _start(config: Path, sandbox: Sandbox) -> "subprocess.Popen[str]":
    environment = os.environ | {"SLUZA_CLOCK_URL": f"{sandbox.url}/sandbox/clock"}
    command = [sys.executable, "-m", "agent", "--config", str(config)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


async def test_process_sends_and_stops_cleanly(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """Ready in one line of JSON, a document travels to its receipt, SIGTERM ends it with 0 and no secret in the log."""
    process = _start(_config(rig, tmp_path), sandbox)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True, "role": "agent"}
        document = await rig.put_new("P/1")
        done = await rig.until_upo(document)
        assert done.state is State.ACCEPTED
        second = subprocess.run(process.args, capture_output=True, text=True, cwd=ROOT, timeout=20)  # noqa: ASYNC221
        assert second.returncode == 3
        assert "Śluza już działa (agent, proces" in second.stderr
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line["event"] == "sent" and line["document"] == document.id for line in lines)
    assert "PRIVATE KEY" not in log
    assert "eyJ" not in log  # no token
    assert "Zakład Usług" not in log  # no text of an invoice


async def test_killed_process_is_continued_by_the_next(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGKILL between the call and its answer; the next process finds the number and posts nothing twice (F01)."""
    sandbox.fault("POST /v2/sessions/online/{referenceNumber}/invoices", "timeout_after", 1, hold_s=20)
    config = _config(rig, tmp_path)
    document = await rig.put_new("P/kill")
    first = _start(config, sandbox)

    async def registered() -> bool | None:
        return (document.sha256 in sandbox.ledger()) or None

    await rig.eventually(registered, "registered by the sandbox", seconds=60)  # a process has to start first
    first.kill()
    first.communicate()
    assert (await rig.read(document)).state is State.SENDING
    second = _start(config, sandbox)
    try:
        done = await rig.until_upo(document, seconds=60)
    finally:
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=15)
    assert second.returncode == 0
    assert sandbox.ledger()[done.sha256]["posts"] == 1


BAD = {
    "no_file": ({}, "Nie można odczytać pliku konfiguracji"),
    "since": ({"since = 2026-11-01": ""}, "receive.since"),
    "other_key": ({"auth_key = ": 'auth_key = "nie-ma.key" #'}, "auth_key"),
    "clock": ({}, "Zegar piaskownicy"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configuration_is_one_sentence_and_exit_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong field is named in one Polish sentence on stderr: exit code 2, never a traceback."""
    changes, expected = BAD[name]
    cert, key = credentials.seal(NIP).write_pem(tmp_path)
    text = f"""
[municipality]
name = "Gmina"
nip = "{NIP}"
[paths]
state = "{tmp_path / "state"}"
folders = "{tmp_path}"
[[context]]
id = "gmina"
value = "{NIP}"
environment = "sandbox"
url = "http://127.0.0.1:9/v2"
auth_cert = "{cert}"
auth_key = "{key}"
[[unit]]
id = "sp1"
name = "Szkoła"
context = "gmina"
[receive]
since = 2026-11-01
"""
    for old, new in changes.items():
        text = text.replace(old, new)
    path = tmp_path / "sluza.toml"
    if name != "no_file":
        path.write_text(text, encoding="utf-8")
    if name == "clock":
        monkeypatch.setenv("SLUZA_CLOCK_URL", "http://127.0.0.1:9/clock")
    if name == "no_file":  # one as a real process, the others in this one
        done = subprocess.run(
            [sys.executable, "-m", "agent", "--config", str(path)], capture_output=True, text=True, cwd=ROOT, timeout=30
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        code = main(["--config", str(path)])
        out, err = capfd.readouterr()
    assert code == (5 if name == "clock" else 2)  # a sandbox that is late is tried again
    assert expected in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
