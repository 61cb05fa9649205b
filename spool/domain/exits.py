"""The exit codes of every `sluza` command, in one table."""

from enum import IntEnum

from spool.domain.errors import (
    AlreadyRunning,
    ClockWrong,
    ConfigError,
    MoveRefused,
    RegisterRefused,
    SluzaError,
    SpoolError,
)


class Exit(IntEnum):
    """What the shell gets; `docs/` lists them and a test holds both together."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    RUNNING = 3
    SPOOL = 4
    FAILED = 5


MEANING = {
    Exit.OK: "wszystko w porządku",
    Exit.REFUSED: "odrzucono dokument albo nie wszystko się udało",
    Exit.USAGE: "błąd w poleceniu albo w konfiguracji",
    Exit.RUNNING: "Śluza już działa na tym spoolu",
    Exit.SPOOL: "spool jest niedostępny albo uszkodzony",
    Exit.FAILED: "błąd wewnętrzny, zapisany w dzienniku",
}


def exit_for(error: SluzaError) -> Exit:
    """The exit code of one of our errors."""
    if isinstance(error, ConfigError):
        return Exit.USAGE
    if isinstance(error, AlreadyRunning):
        return Exit.RUNNING
    if isinstance(error, MoveRefused | RegisterRefused | ClockWrong):
        return Exit.REFUSED
    return Exit.SPOOL if isinstance(error, SpoolError) else Exit.FAILED
