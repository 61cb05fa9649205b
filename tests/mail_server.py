"""A real SMTP server on loopback for tests: it keeps what it takes, and refuses as told."""

import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from certs import tls


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def material(directory: Path, now: datetime) -> tls.Material:
    """A CA of its own and a certificate for this machine."""
    return tls.own(directory, ["localhost", "127.0.0.1"], now)


@dataclass
class Server:
    """`refuse` has answers to RCPT by address, each used up once; `data` answers to the message itself, too."""

    port: int = field(default_factory=free_port)
    refuse: dict[str, list[str]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    taken: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    encrypted: list[bool] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    _controller: Controller | None = None

    def start(self, mode: str = "none", secured: tls.Material | None = None, password: str = "") -> "Server":
        """Listen; `mode` as in the configuration."""
        context = None
        if secured is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(secured.cert, secured.key)
        more: dict[str, Any] = {}
        if mode == "starttls":
            more = {"tls_context": context, "require_starttls": True}
        if mode == "tls":
            more = {"ssl_context": context}
        if password:
            more |= {"authenticator": self._authenticator(password), "auth_required": True, "auth_require_tls": False}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        self._controller.start()
        return self

    def stop(self) -> None:
        """Go away; harmless when it never came."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def _authenticator(self, password: str) -> Any:
        def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
            self.logins.append(data.login.decode())
            return AuthResult(success=data.password.decode() == password, handled=False)

        return check

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """250, or what was prepared for this address."""
        self.asked[address] += 1
        if self.refuse.get(address):
            return self.refuse[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """250 and keep it, or what was prepared."""
        if self.data:
            return self.data.pop(0)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.taken.append(found)
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        self.arrived.set()
        return "250 zabrane"

    @property
    def recipients(self) -> list[str]:
        """Whom the messages that were taken are for, in order."""
        return [str(m["To"]) for m in self.taken]
