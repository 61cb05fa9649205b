"""Reading permissions and roles: the /permissions/query endpoints and the attachment consent (protocol §15)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox.clock import iso, warsaw_day
from sandbox.fields import Fields, json_body, query_int
from sandbox.permissions import OWNER, SCOPES, Context, is_owner, roles
from sandbox.principal import caller
from sandbox.replies import reply
from sandbox.store import Row
from sandbox.testdata import attachments_allowed
from sandbox.world import World, world_of

READERS = ("CredentialsManage", "CredentialsRead")
SUBORDINATE = {"LocalGovernmentUnit": "LocalGovernmentSubUnit", "VatGroupUnit": "VatGroupSubUnit"}
ANYBODY = ("Nip", "Pesel", "Fingerprint", "System")
UNITS = ("Nip", "InternalId")
TARGETS = ("Nip", "AllPartners", "InternalId")


async def personal(request: web.Request) -> web.Response:
    """POST /permissions/query/personal/grants: the caller's own permissions in this context."""
    world = world_of(request)
    who = caller(request)
    body = await json_body(request, collect=True)
    from_context, scopes, inactive = _identifier(body, "contextIdentifier", UNITS), _scopes(body), _inactive(body)
    _identifier(body, "targetIdentifier", TARGETS, valueless=("AllPartners",))
    body.verify()
    owner = is_owner(who.permissions) and who.category != "Token"
    rows = _rows(world, "subject_type = ? AND subject_value = ?", who.subject_type, who.subject_value)
    rows = [row for row in rows if row["kind"] != "authorization" and _context_key(row) == who.context.key]
    if owner:
        others = _rows(world, "kind = 'entity' AND subject_type = 'Nip' AND subject_value = ?", who.context.nip)
        rows += [row for row in others if row not in rows]
    rows = [row for row in rows if scopes is None or row["scope"] in scopes]
    rows = [row for row in rows if from_context in (None, (row["context_type"], row["context_value"]))]
    items = [
        {
            "id": row["id"],
            "contextIdentifier": _context(row),
            "authorizedIdentifier": _subject(row),
            **_common(row),
            **_state(row),
        }
        for row in _sorted(rows)
        if not inactive
    ]
    answer = _page(request, "permissions", items)
    return reply(request, answer | ({"ownerPermissions": list(OWNER)} if owner else {}))


async def persons(request: web.Request) -> web.Response:
    """POST /permissions/query/persons/grants: who may work here, or what the caller granted from here."""
    world = world_of(request)
    who = caller(request, *READERS, "SubunitManage")
    body = await json_body(request, collect=True)
    kinds = ("PermissionsInCurrentContext", "PermissionsGrantedInCurrentContext")
    mine = body.choice("queryType", kinds) == kinds[1]
    author = _identifier(body, "authorIdentifier", ANYBODY, valueless=("System",))
    subject = _identifier(body, "authorizedIdentifier", ANYBODY[:3])
    unit = _identifier(body, "contextIdentifier", UNITS)
    _identifier(body, "targetIdentifier", TARGETS, valueless=("AllPartners",))
    scopes, inactive = _scopes(body), _inactive(body)
    body.verify()
    if mine:
        condition = "granted_in = ? AND author_type = ? AND author_value = ?"
        rows = _rows(world, condition, who.context.key, who.subject_type, who.subject_value)
    else:
        condition = "context_type = ? AND context_value = ?"
        rows = _rows(world, condition, who.context.type, who.context.value)
    items = []
    for row in _sorted(rows):
        same = scopes is None or row["scope"] in scopes
        same &= subject in (None, (row["subject_type"], row["subject_value"]))
        same &= author in (None, (row["author_type"], row["author_value"] or ""))
        same &= unit in (None, (row["context_type"], row["context_value"]))
        if same and not inactive and row["kind"] != "authorization":
            items.append({"id": row["id"], "authorizedIdentifier": _subject(row), **_unit_of(row), **_author(row)})
            items[-1] |= {**_common(row), **_state(row)}
    return reply(request, _page(request, "permissions", items))


