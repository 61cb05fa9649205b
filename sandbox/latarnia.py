"""Latarnia, the lighthouse: outage announcements on their own path prefix, and their control (G1–G7)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox import beacon, faults
from sandbox.beacon import FAILURES, GRAVITY, Beacon, Event, Message, Post, instant
from sandbox.clock import iso
from sandbox.errors import ControlError
from sandbox.world import World, world_of

TEXTS = ("start", "end", "published", "title", "text", "correct", "category", "type")
FLAGS = ("same_event", "end_former", "as_is", "reset")
FIELDS = {"status", "messages", "down", "eventId", "mode", *TEXTS, *FLAGS}
DOWN = ("500", "502", "503", "504", "refuse", "timeout")
DENIED = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'


async def status(request: web.Request) -> web.StreamResponse:
    """GET /latarnia/status: AVAILABLE without `messages` by default, else the running events' (G1, G2)."""
    world, light = _lit(request)
    if light.down:
        return await _down(request, light.down)
    word, messages = light.status(world.now)
    return web.json_response({"status": word} | ({} if messages is None else {"messages": messages}))


async def messages(request: web.Request) -> web.StreamResponse:
    """GET /latarnia/messages: an array, newest first; messages vanish after `latarnia_retention_s` (G2)."""
    world, light = _lit(request)
    if light.down:
        return await _down(request, light.down)
    return web.json_response(light.messages(world.now, world.switches.ms("latarnia_retention_s")))


async def unknown(request: web.Request) -> web.StreamResponse:
    """Any other path of Latarnia: the storage service behind it denies access (protocol §18)."""
    _, light = _lit(request)
    if light.down:
        return await _down(request, light.down)
    return web.Response(status=403, text=DENIED, content_type="application/xml")


async def control(request: web.Request) -> web.Response:
    """POST /sandbox/latarnia: set status, publish or correct messages, take Latarnia down, or reset (see README)."""
    world, light = _lit(request)
    before = {post.no: post.message for post in light.posts}
    try:
        body = json.loads(await request.read())
        _check(body)
        light = changed(light, body, world.now)
    except (ValueError, TypeError) as fault:
        raise ControlError(str(fault)) from fault
    world.store.set_meta("latarnia", light.dump())
    fresh = [post.message for post in light.posts if before.get(post.no) is not post.message]
    events = [
        {"eventId": event.number, "status": event.status, "start": _iso(event.start_ms), "end": _iso(event.end_ms)}
        for event in light.events
    ]
    answer = {"status": light.status(world.now)[0], "down": light.down, "published": fresh, "events": events}
    return web.json_response(answer)


def changed(light: Beacon, body: dict[str, Any], now: int) -> Beacon:
    """The beacon after a control call; ValueError for what makes no sense, and then nothing has changed."""
    if body.get("reset"):
        light = Beacon()
    if "down" in body:
        light.down = "502" if body["down"] is True else body["down"] or None
    if body.get("mode"):
        return beacon.mock(light.down)
    if "correct" in body:
        _correct(light, body, now)
    given = None
    if "messages" in body:
        as_is = bool(body.get("as_is"))
        given = [light.publish(message, now, as_is=as_is) for message in body["messages"]]
    word = body.get("status")
    if word in (None, "AVAILABLE"):
        for post in given or []:
            light.plan(post)
    if word == "AVAILABLE":
        _end(light, body, now, silent=given is not None)
    elif word is not None and given is not None:
        _show(light, word, given, now)
    elif word is not None:
        _begin(light, body, now)
    return light


def _show(light: Beacon, word: str, given: list[Post], now: int) -> None:
    """/status is exactly this word with exactly these messages, until a call with another status."""
    numbers = [post.message.get("eventId") for post in given]
    for event in light.running(now):
        if event.exact or event.number in numbers:
            light.close(event, now)
    for number in dict.fromkeys(numbers or [None]):
        shown = [post.no for post in given if post.message.get("eventId") == number]
        whose = number if isinstance(number, int) else None
        light.events.append(Event(whose, word, None, None, shown, exact=True))


def _begin(light: Beacon, body: dict[str, Any], now: int) -> None:
    """Begin (or announce) an event and write its message, or continue the running failure (G2, G4, G7)."""
    word = body["status"]
    if word not in GRAVITY:
        raise ValueError(f"status: one of {', '.join(GRAVITY)}, or any word together with messages")
    start, end = instant(body.get("start")), instant(body.get("end"))
    begins = now if start is None else start
    if end is not None and end <= begins:
        raise ValueError("end: not after start")
    for event in light.running(now):
        event.exact = False
        if event.status not in GRAVITY:
            light.close(event, now)
    failures = [event for event in light.running(now) if event.status in FAILURES]
    if word in FAILURES and failures and body.get("same_event"):
        event = failures[-1]
        event.status = word
        light.close(event, event.end_ms if end is None else end)
    else:
        event = Event(light.last_event + 1, word, begins, end, [])
        for former in failures if word in FAILURES else ():
            if former.status != word:
                _supersede(light, former, body, now, max(now, begins))
        light.events.append(event)
    _announce(light, event, body, now)


