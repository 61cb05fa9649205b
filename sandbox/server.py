"""The application: every route in one visible list, and the layers each request passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from sandbox import (
    auth,
    batch,
    certificates,
    controls,
    exports,
    faults,
    grant_views,
    grants,
    inbound,
    ksef_tokens,
    latarnia,
    limits,
    login,
    portal,
    query,
    security,
    session_views,
    sessions,
    storage,
    testdata,
)
from sandbox.errors import ControlError, NotFound, Refusal, TooManyRequests
from sandbox.principal import ACCESS, peek
from sandbox.replies import refusal_reply
from sandbox.testdata import rate_limits
from sandbox.world import WORLD, World, world_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY = 16 * 1024 * 1024
ANONYMOUS = (
    "/v2/auth/",
    "/v2/security/",
    *(f"/v2/testdata/{name}" for name in ("subject", "person", "permissions", "attachment", "context")),
)

ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", "/v2/auth/challenge", login.challenge),
    ("POST", "/v2/auth/xades-signature", login.xades_signature),
    ("POST", "/v2/auth/ksef-token", login.ksef_token),
    ("POST", "/v2/auth/token/redeem", auth.redeem),
    ("POST", "/v2/auth/token/refresh", auth.refresh),
    ("GET", "/v2/auth/sessions", auth.list_sessions),
    ("DELETE", "/v2/auth/sessions/current", auth.revoke_current),
    ("DELETE", "/v2/auth/sessions/{referenceNumber}", auth.revoke),
    ("GET", "/v2/auth/{referenceNumber}", auth.status),
    ("GET", "/v2/security/public-key-certificates", security.public_keys),
    ("POST", "/v2/sessions/online", sessions.open_online),
    ("POST", "/v2/sessions/online/{referenceNumber}/invoices", sessions.send),
    ("POST", "/v2/sessions/online/{referenceNumber}/close", sessions.close_online),
    ("POST", "/v2/sessions/batch", batch.open_batch),
    ("POST", "/v2/sessions/batch/{referenceNumber}/close", batch.close_batch),
    ("GET", "/v2/sessions", session_views.list_all),
    ("GET", "/v2/sessions/{referenceNumber}", session_views.status),
    ("GET", "/v2/sessions/{referenceNumber}/upo/{upoReferenceNumber}", session_views.page_upo),
    ("GET", "/v2/sessions/{referenceNumber}/invoices", session_views.invoices),
    ("GET", "/v2/sessions/{referenceNumber}/invoices/failed", session_views.failed),
    ("GET", "/v2/sessions/{referenceNumber}/invoices/ksef/{ksefNumber}/upo", session_views.ksef_upo),
    ("GET", "/v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}", session_views.invoice),
    ("GET", "/v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}/upo", session_views.invoice_upo),
    ("POST", "/v2/invoices/query/metadata", query.metadata),
    ("GET", "/v2/invoices/ksef/{ksefNumber}", query.download),
    ("POST", "/v2/invoices/exports", exports.start),
    ("GET", "/v2/invoices/exports/{referenceNumber}", exports.status),
    ("POST", "/v2/tokens", ksef_tokens.generate),
    ("GET", "/v2/tokens", ksef_tokens.list_all),
    ("GET", "/v2/tokens/{referenceNumber}", ksef_tokens.show),
    ("DELETE", "/v2/tokens/{referenceNumber}", ksef_tokens.remove),
    ("GET", "/v2/certificates/limits", certificates.limits),
    ("GET", "/v2/certificates/enrollments/data", certificates.data),
    ("POST", "/v2/certificates/enrollments", certificates.enrol),
    ("GET", "/v2/certificates/enrollments/{referenceNumber}", certificates.enrolment),
    ("POST", "/v2/certificates/retrieve", certificates.retrieve),
    ("POST", "/v2/certificates/query", certificates.query),
    ("POST", "/v2/certificates/{certificateSerialNumber}/revoke", certificates.revoke),
    ("PUT", "/v2/testdata/certificates/{serialNumber}", certificates.shorten),
    ("POST", "/v2/testdata/limits/subject/certificate", testdata.set_subject_limits),
    ("DELETE", "/v2/testdata/limits/subject/certificate", testdata.reset_subject_limits),
    ("POST", "/v2/permissions/persons/grants", grants.persons),
    ("POST", "/v2/permissions/entities/grants", grants.entities),
    ("POST", "/v2/permissions/authorizations/grants", grants.authorizations),
    ("POST", "/v2/permissions/subunits/grants", grants.subunits),
    ("DELETE", "/v2/permissions/common/grants/{permissionId}", grants.revoke_common),
    ("DELETE", "/v2/permissions/authorizations/grants/{permissionId}", grants.revoke_authorization),
    ("GET", "/v2/permissions/operations/{referenceNumber}", grants.operation),
    ("GET", "/v2/permissions/attachments/status", grant_views.attachment_status),
    ("POST", "/v2/permissions/query/personal/grants", grant_views.personal),
    ("POST", "/v2/permissions/query/persons/grants", grant_views.persons),
    ("POST", "/v2/permissions/query/subunits/grants", grant_views.subunits),
    ("POST", "/v2/permissions/query/entities/grants", grant_views.entities),
    ("GET", "/v2/permissions/query/entities/roles", grant_views.entity_roles),
    ("POST", "/v2/permissions/query/subordinate-entities/roles", grant_views.subordinate_roles),
    ("POST", "/v2/permissions/query/authorizations/grants", grant_views.authorizations),
    ("GET", "/v2/rate-limits", testdata.view_rate_limits),
    ("GET", "/v2/limits/context", testdata.view_context_limits),
    ("GET", "/v2/limits/subject", testdata.view_subject_limits),
    ("POST", "/v2/testdata/subject", testdata.create_subject),
    ("POST", "/v2/testdata/subject/remove", testdata.remove_subject),
    ("POST", "/v2/testdata/person", testdata.create_person),
    ("POST", "/v2/testdata/person/remove", testdata.remove_person),
    ("POST", "/v2/testdata/permissions", testdata.grant),
    ("POST", "/v2/testdata/permissions/revoke", testdata.revoke),
    ("POST", "/v2/testdata/attachment", testdata.allow_attachments),
    ("POST", "/v2/testdata/attachment/revoke", testdata.forbid_attachments),
    ("POST", "/v2/testdata/context/block", testdata.block),
    ("POST", "/v2/testdata/context/unblock", testdata.unblock),
    ("POST", "/v2/testdata/limits/context/session", testdata.set_context_limits),
    ("DELETE", "/v2/testdata/limits/context/session", testdata.reset_context_limits),
    ("POST", "/v2/testdata/rate-limits", testdata.set_rate_limits),
    ("DELETE", "/v2/testdata/rate-limits", testdata.reset_rate_limits),
    ("POST", "/v2/testdata/rate-limits/production", testdata.reset_rate_limits),
    ("PUT", "/storage/{area}/{ref}/{name}", storage.put),
    ("GET", "/storage/{area}/{ref}/{name}", storage.get),
    ("GET", "/invoice/{nip}/{date}/{hash}", portal.invoice),
    ("GET", "/certificate/{type}/{value}/{nip}/{serial}/{hash}/{signature}", portal.certificate),
    ("GET", "/latarnia/status", latarnia.status),
    ("GET", "/latarnia/messages", latarnia.messages),
    ("GET", "/latarnia/{path:.*}", latarnia.unknown),
    ("GET", "/sandbox/ledger", controls.ledger),
    ("GET", "/sandbox/requests", controls.requests),
    ("DELETE", "/sandbox/requests", controls.reset_requests),
    ("GET", "/sandbox/faults", controls.list_faults),
    ("POST", "/sandbox/faults", controls.add_fault),
    ("DELETE", "/sandbox/faults", controls.remove_faults),
    ("DELETE", "/sandbox/faults/{id}", controls.remove_faults),
    ("GET", "/sandbox/clock", controls.clock),
    ("POST", "/sandbox/clock", controls.move_clock),
    ("GET", "/sandbox/switches", controls.switches),
    ("POST", "/sandbox/switches", controls.turn_switches),
    ("POST", "/sandbox/keys", controls.keys),
    ("POST", "/sandbox/authorizations", controls.authorise),
    ("POST", "/sandbox/latarnia", latarnia.control),
    ("POST", "/sandbox/inbound", inbound.receive),
]


def build_app(world: World) -> web.Application:
    """The aiohttp application over a world."""
    app = web.Application(middlewares=[answered, faulted, limited], client_max_size=MAX_BODY)
    app[WORLD] = world
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)
    app.on_response_prepare.append(stamp)
    app.on_startup.append(begin)
    app.on_cleanup.append(end)
    return app


async def begin(app: web.Application) -> None:
    """Take up interrupted batch packages."""
    batch.resume(app[WORLD])


async def end(app: web.Application) -> None:
    """Finish: background work cancelled (it resumes from the store), the file closed."""
    world = app[WORLD]
    for task in list(world.tasks):
        task.cancel()
    world.bench.shutdown(wait=True, cancel_futures=True)
    world.store.close()


async def stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Date of the simulated clock; `X-Test-System-Warning` echoed (F6)."""
    response.headers["Date"] = formatdate(world_of(request).now / 1000, usegmt=True)
    warning = request.headers.get("X-Test-System-Warning")
    if warning and request.path.startswith("/v2/"):
        response.headers["X-System-Warning"] = warning


