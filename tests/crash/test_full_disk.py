"""Disks that are full, on real small ones (faults F04, F05, F06): mounted in memory, so these need root."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.folders.presence import Presence
from gateway.http.problems import from_exception
from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import Looker
from spool import access, room
from spool.access import FILE, Spool
from spool.domain.errors import NoRoom
from spool.domain.ledger import DISK_OF_FOLDERS
from spool.domain.states import State
from spool.law import Law, Rules
from tests.folders_bench import Bench, sale, until

pytestmark = pytest.mark.timeout(600)
"""Thousands of file operations; on a busy machine they take their time."""

Mount = Callable[[str], Path]
_RESERVE = 3_000_000


@pytest.fixture(name="mount")
def mount_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    """Mounts a disk with these options; gone afterwards."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("mounting a small disk needs root")
    monkeypatch.setattr(access, "_CHECKPOINT_EVERY_S", 0.02)
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "sluza-test", str(path)], check=True)
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(directory: Path) -> Path:
    """A file that takes every byte that is left."""
    path = directory / "cudze.bin"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


async def post_many(bench: Bench) -> None:
    """More than a full disk can take; what it has already is not room for them."""
    for number in range(2, 200):
        await bench.post(sale(f"FV/{number}/2026"), f"{number}.xml")


async def alarms(bench: Bench) -> list[str]:
    """What the status page says in red."""
    snapshot = await Looker(bench.spool, Rules(Law(), bench.municipality), bench.clock).look()
    return [f.sentence for f in findings(snapshot) if f.level is Level.ALARM]


async def test_fault_F04_a_full_disk_takes_nothing_new_and_sends_what_it_has(mount: Mount, tmp_path: Path) -> None:
    """507 and the drop file stays; sending, UPO and results go on in the reserve; with room all heals by itself."""
    bench = Bench(tmp_path, state=mount("size=12m") / "state", reserve=_RESERVE)
    try:
        async with bench.running():
            taken = await bench.post(sale("FV/1/2026"), "a.xml")
            foreign = fill(bench.state)
            with pytest.raises(NoRoom) as short:
                await post_many(bench)
            assert from_exception(short.value).status == 507
            assert "brakuje miejsca" in str(short.value)
            accepted = len(bench.documents())
            path = bench.drop("b.xml", sale("FV/900/2026"))
            bench.number(taken)
            await until(lambda: bench.documents()[0].state is State.DELIVERED)
            assert any("Na dysku z kolejką faktur brakuje miejsca" in text for text in await alarms(bench))
            assert path.exists()
            assert len(bench.documents()) == accepted
            foreign.unlink()
            await until(lambda: bench.spool.reserve.held)
            await bench.post(sale("FV/901/2026"), "c.xml")
            await until(lambda: not path.exists())
            assert len(bench.documents()) == accepted + 2
    finally:
        bench.close()


async def test_fault_F04_a_start_on_a_full_disk_uses_the_reserve(mount: Mount) -> None:
    """What was taken in goes on after a restart, too, although SQLite needs new files for it."""
    state = mount("size=12m") / "state"
    Spool(state / FILE, reserve=_RESERVE).close()
    foreign = fill(state)
    spool = Spool(state / FILE, reserve=_RESERVE)
    try:
        assert not spool.reserve.held
        foreign.unlink()
        await until(lambda: spool.reserve.held)
    finally:
        spool.close()


async def test_fault_F04_full_folders_hold_up_results_and_nothing_else(mount: Mount, tmp_path: Path) -> None:
    """The spool takes and sends; results wait with one alarm, and are written once there is room."""
    bench = Bench(mount("size=3m"), state=tmp_path / "state")
    presence = Presence(bench.spool, bench.municipality, bench.root, bench.clock)
    try:
        async with bench.running(watch=False):
            await bench.post(sale("FV/0/2026"), "first.xml")
            await until(lambda: bench.lying("w-toku"))
            foreign = fill(bench.root)
            document = await bench.post(sale("FV/1/2026"), "a.xml")
            bench.number(document)
            await presence.look()
            assert any("Na dysku z folderami jednostek brakuje miejsca" in text for text in await alarms(bench))
            foreign.unlink()
            await presence.look()
            assert bench.spool.read_now(lambda store: store.condition("", DISK_OF_FOLDERS)) is None
            await until(lambda: len(bench.lying("wyslane")) >= 3)
    finally:
        bench.close()


async def test_fault_F05_without_inodes_the_sentence_names_them(mount: Mount, tmp_path: Path) -> None:
    """Bytes there are enough of: what is missing is called by its name, and sending goes on."""
    bench = Bench(tmp_path, state=mount("size=20m,nr_inodes=400") / "state", reserve=_RESERVE)
    try:
        document = await bench.post(sale("FV/1/2026"), "a.xml")
        others = [bench.state / f"cudzy-{number}" for number in range(350)]
        for path in others:
            path.touch()
        with pytest.raises(NoRoom, match="i-węzłów") as short:
            await bench.post(sale("FV/2/2026"), "b.xml")
        assert from_exception(short.value).body()["title"].startswith("Na dysku bramki brakuje i-węzłów")
        assert any("i-węzłów" in text for text in await alarms(bench))
        bench.number(document)
        for path in others:
            path.unlink()
        await bench.post(sale("FV/2/2026"), "b.xml")
        assert room.said(bench.spool.reserve) == ""
    finally:
        bench.close()


def test_fault_F06_a_start_on_a_read_only_disk_is_one_sentence(mount: Mount) -> None:
    """And works again after the disk was mounted for writing."""
    disk = mount("size=12m")
    Spool(disk / "state" / FILE, reserve=_RESERVE).close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(NoRoom, match="tylko do odczytu"):
        Spool(disk / "state" / FILE, reserve=_RESERVE)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    Spool(disk / "state" / FILE, reserve=_RESERVE).close()
