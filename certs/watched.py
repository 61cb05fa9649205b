"""A credential that may be replaced while a program runs: by `sluza certs`, or by the agent that renews it."""

from collections.abc import Callable
from pathlib import Path

import structlog

from certs import keyring
from certs.reading import Credential, Use
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context

_Marks = tuple[tuple[int, int, int] | None, ...]
_log = structlog.get_logger("certs")


class Watched:
    """One credential of a context; call it for the present one."""

    def __init__(self, context: Context, load: Callable[[Context], Credential | None], use: Use) -> None:
        """Reads it. Raises ConfigError by field."""
        self._context = context
        self._load = load
        self._files = keyring.files_of(context, use)
        self._seen = self._marks()
        self._credential = load(context)

    def __call__(self) -> Credential | None:
        """As the files are now; while they cannot be used, the last one that could. Costs a few looks at the disk."""
        marks = self._marks()
        if marks != self._seen:
            self._seen = marks
            try:
                self._credential = self._load(self._context)
            except ConfigError as error:
                _log.warning("credential_not_read", context=self._context.id, error=str(error))
            else:
                _log.info("credential_replaced", context=self._context.id)
        return self._credential

    def _marks(self) -> _Marks:
        return tuple(_mark(path) for path in self._files)


def authentication(context: Context) -> Watched:
    """What a context logs in with. Raises ConfigError."""
    return Watched(context, keyring.authentication, Use.AUTH)


def offline(context: Context) -> Watched:
    """What a context signs KOD II with. Raises ConfigError."""
    return Watched(context, keyring.offline, Use.OFFLINE)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_mode
