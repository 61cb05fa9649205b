"""Outgoing invoices: the list, one of them with its whole history and its proofs, and what a person may do to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway import by_person, evidence
from gateway.by_person import Desk
from gateway.folders.copies import marks_of_document
from gateway.http import pdf
from gateway.http.answers import as_file
from gateway.http.problems import HttpProblem
from gateway.render.marks import Marks
from gateway.render.work import picture
from gateway.results import local, verification_link
from gateway.web import shown
from gateway.web.health import overdue, soon
from gateway.web.languages import phrase, say
from gateway.web.pages import forms
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.shown import Fact
from gateway.web.sight import Sight, look, units_of
from gateway.web.view import UNDATED
from gateway.web.words import actor, day, left, moment, paid
from spool import actions
from spool.domain.accounts import Right
from spool.domain.booking import jpk_mark, payment_title
from spool.domain.document import MODE_LABELS
from spool.domain.environments import label_of
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import Document, Event
from spool.domain.states import LABELS, LIVE, NUMBERED, State

_ROWS = 50
_LARGEST_CORRECTION = 3_000_000
_FILTERS: dict[str, tuple[str, frozenset[State]]] = {
    "": (phrase("Wszystkie"), frozenset()),
    "czekaja": (phrase("Czekają"), LIVE - NUMBERED),
    "odrzucone": (phrase("Odrzucone"), frozenset({State.REFUSED})),
    "decyzje": (phrase("Do decyzji"), frozenset({State.CONFLICT, State.HELD, State.UNKNOWN, State.QUARANTINED})),
    "zakonczone": (phrase("Z numerem KSeF"), NUMBERED),
}
_NOT_IN_KSEF = {State.REFUSED, State.WITHDRAWN, State.QUARANTINED, State.CEASED}
"""Of these KSeF has nothing, so the link to it would only mislead."""


@dataclass(frozen=True)
class Action:
    """One thing that can be done to a document: how it is called, and what a person should know before."""

    name: str
    label: str
    question: str
    right: Right = Right.WORK
    grave: bool = False
    reason: bool = False


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "retry", phrase("Spróbuj ponownie"),
            phrase("Dokument zostanie sprawdzony od nowa i, jeśli jest w porządku, wysłany."),
        ),
        Action(
            "hold", phrase("Wstrzymaj"),
            phrase("Dokument nie zostanie wysłany, dopóki ktoś go nie zwolni. Termin biegnie dalej."),
        ),
        Action(
            "release", phrase("Zwolnij"),
            phrase("Dokument wróci do kolejki, a wysyłka w jego kontekście zostanie wznowiona."),
        ),
        Action(
            "withdraw", phrase("Wycofaj"),
            phrase("Dokument nie zostanie wysłany do KSeF, a jego numer będzie można użyć ponownie."), grave=True,
        ),
        Action(
            "correct", phrase("Korekta techniczna"),
            phrase("Poprawiony plik tej samej faktury: treść musi zostać ta sama."),
        ),
        Action(
            "give-up", phrase("Oddaj numer"),
            phrase(
                "Numer tej faktury ma w KSeF inny dokument. Faktura wróci do jednostki jako odrzucona i trzeba będzie "
                "wystawić ją z innym numerem."
            ),
            right=Right.DECIDE, grave=True, reason=True,
        ),
    )
}  # fmt: skip


def offered(document: Document, correctable: bool, viewer: Viewer) -> list[Action]:
    """What this person may do to it now."""
    state = document.state
    names = []
    if state in {State.REFUSED, State.WITHDRAWN, State.QUARANTINED, State.CEASED, State.CONFLICT}:
        names.append("retry")
    if state in {State.QUEUED, State.WAITING} or (state is State.HELD and not document.parked):
        names.append("hold")
    if state is State.HELD:
        names.append("release")
    if state in {State.QUEUED, State.WAITING, State.HELD} or document.owed:
        names.append("withdraw")
    if correctable:
        names.append("correct")
    if state is State.CONFLICT:
        names.append("give-up")
    found = [ACTIONS[name] for name in names if viewer.account.may(ACTIONS[name].right)]
    ceased = state is State.CEASED and not viewer.account.may(Right.DECIDE)
    return [action for action in found if not (action.name == "retry" and ceased)]


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury: the newest first; a filter by state, a search in numbers and file names."""
    parts, text, chosen = request.app[PARTS], forms.asked(request, "szukaj"), forms.asked(request, "stan")
    states = _FILTERS.get(chosen, _FILTERS[""])[1]
    before = forms.cursor(request)
    found = await look(
        parts, viewer, lambda sight: sight.documents(text=text, states=states, before=before, limit=_ROWS + 1)
    )
    now = parts.clock()
    values = {
        "rows": [_row(d, now, parts) for d in found[:_ROWS]],
        "filters": [{"key": k, "label": say(label), "here": k == chosen} for k, (label, _) in _FILTERS.items()],
        "chosen": chosen,
        "text": text,
        "more": found[_ROWS - 1].seq if len(found) > _ROWS else 0,
        "later": bool(before),
        "units": len(units_of(parts, viewer)),
    }
    return shown.page(request, viewer, "documents.html", values)


