"""Purchases that nobody assigns are told, once each, in one message, and the warning ends with the last of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spool.domain.document import Facts
from spool.domain.ledger import TRAY, NewReceived
from tests.alarms_bench import OFFICE, Bench, alerts, at, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as found:
        yield found


def lay(bench: Bench, number: str, unit: str | None = None) -> None:
    """A purchase comes in now."""
    raw = number.encode()
    facts = Facts(seller_nip="7770001111", seller_name="Dostawca", number=number, gross="1.00", currency="PLN")

    def work(store: object) -> None:
        sha256 = store.put_body(raw)  # type: ignore[attr-defined]
        new = NewReceived(number, "gmina", sha256, facts, {}, bench.now, bench.now, unit, "tray_no_flag", "Bez.")
        store.add_received(new, raw, bench.now)  # type: ignore[attr-defined]

    bench.spool.write_now(work)


async def test_what_lies_too_long_is_told_once(bench: Bench) -> None:
    """24 hours of working days after it came: all of them in one message to the office; a unit's own never."""
    bench.now = at(12)  # a Friday
    lay(bench, "F/1")
    lay(bench, "F/2")
    lay(bench, "F/3", unit="sp1")
    loop = bench.loop(alerts(25))
    bench.now = at(11) + timedelta(days=3)
    await loop.look()
    assert bench.steps(TRAY) == []
    await bench.pass_time(loop, at(15) + timedelta(days=3), timedelta(minutes=20))
    [told] = [a for a in bench.alarms() if a.unit == TRAY]
    assert bench.documents(told.id) == ["F/1", "F/2"]
    assert bench.addresses(told.id) == [OFFICE]
    assert told.sentence.startswith("Tacka centralna: 2 faktury leżą dłużej niż 24 godz.")
    assert "sluza received assign" in bench.text(told.id)


async def test_the_warning_ends_when_all_are_assigned(bench: Bench) -> None:
    """Not with the first of them; what comes later is told in a message of its own."""
    for number in ("F/1", "F/2"):
        lay(bench, number)
    loop = bench.loop()
    bench.now += timedelta(days=4)
    await loop.look()
    bench.spool.write_now(lambda s: s.assign("F/1", "sp1", bench.now, "anna", ""))
    await loop.look()
    assert bench.alarms()[0].over_at is None
    bench.spool.write_now(lambda s: s.assign("F/2", "gops", bench.now, "anna", ""))
    await loop.look()
    assert bench.alarms()[0].over_at is not None
    lay(bench, "F/3")
    bench.now += timedelta(days=4)
    await loop.look()
    assert bench.steps(TRAY) == ["tray", "tray"]


async def test_what_came_back_into_the_tray_is_told_again(bench: Bench) -> None:
    """A hop is no new beginning: it has been here since it came."""
    lay(bench, "F/1", unit="sp1")
    bench.now += timedelta(days=4)
    bench.spool.write_now(lambda s: s.assign("F/1", None, bench.now, "anna", "pomyłka"))
    await bench.loop().look()
    assert bench.steps(TRAY) == ["tray"]


async def test_nobody_is_told_where_it_is_switched_off(bench: Bench) -> None:
    """`tray_hours = 0`."""
    lay(bench, "F/1")
    bench.now += timedelta(days=40)
    await bench.loop(replace(alerts(), tray_hours=0)).look()
    assert bench.alarms() == []
