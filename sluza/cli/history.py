"""`sluza history …`: the audit trail, whole or in part, for an auditor."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.trail import as_csv, as_json_lines
from sluza import options
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import looking
from spool import files
from spool.domain.calendar import start_of_day
from spool.looking import Looking

_PAGE = 5_000


@click.group()
def history() -> None:
    """Historia: kto, kiedy i co zrobił; wpisów nie da się zmienić."""


@history.command("list")
@click.option("--subject", default="", metavar="POCZĄTEK", help="Czego dotyczy, np. account: albo outage:")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@options.verb
def list_events(config: str | None, own_config: str | None, subject: str, limit: int, as_json: bool) -> None:
    """Ostatnie wpisy, najnowsze na górze."""
    with looking(options.chosen(config, own_config)) as (_, spool, _clock):
        found = spool.read_now(lambda s: s.events(limit=limit, subject=subject))
    if as_json:
        emit(
            [
                {"seq": e.seq, "at": e.at.isoformat(), "actor": e.actor, "subject": e.subject, "event": e.move}
                | {"note": e.note}
                for e in found
            ]
        )
        return
    lines = [(str(e.seq), moment(e.at), plain(e.actor), plain(e.subject), plain(e.note)) for e in found]
    table("Historia", ("Nr", "Kiedy", "Kto", "Czego dotyczy", "Opis"), lines)


@history.command("export")
@options.out_file
@click.option("--since", type=options.Day(), metavar="DZIEŃ", help="Od tego dnia (RRRR-MM-DD); domyślnie całość.")
@click.option(
    "--format", "form", default="csv", show_default=True, type=click.Choice(["csv", "jsonl"]),
    help="csv dla arkusza, jsonl ze wszystkim, co obejmują skróty.",
)  # fmt: skip
@options.verb
def export(config: str | None, own_config: str | None, to: Path, since: Any, form: str, as_json: bool) -> None:
    """Cała historia ze skrótami, dla kontroli albo audytora."""
    begin = start_of_day(since) if since else None
    counted = 0

    def count(links: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        nonlocal counted
        for link in links:
            counted += 1
            yield link

    with looking(options.chosen(config, own_config)) as (_, spool, _clock):
        write = as_csv if form == "csv" else as_json_lines
        files.write_lines(to, write(count(_links(spool, begin))))
    if as_json:
        emit({"file": str(to), "rows": counted})
    else:
        out.print(f"Zapisano {plain(to)}: wpisów {counted}. Czy łańcuch się zgadza, mówi: sluza check")


def _links(spool: Looking, since: datetime | None) -> Iterator[dict[str, Any]]:
    page = _page(spool, 0, since)
    while page:
        yield from page
        page = _page(spool, int(page[-1]["seq"]), since)


def _page(spool: Looking, after: int, since: datetime | None) -> list[dict[str, Any]]:
    return spool.read_now(lambda s: s.all_links(after, since, _PAGE))
