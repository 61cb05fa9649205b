"""A program that replicates the spool while Śluza works, as Litestream does: what it does to the file, done here.

It keeps two small tables in the file, holds a read lock from one checkpoint to the next, makes the checkpoints itself,
and copies what the WAL has got. The recipe in the manual rests on what is shown here; the tool itself was not at hand.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3
import pytest

from spool import integrity, opening, room
from spool.access import FILE, Spool
from spool.domain.identity import RECONCILE_FIRST, Doubt
from tests.backup_bench import NOW, Town

_BUMP = "INSERT INTO _litestream_seq (id, seq) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seq = seq + 1"


class Replicator:
    """The other program's way into the file of a spool."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._db = pysqlite3.connect(spool, isolation_level=None, timeout=1)
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        self._db.execute("CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
        self._db.execute("CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER)")
        self._hold()

    def checkpoint(self, mode: str) -> None:
        """One of its own, and a write, so that the WAL begins anew."""
        self._db.execute("ROLLBACK")
        self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        self._db.execute(_BUMP)
        self._hold()

    def replicate(self, target: Path) -> None:
        """The file as it is now, into an empty directory: with its read lock nobody can begin the WAL anew."""
        target.mkdir()
        for path in (self._spool, room.wal_of(self._spool)):
            shutil.copyfile(path, target / path.name)
        with closing(pysqlite3.connect(target / self._spool.name, isolation_level=None)) as restored:
            restored.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """End."""
        self._db.close()

    def _hold(self) -> None:
        self._db.execute("BEGIN")
        self._db.execute("SELECT count(*) FROM _litestream_seq").fetchone()


@pytest.fixture(name="town")
def town_fixture(tmp_path: Path) -> Town:
    """With one document."""
    return Town(tmp_path / "town")


@pytest.fixture(name="replicator")
def replicator_fixture(town: Town) -> Iterator[Replicator]:
    """Beside the town's spool."""
    replicator = Replicator(town.state / FILE)
    yield replicator
    replicator.close()


def doubts_of(state: Path) -> list[str]:
    """What a gateway that starts in this state directory holds against its spool."""
    spool = Spool(state / FILE, "gateway", lambda: NOW)
    try:
        spool.verify()
        found = spool.read_now(lambda store: store.condition("", RECONCILE_FIRST))
    finally:
        spool.close()
    return found.value["doubts"] if found else []


def test_a_replicator_takes_nothing_and_raises_no_doubt(town: Town, replicator: Replicator) -> None:
    """Documents between its checkpoints of every kind, and its two tables: the next start has no doubt, and a backup,
    which looks at every page, body and link of the history, finds them all."""
    for mode in ("PASSIVE", "RESTART", "TRUNCATE") * 3:
        town.put(f"BEFORE {mode} {len(town.documents)}")
        replicator.checkpoint(mode)
        town.put(f"AFTER {mode} {len(town.documents)}")
    assert doubts_of(town.state) == []
    assert town.make().manifest.counts["document"] == len(town.documents) == 19


def test_a_replica_in_place_of_a_lost_spool_is_compared_with_ksef_first(
    town: Town, replicator: Replicator, tmp_path: Path
) -> None:
    """All that was committed when it was copied is in it, and nothing is sent before the comparison (faults F11)."""
    town.put("REPLICATED")
    replicator.replicate(tmp_path / "new")
    town.put("TOO LATE")
    assert set(doubts_of(tmp_path / "new")) >= {Doubt.UNMARKED, Doubt.COPIED}
    assert town.numbers(tmp_path / "new") == ["FIRST", "REPLICATED"]


def test_a_replica_goes_on_from_where_the_restored_backup_ends(
    town: Town, replicator: Replicator, tmp_path: Path
) -> None:
    """As in the manual: the backup first, for keys and archives, then the newer spool in place of the backup's."""
    backup, new = town.make().path, tmp_path / "new"
    town.put("AFTER THE BACKUP")
    replicator.replicate(tmp_path / "replica")
    assert town.sluza("restore", str(backup), "--state", str(new)).exit_code == 0
    for path in new.glob(f"{FILE}*"):
        path.unlink()
    shutil.copyfile(tmp_path / "replica" / FILE, new / FILE)
    assert Doubt.RESTORED in doubts_of(new)
    assert town.numbers(new) == ["FIRST", "AFTER THE BACKUP"]


def test_fault_F03_the_wal_is_written_again_only_while_nobody_else_can_write(
    town: Town, replicator: Replicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the start would put old bytes over what another program has just written there."""
    refused: list[str] = []
    again = integrity.write_wal_again

    def meanwhile(spool: Path) -> None:
        with closing(pysqlite3.connect(spool, isolation_level=None, timeout=0)) as other:
            try:
                other.execute(_BUMP)
            except pysqlite3.OperationalError as error:
                refused.append(str(error))
        again(spool)

    monkeypatch.setattr(opening.integrity, "write_wal_again", meanwhile)
    town.put("SECOND")
    assert refused == ["database is locked"]
    replicator.checkpoint("PASSIVE")
