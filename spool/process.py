"""What gateway and agent have in common as processes: their command line, their errors, their lock, their clock.

An error of ours becomes one Polish sentence on stderr and an exit code; what was not foreseen goes to the log with its
traceback, never to a person.
"""

import argparse
import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

import structlog

from spool import files
from spool import settings as shared_settings
from spool.access import FILE, Spool
from spool.clock import Clock, SandboxClock, system_clock
from spool.domain.errors import AlreadyRunning, ConfigError, SluzaError
from spool.domain.exits import Exit, exit_for
from spool.lock import RoleLock
from spool.logs import to_stderr
from spool.settings import Paths, Settings
from spool.toml import Table

Serve = Callable[[Settings, Table], Coroutine[None, None, int]]
_LOOK_EVERY_S = 0.25


def run(role: str, description: str, argv: Sequence[str] | None, serve: Serve) -> int:
    """The whole life of a process: read the configuration, `serve` until it is told to stop, return the exit code."""
    parser = argparse.ArgumentParser(prog=role, description=description)
    parser.add_argument("--config", help="plik konfiguracji (domyślnie SLUZA_CONFIG albo /etc/sluza/sluza.toml)")
    given = parser.parse_args(argv)
    to_stderr()
    try:
        shared, root = shared_settings.read(shared_settings.find_config(given.config))
        return asyncio.run(serve(shared, root))
    except SluzaError as error:
        _tell(f"{error} {error.hint}".strip())
        return exit_for(error)
    except KeyboardInterrupt:
        return Exit.OK
    except OSError as error:
        _tell(f"Program „{role}” nie może działać: {error.strerror or error}.")
        return Exit.FAILED
    except Exception:
        structlog.get_logger(role).exception("died")
        _tell(f"Program „{role}” przerwał pracę; przyczyna jest w dzienniku.")
        return Exit.FAILED


def _tell(sentence: str) -> None:
    """To people. The exit code says the same where nobody can be told any more."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


def hold(state: Path, role: str) -> RoleLock:
    """The state directory, made when missing, and the lock in it. Raises ConfigError or AlreadyRunning."""
    try:
        files.make_directory(state, 0o700)
        return RoleLock(state, role)
    except OSError as error:
        raise ConfigError(
            f"Nie można użyć katalogu stanu {state} (pole „paths.state”): {error.strerror}.",
            "Katalog musi istnieć i należeć do użytkownika, który uruchamia Śluzę.",
        ) from error


@contextlib.contextmanager
def desk(paths: Paths, role: str, clock: Clock) -> Iterator[Spool]:
    """The spool, opened by the one process that has this role.

    Raises ConfigError, AlreadyRunning (also for a living copy of this installation on this machine, in whatever
    directory: faults F12), or what opening the spool raises.
    """
    lock = hold(paths.state, role)
    try:
        spool = Spool(paths.state / FILE, role, clock, paths.reserve)
        try:
            with _only_copy(spool.instance, role, lock):
                yield spool
        finally:
            spool.close()
    finally:
        lock.release()


@contextlib.contextmanager
def _only_copy(instance: str, role: str, lock: RoleLock) -> Iterator[None]:
    """A name known to this machine's kernel only, and only while we live; where there is none, nothing is held."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0sluza-{instance}-{role}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE and not lock.taken_over:  # a frozen holder keeps the name, too
            name.close()
            raise AlreadyRunning(
                f"Śluza już działa ({role}): na tym serwerze pracuje inna kopia tej samej instalacji.",
                "Proszę zatrzymać jedną z nich; dwie kopie nie mogą wysyłać w imieniu tej samej gminy.",
            ) from error
    try:
        yield
    finally:
        name.close()


async def keep_role(spool: Spool, stop: asyncio.Event) -> None:
    """Watch until `stop` that the role is still ours. Raises LeaseLost."""
    while not stop.is_set():
        if (lost := spool.lost) is not None:
            raise lost
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)


def clock_for(url: str) -> Clock:
    """Our own time, or, with `url`, the sandbox's. Raises SluzaError, so that the supervisor tries again."""
    if not url:
        return system_clock
    try:
        return SandboxClock(url)
    except (OSError, ValueError, KeyError) as error:
        raise SluzaError(
            f"Zegar piaskownicy {url} nie odpowiada ({error}).", "Proszę uruchomić piaskownicę."
        ) from error
