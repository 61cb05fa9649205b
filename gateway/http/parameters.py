"""Query parameters and headers of the drop-point, read strictly: a typing error is an answer, never ignored."""

from urllib.parse import unquote

from aiohttp import web

from gateway.http.problems import HttpProblem
from spool.domain.states import State

LIMIT = 100
MAX_LIMIT = 1000
_NAME_LENGTH = 255
_KEY_LENGTH = 200
_DIGITS = 9


def only(request: web.Request, *names: str) -> None:
    """Refuse parameters that this call does not know: `?ofline24=true` must not become an online invoice."""
    for name in request.query:
        if name not in names:
            raise _bad(name, f"Znane parametry: {', '.join(names) or 'brak'}.")


def flag(request: web.Request, name: str) -> bool:
    """`true` or `false`, false when absent."""
    value = _single(request, name, "false")
    if value not in {"true", "false"}:
        raise _bad(name, "Dozwolone: true, false.")
    return value == "true"


def limit(request: web.Request) -> int:
    """How many rows of a list are wanted, 1 to 1000."""
    value = _single(request, "limit", str(LIMIT))
    if not (value.isascii() and value.isdecimal() and len(value) <= 4 and 1 <= int(value) <= MAX_LIMIT):
        raise _bad("limit", f"Liczba od 1 do {MAX_LIMIT}.")
    return int(value)


def number(request: web.Request, name: str) -> int:
    """A whole number that must be there, 0 or more."""
    value = _single(request, name, "")
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise _bad(name, "Liczba całkowita, 0 albo więcej.")
    return int(value)


def choice(request: web.Request, name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of these words."""
    value = _single(request, name, default)
    if value not in allowed:
        raise _bad(name, f"Dozwolone: {', '.join(word for word in allowed if word)}.")
    return value


def after(request: web.Request) -> str:
    """The cursor: the identifier of the last row of the page before, empty for the first page."""
    return _single(request, "after", "")


def states(request: web.Request) -> list[str]:
    """The states wanted, by repeating `state` or with commas; empty, as in `?state=&after=`, means all."""
    found = [part for value in request.query.getall("state", []) if value for part in value.split(",")]
    if any(value not in set(State) for value in found):
        raise _bad("state", f"Dozwolone: {', '.join(State)}.")
    return found


def unknown_cursor() -> HttpProblem:
    """The cursor names nothing that this unit has; foreign and absent look the same."""
    return _bad("after", "To identyfikator ostatniego wiersza poprzedniej strony; bez niego lista jest od początku.")


def file_name(request: web.Request) -> str:
    """X-File-Name decoded, empty when absent. It is a label and stays as given, odd characters included (X08)."""
    given = request.headers.getall("X-File-Name", [""])
    try:
        name = unquote(given[0], errors="strict")
        name.encode()
    except UnicodeError:
        raise HttpProblem("bad_file_name") from None
    if len(given) > 1 or len(name) > _NAME_LENGTH:
        raise HttpProblem("bad_file_name")
    return name


def idempotency_key(request: web.Request) -> str:
    """Idempotency-Key, empty when absent."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return ""
    key = given[0]
    if len(given) > 1 or not 1 <= len(key) <= _KEY_LENGTH or not all("!" <= c <= "~" for c in key):
        raise HttpProblem("bad_key")
    return key


def _single(request: web.Request, name: str, default: str) -> str:
    values = request.query.getall(name, [default])
    if len(values) > 1:
        raise _bad(name, "Ten parametr można podać tylko raz.")
    return values[0]


def _bad(name: str, hint: str) -> HttpProblem:
    return HttpProblem("bad_parameter", values={"name": name[:40], "hint": hint})
