"""Many schedules, or one again: `python -m tests.simulation --help`.

`--seed N` replays one schedule and prints its trace; the same seed on the same commit gives the same digest. Otherwise
`--count` schedules are run in `--jobs` processes; their seeds follow from `--base`, and `--fresh` draws a new one.
One in 32 is a long one with a theme (`themes`), the others are short ones with a fault or two (`fates`).
"""

import argparse
import gc
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.simulation.mutants import plant
from tests.simulation.seeds import BASE, seeds

_SHM = Path("/dev/shm")


def run_here(chosen: Iterator[int], *, trace: bool = False, mutant: str = "") -> Iterator[dict[str, Any]]:
    """Run schedules in this process, one after the other; with `mutant` in a product that has this defect."""
    if mutant:
        plant(mutant)
    from tests.simulation.schedule import run_schedule
    from tests.simulation.world import Workshop

    gc.disable()  # a schedule is short; garbage is collected between them
    where = _SHM if os.access(_SHM, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where, prefix="sluza-simulation-") as directory:
        shop = Workshop(Path(directory))
        gc.freeze()
        for number, seed in enumerate(chosen):
            began = time.process_time()
            outcome = run_schedule(shop, seed)
            if trace:
                for line in outcome.trace:
                    print(*line)
            yield {
                "seed": seed, "broken": outcome.broken, "digest": outcome.digest, "steps": outcome.steps,
                "virtual_s": round(outcome.virtual_s), "documents": outcome.documents,
                "cpu_s": round(time.process_time() - began, 3),
            }  # fmt: skip
            if number % 50 == 49:
                gc.collect()


def run_many(base: int, count: int, jobs: int = 2, first: int = 0, kind: str = "") -> list[dict[str, Any]]:
    """Run schedules in several processes; raises RuntimeError when one of them did not end well.

    With a `kind` only those of this kind among the `count` from the `first` number on.
    """
    command = [sys.executable, "-m", "tests.simulation", "--lines", "--base", str(base), "--kind", kind]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # the order of sets of strings is part of a schedule
    shares = [(first + count * n // jobs, first + count * (n + 1) // jobs) for n in range(jobs)]
    running = []
    for low, high in shares:
        mine = [*command, "--first", str(low), "--count", str(high - low)]
        said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - not a pipe: nobody would empty it, and the process would wait
        running.append((subprocess.Popen(mine, cwd=root, env=environment, stdout=said, text=True), said))
    found: list[dict[str, Any]] = []
    for process, said in running:
        process.wait()
        with said:
            said.seek(0)
            output = said.read()
        if process.returncode:
            raise RuntimeError(f"a process of the simulation ended with {process.returncode}: {output[-2000:]}")
        found += [json.loads(line) for line in output.splitlines()]
    return found


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one and print its trace")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first schedule")
    parser.add_argument("--base", type=int, default=BASE, help="the seeds follow from it")
    parser.add_argument("--fresh", action="store_true", help="draw a new base")
    parser.add_argument("--kind", choices=("", "long", "short"), default="", help="only the schedules of this kind")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", default="", help="plant this defect first")
    parser.add_argument("--until-broken", action="store_true", help="with --lines: stop at the first broken rule")
    parser.add_argument("--lines", action="store_true", help="in this process, one JSON line for each schedule")
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    base = secrets.randbelow(10**9) if given.fresh else given.base
    if given.seed is not None or given.lines:
        among = seeds(base, given.first, given.count, given.kind)
        chosen = among if given.seed is None else iter([given.seed])
        for line in run_here(chosen, trace=given.seed is not None, mutant=given.mutant):
            print(json.dumps(line), flush=True)
            if given.until_broken and line["broken"]:
                break
        return 0
    print(f"base {base}, {given.count} schedules in {given.jobs} processes")
    began = time.monotonic()
    found = run_many(base, given.count, given.jobs, given.first, given.kind)
    broken = [line for line in found if line["broken"]]
    for line in broken:
        print(f"--seed {line['seed']}: {line['broken'][0]}")
    cpu = sum(line["cpu_s"] for line in found)
    pace = f"{time.monotonic() - began:.0f} s, {len(found) / cpu:.1f} per CPU second"
    print(f"{len(found)} schedules, {len(broken)} broken, {pace}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
