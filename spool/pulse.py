"""The pulse of a program, the reading of it, and the end of a process whose pulse stands still.

`<SLUZA_RUN>/<role>.pulse`, in memory and not on the disk: a full or a slow disk must not look like a hang. It says the
process and a number, which the event loop changes; a loop that is blocked changes nothing. It is there from the moment
the program is ready until it is told to stop: opening a large spool may take its time, and so may closing it.

`sluza.overseer` watches over the programs, and each program over the overseer, so that nobody hangs unseen.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from spool.domain.pulse import Watched, doing

OVERSEER = "overseer"
RUN = "SLUZA_RUN"
"""The variable that names the directory of this run; without it nobody watches."""
_EVERY_S = 0.5
_BEATS_A_LOOK = 2
_LAST_LOOKS = 2
"""Between the signal that asks for the stacks and the one that cannot be refused."""
_WIDTH = 40


def wanted() -> bool:
    """Does anybody watch over this process?"""
    return bool(os.environ.get(RUN))


class Judge:
    """Looks at one process, once a second, and ends what hangs: first so that Python writes where, then for good."""

    def __init__(self, name: str) -> None:
        self.watched = Watched()
        self._name, self._doomed = name, 0

    def look(self, pid: int, beat: str, parent: int | None) -> bool:
        """False when that process is no child of `parent` (None: whosever): numbers are given again."""
        alive = threads(pid) if pid > 0 else None  # for a signal, 0 is our whole group
        if alive is None or parent not in (None, alive[0]):
            return False
        self.watched = self.watched.seen(pid, beat, doing(alive[1]))
        self._doomed = self._doomed + 1 if self.watched.hangs else 0
        if self._doomed == 1:
            say(f"{self._name} ({pid}) nie daje znaku życia: {self.watched}; kończę go")
            send(pid, signal.SIGABRT)
        elif self._doomed > _LAST_LOOKS:
            send(pid, signal.SIGKILL)
        return True


@contextlib.contextmanager
def pulse(role: str) -> Iterator[Callable[[], int]]:
    """The pulse of this process while the context lasts; each call is one beat, and returns its number.

    A directory that cannot be written has no pulse.
    """
    path, count = path_of(Path(os.environ[RUN]), role), 0

    def beat() -> int:
        nonlocal count
        count += 1
        with contextlib.suppress(OSError):  # the page is there already; a directory that has gone has no reader
            os.pwrite(descriptor, f"{os.getpid()} {count}".ljust(_WIDTH).encode() + b"\n", 0)
        return count

    with contextlib.ExitStack() as closing:
        descriptor = -1
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            closing.callback(os.close, descriptor)
            closing.callback(path.unlink, missing_ok=True)
        yield beat


async def live(role: str, stopping: Callable[[], bool]) -> None:
    """Keep the pulse of this process until `stopping`, and meanwhile look at the overseer."""
    run, overseer = Path(os.environ[RUN]), Judge(OVERSEER)
    with pulse(role) as beat:
        while not stopping():
            if beat() % _BEATS_A_LOOK == 0 and (found := read(run, OVERSEER)):
                overseer.look(*found, parent=os.getppid())
            await asyncio.sleep(_EVERY_S)


def path_of(run: Path, role: str) -> Path:
    """Where the pulse of a role is."""
    return run / f"{role}.pulse"


def read(run: Path, role: str) -> tuple[int, str] | None:
    """Process and beat, as last written; None where there is no pulse."""
    try:
        pid, count = path_of(run, role).read_text(encoding="ascii").split()
        return int(pid), count
    except (OSError, ValueError):
        return None


def threads(pid: int) -> tuple[int, list[str]] | None:
    """The parent of a process and the state of each of its threads, as the kernel says; None when it is gone."""
    try:
        parent = int(_stat(Path(f"/proc/{pid}/stat"))[1])
        states = [_stat(path)[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (OSError, ValueError, IndexError):  # it, or one of its threads, ended while we looked
        return None
    return (parent, states) if states and not set(states) <= {"Z", "X"} else None


def _stat(path: Path) -> list[str]:
    """The fields after the name, which may hold anything: state, parent, …"""
    return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def send(pid: int, number: signal.Signals) -> None:
    """A signal; to a process that has gone, none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def say(sentence: str) -> None:
    """Into the log of this process, with the time; standard output is supervisord's."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence}", file=sys.stderr, flush=True)
