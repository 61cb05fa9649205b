"""`sluza alerts …`: the warnings about deadlines, and a test of the way they go out."""

import asyncio
from typing import Any

import click

from gateway.alarms.settings import Alerts
from gateway.alarms.smtp import Letter, Outcome, send
from gateway.results import local
from sluza import options
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import bench, read_settings
from spool import process
from spool.clock import Clock
from spool.domain.alarms import Alarm, Mail
from spool.domain.errors import ConfigError
from spool.domain.exits import Exit
from spool.domain.ladder import LABELS

_ROWS = 100


@click.group()
def alerts() -> None:
    """Ostrzeżenia o terminach."""


@alerts.command("list")
@options.as_json
@options.config
@click.pass_obj
def list_alerts(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Ostatnie ostrzeżenia i ich wysyłka."""
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(lambda store: [(a, store.mails(a.id)) for a in store.alarms(_ROWS)])
    if as_json:
        emit([_as_dict(alarm, mails) for alarm, mails in found])
        return
    if not found:
        out.print("Nie było jeszcze żadnego ostrzeżenia.")
        return
    table(
        "Ostrzeżenia, najnowsze na górze",
        ("Nr", "Kiedy", "Ostrzeżenie", "Etap", "Sprawa", "E-mail"),
        [
            (
                str(alarm.id),
                moment(alarm.at),
                plain(alarm.sentence),
                LABELS[alarm.step],
                "zamknięta" if alarm.over_at else "[yellow]otwarta[/]",
                plain(_delivery(mails)),
            )
            for alarm, mails in found
        ],
    )


@alerts.command("test")
@options.as_json
@options.config
@click.pass_obj
def test(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Wyślij wiadomość próbną na każdy skonfigurowany adres i pokaż odpowiedź serwera."""
    settings = read_settings(options.chosen(config, own_config))
    units = settings.shared.municipality.units.values()
    addresses = [*settings.alerts.recipients, *settings.alerts.on_call, *(a for u in units for a in u.alerts)]
    answers = asyncio.run(_try(settings.alerts, addresses, process.clock_for(settings.shared.clock_url)))
    if as_json:
        emit([{"address": letter.address, "sent": o.taken, "answer": o.answer} for letter, o in answers])
    for letter, outcome in () if as_json else answers:
        out.print(f"[{'green' if outcome.taken else 'red'}]•[/] {plain(letter.address)}: {plain(outcome.answer)}")
    if not all(outcome.taken for _, outcome in answers):
        raise SystemExit(Exit.REFUSED)


async def _try(found: Alerts, addresses: list[str], clock: Clock) -> list[tuple[Letter, Outcome]]:
    if found.smtp is None:
        raise ConfigError("Nie ma przez co wysłać: pole „alerts.smtp” jest puste.", "Proszę uzupełnić tabelę [alerts].")
    text = "To jest próba. Na ten adres Śluza będzie wysyłać ostrzeżenia o terminach przesłania faktur do KSeF.\n"
    letters = [Letter(0, a, "Śluza: wiadomość próbna", text, clock()) for a in dict.fromkeys(addresses)]
    return [answer async for answer in send(found.smtp, letters)]


def _as_dict(alarm: Alarm, mails: list[Mail]) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "at": local(alarm.at),
        "unit": alarm.unit,
        "step": alarm.step,
        "due": local(alarm.due),
        "documents": alarm.documents,
        "sentence": alarm.sentence,
        "over_at": local(alarm.over_at),
        "mail": [
            {"address": m.address, "sent_at": local(m.sent_at), "tries": m.tries, "error": m.error} for m in mails
        ],
    }


def _delivery(mails: list[Mail]) -> str:
    if not mails:
        return "nie wysyłano"
    return "; ".join(
        f"{m.address}: {'wysłano ' + moment(m.sent_at) if m.sent_at else m.error or 'czeka na wysłanie'}" for m in mails
    )
