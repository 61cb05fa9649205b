"""The overview over a full spool, with many people in front of it, and what they cost intake.

A real gateway over 100,000 queued documents takes invoices in over HTTP, in turns with nobody looking and with twenty
open overviews that are told of every change and ask again. "Intake" is a steady stream of one invoice after the other
over four connections, as the programs of units send it; its rate with and without the people is compared.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

from bench import processes, report, scale
from spool.access import Spool
from spool.domain.accounts import Account, Role

TITLE = "The overview under load"
DOCUMENTS, BROWSERS = 100_000, 20
SENT, CONNECTIONS = 1500, 4
PAGE_GOAL_S, SLOWER_GOAL = 0.050, 0.05
_ROOT = Path(__file__).resolve().parents[1]


def measure(rounds: int) -> str:
    """With and without people in turns, on one gateway; the first turn of each warms up and does not count."""
    with report.directory() as home:
        config, token = processes.configure(home)
        scale.fill(processes.spool_of(home), DOCUMENTS, whole=True)
        cookies = _people(processes.spool_of(home))
        alone, watched, pages = [], [], list[float]()
        with processes.running("gateway", config) as gateway:
            for number in range(rounds + 1):
                alone.append(_taken(gateway.port, token, 100 + number))
                with _looking(gateway.ready["admin_url"], cookies) as seen:
                    watched.append(_taken(gateway.port, token, 200 + number))
                pages += seen if number else []
    return _told(alone[1:], watched[1:], pages)


def _told(alone: list[float], watched: list[float], pages: list[float]) -> str:
    slower = 1 - report.median(watched) / report.median(alone)
    page, last = report.median(pages), report.percentile(pages, 0.95)
    met = {True: "met", False: "**missed**"}
    rows = [
        ("invoices a second, nobody looking", f"{report.median(alone):.0f}", ""),
        (
            f"invoices a second, {BROWSERS} overviews open",
            f"{report.median(watched):.0f}",
            f"{slower:+.1%} slower, goal < {SLOWER_GOAL:.0%}: {met[slower < SLOWER_GOAL]}",
        ),
        (
            f"the overview meanwhile, median of {len(pages)}",
            f"{page * 1000:.0f} ms",
            f"goal ≤ {PAGE_GOAL_S * 1000:.0f} ms: {met[page <= PAGE_GOAL_S]}",
        ),
        ("the overview meanwhile, p95", f"{last * 1000:.0f} ms", ""),
    ]
    return report.table((f"{DOCUMENTS:,} queued", "", ""), rows)


def _people(path: Path) -> list[str]:
    """So many coordinators, each signed in; their cookies."""
    now, cookies = datetime.now(UTC), [f"cookie-{number}" for number in range(BROWSERS)]
    spool = Spool(path)
    for number, cookie in enumerate(cookies):
        login, digest = f"osoba{number}", sha256(cookie.encode()).hexdigest()
        account = Account(login, f"Osoba {number}", Role.COORDINATOR, (), False, False, now)
        spool.write_now(lambda store, a=account: store.add_account(a, "no password", "bench"))  # type: ignore[misc]
        spool.write_now(lambda store, d=digest, a=login: store.open_login(d, a, "token", now, ""))  # type: ignore[misc]
    spool.close()
    return cookies


def _taken(port: int, token: str, seed: int) -> float:
    """Invoices a second."""
    arguments = [str(port), token, str(SENT), str(CONNECTIONS), str(seed)]
    with _started("bench.senders", arguments) as sender:
        found = json.loads(_go(sender))
    assert found["statuses"] == {"202": SENT}, found["statuses"]
    return SENT / float(found["seconds"])


@contextmanager
def _looking(origin: str, cookies: list[str]) -> Iterator[list[float]]:
    """Open overviews around a piece of work; afterwards the list holds the seconds of every page."""
    seen: list[float] = []
    with _started("bench.browsers", [origin, *cookies]) as browsers:
        yield seen
        seen += json.loads(_go(browsers))


@contextmanager
def _started(module: str, arguments: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that has said its first line."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        assert _of(process.stdout).readline(), f"{module} did not start"
        yield process


def _go(process: "subprocess.Popen[str]") -> str:
    """The line that it waits for, and the one that it answers."""
    given = _of(process.stdin)
    given.write("go\n")
    given.flush()
    return _of(process.stdout).readline()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


if __name__ == "__main__":
    report.run("pages", TITLE, __doc__, measure, rounds=5)
