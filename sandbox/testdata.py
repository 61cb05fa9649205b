"""The /testdata endpoints and the limits they change (protocol §19; limits §16)."""

from __future__ import annotations

from datetime import date
from typing import Any

from aiohttp import web

from sandbox import grants
from sandbox import limits as request_limits
from sandbox.errors import BadRequest
from sandbox.fields import Fields, json_body
from sandbox.login_request import CONTEXTS
from sandbox.numbers import NIP_PATTERN
from sandbox.permissions import GRANTABLE, Context
from sandbox.principal import caller
from sandbox.replies import reply
from sandbox.store import Store
from sandbox.world import world_of

SESSION_LIMITS = {"maxInvoiceSizeInMB": 1, "maxInvoiceWithAttachmentSizeInMB": 3, "maxInvoices": 10_000}
SESSION_BOUNDS = {"maxInvoiceSizeInMB": 5, "maxInvoiceWithAttachmentSizeInMB": 10, "maxInvoices": 100_000}
SETTABLE = tuple(
    name
    for name in request_limits.DEFAULTS
    if name not in ("onlineSessionClose", "batchSessionClose", "anonymous", "global")
)
OPTIONAL = ("onlineSessionClose", "batchSessionClose")


def context_limits(store: Store, context: Context) -> dict[str, Any]:
    """EffectiveContextLimits of a context (S7)."""
    base: dict[str, Any] = {
        "onlineSession": dict(SESSION_LIMITS),
        "batchSession": dict(SESSION_LIMITS),
        "collectiveIdentifier": {"maxInvoices": 500},
    }
    return base | (store.get_fact("context_limits", context.key) or {})


def rate_limits(store: Store, context_key: str) -> dict[str, tuple[int, int, int]]:
    """Request limits in force in a context: per second, minute, hour (L1)."""
    changed: dict[str, list[int]] = store.get_fact("rate_limits", context_key) or {}
    return request_limits.DEFAULTS | {name: (v[0], v[1], v[2]) for name, v in changed.items()}


def attachments_allowed(store: Store, nip: str, today: date) -> bool:
    """Whether the taxpayer has consent for attachments today (I12)."""
    consent = store.get_fact("attachment", nip)
    return consent is not None and (consent["until"] is None or today.isoformat() <= consent["until"])


async def view_context_limits(request: web.Request) -> web.Response:
    """GET /limits/context."""
    who = caller(request)
    return reply(request, context_limits(world_of(request).store, who.context))


async def view_subject_limits(request: web.Request) -> web.Response:
    """GET /limits/subject."""
    who = caller(request)
    return reply(request, subject_limits(world_of(request).store, who.subject_type, who.subject_key))


def subject_limits(store: Store, subject_type: str, subject_key: str) -> dict[str, Any]:
    """Certificate limits of a subject: 300/100 for a NIP, 12/6 otherwise (protocol §14)."""
    nip = subject_type == "Nip"
    base: dict[str, Any] = {
        "enrollment": {"maxEnrollments": 300 if nip else 12},
        "certificate": {"maxCertificates": 100 if nip else 6},
    }
    return base | (store.get_fact("subject_limits", subject_key) or {})


async def view_rate_limits(request: web.Request) -> web.Response:
    """GET /rate-limits: every group, -1 = unlimited (L1, S7); all of them while the switch `rate_limits` is off."""
    who = caller(request)
    names = ("perSecond", "perMinute", "perHour")
    world = world_of(request)
    shown = rate_limits(world.store, who.context.key)
    if world.switches["rate_limits"] == "off":
        shown = dict.fromkeys(shown, (-1, -1, -1))
    return reply(request, {group: dict(zip(names, values, strict=True)) for group, values in shown.items()})


async def set_rate_limits(request: web.Request) -> web.Response:
    """POST /testdata/rate-limits: limits of the caller's context (L1)."""
    who = caller(request)
    body = (await json_body(request)).object("rateLimits")
    groups = [*SETTABLE, *(name for name in OPTIONAL if name in body.body)]
    changed = {}
    for group in groups:
        values = body.object(group)
        changed[group] = [values.integer(name, -1, 10**6) for name in ("perSecond", "perMinute", "perHour")]
    world_of(request).store.set_fact("rate_limits", who.context.key, changed)
    return web.Response()


async def reset_rate_limits(request: web.Request) -> web.Response:
    """DELETE /testdata/rate-limits and POST …/production: back to the defaults."""
    who = caller(request)
    world_of(request).store.drop_fact("rate_limits", who.context.key)
    return web.Response()


async def set_context_limits(request: web.Request) -> web.Response:
    """POST /testdata/limits/context/session."""
    who = caller(request)
    body = await json_body(request)
    changed: dict[str, Any] = {}
    for kind in ("onlineSession", "batchSession"):
        part = body.object(kind)
        changed[kind] = {name: part.integer(name, 0, high) for name, high in SESSION_BOUNDS.items()}
    collective = body.object("collectiveIdentifier")
    changed["collectiveIdentifier"] = {"maxInvoices": collective.integer("maxInvoices", 2, 5000)}
    world_of(request).store.set_fact("context_limits", who.context.key, changed)
    return web.Response()


async def reset_context_limits(request: web.Request) -> web.Response:
    """DELETE /testdata/limits/context/session."""
    who = caller(request)
    world_of(request).store.drop_fact("context_limits", who.context.key)
    return web.Response()


