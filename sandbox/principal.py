"""Who is calling: bearer tokens turned into a principal, and the permission checks (A10, A12, L5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox import login_request, tokens
from sandbox.errors import Forbidden, Unauthorized
from sandbox.permissions import Context
from sandbox.world import world_of

OPERATION, ACCESS, REFRESH = "AuthenticationToken", "ContextToken", "RefreshToken"


@dataclass(frozen=True)
class Principal:
    """The bearer of an access token, as the login established it."""

    context: Context
    subject_type: str
    subject_value: str
    permissions: tuple[str, ...]
    auth_ref: str
    category: str
    document_hash: str | None
    token_ref: str | None

    @property
    def subject_key(self) -> str:
        """One string naming the authenticating subject."""
        return f"{self.subject_type}|{self.subject_value}"


def claims_of(request: web.Request, kind: str) -> dict[str, Any]:
    """Claims of the bearer token of the wanted type; Unauthorized if absent, forged, expired or another (A10)."""
    claims = peek(request)
    if claims is None:
        raise Unauthorized("Brak tokena albo token jest nieprawidłowy.")
    if claims.get("typ") != kind:
        raise Unauthorized("Nieprawidłowy typ tokena.")
    if claims["exp"] * 1000 <= world_of(request).now:
        raise Unauthorized("Token wygasł.")
    return claims


def peek(request: web.Request) -> dict[str, Any] | None:
    """Claims of whatever bearer token came along, if the simulator signed it; expiry not judged."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return tokens.read(token.strip(), world_of(request).authority.jwt_secret)


def caller(request: web.Request, *needed: str) -> Principal:
    """The principal of an access token holding at least one of the needed permissions; 401 or 403 (L5)."""
    claims = claims_of(request, ACCESS)
    world = world_of(request)
    if world.switches["security_blocked"]:
        security = {"incidentId": "SIM-1", "clientIp": request.remote}
        raise Forbidden("security-service-blocked", "Żądanie zablokowane.", security=security)
    allowed = tuple(json.loads(claims["iop"]))
    if not login_request.ip_allowed(request.remote or "", allowed):
        security = {"clientIp": request.remote}
        raise Forbidden("ip-not-allowed", "Adres IP nie jest dozwolony.", security=security)
    row = world.store.one("SELECT * FROM auth_ops WHERE ref = ?", claims["arn"])
    if row is None:
        raise Unauthorized("Nieznana operacja uwierzytelnienia.")
    permissions = tuple(json.loads(row["permissions"]))
    if needed and not set(needed) & set(permissions):
        wanted = {"requiredAnyOfPermissions": list(needed), "presentPermissions": list(permissions)}
        raise Forbidden("missing-permissions", "Brak wymaganych uprawnień.", security=wanted)
    return Principal(
        context=Context(row["context_type"], row["context_value"]),
        subject_type=row["subject_type"],
        subject_value=row["subject_value"],
        permissions=permissions,
        auth_ref=row["ref"],
        category="Token" if row["token_ref"] else "XadesSignature",
        document_hash=row["document_hash"],
        token_ref=row["token_ref"],
    )
