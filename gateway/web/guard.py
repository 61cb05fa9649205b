"""Who may ask for `/readyz` and `/metrics`: this machine itself when we listen on loopback only, else the admin token.

And, for every page, by which name: a page of the internet whose name was made to lead here gets nothing.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from certs.tls import refuse_exposed
from gateway.http.problems import HttpProblem
from gateway.http.throttle import Throttle
from spool.domain.errors import ConfigError

USER = "admin"
SHORTEST_TOKEN = 12
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="sluza", charset="UTF-8"'}
_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Any port: an administrator comes through `ssh -L`, and a rebound name is never one of these."""


@dataclass(frozen=True)
class Gate:
    """`open_on_loopback` lets in peers on this machine without the token; the token lets in everybody else.

    `names` are those under which a reverse proxy on this machine shows the pages, beside those of loopback.
    """

    token: str | None
    open_on_loopback: bool
    names: tuple[str, ...] = ()
    throttle: Throttle = field(default_factory=Throttle)

    def check_name(self, request: web.Request) -> None:
        """Raises HttpProblem 421 for a request that reached loopback under a name that is not ours."""
        host = request.headers.get("Host", "")
        if self.open_on_loopback and not _OWN_HOST.fullmatch(host) and host.partition(":")[0].lower() not in self.names:
            raise HttpProblem("wrong_host")

    def check(self, request: web.Request) -> None:
        """Raises HttpProblem 401 or 429 for a program that may not look."""
        if self.open_on_loopback and _on_loopback(request.remote):
            return
        given = _given(request)
        expected = hashlib.sha256((self.token or "").encode()).digest()
        fits = hmac.compare_digest(hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest(), expected)
        if self.token is None or not fits:
            wait = self.throttle.failed(request.remote or "")
            if wait:
                raise HttpProblem("too_many_failures", headers={"Retry-After": str(wait)}, close=True)
            raise HttpProblem("unauthorized_admin", headers=_CHALLENGE)


def read_token(path: Path) -> str:
    """The admin token from its file. Raises ConfigError when others can read it, or it is too short to be one."""
    refuse_exposed(path, "token administratora")
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Nie można odczytać tokenu administratora z pliku {path}.") from error
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"Token administratora w pliku {path} ma mniej niż {SHORTEST_TOKEN} znaków.",
            f"Proszę go wylosować: openssl rand -hex 16 > {path}",
        )
    return token


def _given(request: web.Request) -> str:
    """The token from `Authorization: Bearer …` or as the password of user `admin`; empty when there is none."""
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password if user == USER else ""


def _on_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
