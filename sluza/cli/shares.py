"""`sluza shares`: the units' folders as Samba shares, for `smb.conf` to include."""

from pathlib import Path

import click

from gateway import shares as samba
from sluza import options
from sluza.console import emit, err, out, plain
from sluza.workbench import read_settings
from spool import files
from spool.domain.errors import SluzaError

_READABLE = 0o644
"""Like `smb.conf` itself: it names accounts and folders, and no password."""


@click.command("shares")
@click.option("--write", "target", metavar="PLIK", help="Zapisz do pliku (w całości albo wcale) zamiast wypisać.")
@click.option("--users", "only_users", is_flag=True, help="Tylko konta, które muszą istnieć na serwerze.")
@options.verb
def shares(config: str | None, own_config: str | None, target: str | None, only_users: bool, as_json: bool) -> None:
    """Udziały Samby dla folderów jednostek: fragment pliku smb.conf."""
    found = read_settings(options.chosen(config, own_config))
    town, root = found.shared.municipality, found.shared.paths.folders
    accounts, listed = samba.users(found.shares, town), samba.listed(found.shares, town, root)
    text = samba.fragment(found.shares, town, root)
    for warning in samba.warnings(found.shares):
        err.print(f"[yellow]Uwaga:[/] {plain(warning)}")
    if target:
        _write(Path(target), text)
    if as_json:
        emit({"users": accounts, "shares": [_said(share) for share in listed], "written": target})
    elif only_users:
        click.echo("\n".join(accounts))
    elif target:
        out.print(f"Zapisano udziały: {len(listed)}, plik {plain(target)}. Nadaje im moc: smbcontrol all reload-config")
    else:
        click.echo(text, nl=False)


def _said(share: samba.Share) -> dict[str, object]:
    return {"name": share.name, "path": str(share.path), "users": share.users, "writable": share.writable}


def _write(target: Path, text: str) -> None:
    try:
        files.write(target, text.encode(), _READABLE)
    except OSError as error:
        raise SluzaError(f"Nie można zapisać pliku {target}: {error.strerror}.") from error
