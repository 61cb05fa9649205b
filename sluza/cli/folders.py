"""`sluza folders`: the folders of a remote unit, on its own computer. Imports nothing that Windows does not have."""

import asyncio
from pathlib import Path

import click


@click.command()
@click.option("--server", required=True, metavar="URL", help="Adres bramki, np. https://sluza.gmina.local:8443.")
@click.option(
    "--token-file", required=True, type=click.Path(path_type=Path), metavar="PLIK", help="Plik z tokenem jednostki."
)
@click.option(
    "--root", required=True, type=click.Path(path_type=Path), metavar="KATALOG",
    help="Tu powstanie folder jednostki: KATALOG/<id jednostki>/do-wyslania …",
)  # fmt: skip
@click.option(
    "--ca-file", type=click.Path(path_type=Path), metavar="PLIK",
    help="Urząd certyfikacji bramki (ca.pem od informatyka urzędu).",
)  # fmt: skip
@click.option(
    "--state", type=click.Path(path_type=Path), metavar="KATALOG",
    help="Pamięć programu (domyślnie KATALOG/.sluza-folders).",
)  # fmt: skip
@click.option("--take-over", is_flag=True, help="Przejmij foldery od innego komputera tej jednostki od razu.")
def folders(
    server: str, token_file: Path, root: Path, ca_file: Path | None, state: Path | None, take_over: bool
) -> None:
    """Foldery jednostki na jej własnym komputerze, połączone z bramką przez HTTPS."""
    from yarl import URL

    from gateway.remote.client import Settings, serve, stop_at_signal
    from spool.logs import to_stderr

    where = (state or root / ".sluza-folders").absolute()
    settings = Settings(URL(server), token_file.absolute(), root.absolute(), ca_file, where, take_over)

    async def run() -> None:
        stop = asyncio.Event()
        stop_at_signal(stop)
        await serve(settings, stop)

    to_stderr()
    asyncio.run(run())
