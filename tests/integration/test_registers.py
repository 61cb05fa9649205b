"""The monthly registers in the units' folders: what an accountant finds there, and what nobody may find."""

import asyncio
import csv
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from gateway.folders import layout
from gateway.registers import keeper as keeping
from gateway.registers.gather import Sources, rows
from gateway.registers.keeper import Keeper, Pace
from spool.domain.errors import SpoolError
from spool.domain.ledger import FOLDER, KSEF_LETS_GO
from spool.domain.registers import ISSUED, RECEIVED
from spool.domain.retention import Classes
from spool.domain.states import State
from spool.store.registers import WHOLE
from spool.workers import WorkerCrashed
from tests.folders_bench import NOW, SCHOOL, WELFARE, Bench, bench_at, sale, until
from tests.register_samples import KSEF, purchase

MONTH = "2026-11"
BY_DEFAULT = Classes()
AT_ONCE = Pace(quiet_s=0, longest_s=0, failed_s=0, rest=0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


def keeper(bench: Bench, classes: Classes = BY_DEFAULT, pace: Pace = AT_ONCE) -> Keeper:
    """The loop's work, step by step, with the bench's workers."""
    return Keeper(
        Sources(bench.spool, bench.workers, bench.municipality, classes), bench.root, bench.state, bench.clock, pace
    )  # type: ignore[arg-type]


def folder(bench: Bench, unit: str = SCHOOL) -> Path:
    return bench.root / unit / layout.REGISTERS


def in_csv(bench: Bench, stem: str, unit: str = SCHOOL) -> list[dict[str, str]]:
    """The rows of a CSV file by their headings."""
    with (folder(bench, unit) / f"{stem}.csv").open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=";"))


def in_xlsx(bench: Bench, stem: str, unit: str = SCHOOL) -> list[dict[str, Any]]:
    """The rows of a workbook by their headings, with the types of their cells."""
    sheet = openpyxl.load_workbook(folder(bench, unit) / f"{stem}.xlsx").active
    lines = list(sheet.iter_rows(values_only=True))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


async def test_an_issued_invoice_is_in_the_registers_of_its_unit_and_of_the_municipality(bench: Bench) -> None:
    """Number, buyer, amounts, number day, UPO and mark; the same in CSV and XLSX, typed there."""
    await bench.set_up()
    document = await bench.post(sale(), "a.xml")
    number = bench.number(document)
    await keeper(bench).step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Numer faktury"], line["Data wystawienia"], line["Numer KSeF"]) == ("FV/1/2026", "2026-11-20", number)
    assert (line["UPO"], line["Oznaczenie JPK_V7M"], line["Stan"]) == ("tak", "NrKSeF", "przyjęta, ma numer KSeF")
    (cells,) = in_xlsx(bench, f"wystawione-{MONTH}")
    assert cells["Data wystawienia"] == datetime.fromisoformat("2026-11-20")
    assert cells["Numer KSeF"] == number
    assert Decimal(str(cells["Brutto"])) == Decimal(line["Brutto"].replace(",", "."))
    assert round(cells["Netto"] + cells["VAT"], 2) == cells["Brutto"]
    assert in_csv(bench, f"wystawione-{MONTH}", layout.CENTRAL) == [line]
    assert not folder(bench, WELFARE).joinpath(f"wystawione-{MONTH}.csv").exists()


async def test_invariant_a_purchase_moved_to_another_unit_leaves_the_first_ones_register(bench: Bench) -> None:
    """What belongs to another unit is gone from the file, in every month that showed it, even as the last row."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    bench.receive(purchase("D/2"), KSEF[:-2] + "80", SCHOOL, number="D/2")
    early = bench.spool.read_now(lambda store: store.received(KSEF))
    bench.spool.write_now(lambda store: store.enter_receipt(early, date(2026, 10, 30), NOW, "anna"))
    kept = keeper(bench)
    await kept.step()
    assert [r["Numer faktury"] for r in in_csv(bench, "otrzymane-2026-10")] == ["D/1"]
    assert [r["Numer faktury"] for r in in_csv(bench, f"otrzymane-{MONTH}")] == ["D/2"]
    bench.spool.write_now(lambda store: store._db.execute("UPDATE received SET unit = ?", (WELFARE,)))
    await kept.step()
    for month in ("2026-10", MONTH):
        assert in_csv(bench, f"otrzymane-{month}") == in_xlsx(bench, f"otrzymane-{month}") == []
    assert [r["Numer faktury"] for r in in_csv(bench, "otrzymane-2026-10", WELFARE)] == ["D/1"]
    assert [r["Jednostka"] for r in in_csv(bench, f"otrzymane-{MONTH}", layout.CENTRAL)] == [
        "Ośrodek Pomocy Społecznej"
    ]


async def test_a_register_has_only_its_own_units_rows(bench: Bench) -> None:
    """Each unit sees its own, the municipality's has all of them and the central tray."""
    await bench.set_up()
    for n, unit in enumerate((SCHOOL, WELFARE, None, SCHOOL)):
        bench.receive(purchase(f"D/{n}"), f"{KSEF[:-2]}{n:02}", unit, number=f"D/{n}")
    await keeper(bench).step()
    stem = f"otrzymane-{MONTH}"
    assert [r["Numer faktury"] for r in in_csv(bench, stem)] == ["D/0", "D/3"]
    assert [r["Numer faktury"] for r in in_csv(bench, stem, WELFARE)] == ["D/1"]
    whole = in_csv(bench, stem, layout.CENTRAL)
    assert [r["Numer faktury"] for r in whole] == ["D/1", "D/0", "D/3", "D/2"]
    assert whole[-1]["Jednostka"] == "(tacka centralna)"


