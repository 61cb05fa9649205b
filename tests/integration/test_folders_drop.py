"""Drop folders: what is taken, when, and what never is. Real directories, a real spool."""

import asyncio
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from structlog.testing import capture_logs

from gateway.folders import dropbox
from gateway.settings import Folders
from spool.bodies import sha256_hex
from spool.domain.states import State
from tests.folders_bench import SCHOOL, WELFARE, Bench, bench_at, sale, until
from tests.unit.test_archive import packed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


async def test_a_dropped_file_is_stored_and_then_removed(bench: Bench) -> None:
    """The bytes are in the spool, exactly, before the file is gone."""
    async with bench.running():
        path = bench.drop("FV 1.xml", sale())
        await until(lambda: not path.exists())
    document = bench.only()
    assert (document.state, document.unit, document.source_name) == (State.QUEUED, SCHOOL, "FV 1.xml")
    assert bench.spool.read_now(lambda store: store.body(document.sha256)) == sale()


async def test_zip_becomes_one_document_per_entry(bench: Bench) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.xml", sale("Z/1"))
        archive.writestr("b.xml", sale("Z/2"))
    async with bench.running():
        path = bench.drop("Paczka.ZIP", packed.getvalue())
        await until(lambda: not path.exists())
    assert [d.source_name for d in bench.documents()] == ["a.xml", "b.xml"]


async def test_fault_X07_one_note_tells_what_became_of_each_file_in_a_zip(bench: Bench) -> None:
    """Taken, refused, no invoice: one note in the order of the archive; of an archive taken whole there is none."""
    inside = {"dobra.xml": sale("N/1"), "zla.xml": sale("N/2").replace(b"<P_1>2026-11-20", b"<P_1>20.11.2026")}
    inside |= {"opis\x1b.txt": b"opis", "druga.xml": sale("N/3")}
    async with bench.running():
        bench.drop("listopad.zip", packed(inside))
        await until(lambda: "zla.blad.txt" in bench.lying("odrzucone"))
        note = bench.found("odrzucone/*/listopad.blad.txt").read_text(encoding="utf-8-sig")
        bench.drop("listopad.zip", packed(inside | {"trzecia.xml": sale("N/4")}))
        await until(lambda: len(list((bench.root / SCHOOL / "odrzucone").rglob("listopad*.blad.txt"))) == 2)
        bench.drop("cala.zip", packed({"dobra.xml": sale("N/5")}))
        await until(lambda: bench.lying("do-wyslania") == [])
    lines = note.splitlines()
    assert lines[0] == "ARCHIWUM ZIP PRZYJĘTO TYLKO W CZĘŚCI"
    assert "Przyjęto:  2 z 4" in lines
    assert [line for line in lines if line[:2] in {"1.", "2.", "3.", "4."}] == [
        "1. dobra.xml: przyjęta", "2. zla.xml: NIE przyjęta", "3. opis\\u{1B}.txt: NIE przyjęta",
        "4. druga.xml: przyjęta",
    ]  # fmt: skip
    assert "20.11.2026" in note
    assert note.count("Co zrobić:") == 2
    assert sorted(d.facts.number for d in bench.documents() if d.state is State.QUEUED) == ["N/1", "N/3", "N/4", "N/5"]
    assert not [name for name in bench.lying("odrzucone") if name.startswith("cala")]


async def test_offline24_folder_sets_the_mode(bench: Bench) -> None:
    async with bench.running():
        path = bench.drop("offline24/o.xml", sale())
        await until(lambda: not path.exists())
    assert bench.only().mode.value == "offline24"


async def test_existing_files_are_taken_at_start(bench: Bench) -> None:
    await bench.set_up()
    path = bench.drop("stara.xml", sale())
    async with bench.running():
        await until(lambda: not path.exists())
    assert len(bench.documents()) == 1


async def test_events_wake_the_scan(bench: Bench) -> None:
    """With a scan only every minute, a closed, a renamed and a moved-in file are taken at once."""
    slow = Folders(settle_seconds=0.2, incomplete_seconds=60, empty_minutes=10, rescan_seconds=60)
    async with bench.running(slow):
        await asyncio.sleep(0.3)
        (bench.inbox() / "zamkniety.xml").write_bytes(sale("E/1"))
        await until(lambda: len(bench.documents()) == 1)
        bench.drop("przemianowany.xml", sale("E/2"))
        await until(lambda: len(bench.documents()) == 2)
        elsewhere = bench.root.parent / "x.xml"
        elsewhere.write_bytes(sale("E/3"))
        elsewhere.rename(bench.inbox() / "offline24" / "przeniesiony.xml")
        await until(lambda: len(bench.documents()) == 3)


