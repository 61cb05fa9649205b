"""Folders that are not there: told, never fatal; and units that are no longer configured starve nobody."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.folders import layout, returns
from gateway.folders.presence import Presence
from gateway.folders.returns import Returns
from gateway.web.health import findings
from gateway.web.snapshot import take
from spool.domain.errors import NoRoom
from spool.domain.states import State
from tests.folders_bench import SCHOOL, WELFARE, Bench, bench_at, sale, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


def sentences(bench: Bench) -> str:
    """Everything that the status page would say."""
    units = bench.municipality.units
    seen = bench.spool.read_now(lambda s: take(s, bench.municipality.contexts, bench.now, units))
    return " ".join(f.sentence for f in findings(seen))


async def test_fault_F08_an_unusable_root_does_not_end_the_returns(bench: Bench, tmp_path: Path) -> None:
    """One alert, then results as soon as the root can be used."""
    bench.root.write_text("a file where the folders should be")
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.ensure_future(
            Returns(bench.spool, bench.workers, bench.municipality, bench.root, bench.clock).run(stop)
        )
        await until(lambda: [entry for entry in logs if entry["event"] == "folders_not_set_up"])
        await asyncio.sleep(0)
        assert not running.done()
    bench.root.unlink()
    await bench.post(sale(), "a.xml")
    await until(lambda: bench.lying("w-toku") == ["a.json"])
    stop.set()
    await running


async def test_fault_F04_no_room_to_set_folders_up_ends_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at the start of a new unit: tried again, and its results come as soon as there is room."""
    real, tried = returns.set_up, list[int]()

    async def full_at_first(*args: Any) -> None:
        tried.append(1)
        if len(tried) == 1:
            raise NoRoom("disk_full", "Na dysku brakuje miejsca.", "Proszę zwolnić miejsce.")
        await real(*args)

    monkeypatch.setattr(returns, "set_up", full_at_first)
    monkeypatch.setattr(returns, "_BACK_OFF_S", (0.05,))
    stop = asyncio.Event()
    running = asyncio.ensure_future(
        Returns(bench.spool, bench.workers, bench.municipality, bench.root, bench.clock).run(stop)
    )
    await bench.post(sale(), "a.xml")
    await until(lambda: bench.lying("w-toku") == ["a.json"])
    stop.set()
    await running


async def test_fault_F08_a_lost_folder_is_a_condition_until_it_is_back(bench: Bench) -> None:
    await bench.set_up()
    presence = Presence(bench.spool, bench.municipality, bench.root, bench.clock)
    await presence.look()
    assert "folder" not in sentences(bench).lower()
    marker = bench.root / SCHOOL / layout.MARKER
    marker.rename(bench.root / "marker")
    await presence.look()
    assert f"Niedostępny folder: „{SCHOOL}”" in sentences(bench)
    (condition,) = bench.spool.read_now(lambda s: s.conditions(""))
    assert (condition.name, condition.value["since"]) == (f"folder:{SCHOOL}", bench.now.isoformat())
    (bench.root / "marker").rename(marker)
    await presence.look()
    assert bench.spool.read_now(lambda s: s.conditions("")) == []
    bench.root.rename(bench.root.with_name("away"))
    await presence.look()
    assert "Foldery jednostek są niedostępne" in sentences(bench)
    assert "Niedostępny folder:" not in sentences(bench)


async def test_a_unit_no_longer_configured_starves_nobody_and_is_told(bench: Bench) -> None:
    """More unshown documents than one page, of a unit that was taken out: the school's results still come."""
    await bench.set_up()
    one = await bench.post(sale("W/0"), "w.xml", WELFARE)

    def copy(number: int) -> None:
        raw = sale(f"W/{number}")
        bench.spool.write_now(lambda s: s._db.execute(
            "INSERT INTO body (sha256, size, packed) SELECT ?, size, packed FROM body WHERE sha256 = ?",
            (f"{number:064x}", one.sha256)
        ))  # fmt: skip
        columns = [row["name"] for row in bench.spool.read_now(lambda s: s._db.execute(
            "SELECT name FROM pragma_table_info('document')").fetchall())]  # fmt: skip
        own = {"seq": "NULL", "id": f"'x{number}'", "sha256": f"'{number:064x}'", "number_key": f"'W/{number}'"}
        chosen = ", ".join(own.get(name, name) for name in columns)
        bench.spool.write_now(lambda s: s._db.execute(
            f"INSERT INTO document SELECT {chosen} FROM document WHERE id = ?", (one.id,)
        ))  # fmt: skip
        assert raw

    for number in range(1, 220):
        copy(number)
    document = await bench.post(sale("S/1"), "s.xml")
    bench.number(document)
    units = {SCHOOL: bench.municipality.units[SCHOOL]}
    bench.municipality = replace(bench.municipality, units=units)
    async with bench.running(watch=False):
        await until(lambda: bench.documents(SCHOOL)[0].state is State.DELIVERED)
    assert f"220 faktur: jednostki „{WELFARE}” nie ma już w konfiguracji" in sentences(bench)


async def test_the_backlog_of_one_unit_holds_up_no_other(bench: Bench) -> None:
    """Each unit's first unshown documents are read, however many another unit has before them."""
    await bench.set_up()
    for number in range(5):
        await bench.post(sale(f"S/{number}"), f"s{number}.xml")
    theirs = await bench.post(sale("W/1"), "w.xml", WELFARE)
    found = bench.spool.read_now(lambda store: store.unshown(2, (SCHOOL, WELFARE)))
    assert [unit for unit, _ in found].count(SCHOOL) == 2
    assert (WELFARE, theirs.id) in found
