"""`sluza check-config`: read the whole configuration and say what is wrong, by field name."""

from typing import Any

import click

from agent import settings as agent_settings
from certs import keyring, tls
from gateway import settings as gateway_settings
from gateway import shares
from gateway.settings import GatewaySettings
from gateway.web.guard import read_token
from sluza import options
from sluza.console import emit, out, plain
from spool import settings
from spool.domain.environments import TRAINING, label_of


@click.command("check-config")
@options.verb
def check_config(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Sprawdź plik konfiguracji."""
    shared, root = settings.read(settings.find_config(options.chosen(config, own_config)))
    own = gateway_settings.read(shared, root)
    alerts, loose = own.alerts, shares.warnings(own.shares)
    if root.has("shares"):
        shares.listed(own.shares, shared.municipality, shared.paths.folders)
    agent_settings.read(shared, root)
    if alerts.smtp:
        alerts.smtp.password()
    if alerts.webhook:
        alerts.webhook.secret()
    if own.admin.token_file:
        read_token(own.admin.token_file)
    if own.http.cert and own.http.key:
        tls.supplied(own.http.cert, own.http.key)
    for context in shared.municipality.contexts.values():
        keyring.refuse_empty_handed(context)
        keyring.offline(context)
    town, mail = shared.municipality, {"mail": alerts.smtp is not None}
    if as_json:
        counts = {"units": len(town.units), "contexts": len(town.contexts), "training": town.trained()}
        emit({"ok": True, "file": str(shared.source)} | counts | mail | {"warnings": loose} | _needs(own))
        return
    out.print(f"[green]Konfiguracja jest poprawna[/]: {plain(shared.source)}")
    out.print(f"{plain(town.name)}, NIP {town.nip}: jednostek {len(town.units)}, kontekstów KSeF {len(town.contexts)}.")
    if alerts.smtp is None:
        where = "do webhooka" if alerts.webhook else "na stronie stanu i w sluza status"
        out.print(f"Ostrzeżenia o terminach będą tylko {where}: pole alerts.smtp jest puste.")
    for unit, environment in town.trained().items():
        out.print(f"[yellow]{TRAINING}:[/] {plain(town.units[unit].name)} ({plain(label_of(environment))}).")
    if shared.sandbox_port:
        out.print(f"[yellow]{TRAINING}:[/] usługa uruchamia piaskownicę na 127.0.0.1:{shared.sandbox_port}.")
    for warning in loose:
        out.print(f"[yellow]Uwaga:[/] {plain(warning)}")


def _needs(own: GatewaySettings) -> dict[str, Any]:
    """What the installer has to open: directories that the service writes into, the addresses it listens at."""
    paths, backup = own.shared.paths, own.backup.directory
    return {
        "writes": [str(paths.state.absolute()), str(paths.folders.absolute())],
        "backups": str(backup.absolute()) if backup else None,
        "listen": f"{own.http.listen.host}:{own.http.listen.port}",
        "pages": f"{own.admin.listen.host}:{own.admin.listen.port}",
    }
