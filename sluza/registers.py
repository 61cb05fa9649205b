"""Writing a register where the command was told to: a file, or standard output."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import click

from gateway.registers import tables
from sluza.console import out, plain
from spool import files
from spool.domain.errors import ConfigError
from spool.domain.registers import Layout, Row


def write(rows: Iterable[Row], layout: Layout, about: tables.About, form: str, to: Path | None) -> None:
    """The register in the format asked for. A workbook needs a file to go into."""
    if form == tables.XLSX and to is None:
        raise click.UsageError("Skoroszyt XLSX wymaga pliku: --out PLIK.xlsx")
    if to is None:
        _write(rows, layout, form, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    if not to.absolute().parent.is_dir():
        raise ConfigError(f"Nie ma katalogu {to.absolute().parent}.", "Proszę poprawić ścieżkę w --out.")
    try:
        with tempfile.TemporaryDirectory(prefix="sluza-rejestr-") as directory:
            made = Path(directory) / "register"
            if form == tables.XLSX:
                tables.write_xlsx(rows, layout, about, made)
            else:
                with made.open("wb") as handle:
                    _write(rows, layout, form, handle)
            files.copy(made, to)
    except OSError as error:
        raise ConfigError(f"Nie można zapisać pliku {to}: {error.strerror or error}.") from error
    out.print(f"Zapisano: {plain(to)}")


def _write(rows: Iterable[Row], layout: Layout, form: str, handle: IO[bytes]) -> None:
    (tables.write_csv if form == tables.CSV else tables.write_json)(rows, layout, handle)
