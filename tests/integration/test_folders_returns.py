"""What a unit finds in its folders: progress, results, refusals, received invoices."""

import asyncio
import contextlib
import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.folders import layout, outcome, returns
from gateway.folders.filing import Filing
from gateway.folders.outcome import Told
from gateway.folders.placing import Shelf
from gateway.render import UnreadableInvoice
from gateway.results import local
from spool import files
from spool.domain.document import FormCode
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.store import Store
from spool.workers import WorkerTimeout
from tests.folders_bench import NOW, PATIENT, SCHOOL, UPO, WELFARE, Bench, bench_at, sale, until

MONTH = "2026-11"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


async def test_from_drop_to_upo(bench: Bench) -> None:
    """Progress while it waits; XML, UPO, PDF and JSON in `wyslane/` at the end, and nothing left in `w-toku/`."""
    bench.workers.draws = True
    async with bench.running():
        bench.drop("FV 1.xml", sale())
        await until(lambda: bench.json("w-toku/FV 1.json")["state"] == "QUEUED")
        number = bench.number(bench.only())
        await until(lambda: bench.only().state is State.DELIVERED)
    assert bench.lying("wyslane") == ["FV 1.json", "FV 1.pdf", "FV 1.upo.xml", "FV 1.xml"]
    assert bench.lying("w-toku") == []
    assert bench.found(f"wyslane/{MONTH}/FV 1.xml").read_bytes() == sale()
    assert bench.found(f"wyslane/{MONTH}/FV 1.upo.xml").read_bytes().startswith(UPO)
    assert len(bench.found(f"wyslane/{MONTH}/FV 1.pdf").read_bytes()) > 5000
    said = bench.json(f"wyslane/{MONTH}/FV 1.json")
    assert (said["state"], said["ksef_number"], said["history"][-1]["state"]) == ("DELIVERED", number, "DELIVERED")
    assert bench.moves(bench.only().id)[-1].state == "DELIVERED"


async def test_fault_K14_number_without_upo_stays_in_progress(bench: Bench) -> None:
    async with bench.running():
        document = await bench.post(sale(), "a.xml")
        number = bench.number(document, upo=False)
        await until(lambda: bench.json("w-toku/a.json")["ksef_number"] == number)
        assert bench.lying("wyslane") == []
        bench.spool.write_now(lambda store: store.touch(document.id, bench.now, upo_sha256=store.put_body(UPO)))
        await until(lambda: bench.only().state is State.DELIVERED)
    assert bench.lying("w-toku") == []


async def test_month_of_results_is_the_number_day_in_warsaw(bench: Bench) -> None:
    """23:30 UTC on 31 October is November in Warsaw in winter, and 30 November 23:30 is December."""
    async with bench.running():
        document = await bench.post(sale(), "a.xml")
        bench.number(document, NOW.replace(month=11, day=30, hour=23, minute=30))
        await until(lambda: bench.found("wyslane/2026-12/a.json"))


async def test_refused_comes_back_with_its_note(bench: Bench) -> None:
    """The same bytes, a note that Notepad shows right, and the JSON."""
    raw = sale(gv="9")
    async with bench.running():
        bench.drop("zła.xml", raw)
        await until(lambda: bench.found(f"odrzucone/{MONTH}/zła.json"))
    assert bench.found(f"odrzucone/{MONTH}/zła.xml").read_bytes() == raw
    note = bench.found(f"odrzucone/{MONTH}/zła.blad.txt").read_bytes()
    assert note.startswith(b"\xef\xbb\xbf")
    assert note.count(b"\n") == note.count(b"\r\n") > 5
    text = note.decode("utf-8-sig")
    said = bench.json(f"odrzucone/{MONTH}/zła.json")
    for part in ("zła.xml", "Szkoła Podstawowa nr 1", "20.11.2026", said["errors"][0]["hint"], "Gdzie: pole"):
        assert part in text
    assert said["state"] == "REFUSED"
    assert bench.lying("w-toku") == []