async def test_a_broken_archive_is_put_aside_with_its_note(bench: Bench) -> None:
    """There is no row for it in the spool, so the file itself goes into `odrzucone/`."""
    broken = b"PK\x03\x04" + b"nothing of an archive" * 9
    async with bench.running(show=False):
        path = bench.drop("paczka.zip", broken)
        await until(lambda: not path.exists())
    assert bench.lying("odrzucone") == ["paczka.blad.txt", "paczka.json", "paczka.zip"]
    assert bench.found("odrzucone/*/paczka.zip").read_bytes() == broken
    said = bench.json("odrzucone/*/paczka.json")
    assert (said["id"], said["state"], said["sha256"]) == (None, "REFUSED", sha256_hex(broken))
    assert said["errors"][0]["message"] in bench.found("odrzucone/*/paczka.blad.txt").read_text("utf-8-sig")


async def test_the_same_refused_archive_again_changes_nothing(bench: Bench) -> None:
    broken = b"PK\x03\x04 nothing"
    async with bench.running(Folders(0.1, 0.15, 10, 0.2), show=False):
        for _ in range(2):
            path = bench.drop("paczka.zip", broken)
            await until(lambda path=path: not path.exists())
        path = bench.drop("paczka.zip", broken + b"!")
        await until(lambda: not path.exists())
    other = f"paczka~{sha256_hex(broken + b'!')[:8]}"
    assert bench.lying("odrzucone") == sorted(
        f"{stem}{ending}" for stem in ("paczka", other) for ending in (".blad.txt", ".json", ".zip")
    )


async def test_other_files_are_refused_only_after_a_while(bench: Bench) -> None:
    """A PDF is explained and put aside; a program's own working name has time to be renamed to .xml."""
    async with bench.running():
        pdf = bench.drop("skan.pdf", b"%PDF-1.7")
        working = bench.drop("FV7.new", sale())
        await asyncio.sleep(0.2)
        assert pdf.exists()
        working.rename(working.with_name("FV7.xml"))
        await until(lambda: not pdf.exists())
        await until(lambda: len(bench.documents()) == 1)
    assert bench.lying("odrzucone") == ["skan.blad.txt", "skan.json", "skan.pdf"]
    assert bench.json("odrzucone/*/skan.json")["errors"][0]["code"] == "not_xml"


async def test_working_names_are_never_touched(bench: Bench) -> None:
    names = ["~$FV.xml", "a.xml.part", "Thumbs.db", "desktop.ini", ".~lock.FV.xml#", ".hidden.xml", "FV.xml.TMP"]
    async with bench.running():
        for name in names:
            (bench.inbox() / name).write_bytes(sale())
        last = bench.drop("ok.xml", sale())
        await until(lambda: not last.exists())
        await asyncio.sleep(0.8)
    assert sorted(p.name for p in bench.inbox().iterdir() if p.is_file()) == sorted(names)
    assert bench.lying("odrzucone") == []
    assert len(bench.documents()) == 1


async def test_refused_bytes_under_a_new_name_get_a_note_under_that_name(bench: Bench) -> None:
    async with bench.running():
        for name in ("a.xml", "b.xml", "a.xml"):
            path = bench.drop(name, sale(gv="9"))
            await until(lambda path=path: not path.exists())
            stem = name[:1]
            await until(lambda stem=stem: bench.found(f"odrzucone/*/{stem}.json"))
    assert bench.lying("odrzucone") == [f"{s}.{e}" for s in "ab" for e in ("blad.txt", "json", "xml")]
    assert len(bench.documents()) == 1


async def test_one_unit_cannot_starve_another(bench: Bench) -> None:
    """Three hundred files of one unit; another unit's single file, dropped last, does not wait for them."""
    await bench.set_up()
    for index in range(300):
        bench.drop(f"{index:03}.xml", sale(f"M/{index}"))
    bench.drop("jedna.xml", sale("GOPS/1"), WELFARE)
    async with bench.running(show=False):
        await until(lambda: bench.documents(WELFARE))
        assert bench.documents(WELFARE)[0].seq < 100


