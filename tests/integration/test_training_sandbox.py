"""The sandbox that the service runs for a training beside production (decision 0048)."""

import errno
import json
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from certs import keyring
from sluza.__main__ import cli
from sluza.samples import MUNICIPALITY_NIP
from spool import settings
from spool.domain.errors import ConfigError
from tests.unit.test_settings import GOOD

ROOT = Path(__file__).resolve().parents[2]
TRAINING = f"""
[[context]]
id = "szkolenie"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
[training]
sandbox_port = PORT
"""


def configuration(directory: Path, port: int, more: str = TRAINING) -> Path:
    """A town in earnest whose service runs the sandbox at this port."""
    path = directory / "sluza.toml"
    path.write_text(GOOD.replace('"test"', '"prod"') + more.replace("PORT", str(port)), encoding="utf-8")
    return path


def sluza(*words: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(cli.get_command(click.Context(cli), words[0]), list(words[1:]), obj=None)  # type: ignore[arg-type]


def test_the_sandbox_of_a_training_lets_its_context_in(tmp_path: Path) -> None:
    """One setting: it listens on loopback, keeps its data in a directory of its own beside the spool, and the context
    needs neither an address nor a certificate."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        config = configuration(tmp_path, probe.getsockname()[1])
    command = [sys.executable, "-m", "sluza", "training-sandbox", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["ready"]
        done = sluza("certs", "check", "--context", "szkolenie", "--json", "--config", str(config))
        running.terminate()
    checks = json.loads(done.output)["checks"]
    assert {c["use"] for c in checks if c["mark"] == "bad"} == set(), checks
    assert running.returncode == 0
    data = tmp_path / "state" / "sandbox"
    assert data.stat().st_mode & 0o777 == 0o700
    assert list(data.iterdir())


def test_where_nobody_asks_for_a_sandbox_none_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with 0, which the supervisor takes for an end."""
    monkeypatch.setattr("sandbox.__main__.main", lambda _: pytest.fail("it ran"))
    assert sluza("training-sandbox", "--config", str(configuration(tmp_path, 0, ""))).exit_code == 0
    assert not (tmp_path / "state").exists()


def test_a_port_that_is_taken_is_said_and_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of the configuration: exit code 2, which the supervisor does not repeat."""

    def taken(_: object) -> int:
        raise OSError(errno.EADDRINUSE, "in use")

    monkeypatch.setattr("sandbox.__main__.main", taken)
    found = sluza("training-sandbox", "--config", str(configuration(tmp_path, 8446))).exception
    assert isinstance(found, ConfigError)
    assert "8446" in str(found)


def test_a_context_in_earnest_never_comes_near_it(tmp_path: Path) -> None:
    """Only a context of the sandbox without an address of its own has it, and the certificate that the real KSeF would
    refuse; a sandbox that nobody trains in is an error of the configuration."""
    shared, _ = settings.read(configuration(tmp_path, 8446))
    real, trained = shared.municipality.contexts["gmina"], shared.municipality.contexts["szkolenie"]
    assert (real.own_sandbox, real.url) == (False, "https://api.ksef.mf.gov.pl/v2")
    assert (trained.own_sandbox, trained.url) == (True, "http://127.0.0.1:8446/v2")
    assert trained.latarnia_url == "http://127.0.0.1:8446/latarnia"
    assert shared.municipality.training("szkolenie") == "sandbox"
    given = keyring.authentication(trained)
    assert given is not None
    assert MUNICIPALITY_NIP in given.certificate.subject.rfc4514_string()
    with pytest.raises(ConfigError):
        keyring.refuse_empty_handed(real)
    for more in (
        "[training]\nsandbox_port = 8446\n",
        TRAINING.replace("[training]", 'url = "http://127.0.0.1:9/v2"\n[training]'),
    ):
        with pytest.raises(ConfigError, match=r"training\.sandbox_port"):
            settings.read(configuration(tmp_path, 8446, more))
