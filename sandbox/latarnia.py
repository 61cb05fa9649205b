"""Latarnia, the lighthouse: outage announcements on their own path prefix (G1–G7; protocol §18)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox.clock import iso, parse_iso, warsaw_day
from sandbox.faults import HTML
from sandbox.world import World, world_of

STATUSES = ("AVAILABLE", "MAINTENANCE", "FAILURE", "TOTAL_FAILURE")
FIELDS = ("status", "messages", "down", "start", "end", "title", "text", "same_event", "mode", "reset")
EMPTY: dict[str, Any] = {"status": "AVAILABLE", "history": [], "current": [], "event": 0, "issued": 0, "down": None}
MOCK = {
    "id": "K/2026/AWR/02",
    "eventId": 2,
    "category": "TOTAL_FAILURE",
    "type": "FAILURE_START",
    "title": "Awaria całkowita (komunikat przykładowy)",
    "text": "Komunikat przykładowy środowiska testowego.",
    "start": "2026-01-31T08:00:00+01:00",
    "end": None,
    "version": 1,
    "published": "2026-01-31T08:05:00+01:00",
}


async def status(request: web.Request) -> web.StreamResponse:
    """GET /latarnia/status: AVAILABLE without `messages` by default, else the running event's (G1, G2)."""
    world = world_of(request)
    state = _load(world)
    if state["down"]:
        return _down(request, state["down"])
    word, messages = _present(world, state)
    return web.json_response({"status": word} | ({"messages": messages} if word != "AVAILABLE" else {}))


async def messages(request: web.Request) -> web.StreamResponse:
    """GET /latarnia/messages: the whole history as an array, newest first (G2)."""
    state = _load(world_of(request))
    if state["down"]:
        return _down(request, state["down"])
    return web.json_response(list(reversed(state["history"])))


async def control(request: web.Request) -> web.Response:
    """POST /sandbox/latarnia: set status, publish messages, take Latarnia down, or reset (see README)."""
    world = world_of(request)
    try:
        body = json.loads(await request.read())
        state = changed(world, _load(world), body)
    except (ValueError, TypeError, AttributeError) as fault:
        return web.json_response({"error": str(fault)}, status=400)
    world.store.set_meta("latarnia", state)
    return web.json_response(state)


