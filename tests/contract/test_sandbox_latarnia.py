"""Statements G1–G7: what Latarnia says by itself, event by event, by the simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox_kit import Box

DAY = 86_400
FIELDS = {"id", "eventId", "category", "type", "title", "text", "start", "end", "version", "published"}


def set_light(box: Box, **body: Any) -> dict[str, Any]:
    """A control call that must be taken; its answer."""
    answer = box.post("/sandbox/latarnia", body=body)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


def word(box: Box) -> str:
    """The status now."""
    return str(box.get("/latarnia/status").json()["status"])


def shown(box: Box) -> list[dict[str, Any]]:
    """The messages of /status."""
    found: list[dict[str, Any]] = box.get("/latarnia/status").json().get("messages", [])
    return found


def listed(box: Box) -> list[dict[str, Any]]:
    """/messages."""
    found: list[dict[str, Any]] = box.get("/latarnia/messages").json()
    return found


def later(box: Box, seconds: float) -> str:
    """A simulated instant so many seconds from now."""
    now = datetime.fromisoformat(box.get("/sandbox/clock").json()["now"])
    return (now + timedelta(seconds=seconds)).isoformat()


def types(messages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(type, eventId) of messages."""
    return [(message["type"], message["eventId"]) for message in messages]


def test_sandbox_G1_available_without_messages(box: Box) -> None:
    """By default /status is exactly AVAILABLE and /messages empty."""
    assert box.get("/latarnia/status").json() == {"status": "AVAILABLE"}
    assert listed(box) == []


@pytest.mark.parametrize("status", ["MAINTENANCE", "FAILURE", "TOTAL_FAILURE"])
def test_sandbox_G1_each_status_can_be_set(box: Box, status: str) -> None:
    """Each status shows its message with every documented field, and AVAILABLE ends it without `messages`."""
    set_light(box, status=status)
    assert word(box) == status
    (message,) = shown(box)
    assert (set(message), message["category"], message["version"]) == (FIELDS, status, 1)
    assert message["end"] is None
    set_light(box, status="AVAILABLE")
    assert box.get("/latarnia/status").json() == {"status": "AVAILABLE"}


@pytest.mark.parametrize("status", ["MAINTENANCE", "FAILURE", "TOTAL_FAILURE"])
def test_sandbox_G1_start_end_and_published_are_given(box: Box, status: str) -> None:
    """`start`, `end` and `published` appear as given, and /status follows the clock between start and end."""
    dates = {"start": later(box, 3600), "end": later(box, 7200), "published": later(box, -60)}
    set_light(box, status=status, **dates)
    assert {name: listed(box)[-1][name] for name in dates} == dates
    seen = [word(box)]
    for _ in range(2):
        box.advance(3700)
        seen.append(word(box))
    assert seen == ["AVAILABLE", status, "AVAILABLE"]


def test_sandbox_G1_an_event_wholly_in_the_past(box: Box) -> None:
    """A failure of yesterday told today: AVAILABLE, with its start and its end in /messages."""
    dates = {"start": later(box, -2 * DAY), "end": later(box, -DAY), "published": later(box, -2 * DAY)}
    set_light(box, status="FAILURE", **dates)
    assert word(box) == "AVAILABLE"
    end, begin = listed(box)
    assert (begin["type"], end["type"], end["eventId"]) == ("FAILURE_START", "FAILURE_END", begin["eventId"])
    assert (end["end"], begin["published"]) == (dates["end"], dates["published"])


def test_sandbox_G2_the_history_is_newest_first_by_publication(box: Box) -> None:
    """/messages goes by `published`, whatever the order of the calls."""
    set_light(box, status="FAILURE", start=later(box, -60))
    set_light(box, status="AVAILABLE")
    set_light(
        box, status="FAILURE", start=later(box, -9 * DAY), end=later(box, -8 * DAY), published=later(box, -9 * DAY)
    )
    assert types(listed(box)) == [("FAILURE_END", 1), ("FAILURE_START", 1), ("FAILURE_END", 2), ("FAILURE_START", 2)]


