"""SIGKILL in the middle of an upgrade: the spool is whole, of before or of after, nothing of it is lost (F01, F17)."""

import contextlib
import gzip
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pysqlite3
import pytest

from spool import crashpoint, integrity, migrations, upgrading
from spool.access import FILE, Spool
from spool.opening import steps_of
from tests.backup_bench import CONFIG
from tests.spool_story import report_of
from tests.unit.test_upgrade import RELEASES

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
"""Where the story of the release's spool ends."""


class Town:
    """A configuration, and beside it the spool that the previous release wrote: documents in every state."""

    def __init__(self, root: Path) -> None:
        self.config, self.path = root / "sluza.toml", root / "state" / FILE
        self.path.parent.mkdir(mode=0o700)
        self.config.write_text(CONFIG, encoding="utf-8")
        (root / "ksef.token").write_text("token", encoding="utf-8")
        (root / "ksef.token").chmod(0o600)
        self.path.write_bytes(gzip.decompress(RELEASES[-1].read_bytes()))
        self.steps, self.rows = steps_of(self.path), self.all_rows()

    def start(self, point: str) -> int:
        """Start the agent of this release, which is killed at a point; how it ended."""
        command = [sys.executable, "-m", "agent", "--config", str(self.config)]
        environment = os.environ | {"CRASH_AT": f"{point}:1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    def all_rows(self, path: Path | None = None) -> dict[str, list[tuple[object, ...]]]:
        """Everything that the previous release kept, by the columns that it knows."""
        with contextlib.closing(pysqlite3.connect(path or self.path)) as connection:
            return {
                table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
                for table, columns in (
                    ("document", "id, unit, sha256, state, number_key, ksef_number, upo_sha256"),
                    ("body", "sha256, size, packed"),
                    ("event", "seq, subject, hash"),
                    ("received", "ksef_number, sha256, unit"),
                )
            }


@pytest.mark.parametrize("point", sorted(crashpoint.UPGRADES))
def test_fault_F17_a_kill_in_an_upgrade_leaves_the_spool_of_before(point: str, tmp_path: Path) -> None:
    """The previous release goes on with it; the next start of this one ends the upgrade, with a whole copy of before,
    and queued and delivered documents, their bytes and the history are as they were."""
    town = Town(tmp_path)
    assert town.start(point) == -signal.SIGKILL
    assert steps_of(town.path) == town.steps < migrations.names()
    assert town.all_rows() == town.rows
    assert len(upgrading.kept(town.path)) == (0 if point == "upgrade.copied" else 1)
    with contextlib.closing(Spool(town.path, "agent", lambda: NOW)) as spool:
        assert spool.read_now(integrity.throughout) == ""
        assert {"QUEUED", "DELIVERED"} <= {d.state for d in spool.read_now(lambda store: store.documents())}
    assert steps_of(town.path) == migrations.names()
    now = town.all_rows()
    assert now | {"event": now["event"][: len(town.rows["event"])]} == town.rows
    for before in upgrading.kept(town.path):
        assert (set(before.steps), town.all_rows(before.path)) == (town.steps, town.rows)
    assert {p.suffix for p in (town.path.parent / upgrading.DIRECTORY).iterdir()} == {".db", ".json"}
    report = report_of(town.path, NOW)
    assert report.ok, report.in_order()
