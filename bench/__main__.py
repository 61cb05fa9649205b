"""Every benchmark, one after the other, each in a process of its own: `.venv/bin/python -m bench [NAME …]`.

Each writes its section of `bench/RESULTS.md`. `intake` needs root and the distribution's packages, for Postfix.
"""

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = ("intake", "grouping", "validation", "scale", "folders", "packing", "backlog", "render", "pages", "years")
"""The modules of this package that measure, in the order in which they are run."""


def main() -> int:
    """Run those that are named, or all; 1 when one of them could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}")
    chosen = parser.parse_args()
    if strangers := set(chosen.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(strangers))}")
    root = Path(__file__).resolve().parents[1]
    failed = [
        name
        for name in chosen.names or NAMES
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=root, check=False).returncode != 0
    ]
    if failed:
        print(f"Not measured: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
