"""Reading request bodies: 21001 for what cannot be read, 21405 for what breaks a rule (protocol §17.2)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox.clock import parse_iso
from sandbox.crypto import decode_b64
from sandbox.errors import BadRequest


class Fields:
    """A JSON object read field by field; `path` names it in error details."""

    def __init__(self, body: Any, path: str = "") -> None:
        if not isinstance(body, dict):
            raise BadRequest(21001, f"{path or '$'}: oczekiwano obiektu.")
        self.body: dict[str, Any] = body
        self._path = path

    def _missing(self, name: str) -> BadRequest:
        return BadRequest(21405, f"Pole '{self._path}{name}' jest wymagane.")

    def bad(self, name: str, why: str) -> BadRequest:
        """A 21405 naming a field of this object."""
        return BadRequest(21405, f"Pole '{self._path}{name}': {why}.")

    def _get(self, name: str, kinds: type | tuple[type, ...], *, required: bool) -> Any:
        value = self.body.get(name)
        if value is None:
            if required:
                raise self._missing(name)
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise BadRequest(21001, f"Pole '{self._path}{name}' ma nieprawidłowy typ.")
        return value

    def text(self, name: str, low: int = 1, high: int = 10_000_000) -> str:
        """A required string of a length within bounds."""
        value: str = self._get(name, str, required=True)
        if not low <= len(value) <= high:
            raise self.bad(name, f"długość musi wynosić od {low} do {high}")
        return value

    def optional_text(self, name: str, low: int = 1, high: int = 1_000_000) -> str | None:
        """An optional string of a length within bounds."""
        return None if self.body.get(name) is None else self.text(name, low, high)

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """A string out of an enumeration; an unknown value is 21001 (protocol §17.2)."""
        value = self._get(name, str, required=default is None)
        if value is None:
            assert default is not None
            return default
        if value not in allowed:
            raise BadRequest(21001, f"Pole '{self._path}{name}': nieznana wartość '{value}'.")
        return str(value)

    def optional_choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Like `choice`, None when absent."""
        return None if self.body.get(name) is None else self.choice(name, allowed)

    def integer(self, name: str, low: int, high: int) -> int:
        """A required integer within bounds."""
        value: int = self._get(name, int, required=True)
        if not low <= value <= high:
            raise self.bad(name, f"wartość musi wynosić od {low} do {high}")
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
        value = decode_b64(self.text(name))
        if value is None:
            raise BadRequest(21001, f"Pole '{self._path}{name}' nie jest w formacie Base64.")
        if size is not None and len(value) != size:
            raise self.bad(name, f"oczekiwano {size} bajtów")
        return value

    def hash64(self, name: str) -> str:
        """A required Base64 SHA-256 (44 characters)."""
        self.base64(name, 32)
        return self.text(name)

    def instant(self, name: str) -> int:
        """A required date-time with an explicit offset, in milliseconds."""
        text: str = self._get(name, str, required=True)
        try:
            return parse_iso(text)
        except (ValueError, OverflowError) as fault:
            raise self.bad(name, "wymagana data i czas ze wskazaniem strefy") from fault

    def optional_instant(self, name: str) -> int | None:
        """Like `instant`, None when absent."""
        return None if self.body.get(name) is None else self.instant(name)

    def object(self, name: str) -> Fields:
        """A required nested object."""
        value = self._get(name, dict, required=True)
        return Fields(value, f"{self._path}{name}.")

    def optional_object(self, name: str) -> Fields | None:
        """A nested object, None when absent."""
        return None if self.body.get(name) is None else self.object(name)

    def objects(self, name: str, low: int = 0, high: int = 10_000) -> list[Fields]:
        """A required list of objects."""
        values = self.values(name, low, high)
        return [Fields(value, f"{self._path}{name}[{place}].") for place, value in enumerate(values)]

    def values(self, name: str, low: int = 0, high: int = 10_000) -> list[Any]:
        """A list; required unless `low` is zero."""
        value: list[Any] = self._get(name, list, required=low > 0) or []
        if not low <= len(value) <= high:
            raise self.bad(name, f"liczba elementów musi wynosić od {low} do {high}")
        return value


async def json_body(request: web.Request) -> Fields:
    """The request's JSON object; 21001 if it is not one."""
    raw = await request.read()
    try:
        return Fields(json.loads(raw))
    except (ValueError, RecursionError) as fault:
        raise BadRequest(21001, "Treść żądania nie jest poprawnym dokumentem JSON.") from fault


def query_int(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """An integer query parameter within bounds; 21405 otherwise."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdigit() or not low <= int(text) <= high:
        raise BadRequest(21405, f"Parametr '{name}' musi być liczbą od {low} do {high}.")
    return int(text)
