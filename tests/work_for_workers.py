"""Well and badly behaved work for `spool.workers`: importable, because workers never see the test's own module."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

WARMED: list[int] = []


class NeedsTwo(Exception):  # noqa: N818 - an exception that pickles but cannot be read back
    """Its constructor does not take what pickle gives it."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)
        self.two = two


def double(number: int) -> int:
    """The ordinary case."""
    return number * 2


def hang() -> None:
    """Never ends within any limit of a test."""
    time.sleep(3600)


def spin() -> None:
    """Never ends and never lets go of the interpreter."""
    while True:
        pass


def announce_and_hang(fifo: str) -> None:
    """Tells the test through a FIFO who works, and never ends."""
    Path(fifo).write_text(f"{os.getpid()}\n")
    hang()


def announce_and_spin(fifo: str) -> None:
    """The same, without ever letting go of the interpreter."""
    Path(fifo).write_text(f"{os.getpid()}\n")
    spin()


def die() -> None:
    """Ends like a segmentation fault."""
    os.kill(os.getpid(), signal.SIGKILL)


def exit_now() -> None:
    """Ends without an answer."""
    os._exit(3)


def eat() -> int:
    """Wants more memory than a worker may have."""
    return len(bytearray(8 * 1024**3))


def value_error() -> None:
    """Raises an ordinary exception."""
    raise ValueError("zła wartość")


def odd_error() -> None:
    """Raises an exception that does not survive pickling."""
    raise NeedsTwo("a", "b")


def unpicklable() -> object:
    """Returns what cannot be sent back."""
    return lambda: None


def connect(port: int = 9) -> None:
    """Tries to reach the network."""
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


def pid() -> int:
    """Who works."""
    return os.getpid()


def main_file() -> str:
    """What the worker takes for `__main__`."""
    return str(getattr(sys.modules["__main__"], "__file__", ""))


def core_limit() -> tuple[int, int]:
    """The limit of core dumps."""
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)


def niceness() -> int:
    """How readily this process gives way."""
    return os.nice(0)


def warm_up() -> None:
    """Remembers that it was called."""
    WARMED.append(os.getpid())


def warmed() -> list[int]:
    """Which calls of `warm_up` this process, or the one it was forked from, has seen."""
    return WARMED


def death_signal() -> int:
    """Which signal the kernel sends to this process when its parent ends."""
    import ctypes

    found = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(2, ctypes.byref(found), 0, 0, 0)
    return found.value


def interfaces() -> list[str]:
    """The network interfaces that the worker sees."""
    return [line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]]