async def test_rule_D1_the_month_of_a_purchase_is_its_number_day_in_warsaw(bench: Bench) -> None:
    """Eleven in the evening UTC on 30 November is 1 December in Warsaw."""
    await bench.set_up()
    bench.now = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
    bench.receive(purchase("D/1"), KSEF, SCHOOL, number="D/1")
    bench.now = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    bench.receive(purchase("D/2"), KSEF[:-2] + "80", SCHOOL, number="D/2")
    await keeper(bench).step()
    (november,) = in_csv(bench, "otrzymane-2026-11")
    (december,) = in_csv(bench, "otrzymane-2026-12")
    assert (november["Numer faktury"], november["Data otrzymania"]) == ("D/1", "2026-11-30")
    assert (december["Numer faktury"], december["Data otrzymania"]) == ("D/2", "2026-12-01")
    assert december["Podstawa daty otrzymania"] == "dzień nadania numeru KSeF"


async def test_rule_D2_an_entered_day_of_actual_receipt_decides(bench: Bench) -> None:
    """Only a day before that of the number can be one; the payment title is not demanded of a failure's invoice."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    invoice = bench.spool.read_now(lambda store: store.received(KSEF))
    kept = keeper(bench)
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}")[0]["Tytuł płatności od 2027 r. (numer KSeF)"] == KSEF
    bench.spool.write_now(lambda store: store.enter_receipt(invoice, date(2026, 11, 17), NOW, "anna"))
    await kept.step()
    (line,) = in_csv(bench, f"otrzymane-{MONTH}")
    assert (line["Data otrzymania"], line["Dzień nadania numeru KSeF"]) == ("2026-11-17", "2026-11-20")
    assert line["Tytuł płatności od 2027 r. (numer KSeF)"] == ""
    assert [e.move for e in bench.spool.read_now(lambda s: s.history(KSEF))][-1] == "receipt"


async def test_a_register_is_written_only_when_it_says_something_else(bench: Bench) -> None:
    """A mark without a change leaves the file as it lies; the same rows make the same bytes, whenever."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    kept = keeper(bench)
    await kept.step()
    paths = [folder(bench) / f"otrzymane-{MONTH}.{ending}" for ending in ("csv", "xlsx")]
    before = [(path.stat().st_ino, path.read_bytes()) for path in paths]
    bench.later(hours=1)
    bench.spool.write_now(lambda store: store.mark_registers(["received"], [SCHOOL], [MONTH]))
    await kept.step()
    assert [(path.stat().st_ino, path.read_bytes()) for path in paths] == before
    for path in paths:
        path.unlink()
    bench.spool.write_now(lambda store: store.mark_registers(["received"], [SCHOOL], [MONTH]))
    await kept.step()
    assert [path.read_bytes() for path in paths] == [content for _, content in before]


async def test_a_late_number_is_written_into_the_closed_month(bench: Bench) -> None:
    """The month is that of the issue date, whenever the number comes."""
    await bench.set_up()
    document = await bench.post(sale(), "a.xml")
    kept = keeper(bench)
    await kept.step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Stan"], line["Numer KSeF"], line["UPO"]) == ("w kolejce", "", "nie")
    bench.later(days=20)
    number = bench.number(document)
    await kept.step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Numer KSeF"], line["Dzień nadania numeru KSeF"]) == (number, "2026-12-10")


