"""The pulse of a program, for whoever watches over it (`sluza.overseer`), and the reading of it.

`<SLUZA_RUN>/<role>.pulse`, in memory and not on the disk: a full or a slow disk must not look like a hang. It says the
process and a number, which the event loop changes; a loop that is blocked changes nothing. It is there from the moment
the program is ready until it is told to stop: opening a large spool may take its time, and so may closing it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

RUN = "SLUZA_RUN"
"""The variable that names the directory of this run; without it nobody watches."""
_EVERY_S = 0.5
_WIDTH = 40


def wanted() -> bool:
    """Does anybody watch over this process?"""
    return bool(os.environ.get(RUN))


async def beat(role: str, stopping: Callable[[], bool]) -> None:
    """Keep the pulse of this process until `stopping`. A directory that cannot be written has no pulse."""
    path, count = path_of(Path(os.environ[RUN]), role), 0
    with contextlib.ExitStack() as closing:
        descriptor = -1
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            closing.callback(os.close, descriptor)
            closing.callback(path.unlink, missing_ok=True)
        while not stopping():
            count += 1
            with contextlib.suppress(OSError):  # the page is there already; a directory that has gone has no reader
                os.pwrite(descriptor, f"{os.getpid()} {count}".ljust(_WIDTH).encode() + b"\n", 0)
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
