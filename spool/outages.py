"""Announcements of outages entering the spool: heard from the beacon, or entered, ended, confirmed by a named person.

The announcement is committed first; `spool.law` then recomputes the documents. Every change is in the history of
`outage:<id>`, with the name of the person where there was one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from spool import law
from spool.domain import beacon
from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import WARSAW
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import LATARNIA, PERSON, Outage
from spool.rows import dump
from spool.store import Store


def hear(store: Store, environment: str, messages: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """Keep what the beacon says and take over what is new; returns the ids of announcements that changed."""
    events = set()
    for raw in messages:
        event, message = beacon.event_of(raw), beacon.id_of(raw)
        if store.add_notice(environment, event, message, beacon.version_of(raw), _as_read(raw), now):
            events.add(event)
    changed = []
    for event in sorted(events):
        read = [beacon.read(json.loads(raw)) for raw in store.notices(environment, event)]
        for period, title in beacon.periods(environment, [m for m in read if m is not None]):
            if _take_over(store, environment, period, title, now):
                changed.append(period.id)
    return changed


def _as_read(raw: Mapping[str, Any]) -> str:
    """The message as JSON; escaped throughout when it holds half a surrogate pair, which UTF-8 cannot carry."""
    text = dump(dict(raw))
    return json.dumps(dict(raw)) if any("\ud800" <= c <= "\udfff" for c in text) else text


def _take_over(store: Store, environment: str, period: Announcement, title: str, now: datetime) -> bool:
    """Write a period as it is announced now. An end that a person named holds until the ministry names one."""
    known = store.outage(period.id)
    if known is None:
        outage = Outage(period, environment, LATARNIA, title, "", LATARNIA, "", "")
        _put(store, outage, "announced", f"Ogłoszono: {_told(period)}.", now, LATARNIA)
        return True
    before = known.announcement
    if period.end is None and before.end is not None and _closed_by_a_person(store, period.id):
        period = replace(period, end=before.end, end_published=before.end_published)
    period = replace(period, version=before.version)
    if period == before:
        return False
    outage = replace(known, announcement=replace(period, version=before.version + 1), title=title)
    _put(store, outage, "changed", f"Komunikat zmieniony: {_told(period)}.", now, LATARNIA)
    return True


def _closed_by_a_person(store: Store, outage_id: str) -> bool:
    return any(event.move == "closed" for event in store.history(f"outage:{outage_id}"))


def add(
    store: Store,
    environment: str,
    category: Category,
    start: datetime,
    now: datetime,
    *,
    name: str,
    link: str,
    end: datetime | None = None,
    published: datetime | None = None,
    title: str = "",
) -> Outage:
    """A notice that a person read in BIP or in the media. A total failure still waits for `confirm`.

    Raises ConfigError without an address, for moments that no notice can name, and for a notice of the future.
    """
    _plausible(start, end, published)
    if not link.strip():
        raise ConfigError("Brak adresu komunikatu.", "Proszę podać --link: adres komunikatu w BIP albo w mediach.")
    if end is not None and end <= start:
        raise ConfigError("Koniec nie może być wcześniejszy niż początek.")
    if published is not None and published > now:
        raise ConfigError("Komunikat nie mógł zostać ogłoszony w przyszłości: {at}.", at=_moment(published))
    number = 1 + sum(o.source == PERSON for o in store.outages())
    period = Announcement(f"reczny-{number}", category, start, end, published or now)
    outage = Outage(period, environment, PERSON, title, link, name, "", "")
    _put(store, outage, "added", f"Wpisano ręcznie: {_told(period)}. Źródło: {link}", now, name)
    return outage


def close(store: Store, outage_id: str, end: datetime, now: datetime, *, name: str, link: str) -> Outage:
    """The end, as a notice names it. Raises ConfigError for an unknown id or an end before the start, MoveRefused for
    a cancelled announcement."""
    known = _standing(store, outage_id)
    period = known.announcement
    _plausible(end)
    if end <= period.start:
        raise ConfigError("Koniec nie może być wcześniejszy niż początek.")
    changed = replace(period, end=end, end_published=max(now, end), version=period.version + 1)
    outage = replace(known, announcement=changed)
    _put(store, outage, "closed", f"Wpisano koniec: {_moment(end)}. Źródło: {link or 'nie podano'}", now, name)
    return outage


def confirm(store: Store, outage_id: str, now: datetime, *, name: str, link: str = "") -> Outage:
    """A person vouches for a total failure; from now on it acts. Raises MoveRefused for any other announcement."""
    known = _standing(store, outage_id)
    if known.announcement.category is not Category.TOTAL_FAILURE:
        raise MoveRefused("Potwierdzenia wymaga tylko awaria całkowita; ten komunikat działa bez niego.")
    if known.confirmed_by:
        return known
    outage = replace(known, confirmed_by=name, link=link or known.link)
    text = "Potwierdzono awarię całkowitą: obowiązek przesłania faktur wygasa."
    _put(store, outage, "confirmed", text, now, name)
    return outage


def cancel(store: Store, outage_id: str, now: datetime, *, name: str, reason: str) -> Outage:
    """Entered by mistake: it stays in the record and acts no more. Saying so twice changes nothing.

    Documents that ceased because of it are queued again, under the same name: their duty never went.
    """
    known = _need(store, outage_id)
    if known.cancelled_by:
        return known
    outage = replace(known, cancelled_by=name)
    _put(store, outage, "cancelled", f"Odwołano wpis: {reason or 'pomyłka'}.", now, name)
    law.revive(store, outage_id, now, name)
    return outage


def _plausible(*moments: datetime | None) -> None:
    """No date of ours can be reckoned from the ends of the calendar, and one slip would stop all of them."""
    for moment in moments:
        if moment is not None and moment.year not in beacon.YEARS:
            raise ConfigError(f"Data poza zakresem: {moment.isoformat()}.", "Np. 2026-11-26T14:30.")


def _need(store: Store, outage_id: str) -> Outage:
    known = store.outage(outage_id)
    if known is None:
        raise ConfigError("Nie ma komunikatu „{id}”.", "Listę pokaże: sluza outage list", id=outage_id)
    return known


def _standing(store: Store, outage_id: str) -> Outage:
    known = _need(store, outage_id)
    if known.cancelled_by:
        raise MoveRefused("Komunikat „{id}” jest odwołany: nie działa i nie można go już zmienić.", id=outage_id)
    return known


def _put(store: Store, outage: Outage, move: str, note: str, now: datetime, actor: str) -> None:
    store.put_outage(outage)
    period = outage.announcement
    data = {
        "category": period.category.value,
        "start": period.start.isoformat(),
        "end": period.end.isoformat() if period.end else None,
        "published": period.published.isoformat(),
        "version": period.version,
        "link": outage.link,
    }
    store.log(f"outage:{period.id}", move, now, actor, note, data)


def _told(period: Announcement) -> str:
    end = f" do {_moment(period.end)}" if period.end else ", koniec nieznany"
    return f"{period.category.label} od {_moment(period.start)}{end}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}"
