"""Opening the spool, and crossing into it from async code: one writer and one reader thread per process.

Grouped commits: the writer takes whatever waits, runs every job in a savepoint of one BEGIN IMMEDIATE, and commits
once with synchronous=FULL; only then are the callers told. It never lingers for more. WAL checkpoints run on a
connection of their own, off the path of requests.

A program takes its role with a number. Every group of jobs begins by asking whether that number is still the newest of
the role: after another process has taken over, nothing more is written (faults F13, invariant I14; decision 0014).
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
import sqlite_utils

from spool import files, identity, migrations
from spool.clock import Clock, system_clock
from spool.crashpoint import reached
from spool.domain.errors import LeaseLost, SpoolError, SpoolTooNew
from spool.domain.identity import Trail
from spool.store import Store

T = TypeVar("T")
Job = Callable[[Store], Any]

FILE = "spool.db"
OLDEST_SAFE_SQLITE = (3, 51, 3)
"""Below this the WAL-reset bug can corrupt a database that several connections write (faults F21)."""
_GROUP = 256
_CHECKPOINT_EVERY_S = 2.0
_TRAIL_EVERY_S = 10.0
"""How often the file beside the spool is told how far the history has come, when it has come further."""


class Spool:
    """One process's way into the spool. `write` and `read` take a function of a Store and return its result."""

    def __init__(self, path: Path, role: str = "", clock: Clock = system_clock) -> None:
        """Open, and bring to the newest schema, the spool at `path` (a file; its directory is made, mode 0700).

        With a `role` as a program, which must hold the role's lock already: it takes a number, and the spool is looked
        at for signs that it is not the one that ran here last (`spool.identity`). Without one as a command, whose every
        write stands by itself. Raises SpoolTooNew for a schema this program does not know, SpoolError for an unsafe
        SQLite.
        """
        if pysqlite3.sqlite_version_info < OLDEST_SAFE_SQLITE:
            raise SpoolError(f"Biblioteka SQLite {pysqlite3.sqlite_version} jest za stara.", "Proszę użyć install.sh.")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._role, self._fence, self.instance = role, 0, ""
        self._trail: Trail | None = None
        self._lost = False
        self._prepare(clock)
        self._jobs: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
        self._reader = ThreadPoolExecutor(1, "spool-read")
        self._read_connection = self._reader.submit(_connect, path).result()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_groups, name="spool-write", daemon=True),
            threading.Thread(target=self._checkpoint, name="spool-checkpoint", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def lost(self) -> LeaseLost | None:
        """What to die of: another process has taken our role over, and nothing of ours is written any more."""
        if not self._lost:
            return None
        return LeaseLost(
            f"Śluza już działa ({self._role}): inny proces przejął tę rolę, bo ten zbyt długo nie dawał znaku życia.",
            "Ten proces kończy pracę; niczego już nie zapisze.",
        )

    async def write(self, job: Callable[[Store], T]) -> T:
        """Run `job` in a transaction; returns after it is durable. What `job` raises, or the commit, is raised here."""
        return await asyncio.wrap_future(self._submit(job))

    async def read(self, job: Callable[[Store], T]) -> T:
        """Run `job` on the reading connection, on one snapshot."""
        return await asyncio.wrap_future(self._reader.submit(self._read, job))

    def write_now(self, job: Callable[[Store], T]) -> T:
        """`write` for callers without an event loop (the CLI)."""
        return self._submit(job).result()

    def read_now(self, job: Callable[[Store], T]) -> T:
        """`read` for callers without an event loop (the CLI)."""
        return self._reader.submit(self._read, job).result()

    async def version(self) -> int:
        """A number that changes whenever another connection committed something: cheap to ask often."""
        ask = self._reader.submit(lambda: self._read_connection.execute("PRAGMA data_version").fetchone()[0])
        return int(await asyncio.wrap_future(ask))

    def close(self) -> None:
        """Finish the waiting jobs and close the connections; harmless when called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._reader.submit(self._keep_trail, self._read_connection).result()
        self._reader.submit(self._read_connection.close).result()
        self._reader.shutdown()

    def _prepare(self, clock: Clock) -> None:
        """Apply missing schema steps, and take the role, under one lock: starting processes take turns."""
        with _migration_lock(self.path):
            connection = _connect(self.path)
            try:
                _migrate(self.path, connection)
                if self._role:
                    self._enter(connection, clock)
            finally:
                connection.close()

    def _enter(self, connection: pysqlite3.Connection, clock: Clock) -> None:
        store = Store(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._fence = store.take_fence(self._role, str(os.getpid()), clock())
            self.instance = identity.settle(Store(connection, self._fence), self.path, clock())
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._keep_trail(connection)
        files.remove(self.path.parent / identity.RESTORED)

    def _keep_trail(self, connection: pysqlite3.Connection) -> None:
        """Tell the file beside the spool how far the history has come. A full disk is told by whoever writes next."""
        if not self._role or self._lost:
            return
        trail = Store(connection).trail(self.instance)
        if trail != self._trail:
            with contextlib.suppress(OSError):
                identity.write_trail(self.path.parent, trail)
                self._trail = trail

    def _still_ours(self, store: Store) -> None:
        """Raises LeaseLost when a newer number of our role has been given out; from then on for good."""
        if self._role and not self._lost and store.fence_of(self._role) != self._fence:
            self._lost = True
        if (lost := self.lost) is not None:
            raise lost

    def _submit(self, job: Callable[[Store], T]) -> "Future[T]":
        if self._closing.is_set():
            raise SpoolError("Spool jest zamykany.")
        done: Future[T] = Future()
        self._jobs.put((job, done))
        return done

    def _read(self, job: Callable[[Store], T]) -> T:
        connection = self._read_connection
        connection.execute("BEGIN")
        try:
            return job(Store(connection))
        finally:
            connection.execute("ROLLBACK")

    def _write_groups(self) -> None:
        connection = _connect(self.path)
        store = Store(connection, self._fence)
        going_on = True
        while going_on:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _GROUP:
                    group.append(self._jobs.get_nowait())
            going_on = None not in group
            _commit_group(connection, store, [entry for entry in group if entry is not None], self._still_ours)
        connection.close()

    def _checkpoint(self) -> None:
        connection, told = _connect(self.path), time.monotonic()
        while not self._closing.wait(_CHECKPOINT_EVERY_S):
            # Busy or disk full: the WAL keeps everything. A lost role is told by `lost`, also to who writes nothing.
            with contextlib.suppress(pysqlite3.OperationalError, LeaseLost):
                self._still_ours(Store(connection))
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                if time.monotonic() - told >= _TRAIL_EVERY_S:
                    self._keep_trail(connection)
                    told = time.monotonic()
        connection.close()


class Looking:
    """A way into the spool that can only read, beside running programs and on a file that may be damaged.

    Nothing is brought to a newer schema. Every failure of the file is a SpoolError.
    """

    def __init__(self, path: Path) -> None:
        """Raises SpoolError for a file that is missing or none of ours, SpoolTooNew as `Spool` does."""
        if not path.is_file():
            raise SpoolError(f"Nie ma pliku spoolu {path}.", _LOST)
        self.path = path
        with _readable(path):
            self._connection = pysqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._connection.row_factory = pysqlite3.Row
            self._connection.execute("PRAGMA busy_timeout=30000")
            self._know_the_schema()

    def _know_the_schema(self) -> None:
        database = sqlite_utils.Database(self._connection)
        applied = {step.name for step in migrations.steps.applied(database)}
        _refuse_newer(applied)
        if not applied:
            raise SpoolError(f"Plik {self.path} nie jest spoolem Śluzy.", _LOST)
        if missing := migrations.names() - applied:
            text = f"Ten spool zapisała starsza wersja programu (brak kroku {min(missing)})."
            raise SpoolError(text, "Proszę najpierw uruchomić nową wersję: sluza gateway.")

    def read_now(self, job: Callable[[Store], T]) -> T:
        """Run `job` on one snapshot. Raises SpoolError for what SQLite cannot read."""
        with _readable(self.path):
            self._connection.execute("BEGIN")
            try:
                return job(Store(self._connection))
            finally:
                with contextlib.suppress(pysqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def aside(self, job: Callable[[Store], T]) -> T:
        """Run `job` outside any snapshot: for putting facts of the world beside the spool, in temporary tables."""
        with _readable(self.path):
            return job(Store(self._connection))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


_LOST = "Proszę sprawdzić pole „paths.state” i dysk; jeśli pliku naprawdę nie ma, odtworzyć spool z kopii zapasowej."


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What SQLite cannot do with the file becomes one sentence."""
    try:
        yield
    except (pysqlite3.Error, UnicodeDecodeError) as error:
        cure = "Proszę zatrzymać Śluzę i odtworzyć spool z kopii zapasowej; uszkodzonego pliku nie kasować."
        raise SpoolError(f"Nie można odczytać spoolu {path}: {error}.", cure) from error


def _commit_group(
    connection: pysqlite3.Connection,
    store: Store,
    group: list[tuple[Job, "Future[Any]"]],
    allowed: Callable[[Store], None],
) -> None:
    """Run the jobs in one transaction, if we are `allowed` to write, and answer each caller only after the commit."""
    answers: list[tuple[Future[Any], Any]] = []
    try:
        if group:
            connection.execute("BEGIN IMMEDIATE")
            allowed(store)  # nobody can take the role before this transaction ends
        for job, done in group:
            if not done.set_running_or_notify_cancel():
                continue  # the caller has gone; from here on it cannot be cancelled any more
            connection.execute("SAVEPOINT job")
            try:
                answers.append((done, job(store)))
            except Exception as error:
                connection.execute("ROLLBACK TO job")
                done.set_exception(error)
            connection.execute("RELEASE job")
        if group:
            reached("commit.begun")
            connection.execute("COMMIT")
            reached("commit.done")
    except Exception as error:
        with contextlib.suppress(pysqlite3.Error):
            connection.execute("ROLLBACK")
        for _, done in group:
            if not done.done():
                done.set_exception(error)
        return
    for done, answer in answers:
        done.set_result(answer)


def _connect(path: Path) -> pysqlite3.Connection:
    connection = pysqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = pysqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _migrate(path: Path, connection: pysqlite3.Connection) -> None:
    """Apply missing schema steps."""
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode=WAL")
    database = sqlite_utils.Database(connection)
    _refuse_newer({step.name for step in migrations.steps.applied(database)})
    migrations.steps.apply(database)


def _refuse_newer(applied: set[str]) -> None:
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
