"""Scripted misbehaviour as data, and the middleware that acts it out (F1, F2, I17)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.clock import parse_iso
from sandbox.errors import BadRequest, Forbidden, Refusal, TooManyRequests
from sandbox.store import Store

if TYPE_CHECKING:
    from sandbox.clock import Clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HOLD: web.RequestKey[str] = web.RequestKey("hold", str)
VERDICT: web.RequestKey[dict[str, Any]] = web.RequestKey("verdict", dict)
WHOLE = "ksef"
ITEMS = "POST /v2/sessions/batch/{referenceNumber}/invoices"
KINDS = (
    "refuse",
    "timeout_before",
    "timeout_after",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "html_200",
    "empty_403",
    "empty_413",
    "429",
    "truncate",
    "bad_hash",
    "21173",
    "21184",
    "foreign_403",
    "stuck_150",
)
VERDICT_KIND = re.compile(r"verdict_[45]\d\d")
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>Request could not be served.</p></body></html>"


class Faults:
    """The scripted faults, kept in the store so that a restart does not heal them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults: dict[str, dict[str, Any]] = store.get_meta("faults", {})

    def view(self) -> list[dict[str, Any]]:
        """Every fault with its remaining count, in order of arrival."""
        return list(self._faults.values())

    def add(self, body: dict[str, Any]) -> str:
        """Script a fault; ValueError says what is wrong with the description."""
        fault = _checked(body)
        fault["id"] = secrets.token_hex(4)
        self._faults[fault["id"]] = fault
        self._save()
        return str(fault["id"])

    def remove(self, fault_id: str | None) -> list[str]:
        """Forget one fault, or all; the ids that went."""
        gone = list(self._faults) if fault_id is None else [key for key in self._faults if key == fault_id]
        for key in gone:
            del self._faults[key]
        self._save()
        return gone

    def pick(self, endpoint: str, path: str, clock: Clock) -> dict[str, Any] | None:
        """The first fault that applies to this request; its count goes down by one."""
        return self._pick(list(self._faults.values()), endpoint, path, clock)

    def pick_item(self, path: str, clock: Clock) -> dict[str, Any] | None:
        """The first fault on the fate of one invoice of a package; its count goes down by one."""
        fates = [
            fault for fault in self._faults.values() if fault["kind"] == "stuck_150" or fault["details"] is not None
        ]
        return self._pick(fates, ITEMS, path, clock)

    def _pick(self, faults: list[dict[str, Any]], endpoint: str, path: str, clock: Clock) -> dict[str, Any] | None:
        for fault in faults:
            if not _covers(fault["endpoint"], endpoint) or fault["count"] == 0:
                continue
            if fault["match"] and fault["match"] not in path:
                continue
            now = clock.now_ms()
            if not fault["from_ms"] <= now < fault["until_ms"]:
                continue
            if random.random() >= fault["probability"]:  # noqa: S311 - not a secret
                continue
            if fault["count"] is not None:
                fault["count"] -= 1
                self._save()
            return fault
        return None

    def _save(self) -> None:
        self._store.set_meta("faults", self._faults)


def _covers(pattern: str, endpoint: str) -> bool:
    """`ksef` is everything but Latarnia; other patterns are compared with `METHOD /path-template`."""
    if pattern == WHOLE:
        return not endpoint.partition(" ")[2].startswith("/latarnia")
    return fnmatchcase(endpoint, pattern)


