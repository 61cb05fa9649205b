"""Received invoices: the list, the central tray, one of them with where it went and why."""

from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.folders.copies import marks_of_received
from gateway.http.answers import as_file
from gateway.results import local
from gateway.web import shown
from gateway.web.pages import forms
from gateway.web.pages.documents import drawn, seen, told_event
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.sight import Sight, look
from gateway.web.words import moment
from spool.domain.accounts import Right
from spool.domain.ledger import Received

_ROWS = 50


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane: the newest first; `?tacka=1` shows only what waits in the central tray."""
    parts, text, before = request.app[PARTS], forms.asked(request, "szukaj"), forms.cursor(request)
    tray = forms.asked(request, "tacka") == "1" and viewer.account.may(Right.LOOK_AT_TOWN)
    found = await look(
        parts, viewer, lambda sight: sight.invoices(text=text, tray=tray, before=before, limit=_ROWS + 1)
    )
    now = parts.clock()
    values = {
        "rows": [row(r, now, parts) for r in found[:_ROWS]],
        "text": text,
        "tray": tray,
        "more": found[_ROWS - 1].cursor if len(found) > _ROWS else 0,
        "later": bool(before),
    }
    return shown.page(request, viewer, "received.html", values)


def row(invoice: Received, now: datetime, parts: AdminParts) -> dict[str, Any]:
    """One received invoice for a list."""
    unit = parts.municipality.units.get(invoice.unit or "")
    facts = invoice.facts
    return {
        "ksef": invoice.ksef_number,
        "seller": facts.seller_name or facts.seller_nip or "sprzedawca nieznany",
        "seller_nip": facts.seller_nip,
        "number": facts.number,
        "gross": f"{facts.gross} {facts.currency}".strip(),
        "unit": unit.name if unit else invoice.unit or "tacka centralna",
        "central": invoice.unit is None,
        "at": moment(invoice.acquisition_date, now),
        "at_iso": local(invoice.acquisition_date),
    }


async def show(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}."""
    parts, number = request.app[PARTS], request.match_info["number"]

    def work(sight: Sight) -> tuple[Received, list[Any]]:
        invoice = sight.received(number)
        return invoice, sight.history(invoice)

    invoice, history = await look(parts, viewer, work)
    now = parts.clock()
    values = {
        "row": row(invoice, now, parts),
        "facts": _facts(invoice, now, parts),
        "why": invoice.why,
        "history": [told_event(e, now) for e in history],
    }
    return shown.page(request, viewer, "received_one.html", values)


def _facts(invoice: Received, now: datetime, parts: AdminParts) -> list[tuple[str, str]]:
    facts, shown_row = invoice.facts, row(invoice, now, parts)
    rows = [
        ("Numer KSeF", invoice.ksef_number),
        ("Sprzedawca", " ".join(part for part in (facts.seller_name, facts.seller_nip) if part)),
        ("Numer faktury", facts.number),
        ("Data wystawienia", f"{facts.issue_date:%d.%m.%Y}" if facts.issue_date else ""),
        ("Do zapłaty", shown_row["gross"]),
        ("Numer nadany", moment(invoice.acquisition_date, now)),
        ("Jednostka", shown_row["unit"]),
        ("Tytuł płatności od 2027", invoice.ksef_number),
        ("SHA-256", invoice.sha256),
    ]
    return [(label, value) for label, value in rows if value]


async def xml(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/xml: the bytes exactly as KSeF gave them."""
    invoice, raw = await _with_body(request, viewer)
    return as_file(request, raw, "application/xml", f"{invoice.ksef_number}.xml")


async def as_pdf(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/pdf."""
    parts = request.app[PARTS]
    invoice, raw = await _with_body(request, viewer)
    made = await drawn(parts, raw, marks_of_received(invoice, parts.municipality))
    return as_file(request, made, "application/pdf", f"{invoice.ksef_number}.pdf")


async def as_picture(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/obraz.png."""
    parts = request.app[PARTS]
    invoice, raw = await _with_body(request, viewer)
    return await seen(parts, raw, marks_of_received(invoice, parts.municipality))


async def _with_body(request: web.Request, viewer: Viewer) -> tuple[Received, bytes]:
    number = request.match_info["number"]

    def work(sight: Sight) -> tuple[Received, bytes]:
        invoice = sight.received(number)
        return invoice, sight.body(invoice.sha256)

    return await look(request.app[PARTS], viewer, work)
