"""Ten years of a town: what a day's backup weighs with the yearly archives, and without them.

    .venv/bin/python -m bench.years [--rounds 1] [--no-write]

Each month so many sales with their receipts (UPO) and as many purchases, all of about 10 kB, with the history that the
programs write. The archives are made as the gateway makes them, once a month.
"""

import asyncio
import base64
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from bench import report
from bench.documents import NIP, invoices
from bench.grouping import adding
from gateway.backups import backup_workers
from spool import process
from spool.access import Spool
from spool.backup.make import Made, Plan, make
from spool.bodies import sha256_hex
from spool.domain.document import Facts
from spool.domain.ledger import Document, NewReceived
from spool.domain.states import State
from spool.domain.volumes import DIRECTORY
from spool.settings import Paths
from spool.store import Store
from spool.volumes import run, seal
from spool.xml import examine

TITLE = "Ten years"
MONTHS, A_MONTH = 120, 25
GOAL = 0.35
_FIRST = datetime(2026, 2, 1, 9, 0, tzinfo=UTC)
_MONTH = timedelta(days=30.4375)
_SIGNATURE = 6_000


def measure(rounds: int) -> str:  # noqa: ARG001 - ten years are lived through once
    """Live through them twice: with a run of the archive each month, and without."""
    with report.directory() as home:
        sizes = {archived: _live(home / str(archived), archived=archived) for archived in (False, True)}
        volumes = sum(p.stat().st_size for p in (home / "True" / "state" / DIRECTORY).iterdir())
    without, with_them = (sizes[archived][-1] for archived in (False, True))
    invoices_of_all = MONTHS * A_MONTH * 2
    rows = [
        (f"{year} years", f"{without_ / 1e6:.1f} MB", f"{with_ / 1e6:.1f} MB")
        for year, without_, with_ in zip(range(1, 11), sizes[False], sizes[True], strict=True)
    ]
    ratio = with_them / without
    rows.append(("the last day's, ratio", "", f"{ratio:.2f} ×, goal {report.verdict(ratio, GOAL, at_least=False)}"))
    head = (f"one day's backup, {A_MONTH} sales and {A_MONTH} purchases a month", "without archives", "with archives")
    stays = (with_them - without * 13 / MONTHS) / invoices_of_all
    return (
        report.table(head, rows)
        + f"""

The volumes of the archives, copied once each: {volumes / 1e6:.1f} MB. Of an invoice whose bytes have left the spool
about {stays / 1e3:.1f} kB stay in every backup: its row, what the registers show of it, its history."""
    )


def _live(home: Path, *, archived: bool) -> list[int]:
    """The size of the backup at the end of each year."""
    state, copies = home / "state", home / "copies"
    copies.mkdir(parents=True)
    (home / "sluza.toml").write_text("", encoding="utf-8")
    with process.desk(Paths(state, home), "gateway", lambda: _FIRST) as spool:
        source, chance, sizes = invoices(MONTHS * A_MONTH * 2), random.Random(7), []  # noqa: S311 - data for measuring
        for month in range(MONTHS):
            at = _FIRST + month * _MONTH
            spool.write_now(lambda store, at=at: _a_month(store, source, chance, at))  # type: ignore[misc]
            if archived:
                asyncio.run(_archive(spool, at))
            if month % 12 == 11:
                sizes.append(_backup(state, copies, at))
    return sizes


def _a_month(store: Store, source: Iterator[bytes], chance: random.Random, at: datetime) -> None:
    for raw in islice(source, A_MONTH):
        _sold(store, raw, chance, at)
    for raw in islice(source, A_MONTH):
        _bought(store, raw, at)


def _sold(store: Store, raw: bytes, chance: random.Random, at: datetime) -> Document:
    made = adding((raw, _facts(raw)), at)(store)
    assert isinstance(made, Document)
    signature = base64.b64encode(chance.randbytes(_SIGNATURE))
    upo = store.put_body(b"<Potwierdzenie>" + made.id.encode() + signature + b"</Potwierdzenie>")
    made = store.begin_attempt(made, f"session-{at:%Y%m%d}", at)
    store.end_attempt(made.id, "accepted", at, f"reference-{made.id}")
    numbered = {"ksef_number": f"{NIP}-{made.id}", "acquisition_date": at, "upo_sha256": upo}
    for target in (State.SUBMITTED, State.ACCEPTED, State.DELIVERED):
        changes = numbered if target is State.ACCEPTED else {}
        made = store.move(made.id, target, at, "agent", "KSeF nadał fakturze numer.", **changes)
    store.mark_shown(made)
    return made


def _bought(store: Store, raw: bytes, at: datetime) -> None:
    facts = replace(_facts(raw), seller_nip="5250000015")
    number = f"5250000015-{sha256_hex(raw)[:20]}"
    store.add_received(NewReceived(number, "gmina", sha256_hex(raw), facts, {}, at, at, "sp1", "podmiot3", ""), raw, at)
    store.mark_mirrored(number, "sp1", at)


def _facts(raw: bytes) -> Facts:
    facts = examine(raw).facts
    assert facts is not None
    return facts


async def _archive(spool: Spool, at: datetime) -> None:
    workers = backup_workers()
    try:
        await run.run(spool, workers, seal.Plan(spool.path.parent, 13, True, at), "gateway", lambda *_: None)
    finally:
        workers.close()


def _backup(state: Path, copies: Path, at: datetime) -> int:
    made: Made = make(Plan(state, state.parent / "sluza.toml", copies, "", True, None, at))
    made.path.unlink()
    return made.manifest.size


if __name__ == "__main__":
    report.run("years", TITLE, __doc__, measure, rounds=1)
