"""Run the stories: `python -m tests.appliance [--release bookworm] [--cache DIR] [STORY …]`; see `tests/appliance`.

Without a name all stories, in their order; a named one is run after `install`. Roots and downloaded packages stay in
the cache. The last lines are the figures.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.appliance import stories
from tests.appliance.machine import Machine, root_of, wheels_of

RELEASES = ("bookworm", "trixie")


def main() -> int:
    """Returns 1 when a story failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.appliance", description=__doc__)
    parser.add_argument("--release", choices=RELEASES, action="append", help="Debian 12, Debian 13; both without it")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "sluza-appliance")
    parser.add_argument("--go-on", action="store_true", help="with the next story after one that failed")
    parser.add_argument("story", nargs="*")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the machine is switched off on the way out
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background, and so inside
    given.cache.mkdir(parents=True, exist_ok=True)
    failed = 0
    for release in given.release or RELEASES:
        failed += run(release, given.cache.resolve(), given.story, go_on=given.go_on)
    return min(failed, 1)


def run(release: str, cache: Path, named: list[str], *, go_on: bool) -> int:
    """One release; returns how many stories failed."""
    root, wheels = root_of(release, cache), wheels_of(release, cache)
    figures: stories.Figures = {}
    failed = 0
    with Machine(root, cache / f"machine-{release}", network=False) as machine:
        shutil.copytree(wheels, machine.root / "root/wheels")
        for story in stories.STORIES:
            if named and story.__name__ not in {*named, "install"}:
                continue
            begun = time.monotonic()
            try:
                story(machine, figures)
                word = "ok"
            except Exception:
                traceback.print_exc()
                failed += 1
                word = "FAILED"
            print(f"{release} {story.__name__}: {word} ({time.monotonic() - begun:.0f} s)", flush=True)
            if word == "FAILED" and not go_on:
                break
    for what, figure in figures.items():
        print(f"{release} | {what} | {figure}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
