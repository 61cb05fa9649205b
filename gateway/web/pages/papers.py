"""Purchases outside KSeF, and the check of a print by its codes: the person at the page, one or all units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway import scans
from gateway.http.answers import as_file
from gateway.http.problems import HttpProblem
from gateway.results import local
from gateway.web import shown
from gateway.web.languages import say
from gateway.web.pages import forms
from gateway.web.pages.documents import told_event
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.shown import Fact
from gateway.web.sight import Sight, look, units_of
from gateway.web.words import day, moment, paid
from spool import papers
from spool.domain.accounts import Right
from spool.domain.calendar import warsaw_date
from spool.domain.document import Facts
from spool.domain.errors import ConfigError, MoveRefused, RegisterRefused
from spool.domain.papers import KIND_LABELS, OPEN, Decision, Kind, NewPaper, amount
from spool.domain.scan import LONGEST_LINK, Scan
from spool.domain.verification import COLOUR_LABELS, Colour, Verdict
from spool.papers import Desk
from spool.verification import Asked

_ROWS = 50
_TONES = {Colour.GREEN: "fine", Colour.AMBER: "look", Colour.RED: "alarm"}
_VERBS = {"zezwol": Decision.ALLOWED, "wycofaj": Decision.WITHDRAWN}
_MIME = {b"%PDF-": "application/pdf", b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


_NOTHING = Scan(())


@dataclass(frozen=True)
class _Given:
    """What a form brought of the paper itself: the codes, and the file they were read from."""

    found: Scan
    raw: bytes | None = None
    name: str = ""


async def check_page(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/sprawdz."""
    return _check(request, viewer)