async def test_progress_is_rewritten_only_when_it_matters(bench: Bench) -> None:
    """A retry time changes nothing for the unit; a reason does. A progress file that was deleted stays deleted."""
    async with bench.running():
        document = await bench.post(sale(), "a.xml")
        path = await until(lambda: bench.found("w-toku/a.json"))
        inode = path.stat().st_ino
        bench.spool.write_now(lambda store: store.touch(document.id, bench.now, next_action_at=bench.now))
        await until(lambda: bench.only().shown == bench.only().version)
        assert path.stat().st_ino == inode
        path.unlink()
        bench.spool.write_now(lambda store: store.touch(document.id, bench.now, next_action_at=bench.now))
        await until(lambda: bench.only().shown == bench.only().version)
        assert not path.exists()
        bench.spool.write_now(lambda store: store.move(document.id, State.HELD, bench.now, "a", "n", reason="Pauza."))
        await until(lambda: bench.json("w-toku/a.json")["reason"] == "Pauza.")


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.QUARANTINED])
async def test_an_end_without_a_number_gives_the_original_back(bench: Bench, state: State) -> None:
    async with bench.running():
        document = await bench.post(sale(), "a.xml")
        bench.spool.write_now(lambda store: store.move(document.id, state, bench.now, "anna", "Na prośbę jednostki."))
        await until(lambda: bench.json(f"odrzucone/{MONTH}/a.json")["state"] == state.value)
    assert "Na prośbę jednostki." in bench.found(f"odrzucone/{MONTH}/a.blad.txt").read_text("utf-8-sig")
    assert bench.lying("w-toku") == []


@pytest.mark.parametrize("error", [WorkerTimeout(1), UnreadableInvoice("x"), ValueError("a fault of ours")])
async def test_a_broken_copy_does_not_hold_up_the_upo(bench: Bench, error: Exception) -> None:
    bench.workers.broken["draw"] = error
    async with bench.running():
        bench.number(await bench.post(sale(), "a.xml"))
        await until(lambda: bench.only().state is State.DELIVERED)
    assert bench.lying("wyslane") == ["a.json", "a.upo.xml", "a.xml"]
    assert "PDF" in bench.json("wyslane/*/a.json")["pdf_error"]
    assert [e.move for e in bench.moves(bench.only().id)][-2:] == ["pdf_failed", "ACCEPTED>DELIVERED"]


async def test_offline_document_gets_its_copy_while_it_waits(bench: Bench) -> None:
    async with bench.running():
        document = await bench.post(sale(), "o.xml", offline24=True)
        await until(lambda: bench.lying("w-toku") == ["o.json", "o.pdf"])
        bench.number(document)
        await until(lambda: bench.only().state is State.DELIVERED)
    assert bench.lying("w-toku") == []


async def test_fault_K16_received_invoices_go_to_their_unit_or_to_the_centre(bench: Bench) -> None:
    """Named by day, seller, number and KSeF number; unassigned ones only in the tray, with the reason."""
    one, two = "7770001111-20261120-AAAAAA-AAAAAA-7F", "7770001111-20261120-BBBBBB-BBBBBB-7F"
    bench.receive(sale("S/1"), one, SCHOOL, number="FV/7\\ą 1")
    bench.receive(b"<inny/>", two, None, number="Z 2", form=FormCode.PEF)
    async with bench.running():
        stem = f"2026-11-20_7770001111_FV-7---1_{one}"
        await until(lambda: bench.lying("odebrane") == [f"{stem}.json", f"{stem}.pdf", f"{stem}.xml"])
        await until(lambda: len(bench.lying("odebrane", layout.CENTRAL)) == 3)
        await until(lambda: not bench.spool.read_now(lambda store: store.unmirrored(20, bench.municipality.units)))
    said = bench.json("odebrane/2026-11/*.json", layout.CENTRAL)
    assert (said["schema"], said["unit"], said["why"], said["form"]) == (
        "sluza-received/1", None, "Nie wskazano jednostki.", "PEF (3)",
    )  # fmt: skip
    assert bench.lying("odebrane", WELFARE) == []
    assert bench.found("odebrane/2026-11/*.xml").read_bytes() == sale("S/1")


async def test_fault_K16_received_for_a_unit_no_longer_configured_goes_to_the_centre(bench: Bench) -> None:
    bench.receive(sale("S/1"), "7770001111-20261120-AAAAAA-AAAAAA-7F", "zamknieta")
    async with bench.running():
        await until(lambda: len(bench.lying("odebrane", layout.CENTRAL)) == 3)


