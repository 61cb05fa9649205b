"""One process per role on one spool: the second one stops with a sentence (faults F13)."""

import fcntl
import os
from pathlib import Path

from spool.domain.errors import AlreadyRunning


class RoleLock:
    """Holds `<state>/<role>.lock` for as long as the process lives; the kernel lets go when it dies."""

    def __init__(self, state_dir: Path, role: str) -> None:
        """Take the lock. Raises AlreadyRunning with the other process's number."""
        path = state_dir / f"{role}.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.read(self._descriptor, 32).decode(errors="replace").strip() or "?"
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"Śluza już działa ({role}, proces {other}).",
                "Proszę zatrzymać poprzedni proces albo użyć innego katalogu.",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Let another process have the role."""
        os.close(self._descriptor)