def _details(body: dict[str, Any], kind: str) -> list[str] | None:
    """What a verdict says; None for the other kinds."""
    given = body.get("details")
    if not VERDICT_KIND.fullmatch(kind):
        if given is not None:
            raise ValueError("details: only with a verdict")
        return None
    if given is not None and not (isinstance(given, list) and all(isinstance(text, str) for text in given)):
        raise ValueError("details: a list of texts")
    return given or [f"Odrzucono na życzenie testu ({kind})."]


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    kind = str(body.get("kind"))
    if kind not in KINDS and not VERDICT_KIND.fullmatch(kind):
        raise ValueError(f"kind: unknown {kind!r}; one of {', '.join(KINDS)}, verdict_4xx, verdict_5xx")
    known = {"endpoint", "kind", "count", "probability", "retry_after", "hold_s", "match", "from", "until", "details"}
    strange = set(body) - known
    if strange:
        raise ValueError(f"unknown fields: {', '.join(sorted(strange))}")
    count = body.get("count")
    if count is not None and (not isinstance(count, int) or count < 0):
        raise ValueError("count: a whole number or null")
    return {
        "endpoint": str(body.get("endpoint", "*")),
        "kind": kind,
        "count": count,
        "probability": float(body.get("probability", 1.0)),
        "retry_after": int(body.get("retry_after", 30)),
        "hold_s": None if body.get("hold_s") is None else float(body["hold_s"]),
        "match": body.get("match") or "",
        "details": _details(body, kind),
        "from_ms": parse_iso(body["from"]) if body.get("from") else 0,
        "until_ms": parse_iso(body["until"]) if body.get("until") else 1 << 62,
    }


async def act(fault: dict[str, Any], request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve the request the way the fault says."""
    kind = fault["kind"]
    if kind == "refuse":
        return drop(request)
    if kind == "timeout_before":
        return await hang(request, fault["hold_s"])
    if kind == "timeout_after":
        await _process(request, handler)
        return await hang(request, fault["hold_s"])
    if kind.startswith("http_") or kind == "html_200":
        return error_page(int(kind.rpartition("_")[2]))
    if kind in ("empty_403", "empty_413"):
        return web.Response(status=int(kind[-3:]))
    if kind == "429":
        raise TooManyRequests(fault["retry_after"], "żądań (wstrzyknięty)")
    ref = request.match_info.get("referenceNumber", "")
    if kind == "21173":
        raise BadRequest(21173, f"Sesja o numerze referencyjnym {ref} nie została znaleziona.")
    if kind == "21184":
        raise BadRequest(21184, f"Trwają prace serwisowe i sesja {ref} jest tymczasowo niedostępna.")
    if kind == "foreign_403":
        raise Forbidden("insufficient-resource-access", "Brak dostępu do zasobu.")
    if kind == "stuck_150":
        request[HOLD] = fault["id"]
        return await handler(request)
    if kind.startswith("verdict_"):
        request[VERDICT] = fault
        return await handler(request)
    response = await handler(request)
    return await _truncated(request, response) if kind == "truncate" else _bad_hash(response)


async def _process(request: web.Request, handler: Handler) -> None:
    """Do the work and throw the answer away, whatever it was."""
    try:
        await handler(request)
    except (web.HTTPException, Refusal):
        return


def error_page(code: int) -> web.Response:
    """The HTML page of whatever stands before the service, with this status."""
    titles = {200: "Welcome", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}
    page = HTML.format(f"{code} {titles.get(code, 'Gateway Timeout')}")
    return web.Response(status=code, text=page, content_type="text/html")


def drop(request: web.Request) -> web.Response:
    """Cut the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def hang(request: web.Request, seconds: float | None) -> web.Response:
    """Say nothing until the client gives up, or for so many real seconds; then close the connection."""
    end = None if seconds is None else time.monotonic() + seconds
    while request.transport is not None and not request.transport.is_closing():
        if end is not None and time.monotonic() >= end:
            break
        await asyncio.sleep(0.02)
    return drop(request)


async def _truncated(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """The right headers, half of the body, then a closed connection."""
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or len(body) < 2:
        return response
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = len(body)
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return partial


def _bad_hash(response: web.StreamResponse) -> web.StreamResponse:
    if "x-ms-meta-hash" in response.headers:
        wrong = hashlib.sha256(b"wrong on purpose").digest()
        response.headers["x-ms-meta-hash"] = base64.b64encode(wrong).decode("ascii")
    return response
