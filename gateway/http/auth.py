"""Who is calling: the Bearer token of a unit.

Only the SHA-256 of a token is looked up, always once per request, so a missing, malformed, unknown or revoked token
takes the same work. A valid token is let in from a braked address too: the owner is never locked out (faults X17).
"""

import re

from aiohttp import web

from gateway.http.problems import HttpProblem
from gateway.http.state import BEHIND, PARTS, log_fields
from gateway.own import Own
from spool.bodies import sha256_hex

_BEARER = re.compile(r"bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="sluza"'}


async def own_of(request: web.Request) -> Own:
    """What the unit may see whose token came with the request. Raises 401, 403 (no longer configured) or 429."""
    parts, behind = request.app[PARTS], request.app[BEHIND]
    digest = sha256_hex(_token(request).encode())
    now = behind.clock()
    unit_id = behind.spool.glance(lambda store: store.unit_of_token(digest, now))
    if unit_id is None:
        wait = parts.throttle.failed(request.remote or "")
        if wait:
            raise HttpProblem("too_many_failures", headers={"Retry-After": str(wait)}, close=True)
        raise HttpProblem("unauthorized", headers=_CHALLENGE)
    log_fields(request)["unit"] = unit_id
    unit = parts.municipality.units.get(unit_id)
    if unit is None:
        raise HttpProblem("unit_disabled")
    return Own(unit, behind)


def _token(request: web.Request) -> str:
    """The token, or an empty text that is nobody's."""
    given = request.headers.getall("Authorization", [])
    match = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    return match[1] if match else ""
