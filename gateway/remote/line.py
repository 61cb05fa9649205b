"""The line to the gateway: HTTPS with a bound on every wait, one error tree, and bodies that go on where they broke.

Whatever is half-open, cut or slow ends in a `LineError` within bounded time (faults D12); nothing here decides what
that means for a file.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from gateway.remote.errors import (
    BusyError,
    LineDownError,
    LineError,
    RefusedError,
    SeatTakenError,
    TokenRefusedError,
)
from gateway.remote.parts import Parts
from spool.bodies import sha256_hex
from spool.domain.errors import ConfigError

SEAT = "/v1/seat"
"""Whose token it is, is asked here; until it was, a new one carries nothing (faults X20)."""
TOKEN_AGAIN_S = 15.0
"""A person has to act; a new token in the file is tried this soon."""
_LARGEST_JSON = 8_000_000
_READ = 16_384
_SECRET_OPEN = 0o007


@dataclass(frozen=True)
class Bounds:
    """Seconds: to connect with TLS, between two pieces of an answer, and for one exchange in all."""

    connect_s: float = 20
    quiet_s: float = 40
    whole_s: float = 900


@dataclass(frozen=True)
class Reply:
    """A complete answer: its status, its JSON, and the hash that the gateway confirms, if it does."""

    status: int
    body: dict[str, Any]
    sha256: str = ""


class Line:
    """One gateway, one unit's token. Use as an async context manager."""

    def __init__(
        self, server: URL, token_file: Path, ca_file: Path | None, client: str, parts: Parts, bounds: Bounds
    ) -> None:
        """Raises ConfigError for an address, a token file or a CA that cannot be used."""
        self._server = _checked(server)
        self._token_file = token_file
        self._ssl = _trust(ca_file)
        self._client = client
        self._parts = parts
        self._bounds = bounds
        self._session: aiohttp.ClientSession | None = None
        self._seated = self._token()

    async def __aenter__(self) -> "Line":
        timeout = aiohttp.ClientTimeout(
            total=self._bounds.whole_s, sock_connect=self._bounds.connect_s, sock_read=self._bounds.quiet_s
        )
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=2, keepalive_timeout=12)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One exchange of JSON. Raises LineError; a RefusedError for 4xx that are about the thing itself."""
        try:
            async with self._request(method, path, query, data, headers) as response:
                raw = await _bounded(response, _LARGEST_JSON)
                reply = Reply(response.status, _json(response, raw), response.headers.get("X-Sha256", ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _down(error) from error
        if reply.status >= 400:
            raise _refused(reply)
        return reply

    async def fetch(self, path: str, query: Mapping[str, str | int] | None = None) -> bytes:
        """The exact bytes of a file, checked against the hash that came with them.

        What came before a cut is kept, and the next try asks for the rest. Raises LineError.
        """
        part = self._parts.of(f"{path}?{sorted((query or {}).items())}")
        headers = {"Range": f"bytes={part.size}-", "If-Range": f'"{part.sha256}"'} if part.size else {}
        try:
            async with self._request("GET", path, query, None, headers) as response:
                if response.status not in {200, 206}:
                    raw = await _bounded(response, _LARGEST_JSON)
                    raise _refused(Reply(response.status, _json(response, raw)))
                sha256 = response.headers.get("X-Sha256", "")
                part.begin(sha256, again=response.status == 206)
                async for chunk in response.content.iter_chunked(_READ):
                    part.append(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _down(error) from error
        raw = part.take()
        if sha256_hex(raw) != sha256:
            raise LineDownError("Pobrany plik nie zgadza się ze swoim skrótem; zostanie pobrany jeszcze raz.")
        return raw

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        data: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        assert self._session is not None, "the line is used inside its context"
        url = self._server.joinpath(*path.strip("/").split("/")).with_query(query or {})
        try:
            token = self._token()
        except ConfigError as error:
            raise TokenRefusedError(str(error), error.hint, TOKEN_AGAIN_S) from error
        if path == SEAT:
            self._seated = token
        elif token != self._seated:
            raise LineDownError("Plik z tokenem zmienił się; program sprawdza, czyj jest nowy token.")
        sent = {"Authorization": f"Bearer {token}", "X-Sluza-Client": self._client, **(headers or {})}
        return self._session.request(method, url, data=data, headers=sent, allow_redirects=False)

    def _token(self) -> str:
        """Read at every exchange, so that a new token needs no restart."""
        try:
            mode = self._token_file.stat().st_mode
            token = self._token_file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"Nie można odczytać pliku z tokenem jednostki: {self._token_file}.",
                "Token wydaje informatyk urzędu: sluza unit token JEDNOSTKA.",
            ) from error
        if _open_to_all(mode):
            raise ConfigError(
                f"Plik z tokenem {self._token_file} może czytać każdy użytkownik tego komputera.",
                f"Proszę wykonać: chmod 600 {self._token_file}",
            )
        if not token.isascii() or not token.isprintable() or " " in token or not token:
            raise ConfigError(f"Plik {self._token_file} nie zawiera tokenu (jeden wiersz, bez spacji).")
        return token


def _open_to_all(mode: int) -> bool:
    """On Windows these bits mean nothing; there the permissions of the directory hold (`install-folders.ps1`)."""
    return sys.platform != "win32" and bool(mode & _SECRET_OPEN)


def _checked(server: URL) -> URL:
    loopback = server.host in {"127.0.0.1", "::1", "localhost"}
    if server.scheme != "https" and not (server.scheme == "http" and loopback):
        raise ConfigError(f"Adres bramki „{server}” musi zaczynać się od https://.")
    return server


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, the name always checked; our own CA beside nothing else when one is given."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"Nie można odczytać pliku z urzędem certyfikacji bramki: {ca_file}.",
            "To plik ca.pem z serwera bramki; przekazuje go informatyk urzędu.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(_READ):
        raw += chunk
        if len(raw) > most:
            raise ValueError("an answer far too long")
    return bytes(raw)


def _json(response: aiohttp.ClientResponse, raw: bytes) -> dict[str, Any]:
    """Raises ValueError for what our gateway cannot have said: a portal page, a proxy's own error."""
    if response.content_type not in {"application/json", "application/problem+json"}:
        raise ValueError("not the gateway's answer")
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("not the gateway's answer")  # noqa: TRY004 - one error for whatever it is instead
    return found


