"""Accounts of people: who may look at what. For administrators; each change stands in the audit trail."""

import asyncio
from typing import Any

from aiohttp import web

from gateway.http.problems import HttpProblem
from gateway.web import doorman, shown
from gateway.web.languages import say
from gateway.web.pages import forms
from gateway.web.parts import PARTS, Viewer
from gateway.web.words import moment
from spool.domain.accounts import ROLE_LABELS, Account, Role, check_account
from spool.domain.errors import ConfigError

_PATH = "/konta"


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /konta."""
    return await _page(request, viewer)


async def _page(
    request: web.Request,
    viewer: Viewer,
    error: str = "",
    handed: tuple[str, str] | None = None,
    typed: forms.Form | None = None,
) -> web.Response:
    parts = request.app[PARTS]
    now = parts.wall()
    found = await parts.spool.read(lambda store: store.accounts())
    values = {
        "rows": [_row(account, viewer, moment(account.created_at, now)) for account in found],
        "roles": [{"value": role.value, "label": say(label)} for role, label in reversed(ROLE_LABELS.items())],
        "units": [{"id": unit.id, "name": unit.name} for unit in parts.municipality.units.values()],
        "error": error,
        "handed": handed,
        "typed": {key: typed.get(key, "") if typed else "" for key in ("login", "name", "role")},
        "typed_units": typed.getall("units", []) if typed else [],
    }
    return shown.page(request, viewer, "accounts.html", values, 422 if error else 200)


def _row(account: Account, viewer: Viewer, since: str) -> dict[str, Any]:
    return {
        "login": account.login,
        "name": account.name,
        "role": say(ROLE_LABELS[account.role]),
        "units": ", ".join(account.units),
        "active": account.active,
        "must_change": account.must_change,
        "totp": account.totp,
        "since": since,
        "own": account.login == viewer.account.login,
    }


async def add(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /konta: a new account; its one-time password is shown once."""
    parts, form = request.app[PARTS], await request.post()
    units = tuple(sorted(unit for unit in form.getall("units", []) if isinstance(unit, str)))
    try:
        login = forms.text(form, "login", 40).lower()
        name = forms.required(form, "name", say("Proszę podać imię i nazwisko: tak historia nazwie tę osobę."))[:80]
        role = _role(forms.text(form, "role"))
        check_account(login, role, units, frozenset(parts.municipality.units))
        password = doorman.one_time_password()
        made = await asyncio.to_thread(doorman.hashed, password, parts.hasher)
        account = Account(login, name, role, units, must_change=True, totp=False, created_at=parts.wall())
        await parts.spool.write(lambda store: store.add_account(account, made, viewer.actor))
    except ValueError:
        return await _page(request, viewer, say("Konto „{login}” już istnieje.", login=login), typed=form)
    except ConfigError as error:
        return await _page(request, viewer, shown.told(error), typed=form)
    return await _page(request, viewer, handed=(login, password))


async def change(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /konta/{login}/{verb}: a new one-time password, off, on, without one-time codes."""
    parts, login, verb = request.app[PARTS], request.match_info["login"], request.match_info["verb"]
    account = await parts.spool.read(lambda store: store.account(login))
    if account is None:
        raise HttpProblem("not_found")
    now, actor = parts.wall(), viewer.actor
    if account.login == viewer.account.login:
        return await _page(request, viewer, say("Własnego konta nie zmienia się tutaj: służą do tego Hasło i Kody."))
    match verb:
        case "password":
            password = doorman.one_time_password()
            made = await asyncio.to_thread(doorman.hashed, password, parts.hasher)
            await parts.spool.write(lambda s: s.set_password(login, made, now, actor, must_change=True))
            return await _page(request, viewer, handed=(login, password))
        case "off" | "on":
            await parts.spool.write(lambda s: s.set_active(login, verb == "on", now, actor))
        case "codes":
            await parts.spool.write(lambda s: s.set_totp(login, "", now, actor))
        case _:
            raise HttpProblem("not_found")
    raise shown.back(_PATH, "account")


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise ConfigError(say("Proszę wybrać rolę.")) from None
