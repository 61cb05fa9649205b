"""`sluza restore`: a backup in place of the spool, or only checked; see `spool.backup.restore`."""

from pathlib import Path
from typing import Any

import click

from sluza import options
from sluza.console import emit, out, plain
from spool import settings
from spool.backup.restore import Restored
from spool.backup.restore import restore as put_back
from spool.clock import system_clock


@click.command()
@click.argument("file", metavar="PLIK", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), metavar="KATALOG", help="Katalog stanu.")
@click.option("--identity", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK", help="Klucz prywatny age.")
@click.option("--check", "only_check", is_flag=True, help="Tylko sprawdź kopię; niczego nie zmieniaj.")
@options.verb
def restore(
    config: str | None,
    own_config: str | None,
    file: Path,
    state: Path | None,
    identity: Path | None,
    only_check: bool,
    as_json: bool,
) -> None:
    """Odtwórz spool z kopii zapasowej; gateway i agent muszą być zatrzymane.

    Stary spool zostaje obok. Po starcie nic nie zostanie wysłane, dopóki spool nie zostanie porównany z KSeF.
    """
    if state is None:
        shared, _ = settings.read(settings.find_config(options.chosen(config, own_config)))
        state = shared.paths.state
    done = put_back(file, state.resolve(), identity, system_clock(), only_check=only_check)
    emit(_as_dict(done, only_check=only_check)) if as_json else _show(done, only_check=only_check)


def _as_dict(done: Restored, *, only_check: bool) -> dict[str, Any]:
    said = done.manifest
    return {
        "ok": True,
        "restored": not only_check,
        "made_at": said.made_at,
        "counts": said.counts,
        "manifest_beside": done.described,
        "moved_aside": str(done.aside) if done.aside else None,
        "files": str(done.files) if done.files else None,
        "left_out": list(said.left_out),
        "archives": [one.name for one in said.volumes],
        "archives_missing": list(done.missing),
    }


def _show(done: Restored, *, only_check: bool) -> None:
    said = done.manifest
    what = "Kopia jest cała" if only_check else "Odtworzono spool"
    counts = f"dokumentów {said.counts.get('document', 0)}, faktur otrzymanych {said.counts.get('received', 0)}"
    out.print(f"[bold green]{what}:[/] stan z {plain(said.made_at)}, {counts}.")
    if not done.described:
        out.print("[yellow]Obok kopii nie ma jej opisu (.json); sprawdzono ją sumami z jej wnętrza.[/]")
    if said.volumes:
        out.print(f"  Tomy archiwum: {len(said.volumes)}.")
    for text in done.missing:
        out.print(f"  [bold yellow]Brakuje tomu archiwum[/] {plain(text)}")
    if only_check:
        return
    if done.aside:
        out.print(f"  Poprzedni stan leży w {plain(done.aside)}.")
    if done.files:
        out.print(f"  Konfiguracja i pozostałe pliki leżą w {plain(done.files)}; na miejsce odkłada się je ręcznie:")
        for part in said.parts:
            if (done.files / part.name).exists():
                out.print(f"    {plain(part.name)} ← {plain(part.origin)}")
    for path in said.left_out:
        out.print(f"  [yellow]W kopii nie było:[/] {plain(path)}")
    out.print("Teraz proszę uruchomić Śluzę. Niczego nie wyśle, dopóki nie porówna spoolu z rejestrem KSeF;")
    out.print("na innym serwerze niż poprzedni wysyłkę wznawia człowiek: sluza reconcile.")
