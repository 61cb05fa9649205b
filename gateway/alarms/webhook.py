"""Tells a program of the administrator's: one signed POST of JSON per message, to one address of the settings only.

The body is signed: `X-Sluza-Signature: sha256=<hex>` is HMAC-SHA256 of the timestamp in `X-Sluza-Timestamp`, a full
stop and the body, with the secret of the settings. Nothing that documents say can change where it goes: the address
comes from the settings and its host from their list, redirects are not followed, TLS is verified, no proxy of the
environment is used, and of the answer only the status is looked at (faults X15).
"""

import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp

from gateway.alarms.settings import Webhook
from gateway.alarms.smtp import Outcome, context_for
from spool.clock import Clock
from spool.domain.alarms import Mail
from spool.domain.catalogue import printable
from spool.domain.errors import ConfigError

SCHEMA = "sluza-alert/1"
SIGNATURE, TIMESTAMP = "X-Sluza-Signature", "X-Sluza-Timestamp"
_DEAD = "Webhook {} nie odpowiada"
_WITHIN = aiohttp.ClientTimeout(total=15)


async def send(hook: Webhook, messages: Sequence[Mail], clock: Clock) -> AsyncIterator[tuple[Mail, Outcome]]:
    """Post the messages one after the other; yields each with what became of it.

    When nobody answers, those that are left have not been taken for that reason: mail must not wait behind them.
    """
    if not messages:
        return
    try:
        secret, context = hook.secret(), context_for(hook.extra_ca)
    except ConfigError as error:
        for message in messages:
            yield message, Outcome(False, f"{error} {error.hint}".strip())
        return
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_WITHIN) as web:
        dead: Outcome | None = None
        for message in messages:
            outcome = dead or await _post(web, hook, secret, message, clock)
            dead = outcome if outcome.answer.startswith(_DEAD.format(hook.host)) else None
            yield message, outcome


def body_of(message: Mail) -> bytes:
    """What goes over the wire. Keys are sorted, so that every try of a message is the same body."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "id": message.number,
        "kind": message.kind,
        "at": message.at.isoformat(),
        "message": message.sentence,
        "data": json.loads(message.data),
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True).encode()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of the header."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def _post(web: aiohttp.ClientSession, hook: Webhook, secret: bytes, message: Mail, clock: Clock) -> Outcome:
    body, now = body_of(message), f"{clock().timestamp():.0f}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sluza",
        "Idempotency-Key": message.number,
        TIMESTAMP: now,
        SIGNATURE: signature(secret, now, body),
    }
    try:
        async with web.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
            status = answer.status
    except TimeoutError:
        return Outcome(False, _DEAD.format(hook.host) + " na czas.")
    except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
        return Outcome(False, f"Webhook {hook.host}: {_why(error)}")
    if 200 <= status < 300:
        return Outcome(True, f"Webhook {hook.host} przyjął wiadomość ({status}).")
    if 300 <= status < 400:
        return Outcome(False, f"Webhook {hook.host} odsyła pod inny adres ({status}); Śluza tam nie pójdzie.")
    return Outcome(False, f"Webhook {hook.host} odpowiedział: {status}.")


def _why(error: Exception) -> str:
    """Never the address: its path may be a secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return "połączenia szyfrowanego nie udało się sprawdzić."
    cause = getattr(error, "os_error", None)
    detail = getattr(cause, "strerror", "") or type(error).__name__
    return f"nie odpowiada albo przerwał połączenie ({printable(detail, 100)})."
