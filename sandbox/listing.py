"""Paging: continuation tokens bound to the caller and the query (I23), and page indexes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from aiohttp import web

from sandbox.errors import BadRequest
from sandbox.fields import query_int
from sandbox.world import world_of


def page(
    request: web.Request, rows: list[Any], *, owner: str, low: int = 10, high: int = 1000, default: int = 10
) -> tuple[list[Any], str | None]:
    """One page of rows and the token of the next; 21418 for a foreign or altered token (I23)."""
    size = query_int(request, "pageSize", default, low, high)
    given = request.headers.get("x-continuation-token")
    scope = f"{owner}|{request.path}"
    start = 0 if not given else _read(request, given, scope)
    following = start + size
    return rows[start:following], _make(request, following, scope) if following < len(rows) else None


def _make(request: web.Request, start: int, scope: str) -> str:
    raw = f"{start}.{_mac(request, start, scope)}"
    return base64.urlsafe_b64encode(raw.encode("ascii")).decode("ascii")


def _read(request: web.Request, token: str, scope: str) -> int:
    try:
        start, _, mac = base64.urlsafe_b64decode(token).decode("ascii").partition(".")
        place = int(start)
    except ValueError as fault:
        raise BadRequest(21418) from fault
    if not hmac.compare_digest(mac, _mac(request, place, scope)):
        raise BadRequest(21418)
    return place


def _mac(request: web.Request, start: int, scope: str) -> str:
    secret = world_of(request).authority.url_secret
    return hmac.new(secret, f"list|{start}|{scope}".encode(), hashlib.sha256).hexdigest()[:32]
