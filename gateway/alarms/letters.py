"""The words of letters: what is wrong and what is over, and the daily summary. Pure; plain text only.

Sentences come from `gateway.web.health`; each is put on one line with control characters spelled out (faults X14).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from gateway.alarms.message import moment
from gateway.web.finding import Finding, Level
from gateway.web.health import Snapshot, overdue
from gateway.web.words import counted, one_line, plural
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.environments import TRAINING
from spool.domain.ledger import Document
from spool.domain.letters import MAIL, SUMMARY, TROUBLE, Day, NewLetter, Way
from spool.domain.municipality import Municipality
from spool.domain.troubles import Plan, Seen

_SHOWN = 10
_LONGEST = 600
_THINGS = ("sprawa wymaga", "sprawy wymagają", "spraw wymaga")
_OVER = ("sprawa wróciła", "sprawy wróciły", "spraw wróciło")
_FOOT = "Wiadomość wysłała Śluza, bramka KSeF. Wszystko, co teraz wymaga uwagi: sluza status albo strona „Przegląd”."


def of_troubles(plan: Plan, town: Municipality, ways: Sequence[Way], now: datetime) -> NewLetter | None:
    """One letter about everything that is to be told at this moment; None when there is nothing, or nobody to tell."""
    if not ways or not (plan.tell or plan.relieved):
        return None
    urgent_first = sorted(plan.tell, key=lambda one: not one.grave)
    parts = [f"{printable(town.name, 120)}, {moment(now)}"]
    if plan.tell:
        lines = [f"- {'PILNE: ' if one.grave else ''}{one_line(one.sentence, _LONGEST)}" for one in urgent_first]
        parts.append("\n".join(["Wymaga uwagi:", *lines]))
    if plan.relieved:
        lines = [f"- już nie: {one_line(one.sentence, _LONGEST)}" for one in plan.relieved]
        parts.append("\n".join(["Wróciło do normy:", *lines]))
    told = " ".join(sorted(one.code for one in (*plan.tell, *plan.relieved)))
    key = f"{TROUBLE}:{now.isoformat()}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    data = {
        "municipality": town.name,
        "troubles": [_for_programs(one) for one in urgent_first],
        "recovered": [_for_programs(one) for one in plan.relieved],
    }
    foot = "O każdej sprawie Śluza pisze raz, i drugi raz, gdy wróci do normy."
    text = "\n\n".join([*parts, f"{foot}\n{_FOOT}"]) + "\n"
    return NewLetter(key, TROUBLE, _subject(urgent_first, plan.relieved), text, data, tuple(ways))


def _subject(tell: Sequence[Seen], relieved: Sequence[Seen]) -> str:
    if len(tell) == 1 and not relieved:
        return one_line(tell[0].sentence, 160)
    if len(relieved) == 1 and not tell:
        return one_line(f"wróciło do normy: {relieved[0].sentence}", 160)
    parts = [f"{len(tell)} {plural(len(tell), _THINGS)} uwagi"] if tell else []
    if relieved:
        parts.append(f"{len(relieved)} {plural(len(relieved), _OVER)} do normy")
    return ", ".join(parts)


def _for_programs(one: Seen) -> dict[str, object]:
    return {"code": one.code, "level": "alarm" if one.grave else "look", "message": one_line(one.sentence, _LONGEST)}


def of_day(
    day: Day, snapshot: Snapshot, found: Sequence[Finding], town: Municipality, recipients: Sequence[str]
) -> NewLetter:
    """The daily summary, one for each day."""
    now = snapshot.at
    today = now.astimezone(WARSAW).date()
    parts = [
        f"{printable(town.name, 120)}: podsumowanie od {moment(day.since)} do {moment(day.until)}",
        "\n".join(f"{label + ':':<38}{value}" for label, value in _numbers(day, snapshot)),
        *_training(day),
        "\n".join(["Najbliższe terminy przesłania do KSeF:", *_next(snapshot.queue, now)]),
        "\n".join(["Wymaga uwagi:", *(_attention(found) or ["- nic; wszystko w porządku"])]),
        _FOOT,
    ]
    subject = f"podsumowanie dnia {today:%d.%m.%Y}"
    ways = tuple((MAIL, address) for address in recipients)
    return NewLetter(day_key(now), SUMMARY, subject, "\n\n".join(parts) + "\n", {}, ways)


def day_key(now: datetime) -> str:
    """The key of the summary of that day in Warsaw: there is one, whatever restarts."""
    return f"{SUMMARY}:{now.astimezone(WARSAW).date().isoformat()}"


def _numbers(day: Day, snapshot: Snapshot) -> list[tuple[str, int]]:
    return [
        ("Przyjęto do wysłania", day.taken_in),
        ("Dostało numer KSeF", day.numbered),
        ("w tym po terminie", day.numbered_late),
        ("Odrzucono (trzeba poprawić)", day.refused),
        ("Odebrano od dostawców", day.received),
        ("Czeka teraz na numer KSeF", snapshot.waiting),
        ("w tym po terminie", sum(overdue(d, snapshot.at) for d in snapshot.queue)),
        ("W tacce centralnej, bez jednostki", snapshot.unassigned),
    ]


def _training(day: Day) -> list[str]:
    """A paragraph of its own, so that nobody adds it up with the rest; none without a training."""
    if not day.trained:
        return []
    apart = "Nie ma ich w żadnej liczbie powyżej i nie biegną dla nich terminy."
    return [f"{TRAINING}: dokumentów ćwiczebnych w tym czasie {day.trained}. {apart}"]


def _next(queue: Sequence[Document], now: datetime) -> list[str]:
    dated = [d for d in queue if d.due_safe is not None and d.due_safe >= now]
    if not dated:
        return ["- żadna faktura nie czeka na termin"]
    lines = []
    for document in dated[:_SHOWN]:
        name = printable(document.facts.number or document.source_name or document.id, 60)
        assert document.due_safe is not None
        lines.append(f"- {moment(document.due_safe)}: {name} ({printable(document.unit)})")
    if len(dated) > _SHOWN:
        lines.append(f"- i jeszcze co najmniej {counted(len(dated) - _SHOWN)}")
    return lines


def _attention(found: Sequence[Finding]) -> list[str]:
    return [f"- {'PILNE: ' if f.level is Level.ALARM else ''}{one_line(f.sentence, _LONGEST)}" for f in found]