def _refused(reply: Reply) -> LineError:
    """What an answer of 400 and above means."""
    refused = RefusedError(reply.status, reply.body, reply.sha256)
    if refused.code in {"seat_taken", "seat_lost"}:
        return SeatTakenError(refused.sentence, refused.hint, 30)
    if reply.status in {401, 403}:
        return TokenRefusedError(f"Bramka nie wpuszcza tego komputera. {refused.sentence}", refused.hint, TOKEN_AGAIN_S)
    if refused.code == "pdf_later":
        return refused
    if reply.status in {408, 429, 500, 502, 503, 504, 507}:
        return BusyError(f"Bramka na razie nie przyjmuje. {refused.sentence}", refused.hint, 15)
    return refused


def _down(error: Exception) -> LineDownError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return LineDownError(
            "Połączenie odrzucono: certyfikat bramki nie jest wystawiony przez zaufany urząd albo dla tej nazwy.",
            "Proszę sprawdzić plik --ca-file i adres --server; przy trwałym błędzie zawiadomić informatyka urzędu.",
        )
    if isinstance(error, asyncio.TimeoutError):
        return LineDownError("Bramka nie odpowiada w wyznaczonym czasie.", "Sprawdź łącze internetowe i VPN.")
    if isinstance(error, ValueError):
        return LineDownError(
            "Pod adresem bramki odpowiada coś innego (na przykład strona logowania do sieci).",
            "Sprawdź łącze internetowe i VPN.",
        )
    return LineDownError("Nie ma połączenia z bramką.", "Sprawdź łącze internetowe i VPN.")
