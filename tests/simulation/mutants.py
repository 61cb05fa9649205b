"""Does the simulation notice defects? Each one is planted into the source as it is imported, never on disk.

`python -m tests.simulation.mutants [NAME …]` tries them, two at a time, on the schedules that CI runs, in CI's order,
until one of them breaks a rule; `--write` puts the table into MUTANTS.md.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.simulation.planted import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("MUTANTS.md")


class _Patched(SourceFileLoader):
    """Loads one module from its changed text."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Planter(MetaPathFinder):
    """Finds the modules of one mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._texts: dict[str, tuple[str, str]] = {}
        for file, old, new in mutant.patches:
            name = file.removesuffix(".py").replace("/", ".")
            path = ROOT / file
            text = self._texts[name][1] if name in self._texts else path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise SystemExit(f"{mutant.name}: the text stands {text.count(old)} times in {file}")
            self._texts[name] = (str(path), text.replace(old, new))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._texts:
            return None
        where, text = self._texts[fullname]
        loader = _Patched(fullname, where, text)
        return importlib.util.spec_from_file_location(fullname, where, loader=loader)


def plant(name: str) -> None:
    """From now on the modules of this mutant are imported with its defect."""
    mutant = next(m for m in MUTANTS if m.name == name)
    assert not any(file.removesuffix(".py").replace("/", ".") in sys.modules for file, _, _ in mutant.patches)
    sys.meta_path.insert(0, _Planter(mutant))


def try_one(mutant: Mutant, base: int, count: int, seconds: float) -> dict[str, Any]:
    """Schedules until a rule breaks: which one, and after how many; empty when none does."""
    command = [
        sys.executable, "-m", "tests.simulation", "--lines", "--until-broken", "--mutant", mutant.name,
        "--base", str(base), "--count", str(count),
    ]  # fmt: skip
    began, tried = time.monotonic(), 0
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        tried += 1
        found = json.loads(line)
        if found["broken"] or time.monotonic() - began > seconds:
            break
    else:
        found = {"broken": []}
    process.kill()
    process.wait()
    return {"mutant": mutant.name, "tried": tried, "broken": found["broken"][:1], "whole": tried >= count}


def main() -> int:
    """See the module."""
    from tests.simulation.seeds import BASE
    from tests.simulation.test_simulation import SCHEDULES

    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--count", type=int, default=SCHEDULES)
    parser.add_argument("--base", type=int, default=BASE)
    parser.add_argument("--seconds", type=float, default=3600, help="the most for one of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    by_name = {m.name: m for m in MUTANTS}
    chosen = [by_name[name] for name in given.names or by_name]
    with ThreadPoolExecutor(given.jobs) as pool:
        tries = [pool.submit(try_one, m, given.base, given.count, given.seconds) for m in chosen]
        results = []
        for one in tries:
            results.append(one.result())
            print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    caught = sum(bool(r["broken"]) for r in results)
    print(f"{caught} of {len(results)} caught")
    if given.write:
        TABLE.write_text(table(chosen, results, given.count), encoding="utf-8")
    return 0 if caught == len(results) else 1


def table(chosen: Sequence[Mutant], results: Sequence[dict[str, Any]], count: int) -> str:
    """The results for people."""
    caught = sum(bool(r["broken"]) for r in results)
    lines = [
        "# Planted defects",
        "",
        f"{caught} of {len(results)} are caught within {count} schedules, the number that CI runs, on CI's seeds.",
        "Made by `python -m tests.simulation.mutants --write`. A skipped `fsync` cannot be seen here by nature; it is",
        "a matter of `tests/crash/test_power_loss.py`.",
        "",
        "| Defect | What it is | Caught by | After schedules |",
        "|---|---|---|---|",
    ]
    for mutant, result in zip(chosen, results, strict=True):
        rule = result["broken"][0].partition(":")[0] if result["broken"] else "–"
        after = str(result["tried"]) if result["broken"] else f"not in {result['tried']}"
        lines.append(f"| `{mutant.name}` | {mutant.what} | {rule} | {after} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
