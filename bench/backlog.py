"""From a queue to KSeF numbers, in simulated time: the production agent beside the floor.

    .venv/bin/python -m bench.backlog [--rounds N] [--up-to DOCUMENTS] [--no-write]

Only what waits counts (`bench.simulated`): a round trip of 60 ms, an uplink of ten megabits, KSeF's own work, KSeF's
production limits, and whatever the agent waits for. The floor is what nobody can go below: a bare login, two round
trips (open, close), the bytes on the uplink, and KSeF's work on the last package from its close until it is final. Of
several packages the lists may be read no faster than KSeF lets anybody: twenty pages of a thousand documents a minute,
from the moment at which the first package is final. For an interactive session the floor is the login, the opening, the
sends as fast as the limit of ten a second allows, and KSeF's work on the last. The processor's time that the product
needs for an invoice, from the claim to the number, is beside it: on a slow machine that comes on top.
"""

import math
import time
from dataclasses import dataclass

from agent.plan import MOST_IN_PACKAGE
from bench import report
from bench.simulated import ROUND_TRIP_S, UPLINK, Town, town
from tests.simulation.ksef_answers import LIMITS

_CASES = ((30, 1.2), (1_000, 1.1), (10_000, 1.1), (50_000, 1.1))


@dataclass(frozen=True)
class Run:
    """One backlog: simulated seconds until its last number, the floor, how often KSeF said 429, packages made, and the
    product's processor seconds for each document."""

    seconds: float
    floor: float
    refused: int
    packages: int
    processor: float


def backlog(count: int, seed: int) -> Run:
    """Put so many documents into a queue, then start the agent and wait for the last number."""
    with town(min(count, MOST_IN_PACKAGE)) as place:
        place.fill(count, seed)
        began, theirs = time.process_time(), place.own.seconds
        seconds = place.all_numbered(count)
        processor = time.process_time() - began - (place.own.seconds - theirs)
        floor = place.login_s + (_of_packages(place) if place.ksef.packages() else _one_by_one(place, count))
        return Run(seconds, floor, place.wire.refused, len(place.ksef.packages()), processor / count)


def _of_packages(place: Town) -> float:
    """Seconds after the login that packages need: the bytes and the last one's verdict, or the reading of all lists."""
    packages = place.ksef.packages()
    pages = sum(math.ceil(len(package.entries) / place.ksef.habits.page) for package in packages)
    minutes = math.ceil(pages / LIMITS["sessionInvoiceList"][1]) - 1
    sizes = [sum(map(len, package.parts.values())) for package in packages]
    last = sum(sizes) / UPLINK + place.ksef.work_on(packages[-1])
    first = sizes[0] / UPLINK + place.ksef.work_on(packages[0])
    return 2 * ROUND_TRIP_S + max(last, first + 60.0 * minutes)


def _one_by_one(place: Town, count: int) -> float:
    """Seconds after the login that interactive sends need."""
    sends = max(count * ROUND_TRIP_S, (count - 1) / LIMITS["invoiceSend"][0])
    return ROUND_TRIP_S + sends + place.ksef.work_on_last_document()


def measure(rounds: int, up_to: int) -> str:
    """The table, of backlogs no larger than `up_to`."""
    rows = []
    for count, goal in _CASES:
        if count > up_to:
            break
        runs = [backlog(count, 100 * count + n) for n in range(rounds)]
        seconds, floor = report.median([r.seconds for r in runs]), report.median([r.floor for r in runs])
        ratio = report.median([r.seconds / r.floor for r in runs])
        processor = report.median([r.processor for r in runs])
        way = f"packages: {runs[0].packages}" if runs[0].packages else "one by one"
        rows.append(
            (
                f"{count:,} ({way})", f"{seconds:.1f} s", f"{floor:.1f} s", f"{ratio:.2f} ×",
                report.verdict(ratio, goal, at_least=False), str(sum(r.refused for r in runs)),
                f"{processor * 1000:.1f} ms",
            )
        )  # fmt: skip
    head = ("queued", "to the last number", "floor", "ratio", "goal", "429", "our processor, each")
    return report.table(head, rows)


if __name__ == "__main__":
    report.run("backlog", "From a backlog to KSeF numbers", __doc__, measure, rounds=1, up_to=_CASES[-1][0])
