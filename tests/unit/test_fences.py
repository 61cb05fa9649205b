"""Who may write into the spool: one run per role, however a second one came to be (faults F13; invariant I14)."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pysqlite3
import pytest
import sqlite_utils

from spool import access, identity, migrations, process
from spool.access import FILE, Spool
from spool.domain.errors import AlreadyRunning, LeaseLost, SpoolError, SpoolTooNew
from spool.domain.exits import Exit, exit_for
from spool.domain.invariants import of_the_writers
from spool.lock import LEASE_S, UNTOLD, RoleLock, expired, lease
from spool.settings import Paths
from spool.store import FIRST_HASH, Store
from spool.store.base import _CHAINED, link
from tests.spool_story import report_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


def note(store: Store) -> None:
    """The smallest change of state."""
    store.log("context:gmina", "word", NOW, "agent", "x")


def words(spool: Spool) -> int:
    """How many of them there are."""
    return len(spool.read_now(lambda store: store.history("context:gmina")))


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    """Where the spool of this test lies."""
    return tmp_path / FILE


@pytest.fixture(name="first")
def first_fixture(path: Path) -> Iterator[Spool]:
    """The agent that had the role first."""
    spool = Spool(path, "agent")
    yield spool
    spool.close()


def test_fault_F13_who_was_replaced_writes_nothing_more(first: Spool, path: Path) -> None:
    """The older number's write fails inside its transaction, with the exit code of "already running"; nothing stays."""
    first.write_now(note)
    second = Spool(path, "agent")
    with pytest.raises(LeaseLost, match="Śluza już działa") as lost:
        first.write_now(note)
    assert exit_for(lost.value) is Exit.RUNNING
    assert first.lost is not None
    second.write_now(note)
    assert words(second) == 2
    second.close()


async def test_fault_F13_a_whole_group_of_the_replaced_fails(first: Spool, path: Path) -> None:
    """Nobody in a group that began too late is told that its job is durable."""
    Spool(path, "agent").close()
    done = await asyncio.gather(*(first.write(note) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(one, LeaseLost) for one in done)
    assert words(first) == 0


def test_inv_I14_the_other_role_and_commands_write_on(first: Spool, path: Path) -> None:
    """A role's number says nothing about the other role's, and a command needs none."""
    for role in ("gateway", ""):
        beside = Spool(path, role)
        beside.write_now(note)
        first.write_now(note)
        beside.close()
    assert words(first) == 4


def test_inv_I14_each_history_row_says_who_wrote_it(first: Spool, path: Path) -> None:
    """The number of the run, 0 for a command; it is part of the chain, so that nobody can take it off."""
    first.write_now(note)
    command = Spool(path)
    command.write_now(note)
    command.close()
    rows = first.read_now(lambda store: list(store.fenced_events()))
    assert [number for _, number in rows][-2:] == [first.read_now(lambda store: store.fence_of("agent")), 0]
    for forged in ("NULL", "7"):
        assert broken_with(path, f"UPDATE event SET fence = {forged} WHERE seq = {rows[-2][0]}") == rows[-2][0]


def broken_with(path: Path, statement: str) -> int | None:
    """The first broken link of a copy with this change."""
    copy = path.with_name("copy.db")
    connection = pysqlite3.connect(path)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    connection = pysqlite3.connect(copy)
    connection.row_factory = pysqlite3.Row
    connection.execute("DROP TRIGGER event_never_changes")
    connection.execute(statement)
    found = Store(connection).broken_link()
    connection.close()
    copy.unlink()
    return found


def test_the_chain_of_rows_without_a_number_holds(path: Path) -> None:
    """A history from before the numbers verifies as it was written, and goes on with them."""
    connection = pysqlite3.connect(path, isolation_level=None)
    migrations.steps.apply(sqlite_utils.Database(connection), stop_before="m0007_identity")
    row = dict(zip(_CHAINED, ("2026-11-20T09:00:00.000000Z", "x", "agent", "word", "y", "{}", FIRST_HASH), strict=True))
    columns = (*row, "hash")
    marks = ", ".join("?" for _ in columns)
    values = (*row.values(), link(row | {"fence": None}))
    connection.execute(f"INSERT INTO event ({', '.join(columns)}) VALUES ({marks})", values)
    connection.close()
    spool = Spool(path, "agent")
    spool.write_now(note)
    assert spool.read_now(lambda store: [number for _, number in store.fenced_events()]) == [None, 1]
    assert spool.read_now(lambda store: store.broken_link()) is None
    spool.close()
    assert report_of(path, NOW).in_order() == []


def test_inv_I14_a_row_written_after_the_role_was_taken_is_found(first: Spool, path: Path) -> None:
    """`sluza check` finds an entry of a run that was not the one with the role, whoever let it through."""
    second = Spool(path, "agent")
    second.close()
    bypassing = pysqlite3.connect(path, isolation_level=None)
    bypassing.row_factory = pysqlite3.Row
    note(Store(bypassing, first._fence))
    bypassing.close()
    assert [finding.invariant for finding in report_of(path, NOW).in_order()] == ["I14"]


@pytest.mark.parametrize(
    ("events", "broken"),
    [
        ([(1, None), (2, 0), (3, 1), (6, 2)], []),
        ([(3, 1), (6, 1)], [6]),
        ([(3, 9)], [3]),
        ([(3, 1), (4, None)], [4]),
        ([(3, 1), (5, 1), (6, 3), (7, 2), (8, 3)], []),
    ],
)
def test_inv_I14_whose_row_it_may_be(events: list[tuple[int, int | None]], broken: list[int]) -> None:
    """By row, role and order: the rule behind `sluza check`."""
    fences = [(1, "agent", 2), (2, "agent", 5), (3, "gateway", 5)]
    assert [f.subject for f in of_the_writers(fences, events)] == [f"event:{seq}" for seq in broken]


# -- the lock and its lease ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "over"),
    [
        (lease(7, "boot", 100), True),
        (lease(7, "boot", 1000 - LEASE_S + 1), False),
        (lease(7, "earlier", 100), False),
        (lease(7, UNTOLD, 100), True),
        (lease(7, UNTOLD, 990), False),
        ("7", False),
        ("", False),
        ("7 boot x", False),
    ],
    ids=["over", "not over", "another start", "start untold", "untold, not over", "old form", "empty", "odd"],
)
def test_fault_F13_when_a_lease_is_over(said: str, over: bool) -> None:
    """Only when the same start of the same machine ran on for long enough without a sign; never by a clock."""
    assert expired(said, "boot", 1000) is over