def test_sandbox_G3_failure_begins_and_ends(box: Box) -> None:
    """Ending a failure adds FAILURE_END with the same eventId and the start of the event."""
    set_light(box, status="FAILURE", start=later(box, -7200))
    box.advance(600)
    end_day = later(box, -300)
    set_light(box, status="AVAILABLE", end=end_day, title="Koniec", text="Przywrócono")
    end, begin = listed(box)
    assert types([end, begin]) == [("FAILURE_END", 1), ("FAILURE_START", 1)]
    assert (end["start"], end["end"], end["title"], end["text"]) == (begin["start"], end_day, "Koniec", "Przywrócono")
    assert end["id"] != begin["id"]


def test_sandbox_G3_an_announced_end_comes_by_the_clock(box: Box) -> None:
    """A failure with an `end` gets its FAILURE_END when the clock is there, and only one if it is ended before."""
    set_light(box, status="FAILURE", end=later(box, 3600))
    assert types(listed(box)) == [("FAILURE_START", 1)]
    box.advance(3601)
    assert (word(box), types(listed(box))) == ("AVAILABLE", [("FAILURE_END", 1), ("FAILURE_START", 1)])
    set_light(box, status="FAILURE", end=later(box, 3600))
    set_light(box, status="AVAILABLE")
    box.advance(7200)
    assert types(listed(box))[:2] == [("FAILURE_END", 2), ("FAILURE_START", 2)]
    assert len(listed(box)) == 4


@pytest.mark.parametrize(("given", "version"), [({}, 2), ({"version": 1}, 2), ({"version": 7}, 7)])
def test_sandbox_G3_the_same_id_again_is_a_new_version(box: Box, given: dict[str, Any], version: int) -> None:
    """Re-posting an id without a higher version counts it up; a higher one is kept; the text is the new one."""
    set_light(box, status="FAILURE")
    message = listed(box)[0]
    del message["version"]
    set_light(box, messages=[message | given | {"text": "sprostowanie"}])
    assert [(item["version"], item["text"]) for item in listed(box)] == [(version, "sprostowanie")]
    assert (word(box), shown(box)) == ("FAILURE", listed(box))


def test_sandbox_G3_a_correction_of_the_end_names_an_earlier_day(box: Box) -> None:
    """`correct` re-issues the END message: same id and eventId, version 2, an earlier end; status untouched."""
    set_light(box, status="FAILURE", start=later(box, -5 * DAY))
    (end,) = set_light(box, status="AVAILABLE")["published"]
    box.advance(3600)
    earlier = later(box, -2 * DAY)
    set_light(box, correct=end["id"], end=earlier)
    first, second = listed(box)
    assert (first["id"], first["version"], first["end"]) == (end["id"], 2, earlier)
    assert first["published"] > end["published"]
    assert (first["type"], first["eventId"], second["version"]) == ("FAILURE_END", second["eventId"], 1)
    assert word(box) == "AVAILABLE"
    set_light(box, correct=end["id"], end=earlier, text="jeszcze raz")
    assert listed(box)[0]["version"] == 3


def test_sandbox_G3_a_correction_moves_the_event(box: Box) -> None:
    """A corrected maintenance window is the one the clock follows."""
    (plan,) = set_light(box, status="MAINTENANCE", start=later(box, 3600), end=later(box, 7200))["published"]
    set_light(box, correct=plan["id"], start=later(box, 2 * DAY), end=later(box, 3 * DAY))
    box.advance(5000)
    assert word(box) == "AVAILABLE"
    box.advance(2 * DAY)
    assert (word(box), shown(box)[0]["version"]) == ("MAINTENANCE", 2)


@pytest.mark.parametrize("same", [True, False])
def test_sandbox_G4_escalation_in_both_modes(box: Box, same: bool) -> None:
    """FAILURE to TOTAL_FAILURE keeps the eventId, or takes a new one; one AVAILABLE ends it either way."""
    set_light(box, status="FAILURE")
    set_light(box, status="TOTAL_FAILURE", same_event=same)
    late, early = listed(box)
    assert (word(box), late["category"], early["category"]) == ("TOTAL_FAILURE", "TOTAL_FAILURE", "FAILURE")
    assert (late["eventId"] == early["eventId"]) is same
    assert [message["category"] for message in shown(box)] == ["TOTAL_FAILURE", *["FAILURE"] * same]
    set_light(box, status="AVAILABLE")
    assert (word(box), types(listed(box))[0]) == ("AVAILABLE", ("FAILURE_END", late["eventId"]))
    assert len(listed(box)) == 3


