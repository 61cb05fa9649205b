"""The short schedules in CI: a fixed number of them from a fixed base seed; the long ones are in `test_themes`.

More of them, or fresh ones: `python -m tests.simulation --count 20000 --fresh`; one again: `--seed N`.
"""

import os
from typing import Any

import pytest

from tests.simulation.__main__ import run_many
from tests.simulation.seeds import BASE

pytestmark = pytest.mark.timeout(600)  # they share the processors with the other half of the suite
SCHEDULES = int(os.environ.get("SLUZA_SCHEDULES", "1024"))
SHARES = 2


def judge(found: list[dict[str, Any]]) -> None:
    """Every invariant held in all of these schedules."""
    broken = [
        f"python -m tests.simulation --seed {line['seed']}: {line['broken'][0]}" for line in found if line["broken"]
    ]
    assert found
    assert not broken, "\n".join(broken[:10])


@pytest.mark.parametrize("share", range(SHARES))
def test_inv_in_every_short_schedule_all_invariants_hold(share: int) -> None:
    """I1 to I10, I13, I15 and I17 after every step, I18 at the end, with each fault of `fates` in turn."""
    first, end = (SCHEDULES * n // SHARES for n in (share, share + 1))
    judge(run_many(BASE, end - first, first=first, kind="short"))
