"""The drop-point as an application: every route in one list, and what happens around each of them."""

import functools
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from gateway.http import invoices, received, remote
from gateway.http.answers import add_security_headers, as_json
from gateway.http.auth import own_of
from gateway.http.openapi import DOCUMENT
from gateway.http.problems import from_exception
from gateway.http.state import BEHIND, PARTS, Parts, log_fields
from gateway.own import Behind, Own

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
UnitHandler = Callable[[web.Request, Own], Awaitable[web.StreamResponse]]

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
log = structlog.get_logger("http")


async def alive(_request: web.Request) -> web.Response:
    """GET /healthz: the process answers. No numbers, no names."""
    return as_json({"status": "ok"})


async def description(_request: web.Request) -> web.Response:
    """GET /openapi.json."""
    return as_json(DOCUMENT)


def for_unit(handler: UnitHandler) -> Handler:
    """A handler that runs only for a unit, and is given what is that unit's: nothing else can be reached."""

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        return await handler(request, await own_of(request))

    return guarded


ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", "/v1/invoices", for_unit(invoices.submit)),
    ("GET", "/v1/invoices", for_unit(invoices.page)),
    ("GET", "/v1/invoices/{id}", for_unit(invoices.show)),
    ("GET", "/v1/invoices/{id}/xml", for_unit(invoices.xml)),
    ("GET", "/v1/invoices/{id}/upo", for_unit(invoices.upo)),
    ("GET", "/v1/invoices/{id}/pdf", for_unit(invoices.as_pdf)),
    ("GET", "/v1/invoices/{id}/history", for_unit(invoices.history)),
    ("GET", "/v1/received", for_unit(received.page)),
    ("GET", "/v1/received/{number}/xml", for_unit(received.xml)),
    ("GET", "/v1/received/{number}/pdf", for_unit(received.as_pdf)),
    ("POST", "/v1/invoices/{id}/ack", for_unit(remote.acknowledge)),
    ("POST", "/v1/received/{number}/ack", for_unit(remote.acknowledge_received)),
    ("PUT", "/v1/seat", for_unit(remote.sit)),
    ("GET", "/v1/changes", for_unit(remote.changes)),
    ("GET", "/v1/warnings", for_unit(remote.warnings)),
    ("GET", "/v1/registers", for_unit(remote.registers)),
    ("GET", "/v1/registers/{name}", for_unit(remote.register)),
    ("GET", "/v1/uploads/{sha256}", for_unit(remote.arrived)),
    ("POST", "/v1/uploads/{sha256}", for_unit(remote.piece)),
    ("GET", "/healthz", alive),
    ("GET", "/openapi.json", description),
]
"""Everything the drop-point answers; a GET answers HEAD too. What is not here is 404."""


def create_app(parts: Parts, behind: Behind) -> web.Application:
    """The application over these parts."""
    app = web.Application(middlewares=[write_access_log, answer_problems])
    app[PARTS], app[BEHIND] = parts, behind
    app.on_response_prepare.append(add_security_headers)
    for method, path, handler in ROUTES:
        if method == "GET":
            app.router.add_get(path, handler, allow_head=True)
        else:
            app.router.add_route(method, path, handler, expect_handler=_expect_later)
    return app


async def _expect_later(_request: web.Request) -> None:
    """aiohttp would ask for the body at once; `body.whole_body` asks when token and headers are in order."""


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises becomes problem+json; only what nobody foresaw is logged with its traceback."""
    try:
        return await handler(request)
    except Exception as error:
        problem = from_exception(error)
        if problem.code == "internal":
            log.exception("unforeseen", route=route_of(request))
        elif problem.status >= 500:
            cause = f"{type(error).__name__}: {error}"
            log.error("unable", route=route_of(request), problem=problem.code, cause=cause)  # noqa: TRY400 - foreseen
        return problem.response()


@web.middleware
async def write_access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line per request: the route and never the path, so no id of others, no token, no line break gets in."""
    start = time.monotonic()
    status = 0
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        request.app[PARTS].requests[status] += 1
        log.info(
            "request",
            method=request.method if request.method in _METHODS else "other",
            route=route_of(request),
            status=status,
            peer=request.remote,
            ms=round((time.monotonic() - start) * 1000, 1),
            bytes=request.headers.get(hdrs.CONTENT_LENGTH, "")[:20],
            **log_fields(request),
        )


def route_of(request: web.Request) -> str:
    """The route's template, `-` for an unknown path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"