async def test_a_change_during_the_writing_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark outlives a writing that began before the change."""
    await bench.set_up()
    bench.receive(purchase("D/1"), KSEF, SCHOOL, number="D/1")
    kept, gather = keeper(bench), Keeper._gather

    async def slow(self: Keeper, mark: Any, lines: Path) -> int:
        count = await gather(self, mark, lines)
        if mark.unit == SCHOOL:
            bench.receive(purchase("D/2"), KSEF[:-2] + "80", SCHOOL, number="D/2")
        return count

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "_gather", slow)
        await kept.step()
    assert [r["Numer faktury"] for r in in_csv(bench, f"otrzymane-{MONTH}")] == ["D/1"]
    await kept.step()
    assert [r["Numer faktury"] for r in in_csv(bench, f"otrzymane-{MONTH}")] == ["D/1", "D/2"]
    assert bench.spool.read_now(lambda store: store.stale_registers()) == []


async def test_fault_X26_a_purchase_that_breaks_its_reader_is_in_the_register_all_the_same(bench: Bench) -> None:
    """It says so, without amounts; the invoice beside it has its own, and the reading is not tried at every writing."""
    await bench.set_up()
    bench.receive(purchase("D/1"), KSEF, SCHOOL, number="D/1")
    bench.receive(b"<Faktura>" + b"<a>" * 300, KSEF[:-2] + "80", SCHOOL, number="D/2")
    run = bench.workers.run

    async def dying(work: Any, *args: Any, **more: Any) -> Any:
        if work.__name__ == "read_books" and any(raw.startswith(b"<Faktura>") for raw in args[0]):
            bench.workers.deaths += 1
            raise WorkerCrashed("exit code 139")
        return await run(work, *args, **more)

    bench.workers.run = dying  # type: ignore[method-assign]
    kept = keeper(bench)
    await kept.step()
    good, bad = in_csv(bench, f"otrzymane-{MONTH}")
    assert (good["Netto"], good["VAT"], good["Brutto"], good["Uwagi"]) == ("100,00", "23,00", "123,00", "")
    assert (bad["Numer faktury"], bad["Brutto"], bad["Zapłacona"]) == ("D/2", "", "")
    assert "nie udało się odczytać" in bad["Uwagi"]
    deaths = bench.workers.deaths
    bench.spool.write_now(lambda store: store.mark_registers(["received"], [SCHOOL], [MONTH]))
    await kept.step()
    assert bench.workers.deaths == deaths


async def test_fault_X11_a_supplier_cannot_put_a_formula_into_the_register(bench: Bench) -> None:
    """CSV: an apostrophe in front. XLSX: a text cell. An invoice number that looks like a day stays what it is."""
    await bench.set_up()
    evil = '=HYPERLINK("http://evil.example";"Kliknij")'
    bench.receive(purchase(), KSEF, SCHOOL, number="11/12/2026", seller_name=evil)
    await keeper(bench).step()
    (line,) = in_csv(bench, f"otrzymane-{MONTH}")
    assert line["Dostawca"] == f"'{evil}"
    assert line["Numer faktury"] == "'11/12/2026"
    assert line["NIP dostawcy"] == "'7770001111"
    assert line["Numer KSeF"] == KSEF
    sheet = openpyxl.load_workbook(folder(bench) / f"otrzymane-{MONTH}.xlsx").active
    cells = {sheet.cell(1, n).value: sheet.cell(2, n) for n in range(1, sheet.max_column + 1)}
    assert (cells["Dostawca"].value, cells["Dostawca"].data_type) == (evil, "s")
    assert (cells["Numer faktury"].value, cells["Numer faktury"].data_type) == ("11/12/2026", "s")
    assert (cells["NIP dostawcy"].value, cells["NIP dostawcy"].number_format) == ("7770001111", "@")


async def test_fault_F08_a_folder_that_is_not_there_waits_alone(bench: Bench) -> None:
    """The others are written; when it is back, so is its register."""
    await bench.set_up()
    for n, unit in enumerate((SCHOOL, WELFARE)):
        bench.receive(purchase(f"D/{n}"), f"{KSEF[:-2]}{n:02}", unit, number=f"D/{n}")
    marker = bench.root / SCHOOL / layout.MARKER
    marker.rename(bench.root / "aside")
    kept = keeper(bench)
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}", WELFARE)
    assert in_csv(bench, f"otrzymane-{MONTH}", layout.CENTRAL)
    assert list(folder(bench).iterdir()) == []
    (bench.root / "aside").rename(marker)
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}")


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.QUARANTINED, State.REFUSED])
async def test_what_is_no_invoice_is_not_in_the_register(bench: Bench, state: State) -> None:
    """An entry goes again when its document was withdrawn, set aside or refused."""
    await bench.set_up()
    document = await bench.post(sale(), "a.xml")
    kept = keeper(bench)
    await kept.step()
    assert len(in_csv(bench, f"wystawione-{MONTH}")) == 1
    bench.spool.write_now(lambda store: store.move(document.id, state, bench.now, "anna", "Na prośbę."))
    await kept.step()
    assert in_csv(bench, f"wystawione-{MONTH}") == []


async def test_pages_leave_nothing_out_and_repeat_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the pages fall, also when all rows are of one day and one instant."""
    monkeypatch.setattr("gateway.registers.gather.PAGE", 3)
    await bench.set_up()
    for n in range(10):
        await bench.post(sale(f"FV/{n}/2026"), f"{n}.xml", (SCHOOL, WELFARE)[n % 2])
        bench.receive(purchase(f"D/{n}"), f"{KSEF[:-2]}{n:02}", (SCHOOL, None)[n % 2], number=f"D/{n}")
    sources = Sources(bench.spool, bench.workers, bench.municipality, Classes())  # type: ignore[arg-type]

    async def numbers(kind: str, unit: str) -> list[Any]:
        at = (ISSUED if kind == "issued" else RECEIVED).keys.index("number")
        return [row[at] async for row in rows(sources, kind, unit, MONTH)]

    assert await numbers("issued", SCHOOL) == [f"FV/{n}/2026" for n in range(0, 10, 2)]
    assert await numbers("issued", WHOLE) == [f"FV/{n}/2026" for n in (*range(1, 10, 2), *range(0, 10, 2))]
    assert await numbers("received", WHOLE) == [f"D/{n}" for n in (*range(0, 10, 2), *range(1, 10, 2))]


