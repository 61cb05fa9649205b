"""Does a credential let us in, and to do what? A login, and the permissions that KSeF wrote into its access token.

Without InvoiceRead the absence of an invoice is never proven (faults K01), without InvoiceWrite nothing is sent.
"""

import binascii
import json
from base64 import urlsafe_b64decode
from typing import Any

from agent.entrance import Entrance, entrance
from agent.ksef.errors import garbled
from agent.ksef.transport import Transport
from certs.reading import Credential
from spool.clock import Clock
from spool.domain.errors import CredentialRefused
from spool.domain.municipality import Context

WANTED = ("InvoiceWrite", "InvoiceRead")
_OWNER = "Owner"
"""The taxpayer itself, who may do everything in its own context (protocol §15)."""
_CLAIMS = ("per", "pep")


async def prove_login(transport: Transport, context: Context, clock: Clock, credential: Credential) -> None:
    """Log in with a credential that is not in use yet. Raises NoAnswer, CredentialRefused for missing permissions."""
    missing = await missing_rights(entrance(transport, context, clock, credential=lambda: credential))
    if missing:
        raise CredentialRefused("cert_without_rights", *without_rights(context, missing))


def without_rights(context: Context, missing: tuple[str, ...]) -> tuple[str, str]:
    """The sentence about missing permissions, and the cure."""
    text = f"Ten certyfikat nie ma w kontekście „{context.id}” ({context.value}) uprawnień: {', '.join(missing)}."
    cure = (
        "Proszę nadać w KSeF osobie albo podmiotowi z certyfikatu wystawianie (InvoiceWrite) i przeglądanie "
        "(InvoiceRead) faktur, a potem powtórzyć polecenie."
    )
    return text, cure


async def missing_rights(way: Entrance) -> tuple[str, ...]:
    """Log in, and say which of the permissions that Śluza needs this context lacks. Raises NoAnswer."""
    held = rights_of(await way.login.access())
    return () if _OWNER in held else tuple(name for name in WANTED if name not in held)


def rights_of(access_token: str) -> frozenset[str]:
    """The permissions named by an access token (protocol §2.2). Raises NoAnswer for one that cannot be read.

    It comes from KSeF over our own line and decides nothing there, so its signature is KSeF's own affair.
    """
    try:
        payload = access_token.split(".")[1]
        claims: Any = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        named = [json.loads(claims[name]) for name in _CLAIMS if name in claims]
    except (IndexError, ValueError, TypeError, binascii.Error) as error:
        raise garbled("uprawnienia w tokenie dostępu") from error
    if not named or not all(isinstance(one, list) for one in named):
        raise garbled("uprawnienia w tokenie dostępu")
    return frozenset(str(name) for one in named for name in one)
