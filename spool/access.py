"""Opening the spool, and crossing into it from async code: one writer and one reader thread per process.

Grouped commits: the writer takes whatever waits, runs every job in a savepoint of one BEGIN IMMEDIATE, and commits
once with synchronous=FULL; only then are the callers told. It never lingers for more. WAL checkpoints run on a
connection of their own, off the path of requests.

A program takes its role with a number. Every group of jobs begins by asking whether that number is still the newest of
the role: after another process has taken over, nothing more is written (faults F13, invariant I14; decision 0014).

What a disk may do is met here: a full one costs the reserve (`spool.room`), a sync that failed or a damaged page ends
the process's way into the spool for good, and the next opening looks at the whole of it (`spool.integrity`).
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3

from spool import files, identity, integrity, room
from spool.answers import Answer, Promise
from spool.clock import Clock, system_clock
from spool.crashpoint import reached
from spool.domain.errors import LeaseLost, NoRoom, SluzaError, SpoolError, SpoolFailed
from spool.domain.identity import Trail
from spool.integrity import Witness
from spool.opening import connect, damaged, migrate
from spool.room import QUEUE, Reserve, full, look
from spool.store import Store

T = TypeVar("T")
Job = Callable[[Store], Any]
Waiting = tuple[Job, Promise]

FILE = "spool.db"
OLDEST_SAFE_SQLITE = (3, 51, 3)
"""Below this the WAL-reset bug can corrupt a database that several connections write (faults F21)."""
_GROUP = 256
_CHECKPOINT_EVERY_S = 2.0
_TRAIL_EVERY_S = 10.0
"""How often the file beside the spool is told how far the history has come, when it has come further."""


class Spool:
    """One process's way into the spool. `write` and `read` take a function of a Store and return its result."""

    def __init__(self, path: Path, role: str = "", clock: Clock = system_clock, reserve: int = 0) -> None:
        """Open, and bring to the newest schema, the spool at `path` (a file; its directory is made, mode 0700).

        With a `role` as a program, which must hold the role's lock already: it takes a number, and the spool is looked
        at for signs that it is not the one that ran here last (`spool.identity`). Without one as a command, whose every
        write stands by itself.

        `reserve` is the room in bytes that is kept on the disk for documents under way. Raises SpoolTooNew for a
        schema this program does not know, SpoolDamaged for a file that is not what we left, NoRoom on a full disk,
        SpoolError for an unsafe SQLite and for a file that cannot be used.
        """
        if pysqlite3.sqlite_version_info < OLDEST_SAFE_SQLITE:
            raise SpoolError(f"Biblioteka SQLite {pysqlite3.sqlite_version} jest za stara.", "Proszę użyć install.sh.")
        self.path = path
        self.reserve = Reserve(path.parent, reserve)
        self._doubt = path.with_suffix(".doubt")
        self._broken: SluzaError | None = None
        self._role, self._fence, self.instance = role, 0, ""
        self._trail: Trail | None = None
        self._lost = False
        self._closing = threading.Event()
        self._witness, connections = self._open(clock)
        self._read_connection, self._write_connection, self._checkpoint_connection, self._glancing = connections
        self._jobs: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._reader = ThreadPoolExecutor(1, "spool-read")
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

    def _open(self, clock: Clock) -> tuple[Witness, list[pysqlite3.Connection]]:
        """Make or migrate the file and look at it. On a full disk once more, in the room of the reserve."""
        files.make_directory(self.path.parent, 0o700)
        witness = Witness(self.path)
        connections: list[pysqlite3.Connection] = []
        enter = partial(self._enter, witness=witness, clock=clock) if self._role else None
        try:
            try:
                migrate(self.path, witness, enter)
            except (pysqlite3.Error, OSError) as error:
                if not (self._wants_room(error) and self.reserve.release()):
                    raise
                migrate(self.path, witness, enter)
            for _ in range(4):
                connections.append(connect(self.path))
            if self._doubt.exists():
                self._look_at_all()
        except BaseException as error:
            for connection in connections:
                connection.close()
            witness.close()
            if isinstance(error, OSError | pysqlite3.Error | ValueError | LookupError | TypeError | AttributeError):
                raise self._at_opening(error) from error
            raise
        self.reserve.restore()
        return witness, connections

    def _enter(self, connection: pysqlite3.Connection, witness: Witness, clock: Clock) -> None:
        """Take the role, and look whether this is the spool that ran here last."""
        store = Store(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._fence = store.take_fence(self._role, str(os.getpid()), clock())
            entered = Store(connection, self._fence)
            self.instance = identity.settle(entered, self.path, clock(), older=witness.denied(store))
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

    def verify(self, *, meanwhile: bool = False) -> None:
        """Before a program begins: is everything there that it relies on? Raises SpoolDamaged.

        A small spool is looked at whole, now. A large one takes its time: with `meanwhile` in a thread of its own,
        while the program works, and every program ends when something is found.
        """
        if self.path.stat().st_size <= integrity.SMALL:
            self._look_at_all()
        elif meanwhile:
            threading.Thread(target=self._look_meanwhile, name="spool-verify", daemon=True).start()

    async def write(self, job: Callable[[Store], T]) -> T:
        """Run `job` in a transaction; returns after it is durable. What `job` raises, or the commit, is raised here."""
        answer = Answer(asyncio.get_running_loop())
        self._submit(job, answer)
        return await answer.future  # type: ignore[no-any-return]

    async def read(self, job: Callable[[Store], T]) -> T:
        """Run `job` on the reading connection, on one snapshot."""
        return await asyncio.wrap_future(self._reader.submit(self._read, job))

    def glance(self, job: Callable[[Store], T]) -> T:
        """Run `job`, which looks up one row by its key, at once, on the thread of the event loop and only there: for
        what every request asks, a crossing into the reading thread costs more than the look."""
        if self._broken is not None:
            raise self._broken
        try:
            return job(Store(self._glancing))
        except pysqlite3.Error as error:
            raise self._meant(error) from error

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
        return int(await asyncio.wrap_future(self._reader.submit(self._version)))

    def close(self) -> None:
        """Finish the waiting jobs and close the connections; harmless when called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(pysqlite3.Error):  # a damaged spool has no trail to keep
            self._reader.submit(self._keep_trail, self._read_connection).result()
        self._reader.submit(self._read_connection.close).result()
        self._reader.shutdown()
        self._glancing.close()

    def _submit(self, job: Job, done: Promise) -> None:
        if self._closing.is_set():
            raise SpoolError("Spool jest zamykany.")
        if self._broken is not None:
            raise self._broken
        self._jobs.put((job, done))

    def _version(self) -> int:
        if self._broken is not None:
            raise self._broken
        return int(self._read_connection.execute("PRAGMA data_version").fetchone()[0])

    def _read(self, job: Callable[[Store], T]) -> T:
        if self._broken is not None:
            raise self._broken
        connection = self._read_connection
        try:
            connection.execute("BEGIN")
            return job(Store(connection))
        except pysqlite3.Error as error:
            raise self._meant(error) from error
        finally:
            with contextlib.suppress(pysqlite3.Error):  # a failed disk may have ended the transaction already
                connection.execute("ROLLBACK")

    def _write_groups(self) -> None:
        connection, store, going_on = self._write_connection, Store(self._write_connection, self._fence), True
        while going_on:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _GROUP:
                    group.append(self._jobs.get_nowait())
            going_on = None not in group
            # A caller who has gone is left out; from here on the others cannot be cancelled any more.
            entries = [e for e in group if e and e[1].set_running_or_notify_cancel()]
            self._write_group(connection, store, entries)
            Answer.hand_over([done for _, done in entries if isinstance(done, Answer)])
        connection.close()
        self._witness.close()

    def _write_group(self, connection: pysqlite3.Connection, store: Store, group: list[Waiting]) -> None:
        """Commit, on a full disk once more in the room of the reserve, where nothing new is taken in."""
        if not group:
            return
        error = self._broken or _commit_group(connection, store, group, self._witness, self._still_ours)
        if error is not None and self._wants_room(error) and self.reserve.release():
            error = _commit_group(connection, store, group, self._witness, self._still_ours)
        if error is not None:
            meant = self._meant(error)
            for _, done in group:
                if not done.done():
                    done.set_exception(meant)

    def _checkpoint(self) -> None:
        connection, told = self._checkpoint_connection, time.monotonic()
        while not self._closing.wait(_CHECKPOINT_EVERY_S):
            try:
                with contextlib.suppress(LeaseLost):  # told by `lost`, also to who writes nothing
                    self._still_ours(Store(connection))
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    if time.monotonic() - told >= _TRAIL_EVERY_S:
                        self._keep_trail(connection)
                        told = time.monotonic()
            except pysqlite3.Error as error:  # busy or disk full: the WAL keeps everything
                self._meant(error)
                if self._wants_room(error):
                    self.reserve.release()
            self.reserve.restore()
            if self._broken is None and self._doubt.exists():
                self._broken = SpoolFailed("Inny program Śluzy zgłosił błąd dysku albo uszkodzenie spoolu.", _AGAIN)
        connection.close()

    def _look_at_all(self) -> None:
        """The whole spool; what raised the doubt about it is over when it is in order."""
        if found := self._found():
            raise damaged(self.path, found)
        self._doubt.unlink(missing_ok=True)

    def _look_meanwhile(self) -> None:
        if (found := self._found()) and not self._closing.is_set():
            self._break(damaged(self.path, found))

    def _found(self) -> str:
        """What a look on a connection of its own finds; the end of this way into the spool ends the look, too."""
        try:
            with contextlib.closing(connect(self.path)) as connection:
                connection.set_progress_handler(self._closing.is_set, 10_000)
                return integrity.anywhere(Store(connection))
        except pysqlite3.Error as error:
            return str(error)

    def _meant(self, error: Exception) -> Exception:
        """What a failure of the file means to us and to people; after some of them nothing goes on here.

        SQLite calls a failed sync, a quota and a read-only disk alike: what the disk does not explain by refusing more
        bytes was a write or a sync that failed, and is not tried again.
        """
        name = getattr(error, "sqlite_errorname", "")
        if name in _DAMAGED:
            return self._break(damaged(self.path, str(error)))
        if name not in _OF_THE_DISK and not isinstance(error, OSError):
            return error
        if short := self.reserve.shortage() or self._refusal(error):
            return short
        if name == "SQLITE_IOERR":
            return self._break(SpoolFailed("Dysk nie potwierdził zapisu spoolu; niczego nie obiecano.", _AGAIN))
        return _of_the_disk(self.path, error)

    def _at_opening(self, error: Exception) -> Exception:
        """The same before anything else was asked: our own statements fit every sound spool of ours, so what fails
        there neither for the disk nor for a lock met rows, or a schema, that are none of ours."""
        name = getattr(error, "sqlite_errorname", "")
        known = isinstance(error, OSError) or name in _OF_THE_DISK | _DAMAGED | {"SQLITE_BUSY", "SQLITE_LOCKED"}
        return self._meant(error) if known else damaged(self.path, str(error))

    def _refusal(self, error: Exception) -> NoRoom | None:
        """What the disk itself says, where the error does not."""
        if isinstance(error, OSError):
            return room.because(error)
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return full(QUEUE, look(self.path.parent).free)
        return room.refused(self.path.parent)

    def _wants_room(self, error: Exception) -> bool:
        """True for a full disk and for a spent quota."""
        of_the_disk = isinstance(error, OSError) or getattr(error, "sqlite_errorname", "") in _OF_THE_DISK
        found = self._refusal(error) if of_the_disk else None
        return found is not None and found.code == "disk_full"

    def _break(self, error: SluzaError) -> SluzaError:
        """No way into the spool any more. The next opening, of whatever program, looks at the whole of it first."""
        if self._broken is None:
            self._broken = error
            with contextlib.suppress(OSError):
                files.write(self._doubt, f"{error}\n".encode(), 0o600)
        return self._broken


_OF_THE_DISK = frozenset({"SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_READONLY"})
_DAMAGED = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})
_AGAIN = "Program uruchomi się ponownie i sprawdzi cały spool; jeśli to wraca, proszę sprawdzić dysk."


def _of_the_disk(path: Path, error: Exception) -> SpoolError:
    cause = getattr(error, "strerror", None) or error
    return SpoolError(f"Nie można użyć pliku spoolu {path}: {cause}.", "Proszę sprawdzić dysk i prawa do plików.")


def _commit_group(
    connection: pysqlite3.Connection,
    store: Store,
    group: list[Waiting],
    witness: Witness,
    allowed: Callable[[Store], None],
) -> Exception | None:
    """Run the jobs in one transaction, if we are `allowed` to write, and answer each caller only after the commit.

    Returns why nothing was committed, or None. Callers without an answer are still waiting then.
    """
    answers: list[tuple[Promise, Any]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        allowed(store)  # nobody can take the role before this transaction ends
        for job, done in group:
            if not done.done():
                connection.execute("SAVEPOINT job")
                try:
                    answers.append((done, job(store)))
                except Exception as error:
                    if getattr(error, "sqlite_errorname", "") in _OF_THE_DISK | _DAMAGED:
                        raise  # not about this job
                    connection.execute("ROLLBACK TO job")
                    done.set_exception(error)
                connection.execute("RELEASE job")
        last = store.last_link()
        reached("commit.begun")
        connection.execute("COMMIT")
        reached("commit.done")
    except Exception as error:
        with contextlib.suppress(pysqlite3.Error):
            connection.execute("ROLLBACK")
        return error
    witness.note(last)
    for done, answer in answers:
        done.set_result(answer)
    return None