async def test_a_changed_configuration_writes_all_registers_anew(bench: Bench) -> None:
    """The class of a unit's documents is shown, and how long they are kept; a document's own class wins."""
    await bench.set_up()
    document = await bench.post(sale(), "a.xml")
    await keeper(bench).step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Klasa archiwalna"], line["Przechowywać do"]) == ("KSeF-10", "2036-12-31")
    classes = Classes({"KSeF-10": 10, "B25": 25, "A": 0}, units={SCHOOL: "B25"})
    kept = keeper(bench, classes)
    await kept.step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Klasa archiwalna"], line["Przechowywać do"]) == ("B25", "2051-12-31")
    bench.spool.write_now(lambda store: store.set_retention(document.id, "A", NOW, "anna"))
    await kept.step()
    (line,) = in_csv(bench, f"wystawione-{MONTH}")
    assert (line["Klasa archiwalna"], line["Przechowywać do"]) == ("A", "")


async def test_the_year_that_ksef_lets_go_of_is_told_in_its_last_year(bench: Bench) -> None:
    """From October 2036 people are told of the invoices of 2026; before that, and in 2037, they are not."""
    await bench.set_up()
    await bench.post(sale(), "a.xml")
    bench.receive(purchase(), KSEF, SCHOOL)
    told = []
    for year, month in ((2035, 11), (2036, 9), (2036, 10), (2037, 11)):
        bench.now = NOW.replace(year=year, month=month)
        await keeper(bench).step()
        found = bench.spool.read_now(lambda store: store.condition("", KSEF_LETS_GO))
        told.append(found and found.value)
    assert told == [None, None, {"year": 2026, "issued": 1, "received": 1}, None]


