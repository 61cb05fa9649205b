"""What the pages look at and act through, and who is looking."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from argon2 import PasswordHasher

from gateway.alarms.settings import Alerts
from gateway.http.throttle import Throttle
from gateway.intake import FrontDoor
from gateway.scans import scan_workers
from gateway.settings import GatewaySettings, Proxy
from gateway.web.guard import Gate
from spool.access import Spool
from spool.clock import Clock, system_clock
from spool.domain.accounts import Account, LoginSession, Right
from spool.domain.municipality import Municipality
from spool.law import Rules
from spool.workers import Workers

HASHER = PasswordHasher()
"""argon2id with argon2-cffi's defaults: the low-memory profile of RFC 9106."""


@dataclass(frozen=True)
class AdminParts:
    """Everything a page may use; made once by `gateway.__main__`.

    `settings` None: pages about the configuration say nothing (tests). `wall` is the clock of sessions: a training's
    clock that jumps must not throw people out. `requests` are those of the drop-point by status. `pairs` counts wrong
    passwords by address and account, `addresses` by address alone, behind which a whole town hall may sit. `proxy` may
    vouch for people; `rounds` counts by account what it opened and no request has used yet.
    """

    spool: Spool
    municipality: Municipality
    folders_root: Path
    clock: Clock
    gate: Gate
    door: FrontDoor
    drawing: Workers
    rules: Rules
    settings: GatewaySettings | None = None
    proxy: Proxy | None = None
    scanning: Workers = field(default_factory=scan_workers)
    secure: bool = False
    hasher: PasswordHasher = HASHER
    wall: Clock = system_clock
    requests: Counter[int] = field(default_factory=Counter)
    pairs: Throttle = field(default_factory=lambda: Throttle(allowed=6, window_s=300))
    addresses: Throttle = field(default_factory=lambda: Throttle(allowed=60, window_s=300))
    rounds: Throttle = field(default_factory=lambda: Throttle(allowed=30, window_s=300))

    @property
    def alerts(self) -> Alerts:
        """Who is told of what; without settings nobody is."""
        return self.settings.alerts if self.settings else Alerts()

    @property
    def refused_days(self) -> int:
        """Days after which a refusal that nobody mended is told."""
        return self.alerts.refused_days

    @property
    def supplied(self) -> Path | None:
        """The town hall's own TLS certificate of the drop-point."""
        return self.settings.http.cert if self.settings else None


PARTS: web.AppKey[AdminParts] = web.AppKey("admin_parts", AdminParts)


@dataclass(frozen=True)
class Viewer:
    """The person in front of a page. `cookie` is the hash under which the spool knows the session."""

    session: LoginSession
    cookie: str

    @property
    def account(self) -> Account:
        """Whose page it is."""
        return self.session.account

    @property
    def actor(self) -> str:
        """How the history names this person."""
        return f"{self.account.name} ({self.account.login})"

    def may(self, right: str) -> bool:
        """For templates: `viewer.may("decide")`."""
        return self.account.may(Right(right))


def same_origin(request: web.Request) -> bool:
    """True unless the browser says that another site sent this request (faults X19)."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin != "null" and urlsplit(origin).netloc.lower() == request.host.lower()
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}
