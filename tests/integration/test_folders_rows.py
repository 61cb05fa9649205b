"""Drop folders and results where permissions, writers and mounts misbehave (faults D05, D06, D07, F07, F08)."""

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.folders import dropbox, layout, pickup
from gateway.settings import Folders
from spool import files
from spool.bodies import sha256_hex
from spool.domain.states import State
from tests.folders_bench import SCHOOL, WELFARE, Bench, bench_at, sale, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The back-off of a file that cannot be dealt with: tenths of a second."""
    monkeypatch.setattr(pickup, "_RETRY_S", (0.05, 0.2, 0.4))


async def test_fault_D05_the_number_on_other_bytes_is_put_aside(bench: Bench) -> None:
    """The same number on other bytes: into `odrzucone/`, the first is named to its own unit only (I7)."""
    async with bench.running():
        path = bench.drop("pierwsza.xml", sale("D05/1"))
        await until(lambda: not path.exists())
        first = bench.only()
        for unit, name in ((SCHOOL, "druga.xml"), (WELFARE, "cudza.xml")):
            path = bench.drop(name, sale("D05/1", footer=name), unit)
            await until(lambda path=path: not path.exists())
        await until(lambda: bench.found("odrzucone/*/druga.blad.txt"))
        await until(lambda: bench.found("odrzucone/*/cudza.blad.txt", WELFARE))
    assert bench.json("odrzucone/*/druga.json")["errors"][0]["code"] == "number_taken"
    assert "pierwsza.xml" in bench.found("odrzucone/*/druga.blad.txt").read_text("utf-8-sig")
    said = bench.found("odrzucone/*/cudza.blad.txt", WELFARE).read_text("utf-8-sig")
    said += bench.found("odrzucone/*/cudza.json", WELFARE).read_text("utf-8")
    for secret in (SCHOOL, first.id, first.sha256, "pierwsza", "Szkoła Podstawowa", "QUEUED"):
        assert secret not in said
    assert bench.found("odrzucone/*/druga.xml").read_bytes() == sale("D05/1", footer="druga.xml")
    assert [d.state for d in bench.documents()].count(State.QUEUED) == 1


async def test_fault_D06_a_racing_writer_is_never_caught_halfway(bench: Bench) -> None:
    """A program rewrites its file in place and over it, faster than anybody looks: only whole versions are stored,
    nothing of another inode is removed, and the last version is among them."""
    versions = [sale(f"D06/{n}") for n in range(40)]

    def race() -> None:
        path = bench.inbox() / "a.xml"
        for n, raw in enumerate(versions):
            if n % 2:
                bench.drop("a.xml", raw)
            else:
                with path.open("wb", buffering=0) as handle:
                    for at in range(0, len(raw), 900):
                        handle.write(raw[at : at + 900])

    async with bench.running(show=False):
        racer = threading.Thread(target=race)
        racer.start()
        await asyncio.to_thread(racer.join)
        await until(lambda: bench.lying(layout.OUTBOX) == [])
    stored = {d.sha256 for d in bench.documents()}
    assert stored <= {sha256_hex(raw) for raw in versions}
    assert sha256_hex(versions[-1]) in stored


@pytest.mark.parametrize("trouble", [OSError(24, "inotify instance limit"), RuntimeError("can't start new thread")])
async def test_fault_F16_without_file_events_the_scans_find_every_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """The system gives no thread, or no descriptor, to hear of new files: the folders are looked at all the same."""

    def start(_observer: Any) -> None:
        raise trouble

    monkeypatch.setattr("gateway.folders.events.Observer.start", start)
    async with bench.running(show=False, events=True):
        bench.drop("a.xml", sale("F16/1"))
        await until(lambda: len(bench.documents()) == 1 and bench.lying(layout.OUTBOX) == [])


async def test_fault_D07_bytes_that_stay_in_the_folder_are_one_document(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, short: None
) -> None:
    """A read-only directory (EROFS) after the commit: remembered by inode and hash; new bytes in it are not it."""
    real = os.rename

    def rename(source: Any, target: Any, **where: Any) -> None:
        if stuck and str(target).startswith(dropbox.HELD_PREFIX):
            raise OSError(errno.EROFS, "read-only file system")
        real(source, target, **where)

    stuck = True
    monkeypatch.setattr(os, "rename", rename)
    async with bench.running(show=False):
        path = bench.drop("a.xml", sale("D07/1"))
        await until(lambda: len(bench.door.seen) == 1)
        await asyncio.sleep(0.8)  # nothing must happen in this time: there is no event to wait for
        assert len(bench.door.seen) == 1
        path.write_bytes(sale("D07/2"))
        await until(lambda: len(bench.documents()) == 2)
        stuck = False
        await until(lambda: not path.exists())
    assert [d.facts.number for d in bench.documents()] == ["D07/1", "D07/2"]


async def test_fault_F07_an_unreadable_file_waits_with_one_alert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, short: None
) -> None:
    """No right to open it: tried again ever more rarely, told once, others are taken, and it comes in the end."""
    real = dropbox.Drop.open_file

    def refused(drop: dropbox.Drop, name: str) -> dropbox.DropFile:
        if name == "obcy.xml" and not allowed:
            times.append(clock())
            raise PermissionError(errno.EACCES, "permission denied", name)
        return real(drop, name)

    allowed, times = False, []
    clock = pickup.monotonic
    monkeypatch.setattr(dropbox.Drop, "open_file", refused)
    with capture_logs() as logs:
        async with bench.running(show=False):
            path = bench.drop("obcy.xml", sale("F07/1"))
            free = bench.drop("swoj.xml", sale("F07/2"))
            await until(lambda: not free.exists())
            await until(lambda: len(times) >= 4)
            assert path.exists()
            allowed = True
            await until(lambda: not path.exists())
    postponed = [e for e in logs if e["event"] == "drop_file_postponed"]
    assert [e["name"] for e in postponed] == ["obcy.xml"]
    assert "zostaje w folderze" in postponed[0]["message"]
    assert times[2] - times[1] > 0.15  # the second pause of the back-off; a scan every 0.3 s does not shorten it
    assert times[3] - times[2] > 0.3
    assert len(bench.documents()) == 2


async def test_fault_F07_a_file_of_another_owner_is_taken_after_two_looks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not our file: the kernel gives no lease on it (EACCES). Two equal looks stand for it, and it is not refused."""
    real = fcntl.fcntl

    def no_lease(descriptor: int, command: int, argument: Any = 0) -> Any:
        if command == fcntl.F_SETLEASE:
            raise PermissionError(errno.EACCES, "not the owner")
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", no_lease)
    async with bench.running(Folders(0.3, 60, 10, 0.2), show=False):
        path = bench.drop("a.xml", sale("F07/owner"))
        await until(lambda: not path.exists())
    assert bench.only().state is State.QUEUED


