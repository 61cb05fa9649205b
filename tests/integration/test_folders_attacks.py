"""Drop folders: an unmounted folder, hostile sizes, names, entries and swaps (faults F08, X05, X08-X10)."""

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.folders import box, dropbox, events, layout
from gateway.settings import Folders
from gateway.web.health import findings
from gateway.web.snapshot import take
from tests.folders_bench import PATIENT, SCHOOL, Bench, bench_at, sale, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


async def test_fault_F08_an_unmarked_folder_is_not_scanned(bench: Bench) -> None:
    """The mount has gone in the middle of work, and a look-alike with files is there: nothing is read or created."""
    elsewhere = bench.root / "mounted-elsewhere"
    with capture_logs() as logs:
        async with bench.running():
            path = bench.drop("a.xml", sale("F08/1"))
            await until(lambda: not path.exists())
            (bench.root / SCHOOL).rename(elsewhere)
            strange = bench.inbox() / "cudzy.xml"
            strange.parent.mkdir(parents=True)
            strange.write_bytes(sale("F08/2"))
            await until(lambda: [e for e in logs if e["event"] == "folder_unavailable"])
            await asyncio.sleep(0.5)
            assert strange.exists()
            assert sorted(p.name for p in (bench.root / SCHOOL).rglob("*")) == ["cudzy.xml", layout.OUTBOX]
            (bench.root / SCHOOL).rename(bench.root / "look-alike")
            elsewhere.rename(bench.root / SCHOOL)
            bench.drop("b.xml", sale("F08/3"))
            await until(lambda: len(bench.documents()) == 2)
    assert [e["event"] for e in logs].count("folder_unavailable") == 1
    assert [d.facts.number for d in bench.documents()] == ["F08/1", "F08/3"]


