"""The switch of languages: the cookie that remembers what somebody chose, and what templates are taught."""

import jinja2
from aiohttp import web

from gateway.web.languages import LANGUAGES, POLISH, lang, say, spoken

COOKIE = "sluza-jezyk"
_YEAR_S = 365 * 86_400


def asked_for(request: web.Request) -> str:
    """What the person chose in this browser; Polish until then, whatever the browser itself prefers."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else POLISH


def remember(response: web.StreamResponse, language: str, *, secure: bool) -> None:
    """The browser keeps the choice for a year: people stay who they are, sessions end."""
    response.set_cookie(COOKIE, language, httponly=True, samesite="Lax", secure=secure, path="/", max_age=_YEAR_S)


def teach(environment: jinja2.Environment) -> None:
    """Give templates `{% trans %}`, `_()` and the filter `lang`.

    Polish has three forms of number where gettext's source has two, so counted words come from `words.counted` and
    `{% pluralize %}` is not used.
    """
    environment.policies["ext.i18n.trimmed"] = True
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(say, _plural, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["lang"] = lang
    environment.globals["language"] = spoken


def _plural(one: str, _many: str, _count: int) -> str:
    raise NotImplementedError(one)
