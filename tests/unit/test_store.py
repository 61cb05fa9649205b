"""The spool: one commit for bytes, row and event; guarded moves; the chained history; the cursor of receiving."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from spool.access import Spool
from spool.bodies import sha256_hex
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import problem
from spool.domain.document import Facts, Mode
from spool.domain.errors import BodyDamaged, LeaseLost, MoveRefused, SpoolTooNew
from spool.domain.ledger import Document, Kod2, NewReceived
from spool.domain.series import Place
from spool.domain.states import State
from spool.lock import AlreadyRunning, RoleLock
from spool.rows import stamp
from spool.store import Store
from tests.documents import due, new
from tests.store_engines import ENGINES, NOW, Engine


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that there is: here another one is plugged in."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def spool(engine: Engine, tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = engine.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def other(engine: Engine, spool: Spool, tmp_path: Path) -> Iterator[Spool]:
    """A second way into the same spool: another program, on another node where the engine allows it."""
    opened = engine.open(tmp_path)
    yield opened
    opened.close()


def add(spool: Spool, raw: bytes = b"<a/>", **more: object) -> Document:
    """Put a document into the spool."""
    return spool.write_now(lambda s: s.add(new(raw, NOW, **more), raw, "a", NOW))  # type: ignore[arg-type]


def test_what_entering_returns_is_the_row(spool: Spool) -> None:
    """Intake is told of exactly what the spool has, although the row is not read again."""
    first = problem("encoding_repaired", what="BOM", original="00")
    used = replace(due(NOW, NOW), mode=Mode.OFFLINE24, deemed=True, used=("MF/1",), because="MF/1")
    seal = Kod2("https://x", "01")
    plain = add(spool)
    full = add(spool, b"<b/>", number="FV/2", due=used, kod2=seal, warnings=(first,), original=b"<c/>")
    refused = add(spool, b"<d/>", number="FV/3", state=State.REFUSED, problems=(first,), awaits="FV/9")
    placed = add(spool, b"<e/>", number="FV/4", place=Place("FV/…", 4, strict=True))
    waiting = add(spool, b"<f/>", number="FV/5", place=Place("FV/…", 5, strict=True))
    assert waiting.held_back
    for document in (plain, full, refused, placed, waiting):
        assert spool.read_now(lambda s, d=document: s.document(d.id)) == document  # type: ignore[misc]


def test_the_two_halves_past_two_of_an_autumn_night_are_two_instants() -> None:
    """As text, too, although Python takes them for equal (fault F14)."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=WARSAW)
    assert [stamp(first), stamp(first.replace(fold=1))] == [
        "2026-10-25T00:30:00.000000Z",
        "2026-10-25T01:30:00.000000Z",
    ]


def test_bytes_come_back_exactly(spool: Spool) -> None:
    """What went in comes out, byte for byte (invariant I8)."""
    raw = bytes(range(256)) * 50
    document = add(spool, raw)
    assert spool.read_now(lambda s: s.body(document.sha256)) == raw


def test_a_damaged_body_is_not_handed_out(engine: Engine, spool: Spool, tmp_path: Path) -> None:
    """Bytes that no longer match their hash raise BodyDamaged (fault F10)."""
    document = add(spool)
    engine.behind(tmp_path, "UPDATE body SET packed = zeroblob(20)")
    with pytest.raises(BodyDamaged):
        spool.read_now(lambda s: s.body(document.sha256))


def test_a_failed_job_leaves_nothing(spool: Spool) -> None:
    """Body, row and event are one commit: when the last part fails, none of them is there."""

    def half(store: Store) -> None:
        store.add(new(b"<a/>", NOW), b"<a/>", "a", NOW)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        spool.write_now(half)
    assert spool.read_now(lambda s: s.documents()) == []
    with pytest.raises(BodyDamaged):
        spool.read_now(lambda s: s.body(sha256_hex(b"<a/>")))


