"""Several packages at once, in simulated time and under KSeF's published limits: everything has its number, nobody is
refused, and no list is read twice."""

import pytest

import agent.batch
from bench import simulated

IN_PACKAGE, PACKAGES, PAGES = 40, 3, 10


def test_packages_share_the_calls_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of ten thousand fills ten pages of the twenty that KSeF gives a minute, here with fewer on a page. The
    list that brought the numbers brings the receipts, too; looks at several packages take no more calls than at one."""
    monkeypatch.setattr(agent.batch, "MOST_IN_PACKAGE", IN_PACKAGE)
    monkeypatch.setattr(simulated, "EACH_S", simulated.EACH_S * 10_000 / IN_PACKAGE)
    with simulated.town(IN_PACKAGE) as town:
        town.ksef.habits.page = IN_PACKAGE // PAGES
        town.fill(IN_PACKAGE * PACKAGES, 1)
        seconds = town.all_numbered(IN_PACKAGE * PACKAGES)
        asked, packages = town.wire.asked, town.ksef.packages()
        assert town.wire.refused == 0
        assert len(packages) == PACKAGES
        assert asked["listed"] == PAGES * PACKAGES
        assert asked["upo"] == 0
        assert asked["receipt_file"] > 0
        # Twenty pages at once, and the ten of the last package a minute after the first.
        assert seconds < town.ksef.work_on(packages[0]) + 60 + 10
