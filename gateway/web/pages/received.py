"""Received invoices: the list, the central tray, one of them with where it went and why."""

from datetime import datetime
from typing import Any

from aiohttp import web

from gateway import evidence
from gateway.folders.copies import marks_of_received
from gateway.http import pdf
from gateway.http.answers import as_file
from gateway.http.problems import HttpProblem
from gateway.results import local
from gateway.web import shown
from gateway.web.languages import say
from gateway.web.pages import forms
from gateway.web.pages.documents import seen, told_event
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.shown import Fact
from gateway.web.sight import Sight, look
from gateway.web.words import day, moment, paid
from spool import purchases
from spool.domain.accounts import Right
from spool.domain.calendar import warsaw_date
from spool.domain.environments import label_of
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import Event, Received
from spool.domain.papers import Attachment
from spool.law import Rules
from spool.purchases import Purchase, hop, paper_beside

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
        "training": say(label_of(facts.training)),
        "ksef": invoice.ksef_number,
        "seller": facts.seller_name or facts.seller_nip or say("sprzedawca nieznany"),
        "seller_nip": facts.seller_nip,
        "number": facts.number,
        "gross": paid(facts),
        "unit": unit.name if unit else invoice.unit or say("tacka centralna"),
        "central": invoice.unit is None,
        "at": moment(invoice.acquisition_date, now),
        "at_iso": local(invoice.acquisition_date),
    }


async def show(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}."""
    return await _page(request, viewer)


async def _page(request: web.Request, viewer: Viewer, error: str = "") -> web.Response:
    parts, number = request.app[PARTS], request.match_info["number"]
    purchase, history, files = await look(parts, viewer, lambda sight: _whole(sight, number, parts.rules))
    invoice, now, whole = purchase.invoice, parts.clock(), viewer.account.whole_town
    values = {
        "row": row(invoice, now, parts),
        "facts": _facts(invoice, now, parts) + _more(purchase, whole=whole),
        "why": invoice.why,
        "remarks": invoice.remarks,
        "look": purchase.receipt.look,
        "beside": [{"id": p.id, "text": paper_beside(p)} for p in (purchase.papers if whole else purchase.own_papers)],
        "attachments": shown.attachments(files),
        "history": [told_event(e, now) | ({"note": hop(e)} if whole else {}) for e in history],
        "assigning": _assigning(purchase, parts, now) if viewer.account.may(Right.DECIDE) else None,
        "error": error,
    }
    return shown.page(request, viewer, "received_one.html", values, 422 if error else 200)


def _whole(sight: Sight, number: str, rules: Rules) -> tuple[Purchase, list[Event], list[Attachment]]:
    invoice = sight.received(number)
    files = sight.store.attachments(invoice.ksef_number)
    return purchases.look(sight.store, invoice, rules), sight.history(invoice), files


def _more(purchase: Purchase, *, whole: bool) -> list[Fact]:
    """The receipt date, and for people in charge what looks like the same invoice: it may be another unit's."""
    rows = [Fact(say("Data otrzymania"), f"{day(purchase.receipt.day)} ({purchase.receipt.rule})", kept=True)]
    return [*rows, Fact(say("Podobne faktury"), ", ".join(purchase.alike))] if whole and purchase.alike else rows


def _assigning(purchase: Purchase, parts: AdminParts, now: datetime) -> dict[str, Any]:
    """What a person needs to decide whose it is: the reasons for each unit, all units, the letter to the supplier."""
    units = parts.municipality.units
    reasons: dict[str, list[str]] = {}
    for suggestion in purchase.suggestions:
        reasons.setdefault(suggestion.unit, []).append(suggestion.why)
    return {
        "suggested": [
            {"id": unit, "name": units[unit].name, "why": why} for unit, why in reasons.items() if unit in units
        ],
        "units": [{"id": unit.id, "name": unit.name} for unit in units.values()],
        "current": purchase.invoice.unit or "",
        "letter": purchases.letter(purchase, parts.rules, warsaw_date(now)) if purchase.asks_supplier else "",
        "receipt": purchase.receipt.day.isoformat(),
    }


async def decide(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /odebrane/{number}/{verb}: assigned, mirrored again, or its day of receipt entered, under a name."""
    parts, form = request.app[PARTS], await request.post()
    number, verb = request.match_info["number"], request.match_info["verb"]
    invoice = await look(parts, viewer, lambda sight: sight.received(number))
    now, name = parts.clock(), viewer.actor
    try:
        if verb == "assign":
            unit = forms.text(form, "unit")
            if unit and unit not in parts.municipality.units:
                raise HttpProblem("bad_request")
            reason = forms.text(form, "reason")
            await parts.spool.write(lambda s: purchases.assign(s, number, unit or None, now, name, reason, parts.rules))
        elif verb == "remirror":
            await parts.spool.write(lambda s: s.remirror(number, now, name))
        elif verb == "receipt":
            received_on = forms.day(form, "day")
            await parts.spool.write(lambda s: s.enter_receipt(invoice, received_on, now, name))
        else:
            raise HttpProblem("not_found")
    except (ConfigError, MoveRefused) as error:
        return await _page(request, viewer, shown.told(error))
    raise shown.back(f"/odebrane/{number}", verb)


def _facts(invoice: Received, now: datetime, parts: AdminParts) -> list[Fact]:
    facts, shown_row = invoice.facts, row(invoice, now, parts)
    rows = [
        Fact(say("Numer KSeF"), invoice.ksef_number),
        Fact(say("Sprzedawca"), " ".join(part for part in (facts.seller_name, facts.seller_nip) if part)),
        Fact(say("Numer faktury"), facts.number),
        Fact(say("Data wystawienia"), day(facts.issue_date) if facts.issue_date else ""),
        Fact(say("Do zapłaty"), shown_row["gross"]),
        Fact(say("Numer nadany"), moment(invoice.acquisition_date, now)),
        Fact(say("Jednostka"), shown_row["unit"]),
        Fact(say("Tytuł płatności od 2027"), invoice.ksef_number),
        Fact("SHA-256", invoice.sha256),
    ]
    return [fact for fact in rows if fact.value]


async def xml(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/xml: the bytes exactly as KSeF gave them."""
    invoice, raw = await _with_body(request, viewer)
    return as_file(request, raw, "application/xml", f"{invoice.ksef_number}.xml")


async def proof(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/dowody.zip."""
    parts, number = request.app[PARTS], request.match_info["number"]
    gathered = await look(
        parts, viewer, lambda sight: evidence.of_received(sight.store, sight.received(number), parts.municipality)
    )
    return as_file(request, await evidence.packed(gathered, parts.drawing), "application/zip", gathered.name)


async def as_pdf(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/{number}/pdf."""
    parts = request.app[PARTS]
    invoice, raw = await _with_body(request, viewer)
    made = await pdf.render(parts.drawing, raw, marks_of_received(invoice, parts.municipality))
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