async def check(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /odebrane/sprawdz: a scan or a link, judged by what this person may see. Nothing is kept."""
    parts, form = request.app[PARTS], await request.post()
    try:
        given = _something(await _given(parts, form))
        asked = Asked(given.found.texts, forms.text(form, "number", 200))
        now = parts.clock()
        verdicts = await look(parts, viewer, lambda sight: sight.verify(asked, parts.rules, now))
    except ConfigError as error:
        return _check(request, viewer, error=shown.told(error))
    return _check(request, viewer, [_told(v, viewer) for v in verdicts], given.found)


def _check(
    request: web.Request,
    viewer: Viewer,
    verdicts: Sequence[dict[str, Any]] = (),
    found: Scan = _NOTHING,
    error: str = "",
) -> web.Response:
    rest = ""
    if found.looked < found.pages:
        rest = say("Sprawdzono strony 1–{looked} z {pages}.", looked=found.looked, pages=found.pages)
    values = {"verdicts": verdicts, "rest": rest, "error": error}
    return shown.page(request, viewer, "paper_check.html", values, 422 if error else 200)


def _told(verdict: Verdict, viewer: Viewer) -> dict[str, Any]:
    code = verdict.verification
    return {
        "tone": _TONES[verdict.colour],
        "colour": say(COLOUR_LABELS[verdict.colour]),
        "labels": " + ".join(verdict.labels),
        "sentence": verdict.sentence,
        "cure": verdict.cure,
        "ksef": verdict.invoice.ksef_number if verdict.invoice else "",
        "link": code.link if code else "",
        "register": verdict.to_be_registered and viewer.account.may(Right.WORK),
    }


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/papier: the newest first, and the form to enter another."""
    return await _list(request, viewer)


async def _list(request: web.Request, viewer: Viewer, error: str = "") -> web.Response:
    parts, before = request.app[PARTS], forms.cursor(request)
    now = parts.clock()
    found = await look(parts, viewer, lambda sight: sight.papers(parts.rules, now, before=before, limit=_ROWS + 1))
    values = {
        "rows": [_row(desk, now, parts) for desk in found[:_ROWS]],
        "more": found[_ROWS - 1].paper.id if len(found) > _ROWS else 0,
        "units": [{"id": unit.id, "name": unit.name} for unit in units_of(parts, viewer)],
        "today": warsaw_date(now).isoformat(),
        "may_add": viewer.account.may(Right.WORK),
        "error": error,
    }
    return shown.page(request, viewer, "papers.html", values, 422 if error else 200)


def _row(desk: Desk, now: datetime, parts: AdminParts) -> dict[str, Any]:
    paper, standing = desk.paper, desk.standing
    unit = parts.municipality.units.get(paper.unit)
    good = standing.bookable or standing.code == "in_ksef"
    return {
        "id": paper.id,
        "seller": paper.seller_name or paper.seller_nip,
        "number": paper.number,
        "gross": paid(Facts(gross=paper.gross, currency=paper.currency)),
        "unit": unit.name if unit else paper.unit,
        "kind": say(KIND_LABELS[paper.kind]),
        "on": day(paper.received_on),
        "standing": say(standing.label),
        "tone": "look" if standing.code in OPEN else "fine" if good else "calm",
        "at": moment(paper.entered_at, now),
        "at_iso": local(paper.entered_at),
    }


async def add(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /odebrane/papier: a person of the unit, or of the municipality, enters a paper under their name."""
    parts, form = request.app[PARTS], await request.post()
    unit = forms.text(form, "unit")
    if unit not in parts.municipality.units or not viewer.account.sees(unit):
        raise HttpProblem("not_found")
    now = parts.clock()
    try:
        given = await _given(parts, form)
        new = _new(form, unit, given, parts)
        entered = await parts.spool.write(
            lambda s: papers.enter(s, new, given.found.texts, given.raw, parts.rules, now, viewer.actor)
        )
    except (ConfigError, RegisterRefused) as error:
        return await _list(request, viewer, shown.told(error))
    raise shown.back(f"/odebrane/papier/{entered.id}", "paper")


def _new(form: forms.Form, unit: str, given: _Given, parts: AdminParts) -> NewPaper:
    """What was typed, and what the code says where nothing was. Raises ConfigError, RegisterRefused."""
    nip, read = papers.read_off(given.found.texts, parts.rules)
    issued = forms.day(form, "issued") if forms.text(form, "issued") else read
    if issued is None:
        raise ConfigError("Brakuje daty wystawienia.", "Proszę ją przepisać z dokumentu.")
    return NewPaper(
        unit, Kind.INVOICE, forms.text(form, "seller_nip", 20) or nip, forms.text(form, "seller_name"),
        forms.text(form, "number"), issued, forms.day(form, "received"), amount(forms.text(form, "gross", 40)),
        forms.text(form, "currency", 3).upper() or "PLN", scan_name=given.name, note=forms.text(form, "note"),
    )  # fmt: skip


async def show(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/papier/{paper}."""
    return await _one(request, viewer)


async def _one(request: web.Request, viewer: Viewer, error: str = "") -> web.Response:
    parts, number = request.app[PARTS], request.match_info["paper"]
    now = parts.clock()
    desk, events = await look(parts, viewer, lambda sight: sight.paper(number, parts.rules, now))
    letter = ""
    if desk.standing.code == "contact_seller":
        letter = papers.letter(desk, parts.rules, warsaw_date(now))
    values = {
        "row": _row(desk, now, parts),
        "standing": desk.standing,
        "facts": _facts(desk, now, parts),
        "ksef": desk.invoice.ksef_number if desk.invoice else "",
        "scan": desk.paper.scan_sha256 is not None,
        "attachments": shown.attachments(desk.attachments),
        "history": [told_event(e, now) for e in events],
        "may_allow": viewer.account.may(Right.DECIDE) and desk.paper.decision is Decision.NONE and not desk.invoice,
        "may_withdraw": viewer.account.may(Right.WORK) and desk.paper.decision is not Decision.WITHDRAWN,
        "letter": letter,
        "error": error,
    }
    return shown.page(request, viewer, "paper.html", values, 422 if error else 200)


def _facts(desk: Desk, now: datetime, parts: AdminParts) -> list[Fact]:
    paper, shown_row = desk.paper, _row(desk, now, parts)
    rows = [
        Fact(say("Nr wpisu"), str(paper.id)),
        Fact(say("Rodzaj"), shown_row["kind"]),
        Fact(say("Sprzedawca"), f"{paper.seller_name} {paper.seller_nip}".strip()),
        Fact(say("Numer"), paper.number),
        Fact(say("Data wystawienia"), day(paper.issue_date)),
        Fact(say("Dzień otrzymania"), shown_row["on"]),
        Fact(say("Brutto"), shown_row["gross"]),
        Fact(say("Jednostka"), shown_row["unit"]),
        Fact(say("Oznaczenie JPK_V7M"), desk.standing.jpk_mark),
        Fact(say("Termin sprzedawcy w KSeF"), desk.due.sentence if paper.kind is Kind.CONFIRMATION else "", kept=True),
        Fact(say("Kod"), paper.code_link),
        Fact(say("Skan"), paper.scan_name),
        Fact(say("SHA-256 skanu"), paper.scan_sha256 or ""),
        Fact(say("Uwaga"), paper.note, kept=True),
        Fact(say("Wpisano"), f"{shown_row['at']}, {paper.entered_by}"),
    ]
    return [fact for fact in rows if fact.value]


async def decide(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /odebrane/papier/{paper}/{verb}: let it be booked (whoever decides for the municipality), or withdraw it."""
    parts, form = request.app[PARTS], await request.post()
    verb, number = request.match_info["verb"], request.match_info["paper"]
    decision, now = _VERBS.get(verb), parts.clock()
    if decision is None:
        raise HttpProblem("not_found")
    desk, _ = await look(parts, viewer, lambda sight: sight.paper(number, parts.rules, now))
    if decision is Decision.ALLOWED and not viewer.account.may(Right.DECIDE):
        raise HttpProblem("not_allowed")
    try:
        reason = forms.text(form, "reason")
        await parts.spool.write(lambda s: s.decide_paper(desk.paper.id, decision, reason, now, viewer.actor))
    except (ConfigError, RegisterRefused, MoveRefused) as error:
        return await _one(request, viewer, shown.told(error))
    raise shown.back(f"/odebrane/papier/{desk.paper.id}", "decided")


async def scan(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /odebrane/papier/{paper}/skan: the file exactly as it was entered, to be saved, never shown in a browser."""
    parts, number = request.app[PARTS], request.match_info["paper"]
    now = parts.clock()

    def work(sight: Sight) -> tuple[Desk, bytes | None]:
        desk, _ = sight.paper(number, parts.rules, now)
        return desk, sight.store.scan_of(desk.paper)

    desk, raw = await look(parts, viewer, work)
    if raw is None:
        raise HttpProblem("not_found")
    kind = next((mime for start, mime in _MIME.items() if raw.startswith(start)), "application/octet-stream")
    return as_file(request, raw, kind, desk.paper.scan_name or f"skan-{desk.paper.id}")


def _something(given: _Given) -> _Given:
    """Raises ConfigError for a form without file and link."""
    if given.raw is None and not given.found.texts:
        raise ConfigError("Proszę wybrać plik albo wkleić link.")
    return given


async def _given(parts: AdminParts, form: forms.Form) -> _Given:
    """The codes of the file, or the link that was pasted. Raises ConfigError, also for what is no scan."""
    link = forms.text(form, "link", LONGEST_LINK)
    links = tuple(link.split())
    file = form.get("file")
    if not isinstance(file, web.FileField) or not file.filename:
        return _Given(Scan(links))
    raw = file.file.read(scans.LARGEST + 1)
    found = await scans.scan(parts.scanning, raw)
    return _Given(Scan((*links, *found.texts), found.looked, found.pages), raw, str(file.filename)[:200])
