"""Opening the spool, and crossing into it from async code: one writer and one reader thread per process.

Grouped commits: the writer takes whatever waits, runs every job in a savepoint of one BEGIN IMMEDIATE, and commits
once with synchronous=FULL; only then are the callers told. It never lingers for more. WAL checkpoints run on a
connection of their own, off the path of requests.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
import sqlite_utils

from spool import migrations
from spool.domain.errors import SpoolError, SpoolTooNew
from spool.store import Store

T = TypeVar("T")
Job = Callable[[Store], Any]

FILE = "spool.db"
OLDEST_SAFE_SQLITE = (3, 51, 3)
"""Below this the WAL-reset bug can corrupt a database that several connections write (faults F21)."""
_GROUP = 256
_PAGE_BYTES = 8192
"""Of a new file: three packed invoices of the usual size fit on a page; on SQLite's own 4,096 just one would."""
_CHECKPOINT_EVERY_S = 2.0


class Spool:
    """One process's way into the spool. `write` and `read` take a function of a Store and return its result."""

    def __init__(self, path: Path) -> None:
        """Open, and bring to the newest schema, the spool at `path` (a file; its directory is made, mode 0700).

        Raises SpoolTooNew for a schema this program does not know, SpoolError for an unsafe SQLite.
        """
        if pysqlite3.sqlite_version_info < OLDEST_SAFE_SQLITE:
            raise SpoolError(f"Biblioteka SQLite {pysqlite3.sqlite_version} jest za stara.", "Proszę użyć install.sh.")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        _migrate(path)
        self._jobs: queue.SimpleQueue[tuple[Job, Promise] | None] = queue.SimpleQueue()
        self._reader = ThreadPoolExecutor(1, "spool-read")
        self._read_connection = self._reader.submit(_connect, path).result()
        self._glancing = _connect(path)
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_groups, name="spool-write", daemon=True),
            threading.Thread(target=self._checkpoint, name="spool-checkpoint", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    async def write(self, job: Callable[[Store], T]) -> T:
        """Run `job` in a transaction; returns after it is durable. What `job` raises, or the commit, is raised here."""
        answer = _Answer(asyncio.get_running_loop())
        self._submit(job, answer)
        return await answer.future  # type: ignore[no-any-return]

    async def read(self, job: Callable[[Store], T]) -> T:
        """Run `job` on the reading connection, on one snapshot."""
        return await asyncio.wrap_future(self._reader.submit(self._read, job))

    def glance(self, job: Callable[[Store], T]) -> T:
        """Run `job`, which looks up one row by its key, at once: on the thread of the event loop, and only there.

        For what every request asks: a crossing into the reading thread and back costs more than the look.
        """
        return job(Store(self._glancing))

    def write_now(self, job: Callable[[Store], T]) -> T:
        """`write` for callers without an event loop (the CLI)."""
        done: Future[T] = Future()
        self._submit(job, done)
        return done.result()

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
        self._reader.submit(self._read_connection.close).result()
        self._reader.shutdown()
        self._glancing.close()

    def _submit(self, job: Job, done: "Promise") -> None:
        if self._closing.is_set():
            raise SpoolError("Spool jest zamykany.")
        self._jobs.put((job, done))

    def _read(self, job: Callable[[Store], T]) -> T:
        connection = self._read_connection
        connection.execute("BEGIN")
        try:
            return job(Store(connection))
        finally:
            connection.execute("ROLLBACK")

    def _write_groups(self) -> None:
        connection = _connect(self.path)
        store = Store(connection)
        going_on = True
        while going_on:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _GROUP:
                    group.append(self._jobs.get_nowait())
            going_on = None not in group
            entries = [entry for entry in group if entry is not None]
            _commit_group(connection, store, entries)
            _Answer.hand_over([done for _, done in entries if isinstance(done, _Answer)])
        connection.close()

    def _checkpoint(self) -> None:
        connection = _connect(self.path)
        while not self._closing.wait(_CHECKPOINT_EVERY_S):
            with contextlib.suppress(pysqlite3.OperationalError):  # busy or disk full: the WAL keeps everything
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
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


class _Answer:
    """What a job is answered with, for a caller on an event loop: like a `Future`, but the loop is told by `hand_over`.

    A loop is woken once for a whole group, not for each of its jobs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self._told: tuple[Any, BaseException | None] | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """False when the caller has gone."""
        return not self.future.cancelled()

    def done(self) -> bool:
        """True once there is an answer."""
        return self._told is not None

    def set_result(self, result: Any) -> None:
        """The job was done, and is durable."""
        self._told = (result, None)

    def set_exception(self, error: BaseException) -> None:
        """The job, or the commit, failed."""
        self._told = (None, error)

    @staticmethod
    def hand_over(answers: "list[_Answer]") -> None:
        """Give the answers of one group to their loops, each loop in one step."""
        for loop in {answer.future.get_loop() for answer in answers}:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_Answer._settle, [a for a in answers if a.future.get_loop() is loop])

    @staticmethod
    def _settle(answers: "list[_Answer]") -> None:
        for answer in answers:
            if answer._told is None or answer.future.done():
                continue
            result, error = answer._told
            if error is None:
                answer.future.set_result(result)
            else:
                answer.future.set_exception(error)


Promise = Future[Any] | _Answer


def _commit_group(connection: pysqlite3.Connection, store: Store, group: list[tuple[Job, Promise]]) -> None:
    """Run the jobs in one transaction and answer each caller only after the commit."""
    answers: list[tuple[Promise, Any]] = []
    try:
        if group:
            connection.execute("BEGIN IMMEDIATE")
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
            connection.execute("COMMIT")
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


def _migrate(path: Path) -> None:
    """Apply missing schema steps under a lock of their own, so that two starting processes take turns."""
    with _migration_lock(path):
        connection = _connect(path)
        try:
            path.chmod(0o600)
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            database = sqlite_utils.Database(connection)
            _refuse_newer({step.name for step in migrations.steps.applied(database)})
            migrations.steps.apply(database)
        finally:
            connection.close()


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
