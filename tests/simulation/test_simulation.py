"""The simulation in CI: a fixed number of schedules from a fixed base seed, and the same seed gives the same trace.

More of them, or fresh ones: `python -m tests.simulation --count 20000 --fresh`; one again: `--seed N`.
"""

import os

import pytest

from tests.simulation.__main__ import BASE, run_many, seed_of

pytestmark = pytest.mark.timeout(600)  # they share the processors with the other half of the suite
SCHEDULES = int(os.environ.get("SLUZA_SCHEDULES", "60"))


def test_inv_in_every_schedule_all_invariants_hold() -> None:
    """I1 to I10, I13, I15 and I17 after every step, I18 at the end, in every one of the schedules."""
    found = run_many(BASE, SCHEDULES)
    broken = [
        f"python -m tests.simulation --seed {line['seed']}: {line['broken'][0]}" for line in found if line["broken"]
    ]
    assert len(found) == SCHEDULES
    assert not broken, "\n".join(broken[:10])


def test_a_seed_replays_to_the_same_trace() -> None:
    """Seed and commit are the whole input: two processes come to the same trace, line for line."""
    assert seed_of(BASE, 3) != seed_of(BASE, 4)
    first, second = (run_many(BASE, 5, jobs=jobs, first=5000) for jobs in (1, 2))
    assert [line["digest"] for line in first] == [line["digest"] for line in second]
