"""`sluza archive …`: the yearly archives; see `spool.volumes`."""

import asyncio
from pathlib import Path
from typing import Any

import click

from gateway.backups import backup_workers
from sluza import options
from sluza.console import done, emit, moment, out, plain, sentence, table
from sluza.progress import progress
from sluza.workbench import bench, looking
from spool.backup import volumes
from spool.domain.errors import ConfigError, Failed, SpoolError
from spool.domain.exits import Exit
from spool.domain.volumes import PUT_BACK, Volume
from spool.opening import owner_only
from spool.volumes import look
from spool.volumes.run import Done, run
from spool.volumes.seal import Plan


@click.group()
def archive() -> None:
    """Archiwa roczne: treść dawnych faktur poza spoolem, w zapieczętowanych plikach."""


@archive.command("list")
@options.verb
def list_volumes(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Tomy archiwum: rok, liczba treści, skrót pliku."""
    with looking(options.chosen(config, own_config)) as (_, spool, _clock):
        found, unknown = spool.read_now(lambda store: (store.volumes(), look.unknown(store)))
        directory = spool.read_now(lambda store: store.archives())
    if as_json:
        emit({"directory": str(directory), "volumes": [as_dict(v) for v in found], "unknown": unknown})
        return
    headings = ("Tom", "Treści", "MB", "Zapieczętowany", "SHA-256")
    lines = [(v.name, str(v.bodies), f"{v.size / 1e6:.1f}", moment(v.made_at), v.sha256) for v in found]
    table(f"Tomy archiwum: {len(found)} ({directory})", headings, lines)
    if unknown:
        out.print(f"[yellow]Spool nie zna tomów:[/] {plain(', '.join(unknown))}. Własne przyjmie sluza archive run.")


@archive.command("check")
@options.verb
def check_volumes(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Przeczytaj każdy tom w całości i porównaj z tym, co zapieczętowano; niczego nie zmienia."""
    with looking(options.chosen(config, own_config)) as (_, spool, _clock), progress() as tell:
        tell("sprawdzanie tomów", 0, 0)
        count = spool.read_now(lambda store: len(store.volumes()))
        damaged = spool.read_now(lambda store: look.damaged(store, read=True))
        astray = spool.read_now(lambda store: sum(1 for _ in look.astray(store)))
    if as_json:
        emit({"ok": not (damaged or astray), "volumes": count, "damaged": damaged, "bodies_missing": astray})
    elif not damaged and not astray:
        out.print(f"[bold green]Tomy archiwum są całe:[/] {count}.")
    _tell_damage(damaged, astray)


@archive.command("fetch")
@click.option(
    "--from",
    "target",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="KATALOG",
    help="Katalog kopii (domyślnie backup.directory).",
)
@click.option("--identity", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK", help="Klucz prywatny age.")
@options.verb
def fetch_volumes(
    config: str | None, own_config: str | None, target: Path | None, identity: Path | None, as_json: bool
) -> None:
    """Przynieś z katalogu kopii tomy, których brakuje albo które są uszkodzone; Śluza może w tym czasie działać."""
    with looking(options.chosen(config, own_config)) as (settings, spool, _clock):
        target, state = target or settings.backup.directory, settings.shared.paths.state
        if target is None:
            raise ConfigError("Nie wiadomo, gdzie są kopie.", "Proszę podać --from KATALOG albo pole backup.directory.")
        owner_only(spool.path, "sluza archive fetch")
        damaged = spool.read_now(lambda store: look.damaged(store, read=True))
        needed = [v for v in spool.read_now(lambda store: store.volumes()) if v.name in damaged]
    missing = volumes.bring(volumes.kept(needed), target.resolve(), state, identity)
    fetched = len(needed) - len(missing)
    done(as_json, f"Przyniesiono tomów: {fetched}.", ok=not missing, fetched=fetched, missing=list(missing))
    for text in missing:
        sentence(f"Nie przyniesiono tomu {text}")
    if missing:
        raise SystemExit(Exit.REFUSED)


@archive.command("run")
@options.verb
def run_archive(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Przenieś teraz do archiwum to, co jest dość stare; Śluza może w tym czasie działać."""
    with bench(options.chosen(config, own_config)) as found, progress() as tell:
        months = found.settings.archive.months
        if not months:
            raise ConfigError("Archiwum jest wyłączone (archive.months = 0).", "Proszę wpisać liczbę miesięcy, np. 13.")
        plan, workers = Plan(found.settings.shared.paths.state, months, True, found.clock()), backup_workers()
        try:
            ended = asyncio.run(run(found.spool, workers, plan, options.person(None), tell, read=True))
        finally:
            workers.close()
    if isinstance(ended, Failed):
        raise SpoolError(ended.reason, ended.hint)
    emit(_done(ended)) if as_json else _show(ended)
    _tell_damage(ended.damaged, 0)


def _show(ended: Done) -> None:
    if not ended.volumes:
        out.print("Nic nie jest dość stare: żadna treść nie opuściła spoolu.")
    for volume in ended.volumes:
        out.print(f"[bold green]Tom {volume.name}:[/] treści {volume.bodies}, {volume.size / 1e6:.1f} MB.")
    if ended.volumes:
        out.print(f"Spool opuściło treści: {ended.moved}. Nowe tomy zabierze najbliższa kopia zapasowa.")


def _tell_damage(damaged: dict[str, str], astray: int) -> None:
    """What is wrong, on standard error, and the exit code of it."""
    for name, wrong in sorted(damaged.items()):
        sentence(f"Tom archiwum {name} {wrong}.", PUT_BACK)
    if astray:
        sentence(f"W tomach archiwum brakuje treści: {astray}.", PUT_BACK)
    if damaged or astray:
        raise SystemExit(Exit.REFUSED)


def _done(ended: Done) -> dict[str, Any]:
    made = [as_dict(v) for v in ended.volumes]
    return {"ok": not ended.damaged, "volumes": made, "moved": ended.moved, "damaged": ended.damaged}


def as_dict(volume: Volume) -> dict[str, Any]:
    """One volume for a program."""
    return {
        "name": volume.name,
        "size": volume.size,
        "sha256": volume.sha256,
        "bodies": volume.bodies,
        "made_at": volume.made_at.isoformat(),
    }
