"""Granting and taking permissions by the API: rows in the store, asynchronous operations (protocol §15)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from aiohttp import web

from sandbox import numbers
from sandbox.clock import warsaw_day
from sandbox.errors import BadRequest, Gone
from sandbox.fields import Fields, json_body
from sandbox.numbers import INTERNAL_ID_PATTERN, internal_id_check_digit
from sandbox.permissions import ENTITY_SCOPES, OWNER, SCOPES, Context, roles
from sandbox.principal import Principal, caller
from sandbox.replies import reply, status_info
from sandbox.store import Row
from sandbox.world import World, world_of

RETENTION_MS = 30 * 86_400_000
PERSONS = ("Nip", "Pesel", "Fingerprint")
DESCRIPTIONS = {
    100: "Operacja przyjęta do realizacji",
    200: "Operacja zakończona sukcesem",
    430: "Kontekst identyfikatora nie odpowiada wymaganej roli lub uprawnieniom",
    450: "Operacja niedozwolona dla wskazanego identyfikatora lub jego typu",
}


@dataclass(frozen=True)
class Grant:
    """Permissions to be given: scopes with their canDelegate, to whom, in which context."""

    kind: str
    context: Context
    subject: tuple[str, str]
    scopes: dict[str, bool]
    description: str
    details: dict[str, Any] = field(default_factory=dict)
    unit_name: str | None = None
    code: int = 200


async def persons(request: web.Request) -> web.Response:
    """POST /permissions/persons/grants: scopes for a person or device in the caller's context."""
    who, body = await _asked(request, "CredentialsManage")
    subject = _subject(body, PERSONS)
    scopes = body.choices("permissions", OWNER, 1)
    description, details = body.text("description", 5, 256), person_details(body)
    body.verify()
    enforcing = {"EnforcementAuthority", "CourtBailiff"} & set(roles(world_of(request).store, who.context.nip))
    code = 430 if "EnforcementOperations" in scopes and not enforcing else 200
    scoped = dict.fromkeys(scopes, False)
    return _give(request, who, Grant("person", who.context, subject, scoped, description, details, code=code))


async def entities(request: web.Request) -> web.Response:
    """POST /permissions/entities/grants: another NIP handles invoices in the caller's context."""
    who, body = await _asked(request, "CredentialsManage")
    subject = _subject(body, ("Nip",))
    scopes = {}
    for item in body.objects("permissions", 1):
        scopes[item.choice("type", ENTITY_SCOPES)] = item.flag("canDelegate")
    description, details = body.text("description", 5, 256), _entity_details(body)
    body.verify()
    return _give(request, who, Grant("entity", who.context, subject, scopes, description, details))


async def authorizations(request: web.Request) -> web.Response:
    """POST /permissions/authorizations/grants: the caller's NIP lets another issue for it (contract §7, rule 5)."""
    who, body = await _asked(request, "CredentialsManage")
    subject = _subject(body, ("Nip", "PeppolId"))
    scope = body.choice("permission", SCOPES)
    description, details = body.text("description", 5, 256), _entity_details(body)
    body.verify()
    code = 200 if who.context.type == "Nip" else 450
    wanted = Grant("authorization", who.context, subject, {scope: False}, description, details, code=code)
    return _give(request, who, wanted)


async def subunits(request: web.Request) -> web.Response:
    """POST /permissions/subunits/grants: an administrator of a child NIP or of an InternalId, which it creates."""
    who, body = await _asked(request, "SubunitManage")
    subject = _subject(body, PERSONS)
    unit = body.object("contextIdentifier")
    context = Context(unit.choice("type", ("InternalId", "Nip")), unit.text("value", 10, 16))
    name = body.optional_text("subunitName", 5, 256)
    if body.sound and context.type == "InternalId":
        if context.nip != who.context.nip or not _internal_id_ok(context.value):
            unit.reject("value", "nieprawidłowy identyfikator wewnętrzny podmiotu kontekstu")
        elif name is None:
            body.reject("subunitName", "wymagane dla identyfikatora wewnętrznego")
    description, details = body.text("description", 5, 256), person_details(body)
    body.verify()
    parent = world_of(request).store.get_fact("subject", who.context.nip) or {}
    children = [child["subjectNip"] for child in parent.get("subunits") or []]
    allowed = context.type == "InternalId" or context.value in children
    scopes = {"CredentialsManage": False}
    code = 200 if allowed else 430
    return _give(request, who, Grant("subunit", context, subject, scopes, description, details, name, code))


async def revoke_common(request: web.Request) -> web.Response:
    """DELETE /permissions/common/grants/{permissionId}: a permission given in, or to work in, the caller's context."""
    who = caller(request, "CredentialsManage", "VatUeManage", "SubunitManage")
    return _take(request, who, "kind <> 'authorization'")


async def revoke_authorization(request: web.Request) -> web.Response:
    """DELETE /permissions/authorizations/grants/{permissionId}."""
    return _take(request, caller(request, "CredentialsManage"), "kind = 'authorization'")


async def operation(request: web.Request) -> web.Response:
    """GET /permissions/operations/{referenceNumber}: 100, then how it ended; 410 after 30 days."""
    world = world_of(request)
    who = caller(request)
    ref = request.match_info["referenceNumber"]
    row = world.store.one("SELECT * FROM operations WHERE ref = ? AND context = ?", ref, who.context.key)
    if row is None:
        raise BadRequest(21405, f"Operacja {ref} nie istnieje.")
    if world.now > row["created_ms"] + RETENTION_MS:
        raise Gone("Status operacji nie jest już dostępny.")
    code = 100 if world.now < row["ready_ms"] else row["code"]
    return reply(request, {"status": status_info(code, DESCRIPTIONS[code])})