def _row(document: Document, now: datetime, parts: AdminParts) -> dict[str, Any]:
    unit = parts.municipality.units.get(document.unit)
    waits, due = document.state in LIVE - NUMBERED, document.due_safe
    return {
        "id": document.id,
        "number": document.facts.number or document.source_name or document.id,
        "buyer": document.facts.buyer_name,
        "unit": unit.name if unit else document.unit,
        "state": say(LABELS[document.state]),
        "tone": tone(document, now),
        "due": (moment(due, now) if due else say(UNDATED.get(document.due_state, ""))) if waits else "",
        "left": left(due, now) if waits and due else "",
        "training": say(label_of(document.facts.training)),
        "ksef": document.ksef_number or "",
        "at": moment(document.created_at, now),
        "at_iso": local(document.created_at),
    }


def tone(document: Document, now: datetime) -> str:
    """The colour of a document: by its safe date while it waits, by how it ended after."""
    if document.state in NUMBERED:
        return "fine"
    if document.state in {State.CONFLICT, State.QUARANTINED} or document.owed:
        return "alarm"
    if document.state is State.REFUSED:
        return "look"
    if document.state in LIVE and overdue(document, now):
        return "alarm"
    if document.state in {State.HELD, State.UNKNOWN} or (document.state in LIVE and soon(document, now)):
        return "look"
    return "calm"


async def show(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}."""
    document, history, memo, correctable = await look(
        request.app[PARTS], viewer, lambda sight: _whole(sight, request.match_info["id"])
    )
    return shown.page(request, viewer, "document.html", _told(request, viewer, document, history, memo, correctable))


def _whole(sight: Sight, document_id: str) -> tuple[Document, list[Event], str | None, bool]:
    document = sight.document(document_id)
    return document, sight.history(document), sight.memo(document), sight.store.correctable(document)


def _told(
    request: web.Request,
    viewer: Viewer,
    document: Document,
    history: Sequence[Event],
    memo: str | None,
    correctable: bool,
) -> dict[str, Any]:
    parts = request.app[PARTS]
    now, facts = parts.clock(), document.facts
    return {
        "row": _row(document, now, parts),
        "document": document,
        "facts": _facts(document, now, parts),
        "gross": paid(facts),
        "problems": document.problems,
        "reason": document.reason,
        "why": document.due_why,
        "history": [told_event(e, now) for e in history],
        "memo": memo or "",
        "link": "" if document.state in _NOT_IN_KSEF else verification_link(document, parts.municipality) or "",
        "upo": document.upo_sha256 is not None,
        "actions": [replace(a, label=say(a.label)) for a in offered(document, correctable, viewer)],
        "live": document.state in LIVE,
    }


def _facts(document: Document, now: datetime, parts: AdminParts) -> list[Fact]:
    """The table beside the picture; what is empty is left out."""
    facts = document.facts
    context = parts.municipality.contexts.get(document.context)
    unit = parts.municipality.units.get(document.unit)
    mode = say(MODE_LABELS[document.mode])
    mode = say("{mode} (z mocy prawa)", mode=mode) if document.deemed else mode
    rows = [
        Fact(say("Numer KSeF"), document.ksef_number or ""),
        Fact(say("Nadany"), moment(document.acquisition_date, now) if document.acquisition_date else ""),
        Fact(say("Jednostka"), unit.name if unit else document.unit),
        Fact(say("Nabywca"), " ".join(part for part in (facts.buyer_name, facts.buyer_nip) if part)),
        Fact(say("Data wystawienia"), day(facts.issue_date) if facts.issue_date else ""),
        Fact(say("Tryb"), mode),
        Fact(say("Termin"), moment(document.due_safe, now) if document.due_safe and not document.ksef_number else ""),
        Fact(say("Podstawa terminu"), document.due_basis, kept=True),
        Fact(say("Komunikaty"), ", ".join(document.announcements)),
        Fact(say("Oznaczenie JPK_V7M"), jpk_mark(document) or ""),
        Fact(say("Tytuł płatności"), payment_title(document) or ""),
        Fact(say("Plik"), document.source_name),
        Fact("SHA-256", document.sha256),
        Fact(say("Kontekst KSeF"), f"{context.id} ({context.value})" if context else document.context),
        Fact(say("Identyfikator"), document.id),
    ]
    return [fact for fact in rows if fact.value]


def told_event(event: Event, now: datetime) -> dict[str, str]:
    """One row of history as people read it."""
    return {
        "at": moment(event.at, now),
        "at_iso": local(event.at) or "",
        "actor": actor(event.actor),
        "state": say(LABELS[State(event.state)]) if event.state else "",
        "note": event.note,
    }


async def xml(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/xml: the bytes exactly as received."""
    document, raw = await _with_body(request, viewer)
    return as_file(request, raw, "application/xml", f"{document.name}.xml")


