"""Received invoices over HTTP: only those routed to the unit that asks (DESIGN 4.5)."""

from typing import Any

from aiohttp import web

from gateway.folders.copies import marks_of_received
from gateway.http import parameters, pdf
from gateway.http.answers import as_file, as_json
from gateway.http.state import PARTS, log_fields
from gateway.own import AbsentError, Own
from gateway.results import local
from spool.domain.ledger import Received


async def page(request: web.Request, own: Own) -> web.Response:
    """GET /v1/received: in order of arrival; the cursor is the KSeF number of the last row."""
    parameters.only(request, "after", "limit")
    limit, after = parameters.limit(request), parameters.after(request)
    try:
        found = await own.received_page(after, limit + 1)
    except AbsentError:
        raise parameters.unknown_cursor() from None
    rows = found[:limit]
    following = rows[-1].ksef_number if len(found) > limit else None
    return as_json({"received": [_row(r) for r in rows], "next": following})


async def xml(request: web.Request, own: Own) -> web.Response:
    """GET /v1/received/{KSeF number}/xml: the bytes exactly as KSeF gave them."""
    invoice, raw = await _own(request, own)
    return as_file(request, raw, "application/xml", f"{invoice.ksef_number}.xml")


async def as_pdf(request: web.Request, own: Own) -> web.Response:
    """GET /v1/received/{KSeF number}/pdf: a picture of it, made now, in a worker."""
    parts = request.app[PARTS]
    invoice, raw = await _own(request, own)
    made = await pdf.render(parts.drawing, raw, marks_of_received(invoice, parts.municipality))
    return as_file(request, made, "application/pdf", f"{invoice.ksef_number}.pdf")


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


async def _own(request: web.Request, own: Own) -> tuple[Received, bytes]:
    """The invoice named in the path; its number goes into the log only once it turns out to be the unit's own."""
    found = await own.received(request.match_info["number"])
    log_fields(request)["document"] = found[0].ksef_number
    return found
