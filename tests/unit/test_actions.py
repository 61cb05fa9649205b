"""What a person may do to a document."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spool import actions
from spool.access import FILE, Spool
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document
from spool.domain.states import State
from tests.documents import new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def add(spool: Spool, raw: bytes = b"<a/>", number: str = "FV/1") -> Document:
    """A queued document."""
    return spool.write_now(lambda s: s.add(new(raw, NOW, number=number), raw, "a", NOW))


def test_hold_and_release(spool: Spool) -> None:
    """A held document goes back to the queue under the name of the person, and the pause of its context is lifted."""
    document = add(spool)
    spool.write_now(lambda s: actions.hold(s, document.id, NOW, "Anna", "Czekamy na aneks."))
    spool.write_now(lambda s: s.set_condition("gmina", "paused", {"reason": "410"}, NOW))
    released = spool.write_now(lambda s: actions.release(s, document.id, NOW, "Anna", ""))
    assert released.state is State.QUEUED
    assert spool.read_now(lambda s: s.conditions("gmina")) == []
    assert [e.actor for e in spool.read_now(lambda s: s.history(document.id))][1:] == ["Anna", "Anna"]


def test_nothing_on_its_way_is_withdrawn(spool: Spool) -> None:
    """A document with an attempt that lacks a verdict cannot be withdrawn or held."""
    document = add(spool)
    spool.write_now(lambda s: s.begin_attempt(document, "SO-1", NOW))
    for action in (actions.hold, actions.withdraw, actions.release, actions.ask_again):
        with pytest.raises(MoveRefused, match="wysyłana"):
            spool.write_now(lambda s, a=action: a(s, document.id, NOW, "Anna", ""))  # type: ignore[misc]


def test_a_pause_does_not_outlive_its_last_held_document(spool: Spool) -> None:
    """Withdrawing the last held document of a context lifts the pause that was waiting for it."""
    first, second = add(spool), add(spool, b"<b/>", number="FV/2")
    for document in (first, second):
        spool.write_now(lambda s, d=document: s.move(d.id, State.HELD, NOW, "agent", "410"))  # type: ignore[misc]
    spool.write_now(lambda s: s.set_condition("gmina", "paused", {"reason": "410"}, NOW))
    spool.write_now(lambda s: actions.withdraw(s, first.id, NOW, "Anna", ""))
    assert spool.read_now(lambda s: s.conditions("gmina"))
    spool.write_now(lambda s: actions.withdraw(s, second.id, NOW, "Anna", ""))
    assert not spool.read_now(lambda s: s.conditions("gmina"))


def test_a_conflict_is_read_again(spool: Spool) -> None:
    """A person can have KSeF asked once more; nothing is sent by that."""
    document = add(spool)
    spool.write_now(lambda s: s.begin_attempt(document, "SO-1", NOW))
    for state in (State.UNKNOWN, State.CONFLICT):
        spool.write_now(lambda s, t=state: s.move(document.id, t, NOW, "agent", ""))  # type: ignore[misc]
    assert spool.write_now(lambda s: actions.ask_again(s, document.id, NOW, "Anna", "")).state is State.UNKNOWN