async def upo(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/upo: KSeF's receipt."""
    document_id = request.match_info["id"]

    def work(sight: Sight) -> tuple[Document, bytes]:
        document = sight.document(document_id)
        if document.upo_sha256 is None:
            raise HttpProblem("not_found")
        return document, sight.body(document.upo_sha256)

    document, raw = await look(request.app[PARTS], viewer, work)
    return as_file(request, raw, "application/xml", f"{document.name}.upo.xml")


async def proof(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/dowody.zip: everything that proves it, with how to check it."""
    parts, document_id = request.app[PARTS], request.match_info["id"]
    gathered = await look(
        parts,
        viewer,
        lambda sight: evidence.of_document(sight.store, sight.document(document_id), parts.municipality),
    )
    return as_file(request, await evidence.packed(gathered, parts.drawing), "application/zip", gathered.name)


async def as_pdf(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/pdf: drawn now, in a worker."""
    parts = request.app[PARTS]
    document, raw = await _with_body(request, viewer)
    made = await pdf.render(parts.drawing, raw, marks_of_document(document, parts.municipality))
    return as_file(request, made, "application/pdf", f"{document.name}.pdf")


async def as_picture(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/obraz.png: the first page as a picture."""
    parts = request.app[PARTS]
    document, raw = await _with_body(request, viewer)
    return await seen(parts, raw, marks_of_document(document, parts.municipality))


async def _with_body(request: web.Request, viewer: Viewer) -> tuple[Document, bytes]:
    document_id = request.match_info["id"]

    def work(sight: Sight) -> tuple[Document, bytes]:
        document = sight.document(document_id)
        return document, sight.body(document.sha256)

    return await look(request.app[PARTS], viewer, work)


async def seen(parts: AdminParts, raw: bytes, marks: Marks) -> web.Response:
    """The first page of an invoice as a PNG, kept by the browser for a while: the bytes behind it never change."""
    made = await pdf.render(parts.drawing, raw, marks, picture)
    return web.Response(body=made, content_type="image/png", headers={"Cache-Control": "private, max-age=60"})


async def question(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /faktury/{id}/{action}: what will happen, and the button that does it."""
    document, action = await _asked(request, viewer)
    return _question(request, viewer, document, action)


async def act(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /faktury/{id}/{action}: done under this person's name, or the question again with what is in the way."""
    document, action = await _asked(request, viewer)
    form = await request.post()
    try:
        reason = forms.text(form, "reason")
        if action.reason:
            reason = forms.required(form, "reason", say("Ta decyzja wymaga podania powodu."))
        problems = await _done(request, viewer, document, action.name, reason, form)
    except (ConfigError, MoveRefused) as error:
        return _question(request, viewer, document, action, shown.told(error))
    if problems:
        return _question(request, viewer, document, action, " ".join(problems))
    raise shown.back(f"/faktury/{document.id}", action.name)


async def _asked(request: web.Request, viewer: Viewer) -> tuple[Document, Action]:
    document, _, _, correctable = await look(
        request.app[PARTS], viewer, lambda sight: _whole(sight, request.match_info["id"])
    )
    action = ACTIONS.get(request.match_info["action"])
    if action is None:
        raise HttpProblem("not_found")
    if not viewer.account.may(action.right):
        raise HttpProblem("not_allowed")
    if action not in offered(document, correctable, viewer):
        raise HttpProblem("not_now")
    return document, action


def _question(
    request: web.Request, viewer: Viewer, document: Document, action: Action, error: str = ""
) -> web.Response:
    needs = action.reason or document.state is State.CEASED or (document.in_order and action.name == "hold")
    parts = request.app[PARTS]
    values = {
        "row": _row(document, parts.clock(), parts),
        "action": replace(action, label=say(action.label), question=say(action.question)),
        "needs_reason": needs,
        "error": error,
    }
    return shown.page(request, viewer, "question.html", values, 409 if error else 200)


async def _done(
    request: web.Request, viewer: Viewer, document: Document, name: str, reason: str, form: forms.Form
) -> list[str]:
    """Do it; returns what intake has against it."""
    parts, person = request.app[PARTS], viewer.actor
    now = parts.clock()
    desk = Desk(parts.spool, parts.door, parts.municipality, parts.rules, now)
    if name == "retry":
        again = await by_person.retry(desk, document.id, person, reason)
        refused = again is not None and again.state is State.REFUSED
        return [f"{p.message} {p.hint}" for p in again.problems] if again and refused else []
    if name == "correct":
        file = form.get("file")
        if not isinstance(file, web.FileField):
            raise ConfigError(say("Proszę wskazać poprawiony plik XML."))
        raw = file.file.read(_LARGEST_CORRECTION + 1)
        verdict = await by_person.correct(desk, document, raw, str(file.filename)[:255], person)
        return [f"{p.message} {p.hint}" for p in verdict.problems] if verdict.kind == "refused" else []
    move = {
        "hold": actions.hold, "release": actions.release, "withdraw": actions.withdraw, "give-up": actions.give_up,
    }[name]  # fmt: skip
    await parts.spool.write(lambda store: move(store, document.id, now, person, reason))
    return []
