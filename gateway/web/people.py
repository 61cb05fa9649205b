"""Documents that do not go on without a person, by state. Pure."""

from collections.abc import Mapping
from datetime import datetime

from gateway.web.finding import Finding, Level
from gateway.web.languages import phrase, say
from gateway.web.words import WAITS, counted, moment, plural
from spool.domain.states import State


def in_queue(count: int, nearest: datetime | None, now: datetime) -> str:
    """How many documents wait for their number, and until when."""
    if not count:
        return say("Kolejka jest pusta: wszystko, co przyjęto, ma numer KSeF.")
    wait, many = plural(count, WAITS), counted(count)
    if nearest is None:
        return say("Na numer KSeF {wait} {many}.", wait=wait, many=many)
    due = moment(nearest, now)
    return say("Na numer KSeF {wait} {many}; najbliższy termin: {due}.", wait=wait, many=many, due=due)


def needing(counts: Mapping[str, int]) -> list[Finding]:
    """Documents that do not go on by themselves."""
    found = []
    for state, (level, one, few, many) in _NEED_PEOPLE.items():
        count = counts.get(state, 0)
        if count:
            text = say("{many} {what}", many=counted(count), what=plural(count, (one, few, many)))
            found.append(Finding(level, text, f"people:{state.lower()}"))
    return found


_NEED_PEOPLE: dict[State, tuple[Level, str, str, str]] = {
    State.CONFLICT: (
        Level.ALARM,
        phrase("czeka na decyzję człowieka: jej numer zajmuje w KSeF inny dokument."),
        phrase("czekają na decyzję człowieka: ich numery zajmują w KSeF inne dokumenty."),
        "czeka na decyzję człowieka: ich numery zajmują w KSeF inne dokumenty.",
    ),
    State.QUARANTINED: (
        Level.ALARM,
        phrase(
            "jest w kwarantannie, bo przerywała pracę programu. Nie zostanie wysłana bez człowieka (sluza queue retry)."
        ),
        phrase(
            "są w kwarantannie, bo przerywały pracę programu. Nie zostaną wysłane bez człowieka (sluza queue retry)."
        ),
        "jest w kwarantannie, bo przerywały pracę programu. Nie zostaną wysłane bez człowieka (sluza queue retry).",
    ),
    State.HELD: (
        Level.LOOK,
        phrase("jest wstrzymana i bez człowieka nie pójdzie dalej."),
        phrase("są wstrzymane i bez człowieka nie pójdą dalej."),
        "jest wstrzymanych i bez człowieka nie pójdzie dalej.",
    ),
    State.UNKNOWN: (
        Level.LOOK,
        phrase("ma nieznany wynik wysyłki; sprawdzamy go w KSeF."),
        phrase("mają nieznany wynik wysyłki; sprawdzamy go w KSeF."),
        "ma nieznany wynik wysyłki; sprawdzamy go w KSeF.",
    ),
}
