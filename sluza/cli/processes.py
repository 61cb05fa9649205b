"""`sluza gateway`, `sluza agent`, `sluza sandbox`: the processes, run in the foreground."""

import errno
import sys

import click

from sluza import options
from spool import files, settings
from spool.domain.errors import ConfigError
from spool.settings import find_config

_DATA = "sandbox"


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


@click.command("training-sandbox")
@options.config
@click.pass_obj
def training_sandbox(config: str | None, own_config: str | None) -> None:
    """Uruchom piaskownicę kontekstu szkoleniowego ([training]); robi to sama usługa. Bez tego pola nic nie robi."""
    shared, _ = settings.read(find_config(options.chosen(config, own_config)))
    if not shared.sandbox_port:
        return
    from sandbox.__main__ import main

    data = shared.paths.state / _DATA
    files.make_directory(data, 0o700)
    try:
        code = main(["--host", "127.0.0.1", "--port", str(shared.sandbox_port), "--data", str(data)])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ConfigError(
            f"Port {shared.sandbox_port} na 127.0.0.1 jest zajęty, więc piaskownica do szkoleń nie wystartowała.",
            "Proszę podać wolny w polu training.sandbox_port, potem: systemctl restart sluza.",
        ) from error
    sys.exit(code)
