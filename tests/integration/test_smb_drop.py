"""What programs on Windows do to a share, through a real Samba into the real watcher (faults D01 to D06, F04, X08).

One server for the module; each test has folders, spool and watcher of its own. Nothing waits for time to pass: a test
that needs the watcher to have seen a half-written file waits until it has looked at it.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.folders import dropbox, layout
from sluza.samples import invoice, sized
from spool.bodies import sha256_hex
from spool.domain.document import Mode
from spool.domain.states import State
from tests.folders_bench import FAST, PATIENT, SCHOOL, WELFARE, Bench, sale, until
from tests.smb_bench import Client, Samba, needed, run, samba
from tests.unit.test_archive import packed

needed()
OLD = (1_000_000_000, 1_000_000_000)
"""Times of a file copied with those of its original: September 2001."""


@pytest.fixture(scope="module", name="server")
def server_fixture() -> Iterator[Samba]:
    with samba() as found:
        yield found


@pytest_asyncio.fixture(name="bench")
async def bench_fixture(server: Samba, tmp_path: Path) -> AsyncIterator[Bench]:
    """A town whose folders are the shares."""
    bench = Bench(tmp_path)
    bench.root = server.folders
    await bench.set_up()
    server.own()
    try:
        yield bench
    finally:
        bench.close()
        for path in server.folders.iterdir():
            run("rm", "-rf", str(path))


@pytest.fixture(name="client")
def client_fixture(server: Samba, bench: Bench) -> Iterator[Client]:
    """A computer of the school; after `bench`, because a share is opened on its folder."""
    with server.client() as found:
        yield found


@pytest.fixture(name="looks")
def looks_fixture(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the watcher has asked for each file whether somebody writes it."""
    counted: Counter[str] = Counter()
    real = dropbox.DropFile.writer

    def writer(file: dropbox.DropFile) -> dropbox.Writer:
        counted[file.name] += 1
        return real(file)

    monkeypatch.setattr(dropbox.DropFile, "writer", writer)
    return counted


