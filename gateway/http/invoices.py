"""Outgoing invoices over HTTP: request → intake or store → response. No rules here (DESIGN 4.5)."""

from typing import Any

from aiohttp import web

from gateway.admission import Verdict
from gateway.http import parameters, pdf
from gateway.http.answers import as_file, as_json
from gateway.http.body import whole_body
from gateway.http.problems import HttpProblem, refusal
from gateway.http.state import PARTS, Parts, log_fields
from gateway.intake import Origin
from gateway.results import local, result, told
from gateway.sizes import is_zip
from spool.domain.errors import Problem
from spool.domain.ledger import Document
from spool.domain.municipality import Unit
from spool.series import explained
from spool.store import Store


async def submit(request: web.Request, unit: Unit) -> web.Response:
    """POST /v1/invoices: one XML or a ZIP of them; the promise only after the commit."""
    parameters.only(request, "offline24")
    origin = Origin(
        unit,
        "http",
        parameters.file_name(request),
        offline24=parameters.flag(request, "offline24"),
        key=parameters.idempotency_key(request),
    )
    parts = request.app[PARTS]
    async with whole_body(request, parts.room, parts.patience) as raw:
        verdicts = await parts.front_door.accept(raw, origin)
        several = is_zip(raw) and any(v.document for v in verdicts)  # else the archive or its key was refused whole
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


async def show(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices/{id}: the result JSON."""
    parts = request.app[PARTS]
    document = await _own(request, unit)
    history = await parts.spool.read(lambda store: store.history(document.id))
    return as_json(result(document, history, parts.municipality))


async def history(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices/{id}/history: what happened to it, oldest first, as the result has it."""
    document = await _own(request, unit)
    events = await request.app[PARTS].spool.read(lambda store: store.history(document.id))
    return as_json({"id": document.id, "history": told(events)})


async def xml(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices/{id}/xml: the bytes exactly as received."""
    document = await _own(request, unit)
    return as_file(await _body(request, document.sha256), "application/xml", f"{document.name}.xml")


async def upo(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices/{id}/upo: KSeF's receipt, once there is one."""
    document = await _own(request, unit)
    if document.upo_sha256 is None:
        raise HttpProblem("upo_not_yet", extra={"state": document.state.value})
    return as_file(await _body(request, document.upo_sha256), "application/xml", f"{document.name}.upo.xml")


async def as_pdf(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices/{id}/pdf: a picture of it, made now, in a worker."""
    parts = request.app[PARTS]
    document = await _own(request, unit)
    marks = pdf.marks_of(document, parts.municipality)
    raw = await pdf.render(parts, await _body(request, document.sha256), marks)
    return as_file(raw, "application/pdf", f"{document.name}.pdf")


async def page(request: web.Request, unit: Unit) -> web.Response:
    """GET /v1/invoices: the unit's documents in order of arrival.

    The cursor is the id of the last row: the spool's own sequence counts the documents of all units, and would tell.
    """
    parameters.only(request, "state", "after", "limit")
    states, limit, after = parameters.states(request), parameters.limit(request), parameters.after(request)

    def look(store: Store) -> list[Document]:
        seq = store.document(after, unit=unit.id).seq if after else 0
        found = store.documents(unit=unit.id, states=states, after=seq, limit=limit + 1)
        return [explained(store, document) for document in found]

    try:
        found = await request.app[PARTS].spool.read(look)
    except KeyError:
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


async def _own(request: web.Request, unit: Unit) -> Document:
    """The document named in the path, if it is this unit's. Foreign and absent end in the same 404 (I7)."""
    document_id = request.match_info["id"]
    try:
        document = await request.app[PARTS].spool.read(
            lambda store: explained(store, store.document(document_id, unit=unit.id))
        )
    except (KeyError, UnicodeEncodeError):
        raise HttpProblem("not_found") from None
    log_fields(request)["document"] = document.id
    return document


async def _body(request: web.Request, sha256: str) -> bytes:
    parts: Parts = request.app[PARTS]
    return await parts.spool.read(lambda store: store.body(sha256))
