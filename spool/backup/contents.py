"""What is needed beside the spool to bring a machine up again: the configuration, TLS, and what it names.

Secrets go into encrypted backups only: who finds a backup without encryption has the invoices, and must not have the
keys to KSeF besides. Without encryption their names are listed, so that nobody believes that they are in it.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spool.domain.errors import ConfigError
from spool.settings import KEYS

SPOOL = "spool.db"
CONFIG = "sluza.toml"
TLS = "tls"
_NO_SECRETS = frozenset({"coat_of_arms", "extra_ca"})
FILES = _NO_SECRETS | {
    "auth_cert", "auth_key", "auth_password_file", "token_file", "offline_cert", "offline_key",
    "offline_password_file", "cert", "key", "password_file", "previous_password_file", "webhook_secret_file",
}  # fmt: skip
"""The fields of the configuration that name a file. Certificates count as secret: a .pem may hold its key."""


@dataclass(frozen=True)
class Belonging:
    """A file that belongs into a backup, under this name."""

    name: str
    path: Path
    secret: bool


def belongings(config: Path, state: Path) -> list[Belonging]:
    """Everything beside the spool that exists. Raises ConfigError when the configuration cannot be read."""
    found = [Belonging(CONFIG, config, secret=False)]
    found += [Belonging(f"{TLS}/{p.name}", p, secret=True) for p in sorted((state / TLS).glob("*")) if p.is_file()]
    found += [
        Belonging(str(p.relative_to(state)), p, secret=True) for p in sorted((state / KEYS).rglob("*")) if p.is_file()
    ]
    named = dict.fromkeys(_named(_load(config), config.parent))
    for count, (key, path) in enumerate((key, path) for key, path in named if _may_be_there(path)):
        found.append(Belonging(f"files/{count:02}-{path.name}", path, key not in _NO_SECRETS))
    return found


def _may_be_there(path: Path) -> bool:
    """True for a file, and for what only root can see: somebody has named it, so it is not passed over in silence."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def _load(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Nie można odczytać pliku konfiguracji {config}: {error}.") from error


def _named(value: Any, base: Path) -> Iterator[tuple[str, Path]]:
    """Field and file, in the order of the configuration."""
    if isinstance(value, list):
        for one in value:
            yield from _named(one, base)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in FILES and isinstance(one, str) and one:
                yield key, (base / one).resolve()
            else:
                yield from _named(one, base)
