"""One process per role on one spool: the second one stops with a sentence (faults F13).

The kernel's lock is the first guard, and the lease beside it tells a living holder from a frozen one: the holder
writes the machine's running time into the lock file, and a newcomer that finds it old takes the role over. What a
frozen holder does when it wakes is settled by its number, in the database (`Spool`, decision 0014).
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from spool.domain.errors import AlreadyRunning

LEASE_S = 30.0
"""A holder that has not said for so long that it lives has lost its role to whoever comes next."""
_RENEW_EVERY_S = 5.0
_MOMENT_S = 0.5
UNTOLD = "-"
_WIDTH = 96
"""The lease is always written in one piece of the same length, so that nobody reads half of it."""


class RoleLock:
    """Holds `<state>/<role>.lock` for as long as the process lives; the kernel lets go when it dies."""

    def __init__(self, state_dir: Path, role: str) -> None:
        """Take the lock. Raises AlreadyRunning with the other process's number."""
        self.taken_over = False
        self._descriptor = self._take(state_dir / f"{role}.lock", role)
        self._released, self._turn = threading.Event(), threading.Lock()
        self._renew()
        threading.Thread(target=self._keep, name=f"lease-{role}", daemon=True).start()

    def release(self) -> None:
        """Let another process have the role; harmless when called twice."""
        with self._turn:  # never a lease into a descriptor that is another file's by now
            if not self._released.is_set():
                self._released.set()
                os.close(self._descriptor)

    def _take(self, path: Path, role: str) -> int:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                said = _look_twice(descriptor)
                os.close(descriptor)
                if not expired(said, _boot(), time.monotonic()):
                    raise AlreadyRunning(
                        f"Śluza już działa ({role}, proces {(said.split() or ['?'])[0]}).",
                        "Proszę zatrzymać poprzedni proces albo użyć innego katalogu.",
                    ) from None
                # Its file goes, its number is replaced right after: two newcomers at once are told apart by that.
                path.unlink(missing_ok=True)
                self.taken_over = True
                continue
            if _is_still(descriptor, path):
                return descriptor
            os.close(descriptor)  # another newcomer has put a new file in its place

    def _keep(self) -> None:
        while not self._released.wait(_RENEW_EVERY_S):
            with contextlib.suppress(OSError):  # a full disk: the next one may go through
                self._renew()

    def _renew(self) -> None:
        with self._turn:
            if not self._released.is_set():
                os.pwrite(self._descriptor, lease(os.getpid(), _boot(), time.monotonic()).encode(), 0)


def lease(pid: int, boot: str, running_s: float) -> str:
    """What a holder says of itself: its process, this start of the machine, and how long the machine has been running.

    The running time stands still while the machine sleeps, and no setting of the clock moves it.
    """
    return f"{pid} {boot} {running_s:.0f}".ljust(_WIDTH - 1) + "\n"


def expired(said: str, boot: str, running_s: float) -> bool:
    """True when whoever said this lives no more, or is frozen; what cannot be read, or is of another start, lives."""
    words = said.split()
    if len(words) != 3 or not words[2].isdecimal():
        return False
    same = words[1] == boot or UNTOLD in (words[1], boot)
    return same and running_s - int(words[2]) > LEASE_S


def _look_twice(descriptor: int) -> str:
    """What the holder says; when that seems over, once more a moment later: who has only just got the lock had not
    written yet, and the file is from the start before."""
    said = os.pread(descriptor, _WIDTH, 0).decode(errors="replace")
    if expired(said, _boot(), time.monotonic()):
        time.sleep(_MOMENT_S)
        said = os.pread(descriptor, _WIDTH, 0).decode(errors="replace")
    return said


def _boot() -> str:
    """This start of this machine, where the system says it: under systemd's ProcSubset=pid it does not."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return UNTOLD


def _is_still(descriptor: int, path: Path) -> bool:
    """The name leads to the file that we have locked."""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def alone(directory: Path, busy: str) -> Iterator[None]:
    """One of its kind at a time works in this directory, which must exist. Raises AlreadyRunning with that sentence."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(busy, "Proszę poczekać, aż się skończy.") from None
        yield
    finally:
        os.close(descriptor)
