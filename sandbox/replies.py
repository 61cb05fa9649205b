"""Building responses: JSON with offsets and no nulls, XML with its hash, refusals in both formats."""

from __future__ import annotations

import json
import secrets
from typing import Any

from aiohttp import web

from sandbox.clock import iso
from sandbox.crypto import sha256_b64
from sandbox.errors import BadRequest, Refusal, TooManyRequests
from sandbox.world import world_of


def reply(request: web.Request, body: Any, status: int = 200) -> web.Response:
    """A JSON answer; None fields are left out, unknown ones added when the switch says so (F7)."""
    world = world_of(request)
    body = compact(body)
    if world.switches["extra_json_fields"]:
        body = _with_extras(body)
    return web.json_response(body, status=status, dumps=_dumps)


def xml_reply(data: bytes) -> web.Response:
    """An XML document with `x-ms-meta-hash` = Base64 SHA-256 of exactly these bytes (U3, U5)."""
    return web.Response(body=data, content_type="application/xml", headers={"x-ms-meta-hash": sha256_b64(data)})


def refusal_reply(request: web.Request, refusal: Refusal) -> web.Response:
    """A refusal in the format asked for: 400 and 429 legacy by default, the others always problem+json (L4)."""
    now = iso(world_of(request).now)
    wants_problem = request.headers.get("X-Error-Format", "").lower() == "problem-details"
    headers: dict[str, str] = {}
    if isinstance(refusal, TooManyRequests):
        headers["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, BadRequest) and not wants_problem:
        return web.json_response(refusal.legacy(now), status=400, dumps=_dumps)
    if isinstance(refusal, TooManyRequests) and not wants_problem:
        return web.json_response(refusal.legacy(), status=429, headers=headers, dumps=_dumps)
    return web.Response(
        text=_dumps(refusal.problem(request.path, now)),
        status=refusal.status,
        content_type="application/problem+json",
        headers=headers,
    )


def compact(value: Any) -> Any:
    """The value without None entries, at every depth."""
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [compact(item) for item in value]
    return value


def status_info(code: int, description: str, details: list[str] | None = None) -> dict[str, Any]:
    """A StatusInfo object; details only when there are any."""
    body: dict[str, Any] = {"code": code, "description": description}
    return body | ({"details": details} if details else {})


def _with_extras(value: Any) -> Any:
    if isinstance(value, dict):
        grown = {key: _with_extras(item) for key, item in value.items()}
        return grown | {f"x{secrets.token_hex(4)}": {"future": True}}
    if isinstance(value, list):
        return [_with_extras(item) for item in value]
    return value


def _dumps(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
