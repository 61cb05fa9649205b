"""The [alerts] table: who is told, through which server, until when the office works; `extra_ca` is of [network]."""

import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from certs.reading import secret_line
from spool.domain.errors import ConfigError
from spool.domain.ladder import OFFICE_ENDS
from spool.domain.letters import MAIL, WEBHOOK, Way
from spool.domain.troubles import Quiet
from spool.toml import Table

_HOUR = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_SHORTEST_DAY_MINUTES = 60
TRAY_HOURS = 24.0
_LONGEST_IN_TRAY = 30 * 24
_SHORTEST_SECRET = 16
NO_QUIET = Quiet(time(0), time(0))
_NIGHT = Quiet(time(21), time(6, 30))


@dataclass(frozen=True)
class Smtp:
    """A mail server. `tls` is starttls, tls (from the first byte) or none, which is for loopback only."""

    host: str
    port: int
    tls: str
    sender: str
    user: str = ""
    password_file: Path | None = None
    extra_ca: Path | None = None

    def password(self) -> str:
        """The password, read anew each time, so that it can be changed. Raises ConfigError by field name."""
        if self.password_file is None:
            return ""
        return secret_line(self.password_file, "pole „alerts.password_file”").decode("utf-8", "replace")


@dataclass(frozen=True)
class Webhook:
    """Where programs are told: https, or http on this machine; its host is one of those that the settings allow."""

    url: str
    host: str
    secret_file: Path
    extra_ca: Path | None = None

    def secret(self) -> bytes:
        """What messages are signed with, read anew each time. Raises ConfigError by field name."""
        secret = secret_line(self.secret_file, "pole „alerts.webhook_secret_file”")
        if len(secret) < _SHORTEST_SECRET:
            text = f"Sekret z pola „alerts.webhook_secret_file” ma mniej niż {_SHORTEST_SECRET} znaków."
            raise ConfigError(text, "Np.: head -c 32 /dev/urandom | base64")
        return secret


@dataclass(frozen=True)
class Summary:
    """The daily letter to the treasurer: to whom, at which hour (Warsaw), only on working days or on all."""

    recipients: tuple[str, ...] = ()
    hour: time = time(7, 15)
    working_days: bool = True


@dataclass(frozen=True)
class Alerts:
    """Without `smtp` alarms are raised and shown, but not mailed; without `webhook` no program is told.

    `tray_hours` of working days is how long a purchase may lie in the central tray; 0: for ever.
    """

    smtp: Smtp | None = None
    recipients: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ()
    office_ends: time = OFFICE_ENDS
    tray_hours: float = TRAY_HOURS
    quiet: Quiet = _NIGHT
    webhook: Webhook | None = None
    refused_days: int = 3
    summary: Summary = Summary()

    @property
    def ways(self) -> tuple[Way, ...]:
        """Whom a letter about something else than a deadline goes to."""
        mails = tuple((MAIL, address) for address in self.recipients) if self.smtp else ()
        return (*mails, (WEBHOOK, self.webhook.host)) if self.webhook else mails


def read(root: Table) -> Alerts:
    """The table, or its defaults. Raises ConfigError by field name."""
    table = root.table("alerts")
    alerts = Alerts(
        _smtp(table, root.table("network").path("extra_ca")),
        table.addresses("recipients"),
        table.addresses("on_call"),
        _office_ends(table),
        table.number("tray_hours", TRAY_HOURS, 0, _LONGEST_IN_TRAY),
        _quiet(table),
        _webhook(table, root.table("network").path("extra_ca")),
        int(table.number("refused_days", 3, 1, 30)),
        _summary(table.table("summary")),
    )
    table.done()
    if alerts.summary.recipients and not alerts.smtp:
        raise table.bad("smtp", "", "podsumowanie dnia ([alerts.summary]) idzie e-mailem, potrzebny jest serwer")
    if alerts.smtp and not alerts.recipients:
        raise table.bad("recipients", [], "przy podanym polu smtp potrzebny jest choć jeden adres")
    return alerts


def _smtp(table: Table, extra_ca: Path | None) -> Smtp | None:
    server, tls = table.text("smtp", ""), table.text("tls", "starttls", choices=("starttls", "tls", "none"))
    sender, user = table.address("sender"), table.text("user", "")
    password_file = table.path("password_file")
    if not server:
        return None
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise table.bad("smtp", server, "oczekiwano serwer:port")
    host = host.strip("[]")
    if tls == "none" and host not in _LOOPBACK:
        raise table.bad("tls", tls, "bez szyfrowania wolno wysyłać tylko przez serwer na tym komputerze")
    if not sender:
        raise table.bad("sender", sender, "przy podanym polu smtp potrzebny jest adres nadawcy")
    if bool(user) != bool(password_file):
        raise table.bad("user", user, "user i password_file podaje się razem")
    return Smtp(host, int(port), tls, sender, user, password_file, extra_ca)


def _webhook(table: Table, extra_ca: Path | None) -> Webhook | None:
    url, hosts, secret_file = table.text("webhook", ""), table.texts("webhook_hosts"), table.path("webhook_secret_file")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise table.bad("webhook", "…", "to nie jest adres URL") from None
    shown = f"{parts.scheme}://{host}"  # the path may be a secret, and errors go into the journal
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise table.bad("webhook", shown, "tylko https; http wyłącznie do programu na tym komputerze")
    if parts.username or parts.password or parts.fragment:
        raise table.bad("webhook", shown, "bez nazwy, hasła i #fragmentu w adresie")
    if host not in {allowed.lower() for allowed in hosts}:
        raise table.bad("webhook_hosts", list(hosts), f"proszę dopisać serwer z pola webhook: {host!r}")
    if secret_file is None:
        raise table.bad("webhook_secret_file", "", "wiadomości są podpisywane, potrzebny jest plik z sekretem")
    return Webhook(url, host, secret_file, extra_ca)


def _quiet(table: Table) -> Quiet:
    value = table.text("quiet_hours", "21:00-06:30")
    if not value:
        return NO_QUIET
    parts = _HOURS.fullmatch(value)
    if parts is None:
        raise table.bad("quiet_hours", value, "oczekiwano godzin, np. 21:00-06:30, albo pustego napisu")
    return Quiet(time(int(parts[1]), int(parts[2])), time(int(parts[3]), int(parts[4])))


def _summary(table: Table) -> Summary:
    hour = table.text("hour", "07:15")
    parts = _HOUR.fullmatch(hour)
    if parts is None:
        raise table.bad("hour", hour, "oczekiwano godziny, np. 07:15")
    found = Summary(table.addresses("recipients"), time(int(parts[1]), int(parts[2])), table.flag("working_days", True))
    table.done()
    return found


def _office_ends(table: Table) -> time:
    value = table.text("office_hours", "07:30-15:30")
    parts = _HOURS.fullmatch(value)
    if parts is None:
        raise table.bad("office_hours", value, "oczekiwano godzin pracy, np. 07:30-15:30")
    begins, ends = time(int(parts[1]), int(parts[2])), time(int(parts[3]), int(parts[4]))
    if 60 * (ends.hour - begins.hour) + ends.minute - begins.minute < _SHORTEST_DAY_MINUTES:
        raise table.bad("office_hours", value, "od-do w jednym dniu, co najmniej godzina")
    return ends
