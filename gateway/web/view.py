"""From a snapshot to what the status page shows: words and tones, no HTML. Pure."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.results import local
from gateway.web import outages
from gateway.web.finding import Finding, Level
from gateway.web.health import SHOWN, Snapshot, findings, in_order, overdue, said, soon, unreachable
from gateway.web.languages import POLISH, Said, phrase, say, speaking, spoken
from gateway.web.people import in_training
from gateway.web.words import clock, counted, left, moment, number
from spool.domain.document import MODE_LABELS, Mode
from spool.domain.environments import BY_NAME
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Context, Municipality
from spool.domain.states import LABELS, State
from spool.domain.terms import DueState

TONES = {Level.FINE: "fine", Level.LOOK: "look", Level.ALARM: "alarm"}
_TONE_OF_STATE = {State.DELIVERED: "fine", State.ACCEPTED: "fine", State.CONFLICT: "alarm"} | dict.fromkeys(
    (State.UNKNOWN, State.HELD, State.QUARANTINED), "look"
)
UNDATED = {DueState.PENDING: phrase("po końcu awarii"), DueState.CEASED: phrase("obowiązek wygasł")}
"""What stands in the place of a date that is not known yet, or never will be."""
_OPENED_UNITS = 12
"""With more units than this their list starts folded."""


@dataclass(frozen=True)
class Row:
    """One document of the queue."""

    id: str
    tone: str
    due: str
    due_iso: str
    left: str
    unit: str
    unit_id: str
    number: str
    state: str
    reason: str


def page(snapshot: Snapshot, municipality: Municipality, scope: Collection[str] | None = None) -> dict[str, Any]:
    """Everything the template needs; with a `scope` only of these units."""
    found = _findings(snapshot)
    level = found[0].level if found else Level.FINE
    rows = [_row(d, snapshot.at, municipality) for d in snapshot.queue[:SHOWN]]
    return {
        "tone": TONES[level],
        "headline": _told(found[0]) if found else {"parts": [say("Wszystko w porządku.")]},
        "second": in_order(snapshot),
        "trained": in_training(snapshot.trained),
        "others": [_told(f) for f in found[1:]],
        "at": clock(snapshot.at),
        "at_iso": local(snapshot.at),
        "queue": rows,
        "waiting": number(snapshot.waiting),
        "unseen": max(snapshot.waiting - len(rows), 0),
        "contexts": [_context(c, snapshot) for c in municipality.contexts.values()],
        "outages": outages.rows(snapshot.outages, snapshot.at),
        "states": _states(snapshot),
        "received": _received(snapshot, municipality),
        "units": _units(snapshot, municipality, scope),
        "units_open": len(municipality.units) <= _OPENED_UNITS,
        "whole": scope is None,
    }


def _findings(snapshot: Snapshot) -> list[Finding]:
    """In the language of the page; one that is not wholly translated as it is in Polish, never half and half."""
    found = findings(snapshot)
    if spoken() == POLISH:
        return found
    with speaking(POLISH):
        kept = [replace(finding, sentence=str(finding.sentence)) for finding in findings(snapshot)]
    return [said if isinstance(said.sentence, Said) else polish for said, polish in zip(found, kept, strict=True)]


def _told(finding: Finding) -> dict[str, Any]:
    """A finding in parts, so that what it quotes can be marked as Polish."""
    before, quoted, after = finding.sentence.partition(finding.kept) if finding.kept else (finding.sentence, "", "")
    said = [Said(part) if isinstance(finding.sentence, Said) else part for part in (before, after)]
    parts = [part for part in (said[0], quoted, said[1]) if part.strip()]
    return {"tone": TONES[finding.level], "parts": parts}


def details(snapshot: Snapshot, municipality: Municipality) -> dict[str, Any]:
    """What `/readyz` tells beside its checks."""
    found: list[Finding] = findings(snapshot)
    nearest = next((d.due_safe for d in snapshot.queue if d.due_safe), None)
    return {
        "at": local(snapshot.at),
        "level": TONES[found[0].level if found else Level.FINE],
        "findings": [f.sentence for f in found],
        "waiting": snapshot.waiting,
        "nearest_due": local(nearest),
        "states": dict(snapshot.counts),
        "received": {"total": snapshot.received_total, "unassigned": snapshot.unassigned},
        "training": {"states": dict(snapshot.trained.counts), "received": snapshot.trained.received},
        "contexts": {
            c: {"paused": snapshot.condition(c, "paused") is not None, "reachable": _reachable(c, snapshot)}
            for c in municipality.contexts
        },
    }


def _reachable(context: str, snapshot: Snapshot) -> bool | None:
    condition = snapshot.condition(context, "reachable")
    return None if condition is None else not unreachable(condition)


def _row(document: Document, now: datetime, municipality: Municipality) -> Row:
    unit = municipality.units.get(document.unit)
    due = document.due_safe
    tone = "alarm" if overdue(document, now) else "look" if soon(document, now) else "fine"
    return Row(
        id=document.id,
        tone=tone,
        due=moment(due, now) if due else say(UNDATED.get(document.due_state, phrase("bez terminu"))),
        due_iso=local(due) or "",
        left=left(due, now) if due else "",
        unit=unit.name if unit else document.unit,
        unit_id=document.unit,
        number=document.facts.number or document.source_name or document.id,
        state=_state(document),
        reason=document.reason,
    )


def _state(document: Document) -> str:
    state = say(LABELS[document.state])
    return state if document.mode is Mode.ONLINE else f"{state} · {say(MODE_LABELS[document.mode])}"


def _context(context: Context, snapshot: Snapshot) -> dict[str, str]:
    """KSeF as one context sees it: paused outranks the comparison that is due, and that unreachable."""
    paused, reachable = snapshot.condition(context.id, "paused"), snapshot.condition(context.id, "reachable")
    doubted = snapshot.condition(context.id, RECONCILE_FIRST)
    if paused:
        tone, state, note = "alarm", say("wysyłka wstrzymana"), said(paused)
    elif doubted:
        tone, state, note = "alarm", say("najpierw porównanie z KSeF"), said(doubted)
    elif reachable is None:
        tone, state, note = "unknown", say("jeszcze nie sprawdzono"), say("Agent nie połączył się jeszcze z KSeF.")
    elif unreachable(reachable):
        tone, state, note = "look", say("nie odpowiada"), said(reachable)
    else:
        tone, state, note = "fine", say("działa"), ""
    condition = paused or doubted or reachable
    return {
        "id": context.id,
        "value": context.value,
        "environment": say(BY_NAME[context.environment].label) or say("KSeF produkcyjny"),
        "tone": tone,
        "state": state,
        "note": note,
        "since": moment(condition.at, snapshot.at) if condition else "",
    }


def _states(snapshot: Snapshot) -> list[dict[str, str]]:
    """Only states that have documents, in the order of a document's life."""
    return [
        {"label": say(LABELS[s]), "count": number(snapshot.counts[s]), "tone": _TONE_OF_STATE.get(s, "calm")}
        for s in State
        if snapshot.counts.get(s)
    ]


