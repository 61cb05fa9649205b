"""`sluza alerts …`: the warnings about deadlines and about what else is wrong, and a test of the ways they go."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import click

from gateway.alarms.stopped import tell
from gateway.alarms.trial import Answer, trial
from gateway.results import local
from sluza import options
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import bench, read_settings
from spool import process
from spool.domain.alarms import Alarm, Mail
from spool.domain.exits import Exit
from spool.domain.ladder import LABELS
from spool.domain.letters import Letter
from spool.domain.stopped import PROGRAMS, Why
from spool.domain.troubles import Trouble

_ROWS = 100


@click.group()
def alerts() -> None:
    """Ostrzeżenia o terminach i o tym, co wymaga uwagi."""


@alerts.command("list")
@options.verb
def list_alerts(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Ostatnie ostrzeżenia i ich wysyłka: o terminach, o tym, co wymaga uwagi, i wysłane listy."""
    with bench(options.chosen(config, own_config)) as opened:
        found, troubles, letters = opened.spool.read_now(
            lambda s: (
                [(a, [*s.mails(a.id), *s.hooks(a.id)]) for a in s.alarms(_ROWS)], s.troubles(_ROWS), s.letters(_ROWS),
            )
        )  # fmt: skip
    if as_json:
        emit(
            {
                "deadlines": [_as_dict(alarm, mails) for alarm, mails in found],
                "troubles": [_trouble(one) for one in troubles],
                "letters": [_letter(letter, mails) for letter, mails in letters],
            }
        )
        return
    if not (found or troubles or letters):
        out.print("Nie było jeszcze żadnego ostrzeżenia.")
    if found:
        _show_deadlines(found)
    if troubles:
        lines = [
            (moment(t.since), plain(t.seen.sentence), moment(t.over_at) if t.over_at else "[yellow]trwa[/]")
            for t in troubles
        ]
        table("Inne sprawy, najnowsze na górze", ("Od", "Co", "Do"), lines)
    if letters:
        rows = [(str(n.id), moment(n.at), plain(n.subject), plain(_delivery(mails))) for n, mails in letters]
        table("Wysłane wiadomości", ("Nr", "Kiedy", "Temat", "Wysyłka"), rows)


def _show_deadlines(found: list[tuple[Alarm, list[Mail]]]) -> None:
    table(
        "Ostrzeżenia o terminach, najnowsze na górze",
        ("Nr", "Kiedy", "Ostrzeżenie", "Etap", "Sprawa", "Wysyłka"),
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
@options.verb
def test(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Wyślij wiadomość próbną na każdy skonfigurowany adres i do webhooka; pokaż odpowiedzi."""
    settings = read_settings(options.chosen(config, own_config))
    units, clock = list(settings.shared.municipality.units.values()), process.clock_for(settings.shared.clock_url)
    answers = asyncio.run(trial(settings.alerts, units, clock))
    _show_answers(answers, as_json, all)


@alerts.command("stopped", hidden=True)
@click.argument("program", type=click.Choice(PROGRAMS))
@click.argument("why", type=click.Choice([why.value for why in Why]))
@options.verb
def stopped(config: str | None, own_config: str | None, program: str, why: str, as_json: bool) -> None:
    """Powiadom, że program nie działa; uruchamia to nadzorca, nie człowiek."""
    settings = read_settings(options.chosen(config, own_config))
    clock = process.clock_for(settings.shared.clock_url)
    _show_answers(asyncio.run(tell(settings.alerts, program, Why(why), clock)), as_json, any)


def _show_answers(answers: list[Answer], as_json: bool, enough: Callable[[Iterable[bool]], bool]) -> None:
    """What each side said; exit code 1 when not `enough` of them have taken it."""
    if as_json:
        emit([vars(answer) for answer in answers])
    for answer in () if as_json else answers:
        colour = "green" if answer.sent else "red"
        out.print(f"[{colour}]•[/] {plain(answer.address)}: {plain(answer.answer)}")
    if not enough(answer.sent for answer in answers):
        raise SystemExit(Exit.REFUSED)


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
        "mail": _sent(mails),
    }


def _sent(mails: list[Mail]) -> list[dict[str, Any]]:
    return [
        {"way": m.way, "address": m.address, "sent_at": local(m.sent_at), "tries": m.tries, "error": m.error}
        for m in mails
    ]


def _trouble(one: Trouble) -> dict[str, Any]:
    return {
        "code": one.seen.code,
        "level": "alarm" if one.seen.grave else "look",
        "message": one.seen.sentence,
        "since": local(one.since),
        "told_at": local(one.told_at),
        "over_at": local(one.over_at),
    }


def _letter(letter: Letter, mails: list[Mail]) -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "subject": letter.subject,
        "at": local(letter.at),
        "sent": _sent(mails),
    }


def _delivery(mails: list[Mail]) -> str:
    if not mails:
        return "nie wysyłano"
    return "; ".join(
        f"{m.address}: {'wysłano ' + moment(m.sent_at) if m.sent_at else m.error or 'czeka na wysłanie'}" for m in mails
    )