# -- faults --------------------------------------------------------------------------------------------------------

HOSTILE = [
    "con", "CON.v1", "aux", "nul.xml", "com1", "lpt9.txt", "a", "A", "a.upo", "sam.upo", "a.blad", "a.XML", "ą",
    "a\u0328", "Ą", "kropka.", "spacja ", "ﬁ", "fi", "dwa:kropki", "a<b>|c?*", "..", "../../etc/passwd", "C:\\x\\y",
    "-rf", "\u202egpj", "nowy\nwiersz", "zero\u200bwidth", "x" * 300, "ż" * 200, "🧾" * 100, "FV/1/2026", " ", "",
]  # fmt: skip


async def test_fault_D10_names_never_collide_and_nothing_is_overwritten(bench: Bench) -> None:
    """Whatever units call their files: every document has its own files with its own bytes, safe on Windows."""
    async with bench.running(PATIENT, watch=False):
        for index, name in enumerate(HOSTILE):
            bench.number(await bench.post(sale(f"D10/{index}"), f"{name}.xml"))
        await until(lambda: all(d.state is State.DELIVERED for d in bench.documents()), 30)
    names = bench.lying("wyslane")
    assert len(names) == 4 * len(HOSTILE)
    folded = {unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold()) for name in names}
    assert len(folded) == len(names)
    kept = [p for p in (bench.root / SCHOOL / "wyslane").rglob("*.xml") if not p.name.endswith(".upo.xml")]
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in kept} == {d.sha256 for d in bench.documents()}
    upos = list((bench.root / SCHOOL / "wyslane").rglob("*.upo.xml"))
    assert len(upos) == len(HOSTILE)
    assert all(path.read_bytes().startswith(UPO) for path in upos)
    for name in names:
        assert len(name.encode()) <= 255
        assert not set(name) & set('<>:"/\\|?*\r\n')
        assert name.split(".")[0].rstrip().lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    outside = [p for p in bench.root.rglob("*") if p.is_file() and p.parent.parent != bench.root / SCHOOL / "wyslane"]
    assert {p.name for p in outside} == {layout.MARKER}


async def test_fault_D10_a_strangers_file_of_the_same_name_stays(bench: Bench) -> None:
    """Somebody's file already has the name, in other letter case: ours goes beside it, for every kind of ending."""
    await bench.set_up()
    strangers = {}
    for name in ("Faktura.xml", "druga.PDF", "trzecia.upo.xml", "czwarta.JSON"):
        path = bench.root / SCHOOL / "wyslane" / MONTH / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cudze " + name.encode())
        strangers[path] = path.read_bytes()
    async with bench.running(watch=False):
        for name in ("faktura", "DRUGA", "trzecia", "czwarta"):
            bench.number(await bench.post(sale(name), f"{name}.xml"))
        await until(lambda: all(d.state is State.DELIVERED for d in bench.documents()))
    assert {path: path.read_bytes() for path in strangers} == strangers
    assert len(bench.lying("wyslane")) == 4 + 4 * 4
    for document in bench.documents():
        assert f"{document.name}~{document.sha256[:8]}.json" in bench.lying("wyslane")


async def test_fault_D03_same_name_other_bytes_gives_two_results(bench: Bench) -> None:
    """The second `faktura.xml` of the month does not touch the files of the first."""
    async with bench.running():
        for number in ("1", "2"):
            path = bench.drop("faktura.xml", sale(number))
            await until(lambda path=path: not path.exists())
            bench.number(bench.documents()[-1])
            await until(lambda: all(d.state is State.DELIVERED for d in bench.documents()))
    first, second = bench.documents()
    assert bench.found(f"wyslane/{MONTH}/faktura.xml").read_bytes() == sale("1")
    assert bench.found(f"wyslane/{MONTH}/faktura~{second.sha256[:8]}.xml").read_bytes() == sale("2")
    assert bench.json(f"wyslane/{MONTH}/faktura.json")["id"] == first.id


