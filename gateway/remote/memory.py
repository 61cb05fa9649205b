"""What this installation must not forget over a restart: few facts, one JSON file each, written whole and synced.

Nothing of a document is among them. Which result is filed, and which file was taken in, the gateway knows; so a lost
state costs some traffic and the seat of the computer for five minutes, nothing else (faults D13, decision 0027).
"""

import json
import secrets
import sys
from pathlib import Path
from typing import IO, Any

from spool import files
from spool.domain.errors import AlreadyRunning, ConfigError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class Memory:
    """The state directory of one unit's client, held by one process."""

    def __init__(self, directory: Path) -> None:
        """Make it and hold it. Raises ConfigError, AlreadyRunning."""
        self.directory = directory
        try:
            files.make_directory(directory, 0o700)
            self._lock = _held(directory / "lock")
        except OSError as error:
            raise ConfigError(f"Nie można użyć katalogu stanu {directory}: {error.strerror}.") from error
        files.sweep(directory)

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()

    @property
    def client(self) -> str:
        """The random name that this installation gave itself."""
        known = self.recall("client")
        name = str(known.get("client") or "")
        if not name:
            name = secrets.token_hex(16)
            self.keep("client", known | {"client": name})
        return name

    def recall(self, what: str) -> dict[str, Any]:
        """A fact; empty when there is none, or the file cannot be read any more."""
        try:
            found = json.loads((self.directory / f"{what}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, what: str, fact: dict[str, Any]) -> None:
        """Remember it durably. Raises OSError."""
        files.write(self.directory / f"{what}.json", json.dumps(fact, ensure_ascii=False).encode(), 0o600)


def _held(path: Path) -> IO[bytes]:
    """The open lock file; the system lets go when the process dies."""
    handle = path.open("a+b")
    try:
        if sys.platform == "win32":
            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise AlreadyRunning(
            f"Program „sluza folders” już działa z tym katalogiem stanu ({path.parent}).",
            "Dla drugiej jednostki na tym samym komputerze proszę podać inny katalog: --state.",
        ) from None
    return handle
