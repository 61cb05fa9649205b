"""What a worker process gives up before it sees its first hostile document (faults X02, X03, F16, F19).

Memory, core dumps and the network. The network goes twice: a new, empty network namespace where the kernel permits it,
and an audit hook that refuses every Python socket call, which holds everywhere.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from multiprocessing import forkserver
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_NETWORK_EVENTS = frozenset(
    {
        "socket.__new__",
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
    }
)


def confine(memory_mb: int, niceness: int = 0) -> None:
    """Called once at the start of a worker process; cannot be undone there."""
    # A system that forbids even this gets a worker like the others, not one that cannot begin.
    with contextlib.suppress(PermissionError):
        os.nice(niceness)
    # Ctrl-C reaches the whole process group; the parent decides when a worker stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(memory_mb * 1024 * 1024)
    _leave_network()
    # After the new namespace: gaining its capabilities makes the kernel forget a death signal set before.
    _die_with_parent()
    sys.addaudithook(_refuse_network)


def _die_with_parent() -> None:
    """SIGKILL from the kernel when the process that forked us ends, however it ends."""
    if not sys.platform.startswith("linux"):
        return
    # The fork server lives while anybody holds this pipe, and hands it to every child: with it in our hand it would
    # outlive the program, and we with it. There is no public name for it; a test kills a parent to see that it works.
    alive = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_alive_fd", None)
    if isinstance(alive, int):
        os.close(alive)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended between fork and prctl. It is the fork server, never process 1 itself.
    if os.getppid() == 1:
        os._exit(1)


def _limit_memory(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _leave_network() -> None:
    """Best effort: a container, AppArmor or systemd's RestrictNamespaces may forbid it, and then the hook remains."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError(f"no network in a worker process: {event} {arguments!r}"[:200])
