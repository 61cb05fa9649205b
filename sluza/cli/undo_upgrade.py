"""`sluza undo-upgrade`: the spool of before an upgrade in place of the newer one; `install.sh --rollback` calls it."""

import subprocess
from pathlib import Path
from typing import Any

import click

from sluza import options
from sluza.console import emit, out, plain
from spool import settings
from spool.backup.undo import Undone, undo
from spool.clock import system_clock
from spool.domain.errors import ConfigError

_ASK = "from spool import migrations; print(*sorted(migrations.names()))"


@click.command("undo-upgrade")
@click.argument("release", metavar="WYDANIE", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--give-up", is_flag=True, help="Zgoda, gdy po aktualizacji przyjęto faktury; ich pliki są odkładane.")
@options.verb
def undo_upgrade(config: str | None, own_config: str | None, release: Path, give_up: bool, as_json: bool) -> None:
    """Przywróć spool sprzed aktualizacji, gdy starsze WYDANIE nie czyta nowszego; gateway i agent nie mogą działać.

    Uruchamia je sudo ./install.sh --rollback.
    """
    shared, _ = settings.read(settings.find_config(options.chosen(config, own_config)))
    done = undo(shared.paths.state.resolve(), _steps(release), system_clock(), give_up=give_up)
    emit(_as_dict(done)) if as_json else _show(done)


def _steps(release: Path) -> frozenset[str]:
    """The schema steps that the older program says it knows."""
    said = subprocess.run([release / "bin" / "python", "-I", "-c", _ASK], capture_output=True, text=True, check=False)
    if said.returncode or not said.stdout.strip():
        raise ConfigError(f"W {release} nie ma działającego programu Śluza.")
    return frozenset(said.stdout.split())


def _as_dict(done: Undone) -> dict[str, Any]:
    return {
        "undone": done.before is not None,
        "before": done.before.at if done.before else None,
        "aside": str(done.aside) if done.aside else None,
        "since": [document.id for document in done.since],
        "files": str(done.files) if done.files else None,
    }


def _show(done: Undone) -> None:
    if done.before is None:
        out.print("Spool pasuje do poprzedniej wersji; nic się w nim nie zmienia.")
        return
    out.print(f"[bold green]Przywrócono spool sprzed aktualizacji[/] ({plain(done.before.at)}).")
    out.print(f"  Nowszy leży w {plain(done.aside)}.")
    if done.since:
        out.print(f"  [yellow]Faktur przyjętych po aktualizacji: {len(done.since)}.[/] Ich pliki: {plain(done.files)}")
        out.print("  Proszę złożyć je jeszcze raz w folderach jednostek; te, które KSeF już ma, dostaną swój numer.")
    out.print("  Niczego nie wyśle, dopóki nie porówna spoolu z rejestrem KSeF; agent zrobi to sam.")
