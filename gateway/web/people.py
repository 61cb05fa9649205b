"""What counts of documents say: those that do not go on without a person, what waits, what is of a training. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.web.finding import Finding, Level
from gateway.web.languages import phrase, say
from gateway.web.words import WAITS, counted, moment, number, plural
from spool.domain.environments import TRAINING
from spool.domain.states import LIVE, NUMBERED, State


@dataclass(frozen=True)
class Trained:
    """How much there is of a training: outgoing documents by state, and purchases. No other count has them."""

    counts: Mapping[str, int] = field(default_factory=dict)
    received: int = 0

    @property
    def documents(self) -> int:
        """Outgoing documents in any state."""
        return sum(self.counts.values())


def waiting(counts: Mapping[str, int]) -> int:
    """Live documents without a KSeF number."""
    return sum(counts.get(state, 0) for state in LIVE - NUMBERED)


def in_training(trained: Trained) -> str:
    """The line about a training, apart from everything that is real; empty where there is none."""
    if not (trained.documents or trained.received):
        return ""
    return say(
        "{training}: wysyłanych {sent} (bez numeru: {waiting}), odebranych {received}. Nie ma ich w żadnej innej "
        "liczbie i nie biegną dla nich terminy.",
        training=say(TRAINING), sent=number(trained.documents), waiting=number(waiting(trained.counts)),
        received=number(trained.received),
    )  # fmt: skip


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
