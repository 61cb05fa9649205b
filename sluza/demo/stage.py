"""The stage of the demo: a directory, a configuration, a sandbox, and gateway and agent under supervisord."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import xmlrpc.client
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from certs import practice
from gateway.web import doorman
from spool import files, process
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.accounts import Account, Role
from spool.domain.errors import AlreadyRunning, SluzaError

PATIENCE_S = 60.0
MUNICIPALITY_NIP = "5080014460"


@dataclass(frozen=True)
class DemoUnit:
    """One of the three units; `more` is what else its table in the configuration says."""

    id: str
    name: str
    nip: str
    more: str = ""


UNITS = (
    DemoUnit("ug", "Urząd Gminy Śluzowo", "5250000038", "town_hall = true\n"),
    DemoUnit("sp1", "Szkoła Podstawowa nr 1", "5250000015", 'known_by = ["ul. Szkolna 1"]\n'),
    DemoUnit("gops", "Gminny Ośrodek Pomocy Społecznej", "5250000044", 'idwew = "5080014460-00011"\n'),
)


def assets() -> Path:
    """Where the supervisor configuration lies: beside the packages in a clone, in share/sluza when installed."""
    clone = Path(__file__).resolve().parents[2] / "systemd"
    return clone if clone.is_dir() else Path(sys.prefix) / "share" / "sluza"


_PACE = """\
[folders]
settle_seconds = 0.5
rescan_seconds = 2

[latarnia]
every_seconds = 0.5

