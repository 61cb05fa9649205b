"""A message at once on every way that is set up, with what the other side said: such is a trial of page and command."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.alarms import webhook
from gateway.alarms.settings import Alerts
from gateway.alarms.smtp import Letter, send
from spool.clock import Clock
from spool.domain.alarms import Mail
from spool.domain.errors import ConfigError
from spool.domain.letters import MAIL, TRIAL, WEBHOOK
from spool.domain.municipality import Unit

_SUBJECT = "Śluza: wiadomość próbna"
_TEXT = "To jest próba. Na ten adres Śluza będzie wysyłać ostrzeżenia o terminach i o tym, co wymaga uwagi.\n"


@dataclass(frozen=True)
class Answer:
    """What became of one message; `answer` is a Polish sentence."""

    way: str
    address: str
    sent: bool
    answer: str


async def trial(alerts: Alerts, units: Sequence[Unit], clock: Clock) -> list[Answer]:
    """Send them, and wait for the answers. Raises ConfigError when no way is set up."""
    addresses = [*alerts.recipients, *alerts.on_call, *alerts.summary.recipients]
    addresses += [address for unit in units for address in unit.alerts]
    return await tell_now(alerts, addresses, _SUBJECT, _TEXT, TRIAL, clock)


async def tell_now(
    alerts: Alerts, addresses: Sequence[str], subject: str, text: str, kind: str, clock: Clock
) -> list[Answer]:
    """One message past the spool to each address and to the webhook. Raises ConfigError when no way is set up."""
    if alerts.smtp is None and alerts.webhook is None:
        sentence = "Nie ma przez co wysłać: pola „alerts.smtp” i „alerts.webhook” są puste."
        raise ConfigError(sentence, "Proszę uzupełnić tabelę [alerts].")
    now = clock()
    found = []
    if alerts.smtp is not None:
        letters = [Letter("0", address, subject, text, now) for address in dict.fromkeys(addresses)]
        async for letter, outcome in send(alerts.smtp, letters):
            found.append(Answer(MAIL, letter.address, outcome.taken, outcome.answer))
    if alerts.webhook is not None:
        host = alerts.webhook.host
        message = Mail(0, host, subject, text, now, 0, "", None, way=WEBHOOK, kind=kind)
        async for _, outcome in webhook.send(alerts.webhook, [message], clock):
            found.append(Answer(WEBHOOK, host, outcome.taken, outcome.answer))
    return found
