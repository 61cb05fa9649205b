"""The spool of the simulation: the production store, commit grouping and schema on a real file, without threads.

`SimSpool` is `spool.access.Spool` with another way to its connections: a job that was handed in is committed some
moments later, alone or with others, as the dice say, and its process may die right before or right after.
"""

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pysqlite3

from spool import access
from spool.access import FILE, Job, Spool
from spool.store import Store
from tests.simulation.loop import Process, SimLoop

T = TypeVar("T")

_NEWS_TAKE_S = 0.25
_NOBODY_ASKS_S = 20.0


def make_template(directory: Path) -> Path:
    """A fresh, migrated spool with nothing in it, to be copied for every schedule."""
    path = directory / "template.db"
    access._migrate(path)
    connection = access._connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


class Connection:
    """A connection whose COMMIT can fail, as on a full disk."""

    def __init__(self, real: pysqlite3.Connection) -> None:
        self._real = real
        self.executemany = real.executemany
        self.failures = 0

    def execute(self, sql: str, *args: Any) -> Any:
        """As the real one, unless it is a COMMIT that is to fail."""
        if self.failures and sql == "COMMIT":
            self.failures -= 1
            raise pysqlite3.OperationalError("database or disk is full")
        return self._real.execute(sql, *args)


class Disk:
    """One file; `commits` counts what became durable, `on_commit` hears of it."""

    def __init__(self, template: Path, state: Path, loop: SimLoop, dice: Random) -> None:
        state.mkdir(parents=True)
        self.path = state / FILE
        shutil.copyfile(template, self.path)
        self.loop, self.dice = loop, dice
        self.commits = 0
        self.on_commit: Callable[[], None] = lambda: None
        self.crash_at: tuple[int, bool] | None = None
        self.slow = 0.0
        self._news: list[asyncio.Future[None]] = []
        self.eye = access._connect(self.path)
        # One connection for everybody, because steps never overlap: no locks. Power loss has its own harness: no syncs.
        self.eye.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.eye.execute("PRAGMA synchronous=OFF")
        self._writers: dict[str, Connection] = {}

    def writer(self, role: str) -> Connection:
        """The connection on which a role writes."""
        return self._writers.setdefault(role, Connection(self.eye))

    def fail_commits(self, role: str, count: int) -> None:
        """The next commits of this role find the disk full."""
        self.writer(role).failures = count

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
        """Close the file."""
        self.eye.close()


class SimSpool(Spool):
    """One life of one process's way into the spool."""

    def __init__(self, disk: Disk, process: Process, role: str) -> None:
        self.path = disk.path
        self._disk, self._process = disk, process
        self._write_connection, self._read_connection = disk.writer(role), disk.eye
        self._writer = Store(self._write_connection)  # type: ignore[arg-type]
        self._group: list[tuple[Job, Future[Any]]] = []
        self._seen: dict[Any, int] = {}

    def _submit(self, job: Callable[[Store], T]) -> "Future[T]":
        done: Future[T] = Future()
        self._group.append((job, done))
        if len(self._group) == 1:
            self._commit_soon()
        return done

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
        if dies and disk.crash_at is not None and not disk.crash_at[1]:
            self._process.alive, disk.crash_at = False, None
            return
        access._commit_group(self._write_connection, self._writer, group)  # type: ignore[arg-type]
        if dies:
            self._process.alive, disk.crash_at = False, None
        disk.committed()
        if self._group:
            self._commit_soon()

    def _read(self, job: Callable[[Store], T]) -> T:
        """On what is durable now: nobody else can do anything during a step, so no snapshot is needed."""
        return job(self._writer)

    async def read(self, job: Callable[[Store], T]) -> T:
        """One snapshot, in a step of its own, as from another thread."""
        loop = self._disk.loop
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                found = self._read(job)
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(found)

        loop.call_soon(work)
        return await done

    def write_now(self, job: Callable[[Store], T]) -> T:
        """For a person at the command line: a transaction of its own."""
        done: Future[T] = Future()
        access._commit_group(self._write_connection, self._writer, [(job, done)])  # type: ignore[arg-type]
        self._disk.committed()
        return done.result()

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