[policy.offline24]
value = "allowed"
order = "zarządzenie pokazowe nr 1/2026"
"""
"""The end of the configuration: what makes a story of days fit into seconds, and the order that lets it."""


@dataclass
class Stage:
    """Everything that runs during the demo. `start` in order, `stop` in reverse."""

    directory: Path
    port: int
    tokens: dict[str, str] = field(default_factory=dict)
    _sandbox: subprocess.Popen[str] | None = None
    _supervisord: subprocess.Popen[bytes] | None = None
    _shown: str = ""
    password: str = ""
    _run: Path = Path()

    @property
    def config(self) -> Path:
        """The configuration file of this demo."""
        return self.directory / "sluza.toml"

    @property
    def folders(self) -> Path:
        """The root of the units' folders."""
        return self.directory / "foldery"

    @property
    def state(self) -> Path:
        """The state directory: spool, locks, TLS material."""
        return self.directory / "state"

    @property
    def gateway_url(self) -> str:
        """The drop-point."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def dashboard_url(self) -> str:
        """The status page."""
        return f"http://127.0.0.1:{self.port + 1}/"

    @property
    def sandbox_url(self) -> str:
        """The simulator of KSeF."""
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def ca_file(self) -> Path:
        """The CA that signs the drop-point's certificate."""
        return self.state / "tls" / "ca.pem"

    def start(self) -> None:
        """Bring everything up; returns when gateway and agent are ready. Raises SluzaError when one is not."""
        self._refuse_neighbours()
        for name, offline in (("pieczec", False), ("offline", True)):
            certificate, key = practice.seal("Gmina Śluzowo", MUNICIPALITY_NIP, offline=offline)
            files.write(self.directory / f"{name}.pem", certificate, 0o640)
            files.write(self.directory / f"{name}.key", key, 0o600)
        files.write(self.directory / "admin.token", secrets.token_urlsafe(18).encode(), 0o600)
        files.write(self.config, self._configuration().encode(), 0o600)
        self._sandbox = self._start_sandbox()
        # KSeF's hourly limits would make a demo that stays up wait for an hour; the sandbox says so in /rate-limits.
        self._control("switches", {"rate_limits": "off"})
        self._issue_tokens()
        self.password = secrets.token_urlsafe(12)
        self._open_account()
        self._supervisord = self._start_supervisord()
        self._wait_ready()
        self.write_map()

    def stop(self) -> None:
        """Stop supervisord with its programs, then the sandbox; harmless when something is already gone."""
        for running in (self._supervisord, self._sandbox):
            if running is not None and running.poll() is None:
                running.terminate()
                try:
                    running.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    running.kill()
                    running.wait()

    def write_map(self) -> None:
        """Write `demo.json`, the map for programs that look on; again whenever a process was restarted."""
        pids = {"sandbox": self._sandbox.pid if self._sandbox else 0} | self.pids()
        content = json.dumps(
            {
                "config": str(self.config),
                "gateway_url": self.gateway_url,
                "dashboard_url": self.dashboard_url,
                "ca_file": str(self.ca_file),
                "sandbox_url": self.sandbox_url,
                "latarnia_url": f"{self.sandbox_url}/latarnia",
                "admin": {"user": "admin", "password": self.password},
                "units": [
                    {"id": u.id, "nip": u.nip, "folder": str(self.folders / u.id), "token": self.tokens[u.id]}
                    for u in UNITS
                ],
                "pids": {name: pids[name] for name in ("gateway", "agent", "sandbox")},
            },
            ensure_ascii=False,
            indent=2,
        )
        if content != self._shown:
            files.write(self.directory / "demo.json", content.encode(), 0o600)
            self._shown = content

    def assign(self, ksef_number: str, reason: str) -> None:
        """As a person in the town hall: `sluza received assign … --suggested`. Raises SluzaError with what it said."""
        command = [sys.executable, "-m", "sluza", "--config", str(self.config), "received", "assign", ksef_number]
        done = subprocess.run(
            [*command, "--suggested", "--reason", reason], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SluzaError(f"Nie udało się przydzielić faktury: {done.stderr.strip()}")

    def pids(self) -> dict[str, int]:
        """Process numbers of gateway and agent as supervisord knows them; 0 while one is being restarted."""
        try:
            told: Any = self._rpc().supervisor.getAllProcessInfo()
            return {process["name"]: process["pid"] for process in told}
        except (OSError, xmlrpc.client.Error):
            return {"gateway": 0, "agent": 0}

    def _refuse_neighbours(self) -> None:
        """A demo that runs in this directory, or on these ports, keeps its files. Raises AlreadyRunning."""
        busy = [str(self.port + i) for i in range(3) if _listens(self.port + i)]
        if busy:
            text = f"Port {', '.join(busy)} na 127.0.0.1 jest już zajęty."
            raise AlreadyRunning(text, "Proszę podać inny początek: --port-base N.")
        for role in ("gateway", "agent"):
            process.hold(self.state, role).release()

    def _configuration(self) -> str:
        units = "\n".join(
            f'[[unit]]\nid = "{u.id}"\nname = "{u.name}"\nnip = "{u.nip}"\n{u.more}context = "gmina"\n' for u in UNITS
        )
        return f"""# Konfiguracja pokazu: wszystko na tym komputerze, KSeF udaje piaskownica.
[municipality]
name = "Gmina Śluzowo"
nip = "{MUNICIPALITY_NIP}"

[paths]
state = "{self.state}"
folders = "{self.folders}"

[http]
listen = "127.0.0.1:{self.port}"

[admin]
listen = "127.0.0.1:{self.port + 1}"
token_file = "{self.directory}/admin.token"

[[context]]
id = "gmina"
type = "nip"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
url = "{self.sandbox_url}/v2"
latarnia_url = "{self.sandbox_url}/latarnia"
auth_cert = "{self.directory}/pieczec.pem"
auth_key = "{self.directory}/pieczec.key"
offline_cert = "{self.directory}/offline.pem"
offline_key = "{self.directory}/offline.key"

{units}
[receive]
since = {datetime.now(UTC).date().replace(day=1)}
every_seconds = 2

{_PACE}"""

    def _start_sandbox(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port + 2), "--speed", "fast"]
        log = (self.directory / "sandbox.log").open("wb")
        process = subprocess.Popen(
            [*command, "--data", str(self.directory / "piaskownica")], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and json.loads(line).get("ready"):
                return process
        raise SluzaError("Piaskownica nie wystartowała.", f"Szczegóły: {self.directory}/sandbox.log")

    def _control(self, name: str, body: dict[str, Any]) -> None:
        """One of the sandbox's controls."""
        url, content = f"{self.sandbox_url}/sandbox/{name}", json.dumps(body).encode()
        request = urllib.request.Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def _issue_tokens(self) -> None:
        """Tokens straight into the spool, as `sluza unit token` would."""
        spool = Spool(self.state / FILE)
        now = datetime.now(UTC)
        for unit in UNITS:
            token = self.tokens[unit.id] = secrets.token_urlsafe(32)
            hashed = sha256_hex(token.encode())
            spool.write_now(lambda store, u=unit.id, h=hashed: store.add_token(u, h, now, "pokaz"))  # type: ignore[misc]
        spool.close()

    def _open_account(self) -> None:
        """The administrator of the pages, with a new password each time: `sluza user add` would ask for a change."""
        spool, now = Spool(self.state / FILE), datetime.now(UTC)
        hashed = doorman.hashed(self.password)
        if spool.read_now(lambda store: store.account("admin")) is None:
            account = Account("admin", "Administrator pokazu", Role.ADMIN, (), False, False, now)
            spool.write_now(lambda store: store.add_account(account, hashed, "pokaz"))
        else:
            spool.write_now(lambda store: store.set_password("admin", hashed, now, "pokaz", must_change=False))
        spool.close()

    def _start_supervisord(self) -> subprocess.Popen[bytes]:
        logs = self.directory / "logs"
        logs.mkdir(exist_ok=True)
        self._run = Path(tempfile.mkdtemp(prefix="sluza-"))  # a short path: Unix sockets allow 107 bytes
        environment = os.environ | {
            "SLUZA_RUN": str(self._run),
            "SLUZA_LOGS": str(logs),
            "SLUZA_BIN": str(Path(sys.executable).parent),
            "SLUZA_CONFIG": str(self.config),
            "SLUZA_CLOCK_URL": f"{self.sandbox_url}/sandbox/clock",
        }
        # `user=root` silences supervisord's warning where the demo is started by root (a container).
        arguments = ["--user=root"] if os.geteuid() == 0 else []
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "-n",
                "-c",
                str(assets() / "supervisord.conf"),
                *arguments,
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _rpc(self) -> xmlrpc.client.ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self._run}/supervisor.sock")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def _wait_ready(self) -> None:
        """Both programs running and the drop-point answering."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if all(self.pids().get(n) for n in ("gateway", "agent")) and self._answers() and self.ca_file.exists():
                return
            time.sleep(0.1)
        raise SluzaError("Bramka albo agent nie wystartowały.", f"Szczegóły w katalogu {self.directory}/logs")

    def _answers(self) -> bool:
        return all(_listens(port) for port in (self.port, self.port + 1))


def free_base(wanted: int | None) -> int:
    """`wanted`, or the first base from 18440 on whose three ports are free."""
    if wanted is not None:
        return wanted
    return next(base for base in range(18440, 18990, 10) if not any(_listens(base + i) for i in range(3)))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