async def test_a_file_that_a_killed_process_held_comes_back(bench: Bench) -> None:
    """Killed between taking the name away and removing: the next scan gives the name back and takes the file."""
    await bench.set_up()
    drop = dropbox.Drop.open(bench.inbox())
    bench.drop("FV.xml", sale())
    file = drop.open_file("FV.xml")
    assert drop._hold(file)
    file.close()
    drop.close()
    async with bench.running():
        await until(lambda: bench.documents())
        await until(lambda: bench.lying("do-wyslania") == [])
    assert bench.only().source_name == "FV.xml"


async def test_a_full_disk_leaves_the_file_where_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged; one alert; taken when there is room again."""
    full, real = True, bench.spool.write

    async def write(job: Any) -> Any:
        if full:
            raise pysqlite3.OperationalError("database or disk is full")
        return await real(job)

    await bench.set_up()
    monkeypatch.setattr(bench.spool, "write", write)
    with capture_logs() as logs:
        async with bench.running(show=False):
            path = bench.drop("a.xml", sale())
            await until(lambda: [e for e in logs if e["event"] == "drop_file_postponed"])
            assert path.exists()
            full = False
            await until(lambda: not path.exists())
    assert len(bench.documents()) == 1


# -- D: drop folder ------------------------------------------------------------------------------------------------


async def test_fault_D01_an_open_file_is_never_taken(bench: Bench) -> None:
    """A complete invoice in a file that is still open is not yet the invoice: the writer goes back and changes it."""
    first, second = sale("D01/1"), sale("D01/2")
    async with bench.running():
        with (bench.inbox() / "a.xml").open("wb", buffering=0) as handle:
            handle.write(first)
            await asyncio.sleep(0.5)
            handle.seek(0)
            handle.write(second)
            await asyncio.sleep(0.3)
            assert bench.documents() == []
        await until(lambda: bench.documents())
    assert bench.only().sha256 == sha256_hex(second)


async def test_fault_D01_slow_and_preallocating_writers(bench: Bench) -> None:
    """Explorer: full size of NUL bytes first, then the data, then the old time of the original. And slow chunks."""
    old = 1_000_000_000
    prepared, chunks = sale("D01/NUL"), sale("D01/CHUNKS")

    def explorer() -> None:
        path = bench.inbox() / "explorer.xml"
        with path.open("wb", buffering=0) as handle:
            handle.truncate(len(prepared))
            for at in range(0, len(prepared), 700):
                time.sleep(0.15)
                handle.write(prepared[at : at + 700])
        os.utime(path, (old, old))

    def slow() -> None:
        with (bench.inbox() / "slow.xml").open("wb", buffering=0) as handle:
            for at in range(0, len(chunks), 700):
                handle.write(chunks[at : at + 700])
                time.sleep(0.15)

    async with bench.running():
        await asyncio.gather(asyncio.to_thread(explorer), asyncio.to_thread(slow))
        await until(lambda: len(bench.documents()) == 2)
        await until(lambda: bench.lying("do-wyslania") == [])
    assert {d.sha256 for d in bench.documents()} == {sha256_hex(prepared), sha256_hex(chunks)}
    assert {kind for _, _, kinds in bench.door.seen for kind in kinds} <= {"new", "same", "incomplete"}


async def test_fault_D01_closing_in_the_middle_is_not_the_end(bench: Bench) -> None:
    """0 bytes, closed, opened again, half, closed, the rest: one whole document and no refusal."""
    raw, patient = sale(), Folders(0.2, 5, 1, 0.2)
    async with bench.running(patient):
        path = bench.inbox() / "etapami.xml"
        path.touch()
        for part in (raw[:500], raw[500:1200], raw[1200:]):
            await asyncio.sleep(0.4)
            with path.open("ab") as handle:
                handle.write(part)
        await until(lambda: not path.exists())
    assert bench.only().sha256 == sha256_hex(raw)


async def test_fault_D01_without_leases_two_equal_looks_are_needed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted share: a file that is whole but changes again within `settle_seconds` is not taken in between."""
    monkeypatch.setattr(dropbox, "_remote", lambda device: True)
    versions = [sale(f"D01/{index}") for index in range(5)]
    async with bench.running(Folders(0.6, 60, 10, 0.2)):
        path = bench.inbox() / "a.xml"
        for raw in versions:
            path.write_bytes(raw)
            await asyncio.sleep(0.25)
        await until(lambda: not path.exists())
    assert bench.only().sha256 == sha256_hex(versions[-1])


