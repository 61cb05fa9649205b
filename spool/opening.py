"""Opening the file of the spool: the settings of a connection, the newest schema, the first looks at what is there.

An older spool is brought to the newest schema in one transaction, after a copy of it was kept (decision 0040): a step
that fails, or a power cut, leaves the spool that the previous version of the program goes on with.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pysqlite3
import sqlite_utils

from spool import integrity, migrations, upgrading
from spool.clock import system_clock
from spool.crashpoint import reached
from spool.domain.errors import ConfigError, SpoolDamaged, SpoolError, SpoolTooNew
from spool.integrity import Witness
from spool.room import QUEUE, full, look, wal_of
from spool.store import Store

_PAGE_BYTES = 8192
"""Of a new file: three packed invoices of the usual size fit on a page; on SQLite's own 4,096 just one would."""
_PAGES_AT_ONCE = 1024
"""Of a copy: between two such steps the interpreter lives, and Ctrl-C is heard."""
LOST = "Proszę sprawdzić pole „paths.state” i dysk; jeśli pliku naprawdę nie ma, odtworzyć spool z kopii zapasowej."


def connect(path: Path) -> pysqlite3.Connection:
    """A connection that commits for good. Raises pysqlite3.Error."""
    connection = pysqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = pysqlite3.Row
    with closed_unless_whole(connection):
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


@contextlib.contextmanager
def closed_unless_whole(connection: pysqlite3.Connection) -> Iterator[None]:
    """What fails here lets the connection go at once. Not some time later: the last to close a spool removes the WAL of
    that name, whose ever it is by then."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def migrate(path: Path, witness: Witness, enter: Callable[[pysqlite3.Connection], None] | None = None) -> None:
    """Apply missing schema steps and look at the file, under a lock of its own: two starting processes take turns.

    A program `enter`s its role there; a command that finds a spool older than the witness says, leaves that witness as
    it is for the next program.

    Raises SpoolDamaged, SpoolTooNew, SpoolError for a file that has gone, NoRoom for the copy that an upgrade keeps;
    pysqlite3.Error and OSError of the disk.
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
                _write_wal_again(connection, path)
            witness.stay()
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            _bring_up(connection, path)
            store = Store(connection)
            if found := integrity.cut_short(store, path):
                raise damaged(path, found)
            if enter is not None:
                enter(connection)
            elif witness.denied(store):
                witness.close()
        finally:
            connection.close()


def _write_wal_again(connection: pysqlite3.Connection, path: Path) -> None:
    """Under SQLite's own lock: a program that is none of ours, like one that replicates, may write here."""
    if not wal_of(path).exists():
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        integrity.write_wal_again(path)
    finally:
        connection.execute("ROLLBACK")


def owner_only(path: Path, command: str) -> None:
    """What makes files beside the spool is run by its owner, who must be able to use them. Raises ConfigError."""
    if os.geteuid() != path.stat().st_uid:
        raise ConfigError("To polecenie wykonuje właściciel spoolu.", f"Proszę: sudo -u {path.owner()} {command}")


def _bring_up(connection: pysqlite3.Connection, path: Path) -> None:
    """All missing steps or none of them; whoever else has the spool open waits."""
    database = sqlite_utils.Database(connection)
    applied = {step.name for step in migrations.steps.applied(database)}
    refuse_newer(applied)
    if not migrations.steps.pending(database):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if applied:
            _keep_a_copy(connection, path, applied)
        migrations.steps.apply(database)
        reached("upgrade.applied")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a failed disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def _keep_a_copy(connection: pysqlite3.Connection, path: Path, applied: set[str]) -> None:
    """By a connection of its own, which sees what is committed: exactly the spool that the steps will change."""
    store = Store(connection)
    said = upgrading.named(path, applied, store.last_document(), store.last_event()[0], system_clock())
    with contextlib.closing(connect(path)) as before:
        upgrading.keep(path, said, lambda target: copy_snapshot(before, target))


def copy_snapshot(source: pysqlite3.Connection, target: Path) -> None:
    """One snapshot of the whole spool into a file, page by page, synced. Raises NoRoom, pysqlite3.Error.

    Programs go on writing meanwhile: a reader of a WAL holds nobody up, and because the snapshot is held, their commits
    never make the copy begin anew. Only what they write in this time stays in the WAL until it ends.
    """
    with contextlib.closing(pysqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous=FULL")
        source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(copy, pages=_PAGES_AT_ONCE, sleep=0.01)
        except pysqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
                raise full(QUEUE, look(target.parent).free) from error
            raise
        finally:
            with contextlib.suppress(pysqlite3.Error):
                source.execute("ROLLBACK")


def steps_of(path: Path) -> set[str]:
    """The schema steps that the spool at `path` has, whatever this program knows. Raises pysqlite3.Error."""
    with contextlib.closing(pysqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return {step.name for step in migrations.steps.applied(sqlite_utils.Database(connection))}


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
