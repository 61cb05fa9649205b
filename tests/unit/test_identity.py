"""Is this the spool that ran here last? The rules, and the file beside it (faults F11, F12)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spool import identity
from spool.access import FILE, Spool
from spool.domain.identity import RECONCILE_FIRST, SENTENCES, Doubt, Identity, Place, Trail, doubts
from spool.store import Store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HERE = Place("machine", 7)
OURS = Identity("a", HERE)
TRAIL = Trail("a", 5, "five")


@pytest.mark.parametrize(
    ("said", "trail", "here", "known", "restored", "expected"),
    [
        (None, None, HERE, None, False, []),
        (OURS, TRAIL, HERE, "five", False, []),
        (OURS, Trail("a", 0, "zeros"), HERE, None, False, []),
        (OURS, TRAIL, HERE, "five", True, [Doubt.RESTORED]),
        (OURS, TRAIL, HERE, None, False, [Doubt.ROLLED_BACK]),
        (None, TRAIL, HERE, None, False, [Doubt.ROLLED_BACK]),
        (OURS, TRAIL, HERE, "other", False, [Doubt.FORKED]),
        (Identity("b", HERE), TRAIL, HERE, "five", False, [Doubt.FORKED]),
        (OURS, None, HERE, None, False, [Doubt.UNMARKED]),
        (OURS, TRAIL, Place("machine", 8), "five", False, [Doubt.COPIED]),
        (OURS, TRAIL, Place("another", 7), "five", False, [Doubt.OTHER_MACHINE]),
        (OURS, TRAIL, Place("", 7), "five", False, []),
        (Identity("a", Place("", 7)), TRAIL, HERE, "five", False, []),
    ],
)
def test_fault_F11_F12_what_speaks_against_a_spool(
    said: Identity | None, trail: Trail | None, here: Place, known: str | None, restored: bool, expected: list[Doubt]
) -> None:
    """Each sign by itself; a new spool, one that ran on, and a machine that cannot be told apart, raise no doubt."""
    assert list(doubts(said, trail, here, known, restored=restored)) == expected


def test_every_doubt_has_its_sentence() -> None:
    """Nobody is stopped without being told why."""
    assert set(SENTENCES) == set(Doubt)


def note(store: Store) -> None:
    """The smallest change of state."""
    store.log("context:gmina", "word", NOW, "agent", "x")


def open_again(path: Path) -> list[str]:
    """What the next start finds, as the condition says it."""
    spool = Spool(path, "gateway", lambda: NOW)
    found = spool.read_now(lambda store: store.condition("", RECONCILE_FIRST))
    spool.close()
    return list(found.value["doubts"]) if found else []


def put_back(path: Path, raw: bytes) -> None:
    """A backup over the file, as `cp` does it: the same file, other bytes."""
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    path.write_bytes(raw)


def _rolled_back(path: Path, earlier: bytes) -> None:
    put_back(path, earlier)


def _marked(path: Path, _earlier: bytes) -> None:
    (path.parent / identity.RESTORED).write_text("{}")


def _replaced(path: Path, _earlier: bytes) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def _alone(path: Path, _earlier: bytes) -> None:
    (path.parent / identity.TRAIL).unlink()


@pytest.mark.parametrize(
    ("break_it", "doubt"),
    [
        (_rolled_back, Doubt.ROLLED_BACK),
        (_marked, Doubt.RESTORED),
        (_replaced, Doubt.COPIED),
        (_alone, Doubt.UNMARKED),
    ],
)
def test_fault_F11_the_next_start_notices(
    tmp_path: Path, break_it: Callable[[Path, bytes], None], doubt: Doubt
) -> None:
    """Put back, marked as restored, another file, without its companion: the mode outlasts restarts."""
    path = tmp_path / FILE
    Spool(path, "gateway", lambda: NOW).close()
    earlier = path.read_bytes()
    spool = Spool(path, "agent", lambda: NOW)
    spool.write_now(note)
    spool.close()
    assert open_again(path) == []
    break_it(path, earlier)
    assert open_again(path) == [doubt]
    assert open_again(path) == [doubt]
    assert not (tmp_path / identity.RESTORED).exists()


def test_fault_F12_another_machine_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same directory, another machine's id."""
    path = tmp_path / FILE
    monkeypatch.setattr(identity, "_machine", lambda: "one")
    Spool(path, "agent", lambda: NOW).close()
    assert open_again(path) == []
    monkeypatch.setattr(identity, "_machine", lambda: "another")
    assert open_again(path) == [Doubt.OTHER_MACHINE]


def test_the_condition_is_spread_and_keeps_its_oldest_moment(tmp_path: Path) -> None:
    """Every context is compared for itself, from the newest thing that the spool knew when the first doubt arose."""
    spool = Spool(tmp_path / FILE)

    def job(store: Store) -> None:
        identity.doubt(store, (Doubt.ROLLED_BACK,), NOW, "", NOW)
        identity.doubt(store, (Doubt.SESSIONS,), NOW, "gmina", NOW + timedelta(days=1))
        identity.spread(store, ["gmina", "szkola"], NOW)

    spool.write_now(job)
    found = {c.context: c.value for c in spool.read_now(lambda store: store.conditions())}
    assert set(found) == {"gmina", "szkola"}
    assert found["gmina"]["doubts"] == [Doubt.SESSIONS, Doubt.ROLLED_BACK]
    assert {value["until"] for value in found.values()} == {"2026-11-20T09:00:00.000000Z"}
    spool.close()


def test_a_trail_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """Half a file, or another's, says nothing."""
    for said in (b"", b"{", b"[]", json.dumps({"instance": "a"}).encode()):
        (tmp_path / identity.TRAIL).write_bytes(said)
        assert identity.read_trail(tmp_path) is None
