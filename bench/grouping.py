"""What the queue itself costs: `Spool.write` of `store.add` from 32 callers, beside SQLite alone.

Raw SQLite writes the same rows with prepared statements, no rules and no history chain, 64 documents to a transaction;
the other contender is the same `store.add` in a transaction of its own for each document. All synchronous=FULL, WAL,
on one file system, in turns. The latency is what one of 32 waiting callers sees. Beside the rates is the processor's
time, of all threads of either: what it is more, the rules, the history chain and the way between two threads cost.
"""

import asyncio
import hashlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pysqlite3

from bench import report
from bench.documents import invoices
from spool.access import Spool
from spool.domain.deadlines import Deadline
from spool.domain.document import Facts, Mode
from spool.domain.ledger import NewDocument
from spool.domain.states import State
from spool.store import Store
from spool.xml import examine

TITLE = "The queue beside raw SQLite"
DOCUMENTS, CALLERS, GROUP = 2000, 32, 64
RAW_GOAL, SINGLE_GOAL, LATENCY_GOAL = 0.45, 2.5, 2.5
Sample = tuple[bytes, Facts]


@dataclass
class Seen:
    """Documents a second of each contender, the latencies of ours in seconds, and processor seconds of a document."""

    grouped: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    ours_each: list[float] = field(default_factory=list)
    raw_each: list[float] = field(default_factory=list)


def samples(count: int, seed: int) -> list[Sample]:
    """Examined invoices: judging them is not what is measured here."""
    found = []
    for raw in invoices(count, seed=seed):
        facts = examine(raw).facts
        assert facts is not None
        found.append((raw, facts))
    return found


def adding(sample: Sample, now: datetime, due: Deadline | None = None) -> Callable[[Store], object]:
    """The job that intake gives to the spool once everything is judged."""
    raw, facts = sample
    sha256 = hashlib.sha256(raw).hexdigest()
    new = NewDocument(
        "sp1",
        "gmina",
        "http",
        f"{facts.number}.xml",
        sha256,
        len(raw),
        facts,
        Mode.ONLINE,
        now,
        State.QUEUED,
        due=due,
    )
    return lambda store: store.add(new, raw, "", now)


def measure(rounds: int) -> str:
    """All three in turns on fresh files; the first round warms up and does not count."""
    seen = Seen()
    batches = [samples(DOCUMENTS, seed) for seed in range(2)]
    with report.directory() as home:
        for number in range(rounds + 1):
            batch = batches[number % 2]
            began = time.process_time()
            rate, tail = asyncio.run(_grouped(home / f"grouped-{number}", batch))
            seen.ours_each.append((time.process_time() - began) / len(batch))
            seen.grouped.append(rate)
            seen.tails.append(tail * rate / CALLERS)
            seen.single.append(_single(home / f"single-{number}", batch[: DOCUMENTS // 4]))
            began = time.process_time()
            seen.raw.append(_raw(home / f"raw-{number}", batch))
            seen.raw_each.append((time.process_time() - began) / len(batch))
    return _told(seen)


async def _grouped(home: Path, batch: list[Sample]) -> tuple[float, float]:
    """Documents a second, and the p99 of the callers' waits."""
    spool, now, waits = Spool(home / "spool.db"), datetime.now(UTC), list[float]()
    jobs = iter([adding(sample, now) for sample in batch])

    async def call() -> None:
        for job in jobs:
            start = time.perf_counter()
            await spool.write(job)
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    seconds = time.perf_counter() - start
    spool.close()
    return len(batch) / seconds, report.percentile(waits, 0.99)


def _single(home: Path, batch: list[Sample]) -> float:
    spool, now = Spool(home / "spool.db"), datetime.now(UTC)
    jobs = [adding(sample, now) for sample in batch]
    start = time.perf_counter()
    for job in jobs:
        spool.write_now(job)
    seconds = time.perf_counter() - start
    spool.close()
    return len(batch) / seconds


def _raw(home: Path, batch: list[Sample]) -> float:
    """The same three rows with the same indexes, ready-made values, nothing looked up."""
    Spool(home / "spool.db").close()
    connection = pysqlite3.connect(home / "spool.db", isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    rows = [_rows(raw, facts, number) for number, (raw, facts) in enumerate(batch)]
    start = time.perf_counter()
    for first in range(0, len(rows), GROUP):
        connection.execute("BEGIN IMMEDIATE")
        for raw, body, document, event in rows[first : first + GROUP]:
            connection.execute(
                "INSERT INTO body (sha256, size, packed) VALUES (?, ?, ?)", (*body, zlib.compress(raw, 1))
            )
            connection.execute(_DOCUMENT, document)
            connection.execute(_EVENT, event)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - start
    connection.close()
    return len(batch) / seconds


_NAMES = (
    "id", "unit", "context", "sha256", "size", "source", "source_name", "name", "state", "reason", "facts", "problems",
    "seller_nip", "kind", "number_key", "issue_date", "mode", "issued_at", "due_basis", "due_why", "next_action_at",
    "created_at", "updated_at",
)  # fmt: skip
_DOCUMENT = f"INSERT INTO document ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"  # noqa: S608
_EVENT = "INSERT INTO event (at, subject, actor, move, note, data, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_AT = "2026-11-20T09:00:00.000000Z"


def _rows(
    raw: bytes, facts: Facts, number: int
) -> tuple[bytes, tuple[object, ...], tuple[object, ...], tuple[str, ...]]:
    sha256, key = hashlib.sha256(raw).hexdigest(), f"{number:023x}"
    text = str(facts.as_dict())
    document = (
        key, "sp1", "gmina", sha256, len(raw), "http", f"{facts.number}.xml", key, "QUEUED", "", text, "[]",
        facts.seller_nip, facts.kind, facts.number_key, str(facts.issue_date), "online", _AT, "", "", _AT, _AT, _AT,
    )  # fmt: skip
    event = (_AT, key, "gateway", ">QUEUED", "Przyjęto i zapisano.", f'{{"sha256":"{sha256}"}}', "0" * 64, sha256)
    return raw, (sha256, len(raw)), document, event


def _told(seen: Seen) -> str:
    ours, single, raw = (report.median(rates[1:]) for rates in (seen.grouped, seen.single, seen.raw))
    tail = report.median(seen.tails[1:])
    ours_each, raw_each = (f"{report.median(each[1:]) * 1000:.2f} ms" for each in (seen.ours_each, seen.raw_each))
    rows = [
        ("`Spool.write` of `store.add`, 32 callers", f"{ours:.0f}", ours_each, ""),
        (
            "raw SQLite, groups of 64", f"{raw:.0f}", raw_each,
            f"ours: {ours / raw:.2f} ×, goal {report.verdict(ours / raw, RAW_GOAL, at_least=True)}",
        ),
        (
            "`store.add`, one transaction each", f"{single:.0f}", "",
            f"ours: {ours / single:.2f} ×, goal {report.verdict(ours / single, SINGLE_GOAL, at_least=True)}",
        ),
    ]  # fmt: skip
    return f"""{report.table(("10 kB documents, synced", "a second", "processor, each", ""), rows)}

p99 of a caller's wait: {tail:.2f} × (32 callers / rate), goal {report.verdict(tail, LATENCY_GOAL, at_least=False)}."""


if __name__ == "__main__":
    report.run("grouping", TITLE, __doc__, measure, rounds=5)
