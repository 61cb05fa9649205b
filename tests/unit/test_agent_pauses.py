"""Pauses: none of them outlives its length when the clock goes back, and none is remembered that was not written."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.contact import LOGIN, STRANGE, Contact
from agent.ksef.api import Ksef, NoAnswer, Pending, Reading
from agent.ksef.budget import Budget
from agent.ksef.errors import broken, read_http
from agent.ksef.line import Line
from agent.ksef.login import Keys, Login
from agent.ksef.session import Sessions
from agent.ksef.transport import Transport
from spool.access import FILE, Spool
from spool.domain.document import FormCode
from spool.domain.ledger import Session
from spool.domain.outcomes import Later, Scope
from spool.domain.states import State
from tests.documents import new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class _Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def _contact(spool: Spool, clock: _Clock) -> Contact:
    login = SimpleNamespace(refused=None, valid_until=None, unblock=lambda: None)
    return Contact("gmina", spool, cast(Login, login), clock)


async def test_silence_ends_although_the_clock_went_back(spool: Spool) -> None:
    """A pause of a second is a pause of a second, whatever day it is now."""
    clock = _Clock()
    contact = _contact(spool, clock)
    await contact.failed(broken(True, "test", "reset"))
    assert 0 < contact.quiet() <= 1
    clock.now -= DAY
    assert 0 < contact.quiet() <= 1
    clock.now += timedelta(seconds=2)
    assert contact.quiet() == 0


async def test_work_waits_for_the_probe(spool: Spool) -> None:
    """While KSeF is down no work goes out, however long the pause is over; the answered probe lets it go."""
    clock = _Clock()
    contact = _contact(spool, clock)
    await contact.failed(broken(True, "test", "reset"))
    clock.now += DAY
    assert contact.down
    assert contact.silence() > 0
    await contact.reached()
    assert contact.silence() == 0


async def test_fault_K03_the_pauses_of_an_outage_grow_up_to_a_minute(spool: Spool) -> None:
    """Each failed question waits about twice as long as the one before, never more than a minute; work ends the row."""
    contact, no = _contact(spool, _Clock()), broken(True, "test", "reset")
    pauses = [await contact.failed(no) for _ in range(9)]
    for pause, most in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert most / 2 <= pause <= most
    await contact.worked()
    assert await contact.failed(no) <= 1


async def test_one_poisoned_document_is_not_an_outage(spool: Spool) -> None:
    """HTTP 500 for one document says nothing about KSeF; for a second one, with no success between, it does."""
    contact = _contact(spool, _Clock())
    no = NoAnswer(Reading(Later("500"), "http:500"))
    assert [await contact.failed_about("a", no) for _ in range(3)] == [0.0] * 3
    assert contact.silence() == 0
    await contact.worked()
    assert await contact.failed_about("b", no) == 0.0
    assert await contact.failed_about("a", no) > 0
    assert contact.silence() > 0


async def test_pause_is_not_remembered_before_it_is_written(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that could not be committed is no pause yet: the next occasion writes it, with one event."""
    contact = _contact(spool, _Clock())
    reading = Reading(Later("Brak uprawnień.", scope=Scope.CONTEXT, person=True), "auth:415")
    real = spool.write

    async def full(job: Any) -> Any:
        raise OSError("disk is full")

    monkeypatch.setattr(spool, "write", full)
    with pytest.raises(OSError, match="full"):
        await contact.pause(reading, LOGIN)
    assert not contact.paused
    monkeypatch.setattr(spool, "write", real)
    await contact.pause(reading, LOGIN)
    await contact.pause(reading, LOGIN)
    assert contact.paused
    moves = await spool.read(lambda store: [e.move for e in store.history("context:gmina")])
    assert moves == ["paused"]


async def test_work_that_a_wrong_clock_put_off_is_found(spool: Spool) -> None:
    """Put off by a clock a year ahead: the time is further away than any pause, so it has come."""
    raw = b"<a/>"
    document = await spool.write(lambda store: store.add(new(raw, NOW), raw, "a", NOW))

    async def found(ahead: timedelta) -> bool:
        await spool.write(lambda store: store.postpone(document.id, NOW + ahead))
        return bool(await spool.read(lambda store: store.work("gmina", [State.QUEUED], NOW, 1)))

    assert not await found(timedelta(hours=1))
    assert not await found(DAY)
    assert await found(365 * DAY)
    assert await found(timedelta(0))