def test_sandbox_G4_the_former_event_may_get_its_end(box: Box) -> None:
    """`end_former` adds a FAILURE_END of the event that was escalated."""
    set_light(box, status="FAILURE")
    set_light(box, status="TOTAL_FAILURE", end_former=True)
    assert set(types(listed(box))) == {("FAILURE_START", 1), ("FAILURE_END", 1), ("FAILURE_START", 2)}
    assert (word(box), len(shown(box))) == ("TOTAL_FAILURE", 1)


@pytest.mark.parametrize(("down", "code"), [(True, 502), ("500", 500), ("502", 502), ("503", 503), ("504", 504)])
@pytest.mark.parametrize("path", ["/latarnia/status", "/latarnia/messages"])
def test_sandbox_G5_latarnia_down_while_api_works(box: Box, down: Any, code: int, path: str) -> None:
    """Latarnia answers with an error page while the API and the controls work."""
    set_light(box, down=down)
    answer = box.get(path)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (code, "text/html")
    assert box.post("/v2/auth/challenge").status_code == 200
    set_light(box, down=False)
    assert box.get(path).status_code == 200


@pytest.mark.parametrize(("down", "error"), [("refuse", httpx.TransportError), ("timeout", httpx.ReadTimeout)])
def test_sandbox_G5_latarnia_out_of_reach(box: Box, down: str, error: type[Exception]) -> None:
    """It drops the connection, or says nothing at all; a status set meanwhile is there afterwards."""
    set_light(box, down=down)
    set_light(box, status="FAILURE")
    with pytest.raises(error):
        box.http.get(f"{box.url}/latarnia/status", timeout=0.3)
    assert box.post("/v2/auth/challenge").status_code == 200
    set_light(box, down=False)
    assert word(box) == "FAILURE"


def test_sandbox_G5_the_api_fails_while_latarnia_is_silent_about_it(box: Box) -> None:
    """A failing API changes nothing in Latarnia, and an announced failure nothing in the API."""
    box.fault("* /v2/*", "http_503")
    assert box.post("/v2/auth/challenge").status_code == 503
    assert box.get("/latarnia/status").json() == {"status": "AVAILABLE"}
    box.delete("/sandbox/faults")
    set_light(box, status="TOTAL_FAILURE")
    assert box.post("/v2/auth/challenge").status_code == 200


def test_sandbox_G5_other_paths_are_denied_as_by_storage(box: Box) -> None:
    """A path Latarnia does not have is an XML AccessDenied."""
    answer = box.get("/latarnia/v1/status")
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)


@pytest.mark.parametrize("now", ["2026-01-01T12:00:00+01:00", "2029-01-01T12:00:00+01:00"])
def test_sandbox_G6_mock_of_the_real_test_environment(box: Box, now: str) -> None:
    """A TOTAL_FAILURE of 2026-01-31 without end, before that day and years after it."""
    set_light(box, mode="test_mock")
    box.post("/sandbox/clock", body={"set": now})
    assert (word(box), shown(box), listed(box)) == ("TOTAL_FAILURE", listed(box), shown(box))
    assert (listed(box)[0]["start"][:10], listed(box)[0]["end"]) == ("2026-01-31", None)
    set_light(box, reset=True)
    assert (word(box), listed(box)) == ("AVAILABLE", [])


def test_sandbox_G7_planned_maintenance(box: Box) -> None:
    """An announcement given whole is in /messages before its start, and in /status only while it runs."""
    message = {
        "id": "K/2026/PRT/01",
        "eventId": 9,
        "category": "MAINTENANCE",
        "type": "MAINTENANCE_ANNOUNCEMENT",
        "title": "Prace",
        "text": "Prace serwisowe",
        "start": later(box, 40 * DAY),
        "end": later(box, 40 * DAY + 7200),
        "version": 1,
        "published": later(box, -60),
    }
    set_light(box, messages=[message])
    assert (word(box), shown(box), listed(box)) == ("AVAILABLE", [], [message])
    box.advance(40 * DAY + 60)
    assert (word(box), shown(box)) == ("MAINTENANCE", [message])
    box.advance(7200)
    assert (word(box), listed(box)) == ("AVAILABLE", [message])


def test_sandbox_G7_available_ends_a_running_maintenance(box: Box) -> None:
    """Without an end it lasts until AVAILABLE is set; that also ends one before its announced end."""
    set_light(box, status="MAINTENANCE", start=later(box, 60))
    assert word(box) == "AVAILABLE"
    box.advance(3600)
    assert word(box) == "MAINTENANCE"
    set_light(box, status="AVAILABLE")
    assert word(box) == "AVAILABLE"
    set_light(box, status="MAINTENANCE", end=later(box, 3600))
    assert word(box) == "MAINTENANCE"
    set_light(box, status="AVAILABLE")
    assert word(box) == "AVAILABLE"


