"""`sluza demo`: the story, drawn as it happens."""

import shutil
import signal
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sluza.console import emit, out, plain
from sluza.demo.stage import UNITS, Stage, free_base
from sluza.demo.story import Story
from spool.domain.calendar import WARSAW
from spool.domain.exits import Exit

PATIENCE_S = 50.0


@click.command()
@click.option("--once", is_flag=True, help="Pokaż wszystko, wypisz podsumowanie i zakończ.")
@click.option("--json", "as_json", is_flag=True, help="Razem z --once: podsumowanie jako JSON w ostatnim wierszu.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Katalog pokazu (domyślnie tymczasowy).")
@click.option("--port-base", type=click.IntRange(1024, 65533), help="Pierwszy z trzech portów.")
def demo(once: bool, as_json: bool, data: Path | None, port_base: int | None) -> None:
    """Pokaz: trzy jednostki, kilkanaście faktur, piaskownica zamiast KSeF."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.REFUSED))
    directory = (data or Path(tempfile.mkdtemp(prefix="sluza-pokaz-"))).resolve()
    stage = Stage(directory, free_base(port_base))
    summary: dict[str, int | float | bool] = {"ok": False}
    try:
        out.print("Uruchamiam piaskownicę, bramkę i agenta…")
        stage.start()
        began = time.monotonic()
        now = datetime.now(WARSAW)
        story = Story(stage, now.date(), f"{now:%d%H%M%S}/{now.year}")
        _introduce(stage)
        story.send_supplies()
        _play(story, stage, began)
        summary = story.summary(time.monotonic() - began)
        _conclude(story, summary)
        if not once:
            _stay(stage)
    except KeyboardInterrupt:
        out.print("\nKończę pokaz.")
    finally:
        stage.stop()
        if once and data is None and summary["ok"]:
            shutil.rmtree(directory, ignore_errors=True)
        if as_json:
            emit(summary)
    sys.exit(Exit.OK if summary["ok"] else Exit.REFUSED)


def _introduce(stage: Stage) -> None:
    out.print(
        "\n[bold]Gmina Śluzowo[/] ma jeden NIP i trzy jednostki. Programy urzędu i szkoły umieją tylko zapisać plik\n"
        "w folderze, program ośrodka wysyła go jednym wywołaniem HTTP. Śluza robi resztę: sprawdza, wysyła do KSeF,\n"
        "odbiera numer i UPO, a faktury od dostawców układa u właściwej jednostki albo w tacce centralnej."
    )
    for unit in UNITS:
        out.print(f"  {plain(unit.name):<36} {plain(stage.folders / unit.id)}")
    out.print(f"  strona stanu: {stage.dashboard_url}\n")


def _play(story: Story, stage: Stage, began: float) -> None:
    """Tell the story until it is over or patience ends; a live table on a terminal, plain lines elsewhere."""
    told: dict[str, str] = {}
    with Live(console=out, refresh_per_second=8, transient=False) as live:
        while not story.over and time.monotonic() - began < PATIENCE_S:
            story.advance()
            stage.write_map()
            if out.is_terminal:
                live.update(_picture(story))
            else:
                _tell_news(story, told)
            time.sleep(0.2)


def _tell_news(story: Story, told: dict[str, str]) -> None:
    for supply in story.supplies:
        if supply.said and told.get(supply.ksef_number) != supply.said:
            told[supply.ksef_number] = supply.said
            out.print(f"{plain(supply.title)}: {plain(supply.said)} {supply.ksef_number}", soft_wrap=True)
    for act in story.acts:
        if told.get(act.name) != act.said:
            told[act.name] = act.said
            out.print(f"{act.unit:<5} {act.name:<16} {plain(act.said)} {act.ksef_number}", soft_wrap=True)


def _picture(story: Story) -> Group:
    table = Table(title="Faktury wystawiane", title_justify="left", expand=True)
    for heading in ("Jednostka", "Faktura", "Co się z nią dzieje"):
        table.add_column(heading, overflow="fold")
    table.add_column("Numer KSeF", min_width=35)
    for act in story.acts:
        colour = "dim" if not act.dropped else "cyan"
        if act.done:
            colour = {"sent": "green", "refused": "red", "same": "yellow"}[act.expected]
        table.add_row(act.unit, act.title, Text(act.said, colour), act.ksef_number)
    received = Table(title="Faktury otrzymane", title_justify="left", expand=True)
    for heading in ("Dokąd", "Faktura", "Numer KSeF"):
        received.add_column(heading, overflow="fold")
    for supply in story.supplies:
        where = Text(supply.unit or "tacka centralna", "green" if supply.done else "dim")
        received.add_row(where, f"{supply.title}{plain(f'; {supply.said}' if supply.said else '')}", supply.ksef_number)
    return Group(table, received)


def _conclude(story: Story, summary: dict[str, int | float | bool]) -> None:
    out.print(
        f"\nWysłane: {summary['sent']}, z numerem KSeF: {summary['numbered']}, z UPO: {summary['upo']}, "
        f"odrzucone z wyjaśnieniem: {summary['refused']},\notrzymane: {summary['received']} "
        f"(w tacce centralnej: {summary['unassigned']}), czas: {summary['seconds']} s."
    )
    if summary["ok"]:
        out.print("[bold green]Wszystko dotarło tam, gdzie powinno.[/]")
        return
    for act in (a for a in story.acts if not a.done):
        out.print(f"[red]Nie doczekano się:[/] {act.unit}/{act.name}: {plain(act.said)}")
    for supply in (s for s in story.supplies if not s.done):
        out.print(f"[red]Nie dotarła:[/] {plain(supply.title)} {supply.ksef_number}")


def _stay(stage: Stage) -> None:
    """Keep everything up, and the map true, until Ctrl-C."""
    out.print(
        f"\nPokaz działa dalej. Strony: {stage.dashboard_url}  (login: admin, hasło: {stage.password})\n"
        f"Foldery jednostek: {plain(stage.folders)}\nMapa dla programów: {plain(stage.directory / 'demo.json')}\n"
        "Proszę wrzucić własny plik do folderu do-wyslania. Koniec: Ctrl-C."
    )
    while True:
        time.sleep(1)
        stage.write_map()
