"""Finishing a login: status, redeem, refresh; listing and revoking login sessions (A5–A11)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox import listing, tokens
from sandbox.clock import iso
from sandbox.errors import BadRequest, Gone
from sandbox.permissions import is_owner
from sandbox.principal import ACCESS, OPERATION, REFRESH, caller, claims_of
from sandbox.replies import reply, status_info
from sandbox.store import Row
from sandbox.world import World, world_of

RETENTION_MS = 7 * 86_400_000
DESCRIPTIONS = {
    100: "Uwierzytelnianie w toku",
    200: "Uwierzytelnianie zakończone sukcesem",
    415: "Uwierzytelnianie zakończone niepowodzeniem",
    425: "Uwierzytelnienie unieważnione",
    450: "Uwierzytelnianie zakończone niepowodzeniem z powodu błędnego tokenu",
    460: "Uwierzytelnianie zakończone niepowodzeniem z powodu błędu certyfikatu",
    470: "Uwierzytelnianie zakończone niepowodzeniem",
    480: "Uwierzytelnienie zablokowane",
}
DETAILS = {
    415: "Brak przypisanych uprawnień",
    425: "Uwierzytelnienie i powiązane refresh tokeny zostały unieważnione przez użytkownika",
    470: "Próba wykorzystania metod autoryzacyjnych osoby zmarłej",
    480: "Podejrzenie incydentu bezpieczeństwa. Skontaktuj się z Ministerstwem Finansów przez formularz zgłoszeniowy.",
}


async def status(request: web.Request) -> web.Response:
    """GET /auth/{referenceNumber}: 100 until the delay is over, then the outcome (A5, A11)."""
    claims = claims_of(request, OPERATION)
    row = _operation(world_of(request), request.match_info["referenceNumber"])
    if row["ref"] != claims["arn"]:
        raise _unknown(row["ref"])
    return reply(request, _view(world_of(request), row))


async def redeem(request: web.Request) -> web.Response:
    """POST /auth/token/redeem: access and refresh token, once only (A7, A8)."""
    world = world_of(request)
    claims = claims_of(request, OPERATION)
    row = _operation(world, claims["arn"])
    code = _code(world, row)
    if code != 200:
        raise BadRequest(21301, f"Status uwierzytelniania ({code}) nie pozwala na pobranie tokenów.")
    if row["redeemed_ms"] is not None:
        raise BadRequest(21301, f"Tokeny dla operacji uwierzytelniania {row['ref']} zostały już pobrane.")
    now = world.now
    until = (now + world.switches.ms("refresh_token_ttl_s")) // 1000
    sql = "UPDATE auth_ops SET redeemed_ms = ?, refresh_until_ms = ? WHERE ref = ? AND redeemed_ms IS NULL"
    world.store.run(sql, now, until * 1000, row["ref"])
    refresh = {**_base_claims(world, row), "typ": REFRESH, "exp": until}
    refresh_token = {"token": tokens.sign(refresh, world.authority.jwt_secret), "validUntil": iso(until * 1000)}
    return reply(request, {"accessToken": _access_token(world, row), "refreshToken": refresh_token})


async def refresh(request: web.Request) -> web.Response:
    """POST /auth/token/refresh: a new access token; the refresh token stays valid (A9)."""
    world = world_of(request)
    claims = claims_of(request, REFRESH)
    row = _operation(world, claims["arn"], forever=True)
    if row["revoked"]:
        raise BadRequest(21301, "Status uwierzytelniania (425) nie pozwala na pobranie tokenów.")
    token = world.store.one("SELECT revoked_ms FROM ksef_tokens WHERE ref = ?", row["token_ref"])
    if token is not None and token["revoked_ms"] is not None:
        raise BadRequest(21301, "Token KSeF został unieważniony.")
    world.store.run("UPDATE auth_ops SET refreshed_ms = ? WHERE ref = ?", world.now, row["ref"])
    return reply(request, {"accessToken": _access_token(world, row)})


async def list_sessions(request: web.Request) -> web.Response:
    """GET /auth/sessions: the caller's redeemed logins in this context, newest first."""
    world = world_of(request)
    who = caller(request)
    rows = world.store.all(
        "SELECT * FROM auth_ops WHERE context_type = ? AND context_value = ? AND subject_type = ?"
        " AND subject_value = ? AND redeemed_ms IS NOT NULL AND refresh_until_ms > ? ORDER BY created_ms DESC, ref",
        who.context.type,
        who.context.value,
        who.subject_type,
        who.subject_value,
        world.now,
    )
    page, token = listing.page(request, rows, owner=who.subject_key, low=10, high=100)
    items = [
        {**_view(world, row), "referenceNumber": row["ref"], "isCurrent": row["ref"] == who.auth_ref} for row in page
    ]
    return reply(request, {"continuationToken": token, "items": items})


