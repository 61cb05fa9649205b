"""Durable intake of whole invoices over HTTP, beside Postfix's durable intake of mails of the same size.

Ours is the real gateway process with everything it does: token, hardened parser, byte rules, XSD, hash, uniqueness,
mode and deadline, body + row + event in one synced commit, then the 202; the unit's folder is written meanwhile.
Postfix takes a mail into its HOLD queue: written, synced, "250 queued", nothing delivered. Both on one file system,
their clients in processes of their own, in turns. Needs root, because Postfix does.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench import postfix, processes, report
from bench.documents import SIZE

TITLE = "Durable intake beside Postfix"
DOCUMENTS, CONNECTIONS = 2000, 32
POSTFIX_CONNECTIONS = (1, 8, 32)
GOAL = 1.5
_ACCEPTED = "202"


@dataclass
class Seen:
    """What the rounds gave: documents a second, and for ours the latencies of the answers in seconds."""

    ours: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    theirs: dict[int, list[float]] = field(default_factory=lambda: {c: [] for c in POSTFIX_CONNECTIONS})


def measure(rounds: int) -> str:
    """Both contenders in turns; the first round of each warms up and does not count."""
    seen = Seen()
    with report.directory() as home:
        config, token = processes.configure(home / "gateway")
        with postfix.running(home / "postfix") as other, processes.running("gateway", config) as gateway:
            for number in range(rounds + 1):
                _ours(seen, gateway.port, token, number)
                for connections, rates in seen.theirs.items():
                    count = DOCUMENTS if connections > 1 else DOCUMENTS // 4
                    rates.append(count / other.send(count, connections, SIZE))
    return _told(seen)


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
{p99 / (CONNECTIONS / ours):.1f} × (32 connections / rate). Each round {DOCUMENTS} invoices, all answered 202."""


if __name__ == "__main__":
    report.run("intake", TITLE, __doc__, measure, rounds=5)
