"""Reading what a form sent: short texts, known words, moments in Warsaw time."""

from datetime import date, datetime

from aiohttp import web
from multidict import MultiDictProxy

from gateway.http.problems import HttpProblem
from gateway.web.languages import say
from spool.domain.calendar import WARSAW
from spool.domain.errors import ConfigError

Form = MultiDictProxy[str | bytes | bytearray | web.FileField]
_LONGEST = 1000
_BIGGEST_CURSOR = 18


def text(form: Form, name: str, longest: int = _LONGEST) -> str:
    """A field on one line, trimmed; empty when it is not there. Raises ConfigError when it is too long."""
    value = needed(form, name)
    kept = " ".join(value.split())
    if len(kept) > longest:
        raise ConfigError(say("Tekst jest za długi: najwyżej {longest} znaków.", longest=longest))
    return "".join(c for c in kept if c.isprintable())


def needed(form: Form, name: str) -> str:
    """A text field exactly as sent, as a password is; empty when it is not there. Raises HttpProblem for a file."""
    value = form.get(name, "")
    if not isinstance(value, str):
        raise HttpProblem("bad_request")
    return value


def required(form: Form, name: str, sentence: str) -> str:
    """A field that must say something. Raises ConfigError with this sentence."""
    if not (value := text(form, name)):
        raise ConfigError(sentence)
    return value


def moment(form: Form, name: str) -> datetime | None:
    """A `datetime-local` field, which is Warsaw time here. Raises ConfigError when it is no moment."""
    value = text(form, name, 40)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=WARSAW)
    except ValueError:
        raise ConfigError(
            say("To nie jest data z godziną: „{value}”.", value=value), say("Np. 2026-11-26T14:30.")
        ) from None


def day(form: Form, name: str) -> date:
    """A `date` field. Raises ConfigError when it is no day."""
    value = text(form, name, 20)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ConfigError(say("To nie jest data: „{value}”.", value=value), say("Np. 2026-11-26.")) from None


def cursor(request: web.Request, name: str = "przed") -> int:
    """Where a list goes on; 0 is its beginning."""
    value = request.query.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= _BIGGEST_CURSOR else 0


def asked(request: web.Request, name: str, longest: int = 100) -> str:
    """A word of the address, trimmed."""
    return " ".join(request.query.get(name, "").split())[:longest]
