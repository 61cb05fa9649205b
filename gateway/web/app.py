"""The admin listener as an application: status page, its files, `/readyz`, `/metrics`. Read-only."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import structlog
from aiohttp import web

from gateway.http.answers import add_security_headers, as_json
from gateway.http.app import answer_problems
from gateway.http.problems import HttpProblem
from gateway.web import metrics, view
from gateway.web.guard import Gate
from gateway.web.health import unavailable_folders
from gateway.web.snapshot import Looker
from gateway.web.words import one_line
from spool.access import Spool
from spool.clock import Clock
from spool.domain.catalogue import printable
from spool.domain.municipality import Municipality
from spool.room import look

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HERE = Path(__file__).parent
_READ_WITHIN_S = 5.0
_LEAST_FREE_BYTES = 100_000_000
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
log = structlog.get_logger("admin")


@dataclass(frozen=True)
class AdminParts:
    """What the admin pages look at."""

    spool: Spool
    municipality: Municipality
    folders_root: Path
    clock: Clock
    gate: Gate


PARTS: web.AppKey[AdminParts] = web.AppKey("admin_parts", AdminParts)
LOOKER: web.AppKey[Looker] = web.AppKey("looker", Looker)


async def status(request: web.Request) -> web.Response:
    """GET /: the status page."""
    page = view.page(await request.app[LOOKER].look(), request.app[PARTS].municipality)
    response = aiohttp_jinja2.render_template("status.html", request, {"page": page})
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    return response


async def ready(request: web.Request) -> web.Response:
    """GET /readyz: 200 when documents can be taken, else 503; either way with what was looked at."""
    parts = request.app[PARTS]
    checks: dict[str, Any] = {"folders": "ok" if parts.folders_root.is_dir() else "unavailable"}
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            snapshot = await request.app[LOOKER].look()
        checks |= {"spool": "ok", "disk": _disk(parts.spool)}
        if unavailable_folders(snapshot):
            checks["folders"] = "unavailable"
        details = view.details(snapshot, parts.municipality)
    except Exception as error:  # whatever it is: we are not ready, and must say so
        log.warning("not_ready", cause=type(error).__name__)
        checks["spool"], details = "unavailable", {}
    good = all(value == "ok" for value in checks.values())
    return as_json({"ready": good, "checks": checks} | details, 200 if good else 503)


def _disk(spool: Spool) -> str:
    if (shortage := spool.reserve.shortage()) is not None:
        return shortage.code
    return "ok" if look(spool.path.parent).free >= _LEAST_FREE_BYTES else "low"


async def numbers(request: web.Request) -> web.Response:
    """GET /metrics."""
    body = metrics.text(await request.app[LOOKER].look(), request.app[PARTS].municipality)
    return web.Response(body=body.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _static(name: str, content_type: str) -> Handler:
    """One file of ours, read once: there is no directory to walk out of."""
    content = (_HERE / "static" / name).read_bytes()

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=content_type, charset="utf-8")

    return serve


ROUTES: list[tuple[str, Handler]] = [
    ("/", status),
    ("/readyz", ready),
    ("/metrics", numbers),
    ("/static/sluza.css", _static("sluza.css", "text/css")),
    ("/static/sluza.svg", _static("sluza.svg", "image/svg+xml")),
]
"""All of them for the administrator only, and all of them GET."""


def create_admin_app(parts: AdminParts) -> web.Application:
    """The application over these parts."""
    app = web.Application(middlewares=[answer_problems, _admit])
    app[PARTS] = parts
    app[LOOKER] = Looker(parts.spool, parts.municipality, parts.clock)
    app.on_response_prepare.append(add_security_headers)
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        filters={"printable": printable, "one_line": one_line},
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for path, handler in ROUTES:
        app.router.add_get(path, handler, allow_head=True)
    return app


@web.middleware
async def _admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nobody sees anything, not even a 404, before the gate has let them in."""
    try:
        request.app[PARTS].gate.check(request)
    except HttpProblem as refused:
        log.warning("turned_away", peer=request.remote, problem=refused.code)
        raise
    return await handler(request)
