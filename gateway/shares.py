"""The units' folders as Samba shares: the part of `smb.conf` that `sluza shares` prints. Pure.

Two shares for each unit, because Samba's `force user` decides the owner of every file and leaves no right of the file
system between one subfolder and another: `<unit>` shows everything and takes nothing, `<unit>_do-wyslania` is the drop
folder. A name of ours never contains `_` otherwise, so no unit's share can be taken for another's (decision 0022).

Whoever reads a file that is written through Samba must see it as soon as the program has closed it: a client that
caches (oplocks, leases) would send the rest later, so there are none on the drop share (components §1).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from gateway.folders import layout
from gateway.settings import Shares
from spool.domain.errors import ConfigError
from spool.domain.municipality import Municipality, Unit

LONGEST_USER = 32
"""Characters that `useradd` takes for the name of an account."""
_ENCRYPTING = frozenset({"SMB3_00", "SMB3_11"})
"""Dialects whose clients can encrypt (MS-SMB2 3.1.4.3)."""

_HEAD = """\
# Udziały Śluzy. Plik tworzy „sluza shares --write”; zmiany ręczne przepadną. Ustawienia: [shares] w sluza.toml.
[global]
    server min protocol = $min_protocol
"""
_SHARE = """
[$name]
    comment = $comment
    path = $path
    valid users = $users
    force user = $owner
    read only = $read_only
    guest ok = no
    access based share enum = yes
    server smb encrypt = $encryption
    follow symlinks = no
    wide links = no
    nt acl support = no
"""
_DROP = """\
    create mask = 0660
    directory mask = 0770
    oplocks = no
    level2 oplocks = no
    acl allow execute always = yes
"""
_ODD_IN_COMMENT = re.compile(r"[^\w .,()„”-]")


@dataclass(frozen=True)
class Share:
    """One share: its name, its folder, the accounts that get in, and whether they may write."""

    name: str
    path: Path
    users: tuple[str, ...]
    comment: str
    writable: bool = False


def user_of(shares: Shares, unit: str) -> str:
    """The account of a unit. Raises ConfigError for a name that no system takes."""
    name = f"{shares.user_prefix}{unit}"
    if len(name) > LONGEST_USER:
        raise ConfigError(
            f"Błędna wartość pola „shares.user_prefix”: {shares.user_prefix!r} (konto „{name}” ma więcej niż "
            f"{LONGEST_USER} znaki).",
            "Proszę skrócić przedrostek albo id jednostki.",
        )
    return name


def users(shares: Shares, municipality: Municipality) -> tuple[str, ...]:
    """Every account that must exist on the server, units first; groups (`@…`) are the administrator's own."""
    units = tuple(user_of(shares, unit.id) for unit in _units(municipality))
    if taken := sorted({*units} & {shares.service_user, *shares.admins}):
        raise ConfigError(
            f"Błędna wartość pola „shares.user_prefix”: {shares.user_prefix!r} (konto jednostki „{taken[0]}” byłoby "
            "też kontem usługi albo administratora).",
            "Proszę wybrać inny przedrostek.",
        )
    return (*units, *(admin for admin in shares.admins if not admin.startswith("@")))


def listed(shares: Shares, municipality: Municipality, root: Path) -> tuple[Share, ...]:
    """All shares; the central tray only where somebody may see it. Raises ConfigError."""
    users(shares, municipality)
    if bad := _unfit(str(root)):
        raise ConfigError(
            f"Błędna wartość pola „paths.folders”: {str(root)!r} (znaku {bad!r} nie może być w ścieżce udziału)."
        )
    found = [share for unit in _units(municipality) for share in _of_unit(shares, unit, root)]
    if shares.admins:
        path = root / layout.CENTRAL
        found.append(Share(layout.CENTRAL, path, shares.admins, "Faktury odebrane bez przypisanej jednostki"))
    return tuple(found)


def fragment(shares: Shares, municipality: Municipality, root: Path) -> str:
    """What `smb.conf` includes. Raises ConfigError by field name."""
    parts = [Template(_HEAD).substitute(min_protocol=shares.min_protocol)]
    for share in listed(shares, municipality, root):
        parts.append(Template(_SHARE).substitute(_values(shares, share)))
        parts += [_DROP] if share.writable else []
    return "".join(parts)


def warnings(shares: Shares) -> tuple[str, ...]:
    """What is looser than it could be, in Polish; empty for the defaults."""
    return tuple(_loose(shares))


def _loose(shares: Shares) -> Iterator[str]:
    old = shares.min_protocol not in _ENCRYPTING
    if old and shares.encryption == "required":
        yield (
            f"shares.min_protocol = {shares.min_protocol}: serwer przyjmie starsze komputery, ale udziały Śluzy "
            "otworzą tylko te, które szyfrują (Windows 8 i nowsze)."
        )
    elif old:
        yield (
            f"shares.min_protocol = {shares.min_protocol}: starsze komputery (Windows 7) łączą się bez szyfrowania. "
            "Proszę dopuścić to tylko w wydzielonej sieci i tylko do czasu ich wymiany."
        )
    if shares.encryption == "desired":
        yield "shares.encryption = desired: komputer, który nie umie szyfrować, prześle faktury jawnie."
    elif shares.encryption == "off":
        yield "shares.encryption = off: faktury idą przez sieć jawnie i można je podsłuchać."


def _units(municipality: Municipality) -> list[Unit]:
    """Those whose folders are here; a remote unit has its own on its own computer."""
    return [unit for unit in municipality.units.values() if not unit.remote]


def _of_unit(shares: Shares, unit: Unit, root: Path) -> Iterable[Share]:
    folder, account = layout.unit_folder(root, unit.id), (user_of(shares, unit.id),)
    yield Share(unit.id, folder, account, f"{unit.name}: wyniki i faktury odebrane")
    yield Share(f"{unit.id}_{layout.OUTBOX}", folder / layout.OUTBOX, account, f"{unit.name}: do wysłania", True)


def _values(shares: Shares, share: Share) -> Mapping[str, str]:
    return {
        "name": share.name,
        "comment": _ODD_IN_COMMENT.sub("-", share.comment),
        "path": str(share.path),
        "users": ", ".join(share.users),
        "owner": shares.service_user,
        "read_only": "no" if share.writable else "yes",
        "encryption": shares.encryption,
    }


def _unfit(path: str) -> str:
    """The first character that ends or joins lines or that Samba takes for a variable; empty when there is none."""
    return next((c for c in path if c in "%$\\" or not c.isprintable()), "")
