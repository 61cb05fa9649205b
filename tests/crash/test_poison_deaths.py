"""A document that kills the process itself, gateway or agent, every time: real processes, real deaths (F19)."""

import json
import shutil
from collections import deque

import pytest

from spool.bodies import sha256_hex
from spool.domain.states import State
from tests.crash.town import Case, Dropped, Program, Town

MORE_THAN_ENOUGH = 5
"""Deaths that stand ready; the product must not need them all."""


def kill(program: Program, point: str, prefix: str) -> None:
    """From now on every start of the program dies at this document."""
    program.cases.extend([Case(point, 1, prefix)] * MORE_THAN_ENOUGH)


def state_of(town: Town, one: Dropped) -> State | None:
    """What the spool says of it; None before it has a row."""
    found = town.look(lambda store: store.with_bytes(one.sha256))
    return found[0].state if found else None


def put_back(town: Town, one: Dropped) -> None:
    """A person finds the alarm, and orders the document to be sent after all."""
    (document,) = town.look(lambda store: store.with_bytes(one.sha256))
    assert one.unit == document.unit
    said = json.loads(town.command("status", "--json").stdout)
    assert any(f["level"] == "alarm" and "kwarantannie" in f["message"] for f in said["findings"]), said
    done = town.command("queue", "retry", document.id)
    assert done.returncode == 0, done.stderr
    one.outcome = State.DELIVERED


@pytest.mark.timeout(300)
def test_fault_F19_a_document_that_kills_the_gateway_is_quarantined(town: Town) -> None:
    """Durable, then dead before the file is removed, three times: QUARANTINED and told of; the others go on."""
    raw = town.invoice("sp1", "P")
    kill(town.gateway, "intake.committed", sha256_hex(raw))
    town.gateway.start()
    poison = town.drop("sp1", "trucizna", raw, outcome=State.QUARANTINED)
    town.wait(lambda: state_of(town, poison) is poison.outcome, "quarantine", drive=True)
    healthy = town.drop("gops", "zdrowa", town.invoice("gops", "H"))
    assert len(town.gateway.fired) == 3
    town.agent.start()
    town.settle()
    town.check()
    assert len(town.gateway.fired) == 3
    assert state_of(town, healthy) is State.DELIVERED
    town.gateway.cases.clear()


@pytest.mark.timeout(300)
def test_fault_F19_a_document_that_kills_the_agent_is_quarantined(town: Town) -> None:
    """Sealing it kills the agent, three times, before anything was sent: QUARANTINED; put back it is sent, once."""
    town.agent.stop()
    if town.gateway.process is None:  # when this test runs alone
        town.gateway.start()
    poison = town.drop("gops", "nieszczesna", town.invoice("gops", "P"), outcome=State.QUARANTINED)
    town.drop("sp1", "szczesliwa", town.invoice("sp1", "H"))
    town.wait(lambda: state_of(town, poison) is State.QUEUED, "its row")
    kill(town.agent, "send.sealed", town.look(lambda store: store.with_bytes(poison.sha256)[0].id))
    town.agent.start()
    town.settle()
    town.check()
    assert len(town.agent.fired) == 3
    town.agent.cases = deque(list(town.agent.cases)[:1])  # whatever it was is over after one more death
    put_back(town, poison)
    town.settle()
    assert len(town.agent.fired) == 4
    shutil.rmtree(town.folders / "gops" / "odrzucone")  # the note of the quarantine, which the person has read
    town.check()