async def test_fault_D01_a_half_file_is_refused_in_the_end(bench: Bench) -> None:
    """The client died in the middle: nothing happens at once, then the half comes back with its note."""
    half = sale()[:900]
    async with bench.running():
        path = bench.drop("pół.xml", half)
        await until(lambda: bench.door.seen)
        assert path.exists()
        assert bench.documents() == []
        await until(lambda: not path.exists())
        await until(lambda: bench.found("odrzucone/*/pół.blad.txt"))
    assert bench.only().problems[0].code == "incomplete_file"
    assert bench.found("odrzucone/*/pół.xml").read_bytes() == half


async def test_fault_D01_an_empty_file_is_refused_in_the_end(bench: Bench) -> None:
    async with bench.running(Folders(0.1, 60, 0.015, 0.2)):
        path = bench.drop("pusty.xml", b"")
        await asyncio.sleep(0.5)
        assert path.exists()
        await until(lambda: not path.exists())
    assert bench.lying("odrzucone") == ["pusty.blad.txt", "pusty.json", "pusty.xml"]


def test_fault_D01_a_writer_that_meets_the_lease_does_not_kill_us(tmp_path: Path) -> None:
    """The kernel signals the holder of a lease when somebody opens the file; by default that signal kills."""
    path = tmp_path / "a.xml"
    path.write_bytes(sale())
    program = (
        "import sys, time; from pathlib import Path; from gateway.folders.dropbox import Drop\n"
        f"file = Drop.open(Path({str(tmp_path)!r})).open_file('a.xml'); print('ready', flush=True)\n"
        "end = time.monotonic() + 0.4\n"
        "while time.monotonic() < end: file.writer()\n"
    )
    prober = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert prober.stdout is not None
    assert prober.stdout.readline() == b"ready\n"
    while prober.poll() is None:
        os.close(os.open(path, os.O_WRONLY))
    prober.stdout.close()
    assert prober.returncode == 0


async def test_fault_D02_no_events_at_all(bench: Bench) -> None:
    """As for writers on another machine: the scan alone finds everything."""
    async with bench.running(events=False):
        await asyncio.sleep(0.3)
        path = bench.drop("a.xml", sale())
        await until(lambda: not path.exists())
    assert len(bench.documents()) == 1


async def test_fault_D03_same_name_other_content_is_another_document(bench: Bench) -> None:
    async with bench.running():
        for number in ("1", "2"):
            path = bench.drop("faktura.xml", sale(number))
            await until(lambda path=path: not path.exists())
    assert [d.facts.number for d in bench.documents()] == ["1", "2"]


async def test_fault_D04_same_content_again_is_one_document(bench: Bench) -> None:
    """Any name, any time, folder or HTTP: an event on the first row. Another unit learns nothing."""
    async with bench.running():
        first = await bench.post(sale(), "przez-http.xml")
        for name in ("raz.xml", "dwa.xml"):
            path = bench.drop(name, sale())
            await until(lambda path=path: not path.exists())
        bench.number(bench.only())
        await until(lambda: bench.only().state is State.DELIVERED)
        path = bench.drop("trzy.xml", sale())
        await until(lambda: not path.exists())
        assert bench.only().id == first.id
        path = bench.drop("cudza.xml", sale(), WELFARE)
        await until(lambda: bench.found("odrzucone/*/cudza.blad.txt", WELFARE))
    assert [e.move for e in bench.moves(first.id)].count("duplicate") == 3
    note = bench.found("odrzucone/*/cudza.blad.txt", WELFARE).read_text("utf-8-sig")
    said = bench.found("odrzucone/*/cudza.json", WELFARE).read_text("utf-8")
    assert "duplicate_in_municipality" in said
    for secret in (SCHOOL, first.id, "przez-http", "Szkoła Podstawowa", "DELIVERED"):
        assert secret not in note.replace("NIE", "")
        assert secret not in said


@pytest.mark.parametrize("how", ["renamed over", "rewritten in place", "deleted", "renamed away"])
async def test_fault_D06_the_file_changes_while_it_is_being_stored(bench: Bench, how: str) -> None:
    """What was read is stored; what came in its place stays and is taken as the document that it is."""
    first, second = sale("D06/1"), sale("D06/2")
    real, done = bench.door.accept, []

    async def accept(raw: bytes, *args: Any, **more: Any) -> Any:
        if not done:
            done.append(True)
            if how == "renamed over":
                bench.drop("a.xml", second)
            elif how == "rewritten in place":
                path.write_bytes(second)
            elif how == "deleted":
                path.unlink()
            else:
                path.rename(path.with_name("b.xml"))
        return await real(raw, *args, **more)

    bench.door.accept = accept  # type: ignore[method-assign]
    async with bench.running():
        path = bench.drop("a.xml", first)
        await until(lambda: bench.lying("do-wyslania") == [])
    expected = [first, second] if how.startswith("re") and how != "renamed away" else [first]
    assert [d.sha256 for d in bench.documents()] == [sha256_hex(raw) for raw in expected]


