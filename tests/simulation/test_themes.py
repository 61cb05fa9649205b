"""The long schedules in CI, those among the numbers of `test_simulation`; and the same seed gives the same trace."""

from typing import Any

import pytest

from tests.simulation.__main__ import run_many
from tests.simulation.seeds import BASE, seed_of
from tests.simulation.test_simulation import SCHEDULES, judge

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(name="long", scope="module")
def long_fixture() -> list[dict[str, Any]]:
    """What became of each."""
    return run_many(BASE, SCHEDULES, jobs=1, kind="long")


def test_inv_in_every_long_schedule_all_invariants_hold(long: list[dict[str, Any]]) -> None:
    """I1 to I10, I13, I15 and I17 after every step, I18 at the end, with each theme in turn."""
    judge(long)


def test_a_seed_replays_to_the_same_trace(long: list[dict[str, Any]]) -> None:
    """Seed and commit are the whole input: two processes come to the same trace, line for line, also of schedules with
    drop folders and full disks, whose threads and free space are those of the real machine."""
    assert seed_of(BASE, 3) != seed_of(BASE, 4)
    first, second = (run_many(BASE, 12, jobs=jobs, first=5017) for jobs in (1, 2))
    again = run_many(BASE, SCHEDULES, jobs=2, kind="long")
    assert [line["digest"] for line in first + long] == [line["digest"] for line in second + again]