async def do(work: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """A client's blocking call beside the watcher."""
    return await asyncio.to_thread(work, *args, **more)


async def looked(looks: Counter[str], name: str) -> None:
    """Until the watcher has looked twice more."""
    before = looks[name]
    await until(lambda: looks[name] >= before + 2)


async def taken(bench: Bench, *expected: tuple[str, bytes]) -> None:
    """Exactly these documents, by name and bytes; nothing lies in the drop folder, nothing was put aside."""
    await until(lambda: bench.lying(layout.OUTBOX) == [])
    found = [(d.source_name, d.sha256) for d in bench.documents()]
    assert sorted(found) == sorted((name, sha256_hex(raw)) for name, raw in expected)
    for document, (_, raw) in zip(bench.documents(), expected, strict=True):
        assert document.state is State.QUEUED
        assert bench.spool.read_now(lambda s, sha=document.sha256: s.body(sha)) in [raw for _, raw in expected]
    assert bench.lying(layout.REFUSED) == []


def halves(raw: bytes) -> tuple[bytes, bytes]:
    return raw[: len(raw) // 2], raw[len(raw) // 2 :]


async def test_fault_D01_put_by_the_command_line_client(server: Samba, bench: Bench, tmp_path: Path) -> None:
    """`smbclient put`, the plain case."""
    raw = sale("SMB/1")
    (tmp_path / "faktura.xml").write_bytes(raw)
    async with bench.running(PATIENT):
        done = await do(server.tool, SCHOOL, f"{SCHOOL}_{layout.OUTBOX}", f"put {tmp_path / 'faktura.xml'} faktura.xml")
        assert done.returncode == 0, done.stdout
        await taken(bench, ("faktura.xml", raw))


@pytest.mark.parametrize("events", [True, False])
async def test_fault_D01_slow_chunks_are_one_document(
    bench: Bench, client: Client, looks: Counter[str], events: bool
) -> None:
    """Four writes, the watcher looking in between: it sees a writer and takes nothing before the close (D02, too)."""
    raw = sized(sale("SMB/2"), 400_000)
    async with bench.running(FAST, events=events):
        file = await do(client.open, "wolno.xml")
        for start in range(0, len(raw), 100_000):
            await do(file.write, raw[start : start + 100_000])
            await looked(looks, "wolno.xml")
            assert bench.documents() == []
        await do(file.close)
        await taken(bench, ("wolno.xml", raw))


async def test_fault_D01_created_empty_closed_and_written_later(
    bench: Bench, client: Client, looks: Counter[str]
) -> None:
    """Two closes: the first one on 0 bytes is no invoice, and no reason to refuse one."""
    raw = sale("SMB/3")
    async with bench.running(PATIENT):
        await do(client.put, "pusty.xml", b"")
        await until(lambda: looks["pusty.xml"])
        await do(client.put, "pusty.xml", raw)
        await taken(bench, ("pusty.xml", raw))


async def test_fault_D01_explorer_allocates_first(bench: Bench, client: Client, looks: Counter[str]) -> None:
    """The full size at once and all NUL, then the data, at the end a time of years ago; closed with NULs in between."""
    raw = sized(sale("SMB/4"), 300_000)
    async with bench.running(PATIENT):
        file = await do(client.open, "kopia.xml")
        await do(file.truncate, len(raw))
        await looked(looks, "kopia.xml")
        assert (bench.inbox() / "kopia.xml").stat().st_size == len(raw)
        await do(file.write, raw[:100_000])
        await do(file.close)
        await until(lambda: [kinds for _, _, kinds in bench.door.seen if kinds == ["incomplete"]])
        with await do(client.open, "kopia.xml", "r+b") as file:
            await do(file.seek, 100_000)
            for start in range(100_000, len(raw), 100_000):
                await do(file.write, raw[start : start + 100_000])
            await do(client.call, "utime", "kopia.xml", OLD)
        await taken(bench, ("kopia.xml", raw))


async def test_fault_D01_temporary_name_then_rename(bench: Bench, client: Client, looks: Counter[str]) -> None:
    """A rename makes no close; the working name is never looked at."""
    raw = sale("SMB/5")
    async with bench.running(PATIENT):
        await do(client.put, "faktura.tmp", raw)
        await do(client.put, "inna.xml", b"")
        await looked(looks, "inna.xml")
        await do(client.call, "remove", "inna.xml")
        assert (bench.documents(), looks["faktura.tmp"]) == ([], 0)
        await do(client.move, "rename", "faktura.tmp", "faktura.xml")
        await taken(bench, ("faktura.xml", raw))


async def test_fault_D03_rename_over_an_existing_file(bench: Bench, client: Client, looks: Counter[str]) -> None:
    """`Save as` over a file that is not finished: only what lies there in the end is an invoice."""
    raw = sale("SMB/6")
    async with bench.running(PATIENT):
        await do(client.put, "faktura.xml", halves(raw)[0])
        await until(lambda: [kinds for _, _, kinds in bench.door.seen if kinds == ["incomplete"]])
        await do(client.put, "faktura.tmp", raw)
        await do(client.move, "replace", "faktura.tmp", "faktura.xml")
        await taken(bench, ("faktura.xml", raw))


async def test_fault_D03_overwritten_in_place(bench: Bench, client: Client, looks: Counter[str]) -> None:
    """Truncated and written anew under the eyes of the watcher: one document, the new bytes."""
    first, second = sized(sale("SMB/7a"), 200_000), sale("SMB/7b")
    async with bench.running(PATIENT):
        await do(client.put, "faktura.xml", halves(first)[0])
        await until(lambda: [kinds for _, _, kinds in bench.door.seen if kinds == ["incomplete"]])
        file = await do(client.open, "faktura.xml")
        await looked(looks, "faktura.xml")
        await do(file.write, second)
        await looked(looks, "faktura.xml")
        assert bench.documents() == []
        await do(file.close)
        await taken(bench, ("faktura.xml", second))


async def test_fault_D03_the_same_name_again_is_another_document(bench: Bench, client: Client) -> None:
    """Program after program writes `faktura.xml`; each is taken."""
    raws = [sale(f"SMB/8/{n}") for n in range(3)]
    async with bench.running(PATIENT):
        for raw in raws:
            await do(client.put, "faktura.xml", raw)
            await until(lambda: bench.lying(layout.OUTBOX) == [])
        await taken(bench, *(("faktura.xml", raw) for raw in raws))


_DIES = """
import signal, sys, smbclient
path, port, user, password, source = sys.argv[1:]
file = smbclient.open_file(path, "wb", buffering=0, port=int(port), username=user, password=password)
file.write(open(source, "rb").read())
print("written", flush=True)
signal.pause()
"""


async def test_fault_D09_a_client_that_dies_leaves_half_a_file(server: Samba, bench: Bench, tmp_path: Path) -> None:
    """Its half is closed by Samba and looks finished: refused after a while with a note, and the whole one is taken."""
    raw = sized(sale("SMB/9"), 300_000)
    half = tmp_path / "half"
    half.write_bytes(halves(raw)[0])
    user = server.user(SCHOOL)
    path = rf"\\127.0.0.1\{SCHOOL}_{layout.OUTBOX}\urwany.xml"
    arguments = (path, str(server.port), user, server.passwords[user], str(half))
    async with bench.running(FAST):
        dying = await do(subprocess.Popen, [sys.executable, "-c", _DIES, *arguments], stdout=subprocess.PIPE)
        assert await do(dying.stdout.readline) == b"written\n"
        dying.kill()
        await do(dying.communicate)
        await until(lambda: "urwany.json" in bench.lying(layout.REFUSED))
        assert bench.lying(layout.OUTBOX) == []
        assert bench.json("odrzucone/*/urwany.json")["errors"][0]["code"] == "incomplete_file"
        assert bench.found("odrzucone/*/urwany.xml").read_bytes() == halves(raw)[0]
        assert [d for d in bench.documents() if d.state is not State.REFUSED] == []
        with server.client() as client:
            await do(client.put, "urwany.xml", raw)
        await until(lambda: [d for d in bench.documents() if d.state is State.QUEUED])
    accepted = [d for d in bench.documents() if d.state is State.QUEUED]
    assert [d.sha256 for d in accepted] == [sha256_hex(raw)]


async def test_fault_F04_a_full_disk_cuts_a_file_and_the_next_one_is_whole(
    server: Samba, bench: Bench, tmp_path: Path
) -> None:
    """The client hardly notices; what lies there is never an invoice, and with room all is well again."""
    inbox = bench.inbox()
    (inbox / layout.OFFLINE24).rmdir()
    run("mount", "-t", "tmpfs", "-o", "size=256k", "sluza-test", str(inbox))
    try:
        server.own()
        raw = sized(sale("SMB/10"), 900_000)
        (tmp_path / "duza.xml").write_bytes(raw)
        put = f"put {tmp_path / 'duza.xml'} duza.xml"
        async with bench.running(FAST):
            done = await do(server.tool, SCHOOL, f"{SCHOOL}_{layout.OUTBOX}", put)
            assert "NT_STATUS_DISK_FULL" in done.stdout + done.stderr
            await until(lambda: "duza.xml" not in bench.lying(layout.OUTBOX))
            assert [d for d in bench.documents() if d.state is State.QUEUED] == []
            run("mount", "-o", "remount,size=8m", str(inbox))
            await do(server.tool, SCHOOL, f"{SCHOOL}_{layout.OUTBOX}", put)
            await until(lambda: [d for d in bench.documents() if d.state is State.QUEUED])
        assert [d.sha256 for d in bench.documents() if d.state is State.QUEUED] == [sha256_hex(raw)]
    finally:
        run("umount", "--lazy", str(inbox))


async def test_fault_X08_names_that_differ_by_case_only(bench: Bench, client: Client) -> None:
    """On the share FA.XML and fa.xml are one file: what lies there is taken once, and the next one again."""
    first, second, third = sale("SMB/11a"), sale("SMB/11b"), sale("SMB/11c")
    await do(client.put, "FA.XML", first)
    await do(client.put, "fa.xml", second)
    assert bench.lying(layout.OUTBOX) == ["FA.XML"]
    async with bench.running(PATIENT):
        await until(lambda: bench.documents())
        await until(lambda: bench.lying(layout.OUTBOX) == [])
        await do(client.put, "fa.xml", third)
        await until(lambda: bench.lying(layout.OUTBOX) == [])
        await until(lambda: len(bench.lying("w-toku")) == 2)
    found = [(d.source_name.upper(), d.sha256) for d in bench.documents()]
    assert found == [("FA.XML", sha256_hex(raw)) for raw in (second, third)]


@pytest.mark.parametrize(
    "name", ["FAKTURA 12.XML", "zażółć gęślą jaźń – ŁÓDŹ.xml", "ﬁrma №5.Xml", "a" * 240 + ".xml", "faktura.2026.11.xml"]
)
async def test_fault_X08_names_arrive_as_they_were_given(bench: Bench, client: Client, name: str) -> None:
    """Upper case, Polish letters, a long name: the label is the one that the program gave."""
    raw = sale(f"SMB/12/{len(name)}")
    async with bench.running(PATIENT):
        await do(client.put, name, raw)
        await taken(bench, (name, raw))


async def test_fault_D06_deleted_while_it_is_read(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit takes its file back in the middle of a read: no document, no complaint; the same file later is taken."""
    reading, go = asyncio.Event(), asyncio.Event()
    loop, real = asyncio.get_running_loop(), dropbox.DropFile.read

    def read(file: dropbox.DropFile) -> bytes:
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
        return real(file)

    monkeypatch.setattr(dropbox.DropFile, "read", read)
    raw = sale("SMB/13")
    async with bench.running(PATIENT):
        await do(client.put, "cofnij.xml", raw)
        await reading.wait()
        await do(client.call, "remove", "cofnij.xml")
        go.set()
        await until(lambda: bench.lying(layout.OUTBOX) == [])
        await do(client.put, "dalej.xml", raw)
        await taken(bench, ("dalej.xml", raw))


async def test_fault_D01_many_at_once_from_several_computers(server: Samba, bench: Bench) -> None:
    """Two units, three connections each, 20 files in each: all of them, once, and each with its own unit."""

    def computer(unit: str, index: int) -> None:
        with server.client(unit) as client:
            for n in range(20):
                client.put(f"{index}-{n}.xml", raw(unit, index, n))

    def raw(unit: str, index: int, n: int) -> bytes:
        number = f"{unit}/{index}/{n}"
        return sale(number) if unit == SCHOOL else invoice(number=number)  # the welfare centre has no NIP of its own

    async with bench.running(PATIENT, show=False):
        await asyncio.gather(*(do(computer, unit, index) for unit in (SCHOOL, WELFARE) for index in range(3)))
        await until(lambda: bench.lying(layout.OUTBOX) == bench.lying(layout.OUTBOX, WELFARE) == [], 20)
    for unit in (SCHOOL, WELFARE):
        expected = {sha256_hex(raw(unit, index, n)) for index in range(3) for n in range(20)}
        found = bench.documents(unit)
        assert (len(found), {d.sha256 for d in found}) == (60, expected)
        assert {d.state for d in found} == {State.QUEUED}


async def test_a_zip_and_the_offline24_folder_over_the_share(bench: Bench, client: Client) -> None:
    """The inner folder carries its wish, and an archive its invoices."""
    one, two, three = sale("SMB/14a"), sale("SMB/14b"), sale("SMB/14c")
    async with bench.running(PATIENT):
        await do(client.put, f"{layout.OFFLINE24}\\w-domu.xml", one)
        await do(client.put, "paczka.zip", packed({"a.xml": two, "b.xml": three}))
        await taken(bench, ("w-domu.xml", one), ("a.xml", two), ("b.xml", three))
    wishes = {d.source_name: d.wish for d in bench.documents()}
    assert wishes == {"w-domu.xml": Mode.OFFLINE24, "a.xml": Mode.ONLINE, "b.xml": Mode.ONLINE}
