"""Processor time by process and thread, from /proc: what one document costs, and so how many a machine can take."""

import os
from collections import Counter
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM, _PARENT = 11, 12, 1
"""Places in `/proc/*/stat` behind the name, which may hold blanks and parentheses."""
WORKERS, MAIN = "workers", "main"


def of_machine() -> float:
    """Seconds in which any processor was busy since the start of the machine; waiting for a disk is not busy."""
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    return sum(map(int, (user, nice, system, *interrupts))) / _TICK


def of_threads(pid: int) -> Counter[str]:
    """Seconds of a program that `bench.named` started: by the name of the thread, without its number in a pool, and
    of all processes below it as one."""
    spent = Counter[str]()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, seconds, _ = _stat(task)
        spent[MAIN if int(task.name) == pid else name.split("_")[0]] += seconds
    spent[WORKERS] = sum(_stat(Path(f"/proc/{below}"))[1] for below in _below(pid))
    return spent


def _below(pid: int) -> set[int]:
    """The numbers of all processes that a process started, and those did."""
    parents = {int(place.name): int(_stat(place)[2]) for place in Path("/proc").iterdir() if place.name.isdecimal()}
    found, new = set[int](), {pid}
    while new := {child for child, parent in parents.items() if parent in new}:
        found |= new
    return found


def _stat(place: Path) -> tuple[str, float, str]:
    """Name, seconds of processor time and the parent's number; of a process that has ended, none."""
    try:
        head, _, rest = (place / "stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return "", 0.0, "0"
    fields = rest.split()
    return head.partition("(")[2], (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICK, fields[_PARENT]
