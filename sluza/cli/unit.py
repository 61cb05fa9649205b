"""`sluza unit …`: the units and their tokens for the HTTP drop-point."""

import asyncio
import getpass
import secrets
from datetime import datetime, timedelta
from pathlib import Path

import click

from gateway.render.card import draw_card, names_of, sentence
from gateway.render.work import drawing_workers
from sluza import options
from sluza.console import done, emit, moment, out, plain, table
from sluza.workbench import Bench, bench, read_settings
from spool import files
from spool.bodies import sha256_hex
from spool.domain.errors import ConfigError
from spool.store import Store


@click.group()
def unit() -> None:
    """Jednostki gminy."""


@unit.command("list")
@options.verb
def list_units(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Jednostki z konfiguracji."""
    shared = read_settings(options.chosen(config, own_config)).shared
    units = shared.municipality.units.values()
    if as_json:
        emit(
            [
                {
                    "id": u.id,
                    "name": u.name,
                    "nip": u.nip,
                    "idwew": u.idwew,
                    "context": u.context,
                    "taxpayer": u.taxpayer,
                    "town_hall": u.town_hall,
                    "remote": u.remote,
                    "folder": str(shared.paths.folders / u.id),
                }
                for u in units
            ]
        )
        return
    table(
        f"{plain(shared.municipality.name)}, NIP {shared.municipality.nip}",
        ("Jednostka", "Nazwa", "NIP / IDWew", "Kontekst", "Folder"),
        [(u.id, plain(u.name), u.idwew or u.nip or "–", u.context, plain(shared.paths.folders / u.id)) for u in units],
    )


@unit.command("token")
@click.argument("unit_id", metavar="JEDNOSTKA")
@click.option("--list", "listed", is_flag=True, help="Pokaż tokeny jednostki: początek skrótu i daty.")
@click.option("--rotate", is_flag=True, help="Wydaj nowy; dotychczasowe działają jeszcze przez czas --overlap.")
@click.option("--overlap", type=click.FloatRange(0, 24 * 60), default=24, metavar="GODZINY", help="Domyślnie 24.")
@click.option("--revoke", is_flag=True, help="Unieważnij dotychczasowe tokeny tej jednostki, od razu.")
@click.option("--no-new", is_flag=True, help="Razem z --revoke: nie wydawaj nowego.")
@options.verb
def token(
    config: str | None,
    own_config: str | None,
    unit_id: str,
    listed: bool,
    rotate: bool,
    overlap: float,
    revoke: bool,
    no_new: bool,
    as_json: bool,
) -> None:
    """Wydaj token jednostki do punktu zrzutu HTTP; pokazywany jest tylko raz."""
    if listed + rotate + revoke > 1 or (no_new and not revoke):
        raise click.UsageError("Można podać jedną z opcji --list, --rotate, --revoke; --no-new tylko z --revoke.")
    with bench(options.chosen(config, own_config)) as opened:
        opened.unit(unit_id)
        if listed:
            _show_tokens(unit_id, opened, as_json)
            return
        now, actor = opened.clock(), getpass.getuser()
        new = "" if no_new else secrets.token_urlsafe(32)
        ends = now + timedelta(hours=overlap)

        def work(store: Store) -> tuple[int, int]:
            """The old ones first: the new one is not among them."""
            revoked = store.revoke_tokens(unit_id, now, actor) if revoke else 0
            retired = store.retire_tokens(unit_id, ends, now, actor) if rotate else 0
            if new:
                store.add_token(unit_id, sha256_hex(new.encode()), now, actor)
            return revoked, retired

        revoked, retired = opened.spool.write_now(work)
    if as_json:
        emit({"unit": unit_id, "token": new or None, "revoked": revoked, "retired": retired})
        return
    if revoke:
        out.print(f"Unieważniono tokenów: {revoked}.")
    if rotate:
        out.print(f"Dotychczasowych tokenów: {retired}; wygasną {moment(ends)}.")
    if new:
        out.print(f"Token jednostki {plain(unit_id)} (proszę go zapisać, nie da się go pokazać drugi raz):\n{new}")


def _show_tokens(unit_id: str, opened: Bench, as_json: bool) -> None:
    """Marks and dates; a token itself is nowhere to be shown."""
    now = opened.clock()
    found = opened.spool.read_now(lambda store: store.tokens(unit_id))
    rows = [(t.mark, t.created_at, t.expires_at, t.revoked_at, t.lets_in(now)) for t in found]
    if as_json:
        keys = ("mark", "created_at", "expires_at", "revoked_at", "valid")
        emit([{k: v.isoformat() if isinstance(v, datetime) else v for k, v in zip(keys, r, strict=True)} for r in rows])
        return
    table(
        f"Tokeny jednostki {plain(unit_id)}",
        ("Skrót", "Wydany", "Wygasa", "Unieważniony", "Działa"),
        [(m, moment(c), moment(e), moment(r), "tak" if valid else "nie") for m, c, e, r, valid in rows],
    )


@unit.command("card")
@click.argument("unit_id", metavar="JEDNOSTKA")
@click.option("--idwew", default="", metavar="IDWEW", help="Karta pracownika albo komórki z wykazu IDWew.")
@options.out_file
@options.verb
def card(config: str | None, own_config: str | None, unit_id: str, idwew: str, to: Path, as_json: bool) -> None:
    """Karta zakupów do wydruku (PDF): co powiedzieć sprzedawcy, żeby faktura trafiła do jednostki."""
    with bench(options.chosen(config, own_config)) as opened:
        town = opened.settings.shared.municipality
        own = opened.unit(unit_id)
        given = opened.spool.read_now(lambda store: store.internal_ids())
    holder = next((i.holder for i in given if (i.idwew, i.unit, i.withdrawn_on) == (idwew, unit_id, None)), "")
    if idwew and not holder:
        raise ConfigError(f"IDWew {idwew} nie należy do tej jednostki.", "Wykaz: sluza register idwew list")
    names = names_of(town, own, idwew, holder)
    drawing = drawing_workers()
    try:
        raw = asyncio.run(drawing.run(draw_card, names))
    finally:
        drawing.close()
    files.write(to, raw)
    done(as_json, f"Zapisano {to}. Zdanie dla sprzedawcy: {sentence(names)}", file=str(to), sentence=sentence(names))
