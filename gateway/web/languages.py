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
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

POLISH, ENGLISH = "pl", "en"
LANGUAGES = {POLISH: "Polski", ENGLISH: "English"}
"""Each by its own name, as the switch shows it."""
CATALOGUE = Path(__file__).parent / "locale" / ENGLISH / "LC_MESSAGES" / "messages.po"
_SPOKEN: ContextVar[str] = ContextVar("language", default=POLISH)


class Said(str):
    """A sentence in the language of the page."""

    __slots__ = ()


@cache
def _english() -> "Catalog":
    from babel.messages.pofile import read_po  # here, because the command line never speaks English

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


def other() -> dict[str, str]:
    """The language that the switch offers."""
    code = POLISH if spoken() == ENGLISH else ENGLISH
    return {"code": code, "name": LANGUAGES[code]}
