"""SIGKILL while a supplier's invoice changes its unit: the gateway dies when the copy of the former is gone (F01)."""

import pytest

from spool.domain.calendar import warsaw_date
from tests.crash.town import Case, Town

POINT = "mirror.taken"


@pytest.mark.timeout(600)
def test_fault_F01_killed_when_a_copy_was_taken_away(town: Town) -> None:
    """It lies with the new unit and with nobody else, and the spool knows that (I7)."""
    town.start()
    town.supply(1, warsaw_date(town.sandbox.now()))
    town.settle()
    number, (_, raw) = next((n, s) for n, s in town.supplied.items() if s[0] == "_centrala")
    _assign(town, number, "gops", raw)
    town.gateway.cases.append(Case(POINT, 1))
    town.gateway.again()
    _assign(town, number, "ug", raw)
    town.wait(lambda: not town.gateway.cases, "the gateway dies when the copy is gone", drive=True)
    town.settle()
    town.check()
    assert [case.point for case in town.gateway.fired] == [POINT]


def _assign(town: Town, number: str, unit: str, raw: bytes) -> None:
    """Somebody decides it; afterwards the copy lies there."""
    done = town.command("received", "assign", number, unit)
    assert done.returncode == 0, done.stderr
    town.supplied[number] = (unit, raw)
    town.wait(lambda: any((town.folders / unit).glob(f"odebrane/*/*{number}.xml")), f"it lies in {unit}", drive=True)
