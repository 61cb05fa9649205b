"""A Postfix of our own on loopback, with its own configuration and queue, for measuring beside it. Needs root.

Every mail is put on HOLD: taken, checked, written and synced, and then left alone. That is Postfix's durable intake
without any delivery. A Postfix that was not installed is taken from the distribution and removed again.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = bench.example
mydestination = bench.example
local_recipient_maps =
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_client_restrictions = static:HOLD
smtpd_relay_restrictions = permit_mynetworks, reject
in_flow_delay = 0
"""
# Not in this file: TLS, milters, address verification. in_flow_delay=0, or Postfix would brake its own intake.
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
error     unix - - n - - error
retry     unix - - n - - error
proxymap  unix - - n - - proxymap
anvil     unix - - n - 1 anvil
pickup    unix n - n 60 1 pickup
"""
_START_S = 10.0


class Postfix:
    """A running instance. `send` measures it with its own load generator."""

    def __init__(self, home: Path, port: int) -> None:
        self._hold = home / "queue" / "hold"
        self._port = port

    def send(self, count: int, connections: int, size: int) -> float:
        """Seconds that `count` mails of `size` bytes take over this many connections, each kept open."""
        before = self.held()
        command = ["smtp-source", "-d", "-s", str(connections), "-m", str(count), "-l", str(size)]
        start = time.perf_counter()
        subprocess.run(
            [*command, "-f", "a@bench.example", "-t", "b@bench.example", f"127.0.0.1:{self._port}"], check=True
        )
        seconds = time.perf_counter() - start
        assert self.held() - before == count, "every mail must lie in the hold queue"
        return seconds

    def held(self) -> int:
        """How many mails lie in the hold queue."""
        return sum(1 for _ in self._hold.iterdir())


@contextmanager
def running(home: Path) -> Iterator[Postfix]:
    """A private instance below `home`, gone afterwards. Raises OSError or CalledProcessError when it cannot be had."""
    with _installed():
        port = _free_port()
        configuration = _configure(home, port)
        _postfix(configuration, "start")
        try:
            _await_greeting(port)
            yield Postfix(home, port)
        finally:
            _postfix(configuration, "stop")


def _configure(home: Path, port: int) -> Path:
    configuration = home / "conf"
    for name in ("conf", "queue", "data"):
        (home / name).mkdir(parents=True)
    owner = pwd.getpwnam("postfix")
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    (configuration / "main.cf").write_text(_MAIN.format(home=home))
    (configuration / "master.cf").write_text(_MASTER.format(port=port))
    return configuration


def _postfix(configuration: Path, verb: str) -> None:
    subprocess.run(["postfix", "-c", str(configuration), verb], check=True, capture_output=True)


def _await_greeting(port: int) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_START_S) as connection:
                assert connection.recv(100).startswith(b"220")
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _installed() -> Iterator[None]:
    """Postfix from the distribution, unless it is here; what came with it goes with it."""
    if shutil.which("smtp-source") and shutil.which("postfix"):
        yield
        return
    before = _packages()
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True, env=quiet)
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "postfix"]
    subprocess.run(install, check=True, capture_output=True, env=quiet)
    try:
        yield
    finally:
        new = sorted(_packages() - before)
        subprocess.run(["apt-get", "purge", "-y", "-q", *new], check=True, capture_output=True, env=quiet)


def _packages() -> set[str]:
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\n"], check=True, capture_output=True, text=True)
    return set(listed.stdout.split())
