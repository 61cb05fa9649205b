"""The /sandbox controls: ledger, requests, faults, clock, switches, keys, authorisations (DESIGN §4.7)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox import grants, register
from sandbox.authority import USAGES
from sandbox.clock import iso, parse_iso, plausible
from sandbox.crypto import b64_to_hex
from sandbox.errors import ControlError
from sandbox.numbers import NIP_PATTERN
from sandbox.permissions import SCOPES, Context
from sandbox.world import world_of


async def ledger(request: web.Request) -> web.Response:
    """GET /sandbox/ledger: every accepted invoice, inbound ones with session null and posts 0."""
    world = world_of(request)
    rows = world.store.all("SELECT * FROM invoices WHERE code = 200 AND final_ms <= ? ORDER BY final_ms, id", world.now)
    posts = {row["sha256"]: row["count"] for row in world.store.all("SELECT * FROM posts")}
    items = []
    for row in rows:
        sha256 = b64_to_hex(row["hash"])
        items.append(
            {
                "ksef_number": row["ksef_number"],
                "sha256": sha256,
                "seller_nip": row["seller_nip"],
                "invoice_number": row["number"],
                "kind": row["kind"],
                "session": row["session_ref"],
                "accepted_at": iso(row["final_ms"]),
                "posts": posts.get(sha256, 0),
                "offline": row["mode"] == "Offline",
                "corrects": b64_to_hex(row["corrects"]) if row["corrects"] else None,
            }
        )
    return web.json_response({"invoices": items})


async def requests(request: web.Request) -> web.Response:
    """GET /sandbox/requests: how often each endpoint was called, and calls made while banned."""
    world = world_of(request)
    return web.json_response({"by_endpoint": world.requests, "in_ban": world.limiter.in_ban})


async def reset_requests(request: web.Request) -> web.Response:
    """DELETE /sandbox/requests: counters to zero, request-limit windows forgotten."""
    world = world_of(request)
    world.requests.clear()
    world.limiter.in_ban = 0
    world.limiter.forget()
    return web.Response(status=204)


async def list_faults(request: web.Request) -> web.Response:
    """GET /sandbox/faults: every scripted fault with what is left of its count."""
    return web.json_response({"faults": world_of(request).faults.view()})


async def add_fault(request: web.Request) -> web.Response:
    """POST /sandbox/faults: script a fault, 201 with its id (F1)."""
    body = await _object(request)
    try:
        fault_id = world_of(request).faults.add(body)
    except (ValueError, TypeError) as error:
        raise ControlError(str(error)) from error
    return web.json_response({"id": fault_id}, status=201)


async def remove_faults(request: web.Request) -> web.Response:
    """DELETE /sandbox/faults[/{id}]: forget faults; invoices they held at 150 and bans they began go free."""
    world = world_of(request)
    gone = world.faults.remove(request.match_info.get("id"))
    for fault_id in gone:
        register.release(world, fault_id)
    world.limiter.lift_injected()
    return web.json_response({"removed": gone})


async def clock(request: web.Request) -> web.Response:
    """GET /sandbox/clock: simulated now."""
    return web.json_response({"now": iso(world_of(request).now)})


async def move_clock(request: web.Request) -> web.Response:
    """POST /sandbox/clock: `{"set": ISO}` or `{"advance_s": n}` (F4).

    Back in time the windows and bans of the request limits begin anew.
    """
    world = world_of(request)
    body = await _object(request)
    before = world.now
    try:
        target = _instant(body, before)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ControlError(f'expected {{"set": ISO}} or {{"advance_s": n}}: {error}') from error
    world.clock.set_ms(target)
    world.store.set_meta("clock_offset_ms", world.clock.offset_ms)
    if target < before:
        world.limiter.forget()
    return web.json_response({"now": iso(world.now)})


def _instant(body: dict[str, Any], now: int) -> int:
    """The instant a clock call means, in ms; what it is not raises an error of its own kind."""
    if len(body) != 1:
        raise ValueError(f"not {sorted(body)}")
    target = parse_iso(body["set"]) if "set" in body else now + round(float(body["advance_s"]) * 1000)
    if not plausible(target):
        raise ValueError("a year before 1900 or after 2999")
    return target


async def switches(request: web.Request) -> web.Response:
    """GET /sandbox/switches: every switch and its value."""
    return web.json_response(world_of(request).switches.view())


async def turn_switches(request: web.Request) -> web.Response:
    """POST /sandbox/switches: set some; releasing `stuck_150` lets the held invoices go."""
    world = world_of(request)
    try:
        world.switches.change(await _object(request))
    except ValueError as error:
        raise ControlError(str(error)) from error
    if not world.switches["stuck_150"]:
        register.release(world, "switch")
    return web.json_response(world.switches.view())


async def keys(request: web.Request) -> web.Response:
    """POST /sandbox/keys: `{"add": usage, "valid_from"?: ISO}` or `{"retire": publicKeyId}` (F3)."""
    world = world_of(request)
    body = await _object(request)
    if body.get("add") in USAGES:
        start = parse_iso(body["valid_from"]) if body.get("valid_from") else world.now
        key = world.authority.add_key(body["add"], start)
        return web.json_response(key.view(), status=201)
    if "retire" in body:
        if not world.authority.retire_key(str(body["retire"])):
            raise ControlError("unknown publicKeyId")
        return web.Response(status=204)
    raise ControlError(f'expected {{"add": one of {USAGES}}} or {{"retire": publicKeyId}}')


async def authorise(request: web.Request) -> web.Response:
    """POST /sandbox/authorizations: `{"seller", "context", "scopes": []}` (rule 5 of the contract's §7)."""
    world = world_of(request)
    body = await _object(request)
    seller, context, scopes = body.get("seller"), body.get("context"), body.get("scopes")
    if not NIP_PATTERN.fullmatch(str(seller)) or not isinstance(scopes, list) or not set(scopes) <= set(SCOPES):
        raise ControlError(f"expected seller NIP, context value and scopes out of {SCOPES}")
    kind = "Nip" if NIP_PATTERN.fullmatch(str(context)) else "PeppolId"
    wanted = dict.fromkeys(scopes, False)
    subject = (kind, str(context))
    grants.replace(world, grants.Grant("authorization", Context("Nip", str(seller)), subject, wanted, "Dane testowe"))
    return web.Response(status=204)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise ControlError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the body is not a JSON object")
    return body
