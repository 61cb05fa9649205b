"""`sluza user …`: accounts of people who look at the pages."""

import getpass
from typing import Any

import click

from gateway.web import doorman
from sluza import options
from sluza.console import done, emit, moment, out, plain, table
from sluza.workbench import bench
from spool.domain.accounts import ROLE_LABELS, Account, Role, check_account
from spool.domain.errors import ConfigError

_LOGIN = click.argument("login", metavar="LOGIN")
_ROLE = click.Choice([role.value for role in Role])


@click.group()
def user() -> None:
    """Konta osób, które oglądają strony Śluzy."""


@user.command("list")
@options.verb
def list_users(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Konta: kto, w jakiej roli, co widzi."""
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(lambda store: store.accounts())
    if as_json:
        emit([_as_dict(account) for account in found])
        return
    table(
        f"Konta: {len(found)}",
        ("Login", "Osoba", "Rola", "Jednostki", "Stan", "Od"),
        [
            (
                a.login,
                plain(a.name),
                ROLE_LABELS[a.role],
                ", ".join(a.units) or "cała gmina",
                _state(a),
                moment(a.created_at),
            )
            for a in found
        ],
    )


def _state(account: Account) -> str:
    if not account.active:
        return "[yellow]wyłączone[/]"
    state = "hasło do zmiany" if account.must_change else "działa"
    return f"{state}, kody" if account.totp else state


def _as_dict(account: Account) -> dict[str, Any]:
    return {
        "login": account.login,
        "name": account.name,
        "role": account.role.value,
        "units": list(account.units),
        "active": account.active,
        "must_change": account.must_change,
        "totp": account.totp,
        "created_at": account.created_at.isoformat(),
    }


@user.command("add")
@_LOGIN
@click.option("--name", required=True, metavar="OSOBA", help="Imię i nazwisko; tak historia nazwie tę osobę.")
@click.option("--role", "role_name", required=True, type=_ROLE, help="Co ta osoba może.")
@click.option("--unit", "units", multiple=True, metavar="JEDNOSTKA", help="Co widzi księgowość jednostki; można kilka.")
@options.verb
def add(
    config: str | None,
    own_config: str | None,
    login: str,
    name: str,
    role_name: str,
    units: tuple[str, ...],
    as_json: bool,
) -> None:
    """Nowe konto; hasło jednorazowe pokazywane jest tylko raz."""
    role, password = Role(role_name), doorman.one_time_password()
    with bench(options.chosen(config, own_config)) as opened:
        check_account(login, role, units, frozenset(opened.settings.shared.municipality.units))
        account = Account(login, name, role, tuple(sorted(units)), True, False, opened.clock())
        hashed = doorman.hashed(password)
        try:
            opened.spool.write_now(lambda store: store.add_account(account, hashed, getpass.getuser()))
        except ValueError:
            raise ConfigError(f"Konto „{login}” już istnieje.", "Nowe hasło nada: sluza user password LOGIN") from None
    _hand_over(login, password, as_json)


@user.command("password")
@_LOGIN
@options.verb
def password(config: str | None, own_config: str | None, login: str, as_json: bool) -> None:
    """Nowe hasło jednorazowe; dotychczasowe przestaje działać od razu."""
    made = doorman.one_time_password()
    hashed = doorman.hashed(made)
    _change(
        options.chosen(config, own_config),
        login,
        lambda s, now, actor: s.set_password(login, hashed, now, actor, must_change=True),
    )
    _hand_over(login, made, as_json)


def _hand_over(login: str, made: str, as_json: bool) -> None:
    if as_json:
        emit({"login": login, "password": made})
    else:
        out.print(f"Hasło jednorazowe konta {plain(login)} (przy pierwszym logowaniu trzeba je zmienić):\n{made}")


@user.command("role")
@_LOGIN
@click.option("--role", "role_name", required=True, type=_ROLE, help="Co ta osoba może.")
@click.option("--unit", "units", multiple=True, metavar="JEDNOSTKA", help="Co widzi księgowość jednostki; można kilka.")
@options.verb
def role(
    config: str | None, own_config: str | None, login: str, role_name: str, units: tuple[str, ...], as_json: bool
) -> None:
    """Inna rola albo inne jednostki; osoba loguje się od nowa."""
    wanted = Role(role_name)
    with bench(options.chosen(config, own_config)) as opened:
        check_account(login, wanted, units, frozenset(opened.settings.shared.municipality.units))
    _change(
        options.chosen(config, own_config),
        login,
        lambda s, now, actor: s.set_role(login, wanted, sorted(units), now, actor),
    )
    done(as_json, f"{login}: {ROLE_LABELS[wanted]}", login=login, role=wanted.value)


def _verb(name: str, text: str, said: str, does: Any) -> None:
    """Add a verb that changes one account under the name of the person who runs it."""

    @user.command(name, help=text)
    @_LOGIN
    @options.as_json
    @options.config
    @click.pass_obj
    def run(config: str | None, own_config: str | None, login: str, as_json: bool) -> None:
        _change(options.chosen(config, own_config), login, lambda s, now, actor: does(s, login, now, actor))
        done(as_json, f"{login}: {said}", login=login)


_verb("disable", "Wyłącz konto, od razu.", "konto wyłączone", lambda s, who, now, by: s.set_active(who, False, now, by))
_verb("enable", "Włącz konto ponownie.", "konto włączone", lambda s, who, now, by: s.set_active(who, True, now, by))
_verb(
    "no-codes", "Wyłącz kody jednorazowe (zgubiony telefon).", "kody wyłączone",
    lambda s, who, now, by: s.set_totp(who, "", now, by),
)  # fmt: skip


def _change(config: str | None, login: str, does: Any) -> None:
    with bench(config) as opened:
        now, actor = opened.clock(), getpass.getuser()
        try:
            opened.spool.write_now(lambda store: does(store, now, actor))
        except KeyError:
            raise ConfigError(f"Nie ma konta „{login}”.", "Listę pokaże: sluza user list") from None
