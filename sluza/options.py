"""Options that several verbs share."""

import getpass
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Wynik jako JSON.")
config = click.option("--config", "own_config", metavar="PLIK", help="Plik konfiguracji.")
name = click.option("--name", default=None, metavar="OSOBA", help="Kto to wpisuje (domyślnie: konto w systemie).")

_FORMAT = click.option(
    "--format", "form", default="csv", show_default=True, type=click.Choice(["csv", "xlsx", "json"]), help="Format."
)
_TO = click.option(
    "--out", "to", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK", help="Dokąd zapisać."
)


out_file = click.option(
    "--out", "to", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK", help="Dokąd zapisać."
)

TABLE = "table"
_PEOPLE_FORMAT = click.option(
    "--format",
    "form",
    default=TABLE,
    show_default=True,
    type=click.Choice([TABLE, "csv", "xlsx", "json"]),
    help="Format; z --out domyślnie csv.",
)


def verb(command: Callable[..., Any]) -> Callable[..., Any]:
    """What almost every verb takes: `--json`, `--config`, and the configuration that was named before the verb."""
    return as_json(config(click.pass_obj(command)))


def people_format(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--format` and `--out` of a register short enough for a terminal."""
    return _PEOPLE_FORMAT(_TO(command))


def table_format(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--format` and `--out` of a register."""
    return _FORMAT(_TO(command))


def chosen(ctx_config: str | None, own_config: str | None) -> str | None:
    """`--config` may stand before or after the verb; after it wins."""
    return own_config or ctx_config


def person(given: str | None) -> str:
    """Who does it: the name given, else the account in the system."""
    return given or getpass.getuser()


class Day(click.ParamType[date]):
    """A day RRRR-MM-DD."""

    name = "dzień"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"„{value}” nie jest dniem; np. 2026-11-26", param, ctx)
