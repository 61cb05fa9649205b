"""`sluza policy …`: the procedure that the mayor signs, as a model text with our own settings filled in."""

from pathlib import Path

import click

from sluza import options, procedure
from sluza.console import emit, out, plain
from sluza.workbench import read_settings
from spool import files


@click.group()
def policy() -> None:
    """Procedura KSeF dla gminy."""


@policy.command("print")
@click.option("--out", "to", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK", help="Zapisz do pliku.")
@options.verb
def print_policy(config: str | None, own_config: str | None, to: Path | None, as_json: bool) -> None:
    """Projekt procedury (Markdown) do zarządzenia, z ustawieniami z konfiguracji; decyduje i podpisuje człowiek."""
    text = procedure.written(read_settings(options.chosen(config, own_config)))
    if to is not None:
        files.write(to, text.encode())
    if as_json:
        emit({"file": str(to) if to else None, "text": text})
    elif to is None:
        click.echo(text, nl=False)
    else:
        out.print(
            f"Zapisano {plain(to)}. To projekt: proszę go przeczytać, uzupełnić miejsca „……” i dać radcy prawnemu."
        )