def test_fault_F13_a_frozen_holder_loses_its_lock(tmp_path: Path) -> None:
    """Who holds the lock and has given no sign for the time of the lease is passed by; a living one is not."""
    frozen = RoleLock(tmp_path, "agent")
    with pytest.raises(AlreadyRunning, match=f"proces {os.getpid()}"):
        RoleLock(tmp_path, "agent")
    forget(tmp_path / "agent.lock")
    second = RoleLock(tmp_path, "agent")
    assert second.taken_over
    with pytest.raises(AlreadyRunning):
        RoleLock(tmp_path, "agent")
    frozen.release()
    second.release()


def forget(path: Path) -> None:
    """As if the holder had given its last sign long ago."""
    pid, boot, _ = path.read_text(encoding="ascii").split()
    path.write_text(lease(int(pid), boot, time.monotonic() - LEASE_S - 60), encoding="ascii")


def test_fault_F12_two_living_copies_on_one_machine(tmp_path: Path) -> None:
    """A cloned directory does not start beside its original, and starts when that has stopped."""
    with process.desk(Paths(tmp_path / "one", tmp_path), "agent", lambda: NOW) as spool:
        (tmp_path / "two").mkdir()
        connection = pysqlite3.connect(spool.path)
        connection.execute("VACUUM INTO ?", (str(tmp_path / "two" / FILE),))
        connection.close()
        with (
            pytest.raises(AlreadyRunning, match="inna kopia"),
            process.desk(Paths(tmp_path / "two", tmp_path), "agent", lambda: NOW),
        ):
            pytest.fail("it started")
        with process.desk(Paths(tmp_path / "two", tmp_path), "gateway", lambda: NOW) as other:
            assert other.instance == spool.instance
    with process.desk(Paths(tmp_path / "two", tmp_path), "agent", lambda: NOW):
        pass


# -- schema and library --------------------------------------------------------------------------------------------

KILLED = """
import itertools, os, sys
from pathlib import Path
from spool import migrations
from spool.access import Spool
count, split = itertools.count(), migrations._statements
def dying(script):
    for statement in split(script):
        if next(count) == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        yield statement
migrations._statements = dying
Spool(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("at", [3, 40])
def test_fault_F17_a_migration_that_is_killed_is_done_by_the_next_start(path: Path, at: int) -> None:
    """SIGKILL in the middle of a step leaves all steps undone and the file whole; the next start does them."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(at)], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    connection = pysqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    connection.close()
    spool = Spool(path)
    assert spool.read_now(lambda store: store.rows_in("fence")) == 0
    spool.close()
    assert report_of(path, NOW).in_order() == []


def test_fault_F17_an_older_program_does_not_start_on_a_newer_spool(path: Path) -> None:
    """As a program it takes no role there either: nothing at all is written."""
    Spool(path).close()
    connection = pysqlite3.connect(path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('sluza', 'm9999_future', '')"
    )
    connection.commit()
    before = path.read_bytes()
    with pytest.raises(SpoolTooNew):
        Spool(path, "agent")
    assert path.read_bytes() == before
    assert not (path.parent / identity.TRAIL).exists()
    connection.close()


def test_fault_F21_an_sqlite_with_the_wal_reset_bug_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check at the start: below 3.51.3 nothing is opened; the locked package itself is new enough."""
    assert pysqlite3.sqlite_version_info >= access.OLDEST_SAFE_SQLITE
    monkeypatch.setattr(pysqlite3, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(SpoolError, match="za stara"):
        Spool(path)
    assert not path.exists()


def test_the_trail_says_how_far_the_history_has_come(first: Spool, path: Path) -> None:
    """After a clean stop the file beside the spool names the newest row, readable by nobody else."""
    first.write_now(note)
    last = first.read_now(lambda store: store.last_event())
    first.close()
    file = path.parent / identity.TRAIL
    said = json.loads(file.read_bytes())
    assert (said["instance"], said["event"], said["hash"]) == (first.instance, last[0], last[1])
    assert file.stat().st_mode & 0o077 == 0
