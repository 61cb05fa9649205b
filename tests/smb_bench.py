"""A real Samba with the product's own fragment: own process, own port, own accounts; and its clients.

The main `smb.conf` is what Debian's package brings in its essentials (`map to guest = bad user` among them), moved away
from the system's directories; what is under test is included at its end, as `install.sh --shares` does.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import smbclient
from smbprotocol.exceptions import SMBException

from gateway import shares
from gateway.folders import layout
from gateway.settings import Shares
from tests.folders_bench import MUNICIPALITY, SCHOOL, WELFARE

_STARTS_WITHIN_S = 20
_CONF = """\
[global]
workgroup = WORKGROUP
server role = standalone server
map to guest = bad user
smb ports = {port}
interfaces = 127.0.0.1/8
bind interfaces only = yes
disable netbios = yes
disable spoolss = yes
load printers = no
printcap name = /dev/null
passdb backend = tdbsam:{base}/private/passdb.tdb
private dir = {base}/private
lock directory = {base}/lock
state directory = {base}/state
cache directory = {base}/cache
pid directory = {base}/pid
ncalrpc dir = {base}/ncalrpc
log file = {base}/log/smbd.log
[cudzy]
path = {base}/other
read only = no
valid users = {admin}
include = {base}/sluza.conf
"""
_OWN = ("private", "lock", "state", "cache", "pid", "ncalrpc", "log", "other", "folders")


def needed() -> None:
    """Skip the module where there is no Samba or no right to make accounts; in CI that is a failure."""
    missing = [name for name in ("smbd", "smbclient", "smbpasswd", "testparm") if shutil.which(name, path=PATH) is None]
    why = f"Samba is not installed: {missing}" if missing else "accounts for Samba need root" if os.geteuid() else ""
    if why:
        assert not os.environ.get("CI"), why
        pytest.skip(why, allow_module_level=True)


PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def run(*command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A system tool, found also where root's PATH does not look; must succeed unless `check` is False."""
    asked = {"check": True, "capture_output": True, "text": True, "env": os.environ | {"PATH": PATH}} | more
    return subprocess.run(command, **asked)


