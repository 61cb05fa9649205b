"""Answering with a page: what every template is given, and what a problem looks like to a person.

A page loads nothing from elsewhere and runs no script but ours (faults X12); reading needs no script at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from gateway.http.problems import ROWS, HttpProblem
from gateway.web import languages
from gateway.web.languages import Said, phrase, say
from gateway.web.parts import PARTS, Viewer
from gateway.web.words import clock
from spool.domain.accounts import ROLE_LABELS, Right
from spool.domain.catalogue import printable
from spool.domain.environments import BY_NAME, PROD
from spool.domain.errors import SluzaError
from spool.domain.municipality import Municipality
from spool.domain.papers import Attachment

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
NAVIGATION: tuple[tuple[str, str, Right], ...] = (
    ("/", phrase("Przegląd"), Right.LOOK),
    ("/faktury", phrase("Wysyłane"), Right.LOOK),
    ("/odebrane", phrase("Odebrane"), Right.LOOK),
    ("/rejestry", phrase("Rejestry"), Right.LOOK),
    ("/awarie", phrase("Awarie"), Right.LOOK_AT_TOWN),
    ("/alarmy", phrase("Alarmy"), Right.LOOK_AT_TOWN),
    ("/jednostki", phrase("Jednostki"), Right.LOOK_AT_TOWN),
    ("/certyfikaty", phrase("Certyfikaty"), Right.LOOK_AT_TOWN),
    ("/ustawienia", phrase("Ustawienia"), Right.LOOK_AT_TOWN),
    ("/historia", phrase("Historia"), Right.LOOK_AT_TOWN),
    ("/konta", phrase("Konta"), Right.ADMINISTER),
)
NOTICES = {
    "hold": phrase("Dokument wstrzymano."),
    "release": phrase("Dokument zwolniono do wysyłki."),
    "withdraw": phrase("Dokument wycofano."),
    "retry": phrase("Przyjęto: spróbujemy ponownie."),
    "correct": phrase("Przyjęto korektę techniczną."),
    "give-up": phrase("Numer oddano: dokument wrócił do jednostki."),
    "outage": phrase("Zapisano komunikat."),
    "password": phrase("Hasło zmieniono."),
    "account": phrase("Konto zapisano."),
    "codes": phrase("Ustawienie kodów jednorazowych zapisano."),
    "assign": phrase("Fakturę przydzielono."),
    "remirror": phrase("Kopia zostanie zapisana w folderze ponownie."),
    "paper": phrase("Dokument zapisano w rejestrze."),
    "decided": phrase("Decyzję zapisano."),
    "receipt": phrase("Dzień otrzymania zapisano."),
}
"""What a page says after something was done; the address carries the word only, so nobody's text is reflected."""


@dataclass(frozen=True)
class Fact:
    """A row of the table beside a picture; `kept`: a sentence that is kept in Polish, whatever the page speaks."""

    label: str
    value: str
    kept: bool = False


def attachments(files: Sequence[Attachment]) -> list[Fact]:
    """Files that came beside KSeF: what each is called, where it lies, its hash."""
    return [Fact(printable(file.name), f"{file.place}, SHA-256 {file.sha256}") for file in files]


def page(
    request: web.Request, viewer: Viewer, template: str, values: Mapping[str, Any], status: int = 200
) -> web.Response:
    """A page for somebody who is in."""
    navigation = [
        {"href": href, "label": say(label), "here": _within(request.path, href)}
        for href, label, right in NAVIGATION
        if viewer.account.may(right)
    ]
    shown = {
        "viewer": viewer,
        "role": say(ROLE_LABELS[viewer.account.role]),
        "token": viewer.session.token,
        "navigation": navigation,
        "ribbons": _ribbons(request.app[PARTS].municipality, viewer),
        "notice": say(NOTICES.get(request.query.get("ok", ""), "")),
    }
    return bare(request, template, shown | dict(values), status)


def _environments(town: Municipality) -> list[str]:
    return sorted({say(BY_NAME[c.environment].label) for c in town.contexts.values()} - {""})


def _ribbons(town: Municipality, viewer: Viewer) -> list[str]:
    """Where this town trains; beside production only which of the units that somebody sees are in training."""
    trained = town.trained()
    if not trained:
        return [] if any(c.environment == PROD.name for c in town.contexts.values()) else _environments(town)
    seen = trained if viewer.may("look_at_town") else {u: trained[u] for u in viewer.account.units if u in trained}
    units = ", ".join(sorted(town.units[unit].name for unit in seen))
    return [say("SZKOLENIE: {units}. Ich dokumenty nie mają skutków prawnych.", units=units)] if seen else []


def bare(request: web.Request, template: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
    """A page for whoever asks: the door, and its problems."""
    parts = request.app[PARTS]
    town = parts.municipality
    common = {
        "municipality": town.name,
        "ribbons": [] if any(c.environment == PROD.name for c in town.contexts.values()) else _environments(town),
        "at": clock(parts.clock()),
        "viewer": None,
        "navigation": (),
        "notice": "",
        "live": False,
        "other": languages.other(),
    }
    response = aiohttp_jinja2.render_template(template, request, common | dict(values), status=status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"  # with no-referrer a browser's forms say "Origin: null"
    return response


def problem(request: web.Request, viewer: Viewer | None, found: HttpProblem) -> web.Response:
    """What went wrong, as a page; the same words for foreign and absent."""
    row = ROWS[found.code]
    title, detail = _OWN_TITLES.get(found.code, row.title), _OWN_WORDS.get(found.code, row.detail)
    values = {"title": say(title), "detail": say(detail)}
    response = (
        page(request, viewer, "problem.html", values, row.status)
        if viewer
        else bare(request, "problem.html", values, row.status)
    )
    response.headers.update(found.headers)
    return response


def told(error: SluzaError) -> str:
    """An error of ours as one sentence with its cure, in English where the catalogue knows it."""
    sentence = error.sentence if isinstance(error.sentence, Said) else say(error.sentence, **error.values)
    return joined(sentence, error.hint)


def joined(*sentences: str) -> str:
    """Sentences one after another: said in the language of the page only if each of them is."""
    parts = [one if isinstance(one, Said) else say(one) for one in sentences if one]
    whole = " ".join(parts)
    return Said(whole) if all(isinstance(part, Said) for part in parts) else whole


def back(path: str, done: str = "") -> web.HTTPSeeOther:
    """After a form: the page that shows what it did."""
    return web.HTTPSeeOther(f"{path}?ok={done}" if done else path)


def _within(path: str, href: str) -> bool:
    return path == href or (href != "/" and path.startswith(href + "/"))


_OWN_TITLES = {"not_found": phrase("Nie znaleziono")}
_OWN_WORDS = {
    "not_found": phrase(
        "Takiej strony albo dokumentu tu nie ma. Proszę sprawdzić adres albo poszukać dokumentu na liście."
    ),
    "busy": phrase("Za chwilę proszę spróbować ponownie."),
    "internal": phrase("Jeśli błąd wraca, proszę zgłosić go informatykowi urzędu."),
}
"""Cures that the table words for programs of others."""
