"""A short life of a town with two units, for the recorder: run under the shim as `python -m tests.crash.village`.

Everything is the product's own: front door, watcher, returns, spool. What the programs of the units would be told is
marked in the record as it happens.
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.folders import layout
from spool import access
from spool.bodies import sha256_hex
from spool.domain.ledger import ALIVE, Document
from tests.crash.shim import Switches
from tests.folders_bench import SCHOOL, WELFARE, Bench, sale, until

PURCHASE = "7770001111-20261119-AAAAAA-BBBBBB-7F"


async def live(root: Path, shim: Switches) -> None:
    """Two days: in between everything is closed and opened again; at the end the process just dies."""
    bench = Bench(root)
    async with bench.running():
        await _first_day(bench, shim)
    bench.close()
    bench = Bench(root)
    async with bench.running():
        for number in (20, 21, 22):
            await _post(bench, shim, f"FV/{number}/2026", WELFARE)
        _drop(bench, shim, "rano.xml", sale("FV/23/2026"))
        await until(lambda: not list(bench.inbox().glob("*.xml")))
        os._exit(0)


async def _first_day(bench: Bench, shim: Switches) -> None:
    bench.spool.write_now(lambda store: store.set_condition("", ALIVE, {}, bench.now))
    for number in range(1, 5):
        _drop(bench, shim, f"faktura-{number}.xml", sale(f"FV/{number}/2026"))
    _drop(bench, shim, "zla.xml", sale("FV/5/2026").replace(b"<P_1>2026-11-20", b"<P_1>2026-12-20"))
    _drop(bench, shim, "pismo.docx", b"to nie jest faktura")
    posted = [await _post(bench, shim, f"FV/{number}/2026", WELFARE) for number in range(10, 14)]
    for document in posted[:3]:
        bench.number(document)
    bench.receive(sale("Z/1"), PURCHASE, WELFARE)
    await until(lambda: not [name for name in bench.inbox().glob("*.*") if name.is_file()])
    for document in bench.documents(SCHOOL)[:2]:
        if document.state in {"QUEUED"}:
            bench.number(document)
    await until(lambda: _all_shown(bench))


def _all_shown(bench: Bench) -> bool:
    behind = bench.spool.read_now(lambda store: store.unshown(10, bench.municipality.units))
    return not behind and not bench.spool.read_now(lambda store: store.unmirrored(10))


def _drop(bench: Bench, shim: Switches, name: str, raw: bytes) -> None:
    shim.mark("dropped", name, sha256_hex(raw))
    (bench.inbox() / ".praca.tmp").write_bytes(raw)
    (bench.inbox() / ".praca.tmp").rename(bench.root / SCHOOL / layout.OUTBOX / name)


async def _post(bench: Bench, shim: Switches, number: str, unit: str) -> Document:
    raw = sale(number)
    document = await bench.post(raw, f"{number}.xml".replace("/", "-"), unit)
    shim.mark("answered", unit, sha256_hex(raw))
    return document


if __name__ == "__main__":
    root, record = map(Path, sys.argv[1:])
    switches = Switches()
    switches.watch(root)
    switches.record(record)
    access._CHECKPOINT_EVERY_S = 0.02
    asyncio.run(live(root, switches))