def replace(world: World, wanted: Grant) -> None:
    """Make a grant by the system (test data) the only one of its kind for this subject and context; at once."""
    with world.store.transaction():
        withdraw(world, wanted.kind, wanted.context, wanted.subject)
        _keep(world, wanted, ("System", None), wanted.context, world.now)


def withdraw(world: World, kind: str, context: Context, subject: tuple[str, str]) -> None:
    """Forget the grants by the system of a kind to a subject in a context."""
    sql = (
        "DELETE FROM grants WHERE kind = ? AND author_type = 'System' AND context_type = ? AND context_value = ?"
        " AND subject_type = ? AND subject_value = ?"
    )
    world.store.run(sql, kind, context.type, context.value, *subject)


def person_details(body: Fields) -> dict[str, Any]:
    """PersonPermissionSubjectDetails turned into the `subjectPersonDetails` of the lists."""
    given = body.object("subjectDetails")
    names = {
        "PersonByIdentifier": "personById",
        "PersonByFingerprintWithIdentifier": "personByFpWithId",
        "PersonByFingerprintWithoutIdentifier": "personByFpNoId",
    }
    kind = given.choice("subjectDetailsType", tuple(names))
    inner = given.object(names[kind])
    details: dict[str, Any] = {"subjectDetailsType": kind, "firstName": inner.text("firstName", 2, 30)}
    details["lastName"] = inner.text("lastName", 2, 81)
    if kind == "PersonByFingerprintWithIdentifier":
        who = inner.object("identifier")
        details["personIdentifier"] = {"type": who.choice("type", ("Pesel", "Nip")), "value": who.text("value", 10, 11)}
    elif kind == "PersonByFingerprintWithoutIdentifier":
        details["birthDate"] = _day(inner)
        paper = inner.object("idDocument")
        bounds = {"type": (1, 20), "number": (1, 20), "country": (2, 2)}
        details["idDocument"] = {name: paper.text(name, *bound) for name, bound in bounds.items()}
    return {"subjectPersonDetails": details}


def _day(body: Fields) -> str:
    text = body.text("birthDate", 10, 10)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        if text:
            body.reject("birthDate", "wymagana data")
        return ""


def _entity_details(body: Fields) -> dict[str, Any]:
    name = body.object("subjectDetails").text("fullName", 5, 90)
    return {"subjectEntityDetails": {"subjectDetailsType": "EntityByIdentifier", "fullName": name}}


async def _asked(request: web.Request, needed: str) -> tuple[Principal, Fields]:
    return caller(request, needed), await json_body(request, collect=True)


def _subject(body: Fields, allowed: tuple[str, ...]) -> tuple[str, str]:
    """`subjectIdentifier` of one of the allowed types, its value in the form of its type."""
    given = body.object("subjectIdentifier")
    kind, value = given.choice("type", allowed), given.text("value", 9, 64)
    if value and not numbers.IDENTIFIERS[kind].fullmatch(value):
        given.reject("value", f"nieprawidłowy identyfikator {kind}")
    return kind, value.upper() if kind == "Fingerprint" else value


def _internal_id_ok(value: str) -> bool:
    """Form and last digit; the NIP inside is not checked, since test NIPs may be made up (I11)."""
    return bool(INTERNAL_ID_PATTERN.fullmatch(value)) and internal_id_check_digit(value) == value[-1]


def _give(request: web.Request, who: Principal, wanted: Grant) -> web.Response:
    """Keep the grant unless its operation fails; effective when the operation shows 200."""
    world = world_of(request)
    ready = world.now + world.switches.ms("permission_delay_s")
    with world.store.transaction():
        if wanted.code == 200:
            _keep(world, wanted, (who.subject_type, who.subject_value), who.context, ready)
        ref = _operation(world, who, ready, wanted.code)
    return reply(request, {"referenceNumber": ref}, 202)


def _keep(world: World, wanted: Grant, author: tuple[str, str | None], granted_in: Context, start_ms: int) -> None:
    for scope, delegable in wanted.scopes.items():
        world.store.add(
            "grants",
            id=str(uuid.uuid4()),
            kind=wanted.kind,
            context_type=wanted.context.type,
            context_value=wanted.context.value,
            granted_in=granted_in.key,
            subject_type=wanted.subject[0],
            subject_value=wanted.subject[1],
            scope=scope,
            can_delegate=int(delegable),
            description=wanted.description,
            details=json.dumps(wanted.details, ensure_ascii=False),
            unit_name=wanted.unit_name,
            author_type=author[0],
            author_value=author[1],
            start_ms=start_ms,
        )


def _take(request: web.Request, who: Principal, kinds: str) -> web.Response:
    """End a permission when the operation shows 200; 21405 if the caller's context has none of this id."""
    world = world_of(request)
    wanted = request.match_info["permissionId"]
    sql = f"SELECT * FROM grants WHERE id = ? AND {kinds} AND end_ms IS NULL"  # noqa: S608 - our text
    row: Row | None = world.store.one(sql, wanted)
    mine = row is not None and who.context.key in (row["granted_in"], f"{row['context_type']}|{row['context_value']}")
    if not mine:
        raise BadRequest(21405, f"Uprawnienie {wanted} nie istnieje w bieżącym kontekście.")
    ready = world.now + world.switches.ms("permission_delay_s")
    with world.store.transaction():
        world.store.run("UPDATE grants SET end_ms = ? WHERE id = ?", ready, wanted)
        ref = _operation(world, who, ready, 200)
    return reply(request, {"referenceNumber": ref}, 202)


def _operation(world: World, who: Principal, ready_ms: int, code: int) -> str:
    now = world.now
    ref = numbers.reference("EG", warsaw_day(now))
    world.store.add("operations", ref=ref, context=who.context.key, created_ms=now, ready_ms=ready_ms, code=code)
    return ref
