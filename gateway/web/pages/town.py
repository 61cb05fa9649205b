"""What concerns the whole municipality: units, certificates, settings with the orders behind them, the audit trail."""

import re
from datetime import datetime
from typing import Any

from aiohttp import web

from certs import credentials
from certs.credentials import Known
from gateway.http.answers import as_file
from gateway.http.problems import HttpProblem
from gateway.render.card import draw_card, names_of
from gateway.trail import as_csv, rows_only
from gateway.web import shown
from gateway.web.languages import phrase, say
from gateway.web.pages import forms
from gateway.web.pages.documents import told_event
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.people import waiting
from gateway.web.sight import look
from gateway.web.snapshot import LOOKER
from gateway.web.words import day
from spool.backup.contents import TLS
from spool.domain.environments import BY_NAME
from spool.domain.identifiers import ksef_number_is_valid
from spool.domain.ledger import FOLDER, Event
from spool.domain.municipality import Context, Policy
from spool.domain.policies import QUESTIONS, decided
from spool.domain.policy_words import label, value
from spool.domain.states import NUMBERED, State
from spool.settings import LOCAL_RULE
from spool.workers import WorkerCrashed, WorkerTimeout

_ROWS = 100
_DOCUMENT = re.compile(r"[0-9a-f]{23}")
_PAGE = 5_000
_SUBJECTS = {
    "": phrase("Wszystko"),
    "account:": phrase("Konta i logowania"),
    "outage:": phrase("Komunikaty o awariach"),
    "context:": phrase("Konteksty KSeF"),
    "unit:": phrase("Jednostki"),
    "paper:": phrase("Zakupy spoza KSeF"),
}