def endpoint_of(request: web.Request) -> str:
    """`METHOD /v2/path-template`, the name faults, limits and counters use; `METHOD <unknown>` for other paths."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else '<unknown>'}"


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request; turn refusals into their bodies (L4)."""
    world = world_of(request)
    if not request.path.startswith("/sandbox/"):
        endpoint = endpoint_of(request)
        world.requests[endpoint] = world.requests.get(endpoint, 0) + 1
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal_reply(request, refusal)
    except ControlError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPRequestEntityTooLarge:
        return web.Response(status=413)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        if not request.path.startswith("/v2/"):
            raise
        return refusal_reply(request, NotFound("Nie znaleziono zasobu o podanym adresie."))


@web.middleware
async def faulted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Act out the scripted fault that applies, if any (F1)."""
    world = world_of(request)
    if request.path.startswith("/sandbox/"):
        return await handler(request)
    known = request.match_info.route.resource is not None
    endpoint = endpoint_of(request) if known else f"{request.method} {request.path}"
    fault = world.faults.pick(endpoint, request.path, world.clock)
    if fault is None:
        return await handler(request)
    if fault["kind"] == "429":
        who, group = _counted_as(request)
        world.limiter.ban(who, group, world.now, fault["retry_after"])
    return await faults.act(fault, request, handler)


@web.middleware
async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the request limits of the caller's context, or of the address for anonymous calls (L1, L3)."""
    world = world_of(request)
    if not request.path.startswith("/v2/") or world.switches["rate_limits"] == "off":
        return await handler(request)
    who, group = _counted_as(request)
    context_key = who.partition("@")[0]
    values = rate_limits(world.store, context_key)[group.partition(":")[0]]
    refused = world.limiter.admit(who, group, values, world.now, world.switches.ms("rate_limit_penalty_s"))
    if refused is not None:
        raise TooManyRequests(refused.retry_after, refused.limit)
    return await handler(request)


def _counted_as(request: web.Request) -> tuple[str, str]:
    """Whose counter and which group: context and address, or the address alone; `other` per endpoint."""
    endpoint = endpoint_of(request)
    claims = None if request.path.startswith(ANONYMOUS) else peek(request)
    if claims is None or claims.get("typ") != ACCESS:
        return f"@{request.remote}", "anonymous"
    group = limits.GROUPS.get(endpoint, f"other:{endpoint}")
    return f"{claims['cit']}|{claims['civ']}@{request.remote}", group
