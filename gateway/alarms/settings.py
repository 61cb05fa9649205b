"""The [alerts] table: who is told, through which server, until when the office works; `extra_ca` is of [network]."""

import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from certs import keyring
from spool.domain.ladder import OFFICE_ENDS
from spool.toml import Table

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_SHORTEST_DAY_MINUTES = 60
TRAY_HOURS = 24.0
_LONGEST_IN_TRAY = 30 * 24


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
        return keyring.secret_line(self.password_file, "alerts.password_file").decode("utf-8", "replace")


@dataclass(frozen=True)
class Alerts:
    """Without `smtp` alarms are raised and shown, but not mailed.

    `tray_hours` of working days is how long a purchase may lie in the central tray; 0: for ever.
    """

    smtp: Smtp | None = None
    recipients: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ()
    office_ends: time = OFFICE_ENDS
    tray_hours: float = TRAY_HOURS


def read(root: Table) -> Alerts:
    """The table, or its defaults. Raises ConfigError by field name."""
    table = root.table("alerts")
    alerts = Alerts(
        _smtp(table, root.table("network").path("extra_ca")),
        table.addresses("recipients"),
        table.addresses("on_call"),
        _office_ends(table),
        table.number("tray_hours", TRAY_HOURS, 0, _LONGEST_IN_TRAY),
    )
    table.done()
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


def _office_ends(table: Table) -> time:
    value = table.text("office_hours", "07:30-15:30")
    parts = _HOURS.fullmatch(value)
    if parts is None:
        raise table.bad("office_hours", value, "oczekiwano godzin pracy, np. 07:30-15:30")
    begins, ends = time(int(parts[1]), int(parts[2])), time(int(parts[3]), int(parts[4]))
    if 60 * (ends.hour - begins.hour) + ends.minute - begins.minute < _SHORTEST_DAY_MINUTES:
        raise table.bad("office_hours", value, "od-do w jednym dniu, co najmniej godzina")
    return ends
