"""Announcements on the page and in `sluza status`: what runs, what waits for a person, what the beacon says. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.web.languages import say
from gateway.web.words import moment
from spool.domain.announcements import Category
from spool.domain.ledger import LATARNIA, NO_CERTIFICATE, Condition, Outage

BEACON = "latarnia:"
"""Begins the name of the condition, of no context, that says what an environment's beacon answered last."""
_BEACON_QUIET = timedelta(hours=1)
_SHOWN_FOR = timedelta(days=30)
_SHOWN = 6


def alarms(outages: Sequence[Outage], conditions: Sequence[Condition], now: datetime) -> list[tuple[str, str]]:
    """What needs a person: the code of the finding and its sentence."""
    found = [
        (
            f"outage_unconfirmed:{o.announcement.id}",
            say(
                "Latarnia podaje awarię całkowitą KSeF od {since}. Niczego nie zmienia, dopóki człowiek jej nie "
                "potwierdzi: sluza outage confirm {id}",
                since=moment(o.announcement.start, now),
                id=o.announcement.id,
            ),
        )
        for o in outages
        if _waits_for_a_person(o, now)
    ]
    found += [
        (
            f"{NO_CERTIFICATE}:{c.context}",
            say(
                "Dokumenty offline kontekstu „{name}” nie mają KODU II: brak ważnego certyfikatu KSeF typu 2 "
                "(offline). Proszę ustawić offline_cert i offline_key.",
                name=c.context,
            ),
        )
        for c in conditions
        if c.name == NO_CERTIFICATE
    ]
    return found


def notes(outages: Sequence[Outage], conditions: Sequence[Condition], now: datetime) -> list[tuple[str, str]]:
    """What runs, without anybody's fault: the code of the finding and its sentence."""
    found = [
        (f"outage:{o.announcement.id}", _running(o, now)) for o in outages if o.acts and o.announcement.runs_at(now)
    ]
    for condition in conditions:
        since = condition.value.get("since")
        if not condition.name.startswith(BEACON) or condition.value.get("ok") or not since:
            continue
        began = datetime.fromisoformat(str(since))
        if now - began > _BEACON_QUIET:
            text = say(
                "Latarnia (komunikaty o awariach KSeF) nie odpowiada od {since}. Wysyłki to nie wstrzymuje; "
                "komunikaty proszę sprawdzać w BIP i w razie potrzeby wpisać: sluza outage add.",
                since=moment(began, now),
            )
            found.append((f"beacon:{condition.name.removeprefix(BEACON)}", text))
    return found


def _waits_for_a_person(outage: Outage, now: datetime) -> bool:
    period = outage.announcement
    return (
        period.category is Category.TOTAL_FAILURE
        and outage.source == LATARNIA
        and outage.environment in {"prod", "sandbox"}
        and not (outage.confirmed_by or outage.cancelled_by)
        and now - period.published < _SHOWN_FOR
    )


def _running(outage: Outage, now: datetime) -> str:
    period = outage.announcement
    since = moment(period.start, now)
    if period.category is Category.MAINTENANCE:
        span = _span(since, moment(period.end, now) if period.end else "")
        return say("Ogłoszona niedostępność KSeF (prace serwisowe) {span}. Faktury czekają i pójdą same.", span=span)
    if period.category is Category.FAILURE:
        return say(
            "Ogłoszona awaria KSeF od {since}. Nowe terminy policzymy, gdy się skończy; próbujemy wysyłać dalej.",
            since=since,
        )
    return say(
        "Potwierdzona awaria całkowita KSeF od {since}. Faktur z tego czasu nie przesyła się do KSeF.", since=since
    )


def rows(outages: Sequence[Outage], now: datetime) -> list[dict[str, Any]]:
    """The announcements of the last 30 days, and those that still run, for the page."""
    recent = [o for o in outages if o.announcement.runs_at(now) or now - (o.announcement.end or now) < _SHOWN_FOR]
    return [row(o, now) for o in recent[:_SHOWN]]


def row(outage: Outage, now: datetime) -> dict[str, Any]:
    """One announcement as people read it."""
    period = outage.announcement
    running, start = period.runs_at(now), moment(period.start, now)
    if not outage.acts:
        state, tone = (say("odwołany") if outage.cancelled_by else say("bez skutku")), "unknown"
        if _waits_for_a_person(outage, now):
            state, tone = say("czeka na potwierdzenie"), "alarm"
    elif running:
        state, tone = say("trwa"), "look"
    else:
        state, tone = (say("zapowiedziana") if period.start > now else say("zakończona")), "fine"
    return {
        "id": period.id,
        "what": say(period.category.label),
        "period": say("od {start} do {end}", start=start, end=moment(period.end, now))
        if period.end
        else say("od {start}", start=start),
        "source": "Latarnia" if outage.source == LATARNIA else outage.actor,
        "state": state,
        "tone": tone,
    }


def _span(start: str, end: str) -> str:
    return say("od {start} do {end}", start=start, end=end) if end else say("od {start}", start=start)
