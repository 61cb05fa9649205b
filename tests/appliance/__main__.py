"""Run the stories: `python -m tests.appliance [--release bookworm] [--cache DIR] [STORY …]`; see `tests/appliance`.

Without a name all stories, in their order; a named one is run after `install`, one with a machine of its own alone.
Roots and downloaded packages stay in the cache. The last lines are the figures.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.appliance import apart, stories
from tests.appliance.kit import Figures
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
    figures: Figures = {}
    tell = Teller(release, go_on=go_on)

    def fresh(*, network: bool = False) -> Machine:
        return Machine(root, cache / f"machine-{release}", network=network, wheels=wheels)

    chosen = [story for story in stories.STORIES if not named or story.__name__ in {*named, "install"}]
    if not named or len(chosen) > 1 or "install" in named:
        with fresh() as machine:
            for story in chosen:
                if tell.over:
                    break
                tell.of(story.__name__, partial(story, machine, figures))
    for alone in apart.STORIES:
        if not tell.over and (not named or alone.__name__ in named):
            tell.of(alone.__name__, partial(alone, fresh, figures))
    for what, figure in figures.items():
        print(f"{release} | {what} | {figure}")
    return tell.failed


class Teller:
    """Runs stories and says how each of them ended."""

    def __init__(self, release: str, *, go_on: bool) -> None:
        self.failed = 0
        self._release, self._go_on = release, go_on

    @property
    def over(self) -> bool:
        """After a failure no further story is told, unless all are wanted."""
        return self.failed > 0 and not self._go_on

    def of(self, name: str, story: Callable[[], None]) -> None:
        """One story."""
        begun, word = time.monotonic(), "ok"
        try:
            story()
        except Exception:
            traceback.print_exc()
            self.failed += 1
            word = "FAILED"
        print(f"{self._release} {name}: {word} ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
