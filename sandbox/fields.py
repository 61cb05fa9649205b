"""Reading request bodies: 21001 for what cannot be read, 21405 for what breaks a rule (protocol §17.2).

A body read with `collect=True` notes every problem and goes on with harmless values; `verify()` then refuses them all
at once, one item each (L4). Otherwise the first problem is raised where it is met.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox.clock import parse_iso, plausible
from sandbox.crypto import decode_b64
from sandbox.errors import BadRequest

Problems = list[tuple[int, str]]


class Fields:
    """A JSON object read field by field; `path` names it in error details, `problems` collects what is wrong."""

    def __init__(self, body: Any, path: str = "", problems: Problems | None = None) -> None:
        self._path = path
        self._problems = problems
        if not isinstance(body, dict):
            self._note(21001, f"{path.removesuffix('.') or '$'}: oczekiwano obiektu.")
            body, self._problems = {}, []
        self.body: dict[str, Any] = body

    @property
    def sound(self) -> bool:
        """Whether nothing wrong has been found so far."""
        return not self._problems

    def verify(self) -> None:
        """Refuse everything collected so far, at once (L4)."""
        if self._problems:
            raise BadRequest.of(self._problems)

    def reject(self, name: str, why: str) -> None:
        """Note (or raise) a 21405 naming a field of this object."""
        self._note(21405, f"Pole '{self._path}{name}': {why}.")

    def unreadable(self, name: str, why: str) -> None:
        """Note (or raise) a 21001 naming a field of this object."""
        self._note(21001, f"Pole '{self._path}{name}': {why}.")

    def bad(self, name: str, why: str) -> BadRequest:
        """A 21405 naming a field of this object, to be raised."""
        return BadRequest(21405, f"Pole '{self._path}{name}': {why}.")

    def _note(self, code: int, text: str) -> None:
        if self._problems is None:
            raise BadRequest(code, text)
        self._problems.append((code, text))

    def _get(self, name: str, kinds: type | tuple[type, ...], *, required: bool) -> Any:
        value = self.body.get(name)
        if value is None:
            if required:
                self._note(21405, f"Pole '{self._path}{name}' jest wymagane.")
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            self._note(21001, f"Pole '{self._path}{name}' ma nieprawidłowy typ.")
            return None
        return value

    def text(self, name: str, low: int = 1, high: int = 10_000_000) -> str:
        """A required string of a length within bounds."""
        value: str | None = self._get(name, str, required=True)
        if value is not None and not low <= len(value) <= high:
            self.reject(name, f"długość musi wynosić od {low} do {high}")
            return ""
        return value or ""

    def optional_text(self, name: str, low: int = 1, high: int = 1_000_000) -> str | None:
        """An optional string of a length within bounds."""
        return None if self.body.get(name) is None else self.text(name, low, high)

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """A string out of an enumeration; an unknown value is 21001 (protocol §17.2)."""
        value = self._get(name, str, required=default is None)
        if value is not None and value not in allowed:
            self.unreadable(name, f"nieznana wartość '{value}'")
            value = None
        return allowed[0] if value is None and default is None else str(value or default)

    def optional_choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Like `choice`, None when absent."""
        return None if self.body.get(name) is None else self.choice(name, allowed)

    def choices(self, name: str, allowed: tuple[str, ...], low: int = 0) -> list[str]:
        """A list of enumeration values; required unless `low` is zero."""
        values = self.values(name, low)
        for value in values:
            if value not in allowed:
                self.unreadable(name, f"nieznana wartość '{value}'")
        return [value for value in values if value in allowed]

    def integer(self, name: str, low: int, high: int) -> int:
        """A required integer within bounds."""
        value: int | None = self._get(name, int, required=True)
        if value is not None and not low <= value <= high:
            self.reject(name, f"wartość musi wynosić od {low} do {high}")
            return low
        return low if value is None else value

    def number(self, name: str) -> float | None:
        """An optional number, None when absent."""
        value: float | None = self._get(name, (int, float), required=False)
        return value

    def flag(self, name: str) -> bool:
        """An optional boolean, false when absent."""
        return bool(self._get(name, bool, required=False))

    def optional_flag(self, name: str) -> bool | None:
        """An optional boolean, None when absent."""
        value = self._get(name, bool, required=False)
        return None if value is None else bool(value)

    def base64(self, name: str, size: int | None = None) -> bytes:
        """Required Base64, optionally of an exact decoded size in bytes."""
        text = self._get(name, str, required=True)
        if text is None:
            return b""
        value = decode_b64(text)
        if value is None:
            self._note(21001, f"Pole '{self._path}{name}' nie jest w formacie Base64.")
        elif not value:
            self.reject(name, "nie może być puste")
        elif size is not None and len(value) != size:
            self.reject(name, f"oczekiwano {size} bajtów")
        return value or b""

    def hash64(self, name: str) -> str:
        """A required Base64 SHA-256 (44 characters)."""
        return str(self.body[name]) if self.base64(name, 32) else ""

    def instant(self, name: str) -> int:
        """A required date-time with an explicit offset, in milliseconds, between the years 1900 and 3000."""
        text = self._get(name, str, required=True)
        if text is None:
            return 0
        try:
            value = parse_iso(text)
        except (ValueError, OverflowError):
            self.reject(name, "wymagana data i czas ze wskazaniem strefy")
            return 0
        if not plausible(value):
            self.reject(name, "data poza obsługiwanym zakresem")
            return 0
        return value

    def optional_instant(self, name: str) -> int | None:
        """Like `instant`, None when absent."""
        return None if self.body.get(name) is None else self.instant(name)

    def object(self, name: str) -> Fields:
        """A required nested object; of a missing one, only its absence is noted."""
        value = self._get(name, dict, required=True)
        return Fields(value or {}, f"{self._path}{name}.", self._problems if value is not None else [])

    def optional_object(self, name: str) -> Fields | None:
        """A nested object, None when absent."""
        return None if self.body.get(name) is None else self.object(name)

    def objects(self, name: str, low: int = 0, high: int = 10_000) -> list[Fields]:
        """A required list of objects."""
        values = self.values(name, low, high)
        return [Fields(value, f"{self._path}{name}[{place}].", self._problems) for place, value in enumerate(values)]

    def values(self, name: str, low: int = 0, high: int = 10_000) -> list[Any]:
        """A list; required unless `low` is zero."""
        given: list[Any] | None = self._get(name, list, required=low > 0)
        if given is not None and not low <= len(given) <= high:
            self.reject(name, f"liczba elementów musi wynosić od {low} do {high}")
            return []
        return given or []


async def json_body(request: web.Request, *, collect: bool = False) -> Fields:
    """The request's JSON object; 21001 if it is not one. With `collect`, the caller must `verify()`."""
    raw = await request.read()
    try:
        value = json.loads(raw)
        if b"\\ud" in raw.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as fault:
        raise BadRequest(21001, "Treść żądania nie jest poprawnym dokumentem JSON.") from fault
    return Fields(value, "", None if not collect or not isinstance(value, dict) else [])


def query_int(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """An integer query parameter within bounds; 21405 otherwise."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not low <= int(text) <= high:
        raise BadRequest(21405, f"Parametr '{name}' musi być liczbą od {low} do {high}.")
    return int(text)
