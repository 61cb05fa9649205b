"""The calls about KSeF certificates: what a request must say, handing it in, its fate, and the certificate (§14).

Read by hand: who asks for a certificate must not take a missing field for an empty one. Only for who has logged in with
a signature; a KSeF token gets 25001 or 25002.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.ksef import errors
from agent.ksef.api import Reading, Tokens
from agent.ksef.errors import Kind, garbled
from agent.ksef.line import Line
from agent.ksef.values import reference_of
from agent.ksef.within import Within

_GROUP = "other"
_JSON = {"Content-Type": "application/json"}
_PAGE = 50
_MOST_PAGES = 20
_AT_ONCE = 10
_SERIAL_DIGITS = 16
ACTIVE, REVOKED = "Active", "Revoked"


@dataclass(frozen=True)
class Fate:
    """What became of a request: `reading` Pending, Done with the serial number, or why not."""

    reading: Reading
    serial: str = ""


@dataclass(frozen=True)
class Listed:
    """A certificate as KSeF lists it; `status` Active, Blocked, Revoked or Expired."""

    serial: str
    name: str
    status: str


class Certificates:
    """The certificates of whoever is logged in."""

    def __init__(self, line: Line, tokens: Tokens) -> None:
        self._line = line
        self._in = Within(line, tokens).call

    async def names(self) -> dict[str, str]:
        """The distinguished name that a request must carry, to the letter."""

        async def call(token: str) -> dict[str, str]:
            body = await self._line.read("/certificates/enrollments/data", token)
            return {str(name): str(value) for name, value in body.items() if value}

        return await self._in(_GROUP, call)

    async def may_request(self) -> bool:
        """False when KSeF would refuse one more (25006, 25007)."""

        async def call(token: str) -> bool:
            return (await self._line.read("/certificates/limits", token))["canRequest"] is not False

        return await self._in(_GROUP, call)

    async def request(self, name: str, kind: str, csr_der: bytes) -> str:
        """Hand a request in; returns its reference number. Not to be repeated on a guess: it may have been heard."""
        asked = {"certificateName": name, "certificateType": kind, "csr": b64encode(csr_der).decode()}
        return reference_of((await self._post("/certificates/enrollments", asked, 202))["referenceNumber"])

    async def fate(self, reference: str) -> Fate:
        """How a request is doing."""

        async def call(token: str) -> Fate:
            body = await self._line.read(f"/certificates/enrollments/{reference}", token)
            reading = errors.read_status(Kind.ENROLMENT, body["status"])
            serial = body.get("certificateSerialNumber")
            return Fate(reading, _serial(serial) if serial else "")

        return await self._in(_GROUP, call)

    async def fetch(self, serials: list[str]) -> dict[str, bytes]:
        """The DER of these certificates, by serial number; those that KSeF does not give are missing."""
        found: dict[str, bytes] = {}
        for start in range(0, len(serials), _AT_ONCE):
            asked = {"certificateSerialNumbers": serials[start : start + _AT_ONCE]}
            body = await self._post("/certificates/retrieve", asked, 200)
            found |= {_serial(c["certificateSerialNumber"]): b64decode(c["certificate"]) for c in body["certificates"]}
        return found

    async def listed(self, *, name: str = "", serial: str = "") -> list[Listed]:
        """Those with this text in their name, or with this serial number; the newest first."""
        asked = {"certificateSerialNumber": serial} if serial else {"name": name}
        found: list[Listed] = []
        for page in range(_MOST_PAGES):
            params = {"pageOffset": page, "pageSize": _PAGE}
            body = await self._post("/certificates/query", asked, 200, params)
            found += [
                Listed(_serial(c["certificateSerialNumber"]), str(c["name"]), str(c["status"]))
                for c in body["certificates"]
            ]
            if not body["hasMore"]:
                return found
        raise garbled("lista certyfikatów nie ma końca")

    async def revoke(self, serial: str, reason: str) -> None:
        """End this certificate; `reason` is Unspecified, Superseded or KeyCompromise. There is no way back."""
        content = json.dumps({"revocationReason": reason}).encode()

        async def call(token: str) -> None:
            await self._line.request("POST", f"/certificates/{serial}/revoke", {204}, _JSON, token, content=content)

        await self._in(_GROUP, call)

    async def _post(
        self, path: str, asked: Mapping[str, Any], status: int, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        content = json.dumps(asked, ensure_ascii=False).encode()

        async def call(token: str) -> dict[str, Any]:
            answer = await self._line.request("POST", path, {status}, _JSON, token, params, content)
            body = json.loads(answer.content)
            if not isinstance(body, dict):
                raise garbled("to nie jest obiekt JSON")
            return body

        return await self._in(_GROUP, call)


def _serial(value: Any) -> str:
    """A serial number; it goes into requests. Raises NoAnswer."""
    text = str(value or "")
    if len(text) != _SERIAL_DIGITS or not all(c in "0123456789ABCDEF" for c in text):
        raise garbled("numer seryjny certyfikatu")
    return text
