"""Reading sessions: status, lists, single invoices, UPO (I5, I6, I22–I24, U1, U4)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from sandbox import listing, session_state, storage, upo
from sandbox.clock import iso, parse_iso
from sandbox.errors import BadRequest
from sandbox.permissions import LOOKING
from sandbox.principal import Principal, caller
from sandbox.replies import reply, status_info, xml_reply
from sandbox.session_state import State
from sandbox.store import Row
from sandbox.world import World, world_of

DESCRIPTIONS = {
    100: "Faktura przyjęta do dalszego przetwarzania",
    150: "Trwa przetwarzanie",
    200: "Sukces",
    405: "Przetwarzanie anulowane z powodu błędu sesji",
    410: "Nieprawidłowy zakres uprawnień",
    415: "Brak możliwości wysyłania faktury z załącznikiem",
    430: "Błąd weryfikacji pliku faktury",
    435: "Błąd odszyfrowania pliku",
    440: "Duplikat faktury",
    450: "Błąd weryfikacji semantyki dokumentu faktury",
    500: "Nieznany błąd (500)",
    550: "Operacja została anulowana przez system",
}
STATUSES = {"InProgress", "Succeeded", "Failed", "Cancelled"}
INSTANTS = ("Created", "Closed", "Modified")


async def list_all(request: web.Request) -> web.Response:
    """GET /sessions: own sessions, or all of the context with Introspection (I24)."""
    world = world_of(request)
    who = caller(request, "InvoiceWrite", "Introspection", "EnforcementOperations")
    kind = request.query.get("sessionType")
    if kind not in ("Online", "Batch"):
        raise BadRequest(21405, "Parametr 'sessionType' jest wymagany: Online albo Batch.")
    unknown = set(_statuses(request)) - STATUSES
    if unknown:
        raise BadRequest(21405, f"Parametr 'statuses': nieznana wartość '{sorted(unknown)[0]}'.")
    rows = _visible(world, who, kind)
    found = [(row, session_state.state(world, row)) for row in rows if _named(request, row)]
    chosen = [(row, state) for row, state in found if _matches(request, row, state, world.now)]
    page, token = listing.page(request, chosen, owner=f"{who.context.key}|{who.subject_key}|{kind}")
    items = [
        {**session_state.view(row, state), "referenceNumber": row["ref"], "totalInvoiceCount": state.total}
        for row, state in page
    ]
    return reply(request, {"continuationToken": token, "sessions": items})


async def status(request: web.Request) -> web.Response:
    """GET /sessions/{referenceNumber}: status, counters, UPO pages with fresh URLs (I16, I22, U4)."""
    world = world_of(request)
    row, state = _session(request)
    body = session_state.view(row, state) | {"invoiceCount": state.total}
    refs = upo.pages(world, row, state)
    if refs:
        body["upo"] = {"pages": [_upo_page(request, row, ref) for ref in refs]}
    return reply(request, body)


async def invoices(request: web.Request) -> web.Response:
    """GET /sessions/{referenceNumber}/invoices: every item in order of arrival (I22, I23)."""
    return _listed(request, "1")


async def failed(request: web.Request) -> web.Response:
    """GET /sessions/{referenceNumber}/invoices/failed: only items with a code of 400 or more (I22)."""
    return _listed(request, f"code >= 400 AND final_ms <= {world_of(request).now}")


async def invoice(request: web.Request) -> web.Response:
    """GET /sessions/{referenceNumber}/invoices/{invoiceReferenceNumber} (I5, I6)."""
    session, state = _session(request)
    row = _invoice(request, "ref = ?", request.match_info["invoiceReferenceNumber"])
    if row is None:
        raise BadRequest(21405, "Nie znaleziono faktury o podanym numerze referencyjnym.")
    return reply(request, _item(request, session, state, row))


async def invoice_upo(request: web.Request) -> web.Response:
    """GET …/invoices/{invoiceReferenceNumber}/upo: the UPO, or 400/21178 (U1)."""
    return _upo(request, "ref = ?", request.match_info["invoiceReferenceNumber"])


async def ksef_upo(request: web.Request) -> web.Response:
    """GET …/invoices/ksef/{ksefNumber}/upo: the same by KSeF number (U1)."""
    return _upo(request, "ksef_number = ?", request.match_info["ksefNumber"])


async def page_upo(request: web.Request) -> web.Response:
    """GET …/upo/{upoReferenceNumber}: a collective page, or 400/21178 (U4)."""
    world = world_of(request)
    session, state = _session(request)
    ref = request.match_info["upoReferenceNumber"]
    document = upo.stored(world, ref) if ref in upo.pages(world, session, state) else None
    if document is None:
        raise BadRequest(21178, f"UPO o numerze referencyjnym {ref} dla sesji {session['ref']} nie zostało znalezione.")
    return xml_reply(document)


def _session(request: web.Request) -> tuple[Row, State]:
    world = world_of(request)
    who = caller(request, *LOOKING)
    row = session_state.find(world, who, request.match_info["referenceNumber"])
    return row, session_state.state(world, row)


def _visible(world: World, who: Principal, kind: str) -> list[Row]:
    rows = world.store.all(
        "SELECT * FROM sessions WHERE context_type = ? AND context_value = ? AND kind = ?"
        " ORDER BY created_ms DESC, ref DESC",
        who.context.type,
        who.context.value,
        kind,
    )
    if {"Introspection", "EnforcementOperations"} & set(who.permissions):
        return rows
    return [row for row in rows if f"{row['subject_type']}|{row['subject_value']}" == who.subject_key]


def _named(request: web.Request, row: Row) -> bool:
    wanted = request.query.get("referenceNumber")
    return wanted is None or row["ref"] == wanted


def _matches(request: web.Request, row: Row, state: State, now: int) -> bool:
    instants = (row["created_ms"], session_state.closed_at(row, now), state.updated_ms)
    for name, instant in zip(INSTANTS, instants, strict=True):
        low, high = _bound(request, f"date{name}From"), _bound(request, f"date{name}To")
        if (low is not None or high is not None) and instant is None:
            return False
        if instant is not None and not (low or 0) <= instant <= (1 << 62 if high is None else high):
            return False
    statuses = _statuses(request)
    return not statuses or state.common in statuses


def _statuses(request: web.Request) -> list[str]:
    return request.query.getall("statuses", []) + request.query.getall("statuses[]", [])


def _bound(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return parse_iso(text.replace(" ", "+"))
    except (ValueError, OverflowError) as fault:
        raise BadRequest(21405, f"Parametr '{name}' musi być datą ze wskazaniem strefy.") from fault


def _upo_page(request: web.Request, session: Row, ref: str) -> dict[str, Any]:
    world = world_of(request)
    expires = world.now + world.switches.ms("download_url_ttl_s")
    url = storage.signed_url(request, "GET", "upo", ref, f"{session['ref']}.xml", expires)
    return {"referenceNumber": ref, "downloadUrl": url, "downloadUrlExpirationDate": iso(expires)}


def _listed(request: web.Request, condition: str) -> web.Response:
    world = world_of(request)
    session, state = _session(request)
    sql = f"SELECT * FROM invoices WHERE session_ref = ? AND {condition} ORDER BY ordinal"  # noqa: S608 - our text
    rows = world.store.all(sql, session["ref"])
    page, token = listing.page(request, rows, owner=session["ref"])
    items = [_item(request, session, state, row) for row in page]
    return reply(request, {"continuationToken": token, "invoices": items})


def _invoice(request: web.Request, condition: str, value: str) -> Row | None:
    ref = request.match_info["referenceNumber"]
    sql = f"SELECT * FROM invoices WHERE session_ref = ? AND {condition}"  # noqa: S608 - our text
    return world_of(request).store.one(sql, ref, value)


def _code(row: Row, now: int) -> int:
    if now < row["at150_ms"]:
        return 100
    if row["final_ms"] is None or now < row["final_ms"]:
        return 150
    return int(row["code"])


def _item(request: web.Request, session: Row, state: State, row: Row) -> dict[str, Any]:
    """One SessionInvoiceStatusResponse (protocol §6.4)."""
    world = world_of(request)
    now = world.now
    code = _code(row, now)
    final = code >= 200
    info = status_info(
        code, DESCRIPTIONS.get(code, f"Nieznany status ({code})"), json.loads(row["details"]) if final else None
    )
    if final and row["extensions"]:
        info["extensions"] = json.loads(row["extensions"])
    body: dict[str, Any] = {
        "ordinalNumber": row["ordinal"],
        "invoiceNumber": row["number"] if final else None,
        "referenceNumber": row["ref"],
        "invoiceHash": row["hash"],
        "invoiceFileName": row["file_name"],
        "invoicingDate": iso(row["invoicing_ms"]),
        "status": info,
    }
    if code == 200:
        stored = row["storage_ms"] is not None and row["storage_ms"] <= now
        body["ksefNumber"] = row["ksef_number"]
        body["acquisitionDate"] = iso(row["final_ms"])
        body["invoicingMode"] = row["mode"]
        body["permanentStorageDate"] = iso(row["storage_ms"]) if stored else None
    if upo.ready(world, session, state, row):
        expires = now + world.switches.ms("download_url_ttl_s")
        ref = upo.invoice_ref(world, session, row)
        body["upoDownloadUrl"] = storage.signed_url(request, "GET", "upo", ref, f"{row['ksef_number']}.xml", expires)
        body["upoDownloadUrlExpirationDate"] = iso(expires)
    return body


def _upo(request: web.Request, condition: str, value: str) -> web.Response:
    world = world_of(request)
    session, state = _session(request)
    row = _invoice(request, condition, value)
    if row is None or not upo.ready(world, session, state, row):
        raise BadRequest(21178, f"UPO dla faktury {value} nie zostało znalezione.")
    document = upo.stored(world, upo.invoice_ref(world, session, row))
    assert document is not None
    return xml_reply(document)
