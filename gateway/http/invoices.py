"""Outgoing invoices over HTTP: request → intake or store → response. No rules here (DESIGN 4.5)."""

from typing import Any

from aiohttp import web

from gateway.admission import Verdict
from gateway.folders.copies import marks_of_document
from gateway.http import parameters, pdf
from gateway.http.answers import as_file, as_json
from gateway.http.body import whole_body
from gateway.http.problems import HttpProblem, refusal
from gateway.http.state import PARTS, log_fields
from gateway.own import AbsentError, Own
from gateway.results import local, result, told
from gateway.sizes import is_zip
from spool.domain.errors import Problem
from spool.domain.ledger import Document


async def submit(request: web.Request, own: Own) -> web.Response:
    """POST /v1/invoices: one XML or a ZIP of them; the promise only after the commit."""
    parameters.only(request, "offline24")
    name, key = parameters.file_name(request), parameters.idempotency_key(request)
    offline24 = parameters.flag(request, "offline24")
    parts = request.app[PARTS]
    async with whole_body(request, parts.room, parts.patience) as raw:
        verdicts = await own.accept(raw, name, offline24=offline24, key=key)
        return answer(request, verdicts, several=is_zip(raw))


def answer(request: web.Request, verdicts: list[Verdict], *, several: bool) -> web.Response:
    """What a delivery is told; `several` for a ZIP. Raises HttpProblem for a refusal."""
    several = several and any(v.document for v in verdicts)  # else the archive or its key was refused whole
    taken = [v.document for v in verdicts if v.document]
    log_fields(request)["document"] = [d.id for d in taken] if several else next((d.id for d in taken), None)
    return _many(verdicts) if several else _one(verdicts[0])


def _one(verdict: Verdict) -> web.Response:
    """202 new, 200 the same again, 409 or 422 refused."""
    document = verdict.document
    if verdict.kind == "refused" or document is None:
        known = {"id": document.id, "sha256": document.sha256, "state": document.state.value} if document else {}
        raise refusal(verdict.problems, **known)
    status = 202 if verdict.kind == "new" else 200
    return as_json(_brief(document), status, {"Location": f"/v1/invoices/{document.id}"})


def _many(verdicts: list[Verdict]) -> web.Response:
    """A ZIP: 202 with a line per entry when at least one is in, else 422."""
    entries = [_entry(v) for v in verdicts]
    if any(v.kind in {"new", "same"} for v in verdicts):
        return as_json({"documents": entries}, 202)
    problems: list[Problem] = [p for v in verdicts for p in v.problems]
    raise HttpProblem("refused", errors=problems, extra={"documents": entries})


def _entry(verdict: Verdict) -> dict[str, Any]:
    if verdict.kind == "refused" or verdict.document is None:
        return {"name": verdict.name, "errors": [p.as_dict() for p in verdict.problems]}
    brief = _brief(verdict.document)
    return {"name": verdict.name} | {key: brief[key] for key in ("id", "sha256", "state", "due")}


def _brief(document: Document) -> dict[str, Any]:
    """What a program needs to remember and to wait for."""
    return {
        "id": document.id,
        "sha256": document.sha256,
        "state": document.state.value,
        "mode": document.mode.value,
        "due": local(document.due_safe),
    }


async def show(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices/{id}: the result JSON."""
    document = await own.document(request.match_info["id"])
    _named(request, document)
    events = await own.history(document.id)
    return as_json(result(document, events, request.app[PARTS].municipality))


async def history(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices/{id}/history: what happened to it, oldest first, as the result has it."""
    document = await own.document(request.match_info["id"])
    _named(request, document)
    return as_json({"id": document.id, "history": told(await own.history(document.id))})


async def xml(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices/{id}/xml: the bytes exactly as received."""
    document, raw = await own.xml(request.match_info["id"])
    _named(request, document)
    return as_file(request, raw, "application/xml", f"{document.name}.xml")


async def upo(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices/{id}/upo: KSeF's receipt, once there is one."""
    document, raw = await own.upo(request.match_info["id"])
    _named(request, document)
    if raw is None:
        raise HttpProblem("upo_not_yet", extra={"state": document.state.value})
    return as_file(request, raw, "application/xml", f"{document.name}.upo.xml")


async def as_pdf(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices/{id}/pdf: a picture of it, made now, in a worker; with `for=folder` the copy for a folder."""
    parameters.only(request, "for")
    parts, marks = request.app[PARTS], pdf.marks_of
    if parameters.choice(request, "for", "", ("", "folder")):
        marks = marks_of_document
    document, original = await own.xml(request.match_info["id"])
    _named(request, document)
    raw = await pdf.render(parts.drawing, original, marks(document, parts.municipality))
    return as_file(request, raw, "application/pdf", f"{document.name}.pdf")


async def page(request: web.Request, own: Own) -> web.Response:
    """GET /v1/invoices: the unit's documents in order of arrival.

    The cursor is the id of the last row: the spool's own sequence counts the documents of all units, and would tell.
    """
    parameters.only(request, "state", "after", "limit")
    states, limit, after = parameters.states(request), parameters.limit(request), parameters.after(request)
    try:
        found = await own.page(states, after, limit + 1)
    except AbsentError:
        raise parameters.unknown_cursor() from None
    rows = found[:limit]
    following = rows[-1].id if len(found) > limit else None
    return as_json({"invoices": [_row(d) for d in rows], "next": following})


def _row(document: Document) -> dict[str, Any]:
    facts = document.facts
    return _brief(document) | {
        "source_name": document.source_name,
        "number": facts.number,
        "kind": facts.kind,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "reason": document.reason,
        "ksef_number": document.ksef_number,
        "created_at": local(document.created_at),
        "updated_at": local(document.updated_at),
    }


def _named(request: web.Request, document: Document) -> None:
    """An id goes into the log only once it turns out to be the unit's own."""
    log_fields(request)["document"] = document.id
