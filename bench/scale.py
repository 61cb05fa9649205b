"""What a backlog costs: finding the next document, starting, disk and memory.

"Next due" is asked of spools with 100,000 and with 1,000,000 queued documents, whose dates are the ends of the days of
one week, as the law gives them: a seventh of all is due at the same moment. The programs start on an empty spool and on
one with 100,000 queued, in turns. The file and the memory are measured while 100,000 different invoices are added
through `Spool.write`, as intake does it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pysqlite3

from bench import processes, report
from bench.documents import invoices
from bench.grouping import adding
from spool.access import Spool
from spool.domain.states import State
from spool.rows import stamp
from spool.store import Store
from spool.xml import examine

TITLE = "A backlog"
FEW, MANY = 100_000, 1_000_000
ADDED, WARM_UP = 100_000, 10_000
NEXT_GOAL, START_GOAL, FILE_GOAL, MEMORY_GOAL = 1.5, 2, 0.5, 1.2
_ASKED = 200
_CALLERS = 64
Question = Callable[[Store], object]


def questions(now: datetime) -> dict[str, Question]:
    """What the agent asks before each sending, and what the pages and lists ask."""
    return {
        "`next_queued`, to send": lambda store: store.next_queued(processes.CONTEXT, now),
        "`by_due`, 100 for the page": lambda store: store.by_due(100),
        "`most_urgent`, 100 for a list": lambda store: store.most_urgent(unit=None, states=[State.QUEUED], limit=100),
    }


def measure(rounds: int) -> str:
    """Everything once on the large data, in turns where two things are compared."""
    with report.directory() as home:
        filled, empty = home / "filled", home / "empty"
        configs = {FEW: processes.configure(filled)[0], 0: processes.configure(empty)[0]}
        fill(processes.spool_of(filled), FEW, whole=True)
        starts = _starts(configs, rounds)
        few = _asked(processes.spool_of(filled), rounds)
        fill(processes.spool_of(filled), MANY - FEW, whole=False)
        many = _asked(processes.spool_of(filled), rounds)
        added = home / "added" / "spool.db"
        raw, memory = asyncio.run(_adding(added))
        kept = added.stat().st_size / raw
    rows = [_next_row(name, few[name], many[name]) for name in few]
    rows += [_start_row(module, *starts[module]) for module in starts]
    rows += [
        (f"file, {ADDED:,} invoices of 10 kB", "raw bytes", "spool", _ratio(kept, FILE_GOAL)),
        ("memory of the writing process", f"after {WARM_UP:,}", f"after {ADDED:,}", _ratio(memory, MEMORY_GOAL)),
    ]
    return report.table(("", "small", "large", "ratio"), rows)


def _ratio(value: float, goal: float) -> str:
    return f"{value:.2f} ×, goal {report.verdict(value, goal, at_least=False)}"


def _next_row(name: str, few: float, many: float) -> report.Row:
    small, large = f"{FEW:,}: {few * 1e6:.0f} µs", f"{MANY:,}: {many * 1e6:.0f} µs"
    return (f"next due, {name}", small, large, _ratio(many / few, NEXT_GOAL))


def _start_row(module: str, empty: float, filled: float) -> report.Row:
    return (
        f"start of the {module}",
        f"0: {empty:.2f} s",
        f"{FEW:,}: {filled:.2f} s",
        _ratio(filled / empty, START_GOAL),
    )


# --- Rows by the hundred thousand ----------------------------------------------------------------------------------

_COPIED = (
    "unit", "context", "size", "source", "source_name", "state", "reason", "facts", "problems", "seller_nip", "kind",
    "issue_date", "mode", "issued_at", "due_basis", "due_why", "next_action_at", "version", "shown",
    "wish", "asked_at", "due_state",
)  # fmt: skip
_COPY = f"""
WITH RECURSIVE serial(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM serial WHERE n < ?)
INSERT INTO document (id, sha256, name, number_key, due_safe, created_at, updated_at, {", ".join(_COPIED)})
SELECT 'copy-' || ? || '-' || n, lower(hex(randomblob(32))), 'copy-' || ? || '-' || n, 'copy/' || ? || '/' || n,
       strftime(?, ?, (abs(random()) % 604800) || ' seconds'),
       created_at, updated_at, {", ".join(_COPIED)}