async def subunits(request: web.Request) -> web.Response:
    """POST /permissions/query/subunits/grants: administrators of units, as appointed from here."""
    world = world_of(request)
    who = caller(request, *READERS, "SubunitManage")
    body = await json_body(request, collect=True)
    unit = _identifier(body, "subunitIdentifier", UNITS)
    body.verify()
    items = [
        {
            "id": row["id"],
            "authorizedIdentifier": _subject(row),
            "subunitIdentifier": _context(row),
            **_author(row),
            **_common(row),
            "subunitName": row["unit_name"],
        }
        for row in _sorted(_rows(world, "kind = 'subunit' AND granted_in = ?", who.context.key))
        if unit in (None, (row["context_type"], row["context_value"]))
    ]
    return reply(request, _page(request, "permissions", items))


async def entities(request: web.Request) -> web.Response:
    """POST /permissions/query/entities/grants: what other entities let this one do in their contexts."""
    world = world_of(request)
    who = caller(request, *READERS)
    body = await json_body(request, collect=True)
    giver = _identifier(body, "contextIdentifier", UNITS)
    body.verify()
    condition = "kind = 'entity' AND subject_type = 'Nip' AND subject_value = ?"
    items = [
        {
            "id": row["id"],
            "contextIdentifier": _context(row),
            "permissionScope": row["scope"],
            "description": row["description"],
            "startDate": iso(row["start_ms"]),
            "canDelegate": bool(row["can_delegate"]),
        }
        for row in _sorted(_rows(world, condition, who.context.nip))
        if giver in (None, (row["context_type"], row["context_value"]))
    ]
    return reply(request, _page(request, "permissions", items))


async def authorizations(request: web.Request) -> web.Response:
    """POST /permissions/query/authorizations/grants: issuing for others, granted or received."""
    world = world_of(request)
    who = caller(request, *READERS, "PefInvoiceWrite")
    body = await json_body(request, collect=True)
    granted = body.choice("queryType", ("Granted", "Received")) == "Granted"
    giver = _identifier(body, "authorizingIdentifier", ("Nip",))
    taker = _identifier(body, "authorizedIdentifier", ("Nip", "PeppolId"))
    scopes = body.choices("permissionTypes", SCOPES) or list(SCOPES)
    body.verify()
    side = "context" if granted else "subject"
    condition = f"kind = 'authorization' AND {side}_type = 'Nip' AND {side}_value = ?"
    items = [
        {
            "id": row["id"],
            "authorIdentifier": None if row["author_type"] == "System" else _author(row)["authorIdentifier"],
            "authorizedEntityIdentifier": _subject(row),
            "authorizingEntityIdentifier": _context(row),
            "authorizationScope": row["scope"],
            "description": row["description"],
            "subjectEntityDetails": json.loads(row["details"]).get("subjectEntityDetails"),
            "startDate": iso(row["start_ms"]),
        }
        for row in _sorted(_rows(world, condition, who.context.nip))
        if row["scope"] in scopes
        and (not granted or taker in (None, (row["subject_type"], row["subject_value"])))
        and (granted or giver in (None, (row["context_type"], row["context_value"])))
    ]
    return reply(request, _page(request, "authorizationGrants", items))


async def entity_roles(request: web.Request) -> web.Response:
    """GET /permissions/query/entities/roles: what the context's NIP is in the register of subjects."""
    who = caller(request, *READERS)
    found = roles(world_of(request).store, who.context.nip)
    items = [
        {
            "parentEntityIdentifier": {"type": "Nip", "value": parent} if parent else None,
            "role": role,
            "description": description,
            "startDate": iso(start),
        }
        for role, (parent, description, start) in found.items()
    ]
    return reply(request, _page(request, "roles", items))


