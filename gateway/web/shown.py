"""Answering with a page: what every template is given, and what a problem looks like to a person.

A page loads nothing from elsewhere and runs no script but ours (faults X12); reading needs no script at all.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from gateway.http.problems import ROWS, HttpProblem
from gateway.web.parts import PARTS, Viewer
from gateway.web.words import clock
from spool.domain.accounts import ROLE_LABELS, Right
from spool.domain.environments import BY_NAME
from spool.domain.errors import SluzaError

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
NAVIGATION: tuple[tuple[str, str, Right], ...] = (
    ("/", "Przegląd", Right.LOOK),
    ("/faktury", "Wysyłane", Right.LOOK),
    ("/odebrane", "Odebrane", Right.LOOK),
    ("/rejestry", "Rejestry", Right.LOOK),
    ("/awarie", "Awarie", Right.LOOK_AT_TOWN),
    ("/alarmy", "Alarmy", Right.LOOK_AT_TOWN),
    ("/jednostki", "Jednostki", Right.LOOK_AT_TOWN),
    ("/certyfikaty", "Certyfikaty", Right.LOOK_AT_TOWN),
    ("/ustawienia", "Ustawienia", Right.LOOK_AT_TOWN),
    ("/historia", "Historia", Right.LOOK_AT_TOWN),
    ("/konta", "Konta", Right.ADMINISTER),
)
NOTICES = {
    "hold": "Dokument wstrzymano.",
    "release": "Dokument zwolniono do wysyłki.",
    "withdraw": "Dokument wycofano.",
    "retry": "Przyjęto: spróbujemy ponownie.",
    "correct": "Przyjęto korektę techniczną.",
    "give-up": "Numer oddano: dokument wrócił do jednostki.",
    "outage": "Zapisano komunikat.",
    "password": "Hasło zmieniono.",
    "account": "Konto zapisano.",
    "codes": "Ustawienie kodów jednorazowych zapisano.",
    "assign": "Fakturę przydzielono.",
    "remirror": "Kopia zostanie zapisana w folderze ponownie.",
    "receipt": "Dzień otrzymania zapisano.",
}
"""What a page says after something was done; the address carries the word only, so nobody's text is reflected."""


def page(
    request: web.Request, viewer: Viewer, template: str, values: Mapping[str, Any], status: int = 200
) -> web.Response:
    """A page for somebody who is in."""
    navigation = [
        {"href": href, "label": label, "here": _within(request.path, href)}
        for href, label, right in NAVIGATION
        if viewer.account.may(right)
    ]
    shown = {
        "viewer": viewer,
        "role": ROLE_LABELS[viewer.account.role],
        "token": viewer.session.token,
        "navigation": navigation,
        "notice": NOTICES.get(request.query.get("ok", ""), ""),
    }
    return bare(request, template, shown | dict(values), status)


def bare(request: web.Request, template: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
    """A page for whoever asks: the door, and its problems."""
    parts = request.app[PARTS]
    town = parts.municipality
    common = {
        "municipality": town.name,
        "ribbons": sorted({BY_NAME[c.environment].label for c in town.contexts.values()} - {""}),
        "at": clock(parts.clock()),
        "viewer": None,
        "navigation": (),
        "notice": "",
        "live": False,
    }
    response = aiohttp_jinja2.render_template(template, request, common | dict(values), status=status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"  # with no-referrer a browser's forms say "Origin: null"
    return response


def problem(request: web.Request, viewer: Viewer | None, found: HttpProblem) -> web.Response:
    """What went wrong, as a page; the same words for foreign and absent."""
    row = ROWS[found.code]
    values = {"title": _OWN_TITLES.get(found.code, row.title), "detail": _OWN_WORDS.get(found.code, row.detail)}
    response = (
        page(request, viewer, "problem.html", values, row.status)
        if viewer
        else bare(request, "problem.html", values, row.status)
    )
    response.headers.update(found.headers)
    return response


def told(error: SluzaError) -> str:
    """An error of ours as one sentence with its cure."""
    return f"{error} {error.hint}".strip()


def back(path: str, done: str = "") -> web.HTTPSeeOther:
    """After a form: the page that shows what it did."""
    return web.HTTPSeeOther(f"{path}?ok={done}" if done else path)


def _within(path: str, href: str) -> bool:
    return path == href or (href != "/" and path.startswith(href + "/"))


_OWN_TITLES = {"not_found": "Nie znaleziono"}
_OWN_WORDS = {
    "not_found": "Takiej strony albo dokumentu tu nie ma. Proszę sprawdzić adres albo poszukać dokumentu na liście.",
    "busy": "Za chwilę proszę spróbować ponownie.",
    "internal": "Jeśli błąd wraca, proszę zgłosić go informatykowi urzędu.",
}
"""Cures that the table words for programs of others."""
