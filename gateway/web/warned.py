"""What the status page says about alarms: those whose documents are still open, and mail that did not go out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from spool.domain.alarms import Alarm, Mail
from spool.domain.ladder import ON_CALL

MOST = 50
"""So many alarms and mails the spool is asked for."""
UNSENT_SHOWN = timedelta(days=7)
"""So long a warning that never went out is told on the page; by then somebody has read it there."""
_NAMED = 5
UNSENT = "unsent"
"""The finding that a warning could not be sent."""


@dataclass(frozen=True)
class Warned:
    """One sentence; `grave` when it is an alarm, not only worth a look; `code` as of a finding."""

    grave: bool
    sentence: str
    code: str = "deadline:told"


def told(alarms: Sequence[Alarm], unsent: Sequence[Mail]) -> list[Warned]:
    """The gravest alarms in words, of more only that there are some; then the mail."""
    by_urgency = sorted(alarms, key=lambda alarm: (alarm.step not in ON_CALL, alarm.due))
    found = [Warned(a.step in ON_CALL, f"Ostrzeżenie: {a.sentence}") for a in by_urgency]
    if len(found) > _NAMED:
        text = "Ostrzeżeń o terminach jest więcej; wszystkie pokaże polecenie: sluza alerts list"
        found[_NAMED:] = [Warned(found[_NAMED].grave, text)]
    return found + _mail(unsent)


def _mail(unsent: Sequence[Mail]) -> list[Warned]:
    """The newest in words, because one server mostly explains them all."""
    if not unsent:
        return []
    last, count = unsent[0], len(unsent)
    most = "co najmniej " if count >= MOST else ""
    more = f" Takich wiadomości jest więcej: {most}{count}." if count > 1 else ""
    return [Warned(True, f"Nie udało się wysłać ostrzeżenia e-mailem do {last.address}. {last.error}{more}", UNSENT)]