def _received(snapshot: Snapshot, municipality: Municipality) -> dict[str, Any]:
    return {
        "total": number(snapshot.received_total),
        "tray": snapshot.unassigned,
        "tray_text": counted(snapshot.unassigned),
        "latest": [_purchase(r, snapshot.at, municipality) for r in snapshot.latest],
    }


def _purchase(invoice: Received, now: datetime, municipality: Municipality) -> dict[str, Any]:
    unit = municipality.units.get(invoice.unit or "")
    return {
        "ksef": invoice.ksef_number,
        "seller": invoice.facts.seller_name or invoice.facts.seller_nip or say("sprzedawca nieznany"),
        "number": invoice.facts.number,
        "unit": unit.name if unit else invoice.unit or say("tacka centralna"),
        "central": invoice.unit is None,
        "at": moment(invoice.stored_at, now),
        "at_iso": local(invoice.stored_at),
    }


def _units(snapshot: Snapshot, municipality: Municipality, scope: Collection[str] | None) -> list[dict[str, Any]]:
    """The units by name; the count is of the documents in the shown queue."""
    waiting = Counter(d.unit for d in snapshot.queue[:SHOWN])
    found = [
        {"id": u.id, "name": u.name, "identity": u.idwew or u.nip or say("NIP gminy"), "waiting": waiting[u.id]}
        for u in municipality.units.values()
        if scope is None or u.id in scope
    ]
    return sorted(found, key=lambda u: str(u["name"]))
