"""SIGKILL while a package is on its way: the agent, as a real process, at every step of a batch session (F01)."""

import random
from datetime import UTC, datetime, time, timedelta

import pytest

from spool import crashpoint
from spool.domain.states import State
from tests.crash.town import Case, Town

POINTS = sorted(point for point in crashpoint.AGENT if point.startswith("package."))
IN_CI = 1
MANY = 33
"""More than go one by one (`agent.plan`)."""


@pytest.mark.timeout(600)
def test_fault_F01_killed_with_a_package(town: Town, pytestconfig: pytest.Config) -> None:
    """Whatever step of its package a kill meets: each document in KSeF once, posted once, with its receipt."""
    everything, seed = pytestconfig.getoption("--crash-all"), pytestconfig.getoption("--crash-seed")
    seed = random.randrange(1_000_000) if seed is None else seed
    points = POINTS if everything else random.Random(seed).sample(POINTS, IN_CI)
    print(f"--crash-seed {seed}: {points}")
    town.sandbox.switch(rate_limits="on")
    try:
        for number, point in enumerate(points):
            _one(town, number, point)
    finally:
        town.sandbox.switch(rate_limits="off")
    assert [case.point for case in town.agent.fired] == points


def _one(town: Town, number: int, point: str) -> None:
    # What was spent of the limits is long ago.
    morning = datetime.combine(town.sandbox.now().date() + timedelta(days=1), time(8), UTC)
    town.sandbox.call("POST", "/sandbox/clock", {"set": morning.isoformat()})
    town.gateway.again()  # one that runs would judge the first files by the clock of yesterday for a moment
    for n in range(MANY):
        town.drop("sp1", f"p{number}-{n}", town.invoice("sp1", f"{number}/{n}"))
    town.wait(lambda: _queued(town) >= MANY, "everything is in the queue", drive=True)
    town.agent.cases.append(Case(point, 1))
    town.agent.start()
    town.wait(lambda: not town.agent.cases, f"the agent dies at {point}", drive=True)
    town.sandbox.advance(minutes=2)
    town.settle()
    town.check()
    town.agent.stop()


def _queued(town: Town) -> int:
    return int(town.look(lambda store: store.counts().get(State.QUEUED, 0)))
