"""`sluza received attach`: files that came beside KSeF and belong to a purchase (JST rule P14)."""

import hashlib
from pathlib import Path

import click

from sluza import options
from sluza.console import done
from sluza.options import person
from sluza.workbench import bench
from spool.domain.errors import ConfigError
from spool.domain.papers import Attachment
from spool.store import Store
from spool.store.papers import subject


@click.command("attach")
@click.argument("what", metavar="NUMER-KSEF|NR")
@click.argument("paths", metavar="PLIK…", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--place", required=True, metavar="GDZIE", help="Gdzie plik leży, np. EZD RPW/123/2026 albo teczka.")
@options.name
@options.verb
def attach(
    config: str | None,
    own_config: str | None,
    what: str,
    paths: tuple[Path, ...],
    place: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Powiąż załączniki z fakturą z KSeF albo z wpisem spoza KSeF: nazwa, miejsce i skrót; plik zostaje, gdzie jest."""
    hashed = [(path, *_hash(path)) for path in paths]
    with bench(options.chosen(config, own_config)) as opened:
        now, actor = opened.clock(), person(name)
        added = [Attachment(path.name, sha256, size, place, now, actor) for path, sha256, size in hashed]

        def work(store: Store) -> None:
            about = _subject(store, what)
            for one in added:
                store.attach(about, one)

        opened.spool.write_now(work)
    text = f"Powiązano załączników: {len(added)}. Plików Śluza nie kopiuje: proszę ich nie usuwać z miejsca „{place}”."
    done(as_json, text, subject=what, sha256=[one.sha256 for one in added])


def _hash(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file of any length. Raises ConfigError."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest(), path.stat().st_size
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku {path}: {error.strerror}.", "Proszę sprawdzić ścieżkę.") from error


def _subject(store: Store, what: str) -> str:
    """A received invoice, or an entry by its number. Raises ConfigError when there is none."""
    try:
        if what.isascii() and what.isdecimal():
            return subject(store.paper(int(what)).id)
        return store.received(what).ksef_number
    except KeyError:
        cure = "Listy: sluza received list, sluza received paper list"
        raise ConfigError(f"Nie ma dokumentu „{what}”.", cure) from None
