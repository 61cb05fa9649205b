"""Options that several verbs share."""

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Wynik jako JSON.")
config = click.option("--config", "own_config", metavar="PLIK", help="Plik konfiguracji.")


def chosen(ctx_config: str | None, own_config: str | None) -> str | None:
    """`--config` may stand before or after the verb; after it wins."""
    return own_config or ctx_config
