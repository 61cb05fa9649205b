"""Accounts of people, and the sessions in which they look at the pages.

Passwords are kept as argon2id hashes made by the caller, cookies as their SHA-256: whoever reads the spool is let in
nowhere by what stands here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.accounts import ROLE_LABELS, SESSION_LIFE, Account, LoginSession, Role
from spool.rows import dump, stamp
from spool.store.base import Base


class Accounts(Base):
    """Who may look at the pages, and who does."""

    def add_account(self, account: Account, password: str, actor: str) -> None:
        """A new account with this password hash. Raises ValueError when the login is taken."""
        if self.account(account.login) is not None:
            raise ValueError(account.login)
        self._insert(
            "account",
            login=account.login,
            name=account.name,
            role=account.role.value,
            units=dump(account.units),
            password=password,
            must_change=int(account.must_change),
            created_at=stamp(account.created_at),
        )
        self._account_event(account.login, "account_added", account.created_at, actor, _described(account))

    def account(self, login: str) -> Account | None:
        """One account, also a disabled one."""
        row = self._one("SELECT * FROM account WHERE login = ?", login)
        return rows.account(row) if row else None

    def accounts(self) -> list[Account]:
        """All of them by login."""
        return [rows.account(row) for row in self._db.execute("SELECT * FROM account ORDER BY login")]

    def password_of(self, login: str) -> tuple[str, str, int]:
        """Hash of the password, secret of the one-time codes (empty: none), and the time step of the last code used.

        Raises KeyError for an unknown login.
        """
        row = self._one("SELECT password, totp, totp_step FROM account WHERE login = ?", login)
        if row is None:
            raise KeyError(login)
        return row["password"], row["totp"], row["totp_step"]

    def set_password(self, login: str, password: str, now: datetime, actor: str, *, must_change: bool) -> None:
        """A new password hash; whoever is in with the old one is in no longer."""
        self._change(login, password=password, must_change=int(must_change))
        self.end_logins(login)
        self._account_event(
            login, "password_set", now, actor, "Zmieniono hasło." if actor == login else "Nadano nowe hasło."
        )

    def rehash(self, login: str, password: str) -> None:
        """The same password under newer parameters; nothing that anybody is told."""
        self._change(login, password=password)

    def set_totp(self, login: str, secret: str, now: datetime, actor: str) -> None:
        """Ask for one-time codes made with this secret from now on; empty: no more."""
        self._change(login, totp=secret, totp_step=0)
        self.end_logins(login)
        note = "Włączono kody jednorazowe." if secret else "Wyłączono kody jednorazowe."
        self._account_event(login, "totp_on" if secret else "totp_off", now, actor, note)

    def use_code(self, login: str, step: int) -> bool:
        """Remember the time step of a one-time code; False when this one, or a later one, was used already."""
        done = self._db.execute(
            "UPDATE account SET totp_step = ? WHERE login = ? AND totp_step < ?", (step, login, step)
        )
        return bool(done.rowcount)

    def set_role(self, login: str, role: Role, units: Iterable[str], now: datetime, actor: str) -> None:
        """Another role or other units; whoever is in has to come in again (faults X18)."""
        self._change(login, role=role.value, units=dump(tuple(units)))
        self.end_logins(login)
        changed = self.account(login)
        assert changed is not None
        self._account_event(login, "role_set", now, actor, _described(changed))

    def set_active(self, login: str, active: bool, now: datetime, actor: str) -> None:
        """Let in, or nowhere any more, at once."""
        self._change(login, disabled_at=None if active else stamp(now))
        self.end_logins(login)
        note = "Konto włączono ponownie." if active else "Konto wyłączono."
        self._account_event(login, "account_enabled" if active else "account_disabled", now, actor, note)

    # -- sessions ----------------------------------------------------------------------------------------------

    def open_login(
        self, cookie_hash: str, login: str, token: str, now: datetime, address: str, *, vouched: bool = False
    ) -> None:
        """Somebody has come in, `vouched`: by the word of a reverse proxy. What has ended is swept out on the way."""
        self._db.execute("DELETE FROM login WHERE opened_at < ?", (stamp(now - SESSION_LIFE),))
        self._insert(
            "login", hash=cookie_hash, account=login, token=token, opened_at=stamp(now), seen_at=stamp(now),
            vouched=int(vouched),
        )  # fmt: skip
        note = "Zalogowano: tożsamość potwierdził serwer pośredniczący." if vouched else "Zalogowano."
        data = {"address": address, "way": "proxy"} if vouched else {"address": address}
        self._account_event(login, "signed_in", now, login, note, data)

    def login(self, cookie_hash: str) -> LoginSession | None:
        """The session behind a cookie, with its account as it is now; None for an unknown one or a disabled account."""
        row = self._one(
            """SELECT a.*, l.token, l.opened_at, l.seen_at, l.vouched FROM login l JOIN account a ON a.login = l.account
               WHERE l.hash = ? AND a.disabled_at IS NULL""",
            cookie_hash,
        )
        if row is None:
            return None
        return LoginSession(
            rows.account(row),
            row["token"],
            rows.instant(row["opened_at"]),
            rows.instant(row["seen_at"]),
            bool(row["vouched"]),
        )

    def login_used(self, cookie_hash: str, now: datetime) -> None:
        """This session is in use."""
        self._db.execute("UPDATE login SET seen_at = ? WHERE hash = ?", (stamp(now), cookie_hash))

    def end_login(self, cookie_hash: str) -> None:
        """This session lets nobody in any more."""
        self._db.execute("DELETE FROM login WHERE hash = ?", (cookie_hash,))

    def end_logins(self, login: str) -> None:
        """No session of this account lets anybody in any more."""
        self._db.execute("DELETE FROM login WHERE account = ?", (login,))

    def login_failed(self, login: str, now: datetime, address: str, times: int) -> None:
        """Several wrong passwords in a row, for the audit trail."""
        data = {"address": address, "times": times}
        self._account_event(login, "sign_in_failed", now, "gateway", "Wielokrotnie podano błędne hasło.", data)

    def _change(self, login: str, **columns: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        done = self._db.execute(
            f"UPDATE account SET {assignments} WHERE login = ?",  # noqa: S608 - our own names
            (*columns.values(), login),
        )
        if not done.rowcount:
            raise KeyError(login)

    def _account_event(
        self, login: str, move: str, now: datetime, actor: str, note: str, data: dict[str, Any] | None = None
    ) -> None:
        self.log(f"account:{login}", move, now, actor, note, data)


def _described(account: Account) -> str:
    units = f", jednostki: {', '.join(account.units)}" if account.units else ""
    return f"{account.name}: {ROLE_LABELS[account.role]}{units}."