async def subordinate_roles(request: web.Request) -> web.Response:
    """POST /permissions/query/subordinate-entities/roles: the children of a JST or a VAT group."""
    world = world_of(request)
    who = caller(request, *READERS, "SubunitManage")
    body = await json_body(request, collect=True)
    wanted = _identifier(body, "subordinateEntityIdentifier", ("Nip",))
    body.verify()
    items = []
    for role, (_, _, start) in roles(world.store, who.context.nip).items():
        children = world.store.get_fact("subject", who.context.nip)["subunits"] if role in SUBORDINATE else []
        for child in children:
            if wanted in (None, ("Nip", child["subjectNip"])):
                item: dict[str, Any] = {"subordinateEntityIdentifier": {"type": "Nip", "value": child["subjectNip"]}}
                item |= {"role": SUBORDINATE[role], "startDate": iso(start)}
                items.append(item | {"description": child.get("description") or "Podmiot podrzędny"})
    return reply(request, _page(request, "roles", items))


async def attachment_status(request: web.Request) -> web.Response:
    """GET /permissions/attachments/status: the consent for attachments, and its end if one is set."""
    world = world_of(request)
    who = caller(request, *READERS)
    consent = world.store.get_fact("attachment", who.context.nip) or {}
    allowed = attachments_allowed(world.store, who.context.nip, warsaw_day(world.now))
    until = consent.get("until")
    return reply(request, {"isAttachmentAllowed": allowed, "revokedDate": f"{until}T00:00:00+00:00" if until else None})


def _rows(world: World, condition: str, *values: object) -> list[Row]:
    """Grants in force now."""
    sql = f"SELECT * FROM grants WHERE {condition} AND start_ms <= ? AND (end_ms IS NULL OR end_ms > ?)"  # noqa: S608
    return world.store.all(sql, *values, world.now, world.now)


def _sorted(rows: list[Row]) -> list[Row]:
    """startDate descending, id ascending, as the OpenAPI file says."""
    return sorted(rows, key=lambda row: (-row["start_ms"], row["id"]))


def _page(request: web.Request, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    size, offset = query_int(request, "pageSize", 10, 10, 100), query_int(request, "pageOffset", 0, 0, 10**6)
    following = (offset + 1) * size
    return {name: items[offset * size : following], "hasMore": following < len(items)}


def _identifier(
    body: Fields, name: str, kinds: tuple[str, ...], valueless: tuple[str, ...] = ()
) -> tuple[str, str] | None:
    """An optional `{type, value}` filter; the value of a valueless type is empty."""
    given = body.optional_object(name)
    if given is None:
        return None
    kind = given.choice("type", kinds)
    return (kind, "") if kind in valueless else (kind, given.text("value", 9, 64))


def _scopes(body: Fields) -> list[str] | None:
    return body.choices("permissionTypes", (*OWNER, "VatUeManage")) or None


def _inactive(body: Fields) -> bool:
    """Whether only inactive permissions are asked for; the simulator keeps none."""
    return body.optional_choice("permissionState", ("Active", "Inactive")) == "Inactive"


def _context_key(row: Row) -> str:
    return Context(row["context_type"], row["context_value"]).key


def _context(row: Row) -> dict[str, str]:
    return {"type": row["context_type"], "value": row["context_value"]}


def _unit_of(row: Row) -> dict[str, Any]:
    """The context, named only for administrators of units."""
    return {"contextIdentifier": _context(row)} if row["kind"] == "subunit" else {}


def _subject(row: Row) -> dict[str, str]:
    return {"type": row["subject_type"], "value": row["subject_value"]}


def _author(row: Row) -> dict[str, Any]:
    return {"authorIdentifier": {"type": row["author_type"], "value": row["author_value"]}}


def _common(row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {"permissionScope": row["scope"], "description": row["description"]}
    details: dict[str, Any] = json.loads(row["details"])
    return shown | details | {"startDate": iso(row["start_ms"])}


def _state(row: Row) -> dict[str, Any]:
    return {"permissionState": "Active", "canDelegate": bool(row["can_delegate"])}
