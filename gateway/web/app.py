"""The admin listener as an application: the pages with the right that each of them needs, `/readyz`, `/metrics`.

Every route stands in one of two lists. A page runs only for somebody who is in and has its right; what is in neither
list is 404 (faults X21). A GET changes nothing; every POST carries the token of its session and comes from our own
pages (X19).
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import structlog
from aiohttp import web

from gateway.http.answers import add_security_headers, as_json
from gateway.http.app import route_of
from gateway.http.problems import HttpProblem, from_exception
from gateway.scans import LARGEST
from gateway.web import doorman, languages, measured, metrics, shown, switch, view
from gateway.web.health import unavailable_folders
from gateway.web.pages import (
    accounts,
    alarms,
    documents,
    door,
    live,
    outages,
    overview,
    papers,
    received,
    registers,
    town,
)
from gateway.web.parts import PARTS, AdminParts, Viewer, same_origin
from gateway.web.snapshot import LOOKER, Looker
from gateway.web.words import one_line
from spool.access import Spool
from spool.domain.accounts import Right
from spool.domain.catalogue import printable
from spool.room import look

__all__ = ["AdminParts", "create_admin_app"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PageHandler = Callable[[web.Request, Viewer], Awaitable[web.StreamResponse]]

_HERE = Path(__file__).parent
_READ_WITHIN_S = 5.0
_LEAST_FREE_BYTES = 100_000_000
_LARGEST_FORM = 4_000_000
_LARGEST_SCAN = LARGEST + 100_000
log = structlog.get_logger("admin")


@dataclass(frozen=True)
class Page:
    """One page: who may have it. `right` None: whoever is in. `always`: also with a password that must be changed.
    `largest` is how many bytes its form may have."""

    method: str
    path: str
    handler: PageHandler
    right: Right | None = None
    always: bool = False
    largest: int = _LARGEST_FORM


PAGES: tuple[Page, ...] = (
    Page("POST", "/wyloguj", door.leave, always=True),
    Page("GET", door.PASSWORD, door.password_page, always=True),
    Page("POST", door.PASSWORD, door.set_password, always=True),
    Page("GET", "/kody", door.codes_page),
    Page("POST", "/kody", door.set_codes),
    Page("GET", "/zdarzenia", live.events),
    Page("GET", "/", overview.show, Right.LOOK),
    Page("GET", "/faktury", documents.listing, Right.LOOK),
    Page("GET", "/faktury/{id}", documents.show, Right.LOOK),
    Page("GET", "/faktury/{id}/xml", documents.xml, Right.LOOK),
    Page("GET", "/faktury/{id}/upo", documents.upo, Right.LOOK),
    Page("GET", "/faktury/{id}/dowody.zip", documents.proof, Right.LOOK),
    Page("GET", "/faktury/{id}/pdf", documents.as_pdf, Right.LOOK),
    Page("GET", "/faktury/{id}/obraz.png", documents.as_picture, Right.LOOK),
    Page("GET", "/faktury/{id}/zrob/{action}", documents.question, Right.WORK),
    Page("POST", "/faktury/{id}/zrob/{action}", documents.act, Right.WORK),
    Page("GET", "/odebrane", received.listing, Right.LOOK),
    Page("GET", "/odebrane/sprawdz", papers.check_page, Right.LOOK),
    Page("POST", "/odebrane/sprawdz", papers.check, Right.LOOK, largest=_LARGEST_SCAN),
    Page("GET", "/odebrane/papier", papers.listing, Right.LOOK),
    Page("POST", "/odebrane/papier", papers.add, Right.WORK, largest=_LARGEST_SCAN),
    Page("GET", "/odebrane/papier/{paper}", papers.show, Right.LOOK),
    Page("GET", "/odebrane/papier/{paper}/skan", papers.scan, Right.LOOK),
    Page("POST", "/odebrane/papier/{paper}/{verb}", papers.decide, Right.WORK),
    Page("GET", "/odebrane/{number}", received.show, Right.LOOK),
    Page("GET", "/odebrane/{number}/xml", received.xml, Right.LOOK),
    Page("GET", "/odebrane/{number}/dowody.zip", received.proof, Right.LOOK),
    Page("GET", "/odebrane/{number}/pdf", received.as_pdf, Right.LOOK),
    Page("GET", "/odebrane/{number}/obraz.png", received.as_picture, Right.LOOK),
    Page("POST", "/odebrane/{number}/zrob/{verb}", received.decide, Right.DECIDE),
    Page("GET", "/rejestry", registers.listing, Right.LOOK),
    Page("GET", "/rejestry/{owner}/{name}", registers.download, Right.LOOK),
    Page("GET", "/awarie", outages.listing, Right.LOOK_AT_TOWN),
    Page("POST", "/awarie", outages.change, Right.DECIDE),
    Page("POST", "/awarie/{id}/{verb}", outages.change, Right.DECIDE),
    Page("GET", "/alarmy", alarms.listing, Right.LOOK_AT_TOWN),
    Page("POST", "/alarmy", alarms.test, Right.ADMINISTER),
    Page("GET", "/jednostki", town.units, Right.LOOK_AT_TOWN),
    Page("GET", "/jednostki/{id}/karta.pdf", town.card, Right.LOOK),
    Page("GET", "/certyfikaty", town.certificates, Right.LOOK_AT_TOWN),
    Page("GET", "/ustawienia", town.settings, Right.LOOK_AT_TOWN),
    Page("GET", "/historia", town.trail, Right.LOOK_AT_TOWN),
    Page("GET", "/historia.csv", town.exported, Right.LOOK_AT_TOWN),
    Page("GET", "/konta", accounts.listing, Right.ADMINISTER),
    Page("POST", "/konta", accounts.add, Right.ADMINISTER),
    Page("POST", "/konta/{login}/{verb}", accounts.change, Right.ADMINISTER),
)


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
    parts = request.app[PARTS]
    snapshot, contexts = await request.app[LOOKER].look(), parts.municipality.contexts
    counted = await parts.spool.read(lambda store: measured.count(store, contexts, snapshot.at))
    seen = measured.measure(counted, parts.requests, parts.spool.path, parts.folders_root)
    body = metrics.text(snapshot, parts.municipality, seen)
    return web.Response(body=body.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _static(name: str, content_type: str) -> Handler:
    """One file of ours, read once: there is no directory to walk out of."""
    content = (_HERE / "static" / name).read_bytes()

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=content_type, charset="utf-8")

    return serve


def _for_machines(handler: Handler) -> Handler:
    """For the administrator's programs: through the gate (this machine, or the admin token), without an account."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            request.app[PARTS].gate.check(request)
        except HttpProblem as refused:
            log.warning("turned_away", peer=request.remote, problem=refused.code)
            raise
        return await handler(request)

    return guarded


