"""Power loss at any moment (faults F02, F03): the real intake, recorded, and every disk that may be left of it.

The seed is printed when a test fails; `--crash-images N` boots more images, `--crash-seed S` the same ones again.
"""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.folders import layout
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.states import State
from spool.store import Store
from tests.crash import shim
from tests.crash.disk import Disk, Step, steps
from tests.folders_bench import NOW
from tests.spool_story import report_of

pytestmark = pytest.mark.timeout(600)
"""Thousands of file operations; on a busy machine they take their time."""

HELD = ".sluza-odbior-"


def seed_of(request: pytest.FixtureRequest) -> int:
    """The seed asked for, else a new one; printed, so that a failure can be had again."""
    seed = int(request.config.getoption("--crash-seed") or random.SystemRandom().randrange(1 << 32))
    print(f"--crash-seed {seed}")
    return seed


@dataclass
class Promised:
    """What the units have been told, or could see, so far."""

    dropped: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file that a unit dropped, by name."""
    stored: set[str] = field(default_factory=set)
    put_aside: set[str] = field(default_factory=set)
    """What is no document and was moved into `odrzucone/`, whose names were synced: it exists only as that file."""
    _moved: set[str] = field(default_factory=set)
    _open: dict[int, str] = field(default_factory=dict)

    def hear(self, step: Step) -> None:
        """A remark, or a dropped file taken from its place."""
        if step.op == "K":
            what, name, sha256 = step.data.decode().split("\t")
            if what == "dropped":
                self.dropped[name] = sha256
            else:
                self.stored.add(sha256)
        elif (name := step.path.rpartition("/")[2]).startswith(HELD) and step.op in "UR":
            moved = self.stored if step.op == "U" else self._moved
            moved.add(self.dropped[name[len(HELD) :].partition("-")[2]])
        elif step.op == "O":
            self._open[step.fd] = step.path
        elif step.op == "S" and f"/{layout.REFUSED}/" in self._open[step.fd]:
            self.put_aside |= self._moved


def test_fault_F02_no_power_loss_costs_an_acknowledged_document(
    disk: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """I1 on every image: what was answered, or whose file was removed, is in the spool byte for byte, and whole."""
    seed = seed_of(request)
    record = disk / "record"
    (disk / "live").mkdir()
    shim.run(shim.compiled(tmp_path), "tests.crash.village", str(disk / "live"), str(record))
    happened = list(steps(record))
    dice, lost, promised = random.Random(seed), Disk(disk / "live"), Promised()
    moments = sorted(dice.randrange(len(happened)) for _ in range(request.config.getoption("--crash-images")))
    for number, step in enumerate(happened):
        lost.play(step)
        promised.hear(step)
        while moments and moments[0] == number:
            moments.pop(0)
            boot(lost, disk / "image", random.Random(dice.random()), promised, number)
            shutil.rmtree(disk / "image")


def boot(lost: Disk, image: Path, dice: random.Random, promised: Promised, moment: int) -> None:
    """Write one image, open its spool and look whether everything promised is there."""
    image.mkdir()
    lost.image(image, dice)
    lying = {sha256_hex(path.read_bytes()) for path in (image / "folders").rglob("*") if path.is_file()}
    assert promised.put_aside <= lying
    if not promised.stored and not (image / "state" / FILE).exists():
        return
    spool = Spool(image / "state" / FILE)
    try:
        spool.read_now(lambda store: _whole(store, promised, image))
    finally:
        spool.close()
    report = report_of(image / "state" / FILE, NOW)
    broken = {f.invariant for f in report.in_order()}
    assert report.readable, moment
    assert broken <= {"I11"}, (moment, report.in_order())


def _whole(store: Store, promised: Promised, image: Path) -> None:
    known = {d.sha256: d for d in store.documents(limit=1000)}
    for sha256 in promised.stored:
        assert sha256 in known
    for sha256, document in known.items():
        assert len(store.body(sha256)) == document.size
        if document.state is State.DELIVERED:
            month = image / "folders" / document.unit / layout.SENT / "2026-11"
            assert (month / f"{document.name}.xml").read_bytes() == store.body(sha256)
            assert document.upo_sha256
            assert (month / f"{document.name}.upo.xml").read_bytes() == store.body(document.upo_sha256)