async def set_subject_limits(request: web.Request) -> web.Response:
    """POST /testdata/limits/subject/certificate: certificate limits of the caller's subject."""
    who = caller(request)
    body = await json_body(request)
    changed: dict[str, Any] = {}
    for name, field in (("enrollment", "maxEnrollments"), ("certificate", "maxCertificates")):
        part = body.optional_object(name)
        if part is not None:
            changed[name] = {field: part.integer(field, 0, 10**6)}
    world_of(request).store.set_fact("subject_limits", who.subject_key, changed)
    return web.Response()


async def reset_subject_limits(request: web.Request) -> web.Response:
    """DELETE /testdata/limits/subject/certificate."""
    who = caller(request)
    world_of(request).store.drop_fact("subject_limits", who.subject_key)
    return web.Response()


async def create_subject(request: web.Request) -> web.Response:
    """POST /testdata/subject: a JST, VAT group or enforcement authority with its subunits; 30001 if known."""
    store = world_of(request).store
    body = await json_body(request)
    nip = _nip(body, "subjectNip")
    kind = body.choice("subjectType", ("EnforcementAuthority", "VatGroup", "JST"))
    description = body.text("description", 5, 256)
    units = [
        {"subjectNip": _nip(unit, "subjectNip"), "description": unit.optional_text("description", 5, 256)}
        for unit in body.objects("subunits")
    ]
    if store.get_fact("subject", nip):
        raise BadRequest(30001, f"Podmiot {nip} już istnieje.")
    since = body.optional_instant("createdDate") or world_of(request).now
    known = {"subjectType": kind, "subunits": units, "description": description, "created_ms": since}
    store.set_fact("subject", nip, known)
    return web.Response()


async def remove_subject(request: web.Request) -> web.Response:
    """POST /testdata/subject/remove."""
    body = await json_body(request)
    world_of(request).store.drop_fact("subject", _nip(body, "subjectNip"))
    return web.Response()


async def create_person(request: web.Request) -> web.Response:
    """POST /testdata/person: a sole trader, bailiff or deceased person; 30001 if known."""
    store = world_of(request).store
    body = await json_body(request)
    nip = _nip(body, "nip")
    body.text("description", 5, 256)
    person = {"pesel": body.text("pesel", 11, 11), "isBailiff": body.flag("isBailiff")}
    person["isDeceased"] = body.flag("isDeceased")
    if store.get_fact("person", nip):
        raise BadRequest(30001, f"Osoba {nip} już istnieje.")
    store.set_fact("person", nip, person)
    return web.Response()


async def remove_person(request: web.Request) -> web.Response:
    """POST /testdata/person/remove."""
    body = await json_body(request)
    world_of(request).store.drop_fact("person", _nip(body, "nip"))
    return web.Response()


async def grant(request: web.Request) -> web.Response:
    """POST /testdata/permissions: permissions for a subject in a NIP context."""
    body = await json_body(request)
    names = [item.choice("permissionType", tuple(GRANTABLE)) for item in body.objects("permissions", 1)]
    context, subject = _granted_to(body)
    grants.replace(
        world_of(request), grants.Grant("person", context, subject, dict.fromkeys(names, False), "Dane testowe")
    )
    return web.Response()


async def revoke(request: web.Request) -> web.Response:
    """POST /testdata/permissions/revoke."""
    body = await json_body(request)
    grants.withdraw(world_of(request), "person", *_granted_to(body))
    return web.Response()


async def allow_attachments(request: web.Request) -> web.Response:
    """POST /testdata/attachment: consent for attachments (I12)."""
    body = await json_body(request)
    world_of(request).store.set_fact("attachment", _nip(body, "nip"), {"until": None})
    return web.Response()


async def forbid_attachments(request: web.Request) -> web.Response:
    """POST /testdata/attachment/revoke: consent ends now, or after `expectedEndDate`."""
    store = world_of(request).store
    body = await json_body(request)
    nip = _nip(body, "nip")
    until = body.optional_text("expectedEndDate")
    if until is None:
        store.drop_fact("attachment", nip)
    else:
        store.set_fact("attachment", nip, {"until": until[:10]})
    return web.Response()


async def block(request: web.Request) -> web.Response:
    """POST /testdata/context/block: logins end in 480 (A6)."""
    context = _context(await json_body(request))
    world_of(request).store.set_fact("blocked", context.key, True)
    return web.Response()


async def unblock(request: web.Request) -> web.Response:
    """POST /testdata/context/unblock."""
    context = _context(await json_body(request))
    world_of(request).store.drop_fact("blocked", context.key)
    return web.Response()


def _nip(body: Fields, name: str) -> str:
    value = body.text(name)
    if not NIP_PATTERN.fullmatch(value):
        raise body.bad(name, "nieprawidłowy NIP")
    return value


def _context(body: Fields) -> Context:
    inner = body.object("contextIdentifier")
    return Context(inner.choice("type", tuple(CONTEXTS)), inner.text("value"))


def _granted_to(body: Fields) -> tuple[Context, tuple[str, str]]:
    who = body.object("authorizedIdentifier")
    kind = who.choice("type", ("Nip", "Pesel", "Fingerprint"))
    return _context(body), (kind, who.text("value", 10, 64))