async def revoke_current(request: web.Request) -> web.Response:
    """DELETE /auth/sessions/current: the refresh token dies, access tokens live to their expiry (A9)."""
    who = caller(request)
    world_of(request).store.run("UPDATE auth_ops SET revoked = 1 WHERE ref = ?", who.auth_ref)
    return web.Response(status=204)


async def revoke(request: web.Request) -> web.Response:
    """DELETE /auth/sessions/{referenceNumber}: the same for another login of the same subject (A9)."""
    who = caller(request)
    sql = "UPDATE auth_ops SET revoked = 1 WHERE ref = ? AND subject_type = ? AND subject_value = ?"
    ref = request.match_info["referenceNumber"]
    if not world_of(request).store.run(sql, ref, who.subject_type, who.subject_value):
        raise BadRequest(21405, f"Sesja {ref} nie istnieje.")
    return web.Response(status=204)


def _unknown(ref: str) -> BadRequest:
    return BadRequest(21304, f"Operacja uwierzytelniania o numerze referencyjnym {ref} nie została znaleziona.")


def _operation(world: World, ref: str, *, forever: bool = False) -> Row:
    row = world.store.one("SELECT * FROM auth_ops WHERE ref = ?", ref)
    if row is None:
        raise _unknown(ref)
    if not forever and row["created_ms"] + RETENTION_MS < world.now:
        raise Gone("Status operacji uwierzytelniania nie jest już dostępny.")
    return row


def _code(world: World, row: Row) -> int:
    if world.now < row["ready_ms"]:
        return 100
    return 425 if row["revoked"] else int(row["code"])


def _view(world: World, row: Row) -> dict[str, Any]:
    code = _code(world, row)
    detail = row["details"] or DETAILS.get(code)
    by_token = row["token_ref"] is not None
    info = {"category": "Token" if by_token else "XadesSignature", "code": "token.ksef" if by_token else "xades"}
    info["displayName"] = "Token KSeF" if by_token else "Podpis XAdES"
    redeemed = row["redeemed_ms"] is not None
    return {
        "startDate": iso(row["created_ms"]),
        "authenticationMethod": row["method"],
        "authenticationMethodInfo": info,
        "status": status_info(code, DESCRIPTIONS[code], [detail] if detail and code >= 400 else None),
        "isTokenRedeemed": redeemed if code in (200, 425) else None,
        "lastTokenRefreshDate": iso(row["refreshed_ms"]) if row["refreshed_ms"] else None,
        "refreshTokenValidUntil": iso(row["refresh_until_ms"]) if redeemed else None,
    }


def _base_claims(world: World, row: Row) -> dict[str, Any]:
    issuer = f"ksef-api-{'te' if world.profile == 'test' else 'prod'}"
    return {"arn": row["ref"], "iat": world.now // 1000, "iss": issuer, "aud": issuer}


def _access_token(world: World, row: Row) -> dict[str, str]:
    until = (world.now + world.switches.ms("access_token_ttl_s")) // 1000
    permissions = tuple(json.loads(row["permissions"]))
    named = ["Owner"] if is_owner(permissions) and row["token_ref"] is None else list(permissions)
    claims = {
        **_base_claims(world, row),
        "typ": ACCESS,
        "exp": until,
        "cit": row["context_type"],
        "civ": row["context_value"],
        "aum": row["method"],
        "sud": row["subject_details"],
        "per": json.dumps(named),
        "pec": "[]",
        "rol": "[]",
        "pep": json.dumps(named),
        "iop": row["policy"],
    }
    return {"token": tokens.sign(claims, world.authority.jwt_secret), "validUntil": iso(until * 1000)}