async def test_two_live_documents_of_one_name_keep_their_own_progress(bench: Bench) -> None:
    """A refused `a.xml` that is queued again later finds its name in use by another live one."""
    async with bench.running(watch=False):
        old = await bench.post(sale("1"), "a.xml")
        bench.spool.write_now(lambda store: store.move(old.id, State.WITHDRAWN, bench.now, "anna", "Pomyłka."))
        await until(lambda: bench.lying("w-toku") == [] and bench.lying("odrzucone"))
        new = await bench.post(sale("2"), "a.xml")
        await until(lambda: bench.lying("w-toku") == ["a.json"])
        await bench.post(sale("1"), "a.xml")
        await until(lambda: bench.lying("w-toku") == ["a.json", f"a~{old.sha256[:8]}.json"])
        bench.number(new)
        await until(lambda: bench.lying("w-toku") == [f"a~{old.sha256[:8]}.json"])
        bench.spool.write_now(lambda store: store.move(old.id, State.HELD, bench.now, "anna", "n", reason="Pauza."))
        await until(lambda: bench.json("w-toku/a*.json")["reason"] == "Pauza.")


async def test_fault_D11_a_deleted_result_is_not_made_again(bench: Bench) -> None:
    """Deleting is the unit's right; neither a restart nor other work brings the files back."""
    bench.receive(sale("S/1"), "7770001111-20261120-AAAAAA-AAAAAA-7F", SCHOOL)
    async with bench.running():
        bench.number(await bench.post(sale(), "a.xml"))
        await until(lambda: bench.only().state is State.DELIVERED and len(bench.lying("odebrane")) == 3)
        await until(lambda: not bench.spool.read_now(lambda s: s.unmirrored(20, bench.municipality.units)))
    for path in (bench.root / SCHOOL).rglob("2026-11/*"):
        path.unlink()
    async with bench.running():
        other = await bench.post(sale("2"), "b.xml")
        bench.number(other)
        await until(lambda: len(bench.lying("wyslane")) == 4)
        delivered = bench.documents()[0]
        bench.spool.write_now(lambda store: store.touch(delivered.id, bench.now, due_local=bench.now))
        await until(lambda: bench.documents()[0].shown == bench.documents()[0].version)
    assert bench.lying("wyslane") == ["b.json", "b.pdf", "b.upo.xml", "b.xml"]
    assert bench.lying("odebrane") == []


async def test_fault_D11_an_unwritable_folder_holds_up_only_its_unit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results wait in the spool, others are delivered, and everything comes when the folder can be written; each
    is said once."""
    monkeypatch.setattr(returns, "_BACK_OFF_S", (0.1,))
    await bench.set_up()
    blocked = bench.root / SCHOOL / "wyslane"
    blocked.rmdir()
    blocked.write_text("a file where the folder should be")
    async with bench.running(watch=False):
        stuck = [await bench.post(sale(str(i)), f"s{i}.xml") for i in range(12)]
        free = await bench.post(sale("w"), "w.xml", WELFARE)
        with capture_logs() as logs:

            def said(event: str) -> int:
                return sum(entry["event"] == event for entry in logs)

            for document in (*stuck, free):
                bench.number(document)
            await until(lambda: len(bench.lying("wyslane", WELFARE)) == 4)
            await until(lambda: said("folder_not_written"))
            assert all(d.state is State.ACCEPTED for d in bench.documents(SCHOOL))
            assert (said("folder_not_written"), said("folder_written_again")) == (1, 0)
            blocked.unlink()
            await until(lambda: all(d.state is State.DELIVERED for d in bench.documents()))
        assert (said("folder_not_written"), said("folder_written_again")) == (1, 1)
    assert len(bench.lying("wyslane")) == 4 * len(stuck)


def test_fault_D11_what_can_be_written_elsewhere_does_not_end_the_alert() -> None:
    """`w-toku/` is written while `wyslane/` cannot be: one alert, until what could not be written is."""
    pauses = returns._Pauses()
    blocked, other = returns._Task(SCHOOL, "a", received=False), returns._Task(SCHOOL, "b", received=False)
    with capture_logs() as logs:
        for _ in range(2):
            pauses.failed(blocked, layout.FoldersUnavailableError())
            pauses.succeeded(other)
        pauses.succeeded(blocked)
        pauses.failed(blocked, layout.FoldersUnavailableError())
    told = ["folder_not_written", "folder_written_again", "folder_not_written"]
    assert [entry["event"] for entry in logs] == told


async def test_fault_D11_one_locked_file_holds_up_only_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accounting program holds one file; the unit's other results come, and this one when it lets go."""
    locked = True
    real = files.write

    def write(path: Path, content: bytes, mode: int = 0o660) -> None:
        if locked and path.name == "zajety.upo.xml":
            raise PermissionError(13, "file is locked", str(path))
        real(path, content, mode)

    monkeypatch.setattr(files, "write", write)
    async with bench.running(watch=False):
        bench.number(await bench.post(sale("1"), "zajety.xml"))
        for i in range(2, 6):
            bench.number(await bench.post(sale(str(i)), f"wolny{i}.xml"))
        await until(lambda: sum(d.state is State.DELIVERED for d in bench.documents()) == 4)
        locked = False
        await until(lambda: all(d.state is State.DELIVERED for d in bench.documents()))
    assert len(bench.lying("wyslane")) == 20