OPEN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/readyz", _for_machines(ready)),
    ("GET", "/metrics", _for_machines(numbers)),
    ("GET", door.SIGN_IN, door.ask),
    ("POST", door.SIGN_IN, door.enter),
    ("POST", "/jezyk", door.choose_language),
    ("GET", "/static/sluza.css", _static("sluza.css", "text/css")),
    ("GET", "/static/sluza.svg", _static("sluza.svg", "image/svg+xml")),
    ("GET", "/static/sluza.js", _static("sluza.js", "text/javascript")),
)
"""What needs no account. None of it tells anything of a unit, except to whom the gate lets in."""


def _for_people(page: Page) -> Handler:
    """The page for whoever is in and has its right, else what to do about it."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        viewer = await doorman.viewer_of(request)
        if viewer is None:
            return await door.way_in(request)
        try:
            return await _let_in(request, viewer, page)
        except web.HTTPException:
            raise
        except Exception as error:
            return shown.problem(request, viewer, _known(request, error))

    return guarded


async def _let_in(request: web.Request, viewer: Viewer, page: Page) -> web.StreamResponse:
    if viewer.account.must_change and not page.always:
        raise web.HTTPSeeOther(door.PASSWORD)
    if page.right is not None and not viewer.account.may(page.right):
        raise HttpProblem("not_allowed")
    if page.largest > _LARGEST_FORM:
        request = request.clone(client_max_size=page.largest)  # only for somebody who is in and has the right
    if request.method == "POST":
        form = await request.post()
        given = form.get("token", "")
        fits = isinstance(given, str) and hmac.compare_digest(given.encode(), viewer.session.token.encode())
        if not fits or not same_origin(request):
            raise HttpProblem("form_stale")
    return await page.handler(request, viewer)


def _known(request: web.Request, error: Exception) -> HttpProblem:
    found = from_exception(error)
    if found.code == "internal":
        log.exception("unforeseen", route=route_of(request))
    elif found.status >= 500:
        log.error("unable", route=route_of(request), problem=found.code, cause=type(error).__name__)
    return found


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The language, and what went wrong before anybody was let in: JSON for programs, a page for people."""
    with languages.speaking(switch.asked_for(request)):
        return await _answered(request, handler)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        request.app[PARTS].gate.check_name(request)
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        found = _known(request, error)
    except Exception as error:
        found = _known(request, error)
    if "text/html" in request.headers.get("Accept", ""):
        return shown.problem(request, None, found)
    return found.response()


def create_admin_app(parts: AdminParts) -> web.Application:
    """The application over these parts."""
    app = web.Application(middlewares=[_answer], client_max_size=_LARGEST_FORM)
    app[PARTS] = parts
    app[LOOKER] = Looker(parts.spool, parts.rules, parts.clock, parts.refused_days, parts.supplied)
    app[live.PULSE], app[live.STREAMS] = live.Pulse(app), []
    app.on_response_prepare.append(add_security_headers)
    app.on_shutdown.append(_end_streams)
    pages = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        filters={"printable": printable, "one_line": one_line},
        trim_blocks=True,
        lstrip_blocks=True,
    )
    switch.teach(pages)
    for method, path, handler in OPEN:
        _add(app, method, path, handler)
    for page in PAGES:
        _add(app, page.method, page.path, _for_people(page))
    return app


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    if method == "GET":
        app.router.add_get(path, handler, allow_head=True)
    else:
        app.router.add_route(method, path, handler)


async def _end_streams(app: web.Application) -> None:
    """Open pages must not keep the gateway from stopping."""
    for task in app[live.STREAMS].copy():
        task.cancel()
    await app[live.PULSE].stop()
