"""Packages: many documents by one batch session, whatever is lost on the way, each registered exactly once."""

import asyncio
import itertools
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from agent import batch, batch_verdicts, packing, plan
from agent.forward import FOR_PACKAGES_S
from agent.ksef.transport import Transport
from sluza.samples import attachment_invoice, invoice
from spool.domain.document import Mode
from spool.domain.ledger import Document, Waiting
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.store import Store
from spool.xml import read_received
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401

OPEN, CLOSE = "POST /v2/sessions/batch", "POST /v2/sessions/batch/{referenceNumber}/close"
PART = "PUT /storage/{area}/{ref}/{name}"
STATUS, LIST = "GET /v2/sessions/{referenceNumber}", "GET /v2/sessions/{referenceNumber}/invoices"
SEND = "POST /v2/sessions/online/{referenceNumber}/invoices"
_runs = itertools.count()
MANY = 31
"""More than an interactive session takes in the time of a package."""


@pytest.fixture(autouse=True)
async def _another_day_with_limits(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF's limits are on, as in production, and what the test before spent is long ago."""
    sandbox.switch(rate_limits="on")
    noon = datetime.combine(rig.today() + timedelta(days=1), time(11), UTC)
    await rig.advance(seconds=(noon - sandbox.now()).total_seconds())


async def test_fault_K17_a_package_of_nothing_is_waited_for(
    rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not yet midnight at KSeF: what may not go today is looked at again in a moment, not without a pause."""
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    monkeypatch.setattr(batch, "day_at_ksef", lambda *_: rig.today() - timedelta(days=1))
    document = await rig.put(attachment_invoice(number=f"MIDNIGHT/{next(_runs)}", issue_date=rig.today()))
    await rig.start()
    await rig.condition("login")
    assert rig.office is not None
    assert await rig.office._batches.step() == FOR_PACKAGES_S
    assert (await rig.read(document)).state is State.QUEUED


async def test_without_a_duty_only_what_the_treasurer_sends(rig: Rig, sandbox: Sandbox) -> None:
    """Two whose duty ceased, with attachments: the one that was put back goes in a package, the other ends."""
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    day, run = rig.today(), next(_runs)
    raws = [attachment_invoice(number=f"CEASED/{run}/{n}", issue_date=day) for n in range(2)]
    put_back, ceased = await rig.put_all(raws)
    now = rig.clock()

    def job(store: Store) -> None:
        for document in (put_back, ceased):
            store.touch(document.id, now, due_state=DueState.CEASED)
        store.move(put_back.id, State.CEASED, now, "spool", "Obowiązek wygasł.")
        store.move(put_back.id, State.QUEUED, now, "Jan", "Na polecenie skarbnika: tak")

    await rig.spool.write(job)
    await rig.start()
    await _all_numbered(rig, [put_back])
    assert (await rig.read(ceased)).state is State.CEASED
    assert ceased.sha256 not in sandbox.ledger()


async def _put_many(rig: Rig, prefix: str, count: int = MANY, **more: Any) -> list[Document]:
    day, run = rig.today(), next(_runs)
    return await rig.put_all([invoice(number=f"{prefix}/{run}/{n}", issue_date=day) for n in range(count)], **more)


async def _all_numbered(rig: Rig, documents: list[Document], *, hurry: bool = False) -> list[Document]:
    """Wait until each has its KSeF number; then KSeF has each of them once, and took it in once.

    With `hurry` the clock is moved on while we wait: what a jump of it put off by minutes comes.
    """
    seen = 0

    async def look() -> list[Document] | None:
        nonlocal seen
        now = [await rig.read(document) for document in documents]
        seen += 1
        if hurry and seen % 60 == 0:
            rig.sandbox.advance(minutes=4)
        return now if all(document.ksef_number for document in now) else None

    found = await rig.eventually(look, "every number", 40.0)
    ledger = rig.sandbox.ledger()
    assert {d.ksef_number for d in found} == {ledger[d.sha256]["ksef_number"] for d in documents}
    assert {ledger[d.sha256]["posts"] for d in documents} == {1}
    return list(found)


def _calls(sandbox: Sandbox, endpoint: str) -> int:
    return int(sandbox.requests()["by_endpoint"].get(endpoint, 0))


async def test_a_backlog_goes_as_one_package(rig: Rig, sandbox: Sandbox) -> None:
    """Forty documents need one batch session and no interactive send; numbers and receipts come back for each."""
    documents = await _put_many(rig, "B")
    await rig.start()
    numbered = await _all_numbered(rig, documents)
    assert (_calls(sandbox, OPEN), _calls(sandbox, CLOSE), _calls(sandbox, SEND)) == (1, 1, 0)
    assert {sandbox.ledger()[d.sha256]["session"] for d in documents} == {numbered[0].session}
    assert all(document.invoice_ref and document.attempts == 1 for document in numbered)
    for document in documents:
        await rig.until_upo(document)


async def test_the_few_go_one_by_one(rig: Rig, sandbox: Sandbox) -> None:
    """Ten documents go interactively, at once."""
    documents = await _put_many(rig, "F", 10)
    await rig.start()
    await _all_numbered(rig, documents)
    assert (_calls(sandbox, OPEN), _calls(sandbox, SEND)) == (0, 10)


async def test_online_and_offline_never_share_a_package(rig: Rig, sandbox: Sandbox) -> None:
    """`offlineMode` is about a whole package: two modes are two sessions (protocol §7.2)."""
    online = await _put_many(rig, "ON")
    offline = await _put_many(rig, "OFF", mode=Mode.OFFLINE24)
    await rig.start()
    await _all_numbered(rig, [*online, *offline])
    ledger = sandbox.ledger()
    assert {ledger[d.sha256]["offline"] for d in online} == {False}
    assert {ledger[d.sha256]["offline"] for d in offline} == {True}
    assert not {ledger[d.sha256]["session"] for d in online} & {ledger[d.sha256]["session"] for d in offline}


async def test_an_attachment_goes_by_batch_alone(rig: Rig, sandbox: Sandbox) -> None:
    """A document with an attachment is a package of its own at once, and no other waits for it (protocol §10)."""
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    documents = [await rig.put(attachment_invoice(number=f"ATT/{n}", issue_date=rig.today())) for n in (1, 2)]
    old = documents[1].id  # as a version without packages left it
    await rig.spool.write(lambda s: s.move(old, State.WAITING, rig.clock(), "agent", "Czeka.", reason="Czeka."))
    await rig.start()
    await _all_numbered(rig, documents)
    assert (_calls(sandbox, OPEN), _calls(sandbox, SEND)) == (1, 0)


async def test_the_nearest_deadline_and_every_unit_are_in_the_first_package(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is too small for all takes the nearest dates first, and of equal ones the units in turn."""
    monkeypatch.setattr("agent.batch.MOST_IN_PACKAGE", 45)
    evening = rig.clock() + timedelta(hours=8)
    late = await _put_many(rig, "LATE", 10, due_at=evening + timedelta(hours=1))
    big = await _put_many(rig, "BIG", 45, due_at=evening)
    small = await _put_many(rig, "SMALL", 5, unit="urzad", due_at=evening)
    await rig.start()
    found = {d.id: d.session for d in await _all_numbered(rig, [*late, *big, *small])}
    first = found[small[0].id]
    assert {found[d.id] for d in small} == {first}
    assert sum(found[d.id] == first for d in big) == 40
    assert not any(found[d.id] == first for d in late)


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        (OPEN, "timeout_after"),
        (PART, "timeout_after"),
        (PART, "timeout_before"),
        (CLOSE, "timeout_after"),
        (CLOSE, "timeout_before"),
        (CLOSE, "http_503"),
        (STATUS, "truncate"),
        (LIST, "http_502"),
    ],
)
async def test_fault_K01_a_lost_answer_about_a_package(rig: Rig, sandbox: Sandbox, endpoint: str, kind: str) -> None:
    """Whichever call of a package loses its answer, before or after KSeF acted: every document once, with number."""
    rig.timeouts = type(rig.timeouts)(connect=1, read=0.5, total=2, download=2)
    sandbox.fault(endpoint, kind)
    documents = await _put_many(rig, "K01")
    await rig.start()
    await _all_numbered(rig, documents)


