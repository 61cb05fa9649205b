"""Documents that do not go on without a person, by state. Pure."""

from collections.abc import Mapping

from gateway.web.finding import Finding, Level
from gateway.web.words import counted, plural
from spool.domain.states import State


def needing(counts: Mapping[str, int]) -> list[Finding]:
    """Documents that do not go on by themselves."""
    found = []
    for state, (level, one, few, many) in _NEED_PEOPLE.items():
        count = counts.get(state, 0)
        if count:
            text = f"{counted(count)} {plural(count, (one, few, many))}"
            found.append(Finding(level, text, f"people:{state.lower()}"))
    return found


_NEED_PEOPLE: dict[State, tuple[Level, str, str, str]] = {
    State.CONFLICT: (
        Level.ALARM,
        "czeka na decyzję człowieka: jej numer zajmuje w KSeF inny dokument.",
        "czekają na decyzję człowieka: ich numery zajmują w KSeF inne dokumenty.",
        "czeka na decyzję człowieka: ich numery zajmują w KSeF inne dokumenty.",
    ),
    State.QUARANTINED: (
        Level.ALARM,
        "jest w kwarantannie, bo przerywała pracę programu. Nie zostanie wysłana bez człowieka (sluza queue retry).",
        "są w kwarantannie, bo przerywały pracę programu. Nie zostaną wysłane bez człowieka (sluza queue retry).",
        "jest w kwarantannie, bo przerywały pracę programu. Nie zostaną wysłane bez człowieka (sluza queue retry).",
    ),
    State.HELD: (
        Level.LOOK,
        "jest wstrzymana i bez człowieka nie pójdzie dalej.",
        "są wstrzymane i bez człowieka nie pójdą dalej.",
        "jest wstrzymanych i bez człowieka nie pójdzie dalej.",
    ),
    State.UNKNOWN: (
        Level.LOOK,
        "ma nieznany wynik wysyłki; sprawdzamy go w KSeF.",
        "mają nieznany wynik wysyłki; sprawdzamy go w KSeF.",
        "ma nieznany wynik wysyłki; sprawdzamy go w KSeF.",
    ),
}
