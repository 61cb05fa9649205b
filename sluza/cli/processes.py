"""`sluza gateway`, `sluza agent`, `sluza sandbox`: the processes, run in the foreground."""

import sys

import click

from sluza import options
from spool.settings import find_config


@click.command()
@options.config
@click.pass_obj
def gateway(config: str | None, own_config: str | None) -> None:
    """Uruchom bramkę: foldery, punkt zrzutu HTTP, stronę stanu."""
    from gateway.__main__ import main

    sys.exit(main(["--config", str(find_config(options.chosen(config, own_config)))]))


@click.command()
@options.config
@click.pass_obj
def agent(config: str | None, own_config: str | None) -> None:
    """Uruchom agenta: wysyłka do KSeF, UPO, odbiór faktur."""
    from agent.__main__ import main

    sys.exit(main(["--config", str(find_config(options.chosen(config, own_config)))]))


@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Uruchom piaskownicę: symulator KSeF do szkoleń i prób."""
    from sandbox.__main__ import main

    sys.exit(main(list(arguments)))