async def test_fault_F01_killed_while_packing(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without a session never left: after the restart its documents are queued again, and go once."""
    entered = asyncio.Event()
    documents = await _put_many(rig, "KILLP")

    def stop_here(self: packing.Packing) -> Any:
        rig_loop.call_soon_threadsafe(entered.set)
        raise OSError(28, "No space left on device")

    rig_loop = asyncio.get_running_loop()
    with monkeypatch.context() as patch:
        patch.setattr(packing.Packing, "finish", stop_here)
        await rig.start()
        await entered.wait()
        await rig.kill()
    assert {(await rig.read(d)).state for d in documents} == {State.SENDING}
    await rig.start()
    await rig.until(documents[0], State.SUBMITTED, State.ACCEPTED)
    await rig.advance(minutes=5)
    await _all_numbered(rig, documents, hurry=True)


async def test_fault_F01_killed_between_parts(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An opened package goes on after a restart without its key: the parts that are missing, then the close."""
    monkeypatch.setattr("agent.batch.Packing", lambda directory, key: packing.Packing(directory, key, 600))
    entered, uploads, real = asyncio.Event(), 0, Transport.upload

    async def upload(self: Transport, *args: Any) -> None:
        nonlocal uploads
        uploads += 1
        if uploads == 2:
            entered.set()
            await asyncio.Event().wait()
        await real(self, *args)

    documents = await _put_many(rig, "KILLU")
    with monkeypatch.context() as patch:
        patch.setattr(Transport, "upload", upload)
        await rig.start()
        await entered.wait()
        await rig.kill()
    assert {(await rig.read(d)).state for d in documents} == {State.SENDING}
    await rig.start()
    await _all_numbered(rig, documents)
    assert _calls(sandbox, OPEN) == 1


async def test_fault_F01_parts_are_lost(rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its parts an opened package cannot be completed: KSeF ends its session, and only then all go again."""
    entered = asyncio.Event()

    async def upload(self: Transport, *_: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    documents = await _put_many(rig, "GONE")
    with monkeypatch.context() as patch:
        patch.setattr(Transport, "upload", upload)
        await rig.start()
        await entered.wait()
        await rig.kill()
    for part in rig.state.rglob("part-*.aes"):
        part.write_bytes(b"torn")
    await rig.start()

    async def refused() -> bool | None:
        return _calls(sandbox, CLOSE) >= 1 or None

    await rig.eventually(refused, "a close that KSeF refuses")
    assert {(await rig.read(d)).state for d in documents} == {State.SENDING}
    await rig.advance(minutes=21)

    async def looks(count: int) -> None:
        wanted = _calls(sandbox, LIST) + count

        async def listed() -> bool | None:
            return _calls(sandbox, LIST) >= wanted or None

        await rig.eventually(listed, "looks into the list of the cancelled session")

    async def stand() -> set[tuple[State, str | None]]:
        return {(now.state, now.session) for now in [await rig.read(d) for d in documents]}

    await looks(1)
    [(state, session)] = await stand()
    assert state is State.SENDING
    await rig.advance(hours=1)  # no clock that somebody may set says how long the list has gone on like this
    await looks(2)
    assert await stand() == {(state, session)}
    monkeypatch.setattr(batch_verdicts, "_DOUBTFUL_S", 0.0)
    await rig.until(documents[0], State.SUBMITTED, State.ACCEPTED)
    await rig.advance(minutes=5)
    await _all_numbered(rig, documents, hurry=True)


async def test_fault_K08_rejected_package_goes_again(
    rig: Rig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that KSeF throws out as a whole registered nothing: its documents go again, soon one by one."""
    real, spoiled = packing.Packing.finish, False

    def spoil(self: packing.Packing) -> Any:
        nonlocal spoiled
        archive = real(self)
        if spoiled:
            return archive
        spoiled = True
        return type(archive)(archive.size + 1, archive.hash, archive.parts)

    monkeypatch.setattr(packing.Packing, "finish", spoil)
    documents = await _put_many(rig, "K08")
    await rig.start()

    async def by_itself() -> bool | None:
        return _calls(sandbox, SEND) >= 1 or None

    await rig.eventually(by_itself, "a document that goes by itself")
    await rig.advance(minutes=5)
    found = await _all_numbered(rig, documents, hurry=True)
    assert min(document.attempts for document in found) == 2


async def test_a_duplicate_and_an_invalid_one_spoil_no_other(rig: Rig, sandbox: Sandbox) -> None:
    """Each entry of a package has its own verdict: our own earlier send is adopted, the broken one goes back."""
    sent = await rig.put_new("DUP/1")
    await rig.start()
    await rig.until(sent, State.ACCEPTED)
    await rig.stop()
    day = rig.today()
    raws = [invoice(number=f"MIX/{n}", issue_date=day) for n in range(MANY)]
    broken = raws[0].replace(b"<P_2>", b"<P_2X>").replace(b"</P_2>", b"</P_2X>")
    good = await rig.put_all(raws[1:])
    bad = await rig.put(broken, facts=read_received(raws[0]))
    await rig.start()
    await _all_numbered(rig, good)
    refused = await rig.until(bad, State.REFUSED)
    assert refused.problems[0].code == "ksef_refused"


async def test_a_withdrawn_document_is_not_in_the_package(rig: Rig, sandbox: Sandbox) -> None:
    """What a person held before the claim stays out, and KSeF never sees it."""
    documents = await _put_many(rig, "HELD")
    held = documents[7]
    await rig.spool.write(
        lambda store: store.move(held.id, State.HELD, rig.clock(), "Jan", "Wstrzymano.", reason="Wstrzymano.")
    )
    await rig.start()
    await _all_numbered(rig, [d for d in documents if d.id != held.id])
    assert held.sha256 not in sandbox.ledger()


async def test_fault_F10_damaged_bytes_are_not_packed(rig: Rig, sandbox: Sandbox) -> None:
    """One document whose bytes are not what they were stays behind with its alarm; the package goes without it."""
    documents = await _put_many(rig, "F10")
    damaged = documents[3]
    await rig.spool.write(
        lambda store: store._db.execute("UPDATE body SET packed = x'00' WHERE sha256 = ?", (damaged.sha256,))
    )
    rig.broken = frozenset({"I8"})
    await rig.start()
    await _all_numbered(rig, [d for d in documents if d.id != damaged.id])
    assert (await rig.read(damaged)).state is State.QUEUED
    assert damaged.sha256 not in sandbox.ledger()
    assert f"damaged:{damaged.id}" in await rig.conditions()


def test_the_plan_follows_count_urgency_and_budget() -> None:
    """Few go alone, many together, an exhausted budget makes few enough many; a barred way is not taken."""

    def by_batch(plain: int, sends: float, package: float = 0, *, attached: bool = False, rested: bool = True) -> bool:
        return plan.by_batch(Waiting(plain, attached), plan.Outlook(sends, package), rested=rested)

    assert not by_batch(30, 2.0)
    assert by_batch(31, 61.0)
    assert by_batch(1, 2400.0)
    assert not by_batch(1, 2400.0, rested=False)
    assert by_batch(100, 2400.0, rested=False)
    assert not by_batch(500, 9999.0, package=5.0)
    assert by_batch(0, 0.0, attached=True)
    assert not by_batch(0, 0.0)