def changed(world: World, state: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The state after a control call; ValueError for an unknown field, status or message."""
    strange = set(body) - set(FIELDS)
    if strange:
        raise ValueError(f"unknown fields: {', '.join(sorted(strange))}")
    if body.get("reset"):
        state = json.loads(json.dumps(EMPTY))
    if "down" in body:
        state["down"] = "502" if body["down"] is True else body["down"] or None
    if body.get("mode") == "test_mock":
        return state | {"status": "TOTAL_FAILURE", "history": [MOCK], "current": [MOCK["id"]], "event": 2}
    for message in body.get("messages") or []:
        _publish(state, message)
    if "status" in body:
        if body["status"] not in STATUSES:
            raise ValueError(f"status: one of {', '.join(STATUSES)}")
        _turn(world, state, body)
    return state


def _announce(world: World, state: dict[str, Any], body: dict[str, Any]) -> None:
    """Announce maintenance from `start` (or now) to `end`; the clock does the rest (G7)."""
    start = parse_iso(body["start"]) if body.get("start") else world.now
    if body.get("end") and parse_iso(body["end"]) <= start:
        raise ValueError("end: not after start")
    state["status"], state["current"] = "AVAILABLE", []
    state["event"] += 1
    fresh = body | {"start": body.get("start") or iso(world.now)}
    message = _written(world, state, "MAINTENANCE", "MAINTENANCE_ANNOUNCEMENT", fresh)
    _publish(state, message)
    state["planned"] = [*state.get("planned", []), message["id"]]


def _turn(world: World, state: dict[str, Any], body: dict[str, Any]) -> None:
    """Change the status; where no messages are given, write them as the ministry would (G3, G4)."""
    word = body["status"]
    given = [message["id"] for message in body.get("messages") or []]
    if word == "MAINTENANCE" and not given and (body.get("start") or body.get("end")):
        _announce(world, state, body)
        return
    before = state["status"]
    state["status"] = word
    if given:
        state["current"] = given if word != "AVAILABLE" else []
        return
    if word == "AVAILABLE":
        if before in ("FAILURE", "TOTAL_FAILURE"):
            _publish(state, _written(world, state, before, "FAILURE_END", body))
        state["over"] = [*state.get("over", []), *(message["id"] for message in _maintenance(world, state))]
        state["current"] = []
        return
    if before == "AVAILABLE" or not body.get("same_event"):
        state["event"] += 1
    kind = "MAINTENANCE_ANNOUNCEMENT" if word == "MAINTENANCE" else "FAILURE_START"
    message = _written(world, state, word, kind, body)
    _publish(state, message)
    state["current"] = [message["id"]]


def _written(world: World, state: dict[str, Any], category: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    now = iso(world.now)
    state["issued"] += 1
    start = body.get("start") or _start_of(state) or now
    end = body.get("end") or (now if kind == "FAILURE_END" else None)
    return {
        "id": f"K/{warsaw_day(world.now).year}/{'PRT' if category == 'MAINTENANCE' else 'AWR'}/{state['issued']:02d}",
        "eventId": state["event"],
        "category": category,
        "type": kind,
        "title": body.get("title") or f"{category}: {kind}",
        "text": body.get("text") or "Komunikat symulatora.",
        "start": start,
        "end": end,
        "version": 1,
        "published": now,
    }


def _start_of(state: dict[str, Any]) -> str | None:
    """The start of the running event, for messages that continue or end it."""
    of_event = [message for message in state["history"] if message["eventId"] == state["event"]]
    return of_event[-1]["start"] if of_event else None


def _publish(state: dict[str, Any], message: dict[str, Any]) -> None:
    """Add a message; the same id again replaces it, one version higher unless a higher one is given (G3)."""
    for name in ("id", "eventId", "category", "type", "start", "published"):
        if name not in message:
            raise ValueError(f"message without {name}")
    for name in ("start", "end") if message["type"] == "MAINTENANCE_ANNOUNCEMENT" else ():
        if message.get(name):
            parse_iso(message[name])
    former = [known["version"] for known in state["history"] if known["id"] == message["id"]]
    given = int(message.get("version") or 1)
    message = message | {"version": max(given, former[0] + 1) if former else given}
    state["over"] = [known for known in state.get("over", []) if known != message["id"]]
    state["history"] = [known for known in state["history"] if known["id"] != message["id"]] + [message]
    state["event"] = max(state["event"], int(message["eventId"]))


def _present(world: World, state: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The status now: what was set, or MAINTENANCE while an announced one runs (G7)."""
    if state["status"] != "AVAILABLE":
        return state["status"], [message for message in state["history"] if message["id"] in state["current"]]
    running = _maintenance(world, state)
    return ("MAINTENANCE", running) if running else ("AVAILABLE", [])


def _maintenance(world: World, state: dict[str, Any]) -> list[dict[str, Any]]:
    """Announced maintenance running now; one set by `status` without an end runs until somebody says AVAILABLE."""
    running = []
    for message in state["history"]:
        endless = not message.get("end") and message["id"] in state.get("planned", [])
        if message["type"] != "MAINTENANCE_ANNOUNCEMENT" or message["id"] in state.get("over", []):
            continue
        if not endless and not message.get("end"):
            continue
        if parse_iso(message["start"]) <= world.now and (endless or world.now < parse_iso(message["end"])):
            running.append(message)
    return running


def _load(world: World) -> dict[str, Any]:
    state: dict[str, Any] = world.store.get_meta("latarnia") or json.loads(json.dumps(EMPTY))
    return state


def _down(request: web.Request, how: str) -> web.Response:
    """502 or 504 with an HTML page, or the connection dropped (G5)."""
    if how == "refuse":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    code = 504 if how == "504" else 502
    return web.Response(status=code, text=HTML.format(f"{code} Bad Gateway"), content_type="text/html")
