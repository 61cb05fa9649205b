"""How soon a dropped file is noticed, and what a scan of all drop folders costs.

A process of its own writes and closes files, one after another; the notice is the moment at which the gateway's event
loop has the name, through the same watch as in the product. A full scan is one round of every unit's folder by the real
watcher, all begun at once as in the product, over folders with files that it leaves alone; beside it `os.scandir` walks
the same directories.
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import report
from gateway.folders import layout
from gateway.folders.events import Hints
from gateway.folders.watcher import Watcher
from gateway.settings import Folders
from spool.clock import system_clock
from spool.domain.municipality import Municipality, Unit

TITLE = "Folders"
FILES, APART_S = 300, 0.01
UNITS, LEFT_ALONE = 20, 500
NOTICE_GOAL_S, SCAN_GOAL = 0.010, 1.5
_PATIENCE_S = 10.0
_WRITER = """
import sys, time
from pathlib import Path
for number in range(int(sys.argv[2])):
    with Path(sys.argv[1], f"faktura-{number}.xml").open("wb") as file:
        file.write(b"x" * 10000)
    print(time.monotonic_ns(), flush=True)
    time.sleep(float(sys.argv[3]))
"""
# CLOCK_MONOTONIC is one clock for all processes of a machine.


def measure(rounds: int) -> str:
    """Notices of all rounds together; the scans in turns."""
    with report.directory() as home:
        (home / "drop").mkdir()
        waits = asyncio.run(_notices(home / "drop", rounds))
        scans = asyncio.run(_scans(home / "folders", rounds))
    ours, bare, alone = (report.median(seconds) for seconds in scans)
    tail, middle = report.percentile(waits, 0.99), report.median(waits)
    met = "met" if tail <= NOTICE_GOAL_S else "**missed**"
    rows = [
        ("from close to notice, median", f"{middle * 1000:.1f} ms", ""),
        ("from close to notice, p99", f"{tail * 1000:.1f} ms", f"goal ≤ {NOTICE_GOAL_S * 1000:.0f} ms: {met}"),
        ("`os.scandir` over all drop folders", f"{bare * 1000:.1f} ms", ""),
        (
            "full scan by the watcher", f"{ours * 1000:.1f} ms",
            f"{ours / bare:.2f} ×, goal {report.verdict(ours / bare, SCAN_GOAL, at_least=False)}",
        ),
        ("of that the looks themselves, in one go", f"{alone * 1000:.1f} ms", f"{alone / bare:.2f} ×"),
    ]  # fmt: skip
    about = f"{UNITS} units, {UNITS * LEFT_ALONE:,} files in all; {FILES} files a round"
    return report.table((about, "", ""), rows)


async def _notices(drop: Path, rounds: int) -> list[float]:
    """Seconds from the close to the notice, of every file."""
    loop, noticed, hints = asyncio.get_running_loop(), dict[str, int](), Hints()
    hints.start()
    hints.watch(drop, lambda name: loop.call_soon_threadsafe(noticed.setdefault, name, time.monotonic_ns()) and None)
    waits: list[float] = []
    for number in range(rounds + 1):
        noticed.clear()
        command = [sys.executable, "-c", _WRITER, str(drop), str(FILES), str(APART_S)]
        writer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        printed, _ = await writer.communicate()
        until = loop.time() + _PATIENCE_S
        while len(noticed) < FILES and loop.time() < until:  # noqa: ASYNC110 - nothing is measured here any more
            await asyncio.sleep(0.01)
        assert len(noticed) == FILES, "every file makes an event"
        closed = [int(line) for line in printed.split()]
        found = [(noticed[f"faktura-{n}.xml"] - at) / 1e9 for n, at in enumerate(closed)]
        waits += [max(wait, 0.0) for wait in found] if number else []
    hints.stop()
    return waits


async def _scans(root: Path, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of one scan of everything in turns: by the watcher, bare, and as the watcher does it in its thread, but
    without the event loop, to which each unit's answer goes otherwise."""
    units = {f"u{n}": Unit(f"u{n}", f"Jednostka {n}", "gmina") for n in range(UNITS)}
    municipality = Municipality("Gmina Przykładowa", "5080014460", {}, units)
    directories = []
    for unit in units:
        outbox = root / unit / layout.OUTBOX
        (outbox / layout.OFFLINE24).mkdir(parents=True)
        (root / unit / layout.MARKER).write_text(f"{unit}\n")
        directories += [outbox, outbox / layout.OFFLINE24]
        for n in range(LEFT_ALONE):
            (outbox / f"faktura-{n}.xml.tmp").touch()
    nobody: object = None
    watcher = Watcher(nobody, municipality, root, Folders(2, 60, 10, 30), system_clock, events=False)  # type: ignore[arg-type]
    loop, ours, bare, alone = asyncio.get_running_loop(), list[float](), list[float](), list[float]()
    for number in range(10 * rounds + 1):
        start = time.perf_counter()
        await asyncio.gather(*(box.round(loop) for box in watcher._boxes))
        middle = time.perf_counter()
        names = [entry.name for directory in directories for entry in os.scandir(directory)]
        end = time.perf_counter()
        for box in watcher._boxes:
            box._scan().close()
        last = time.perf_counter()
        assert len(names) == UNITS * (LEFT_ALONE + 1)
        if number:
            ours.append(middle - start)
            bare.append(end - middle)
            alone.append(last - end)
    return ours, bare, alone


if __name__ == "__main__":
    report.run("folders", TITLE, __doc__, measure, rounds=5)
