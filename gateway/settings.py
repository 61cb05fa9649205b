"""The gateway's tables: [http], [admin], [folders], [shares], [policy], [alerts], [backup], [archive]."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from gateway.alarms import settings as alarm_settings
from gateway.alarms.settings import Alerts
from gateway.render.arms import draws
from spool.backup import settings as backup_settings
from spool.backup.settings import Backup
from spool.domain.errors import ConfigError
from spool.domain.municipality import Policy
from spool.domain.policies import OFFLINE24, QUESTIONS
from spool.settings import LOCAL_RULE, Settings, policy
from spool.toml import Table
from spool.volumes import settings as archive_settings
from spool.volumes.settings import Archive

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_NOT_FOR_LOGINS = frozenset({"accept", "authorization", "cookie", "from", "host", "origin", "referer", "user-agent"})
"""Browsers fill these in by themselves."""
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,15}")
_NOT_FOR_SHARES = frozenset({"root", "nobody"})
"""Nobody is Samba's guest, and root would own what units write."""


@dataclass(frozen=True)
class Listen:
    """A host and a port to listen on."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Http:
    """The drop-point: HTTPS with our own CA unless a certificate is given; `names` go into our own certificate."""

    listen: Listen
    tls: bool
    cert: Path | None
    key: Path | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Proxy:
    """A reverse proxy that asks people who they are: its addresses, and the header in which it names the login."""

    header: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Admin:
    """The admin listener; `token_file` holds the token that lets programs in from elsewhere than loopback.

    `names` are host names under which a reverse proxy on this machine shows the pages; `proxy` is one that vouches for
    people, None when nobody does.
    """

    listen: Listen
    token_file: Path | None
    names: tuple[str, ...] = ()
    proxy: Proxy | None = None


@dataclass(frozen=True)
class Folders:
    """How the drop folders are watched; seconds, except `empty_minutes`."""

    settle_seconds: float
    incomplete_seconds: float
    empty_minutes: float
    rescan_seconds: float


@dataclass(frozen=True)
class Shares:
    """The units' folders over Samba; `min_protocol` and `encryption` in Samba's own words (`gateway.shares`)."""

    min_protocol: str
    encryption: str
    user_prefix: str
    service_user: str
    admins: tuple[str, ...]


@dataclass(frozen=True)
class Policies:
    """Settings that differ between municipalities, each with the order behind it. Offline24: `allowed` or `refused`."""

    offline24: Policy


@dataclass(frozen=True)
class GatewaySettings:
    """What the gateway needs beside the shared settings."""

    shared: Settings
    http: Http
    admin: Admin
    folders: Folders
    shares: Shares
    policies: Policies
    alerts: Alerts
    backup: Backup = Backup()  # noqa: RUF009 - frozen
    archive: Archive = Archive()  # noqa: RUF009 - frozen


def read(shared: Settings, root: Table) -> GatewaySettings:
    """The gateway's own tables. Raises ConfigError by field name."""
    _check_coat_of_arms(shared.municipality.coat_of_arms)
    return GatewaySettings(
        shared, _http(root.table("http")), _admin(root.table("admin")), _folders(root.table("folders")),
        _shares(root.table("shares")), _policies(root.table("policy")), alarm_settings.read(root),
        backup_settings.read(root), archive_settings.read(root),
    )  # fmt: skip


def _check_coat_of_arms(path: Path | None) -> None:
    """A picture that cannot be drawn would cost every invoice its PDF."""
    if path is None:
        return
    if not draws(path):
        raise ConfigError(
            f"Błędna wartość pola „municipality.coat_of_arms”: {str(path)!r} (tego obrazu nie da się narysować).",
            "Proszę zapisać herb jako zwykły plik PNG, JPEG albo SVG w kodowaniu UTF-8.",
        )


def _http(table: Table) -> Http:
    http = Http(
        listen=_listen(table, "0.0.0.0:8443"),
        tls=table.flag("tls", True),
        cert=table.path("cert"),
        key=table.path("key"),
        names=table.texts("names"),
    )
    table.done()
    if not http.tls and not http.listen.loopback:
        raise table.bad("tls", False, "bez TLS wolno słuchać tylko na 127.0.0.1")
    if (http.cert is None) != (http.key is None):
        raise table.bad("cert", str(http.cert or ""), "cert i key podaje się razem")
    return http


def _admin(table: Table) -> Admin:
    names = tuple(name.lower() for name in table.texts("names"))
    admin = Admin(_listen(table, "127.0.0.1:8444"), table.path("token_file"), names, _proxy(table.table("proxy")))
    table.done()
    if not admin.listen.loopback and admin.token_file is None:
        raise table.bad("listen", admin.listen.host, "poza 127.0.0.1 potrzebne jest pole token_file")
    return admin


def _proxy(table: Table) -> Proxy | None:
    """Both fields or none: a header without an address would be anybody's word."""
    header, addresses = table.text("header", ""), table.texts("addresses")
    table.done()
    if not header and not addresses:
        return None
    if not _HEADER.fullmatch(header) or header.lower() in _NOT_FOR_LOGINS:
        raise table.bad("header", header, "nazwa nagłówka, np. X-Remote-User")
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise table.bad("addresses", address, "adres IP serwera pośredniczącego") from None
    if not addresses:
        raise table.bad("addresses", [], "potrzebny jest adres IP serwera pośredniczącego")
    return Proxy(header, addresses)


def _folders(table: Table) -> Folders:
    folders = Folders(
        settle_seconds=table.number("settle_seconds", 2, 0.1, 600),
        incomplete_seconds=table.number("incomplete_seconds", 60, 1, 86400),
        empty_minutes=table.number("empty_minutes", 10, 0.01, 1440),
        rescan_seconds=table.number("rescan_seconds", 30, 0.2, 3600),
    )
    table.done()
    return folders


def _shares(table: Table) -> Shares:
    shares = Shares(
        min_protocol=table.text("min_protocol", "SMB3_00", choices=("SMB3_11", "SMB3_00", "SMB2_02")),
        encryption=table.text("encryption", "required", choices=("required", "desired", "off")),
        user_prefix=table.text("user_prefix", "smb-"),
        service_user=table.text("service_user", "sluza"),
        admins=table.texts("admins"),
    )
    table.done()
    if not _PREFIX.fullmatch(shares.user_prefix):
        raise table.bad("user_prefix", shares.user_prefix, "małe litery, cyfry, - i _, od litery, do 16 znaków")
    for key, names in (("service_user", (shares.service_user,)), ("admins", shares.admins)):
        for name in names:
            account = name.removeprefix("@") if key == "admins" else name
            if not _ACCOUNT.fullmatch(account) or name in _NOT_FOR_SHARES:
                raise table.bad(key, name, "zwykłe konto systemu: małe litery, cyfry, - i _, do 32 znaków, nie root")
    if shares.service_user in shares.admins:
        raise table.bad("admins", shares.service_user, "to konto usługi; administrator potrzebuje własnego")
    return shares


def _policies(table: Table) -> Policies:
    policies = Policies(policy(table, OFFLINE24.name, OFFLINE24.default, OFFLINE24.values))
    table.done(LOCAL_RULE, *QUESTIONS)
    return policies


def _listen(table: Table, default: str) -> Listen:
    value = table.text("listen", default)
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise table.bad("listen", value, "oczekiwano adres:port")
    return Listen(host.strip("[]"), int(port))
