"""`python -m release changelog | sbom | audit | wheel`: the steps of docs/release.md that a program can do."""

import argparse
import hashlib
import sys
from datetime import date
from pathlib import Path

from release import bom, changelog
from release.audit import audit
from release.wheel import build


def main() -> int:
    """One step; 1 when there is something to mend."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("changelog").add_argument("--close", metavar="VERSION", help="the notes become those of a release")
    steps.add_parser("sbom")
    steps.add_parser("audit")
    wheel = steps.add_parser("wheel")
    wheel.add_argument("--into", type=Path, default=Path("dist"))
    wheel.add_argument("--commit", default="HEAD")
    chosen = parser.parse_args()
    if chosen.step == "changelog":
        if chosen.close:
            changelog.close(chosen.close, date.today())  # noqa: DTZ011 - the day of whoever releases
        changelog.LOG.write_text(changelog.build(), encoding="utf-8")
    elif chosen.step == "sbom":
        bom.make()
    elif chosen.step == "wheel":
        made = build(chosen.into, chosen.commit)
        print(f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {made}")
    else:
        found = audit()
        print("\n".join(found.known) or found.silence or f"nothing known about any of {found.asked} packages")
        return 1 if found.known else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