async def test_the_loop_outlives_a_spool_that_cannot_be_read_now(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing look is tried again, and what waited is written then."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    monkeypatch.setattr("gateway.registers.keeper._POLL_S", 0.01)
    kept, stop, step, tries = keeper(bench), asyncio.Event(), Keeper.step, 0

    async def failing(self: Keeper) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise SpoolError("zajęty")
        await step(self)

    monkeypatch.setattr(Keeper, "step", failing)
    running = asyncio.ensure_future(kept.run(stop))
    await until(lambda: in_csv(bench, f"otrzymane-{MONTH}", layout.CENTRAL))
    stop.set()
    await asyncio.wait_for(running, 60)


async def test_a_stop_in_the_middle_of_a_register_loses_no_mark(bench: Bench) -> None:
    """However long it takes, the process ends at once, and the next one writes it."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    run, begun, never = bench.workers.run, asyncio.Event(), asyncio.Event()

    async def hanging(work: Any, *args: Any, **more: Any) -> Any:
        begun.set()
        await never.wait()

    bench.workers.run = hanging  # type: ignore[method-assign]
    stop = asyncio.Event()
    running = asyncio.ensure_future(keeper(bench).run(stop))
    await asyncio.wait_for(begun.wait(), 60)
    stop.set()
    await asyncio.wait_for(running, 60)
    bench.workers.run = run  # type: ignore[method-assign]
    assert list((bench.state / "registers").iterdir()) == []
    await keeper(bench).step()
    assert in_csv(bench, f"otrzymane-{MONTH}")


async def test_fault_F08_a_share_that_hangs_holds_up_no_other_unit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while it counts as failed; the others are written, and it is when it answers again."""
    await bench.set_up()
    for n, unit in enumerate((SCHOOL, WELFARE)):
        bench.receive(purchase(f"D/{n}"), f"{KSEF[:-2]}{n:02}", unit, number=f"D/{n}")
    require, answers = layout.require, threading.Event()

    def hanging(root: Path, unit: str) -> Path:
        if unit == SCHOOL:
            answers.wait(20)
        return require(root, unit)

    monkeypatch.setattr(layout, "require", hanging)
    monkeypatch.setattr("gateway.registers.keeper._ANSWERS_WITHIN_S", 0.3)
    kept = keeper(bench)
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}", WELFARE)
    assert not list(folder(bench).iterdir())
    answers.set()
    monkeypatch.setattr("gateway.registers.keeper._ANSWERS_WITHIN_S", 20)
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}")


async def test_invariant_a_thread_that_wakes_late_writes_no_other_units_register(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The school's share hangs until the welfare centre's files are ready to be handed out; then it answers."""
    await bench.set_up()
    for n, unit in enumerate((SCHOOL, WELFARE)):
        bench.receive(purchase(f"D/{n}"), f"{KSEF[:-2]}{n:02}", unit, number=f"D/{n}")
    hand_out, run = keeping._hand_out, bench.workers.run
    ready, awake = threading.Event(), threading.Event()

    def hanging(root: Path, owner: str, *rest: Any) -> None:
        if owner == SCHOOL:
            ready.wait(20)
        try:
            hand_out(root, owner, *rest)
        finally:
            awake.set()

    async def in_time(work: Any, *args: Any, **more: Any) -> Any:
        done = await run(work, *args, **more)
        if work.__name__ == "write_both" and "Szkoła" not in args[2].title and "Gmina" not in args[2].title:
            ready.set()
            await asyncio.to_thread(awake.wait, 20)
        return done

    bench.workers.run = in_time  # type: ignore[method-assign]
    monkeypatch.setattr(keeping, "_hand_out", hanging)
    monkeypatch.setattr(keeping, "_ANSWERS_WITHIN_S", 0.3)
    marks = [mark for mark in bench.spool.read_now(lambda s: s.stale_registers()) if mark.unit in {SCHOOL, WELFARE}]
    kept = keeper(bench)
    for mark in sorted(marks, key=lambda mark: mark.unit != SCHOOL):
        await kept._keep(mark)
    assert awake.is_set()
    path = folder(bench) / f"otrzymane-{MONTH}.csv"
    assert not path.exists() or "D/1" not in path.read_text(encoding="utf-8-sig")


async def test_fault_F08_a_folder_known_to_be_lost_is_not_waited_for(bench: Bench) -> None:
    """Presence has said so; its mark stays until it is back."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    lost = {"since": NOW.isoformat(), "detail": "Folder nie odpowiada."}
    bench.spool.write_now(lambda store: store.set_condition("", FOLDER + SCHOOL, lost, NOW))
    kept = keeper(bench)
    await kept.step()
    assert list(folder(bench).iterdir()) == []
    bench.spool.write_now(lambda store: store.set_condition("", FOLDER + SCHOOL, None, NOW))
    await kept.step()
    assert in_csv(bench, f"otrzymane-{MONTH}")


async def test_rule_D1_an_entered_day_that_does_not_count_moves_nothing(bench: Bench) -> None:
    """KSeF says that it was issued online: it is in the month of its number, and only there."""
    await bench.set_up()
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    online = 'UPDATE received SET metadata = \'{"invoicingMode": "Online"}\''
    bench.spool.write_now(lambda store: store._db.execute(online))
    invoice = bench.spool.read_now(lambda store: store.received(KSEF))
    bench.spool.write_now(lambda store: store.enter_receipt(invoice, date(2026, 10, 30), NOW, "anna"))
    await keeper(bench).step()
    assert [r["Data otrzymania"] for r in in_csv(bench, f"otrzymane-{MONTH}")] == ["2026-11-20"]
    assert not (folder(bench) / "otrzymane-2026-10.csv").exists()