@dataclass
class Samba:
    """A running server with the two units of the folders bench and one admin."""

    base: Path
    settings: Shares
    port: int = 0
    passwords: dict[str, str] = field(default_factory=dict)
    _server: subprocess.Popen[bytes] | None = None

    @property
    def folders(self) -> Path:
        """The root of the units' folders."""
        return self.base / "folders"

    @property
    def admin(self) -> str:
        """The account that may see the central tray."""
        return self.settings.admins[0]

    @property
    def conf(self) -> str:
        """The path of the main `smb.conf`."""
        return str(self.base / "smb.conf")

    def user(self, unit: str) -> str:
        """The account of a unit."""
        return shares.user_of(self.settings, unit)

    def start(self) -> None:
        """Accounts, configuration, server; returns when it takes connections."""
        for name in _OWN:
            (self.base / name).mkdir()
        self.base.chmod(0o755)
        self.port = _free_port()
        for account in (self.settings.service_user, *shares.users(self.settings, MUNICIPALITY)):
            run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", account)
        Path(self.conf).write_text(_CONF.format(base=self.base, port=self.port, admin=self.admin))
        (self.base / "sluza.conf").write_text(shares.fragment(self.settings, MUNICIPALITY, self.folders))
        for account in shares.users(self.settings, MUNICIPALITY):
            password = self.passwords[account] = secrets.token_urlsafe(12)
            run("smbpasswd", "-c", self.conf, "-s", "-a", account, input=f"{password}\n{password}\n")
        command = ["smbd", "-F", "--no-process-group", "--debug-stdout", "-s", self.conf]
        with (self.base / "log" / "stdout").open("wb") as log:
            self._server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {"PATH": PATH},
            )  # fmt: skip
        self._wait()

    def stop(self) -> None:
        """Server, accounts and files gone."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
        for account in (*shares.users(self.settings, MUNICIPALITY), self.settings.service_user):
            run("userdel", account, check=False)
        shutil.rmtree(self.base, ignore_errors=True)

    def _wait(self) -> None:
        """Until a connection is taken. Polled: smbd has no way to say that it is ready."""
        end = time.monotonic() + _STARTS_WITHIN_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._server is not None
            assert self._server.poll() is None, (self.base / "log" / "stdout").read_text(errors="replace")
            assert time.monotonic() < end, "smbd takes no connections"
            time.sleep(0.01)

    def own(self) -> None:
        """What the gateway made is the service's, as if it ran as that user."""
        shutil.chown(self.folders, self.settings.service_user)
        for path in self.folders.rglob("*"):
            shutil.chown(path, self.settings.service_user)

    @contextlib.contextmanager
    def client(self, unit: str = SCHOOL, *, user: str = "", password: str | None = None) -> Iterator["Client"]:
        """A computer of a unit, with its password unless another is given."""
        name = user or self.user(unit)
        found = Client(self.port, name, self.passwords.get(name, "") if password is None else password, unit)
        try:
            yield found
        finally:
            found.close()

    def tool(
        self, unit: str, share: str, *words: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Samba's own `smbclient`, as a unit: the commands in `words`, one after the other."""
        user = self.user(unit)
        address = [
            "-p",
            str(self.port),
            f"//127.0.0.1/{share}",
            "-U",
            f"{user}%{self.passwords[user]}",
            "-s",
            self.conf,
        ]
        return run("smbclient", *address, *options, "-c", "; ".join(words), check=False)


class Client:
    """One connection of `smbprotocol` to the server; paths are relative to a share, the drop share by default."""

    def __init__(self, port: int, user: str, password: str, unit: str) -> None:
        self._cache: dict[str, Any] = {}
        self._how: dict[str, Any] = {
            "port": port, "username": user, "password": password, "connection_cache": self._cache,
        }  # fmt: skip
        self._share = f"{unit}_{layout.OUTBOX}"

    def close(self) -> None:
        """Let go of the connection; one that is broken already is gone."""
        with contextlib.suppress(SMBException, OSError):
            smbclient.reset_connection_cache(connection_cache=self._cache)

    def path(self, name: str, share: str = "") -> str:
        """The UNC path."""
        return rf"\\127.0.0.1\{share or self._share}" + (f"\\{name}" if name else "")

    def open(self, name: str, mode: str = "wb", share: str = "", **more: Any) -> Any:
        """An open file, unbuffered, so that each `write` is one on the wire."""
        return smbclient.open_file(self.path(name, share), mode, buffering=0, **self._how, **more)

    def put(self, name: str, content: bytes, share: str = "") -> None:
        """Create or replace, write, close."""
        with self.open(name, share=share) as file:
            _write_all(file, content)

    def get(self, name: str, share: str = "") -> bytes:
        """The whole content."""
        with self.open(name, "rb", share) as file:
            content: bytes = file.readall()
            return content

    def call(self, what: str, name: str, *rest: Any, share: str = "", **more: Any) -> Any:
        """`smbclient.<what>` on a path, e.g. `remove`, `mkdir`, `listdir`, `utime`."""
        return getattr(smbclient, what)(self.path(name, share), *rest, **self._how, **more)

    def move(self, what: str, source: str, target: str, share: str = "") -> None:
        """`rename`, `replace` or `link` within a share."""
        getattr(smbclient, what)(self.path(source, share), self.path(target, share), **self._how)


def _write_all(file: Any, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def samba(**more: Any) -> Iterator[Samba]:
    """A server with accounts of its own, so that several may run at once; `more` are fields of `[shares]`."""
    mark = f"t{secrets.token_hex(3)}-"
    asked: dict[str, Any] = {"min_protocol": "SMB3_00", "encryption": "required"} | more
    settings = Shares(user_prefix=mark, service_user=f"{mark}usluga", admins=(f"{mark}admin",), **asked)
    server = Samba(Path(tempfile.mkdtemp(prefix="sluza-smb-")), settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


UNITS = (SCHOOL, WELFARE)