FROM document, serial WHERE seq = 1
"""  # noqa: S608 - our own names
_BODIES = """
INSERT INTO body (sha256, size, packed)
SELECT copy.sha256, body.size, body.packed FROM document AS copy, document AS first
JOIN body ON body.sha256 = first.sha256 WHERE first.seq = 1 AND copy.id LIKE 'copy-' || ? || '-%'
"""
_EVENTS = """
INSERT INTO event (at, subject, actor, move, note, data, previous, hash)
SELECT created_at, id, 'bench', '>QUEUED', '', '{}', hex(randomblob(32)), hex(randomblob(32))
FROM document WHERE id LIKE 'copy-' || ? || '-%'
"""


_END_OF_DAY = "%Y-%m-%dT22:59:59.000000Z"


def fill(path: Path, count: int, *, whole: bool) -> None:
    """`count` more queued documents, copies of a real one but for ids, hashes, numbers and dates; already shown.

    `whole`: with bodies and history, so that a program which looks at its spool as it starts finds it in order.
    """
    now = datetime.now(UTC)
    spool = Spool(path)
    if not spool.read_now(lambda store: store.counts()):
        raw = next(invoices(1))
        facts = examine(raw).facts
        assert facts is not None
        spool.write_now(adding((raw, facts), now))
        spool.write_now(lambda store: store.mark_shown(store.documents()[0]))
    spool.close()
    connection = pysqlite3.connect(path, isolation_level=None)
    tag = str(time.monotonic_ns())
    connection.execute(_COPY, (count, tag, tag, tag, _END_OF_DAY, stamp(now + timedelta(days=1))[:19]))
    if whole:
        connection.execute(_BODIES, (tag,))
        connection.execute(_EVENTS, (tag,))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _asked(path: Path, rounds: int) -> dict[str, float]:
    """Median seconds of each question."""
    spool, asked = Spool(path), questions(datetime.now(UTC))
    found: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, question in asked.items():
            found[name] += spool.read_now(lambda store, q=question: _timed(store, q))  # type: ignore[misc]
    spool.close()
    return {name: report.median(seconds) for name, seconds in found.items()}


def _timed(store: Store, question: Question) -> list[float]:
    seconds: list[float] = []
    until = time.perf_counter() + 3  # a question that reads everything is not asked two hundred times
    while len(seconds) < _ASKED and time.perf_counter() < until:
        start = time.perf_counter()
        question(store)
        seconds.append(time.perf_counter() - start)
    return seconds


def _starts(configs: dict[int, Path], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds to the ready line, empty and filled."""
    found: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds + 1):
        for module in ("gateway", "agent"):
            for count, config in configs.items():
                with processes.running(module, config) as started:
                    found.setdefault((module, count), []).extend([started.seconds] if number else [])
    medians = {key: report.median(seconds) for key, seconds in found.items()}
    return {module: (medians[module, 0], medians[module, FEW]) for module in ("gateway", "agent")}


# --- Disk and memory -------------------------------------------------------------------------------------------------


async def _adding(path: Path) -> tuple[int, float]:
    """Raw bytes added, and resident memory at the end by that after the first ones."""
    spool, total = Spool(path), 0
    source = invoices(ADDED, seed=3)
    facts = examine(next(invoices(1))).facts
    assert facts is not None
    after_warm_up = 0
    added = 0
    while batch := list(islice(source, _CALLERS)):
        now = datetime.now(UTC)
        jobs = [
            adding((raw, replace(facts, number=f"SP1/3/{added + n}/2026", buyer_name=f"Kupujący {added + n}")), now)
            for n, raw in enumerate(batch)
        ]
        await asyncio.gather(*(spool.write(job) for job in jobs))
        added += len(batch)
        total += sum(map(len, batch))
        if not after_warm_up and added >= WARM_UP:
            after_warm_up = _resident()
    memory = _resident() / after_warm_up
    spool.close()
    return total, memory


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1])


if __name__ == "__main__":
    report.run("scale", TITLE, __doc__, measure, rounds=5)
