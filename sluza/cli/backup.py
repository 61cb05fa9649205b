"""`sluza backup`: a verified copy of the spool, and what else brings a machine up, beside running programs."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sluza import options
from sluza.console import emit, out, plain
from sluza.workbench import bench, looking
from spool.backup import record
from spool.backup.make import Made, make, planned
from spool.domain.backups import Keep
from spool.domain.errors import ConfigError, SluzaError
from spool.store import Store


@click.command()
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), metavar="KATALOG", help="Inny katalog na kopie."
)
@click.option("--keep", type=click.IntRange(1), metavar="DNI", help="Zostaw kopie z tylu ostatnich dni, starsze usuń.")
@click.option("--same-disk", is_flag=True, help="Zgoda na kopię na tym samym dysku, co spool.")
@options.as_json
@options.config
@click.pass_obj
def backup(
    config: str | None, own_config: str | None, to: Path | None, keep: int | None, same_disk: bool, as_json: bool
) -> None:
    """Zrób sprawdzoną kopię zapasową; Śluza może w tym czasie działać.

    Do katalogu z [backup] albo z --to. Kopia zaszyfrowana (backup.recipient) zawiera też klucze i hasła.
    """
    chosen = options.chosen(config, own_config)
    with looking(chosen) as (settings, _, clock):
        asked, now = settings.backup, clock()
    if to is not None:
        asked = replace(asked, directory=to.resolve())
    asked = replace(asked, same_disk=asked.same_disk or same_disk)
    plan = planned(asked, settings.shared.paths.state, settings.shared.source.resolve(), now)
    if plan is None:
        raise ConfigError("Nie wiadomo, gdzie zapisać kopię.", "Proszę podać --to KATALOG albo pole backup.directory.")
    if keep is not None:
        plan = replace(plan, keep=Keep(keep, 0, 0))
    elif to is not None:
        plan = replace(plan, keep=None)  # on somebody's own disk nothing goes unasked
    try:
        made = make(plan)
    except SluzaError as error:
        reason, hint = str(error), error.hint
        if to is None:
            with contextlib.suppress(SluzaError):  # the spool may be what is wrong; its sentence comes first
                _tell(chosen, lambda store: record.failed(store, now, reason, hint))
        raise
    if to is None:
        _tell(chosen, lambda store: record.good(store, now, made))
    emit(_as_dict(made)) if as_json else _show(made)


def _tell(chosen: str | None, job: Callable[[Store], None]) -> None:
    """Into the condition that the page and `sluza status` show."""
    with bench(chosen) as found:
        found.spool.write_now(job)


def _as_dict(made: Made) -> dict[str, Any]:
    said = made.manifest
    return {
        "ok": True,
        "file": str(made.path),
        "size": said.size,
        "sha256": said.sha256,
        "made_at": said.made_at,
        "encrypted": bool(said.recipient),
        "counts": said.counts,
        "left_out": list(said.left_out),
        "unreadable": list(made.unreadable),
        "removed": list(made.removed),
        "archives": [{"name": one.name, "sha256": one.sha256, "size": one.size} for one in said.volumes],
        "archives_copied": list(made.copied),
        "warning": made.warning,
    }


def _show(made: Made) -> None:
    said = made.manifest
    out.print(f"[bold green]Kopia zrobiona i sprawdzona:[/] {plain(made.path)} ({said.size / 1e6:.1f} MB)")
    counts = f"dokumentów {said.counts['document']}, faktur otrzymanych {said.counts['received']}"
    out.print(f"  {counts}, wpisów historii {said.counts['event']}.")
    if made.warning:
        out.print(f"[yellow]{plain(made.warning)}[/]")
    unsealed = [path for path in said.left_out if path not in made.unreadable]
    _list("Nie jest szyfrowana (backup.recipient), więc nie ma w niej kluczy i haseł", unsealed)
    _list("Nie ma w niej plików, których nie może czytać użytkownik robiący kopię", made.unreadable)
    if said.volumes:
        out.print(f"  Tomy archiwum obok kopii: {len(said.volumes)}, w tym nowe: {len(made.copied)}.")
    if made.removed:
        out.print(f"  Usunięte starsze kopie: {len(made.removed)}.")


def _list(why: str, paths: Sequence[str]) -> None:
    if paths:
        out.print(f"  {why}; proszę je zachować osobno:")
    for path in paths:
        out.print(f"    {plain(path)}")