async def test_old_sessions_are_looked_at_although_the_clock_went_back(spool: Spool) -> None:
    """The next look at a session was set for tomorrow by a clock that is right again."""
    clock, asked = _Clock(), []
    session = Session("20261120-SO-1", "gmina", FormCode.FA3, NOW - DAY, NOW + DAY, None, None)
    await spool.write(lambda store: store.add_session(session))

    async def close(reference: str) -> None: ...

    async def status(reference: str) -> Reading:
        asked.append(reference)
        return Reading(Pending(), "session:170")

    ksef = cast(Ksef, SimpleNamespace(close_session=close, session_status=status))
    sessions = Sessions("gmina", ksef, cast(Keys, None), spool, clock)
    await sessions.tidy()
    clock.now -= DAY
    await sessions.tidy()
    assert len(asked) == 2


async def test_reply_too_deep_to_read_is_garbled() -> None:
    """A hostile JSON that exhausts the stack is an unreadable answer like any other, not a crash of the loop."""
    line = Line(cast(Transport, None), "http://ksef.test", Budget(), _Clock())

    async def call() -> Any:
        return json.loads("[" * 1_000_000)

    with pytest.raises(NoAnswer) as caught:
        await line.in_group("other", call)
    assert caught.value.code == "http:garbled"


async def test_one_strange_answer_wakes_the_probe(spool: Spool) -> None:
    """HTTP 503 for one document may be about KSeF as a whole: the probe is asked to find out, work goes on."""
    contact = _contact(spool, _Clock())
    assert not contact.wants_probe
    assert await contact.failed_about("a", NoAnswer(Reading(Later("503"), "http:503"))) == 0.0
    assert contact.wants_probe
    assert contact.silence() == 0
    await contact.reached()
    assert not contact.wants_probe


async def test_hidden_session_keeps_no_other_from_its_end(spool: Spool) -> None:
    """One session belongs to somebody else now (403): those behind it are closed and watched all the same."""
    hidden, other = _session("20261118-SO-1"), _session("20261118-SO-2")
    await spool.write(lambda store: [store.add_session(s) for s in (hidden, other)])
    asked = []

    async def close(reference: str) -> None:
        if reference == hidden.reference:
            raise NoAnswer(Reading(Later("cudza", person=True), "http:403:insufficient-resource-access"))

    async def status(reference: str) -> Reading:
        asked.append(reference)
        return Reading(Pending(), "session:170")

    ksef = cast(Ksef, SimpleNamespace(close_session=close, session_status=status))
    await Sessions("gmina", ksef, cast(Keys, None), spool, _Clock()).tidy()
    assert asked == [other.reference]
    lost = await spool.read(lambda store: store.session(hidden.reference))
    assert lost is not None
    assert lost.lost_at == NOW


def _session(reference: str) -> Session:
    """Opened two days ago, past its end since a day."""
    return Session(reference, "gmina", FormCode.FA3, NOW - 2 * DAY, NOW - DAY, None, None)


async def test_fault_K11_a_changed_api_is_told(spool: Spool) -> None:
    """KSeF is there but knows our address no more: people read so after the third time, and not after it has passed."""
    contact = _contact(spool, _Clock())

    def told() -> dict[str, Any] | None:
        return next((c.value for c in spool.read_now(lambda s: s.conditions("gmina")) if c.name == STRANGE), None)

    for _ in range(2):
        await contact.failed(NoAnswer(read_http(404, b"{}")))
    await contact.failed(NoAnswer(read_http(429, b"", "5")))
    for _ in range(2):
        await contact.failed(NoAnswer(read_http(404, b"{}")))
        assert told() is None
    await contact.failed(NoAnswer(read_http(410, b"")))
    said = told()
    assert said is not None
    assert (said["code"], said["detail"][-1]) == ("http:410", ".")
    again = _contact(spool, _Clock())
    again.learn(spool.read_now(lambda s: s.conditions("gmina")))
    await again.worked()
    assert told() is None


@pytest.mark.parametrize(("apart", "wrong"), [(121, True), (-121, True), (119, False), (-119, False)])
async def test_fault_K17_another_clock_than_ksefs_is_told(spool: Spool, apart: int, wrong: bool) -> None:
    """More than two minutes either way is a condition of the context; it goes when the clocks agree again."""
    contact = _contact(spool, _Clock())

    def told() -> list[int]:
        return [c.value["seconds"] for c in spool.read_now(lambda s: s.conditions("gmina")) if c.name == "clock"]

    await contact.compare_clocks(None)
    await contact.compare_clocks(NOW - timedelta(seconds=apart))
    assert told() == ([apart] if wrong else [])
    await contact.compare_clocks(NOW)
    assert told() == []
