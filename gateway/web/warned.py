"""What the status page says about alarms: those whose documents are still open, and mail that did not go out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.web.languages import say
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
    """One sentence; `grave` when it is an alarm, not only worth a look; `code` and `kept` as of a finding."""

    grave: bool
    sentence: str
    code: str = "deadline:told"
    kept: str = ""


def told(alarms: Sequence[Alarm], unsent: Sequence[Mail]) -> list[Warned]:
    """The gravest alarms in words, of more only that there are some; then the mail."""
    by_urgency = sorted(alarms, key=lambda alarm: (alarm.step not in ON_CALL, alarm.due))
    found = [
        Warned(a.step in ON_CALL, say("Ostrzeżenie: {kept}", kept=a.sentence), kept=a.sentence) for a in by_urgency
    ]
    if len(found) > _NAMED:
        text = say("Ostrzeżeń o terminach jest więcej; wszystkie pokaże polecenie: sluza alerts list")
        found[_NAMED:] = [Warned(found[_NAMED].grave, text)]
    return found + _mail(unsent)


def _warning(alarm: Alarm) -> Warned:
    return Warned(alarm.step in ON_CALL, say("Ostrzeżenie: {kept}", kept=alarm.sentence), kept=alarm.sentence)


def _mail(unsent: Sequence[Mail]) -> list[Warned]:
    """The newest in words, because one server mostly explains them all."""
    if not unsent:
        return []
    last, count = unsent[0], len(unsent)
    text = say("Nie udało się wysłać ostrzeżenia e-mailem do {address}. {kept}", address=last.address, kept=last.error)
    if count >= MOST:
        text = say("{sentence} Takich wiadomości jest więcej: co najmniej {count}.", sentence=text, count=count)
    elif count > 1:
        text = say("{sentence} Takich wiadomości jest więcej: {count}.", sentence=text, count=count)
    return [Warned(True, text, UNSENT, last.error)]
