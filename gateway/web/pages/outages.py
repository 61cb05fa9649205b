"""Outages: what was announced when, how it moved deadlines, and a person's word about them."""

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.http.problems import HttpProblem
from gateway.web import outages as told_outages
from gateway.web import shown, timeline
from gateway.web.languages import say
from gateway.web.pages import forms
from gateway.web.parts import PARTS, AdminParts, Viewer
from gateway.web.view import UNDATED
from gateway.web.words import moment
from spool import outages
from spool.domain.announcements import Category
from spool.domain.calendar import WARSAW
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import Document, Outage
from spool.domain.states import LABELS
from spool.domain.terms import DueState

_MOVED_SHOWN = 20
_PATH = "/awarie"
_FIELDS = ("category", "start", "end", "published", "link", "title")


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /awarie."""
    return await _page(request, viewer)


async def _page(request: web.Request, viewer: Viewer, error: str = "", typed: forms.Form | None = None) -> web.Response:
    parts = request.app[PARTS]
    now = parts.clock()
    found, moved = await parts.spool.read(lambda store: (store.outages(), store.moved_by_outages(_MOVED_SHOWN)))
    environments = sorted({c.environment for c in parts.municipality.contexts.values()})
    values = {
        "outages": [_row(o, now) for o in found],
        "picture": timeline.picture(found, moved, now),
        "moved": [_moved(d, now, parts) for d in moved],
        "categories": [{"value": c.value, "label": say(c.label)} for c in Category],
        "environments": environments,
        "now": f"{now.astimezone(WARSAW):%Y-%m-%dT%H:%M}",
        "error": error,
        "typed": {name: typed.get(name, "") if typed else "" for name in _FIELDS},
    }
    return shown.page(request, viewer, "outages.html", values, 422 if error else 200)


def _row(outage: Outage, now: datetime) -> dict[str, Any]:
    period = outage.announcement
    return told_outages.row(outage, now) | {
        "title": outage.title,
        "link": outage.link,
        "published": moment(period.published, now),
        "confirmed_by": outage.confirmed_by,
        "cancelled_by": outage.cancelled_by,
        "can_confirm": period.category is Category.TOTAL_FAILURE and not (outage.confirmed_by or outage.cancelled_by),
        "can_close": period.end is None and not outage.cancelled_by,
        "can_cancel": not outage.cancelled_by,
    }


def _moved(document: Document, now: datetime, parts: AdminParts) -> dict[str, str]:
    unit = parts.municipality.units.get(document.unit)
    return {
        "id": document.id,
        "number": document.facts.number or document.id,
        "unit": unit.name if unit else document.unit,
        "state": say(LABELS[document.state]),
        "due": moment(document.due_safe, now) if document.due_safe else say(UNDATED[DueState.PENDING]),
        "why": document.due_why,
    }


async def change(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /awarie and /awarie/{id}/{verb}: entered, ended, confirmed or cancelled under this person's name."""
    parts, form = request.app[PARTS], await request.post()
    now, name = parts.clock(), viewer.actor
    outage_id, verb = request.match_info.get("id", ""), request.match_info.get("verb", "add")
    try:
        link, end = forms.text(form, "link"), forms.moment(form, "end")
        if verb == "add":
            await _add(parts, form, now, name, link, end)
        elif verb == "confirm":
            await parts.spool.write(lambda s: outages.confirm(s, outage_id, now, name=name, link=link))
        elif verb == "close":
            over = _given(end, say("Proszę podać koniec z komunikatu."))
            await parts.spool.write(lambda s: outages.close(s, outage_id, over, now, name=name, link=link))
        elif verb == "cancel":
            reason = forms.text(form, "reason")
            await parts.spool.write(lambda s: outages.cancel(s, outage_id, now, name=name, reason=reason))
        else:
            raise HttpProblem("not_found")
    except (ConfigError, MoveRefused) as error:
        return await _page(request, viewer, shown.told(error), form)
    raise shown.back(_PATH, "outage")


async def _add(parts: AdminParts, form: forms.Form, now: datetime, name: str, link: str, end: datetime | None) -> None:
    environment = forms.text(form, "environment")
    start = _given(forms.moment(form, "start"), say("Proszę podać początek z komunikatu."))
    if environment not in {c.environment for c in parts.municipality.contexts.values()}:
        raise HttpProblem("bad_request")
    try:
        category = Category(forms.text(form, "category"))
    except ValueError:
        raise ConfigError(say("Proszę wybrać rodzaj komunikatu.")) from None
    published = forms.moment(form, "published")
    if published is not None and now < published < now + timedelta(minutes=1):
        published = now  # the field has no seconds, and this very minute is meant
    await parts.spool.write(
        lambda store: outages.add(
            store, environment, category, start, now, name=name, link=link, end=end, published=published,
            title=forms.text(form, "title"),
        )
    )  # fmt: skip


def _given(at: datetime | None, sentence: str) -> datetime:
    if at is None:
        raise ConfigError(sentence)
    return at
