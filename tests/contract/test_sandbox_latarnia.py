"""Statements G3 and G7 as the control plays them: versions of a message, maintenance by the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sandbox_kit import Box


def word(box: Box) -> str:
    """The status now."""
    return str(box.get("/latarnia/status").json()["status"])


def later(box: Box, seconds: int) -> str:
    """A simulated instant so many seconds from now."""
    now = datetime.fromisoformat(box.get("/sandbox/clock").json()["now"])
    return (now + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(("given", "version"), [({}, 2), ({"version": 1}, 2), ({"version": 7}, 7)])
def test_sandbox_G3_the_same_id_again_is_a_new_version(box: Box, given: dict[str, Any], version: int) -> None:
    """Re-posting an id without a higher version counts it up; a higher one is kept."""
    box.post("/sandbox/latarnia", body={"status": "FAILURE"})
    message = box.get("/latarnia/messages").json()[0]
    del message["version"]
    box.post("/sandbox/latarnia", body={"messages": [message | given]})
    assert [item["version"] for item in box.get("/latarnia/messages").json()] == [version]


def test_sandbox_G7_maintenance_set_for_later_comes_and_goes(box: Box) -> None:
    """MAINTENANCE with a start to come: AVAILABLE before, MAINTENANCE between start and end, AVAILABLE after."""
    wanted = {"status": "MAINTENANCE", "start": later(box, 3600), "end": later(box, 7200)}
    assert box.post("/sandbox/latarnia", body=wanted).status_code == 200
    assert (word(box), len(box.get("/latarnia/messages").json())) == ("AVAILABLE", 1)
    box.advance(3700)
    assert word(box) == "MAINTENANCE"
    assert box.get("/latarnia/status").json()["messages"][0]["type"] == "MAINTENANCE_ANNOUNCEMENT"
    box.advance(3600)
    assert word(box) == "AVAILABLE"


def test_sandbox_G7_available_ends_a_running_maintenance(box: Box) -> None:
    """Without an end it lasts until AVAILABLE is set; that also ends one before its announced end."""
    box.post("/sandbox/latarnia", body={"status": "MAINTENANCE", "start": later(box, 60)})
    box.advance(3600)
    assert word(box) == "MAINTENANCE"
    box.post("/sandbox/latarnia", body={"status": "AVAILABLE"})
    assert word(box) == "AVAILABLE"
    box.post("/sandbox/latarnia", body={"status": "MAINTENANCE", "end": later(box, 3600)})
    assert word(box) == "MAINTENANCE"
    box.post("/sandbox/latarnia", body={"status": "AVAILABLE"})
    assert word(box) == "AVAILABLE"


def test_sandbox_G7_bad_instants_are_refused(box: Box) -> None:
    """A start without an offset, or an end before the start, is 400 and changes nothing."""
    for wanted in ({"start": "2027-01-01T10:00:00"}, {"start": later(box, 60), "end": later(box, 30)}):
        assert box.post("/sandbox/latarnia", body={"status": "MAINTENANCE"} | wanted).status_code == 400
    assert word(box) == "AVAILABLE"