async def test_a_failed_job_does_not_harm_its_group(spool: Spool) -> None:
    """Jobs that share a commit fail alone."""

    def fail(_: Store) -> None:
        raise ValueError

    jobs = [spool.write(lambda s, i=i: s.put_body(b"%d" % i)) for i in range(20)]  # type: ignore[misc]
    done = await asyncio.gather(*jobs[:10], spool.write(fail), *jobs[10:], return_exceptions=True)
    assert [type(d) for d in done].count(str) == 20
    assert isinstance(done[10], ValueError)


async def test_a_caller_that_gives_up_harms_nobody(spool: Spool) -> None:
    """A cancelled write leaves the writer alive: the next one is done."""
    gone = asyncio.ensure_future(spool.write(lambda s: s.put_body(b"gone")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await asyncio.wait_for(spool.write(lambda s: s.put_body(b"next")), 60) == sha256_hex(b"next")


def test_history_is_written_with_the_move(spool: Spool) -> None:
    """A move and its event are one; the event names both states."""
    document = add(spool)
    spool.write_now(lambda s: s.move(document.id, State.HELD, NOW, "Anna", "Wstrzymane."))
    history = spool.read_now(lambda s: s.history(document.id))
    assert [e.move for e in history] == [">QUEUED", "QUEUED>HELD"]
    assert history[-1].actor == "Anna"


def test_a_move_that_the_table_forbids_is_refused(spool: Spool) -> None:
    """A guarded move raises and changes nothing (invariant I5)."""
    document = add(spool)
    with pytest.raises(MoveRefused):
        spool.write_now(lambda s: s.move(document.id, State.DELIVERED, NOW, "agent", ""))
    assert spool.read_now(lambda s: s.document(document.id)).state is State.QUEUED


def test_an_attempt_is_written_before_the_call(spool: Spool) -> None:
    """`begin_attempt` leaves SENDING and an attempt row with the same hash (invariant I6)."""
    document = add(spool)
    moved = spool.write_now(lambda s: s.begin_attempt(document, "SO-1", NOW))
    assert (moved.state, moved.attempts, moved.session) == (State.SENDING, 1, "SO-1")
    assert spool.read_now(lambda s: s.attempt_started_at(document.id)) == NOW


def test_fault_X28_the_chain_shows_tampering(engine: Engine, spool: Spool, tmp_path: Path) -> None:
    """A changed history row breaks the chain at that row (attack X28)."""
    document = add(spool)
    spool.write_now(lambda s: s.move(document.id, State.HELD, NOW, "Anna", "Wstrzymane."))
    assert spool.read_now(lambda s: s.broken_link()) is None
    engine.behind(tmp_path, "DROP TRIGGER event_never_changes", "UPDATE event SET actor = 'Ewa' WHERE seq = 2")
    assert spool.read_now(lambda s: s.broken_link()) == 2


@pytest.mark.parametrize("statement", ["UPDATE event SET note = ''", "DELETE FROM event"])
def test_history_is_append_only(engine: Engine, spool: Spool, tmp_path: Path, statement: str) -> None:
    """The database itself refuses to change or delete history (invariant I15)."""
    add(spool)
    with pytest.raises(engine.Refused):
        engine.behind(tmp_path, statement)


def test_a_number_is_held_once(engine: Engine, spool: Spool) -> None:
    """The database refuses a second live document with the same seller, kind and number, whatever the unit."""
    add(spool, b"<a/>")
    with pytest.raises(engine.Refused):
        add(spool, b"<b/>", unit="gops")


def test_a_refused_document_frees_its_number(spool: Spool) -> None:
    """After a refusal the same number can be used by corrected bytes."""
    first = add(spool, b"<a/>")
    spool.write_now(lambda s: s.move(first.id, State.REFUSED, NOW, "agent", "Zła treść."))
    assert add(spool, b"<b/>").state is State.QUEUED


def test_foreign_and_absent_look_the_same(spool: Spool) -> None:
    """Asking for another unit's document raises exactly what an unknown id raises (invariant I7)."""
    document = add(spool)
    with pytest.raises(KeyError):
        spool.read_now(lambda s: s.document(document.id, "gops"))
    with pytest.raises(KeyError):
        spool.read_now(lambda s: s.document("x", "gops"))


def test_the_most_urgent_document_comes_first(spool: Spool) -> None:
    """Work is handed out by deadline, not by arrival."""
    late = add(spool, b"<a/>", number="1", due=due(NOW + timedelta(days=2), NOW))
    soon = add(spool, b"<b/>", number="2", due=due(NOW + timedelta(days=1), NOW))
    found = spool.read_now(lambda s: s.work("gmina", [State.QUEUED], NOW, 10))
    assert [d.id for d in found] == [soon.id, late.id]


def test_pages_follow_the_order_of_arrival(spool: Spool) -> None:
    """A cursor never skips a document, even when the clock goes back."""
    ids = [add(spool, b"<%d/>" % i, number=str(i)).id for i in range(5)]
    first = spool.read_now(lambda s: s.documents(limit=2))
    rest = spool.read_now(lambda s: s.documents(after=first[-1].seq))
    assert [d.id for d in first + rest] == ids


def received(number: str = "5080014460-20261120-0100001AF629-AF") -> NewReceived:
    """A supplier's invoice."""
    raw = b"<f/>"
    return NewReceived(number, "gmina", sha256_hex(raw), Facts(), {}, NOW, NOW, None, "P4", "Bez jednostki.")


def test_a_received_invoice_is_stored_once(spool: Spool) -> None:
    """The same KSeF number from two looks, or two contexts, is one row (invariant I13)."""
    assert spool.write_now(lambda s: s.add_received(received(), b"<f/>", NOW))
    assert not spool.write_now(lambda s: s.add_received(received(), b"<f/>", NOW))
    assert spool.read_now(lambda s: s.received_of(None)) == (1, 0)


def test_the_mark_never_goes_back(spool: Spool) -> None:
    """A high-water mark that moves back is ignored (fault K15)."""
    spool.write_now(lambda s: s.set_mark("gmina", "Subject2", NOW))
    spool.write_now(lambda s: s.set_mark("gmina", "Subject2", NOW - timedelta(hours=1)))
    assert spool.read_now(lambda s: s.mark("gmina", "Subject2")) == NOW


def test_an_idempotency_key_is_bound_to_its_bytes(spool: Spool) -> None:
    """The same key with other bytes is told apart; after 30 days the key is free."""
    assert spool.write_now(lambda s: s.use_key("sp1", "k", "a", NOW))
    assert spool.write_now(lambda s: s.use_key("sp1", "k", "a", NOW))
    assert not spool.write_now(lambda s: s.use_key("sp1", "k", "b", NOW))
    assert spool.write_now(lambda s: s.use_key("gops", "k", "b", NOW))
    assert spool.write_now(lambda s: s.use_key("sp1", "k", "b", NOW + timedelta(days=31)))


def test_a_revoked_token_lets_nobody_in(spool: Spool) -> None:
    """Revocation works at once."""
    spool.write_now(lambda s: s.add_token("sp1", "h", NOW, "Anna"))
    assert spool.read_now(lambda s: s.unit_of_token("h", NOW)) == "sp1"
    spool.write_now(lambda s: s.revoke_tokens("sp1", NOW, "Anna"))
    assert spool.read_now(lambda s: s.unit_of_token("h", NOW)) is None


def test_a_newer_spool_is_not_touched(engine: Engine, spool: Spool, tmp_path: Path) -> None:
    """An older program refuses a schema it does not know (fault F17)."""
    engine.behind(
        tmp_path,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('sluza', 'm9999_future', '')",
    )
    with pytest.raises(SpoolTooNew):
        engine.open(tmp_path)


def test_one_process_per_role(tmp_path: Path) -> None:
    """The second gateway on one spool stops with a sentence (fault F13)."""
    first = RoleLock(tmp_path, "gateway")
    with pytest.raises(AlreadyRunning, match="Śluza już działa"):
        RoleLock(tmp_path, "gateway")
    first.release()
    RoleLock(tmp_path, "gateway").release()


def test_the_spool_is_private(spool: Spool) -> None:
    """Nobody else may read the database file (attack X23)."""
    assert spool.path.stat().st_mode & 0o077 == 0


def test_the_tally_counts_what_is_there(spool: Spool) -> None:
    """Counts by state follow every entry and every move, also one made by hand."""
    first, second = add(spool, b"<a/>", number="1"), add(spool, b"<b/>", number="2")
    add(spool, b"<c/>", unit="gops", number="3")
    spool.write_now(lambda store: store.move(first.id, State.HELD, NOW, "test", "x"))
    spool.write_now(lambda store: store.move(second.id, State.SENDING, NOW, "test", "x"))
    assert spool.read_now(lambda store: store.counts()) == {"HELD": 1, "SENDING": 1, "QUEUED": 1}
    assert spool.read_now(lambda store: store.counts(["sp1"])) == {"HELD": 1, "SENDING": 1}
    assert spool.read_now(lambda store: store.counts(["gops"])) == {"QUEUED": 1}
    by_unit = spool.read_now(lambda store: store.counts_by_unit())
    assert by_unit == {unit: spool.read_now(lambda store, u=unit: store.counts([u])) for unit in by_unit}  # type: ignore[misc]
    assert by_unit["gops"] == {"QUEUED": 1}


# -- two ways into one spool: what more nodes than one must not break (decision 0042) ---------------------------------


async def test_two_writers_leave_one_chain(spool: Spool, other: Spool) -> None:
    """Entries of two programs at once follow each other: none twice, none beside another (invariant I15)."""
    jobs = [
        way.write(lambda s, n=n: s.log(f"d{n}", "note", NOW, "agent", "x")) for n in range(40) for way in (spool, other)
    ]  # type: ignore[misc]
    await asyncio.gather(*jobs)
    assert spool.read_now(lambda s: s.broken_link()) is None
    assert spool.read_now(lambda s: s.last_event()[0]) == 80


async def test_two_senders_never_begin_the_same_document(spool: Spool, other: Spool) -> None:
    """Both choose the same one; one intent is written, the other send is refused (invariant I6)."""
    documents = [add(spool, b"%d" % n, number=str(n)) for n in range(20)]
    sends = [way.write(lambda s, d=d: s.begin_attempt(d, "SO", NOW)) for d in documents for way in (spool, other)]  # type: ignore[misc]
    done = await asyncio.gather(*sends, return_exceptions=True)
    assert sum(isinstance(one, Document) for one in done) == 20
    assert sum(isinstance(one, MoveRefused) for one in done) == 20
    assert spool.read_now(lambda s: s.rows_in("attempt")) == 20
    assert other.read_now(lambda s: s.counts()) == {"SENDING": 20}


async def test_two_writers_hold_a_number_once(spool: Spool, other: Spool) -> None:
    """The same business number from two units at the same moment: one has it (invariant I4)."""
    held = [
        way.write(lambda s, u=unit: s.add(new(u.encode(), NOW, unit=u), u.encode(), "a", NOW))  # type: ignore[misc]
        for way, unit in ((spool, "sp1"), (other, "gops"))
    ]
    done = await asyncio.gather(*held, return_exceptions=True)
    assert sum(isinstance(one, Document) for one in done) == 1
    assert spool.read_now(lambda s: s.counts()) == {"QUEUED": 1}


async def test_who_was_replaced_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    """A newer number of the role ends the older run's writing, whatever it had waiting (invariant I14)."""
    old = engine.open(tmp_path, "agent")
    await old.write(lambda s: s.put_body(b"before"))
    young = engine.open(tmp_path, "agent")
    with pytest.raises(LeaseLost):
        await old.write(lambda s: s.put_body(b"after"))
    assert await young.write(lambda s: s.put_body(b"young")) == sha256_hex(b"young")
    assert young.read_now(lambda s: s.rows_in("body")) == 2
    old.close()
    young.close()