async def test_fault_F07_purchases_wait_in_the_spool_for_a_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`odebrane/` of one unit cannot be written: its purchase stays, the other unit's comes, and then this one."""
    denied, real = True, files.write

    def write(path: Path, content: bytes, mode: int = 0o660) -> None:
        if denied and f"/{SCHOOL}/{layout.RECEIVED}/" in str(path):
            raise PermissionError(errno.EACCES, "permission denied", str(path))
        real(path, content, mode)

    monkeypatch.setattr(files, "write", write)
    bench.receive(sale("IN/1"), "7770001111-20261120-0123456789AB-01", SCHOOL, number="IN/1")
    bench.receive(sale("IN/2"), "7770001111-20261120-0123456789AB-02", WELFARE, number="IN/2")
    with capture_logs() as logs:
        async with bench.running(watch=False):
            await until(lambda: len(bench.lying(layout.RECEIVED, WELFARE)) == 3)
            await until(lambda: [e for e in logs if e["event"] == "result_not_written"])
            await until(
                lambda: (
                    [r.unit for r in bench.spool.read_now(lambda s: s.unmirrored(10, [SCHOOL, WELFARE]))] == [SCHOOL]
                )
            )
            assert [n for n in bench.lying(layout.RECEIVED) if n.endswith((".xml", ".json"))] == []
            denied = False
            await until(lambda: len(bench.lying(layout.RECEIVED)) == 3)
    assert [e["event"] for e in logs].count("result_not_written") == 1
    assert bench.spool.read_now(lambda s: s.unmirrored(10, [SCHOOL, WELFARE])) == []


async def test_fault_F08_a_directory_swapped_during_a_scan(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between listing and opening the share goes and an empty mount point stands there: nothing is refused, forgotten
    or created in it; back again, what was there is taken once."""
    real, away = dropbox.Drop.listing, bench.root.parent / "share"

    def listing(drop: dropbox.Drop) -> list[str]:
        found = real(drop)
        if "a.xml" in found and not away.exists() and not swapped:
            swapped.append(True)
            (bench.root / SCHOOL).rename(away)
            (bench.root / SCHOOL).mkdir()
        return found

    swapped: list[bool] = []
    await bench.set_up()
    bench.drop("a.xml", sale("F08/swap"))
    monkeypatch.setattr(dropbox.Drop, "listing", listing)
    async with bench.running(show=False):
        await until(lambda: swapped)
        await asyncio.sleep(0.7)  # nothing must happen in this time: there is no event to wait for
        assert list((bench.root / SCHOOL).iterdir()) == []
        (bench.root / SCHOOL).rmdir()
        away.rename(bench.root / SCHOOL)
        await until(lambda: bench.lying(layout.OUTBOX) == [])
    assert bench.only().sha256 == sha256_hex(sale("F08/swap"))
    assert bench.lying("odrzucone") == []