def _supersede(light: Beacon, former: Event, body: dict[str, Any], now: int, end_ms: int) -> None:
    """The escalated failure gives way to the new event; its FAILURE_END only if asked for (G4)."""
    light.close(former, end_ms)
    if body.get("end_former"):
        words = {"published": body.get("published") or iso(end_ms)}
        light.publish(_ending(light, former, words, end_ms, now), now, shows_ms=end_ms)


def _announce(light: Beacon, event: Event, body: dict[str, Any], now: int) -> None:
    """The START message now, and the END message of a failure with an announced end when that has come."""
    kind = "FAILURE_START" if event.status in FAILURES else "MAINTENANCE_ANNOUNCEMENT"
    post = light.publish(
        beacon.written(
            body,
            now,
            id=light.fresh_id(event.status, now),
            eventId=event.number,
            category=event.status,
            type=kind,
            start=body.get("start") or light.start_of(event) or iso(now),
            end=body.get("end"),
        ),
        now,
    )
    event.shown.append(post.no)
    if event.status in FAILURES and event.end_ms is not None:
        said = max(event.end_ms, instant(body.get("published")) or 0)
        closing = _ending(light, event, {"end": body.get("end"), "published": iso(said)}, event.end_ms, now)
        event.closing = light.publish(closing, now, shows_ms=event.end_ms).no


def _end(light: Beacon, body: dict[str, Any], now: int, *, silent: bool) -> None:
    """End the running events, or the one of `eventId`; failures get their FAILURE_END unless silent (G3)."""
    wanted = body.get("eventId")
    chosen = [event for event in light.running(now) if wanted in (None, event.number)]
    if wanted is not None and not chosen:
        raise ValueError(f"eventId: no running event {wanted}")
    for event in chosen:
        light.close(event, now)
        if event.status in FAILURES and not silent:
            light.publish(_ending(light, event, body, now, now), now)


def _ending(light: Beacon, event: Event, body: dict[str, Any], end_ms: int, now: int) -> Message:
    return beacon.written(
        body,
        now,
        id=light.fresh_id(event.status, now),
        eventId=event.number,
        category=event.status,
        type="FAILURE_END",
        start=body.get("start") or light.start_of(event) or iso(end_ms),
        end=body.get("end") or iso(end_ms),
    )


def _correct(light: Beacon, body: dict[str, Any], now: int) -> None:
    """Re-issue a message with other words or dates, one version up; the event it opened follows its dates (G3)."""
    post = light.post_of(body["correct"])
    changes = {name: body[name] for name in ("title", "text", "start", "end", "category", "type") if name in body}
    message = post.message | changes | {"published": body.get("published") or iso(now)}
    fresh = light.publish(message, now, shows_ms=post.shows_ms)
    light.plan(fresh)
    start = instant(changes.get("start"))
    for event in light.events:
        if event.shown[:1] == [post.no] and start is not None:
            event.start_ms = start


def _check(body: Any) -> None:
    """Every field known and of its type; ValueError or TypeError names the first that is not."""
    if not isinstance(body, dict):
        raise TypeError("the body is not a JSON object")
    strange = set(body) - FIELDS
    if strange:
        raise ValueError(f"unknown fields: {', '.join(sorted(strange))}")
    for name in set(body) & {*TEXTS, "status"}:
        if not isinstance(body[name], str) and not (body[name] is None and name in ("start", "end", "published")):
            raise ValueError(f"{name}: not a text")
    for name in ("start", "end", "published"):
        if body.get(name) is not None and instant(body[name]) is None:
            raise ValueError(f"{name}: not a date-time with an offset")
    listed = body.get("messages", [])
    if not isinstance(listed, list) or not all(isinstance(message, dict) for message in listed):
        raise ValueError("messages: not a list of objects")
    if body.get("mode", "test_mock") != "test_mock":
        raise ValueError("mode: only test_mock")
    down = body.get("down")
    if not (down is None or isinstance(down, bool) or down in DOWN):
        raise ValueError(f"down: true, false or one of {', '.join(DOWN)}")


def _lit(request: web.Request) -> tuple[World, Beacon]:
    world = world_of(request)
    return world, Beacon.load(world.store.get_meta("latarnia"))


def _iso(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else iso(instant_ms)


async def _down(request: web.Request, how: str) -> web.Response:
    """An HTML error page, the connection dropped, or silence until the client goes (G5)."""
    if how == "refuse":
        return faults.drop(request)
    if how == "timeout":
        return await faults.hang(request, None)
    return faults.error_page(int(how))