async def test_fault_X05_sizes_are_decided_before_reading(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terabyte of nothing costs nothing; one byte too many is too many; the limit itself is still read."""
    read: list[str] = []
    real = dropbox.DropFile.read

    def remember(file: dropbox.DropFile) -> bytes:
        read.append(file.name)
        return real(file)

    monkeypatch.setattr(dropbox.DropFile, "read", remember)
    sizes = {"tera.xml": 1 << 40, "o-bajt.xml": 3_000_001, "tera.zip": 1 << 40, "o-bajt.zip": 50_000_001}
    async with bench.running():
        for name, size in sizes.items():
            with (bench.inbox() / name).open("wb") as handle:
                handle.truncate(size)
        bench.drop("granica.xml", sale() + b" " * (3_000_000 - len(sale())))
        bench.drop("udaje.zip", sale() + b" " * 3_000_000)
        await until(lambda: bench.lying("do-wyslania") == [])
        await until(lambda: len(bench.lying("odrzucone")) == 3 * len(sizes) + 3 + 3)
    assert sorted(set(read)) == ["granica.xml", "udaje.zip"]
    assert {bench.json(f"odrzucone/*/{stem}*.json")["errors"][0]["code"] for stem in ("udaje",)} == {"too_big"}
    assert bench.only().size == 3_000_000


HOSTILE = [
    b"nowy\nwiersz.xml", b"\xe2\x80\xaegpj.xml", b"zero\xe2\x80\x8bwidth.xml", b"-rf.xml", b"za\xbf\xf3\xb3\xe6.xml",
    b"\xff\xfe.xml", b"x" * 251 + b".xml", b"a\xcc\xa8.xml", b"C:\\x\\y.xml", b"$(reboot).xml", b"' OR 1.xml", b".xml",
    b"con.xml", b"FA.XML", b" spacja .xml", b"%00.xml", b"\x1b[31m.xml",
]  # fmt: skip


async def test_fault_X08_hostile_names_are_only_labels(bench: Bench) -> None:
    """Every such file is taken under its own label, its result has a safe name, and the log keeps one line."""
    async with bench.running(PATIENT):
        for index, name in enumerate(HOSTILE):
            bench.drop(os.fsdecode(name), sale(f"X08/{index}"))
        expected = len(HOSTILE) - 1  # ".xml" is a dot file
        await until(lambda: len(bench.documents()) == expected)
        await until(lambda: len(bench.lying("w-toku")) == expected)
    labels = {d.source_name for d in bench.documents()}
    assert {"nowy\nwiersz.xml", "zażółć.xml", "C:\\x\\y.xml", "-rf.xml"} <= labels
    for name in bench.lying("w-toku"):
        assert not set(name) & set('<>:"/\\|?*\r\n\x1b')


async def test_fault_X09_what_is_not_a_plain_file_is_left_alone(bench: Bench) -> None:
    """Link, hard link, pipe, socket, device, folder: not opened, not removed, one alert each; others go through."""
    canary = bench.root.parent / "canary.xml"
    canary.write_bytes(sale("CANARY"))
    await bench.set_up()
    inbox = bench.inbox()
    (inbox / "link.xml").symlink_to(canary)
    (bench.root.parent / "second.xml").write_bytes(sale("CANARY/2"))
    (inbox / "twardy.xml").hardlink_to(bench.root.parent / "second.xml")
    os.mkfifo(inbox / "kolejka.xml")
    (inbox / "folder.xml").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:  # by a short way: the path of a socket has 108 bytes at most
        descriptor = os.open(inbox, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{descriptor}/gniazdo.xml")
        os.close(descriptor)
    with contextlib.suppress(PermissionError):
        os.mknod(inbox / "urzadzenie.xml", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    odd = sorted(p.name for p in inbox.iterdir() if p.name != "offline24")
    with capture_logs() as logs:
        async with bench.running():
            path = bench.drop("zwykly.xml", sale("X09"))
            await until(lambda: not path.exists())
            await asyncio.sleep(0.7)
    assert [d.facts.number for d in bench.documents()] == ["X09"]
    assert sorted(p.name for p in inbox.iterdir() if p.name != "offline24") == odd
    assert sorted(e["name"] for e in logs if e["event"] == "drop_entry_left") == odd


async def test_fault_X09_offline24_replaced_by_a_link(bench: Bench) -> None:
    """A unit's user points the inner folder elsewhere: nothing is taken from there, the plain folder goes on."""
    outside = bench.root.parent / "outside"
    outside.mkdir()
    (outside / "canary.xml").write_bytes(sale("CANARY"))
    await bench.set_up()
    (bench.inbox() / "offline24").rmdir()
    (bench.inbox() / "offline24").symlink_to(outside)
    with capture_logs() as logs:
        async with bench.running():
            path = bench.drop("zwykly.xml", sale("X09"))
            await until(lambda: not path.exists())
            await until(lambda: [e for e in logs if e["event"] == "folder_not_read"])
    assert [d.facts.number for d in bench.documents()] == ["X09"]
    assert (outside / "canary.xml").exists()


async def test_fault_X10_a_racing_swapper_gets_nothing_read(bench: Bench) -> None:
    """A name that flips between a file and a link to somebody else's invoice: the other's bytes are never stored."""
    canary = bench.root.parent / "canary.xml"
    canary.write_bytes(sale("CANARY"))
    await bench.set_up()
    stop = threading.Event()

    def flip() -> None:
        index = 0
        while not stop.is_set():
            index += 1
            working, link = bench.inbox() / ".w.tmp", bench.inbox() / ".l.tmp"
            working.write_bytes(sale(f"X10/{index}"))
            link.symlink_to(canary)
            link.replace(bench.inbox() / "a.xml")
            working.replace(bench.inbox() / "a.xml")

    async with bench.running(Folders(0.05, 60, 10, 0.2), show=False):
        flipping = asyncio.ensure_future(asyncio.to_thread(flip))
        await asyncio.sleep(1)
        stop.set()
        await flipping
        await until(lambda: bench.lying("do-wyslania") == [])
    assert bench.documents()
    assert all(d.facts.number.startswith("X10/") for d in bench.documents())
    assert canary.read_bytes() == sale("CANARY")


def alerts(bench: Bench) -> list[str]:
    """What the administrator's page says about the drop folders."""
    seen = bench.spool.read_now(lambda s: take(s, bench.municipality.contexts, bench.now, bench.municipality.units))
    return [f.sentence for f in findings(seen) if "do-wyslania" in f.sentence]


async def test_fault_X09_the_admin_is_told_once_what_is_no_file(bench: Bench) -> None:
    """One alert for the unit, with names and kinds, in both folders; it shrinks and goes with what it is about."""
    await bench.set_up()
    inbox = bench.inbox()
    (inbox / "link\x1b[31m.xml").symlink_to("/etc/passwd")
    (inbox / "listopad").mkdir()
    os.mkfifo(inbox / "offline24" / "kolejka.xml")
    async with bench.running(PATIENT):
        await until(lambda: "kolejka.xml" in str(alerts(bench)))
        [told] = alerts(bench)
        assert f"„{SCHOOL}”" in told
        assert "„listopad” (folder)" in told
        assert "„link\\u{1B}[31m.xml” (dowiązanie symboliczne)" in told
        assert "„offline24/kolejka.xml” (kolejka, gniazdo albo urządzenie)" in told
        (inbox / "listopad").rmdir()
        (inbox / "offline24" / "kolejka.xml").unlink()
        await until(lambda: "listopad" not in str(alerts(bench)))
        assert len(alerts(bench)) == 1
        (inbox / "link\x1b[31m.xml").unlink()
        await until(lambda: alerts(bench) == [])
        (inbox / "offline24").rmdir()
        (inbox / "offline24").symlink_to("/tmp")
        await until(lambda: "„offline24” (dowiązanie albo plik zamiast folderu)" in str(alerts(bench)))
    (inbox / "offline24").unlink()
    async with bench.running(PATIENT):  # told by an earlier run, gone while nobody looked
        await until(lambda: alerts(bench) == [])


async def test_fault_X09_a_name_that_becomes_a_file_is_taken(bench: Bench) -> None:
    """The link is replaced by the invoice itself: the alert goes, the invoice is in."""
    await bench.set_up()
    (bench.inbox() / "a.xml").symlink_to("/etc/passwd")
    async with bench.running(PATIENT):
        await until(lambda: alerts(bench))
        bench.drop("a.xml", sale("X09/2"))
        await until(lambda: bench.documents() and alerts(bench) == [])
    assert bench.only().facts.number == "X09/2"


async def test_fault_X09_more_than_a_person_reads_is_counted(bench: Bench) -> None:
    """Five by name, of more only that there are more."""
    await bench.set_up()
    for index in range(9):
        (bench.inbox() / f"folder{index}").mkdir()
    async with bench.running(PATIENT):
        await until(lambda: alerts(bench))
        [told] = alerts(bench)
    assert told.count("(folder)") == 5
    assert " i inne" in told


def test_fault_D02_file_systems_of_other_machines_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel's own list of mounts; a disk of this machine is none of them."""
    assert not dropbox.Drop.open(tmp_path).remote
    own = tmp_path.stat().st_dev
    for kind, remote in (
        ("cifs", True), ("nfs4", True), ("fuse.sshfs", True), ("9p", True), ("smb3", True), ("ceph", True),
        ("ext4", False), ("xfs", False), ("btrfs", False), ("tmpfs", False), ("zfs", False),
    ):  # fmt: skip
        line = f"36 35 {os.major(own)}:{os.minor(own)} / /mnt/a\\040b rw shared:1 - {kind} //serwer/x rw\n"
        other = "22 1 999:999 / /proc rw - proc proc rw\n"
        monkeypatch.setattr(Path, "read_text", lambda *_, text=other + line, **__: text)
        assert dropbox.Drop.open(tmp_path).remote is remote, kind


async def test_fault_D02_a_folder_of_another_machine_is_polled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No events are asked for, and the scans come more often than the rescan of a local folder would."""
    monkeypatch.setattr(dropbox, "_remote", lambda _device: True)
    monkeypatch.setattr(box, "_REMOTE_ROUND_S", 0.1)
    asked: list[Path] = []
    monkeypatch.setattr(events.Hints, "watch", lambda _, path, tell: asked.append(path))
    async with bench.running(Folders(0.1, 60, 10, 3600)):
        path = bench.drop("z-daleka.xml", sale("D02/1"))
        await until(lambda: not path.exists())
        await until(lambda: bench.documents())
    assert asked == []