def test_sandbox_G2_a_failure_during_maintenance(box: Box) -> None:
    """The failure is the status and both are shown; when it ends the maintenance is there again, till its end."""
    set_light(box, status="MAINTENANCE", end=later(box, 7200))
    set_light(box, status="FAILURE")
    assert (word(box), types(shown(box))) == ("FAILURE", [("FAILURE_START", 2), ("MAINTENANCE_ANNOUNCEMENT", 1)])
    set_light(box, status="AVAILABLE", eventId=2)
    assert (word(box), types(shown(box))) == ("MAINTENANCE", [("MAINTENANCE_ANNOUNCEMENT", 1)])
    box.advance(7201)
    assert word(box) == "AVAILABLE"


def test_sandbox_G2_announcing_maintenance_does_not_end_a_failure(box: Box) -> None:
    """A maintenance announced during a failure leaves it running."""
    set_light(box, status="FAILURE")
    set_light(box, status="MAINTENANCE", start=later(box, 60), end=later(box, 120))
    assert word(box) == "FAILURE"
    box.advance(90)
    assert (word(box), len(shown(box))) == ("FAILURE", 2)


def test_sandbox_G2_two_failures_overlap(box: Box) -> None:
    """Each has its eventId and its own end; the status is FAILURE until the last has ended."""
    set_light(box, status="FAILURE")
    box.advance(60)
    set_light(box, status="FAILURE")
    assert types(shown(box)) == [("FAILURE_START", 2), ("FAILURE_START", 1)]
    set_light(box, status="AVAILABLE", eventId=1)
    assert (word(box), types(shown(box))) == ("FAILURE", [("FAILURE_START", 2)])
    set_light(box, status="AVAILABLE")
    assert (word(box), types(listed(box))[:2]) == ("AVAILABLE", [("FAILURE_END", 2), ("FAILURE_END", 1)])


def test_sandbox_G2_messages_vanish_after_thirty_days(box: Box) -> None:
    """/messages forgets 30 days after publication or the end of the event; a running event keeps its message."""
    set_light(box, status="FAILURE")
    box.advance(45 * DAY)
    assert len(listed(box)) == len(shown(box)) == 1
    set_light(box, status="AVAILABLE")
    box.advance(29.9 * DAY)
    assert len(listed(box)) == 2
    box.advance(0.2 * DAY)
    assert (listed(box), word(box)) == ([], "AVAILABLE")
    box.advance(-1 * DAY)
    assert len(listed(box)) == 2
    box.switch(latarnia_retention_s=3600)
    assert listed(box) == []


def test_sandbox_F4_the_clock_goes_back_and_forth(box: Box) -> None:
    """The status is that of the instant: before an event, in it, after it, in any order."""
    start, end = later(box, 3600), later(box, 7200)
    set_light(box, status="FAILURE", start=start, end=end)
    for moment, expected in (
        (end, "AVAILABLE"),
        (start, "FAILURE"),
        (later(box, -60), "AVAILABLE"),
        (start, "FAILURE"),
    ):
        box.post("/sandbox/clock", body={"set": moment})
        assert word(box) == expected


def test_sandbox_F5_latarnia_survives_a_restart(start: Callable[..., Box], tmp_path: Path) -> None:
    """Events, messages, versions, the plan and the way it is down are there again; numbering goes on."""
    box = start(tmp_path / "kept")
    (first,) = set_light(box, status="FAILURE")["published"]
    set_light(box, correct=first["id"], text="poprawka")
    set_light(box, status="MAINTENANCE", start=later(box, 3600), end=later(box, 7200))
    before = (word(box), shown(box), listed(box))
    set_light(box, down="504")
    box.stop()
    again = start(tmp_path / "kept")
    assert again.get("/latarnia/status").status_code == 504
    set_light(again, down=False)
    assert (word(again), shown(again), listed(again)) == before
    set_light(again, status="AVAILABLE", eventId=1)
    again.advance(3700)
    assert word(again) == "MAINTENANCE"
    assert len({message["id"] for message in listed(again)}) == 3


