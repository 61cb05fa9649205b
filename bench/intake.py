"""Durable intake of whole invoices over HTTP, beside Postfix's durable intake of mails of the same size.

Ours is the real gateway process with everything it does: token, hardened parser, byte rules, XSD, hash, uniqueness,
mode and deadline, body + row + event in one synced commit, then the 202; the unit's folder is written meanwhile.
Postfix takes a mail into its HOLD queue: written, synced, "250 queued", nothing delivered. Both on one file system,
their clients in processes of their own, in turns. Needs root, because Postfix does.

Beside the rates stands what one document costs in processor time, which is what bounds them: of ours by thread, of both
with client and system on the whole machine. Only on a quiet machine does the latter mean anything.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import postfix, processes, processor, report
from bench.documents import SIZE

TITLE = "Durable intake beside Postfix"
DOCUMENTS, CONNECTIONS = 2000, 32
POSTFIX_CONNECTIONS = (1, 8, 32)
GOAL = 1.5
_ACCEPTED = "202"
_THREADS = {
    processor.MAIN: "event loop: HTTP, the workers' work there and back, our own rules, the log's line",
    "spool-write": "writing thread: the questions to the spool, packing, rows, history, commit",
    "spool-read": "reading thread: for what the unit's folder shows",
    "returns": "the unit's folder",
    processor.WORKERS: "workers: parser, schema, facts, check digits",
}


@dataclass
class Seen:
    """What the rounds gave: documents a second, for ours the latencies of the answers in seconds, and the processor
    seconds of a document, added up over the rounds that count: of ours by thread, of the machine by contender."""

    ours: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    theirs: dict[int, list[float]] = field(default_factory=lambda: {c: [] for c in POSTFIX_CONNECTIONS})
    threads: Counter[str] = field(default_factory=Counter)
    machine: Counter[str] = field(default_factory=Counter)


def measure(rounds: int) -> str:
    """Both contenders in turns; the first round of each warms up and does not count."""
    seen = Seen()
    with report.directory() as home:
        config, token = processes.configure(home / "gateway")
        with postfix.running(home / "postfix") as other, processes.running("gateway", config, named=True) as gateway:
            for number in range(rounds + 1):
                with _counted(seen, gateway.process.pid):
                    _ours(seen, gateway.port, token, number)
                for connections, rates in seen.theirs.items():
                    count, before = DOCUMENTS if connections > 1 else DOCUMENTS // 4, processor.of_machine()
                    rates.append(count / other.send(count, connections, SIZE))
                    seen.machine[f"theirs {connections}"] += (processor.of_machine() - before) / count
                if number == 0:
                    seen.threads.clear()
                    seen.machine.clear()
    return _told(seen)


@contextmanager
def _counted(seen: Seen, pid: int) -> Iterator[None]:
    """What the documents sent meanwhile cost."""
    machine, threads = processor.of_machine(), processor.of_threads(pid)
    yield
    seen.machine["ours"] += (processor.of_machine() - machine) / DOCUMENTS
    for name, seconds in (processor.of_threads(pid) - threads).items():
        seen.threads[name] += seconds / DOCUMENTS


def _ours(seen: Seen, port: int, token: str, seed: int) -> None:
    command = [sys.executable, "-m", "bench.senders", str(port), token, str(DOCUMENTS), str(CONNECTIONS), str(seed)]
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as sender:
        assert sender.stdin
        assert sender.stdout
        assert sender.stdout.readline(), "the sender did not start"
        sender.stdin.write("go\n")
        sender.stdin.flush()
        found = json.loads(sender.stdout.readline())
    assert found["statuses"] == {_ACCEPTED: DOCUMENTS}, found["statuses"]
    seen.ours.append(DOCUMENTS / found["seconds"])
    seen.latencies += found["each"] if seed else []


def _told(seen: Seen) -> str:
    ours = report.median(seen.ours[1:])
    theirs = {connections: report.median(rates[1:]) for connections, rates in seen.theirs.items()}
    best = max(theirs.values())
    p99 = report.percentile(seen.latencies, 0.99)
    rows = [("gateway, 32 connections", f"{ours:.0f}", f"{ours / best:.2f} × Postfix's best")]
    rows += [(f"Postfix, HOLD, {c} connections", f"{rate:.0f}", "") for c, rate in theirs.items()]
    return f"""{report.table(("10 kB, checked, synced, acknowledged", "a second", ""), rows)}

Goal {report.verdict(ours / best, GOAL, at_least=True)}. Our answers: p99 {p99 * 1000:.0f} ms, which is
{p99 / (CONNECTIONS / ours):.1f} × (32 connections / rate). Each round {DOCUMENTS} invoices, all answered 202.

{_profile(seen, best)}"""


def _profile(seen: Seen, best: float) -> str:
    """Why it is as it is: what each costs, and what the goal would leave."""
    rounds, processors = len(seen.ours) - 1, len(os.sched_getaffinity(0))
    threads = Counter({name: seconds / rounds for name, seconds in seen.threads.items()})
    rows = [(what, _ms(threads.pop(name, 0.0))) for name, what in _THREADS.items()]
    rows.append(("other threads: log, folders, checkpoints", _ms(threads.total())))
    whole = seen.machine["ours"] / rounds
    rows.append(("the whole machine for one of ours, with client and disk", _ms(whole)))
    fastest = max(seen.theirs, key=lambda c: report.median(seen.theirs[c][1:]))
    rows.append(
        (f"the whole machine for one mail, {fastest} connections", _ms(seen.machine[f"theirs {fastest}"] / rounds))
    )
    rows.append((f"what the goal leaves for one of ours, of {processors} processors", _ms(processors / (GOAL * best))))
    return report.table(("processor time for one document", ""), rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    report.run("intake", TITLE, __doc__, measure, rounds=5)
