"""People with an account: their roles, what each role may do, whose documents they see. Pure.

One table decides what a role may (faults X21); a page names the right that it needs, and nobody has a right that is
not listed here. What a person sees is decided by `Account.sees`: an accountant only the documents of the units named
in the account, everybody else all of them (jst.md U4).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spool.domain.errors import ConfigError
from spool.domain.municipality import no_unit

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 200
SESSION_IDLE, SESSION_LIFE = timedelta(minutes=30), timedelta(hours=12)
"""A session ends when nobody has used it for so long, and in any case at the end of a working day (faults X18)."""
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)


class Role(StrEnum):
    """What somebody is here for."""

    ADMIN = "admin"
    COORDINATOR = "coordinator"
    ACCOUNTANT = "accountant"
    SUPERVISOR = "supervisor"


ROLE_LABELS = {
    Role.ADMIN: "administrator",
    Role.COORDINATOR: "koordynator KSeF / skarbnik",
    Role.ACCOUNTANT: "księgowość jednostki",
    Role.SUPERVISOR: "nadzór (tylko odczyt)",
}


class Right(StrEnum):
    """What a page or a button needs."""

    LOOK = "look"
    """Documents that one sees, received invoices, the state of KSeF."""
    WORK = "work"
    """Retry, hold, release, withdraw a document that one sees."""
    LOOK_AT_TOWN = "look_at_town"
    """What belongs to no unit: the central tray, contexts, outages, units, settings, the audit trail."""
    DECIDE = "decide"
    """For the municipality: assign a received invoice, announce or confirm an outage, settle a conflict."""
    ADMINISTER = "administer"
    """Accounts."""


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.COORDINATOR: frozenset({Right.LOOK, Right.WORK, Right.LOOK_AT_TOWN, Right.DECIDE}),
    Role.ACCOUNTANT: frozenset({Right.LOOK, Right.WORK}),
    Role.SUPERVISOR: frozenset({Right.LOOK, Right.LOOK_AT_TOWN}),
}


@dataclass(frozen=True)
class Account:
    """One person's account. `units` limit an accountant; for the other roles they are empty.

    `must_change`: the password was set by somebody else, and opens nothing but the page that changes it.
    """

    login: str
    name: str
    role: Role
    units: tuple[str, ...]
    must_change: bool
    totp: bool
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def active(self) -> bool:
        """True when it lets anybody in."""
        return self.disabled_at is None

    @property
    def whole_town(self) -> bool:
        """True when this person sees the documents of all units."""
        return self.role is not Role.ACCOUNTANT

    def may(self, right: Right) -> bool:
        """True when the role has this right."""
        return right in RIGHTS[self.role]

    def sees(self, unit: str | None) -> bool:
        """True when documents of this unit are this person's to see; None is the central tray."""
        return self.whole_town or (unit is not None and unit in self.units)


@dataclass(frozen=True)
class LoginSession:
    """Somebody is in. `token` guards every form of this session (faults X19); the cookie itself is not kept.

    `vouched`: no password was asked, a reverse proxy named the person, and has to with every request.
    """

    account: Account
    token: str
    opened_at: datetime
    seen_at: datetime
    vouched: bool = False

    def over(self, now: datetime) -> bool:
        """Unused for too long, or a day old."""
        return now - self.seen_at > SESSION_IDLE or now - self.opened_at > SESSION_LIFE


def is_login(text: str) -> bool:
    """True when an account may be called so."""
    return _LOGIN.fullmatch(text) is not None


def check_account(login: str, role: Role, units: tuple[str, ...], known: frozenset[str]) -> None:
    """Raises ConfigError for a login, or a set of units, that cannot be."""
    if not is_login(login):
        raise ConfigError(
            "Login „{login}” jest niepoprawny.",
            "Małe litery bez polskich znaków, cyfry, kropka, myślnik; od 2 do 32 znaków, na początku litera.",
            login=login,
        )
    if unknown := sorted(set(units) - known):
        raise no_unit(unknown[0])
    if role is Role.ACCOUNTANT and not units:
        raise ConfigError("Księgowość jednostki musi mieć wskazaną co najmniej jedną jednostkę.")
    if role is not Role.ACCOUNTANT and units:
        raise ConfigError(f"Rola „{ROLE_LABELS[role]}” widzi całą gminę: jednostek się przy niej nie podaje.")


def weakness(password: str, login: str) -> str:
    """Why this password is not good enough, as a Polish sentence; empty when it is.

    Length is what counts; of the rest only what an attacker tries first.
    """
    if len(password) < SHORTEST_PASSWORD:
        return f"Hasło musi mieć co najmniej {SHORTEST_PASSWORD} znaków. Najłatwiej zapamiętać kilka zwykłych słów."
    if len(password) > LONGEST_PASSWORD:
        return f"Hasło może mieć najwyżej {LONGEST_PASSWORD} znaków."
    lowered = password.casefold()
    if login in lowered or len(set(lowered)) < 5 or any(lowered in {word, word * 2} for word in _FIRST_TRIED):
        return "To hasło jest zbyt łatwe do odgadnięcia. Proszę wybrać inne."
    return ""


_FIRST_TRIED = (
    "123456789012", "1234567890123", "qwertyuiop12", "password1234", "administrator", "haslohaslo12", "zaq12wsxcde3",
    "qwerty123456", "123456", "haslo1", "polska", "qwerty",
)  # fmt: skip
