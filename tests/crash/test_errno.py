"""A file operation that fails (faults F03 to F07, F16): injected into the real programs' code, one after another."""

import asyncio
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.__main__ import _watch
from agent.office import Bell
from gateway.__main__ import _watch_over
from gateway.folders.returns import Returns
from spool.access import FILE, Spool
from spool.domain.errors import SpoolFailed
from spool.domain.exits import Exit, exit_for
from tests.crash import shim
from tests.crash.disk import Disk, steps
from tests.crash.test_power_loss import seed_of
from tests.folders_bench import MUNICIPALITY, NOW, ThreadWorkers

pytestmark = pytest.mark.timeout(600)
"""Thousands of file operations; on a busy machine they take their time."""

_ROUNDS = 20


def test_fault_F16_no_failed_operation_costs_a_document(
    disk: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever fails, however: nothing promised is lost, people get a sentence, and the next start heals everything.

    EIO, ENOSPC, EDQUOT, EROFS, EACCES, EMFILE, ESTALE, EINTR and writes by half, once and for good, from the opening
    of the spool to the results in the folder. `--crash-all` tries each of the thousands instead of a few by chance, on
    all processors.
    """
    everything, seed, library = request.config.getoption("--crash-all"), seed_of(request), shim.compiled(tmp_path)
    rounds, parts = (0, os.cpu_count() or 1) if everything else (_ROUNDS, 1)

    def swept(part: int) -> str:
        words = (disk / f"town-{part}", seed, rounds, part, parts)
        return shim.run(library, "tests.crash.sweep", *map(str, words), seconds=20 * 3600)

    with ThreadPoolExecutor(parts) as pool:
        for said in pool.map(swept, range(parts)):
            assert int(said.split()[-1]) > 1000, "the sweep has lost its operations"


def test_fault_F06_a_read_only_disk_acknowledges_nothing_and_resumes(disk: Path, tmp_path: Path) -> None:
    """No promise and one sentence while it lasts; the same process goes on afterwards, without a restart."""
    live, record = disk / "live", disk / "record"
    live.mkdir()
    said = shim.run(shim.compiled(tmp_path), "tests.crash.broken_sync", "read-only", str(live), str(record))
    assert said.count("('disk_read_only', 'Dysk z kolejką faktur jest tylko do odczytu.')") == 2
    assert not (live / "state" / "spool.doubt").exists()
    spool = Spool(live / "state" / FILE)
    assert len(spool.read_now(lambda store: store.documents())) == 2
    spool.close()


@pytest.fixture(name="failed")
def failed_fixture(disk: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A spool of which one sync failed; the directory, the record and the shim."""
    library, live, record = shim.compiled(tmp_path), disk / "live", disk / "record"
    live.mkdir()
    said = shim.run(library, "tests.crash.broken_sync", "fail", str(live), str(record))
    assert said.count("Dysk nie potwierdził zapisu") == 2
    return live, record, library


def test_fault_F03_after_a_failed_sync_nothing_is_acknowledged_or_synced(failed: tuple[Path, Path, Path]) -> None:
    """The first failure ends it: the second document costs no sync at all, so none can be believed."""
    marks = [step.data.decode().split("\t") for step in steps(failed[1]) if step.op == "K"]
    syncs = {name: int(count) for what, name, count in marks if what == "failed"}
    assert syncs["first"] >= 1
    live, _, _ = failed
    assert (live / "state" / "spool.doubt").exists()
    after = [step.op for step in steps(failed[1])]
    last = len(after) - 1 - after[::-1].index("K")
    before = max(n for n, op in enumerate(after[:last]) if op == "K")
    assert "S" not in after[before:last]


def test_fault_F03_what_is_acknowledged_after_the_restart_survives_the_next_power_loss(
    failed: tuple[Path, Path, Path], disk: Path, request: pytest.FixtureRequest
) -> None:
    """The kernel dropped pages of the failed sync and calls them clean: no later commit may stand on them."""
    live, record, library = failed
    before_restart = len(list(steps(record)))
    shim.run(library, "tests.crash.broken_sync", "again", str(live), str(record))
    assert not (live / "state" / "spool.doubt").exists()
    lost, answered, dice = Disk(live), set(), random.Random(seed_of(request))
    for number, step in enumerate(steps(record)):
        lost.play(step)
        if step.op == "K" and step.data.startswith(b"answered"):
            answered.add(step.data.decode().split("\t")[2])
        if number >= before_restart:
            _boot(lost, disk / str(number), dice, answered)
    assert len(answered) == 2


def _boot(lost: Disk, image: Path, dice: random.Random, answered: set[str]) -> None:
    image.mkdir()
    lost.image(image, dice)
    spool = Spool(image / "state" / FILE)
    try:
        spool.verify()
        assert answered <= {d.sha256 for d in spool.read_now(lambda store: store.documents())}
    finally:
        spool.close()


async def test_fault_F03_both_programs_end_with_the_sentence(tmp_path: Path) -> None:
    """Once the way into the spool is closed a part of each program meets it, and the exit code is that of the spool."""
    spool, stop = Spool(tmp_path / FILE), asyncio.Event()
    spool._break(SpoolFailed("Dysk nie potwierdził zapisu."))
    try:
        returns = Returns(spool, ThreadWorkers(), MUNICIPALITY, tmp_path / "folders", lambda: NOW)  # type: ignore[arg-type]
        (tmp_path / "folders").mkdir()
        with pytest.raises(SpoolFailed) as failed:
            await _watch_over({"returns": returns.run(stop)}, stop)
        assert exit_for(failed.value) is Exit.SPOOL
        house = SimpleNamespace(bell=Bell(), spool=spool)
        with pytest.raises(SpoolFailed):
            await _watch(house, [])  # type: ignore[arg-type]
    finally:
        spool.close()
