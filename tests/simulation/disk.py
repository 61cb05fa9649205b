"""The spool of the simulation: the production store, commit grouping and schema on a real file, without threads.

`SimSpool` is `spool.access.Spool` with another way to its connections: a job that was handed in is committed some
moments later, alone or with others, as the dice say, and its process may die right before or right after.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar

import pysqlite3

from spool.access import Job, Spool
from spool.answers import Answer, Promise
from spool.clock import Clock, system_clock
from spool.integrity import Witness
from spool.opening import connect, migrate
from spool.room import Reserve
from spool.store import Store
from tests.simulation.loop import Process, SimLoop

T = TypeVar("T")

_OTHERS_FIRST = 0.25
_NEWS_TAKE_S = 0.6
_NOBODY_ASKS_S = 20.0


def make_template(directory: Path) -> Path:
    """A fresh, migrated spool with nothing in it."""
    path = directory / "spool.db"
    witness = Witness(path)
    migrate(path, witness)
    witness.close()
    connection = connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


class Connection:
    """The spool's connection for one operating system process, as the store and `access._commit_group` see it.

    A whole schedule lies in one transaction that is rolled back after it, so that the next one finds a fresh spool with
    every statement prepared; the product's transactions are savepoints in it. A COMMIT can fail, as on a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.real = real = pysqlite3.connect(path, isolation_level=None, cached_statements=1000)
        real.row_factory = pysqlite3.Row
        for pragma in ("foreign_keys=ON", "locking_mode=EXCLUSIVE", "synchronous=OFF"):
            real.execute(f"PRAGMA {pragma}")
        self.executemany = real.executemany
        self.failures = 0

    def execute(self, sql: str, *args: Any) -> Any:
        """As the real one, in the schedule's transaction."""
        if sql == "BEGIN IMMEDIATE":
            return self.real.execute("SAVEPOINT simulated")
        if sql == "COMMIT":
            if self.failures:
                self.failures -= 1
                error = pysqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
            return self.real.execute("RELEASE simulated")
        if sql == "ROLLBACK":
            self.real.execute("ROLLBACK TO simulated")
            return self.real.execute("RELEASE simulated")
        return self.real.execute(sql, *args)


class Disk:
    """The file; `commits` counts what became durable, `on_commit` hears of it.

    `full` is whose commits fail, `crash_who` whose commit it dies at; empty: whoever comes. After a share `meddle` of
    the agent's reads `meddler` is called, before the agent can act on what it read.
    """

    def __init__(self, connection: Connection, path: Path, loop: SimLoop, dice: Random) -> None:
        self.connection, self.eye, self.path = connection, connection.real, path
        self.loop, self.dice = loop, dice
        self.commits = 0
        self.on_commit: Callable[[], None] = lambda: None
        self.crash_at: tuple[int, bool] | None = None
        self.crash_who = ""
        self.meddle, self.meddler = 0.0, lambda: None
        self.slow = 0.0
        self.full: dict[str, int] = {}
        self.clock: Clock = system_clock
        self._news: list[asyncio.Future[None]] = []
        self.eye.execute("BEGIN")

    def committed(self) -> None:
        """Something became durable."""
        self.commits += 1
        self.on_commit()
        waiting, self._news = self._news, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def news(self) -> "asyncio.Future[None]":
        """Done at the next commit of anybody."""
        waiting = self.loop.create_future()
        self._news.append(waiting)
        return waiting

    def close(self) -> None:
        """Forget the schedule."""
        self.eye.execute("ROLLBACK")


class SimSpool(Spool):
    """One life of one process's way into the spool."""

    def __init__(self, disk: Disk, process: Process, role: str) -> None:
        self.path = disk.path
        self._disk, self._process, self._name = disk, process, role
        self._connection: Any = disk.connection
        self._role, self._fence, self._lost = (role if role in ("agent", "gateway") else ""), 0, False
        self._broken, self._trail = None, None
        self._closing = threading.Event()
        self._witness: Any = SimpleNamespace(note=lambda _last: None)
        self.reserve, self._doubt = Reserve(disk.path.parent, 0), disk.path.with_suffix(".doubt")
        self._glancing = self._connection
        if self._role:
            self._connection.execute("BEGIN IMMEDIATE")
            self._fence = Store(self._connection).take_fence(role, "1", disk.clock())
            self._connection.execute("COMMIT")
        self._store = Store(self._connection, self._fence)
        self._group: list[tuple[Job, Promise]] = []
        self._seen: dict[Any, int] = {}

    def _submit(self, job: Job, done: Promise) -> None:
        self._group.append((job, done))
        if len(self._group) == 1:
            self._commit_soon()

    def _commit_soon(self) -> None:
        dice = self._disk.dice
        slow = dice.random() < 0.1
        self._disk.loop.call_later(dice.random() * (0.2 + self._disk.slow if slow else 0.004), self._commit)

    def _commit(self) -> None:
        """A group, whole or the first of it; then those who wait are told, unless their process died meanwhile."""
        disk = self._disk
        dice = disk.dice
        most = len(self._group) if dice.random() < 0.7 else 1 + int(dice.random() * len(self._group))
        group, self._group = self._group[:most], self._group[most:]
        dies = disk.crash_at is not None and disk.commits >= disk.crash_at[0]
        dies = dies and disk.crash_who in ("", self._name)
        if dies and disk.crash_at is not None and not disk.crash_at[1]:
            self._process.alive, disk.crash_at = False, None
            return
        self._commit_group(group)
        if dies:
            self._process.alive, disk.crash_at = False, None
        disk.committed()
        if self._group:
            self._commit_soon()

    def _commit_group(self, group: list[tuple[Job, Promise]]) -> None:
        """As the writing thread does."""
        full = self._disk.full
        if full.get(self._name, 0):
            full[self._name] -= 1
            self._disk.connection.failures = 1
        entries = [e for e in group if e[1].set_running_or_notify_cancel()]
        self._write_group(self._connection, self._store, entries)
        Answer.hand_over([done for _, done in entries if isinstance(done, Answer)])
        self._disk.connection.failures = 0

    def _read(self, job: Callable[[Store], T]) -> T:
        """On what is durable now: nobody else can do anything during a step, so no snapshot is needed."""
        return job(self._store)

    async def read(self, job: Callable[[Store], T]) -> T:
        """As from another thread: others may run before the answer is there."""
        disk = self._disk
        if disk.dice.random() < _OTHERS_FIRST:
            await asyncio.sleep(0)
        found = self._read(job)
        if disk.meddle and self._name == "agent" and disk.dice.random() < disk.meddle:
            disk.meddler()
        return found

    def write_now(self, job: Callable[[Store], T]) -> T:
        """For a person at the command line: a transaction of its own."""
        done: Future[T] = Future()
        self._commit_group([(job, done)])
        self._disk.committed()
        return done.result(0)  # there is nobody to wait for

    def read_now(self, job: Callable[[Store], T]) -> T:
        """On one snapshot."""
        return self._read(job)

    async def version(self) -> int:
        """As many commits as there were. An answer without news takes its time, so that polling costs nothing here."""
        me, disk = asyncio.current_task(), self._disk
        if self._seen.get(me) == disk.commits:
            await asyncio.wait([disk.news()], timeout=_NOBODY_ASKS_S)
            await asyncio.sleep(disk.dice.random() * _NEWS_TAKE_S)
        self._seen[me] = disk.commits
        return disk.commits

    def close(self) -> None:
        """Nothing to close: the connections are the disk's."""
