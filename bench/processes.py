"""The real gateway and agent as processes over a directory, as the supervisor starts them."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from bench.documents import NIP, UNIT_NIP
from spool.access import FILE, Spool

_ROOT = Path(__file__).resolve().parents[1]
_STOP_S = 30
UNIT, CONTEXT = "sp1", "gmina"
_CONFIGURATION = """
[municipality]
name = "Gmina Przykładowa"
nip = "{nip}"
[paths]
state = "{home}/state"
folders = "{home}/folders"
[http]
listen = "127.0.0.1:0"
tls = false
[admin]
listen = "127.0.0.1:0"
[[context]]
id = "{context}"
value = "{nip}"
environment = "sandbox"
url = "http://127.0.0.1:9/v2"
token_file = "{home}/ksef-token"
[[unit]]
id = "{unit}"
name = "Szkoła Podstawowa nr 1"
nip = "{unit_nip}"
context = "{context}"
[receive]
since = 2026-11-01
"""
# Plain HTTP, which loopback permits: the other contender speaks plain SMTP.


def spool_of(home: Path) -> Path:
    """Where the spool of an installation below `home` lies."""
    return home / "state" / FILE


def configure(home: Path) -> tuple[Path, str]:
    """An installation with one unit; its configuration file and the unit's token."""
    home.mkdir(parents=True, exist_ok=True)
    config, token = home / "sluza.toml", secrets.token_urlsafe(32)
    config.write_text(_CONFIGURATION.format(home=home, nip=NIP, unit_nip=UNIT_NIP, context=CONTEXT, unit=UNIT))
    (home / "ksef-token").write_text("token-for-nobody")
    (home / "ksef-token").chmod(0o600)
    digest = sha256(token.encode()).hexdigest()
    spool = Spool(spool_of(home))
    spool.write_now(lambda store: store.add_token(UNIT, digest, datetime.now(UTC), "bench"))
    spool.close()
    return config, token


class Running:
    """A started process: its first line on stdout, and how many seconds that took."""

    def __init__(self, module: str, config: Path, *, named: bool = False) -> None:
        """With `named` threads their names are told to the system, for `bench.processor`."""
        start, way = time.perf_counter(), ["bench.named"] if named else []
        with (config.parent / f"{module}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *way, module, "--config", str(config)],
                cwd=_ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"SLUZA_CLOCK_URL": ""},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.seconds = time.perf_counter() - start
        assert line, f"{module} did not start, see its log"
        self.ready = json.loads(line)

    @property
    def port(self) -> int:
        """Where the gateway's drop-point listens."""
        return int(self.ready["url"].rpartition(":")[2])


@contextmanager
def running(module: str, config: Path, *, named: bool = False) -> Iterator[Running]:
    """`gateway` or `agent` with this configuration, stopped as the supervisor does it."""
    started = Running(module, config, named=named)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        code = started.process.wait(_STOP_S)
        assert code == 0, f"{module} ended with {code}: {(config.parent / f'{module}.log').read_text()[-1000:]}"