MESSAGE = {
    "id": "K/2027/AWR/01",
    "eventId": 7,
    "category": "PARTIAL_FAILURE",
    "type": "FAILURE_UPDATE",
    "title": "Zmiana",
    "text": "<b>tekst</b>",
    "start": "2027-01-02T10:00:00+01:00",
    "end": None,
    "version": 4,
    "published": "2027-01-02T10:05:00+01:00",
    "severity": {"level": 3},
}


@pytest.mark.parametrize("status", ["FAILURE", "DEGRADED", "MAINTENANCE"])
@pytest.mark.parametrize("messages", [[MESSAGE], []])
def test_sandbox_G2_status_and_messages_are_published_as_given(box: Box, status: str, messages: list[Any]) -> None:
    """Unknown words, unknown fields and dates to come go out unchanged, in /status exactly these messages."""
    set_light(box, status="MAINTENANCE")
    set_light(box, status=status, messages=messages)
    assert box.get("/latarnia/status").json() == {"status": status, "messages": messages}
    assert [message for message in listed(box) if message["id"] == MESSAGE["id"]] == messages
    set_light(box, status="AVAILABLE", messages=[])
    assert box.get("/latarnia/status").json() == {"status": "AVAILABLE"}
    assert len(listed(box)) == 1 + len(messages)


def test_sandbox_G3_a_written_end_follows_a_given_start(box: Box) -> None:
    """AVAILABLE after a failure given whole writes FAILURE_END with its eventId, and never reuses an id."""
    given = MESSAGE | {"category": "FAILURE", "type": "FAILURE_START"}
    set_light(box, status="FAILURE", messages=[given])
    set_light(box, status="AVAILABLE")
    (end,) = (message for message in listed(box) if message["type"] == "FAILURE_END")
    assert (end["eventId"], end["start"]) == (7, given["start"])
    assert given in listed(box)
    (fresh,) = set_light(box, status="FAILURE")["published"]
    assert (fresh["eventId"], len({message["id"] for message in listed(box)})) == (8, 3)


def test_sandbox_G4_escalation_given_whole(box: Box) -> None:
    """A later status with messages replaces the former one, under the same eventId or another."""
    start = MESSAGE | {"category": "FAILURE", "type": "FAILURE_START"}
    total = start | {"id": "K/2027/AWR/02", "category": "TOTAL_FAILURE"}
    set_light(box, status="FAILURE", messages=[start])
    set_light(box, status="TOTAL_FAILURE", messages=[total])
    assert box.get("/latarnia/status").json() == {"status": "TOTAL_FAILURE", "messages": [total]}
    set_light(box, status="AVAILABLE")
    assert [message["type"] for message in listed(box)].count("FAILURE_END") == 1


def test_sandbox_G2_as_is_skips_every_check(box: Box) -> None:
    """`as_is` publishes even what no ministry would: missing fields, broken dates, an older version."""
    odd = {"id": "X", "start": "wkrótce", "version": "dwa"}
    set_light(box, status="FAILURE", messages=[odd, {}], as_is=True)
    assert sorted(shown(box), key=len) == [{}, odd]
    set_light(box, messages=[MESSAGE, MESSAGE | {"version": 2}], as_is=True)
    assert [message["version"] for message in listed(box) if message.get("id") == MESSAGE["id"]] == [2]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "SUNNY"},
        {"status": None},
        {"status": "MAINTENANCE", "start": "2027-01-01T10:00:00"},
        {"status": "FAILURE", "start": "2027-01-02T10:00:00Z", "end": "2027-01-01T10:00:00Z"},
        {"status": "FAILURE", "published": "wczoraj"},
        {"status": "AVAILABLE", "eventId": 5},
        {"status": "FAILURE", "begin": "2027-01-01T10:00:00Z"},
        {"messages": [{"id": "X"}]},
        {"messages": {"id": "X"}},
        {"messages": [MESSAGE | {"type": "MAINTENANCE_ANNOUNCEMENT", "start": "wkrótce"}]},
        {"correct": "K/1999/AWR/01"},
        {"down": "tired"},
        {"mode": "prod"},
        [],
    ],
)
def test_sandbox_G1_nonsense_is_refused_and_changes_nothing(box: Box, body: Any) -> None:
    """400 with a reason, and Latarnia as it was."""
    answer = box.post("/sandbox/latarnia", body=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    assert (word(box), listed(box)) == ("AVAILABLE", [])
