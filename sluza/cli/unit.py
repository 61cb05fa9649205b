"""`sluza unit …`: the units and their tokens for the HTTP drop-point."""

import getpass
import secrets

import click

from sluza import options
from sluza.console import emit, out, plain, table
from sluza.workbench import bench, read_settings
from spool.bodies import sha256_hex
from spool.domain.errors import ConfigError


@click.group()
def unit() -> None:
    """Jednostki gminy."""


@unit.command("list")
@options.as_json
@options.config
@click.pass_obj
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
@click.option("--revoke", is_flag=True, help="Unieważnij dotychczasowe tokeny tej jednostki.")
@click.option("--no-new", is_flag=True, help="Razem z --revoke: nie wydawaj nowego.")
@options.as_json
@options.config
@click.pass_obj
def token(config: str | None, own_config: str | None, unit_id: str, revoke: bool, no_new: bool, as_json: bool) -> None:
    """Wydaj token jednostki do punktu zrzutu HTTP; pokazywany jest tylko raz."""
    new = "" if no_new else secrets.token_urlsafe(32)
    with bench(options.chosen(config, own_config)) as opened:
        if unit_id not in opened.settings.shared.municipality.units:
            raise ConfigError(f"Nie ma jednostki „{unit_id}”.")
        now, actor = opened.clock(), getpass.getuser()
        revoked = opened.spool.write_now(lambda s: s.revoke_tokens(unit_id, now, actor)) if revoke else 0
        if new:
            hashed = sha256_hex(new.encode())
            opened.spool.write_now(lambda s: s.add_token(unit_id, hashed, now, actor))
    if as_json:
        emit({"unit": unit_id, "token": new or None, "revoked": revoked})
        return
    if revoke:
        out.print(f"Unieważniono tokenów: {revoked}.")
    if new:
        out.print(f"Token jednostki {plain(unit_id)} (proszę go zapisać, nie da się go pokazać drugi raz):\n{new}")
