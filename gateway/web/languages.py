"""The languages of the pages: Polish, in which they are written, and English from a gettext catalogue.

The language of a request is a context variable that `gateway.web.app` sets around it; mail, the command line and
whatever else runs beside requests speak Polish. What went through `say` is a `Said`. Any other sentence on a page is
data, which is kept in Polish, and `lang` marks it so for programs that read aloud (WCAG 3.1.2).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import jinja2
from aiohttp import web
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markupsafe import Markup

POLISH, ENGLISH = "pl", "en"
LANGUAGES = {POLISH: "Polski", ENGLISH: "English"}
"""Each by its own name, as the switch shows it."""
CATALOGUE = Path(__file__).parent / "locale" / ENGLISH / "LC_MESSAGES" / "messages.po"
COOKIE = "sluza-jezyk"
_YEAR_S = 365 * 86_400
_SPOKEN: ContextVar[str] = ContextVar("language", default=POLISH)


class Said(str):
    """A sentence in the language of the page."""

    __slots__ = ()


@cache
def _english() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale=ENGLISH)


def spoken() -> str:
    """The language of the request that is being answered; Polish outside of any."""
    return _SPOKEN.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Answer in this language for as long as the block lasts."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def say(text: str, **values: object) -> str:
    """This Polish text in the language of the page, with the values in its braces.

    A `Said`, except where the catalogue does not know the text: then it stays Polish, and will be marked so.
    """
    found = _english().get(text) if spoken() == ENGLISH and text else None
    pattern = str(found.string) if found is not None else text
    full = pattern.format(**values).strip() if values else pattern  # the last value may be empty
    return Said(full) if found is not None or spoken() == POLISH else full


def phrase(text: str) -> str:
    """Marks a text of a table that `say` will be given later, so that the extraction finds it."""
    return text


def lang(text: str) -> str:
    """The attribute for an element with this text: `lang="pl"` where the page speaks otherwise."""
    return "" if isinstance(text, Said) or spoken() == POLISH else Markup(' lang="pl"')


def asked_for(request: web.Request) -> str:
    """What the person chose in this browser; Polish until then, whatever the browser itself prefers."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else POLISH


def remember(response: web.StreamResponse, language: str, *, secure: bool) -> None:
    """The browser keeps the choice for a year: people stay who they are, sessions end."""
    response.set_cookie(COOKIE, language, httponly=True, samesite="Lax", secure=secure, path="/", max_age=_YEAR_S)


def other() -> dict[str, str]:
    """The language that the switch offers."""
    code = POLISH if spoken() == ENGLISH else ENGLISH
    return {"code": code, "name": LANGUAGES[code]}


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
