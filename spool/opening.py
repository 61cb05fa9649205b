"""Opening the file of the spool: the settings of a connection, the newest schema, the first looks at what is there."""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysqlite3
import sqlite_utils

from spool import integrity, migrations
from spool.domain.errors import ConfigError, SpoolDamaged, SpoolError, SpoolTooNew
from spool.integrity import Witness
from spool.store import Store

_PAGE_BYTES = 8192
"""Of a new file: three packed invoices of the usual size fit on a page; on SQLite's own 4,096 just one would."""
LOST = "Proszę sprawdzić pole „paths.state” i dysk; jeśli pliku naprawdę nie ma, odtworzyć spool z kopii zapasowej."


def connect(path: Path) -> pysqlite3.Connection:
    """A connection that commits for good. Raises pysqlite3.Error."""
    connection = pysqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = pysqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def migrate(path: Path, witness: Witness, enter: Callable[[pysqlite3.Connection], None] | None = None) -> None:
    """Apply missing schema steps and look at the file, under a lock of its own: two starting processes take turns.

    A program `enter`s its role there; a command that finds a spool older than the witness says, leaves that witness as
    it is for the next program.

    Raises SpoolDamaged, SpoolTooNew, SpoolError for a file that has gone; pysqlite3.Error and OSError of the disk.
    """
    with _migration_lock(path):
        if witness.said is not None and not path.exists():
            raise SpoolError(
                f"Nie ma pliku spoolu {path}, choć był.", f"{LOST} Pusty powstanie po usunięciu {witness.path}."
            )
        connection = connect(path)
        try:
            path.chmod(0o600)
            if witness.alone:
                integrity.write_wal_again(path)
            witness.stay()
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            database = sqlite_utils.Database(connection)
            refuse_newer({step.name for step in migrations.steps.applied(database)})
            migrations.steps.apply(database)
            store = Store(connection)
            if found := integrity.cut_short(store, path):
                raise damaged(path, found)
            if enter is not None:
                enter(connection)
            elif witness.denied(store):
                witness.close()
        finally:
            connection.close()


def owner_only(path: Path, command: str) -> None:
    """What makes files beside the spool is run by its owner, who must be able to use them. Raises ConfigError."""
    if os.geteuid() != path.stat().st_uid:
        raise ConfigError("To polecenie wykonuje właściciel spoolu.", f"Proszę: sudo -u {path.owner()} {command}")


def refuse_newer(applied: set[str]) -> None:
    """Raises SpoolTooNew when there are steps that this program does not know."""
    if unknown := applied - migrations.names():
        raise SpoolTooNew(
            f"Ten spool zapisała nowsza wersja programu (krok {min(unknown)}).",
            "Proszę uruchomić nowszą wersję programu albo odtworzyć starszą kopię zapasową.",
        )


@contextlib.contextmanager
def _migration_lock(path: Path) -> Any:
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def damaged(path: Path, found: str) -> SpoolDamaged:
    """The sentence about a spool in which `found` (a clause) is wrong."""
    return SpoolDamaged(f"Spool {path} jest uszkodzony: {found}.", integrity.CURE)