@pytest.mark.parametrize("remote", [False, True], ids=["leases", "no leases"])
async def test_fault_D06_written_over_between_two_reads_is_no_document(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    """Half of the old and half of the new version, of one length and read through one descriptor: never stored; the
    whole new one is. Where a lease says nothing about writers, the same."""
    first, second = sale("D06/1"), sale("D06/2").replace(b"Rynek 1", b"Rynek 2")
    half = len(first) // 2
    assert first[:half] + second[half:] not in (first, second)
    monkeypatch.setattr(dropbox, "CHUNK", half)
    monkeypatch.setattr(dropbox, "_remote", lambda _device: remote)
    real, raced = dropbox.os.pread, []

    def pread(descriptor: int, size: int, at: int) -> bytes:
        if at and not raced:  # the second half is read now
            raced.append(True)
            path.write_bytes(second)
        return real(descriptor, size, at)

    monkeypatch.setattr(dropbox.os, "pread", pread)
    async with bench.running():
        path = bench.drop("a.xml", first)
        await until(lambda: bool(raced) and bench.lying("do-wyslania") == [])
    assert [d.sha256 for d in bench.documents()] == [sha256_hex(second)]


@pytest.mark.parametrize("when", ["before the name is taken", "after it"])
async def test_fault_D06_written_in_place_at_the_removal_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The first version is stored; the second one, of the same length in the same inode, is written at the instant of
    the removal: it is not removed with the first, and becomes a document of its own."""
    first, second = sale("D06/1"), sale("D06/2")
    real, raced = os.rename, []

    def rename(source: Any, target: Any, **where: Any) -> None:
        mine = str(target).startswith(dropbox.HELD_PREFIX) and not raced
        if mine and when.startswith("before"):
            raced.append(path.write_bytes(second))
        real(source, target, **where)
        if mine and when.startswith("after"):
            raced.append(path.with_name(str(target)).write_bytes(second))

    monkeypatch.setattr(os, "rename", rename)
    async with bench.running():
        path = bench.drop("a.xml", first)
        await until(lambda: len(bench.documents()) == 2)
        await until(lambda: bench.lying("do-wyslania") == [])
    assert [d.sha256 for d in bench.documents()] == [sha256_hex(first), sha256_hex(second)]


async def test_fault_D06_a_swap_in_the_last_instant_is_not_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the removal another file takes the name: it is given back and taken in its turn."""
    real, swapped = dropbox.secrets.token_hex, []

    def swap(size: int) -> str:
        if size == 4 and not swapped:  # the name under which the file is held; document ids ask for more
            swapped.append(True)
            bench.drop("a.xml", sale("D06/2"))
        return real(size)

    monkeypatch.setattr(dropbox.secrets, "token_hex", swap)
    async with bench.running():
        bench.drop("a.xml", sale("D06/1"))
        await until(lambda: len(bench.documents()) == 2)
        await until(lambda: bench.lying("do-wyslania") == [])
    assert [d.facts.number for d in bench.documents()] == ["D06/1", "D06/2"]


async def test_fault_D07_a_file_that_cannot_be_removed_is_sent_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One document, one alert, handed in once; removed when the folder allows it again, also by another process."""
    stuck, real = True, os.rename

    def rename(source: Any, target: Any, **where: Any) -> None:
        if stuck and str(target).startswith(dropbox.HELD_PREFIX):
            raise PermissionError(13, "read-only directory")
        real(source, target, **where)

    monkeypatch.setattr(os, "rename", rename)
    with capture_logs() as logs:
        async with bench.running():
            path = bench.drop("a.xml", sale())
            await until(lambda: bench.documents())
            await asyncio.sleep(1.2)
            assert path.exists()
            assert len(bench.door.seen) == 1
    assert [e["event"] for e in logs].count("drop_file_not_removed") == 1
    async with bench.running():  # a new process remembers nothing, but the spool does
        await until(lambda: len(bench.door.seen) == 2)
        stuck = False
        await until(lambda: not path.exists())
    assert bench.door.seen[-1][2] == ["same"]
    assert len(bench.documents()) == 1