async def units(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /jednostki: every unit with what waits, what was refused, and whether its folder is there."""
    parts = request.app[PARTS]
    snapshot = await request.app[LOOKER].look(None)
    counts, trained = await parts.spool.read(lambda s: (s.counts_by_unit(), s.counts_by_unit(training=True)))
    missing = {c.context for c in snapshot.conditions if c.name == FOLDER}
    rows = []
    for unit in parts.municipality.units.values():
        found = counts.get(unit.id, {})
        rows.append(
            {
                "id": unit.id,
                "name": unit.name,
                "identity": unit.nip or unit.idwew or say("bez własnego numeru"),
                "context": unit.context,
                "waiting": waiting(found),
                "training": sum(trained.get(unit.id, {}).values()),
                "refused": found.get(State.REFUSED, 0),
                "numbered": sum(found.get(state, 0) for state in NUMBERED),
                "there": f"unit:{unit.id}" not in missing and unit.id not in missing,
                "town_hall": unit.town_hall,
            }
        )
    return shown.page(request, viewer, "units.html", {"rows": rows})


async def card(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /jednostki/{id}/karta.pdf: what this unit's people tell a seller (JST rule P7)."""
    parts = request.app[PARTS]
    unit = parts.municipality.units.get(request.match_info["id"])
    if unit is None or not viewer.account.sees(unit.id):
        raise HttpProblem("not_found")
    try:
        raw = await parts.drawing.run(draw_card, names_of(parts.municipality, unit))
    except (WorkerTimeout, WorkerCrashed):
        raise HttpProblem("pdf_later") from None
    return as_file(request, raw, "application/pdf", f"karta-zakupow-{unit.id}.pdf")


async def certificates(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /certyfikaty: what each context signs in and signs KOD II with, and for how long."""
    parts = request.app[PARTS]
    now = parts.wall()
    rows = [_credential(c, known, now) for c in parts.municipality.contexts.values() for known in credentials.look(c)]
    state = parts.spool.path.parent
    rows += [_credential(None, known, now) for known in credentials.look_at_tls(state / TLS, parts.supplied)]
    return shown.page(request, viewer, "certificates.html", {"rows": rows})


def _credential(context: Context | None, known: Known, now: datetime) -> dict[str, Any]:
    expiry = known.expiry
    if expiry is None:
        return _line(context, known.purpose, "alarm", known.problem)
    if known.replaced and expiry.until:
        over, until = now > expiry.until, day(expiry.until)
        text = say("Zastąpiony nowszym, ale unieważniony nie został: ważny do {day}.", day=until)
        if over:
            text = say("Zastąpiony nowszym, stracił ważność {day}.", day=until)
        about = {"cure": "" if over else known.cure, "subject": expiry.subject, "serial": expiry.serial}
        return _line(context, known.purpose, "fine" if over else "look", text) | about
    if not known.used:
        return _line(context, known.purpose, "fine", say("Nieużywany.")) | {"cure": known.cure}
    if known.role == "token":
        text = say("Tokenem można się logować tylko do 31.12.2026.")
        return _line(context, known.purpose, "look", text) | {"cure": known.cure}
    left = expiry.days_left(now) or 0
    days = say("jeszcze {days} dni", days=left) if left >= 0 else say("nieważny od {days} dni", days=-left)
    until = say("Ważny do {day}.", day=day(expiry.until)) if expiry.until else ""
    return _line(context, known.purpose, expiry.tone(now), until) | {
        "days": days,
        "cure": known.cure if expiry.grade(now) else "",
        "subject": expiry.subject,
        "serial": expiry.serial,
    }


def _line(context: Context | None, purpose: str, tone: str, text: str) -> dict[str, Any]:
    return {
        "context": f"{context.id} · {context.value}" if context else say("Punkt zrzutu"),
        "environment": (say(BY_NAME[context.environment].label) or say("KSeF produkcyjny")) if context else "TLS",
        "purpose": say(purpose),
        "tone": tone,
        "text": text,
        "cure": "",
        "days": "",
        "subject": "",
        "serial": "",
    }


async def settings(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /ustawienia: the settings that differ between municipalities, each with its order."""
    parts = request.app[PARTS]
    groups = _settings(parts) if parts.settings else []
    source = str(parts.settings.shared.source) if parts.settings else ""
    return shown.page(request, viewer, "settings.html", {"groups": groups, "source": source})


def _settings(parts: AdminParts) -> list[dict[str, Any]]:
    assert parts.settings is not None
    given, town = parts.settings, parts.municipality
    policies = [_policy(name, decided(town).of(question)) for name, question in QUESTIONS.items()]
    policies.append(_policy(LOCAL_RULE, given.shared.law.maintenance_after_offline24))
    own = [
        (f"{unit.name}: {say(label(name))}", say(value(policy.value)), policy.order or say("nie podano"))
        for unit in town.units.values()
        for name, policy in unit.policies.items()
    ]
    folders = [(name, f"{seconds:g}", "") for name, seconds in vars(given.folders).items()]
    groups = [
        {"title": say("Zarządzenia i ustalenia gminy"), "rows": policies, "order": True},
        {"title": say("Odstępstwa jednostek"), "rows": own, "order": True},
        {"title": say("Gmina"), "rows": [(say("Nazwa"), town.name, ""), ("NIP", town.nip, "")], "order": False},
        {"title": say("Foldery (sekundy, minuty)"), "rows": folders, "order": False},
    ]
    return [group for group in groups if group["rows"]]


def _policy(name: str, policy: Policy) -> tuple[str, str, str]:
    return say(label(name)), say(value(policy.value)), policy.order or say("nie podano")


async def trail(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /historia: the audit trail, the newest first; whether its chain holds is `sluza check`'s to say."""
    parts, before, subject = request.app[PARTS], forms.cursor(request), forms.asked(request, "czego")
    subject = subject if subject in _SUBJECTS else ""
    found = await look(parts, viewer, lambda s: s.events(before=before, limit=_ROWS + 1, subject=subject))
    now = parts.clock()
    values = {
        "rows": [_told(e, now) for e in found[:_ROWS]],
        "more": found[_ROWS - 1].seq if len(found) > _ROWS else 0,
        "later": bool(before),
        "subjects": [{"key": k, "label": say(label), "here": k == subject} for k, label in _SUBJECTS.items()],
        "subject": subject,
    }
    return shown.page(request, viewer, "trail.html", values)


def _told(event: Event, now: datetime) -> dict[str, str]:
    return told_event(event, now) | {"subject": event.subject, "place": _place(event.subject)}


def _place(subject: str) -> str:
    """The page about what an entry is about; empty where there is none."""
    if _DOCUMENT.fullmatch(subject):
        return f"/faktury/{subject}"
    if ksef_number_is_valid(subject):
        return f"/odebrane/{subject}"
    kind, _, which = subject.partition(":")
    return {"outage": "/awarie", "paper": f"/odebrane/papier/{which}"}.get(kind, "")


async def exported(request: web.Request, _viewer: Viewer) -> web.StreamResponse:
    """GET /historia.csv: the whole history for an auditor, as `sluza history export` writes it."""
    parts, response = request.app[PARTS], web.StreamResponse()
    response.content_type, response.charset = "text/csv", "utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="historia.csv"'
    await response.prepare(request)
    page = await parts.spool.read(lambda s: s.all_links(0, None, _PAGE))
    await response.write("".join(as_csv(page)).encode())
    while len(page) == _PAGE:
        after = page[-1]["seq"]
        page = await parts.spool.read(lambda s, after=after: s.all_links(after, None, _PAGE))  # type: ignore[misc]
        await response.write("".join(rows_only(page)).encode())
    await response.write_eof()
    return response
