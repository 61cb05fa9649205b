"""KSeF tokens: generate, list, show, revoke (protocol §2.5)."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

from aiohttp import web

from sandbox import listing, numbers
from sandbox.clock import iso, warsaw_day
from sandbox.errors import BadRequest, Forbidden
from sandbox.fields import json_body
from sandbox.permissions import OWNER
from sandbox.principal import Principal, caller
from sandbox.replies import reply
from sandbox.store import Row
from sandbox.world import world_of

CONTEXT_TYPES = ("Nip", "InternalId")


async def generate(request: web.Request) -> web.Response:
    """POST /tokens: the token text, shown once; 26001, 26002; not for callers who came with a token."""
    world = world_of(request)
    who = caller(request)
    if who.category == "Token":
        security = {"authenticationMethodCategory": "Token"}
        raise Forbidden("auth-method-not-allowed", "Wymagane uwierzytelnienie podpisem XAdES.", security=security)
    body = await json_body(request)
    description = body.text("description", 5, 256)
    wanted = body.values("permissions", 1)
    if any(item not in OWNER for item in wanted):
        raise BadRequest(21001, "Pole 'permissions': nieznana wartość.")
    if who.context.type not in CONTEXT_TYPES:
        raise BadRequest(26002, f"Kontekst {who.context.type}; dozwolone: {', '.join(CONTEXT_TYPES)}.")
    missing = sorted(set(wanted) - set(who.permissions))
    if missing:
        raise BadRequest(26001, f"Brakujące uprawnienia: {', '.join(missing)}.")
    now = world.now
    ref = numbers.reference("EC", warsaw_day(now))
    kind = "nip" if who.context.type == "Nip" else "internalId"
    text = f"{ref}|{kind}-{who.context.value}|{secrets.token_hex(32)}"
    world.store.add(
        "ksef_tokens",
        ref=ref,
        token_hash=hashlib.sha256(text.encode()).hexdigest(),
        created_ms=now,
        active_ms=now + world.switches.ms("token_activation_delay_s"),
        context_type=who.context.type,
        context_value=who.context.value,
        author_type=who.subject_type,
        author_value=who.subject_value,
        description=description,
        permissions=json.dumps(sorted(set(wanted))),
    )
    return reply(request, {"referenceNumber": ref, "token": text}, 202)


async def list_all(request: web.Request) -> web.Response:
    """GET /tokens: all of the context for CredentialsRead or -Manage, else one's own, newest first."""
    who = caller(request)
    rows = world_of(request).store.all(
        "SELECT * FROM ksef_tokens WHERE context_type = ? AND context_value = ? ORDER BY created_ms DESC, ref",
        who.context.type,
        who.context.value,
    )
    items = [_view(request, row) for row in rows if _may_see(who, row)]
    items = [item for item in items if _matches(request, item)]
    page, token = listing.page(request, items, owner=who.subject_key, low=10, high=100)
    return reply(request, {"continuationToken": token, "tokens": page})


async def show(request: web.Request) -> web.Response:
    """GET /tokens/{referenceNumber}."""
    return reply(request, _view(request, _find(request, caller(request))))


async def remove(request: web.Request) -> web.Response:
    """DELETE /tokens/{referenceNumber}: revoked at once; logins with it end in 450."""
    world = world_of(request)
    row = _find(request, caller(request))
    sql = "UPDATE ksef_tokens SET revoked_ms = ? WHERE ref = ? AND revoked_ms IS NULL"
    world.store.run(sql, world.now, row["ref"])
    return web.Response(status=204)


def _find(request: web.Request, who: Principal) -> Row:
    ref = request.match_info["referenceNumber"]
    row = world_of(request).store.one("SELECT * FROM ksef_tokens WHERE ref = ?", ref)
    same = row is not None and (row["context_type"], row["context_value"]) == (who.context.type, who.context.value)
    if row is None or not same or not _may_see(who, row):
        raise BadRequest(21405, f"Token {ref} nie istnieje.")
    return row


def _may_see(who: Principal, row: Row) -> bool:
    if {"CredentialsRead", "CredentialsManage"} & set(who.permissions):
        return True
    if who.category == "Token":
        return bool(row["ref"] == who.token_ref)
    return (row["author_type"], row["author_value"]) == (who.subject_type, who.subject_value)


def _matches(request: web.Request, item: dict[str, Any]) -> bool:
    query = request.query
    statuses = query.getall("status", []) + query.getall("status[]", [])
    text = query.get("description", "").lower()
    return (not statuses or item["status"] in statuses) and text in item["description"].lower()


def _view(request: web.Request, row: Row) -> dict[str, Any]:
    now = world_of(request).now
    status = "Pending" if now < row["active_ms"] else "Active" if row["revoked_ms"] is None else "Revoked"
    return {
        "referenceNumber": row["ref"],
        "authorIdentifier": {"type": row["author_type"], "value": row["author_value"]},
        "contextIdentifier": {"type": row["context_type"], "value": row["context_value"]},
        "description": row["description"],
        "requestedPermissions": json.loads(row["permissions"]),
        "dateCreated": iso(row["created_ms"]),
        "lastUseDate": iso(row["last_use_ms"]) if row["last_use_ms"] else None,
        "status": status,
    }
