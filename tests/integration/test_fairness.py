"""One unit's thousands do not stand before another unit's only one: neither on the way in nor on the way back (F18)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admission import Verdict
from gateway.folders.layout import CENTRAL
from gateway.folders.returns import Returns, _Task
from gateway.folders.watcher import Watcher
from gateway.intake import Origin
from spool.domain.ledger import Document
from tests.folders_bench import FAST, SCHOOL, WELFARE, Bench, bench_at, sale, until

MANY = 300


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A town with two units."""
    with bench_at(tmp_path) as made:
        yield made


class HangingDoor:
    """A front door that never comes back with the school's files."""

    def __init__(self) -> None:
        self.handed_in: list[str] = []
        self.done: list[str] = []
        self.open = asyncio.Event()

    async def accept(self, raw: bytes, origin: Origin, *, may_wait: bool = False) -> list[Verdict]:
        self.handed_in.append(origin.unit.id)
        if origin.unit.id == SCHOOL:
            await self.open.wait()
        self.done.append(origin.unit.id)
        return [Verdict("new", origin.name)]


async def test_fault_F18_a_full_folder_does_not_starve_another_units_intake(bench: Bench) -> None:
    """Hundreds of files of one unit, and all of them hang: the other unit's file, dropped later, is taken."""
    await bench.set_up()
    for n in range(MANY):
        bench.drop(f"s{n}.xml", b"<a/>")
    door, stop = HangingDoor(), asyncio.Event()
    watcher = Watcher(door, bench.municipality, bench.root, FAST, bench.clock)  # type: ignore[arg-type]
    running = asyncio.ensure_future(watcher.run(stop))
    await until(lambda: door.handed_in)
    path = bench.drop("jedyny.xml", b"<b/>", WELFARE)
    await until(lambda: not path.exists())
    assert door.done == [WELFARE]
    assert door.handed_in.count(SCHOOL) < MANY
    stop.set()
    door.open.set()
    await running


class Listening(Returns):
    """The real one, except that showing only notes the order and marks it as shown."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.spool, bench.workers, bench.municipality, bench.root, bench.clock)  # type: ignore[arg-type]
        self.order: list[_Task] = []

    async def _show(self, task: _Task) -> None:
        self.order.append(task)

        def job(store: Any) -> None:
            if task.received:
                store.mark_mirrored(task.key, store.received(task.key).unit, self._clock())
            else:
                store.mark_shown(store.document(task.key))

        await self._spool.write(job)


async def shown(bench: Bench, unit: str, received: bool) -> int:
    """After how many others this unit's only one had its turn."""
    await bench.set_up()
    returns, stop = Listening(bench), asyncio.Event()
    running = asyncio.ensure_future(returns.run(stop))
    wanted = await until(lambda: next((t for t in returns.order if t.unit == unit and t.received is received), None))
    stop.set()
    await running
    return returns.order.index(wanted)


async def test_fault_F18_many_results_do_not_starve_another_units_result(bench: Bench) -> None:
    """The only result of one unit is among the first, behind however many of another."""

    async def put(number: str, unit: str) -> Document:
        return await bench.post(sale(number), f"{number[0]}{number[3:]}.xml", unit)

    for n in range(60):
        await put(f"FV/{n}", SCHOOL)
    await bench.post(b"<inne/>", "w.xml", WELFARE)
    assert await shown(bench, WELFARE, False) < 8


@pytest.mark.parametrize("unit", [WELFARE, CENTRAL])
async def test_fault_F18_many_purchases_do_not_starve_another_units_purchase(bench: Bench, unit: str) -> None:
    """The same for received invoices, also for those in the central tray."""
    for n in range(MANY):
        bench.receive(b"<a>%d</a>" % n, f"7770001111-20261120-{n:06d}-AAAAAA-7F", SCHOOL)
    bench.receive(b"<b/>", "7770001111-20261120-BBBBBB-BBBBBB-7F", None if unit == CENTRAL else unit)
    assert await shown(bench, unit, True) < 8