async def test_fault_F08_results_are_not_written_into_an_empty_mount_point(bench: Bench) -> None:
    """The marker has gone with the mount: nothing is created, not even by a restart, until it is back."""
    await bench.set_up()
    real = bench.root / "mounted-elsewhere"
    (bench.root / SCHOOL).rename(real)
    (bench.root / SCHOOL).mkdir()
    async with bench.running(watch=False):
        with capture_logs() as logs:
            document = await bench.post(sale(), "a.xml")
            await until(lambda: any(entry["event"] == "folder_not_written" for entry in logs))
        bench.number(document)
        await asyncio.sleep(0.5)
        assert list((bench.root / SCHOOL).iterdir()) == []
        (bench.root / SCHOOL).rmdir()
        real.rename(bench.root / SCHOOL)
        await until(lambda: bench.only().state is State.DELIVERED)


async def test_fault_F08_the_folder_of_another_unit_is_not_ours(bench: Bench) -> None:
    """Mounted in the wrong place: the marker names its owner, so nothing of one unit gets to another (I7)."""
    await bench.set_up()
    school, welfare = bench.root / SCHOOL, bench.root / WELFARE
    school.rename(bench.root / "x")
    welfare.rename(school)
    async with bench.running(watch=False):
        await bench.post(sale(), "a.xml")
        await asyncio.sleep(0.5)
    assert bench.lying("w-toku") == []


@pytest.mark.parametrize("point", ["write:1", "write:2", "write:3", "write:4", "remove:1", "remove:2", "nothing:1"])
async def test_delivery_converges_after_a_crash_at_any_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Killed before the n-th file or the commit, then started again: one set of files, and the JSON says DELIVERED."""
    await bench.set_up()
    document = await bench.post(sale(), "a.xml")
    bench.number(document)
    told = _told(bench, bench.only())
    filing = Filing(bench.root, Shelf())
    filing.progress(outcome.waiting(told, bench.municipality))
    kind, _, at = point.partition(":")
    with monkeypatch.context() as broken, contextlib.suppress(_Killed):
        _stop_at(broken, kind, int(at))
        filing.sent(outcome.delivered(told, bench.municipality, bench.now), told.raw, told.upo or b"", b"%PDF-1")
        assert kind == "nothing", "the point was not reached"
    bench.later(hours=1)
    async with bench.running(watch=False):
        await until(lambda: bench.only().state is State.DELIVERED)
    assert bench.lying("wyslane") == ["a.json", "a.pdf", "a.upo.xml", "a.xml"]
    assert bench.lying("w-toku") == []
    said = bench.json("wyslane/*/a.json")
    assert said["state"] == "DELIVERED"
    (moved,) = [e for e in bench.moves(document.id) if e.state == "DELIVERED"]
    assert said["history"][-1]["at"] == local(moved.at)


class _Killed(BaseException):
    pass


def _stop_at(monkeypatch: pytest.MonkeyPatch, kind: str, at: int) -> None:
    if kind == "nothing":
        return
    left = [at]
    real = getattr(files, kind)

    def stopped(*args: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise _Killed
        real(*args)

    monkeypatch.setattr(files, kind, stopped)


def _told(bench: Bench, document: Document) -> Told:
    def read(store: Store) -> Told:
        history = tuple(store.history(document.id))
        upo = store.body(document.upo_sha256) if document.upo_sha256 else None
        return Told(document, history, store.body(document.sha256), upo)

    return bench.spool.read_now(read)
