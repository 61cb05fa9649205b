"""What all benchmarks share: how one is run, how its table is printed, and how it gets into `bench/RESULTS.md`.

    .venv/bin/python -m bench.<name> [--rounds N] [--no-write]

Only ratios within one run mean anything: contenders take turns, the figures are medians over the rounds.
"""

import argparse
import os
import platform
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pysqlite3

RESULTS = Path(__file__).parent / "RESULTS.md"
Row = tuple[str, ...]


def run(name: str, title: str, doc: str | None, measure: Callable[..., str], *, rounds: int, **numbers: int) -> None:
    """The command line of one benchmark: measure, print the section, write it in the place of the last one.

    `measure` takes the rounds; `numbers` are further options with their defaults, which it takes by name.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of every contender (default {rounds})")
    parser.add_argument("--no-write", action="store_true", help="only print, leave bench/RESULTS.md as it is")
    for number, default in numbers.items():
        parser.add_argument(f"--{number.replace('_', '-')}", type=int, default=default, help=f"default {default}")
    chosen = parser.parse_args()
    others = {number: getattr(chosen, number) for number in numbers}
    load = os.getloadavg()[0]
    said = [f" --{number.replace('_', '-')} {value}" for number, value in others.items() if value != numbers[number]]
    command = f"python -m bench.{name} --rounds {chosen.rounds}{''.join(said)}"
    body = measure(chosen.rounds, **others)
    section = f"## {title} (`{command}`)\n\n{machine(load)}\n\n{body.strip()}\n"
    print(section)
    if not chosen.no_write:
        write_section(RESULTS, title, section)


def machine(load: float) -> str:
    """The facts of this machine and moment that the figures depend on."""
    day = datetime.now(UTC).strftime("%d.%m.%Y")
    cores = len(os.sched_getaffinity(0))
    other = "quiet before" if load < 0.3 else f"load {load:.1f} before"
    return (
        f"{day}, {cores} processors ({other}), Python {platform.python_version()}, "
        f"SQLite {pysqlite3.sqlite_version}, {file_system(Path(tempfile.gettempdir()))}."
    )


def file_system(path: Path) -> str:
    """The kind of file system that a directory lies on."""
    wanted, best = path.resolve(), ("", "unknown file system")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, *_ = line.split()
        if wanted.is_relative_to(where) and len(where) > len(best[0]):
            best = (where, kind)
    return best[1]


def table(head: Sequence[str], rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(value: float, goal: float, *, at_least: bool) -> str:
    """The goal and whether this run met it."""
    met = value >= goal if at_least else value <= goal
    return f"{'≥' if at_least else '≤'} {goal:g} ×: {'met' if met else '**missed**'}"


def median(values: Sequence[float]) -> float:
    """The median; of nothing, an error."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def directory() -> Iterator[Path]:
    """A throw-away directory for all contenders of a run: the same file system for each."""
    with tempfile.TemporaryDirectory(prefix="sluza-bench-") as name:
        path = Path(name)
        path.chmod(0o755)  # Postfix's processes are other users
        yield path


def write_section(path: Path, title: str, section: str) -> None:
    """Put a section where one with its title stands, or at the end."""
    text = path.read_text(encoding="utf-8")
    old = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    before, after = (text[: old.start()], text[old.end() :]) if old else (text.rstrip("\n") + "\n\n", "")
    text = f"{before}{section}\n{after}"
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
