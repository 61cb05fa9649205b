"""Received invoices over HTTP: only those routed to the unit that asks (DESIGN 4.5)."""

from typing import Any

from aiohttp import web

from gateway.folders.copies import marks_of_received
from gateway.http import parameters, pdf
from gateway.http.answers import as_file, as_json
from gateway.http.problems import HttpProblem
from gateway.http.state import PARTS, log_fields
from gateway.results import local
from spool.domain.ledger import Received
from spool.domain.municipality import Unit
from spool.store import Store


async def page(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/received: in order of arrival; the cursor is the KSeF number of the last row."""
    parameters.only(request, "after", "limit")
    limit, after = parameters.limit(request), parameters.after(request)

    def look(store: Store) -> list[Received]:
        cursor = store.received(after, unit=unit.id).cursor if after else 0
        return store.received_page(unit=unit.id, after=cursor, limit=limit + 1)

    try:
        found = await request.app[PARTS].spool.read(look)
    except KeyError:
        raise parameters.unknown_cursor() from None
    rows = found[:limit]
    following = rows[-1].ksef_number if len(found) > limit else None
    return as_json({"received": [_row(r) for r in rows], "next": following})


async def xml(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/received/{KSeF number}/xml: the bytes exactly as KSeF gave them."""
    invoice, raw = await _own(request, unit)
    return as_file(raw, "application/xml", f"{invoice.ksef_number}.xml")


async def as_pdf(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/received/{KSeF number}/pdf: a picture of it, made now, in a worker."""
    parts = request.app[PARTS]
    invoice, raw = await _own(request, unit)
    made = await pdf.render(parts, raw, marks_of_received(invoice, parts.municipality))
    return as_file(made, "application/pdf", f"{invoice.ksef_number}.pdf")


def _row(invoice: Received) -> dict[str, Any]:
    facts = invoice.facts
    return {
        "ksef_number": invoice.ksef_number,
        "sha256": invoice.sha256,
        "seller_nip": facts.seller_nip,
        "seller_name": facts.seller_name,
        "number": facts.number,
        "kind": facts.kind,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "currency": facts.currency,
        "gross": facts.gross,
        "acquisition_date": local(invoice.acquisition_date),
        "stored_at": local(invoice.stored_at),
    }


async def _own(request: web.Request, unit: Unit) -> tuple[Received, bytes]:
    """The invoice named in the path with its bytes, if it was routed to this unit; else the same 404 as absent."""
    number = request.match_info["number"]

    def look(store: Store) -> tuple[Received, bytes]:
        invoice = store.received(number, unit=unit.id)
        return invoice, store.body(invoice.sha256)

    try:
        invoice, raw = await request.app[PARTS].spool.read(look)
    except (KeyError, UnicodeEncodeError):
        raise HttpProblem("not_found") from None
    log_fields(request)["document"] = invoice.ksef_number
    return invoice, raw
