"""A spool that was put back to an earlier state, against a real sandbox: nothing goes twice, every number is found
again (faults F11, F12; invariant I2)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from agent.gate import Gate
from sluza.samples import invoice
from spool import identity, process
from spool.access import FILE
from spool.domain.identity import RECONCILE_FIRST, Doubt
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.settings import Paths
from spool.store import Store
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.machine_rig import Machine, machine_fixture, put  # noqa: F401


def _only_the_database(backup: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in backup.items() if name == FILE}


def _everything(backup: dict[str, bytes]) -> dict[str, bytes]:
    return backup


@pytest.mark.parametrize(
    ("put_back", "doubt"),
    [
        (_only_the_database, Doubt.ROLLED_BACK),
        (_everything, Doubt.SESSIONS),
    ],
)
async def test_fault_F11_a_restored_spool_sends_nothing_twice(
    machine: Machine, put_back: Callable[[dict[str, bytes]], dict[str, bytes]], doubt: Doubt
) -> None:
    """Snapshot, run on, restore, run: what KSeF has gets its number without a second post, the rest goes on.

    Also when the whole directory was put back, and nothing but KSeF's own sessions tells of it.
    """
    rig = machine.rig
    before = [await put(rig, f"BEFORE/{i}") for i in range(3)]
    backup = machine.backup()
    await rig.start()
    later = await put(rig, "LATER")
    await machine.settle(*before, later)
    number = (await rig.read(later)).ksef_number
    await rig.stop()
    await rig.advance(minutes=5)
    machine.restore(put_back(backup))
    assert [(await rig.read(d)).state for d in before] == [State.QUEUED] * 3
    fresh = await put(rig, "FRESH")
    await rig.start()
    await machine.complete(*before, fresh)
    await rig.stop()
    assert machine.posts(*before, later, fresh) == [1] * 5
    assert await machine.doubts() == []
    assert {"ksef_number": number} in await machine.events("own_sale_elsewhere")
    [why] = await machine.events(RECONCILE_FIRST)
    assert doubt in why["doubts"]
    assert len(await machine.events("reconciled")) == 1


async def test_fault_F11_what_ksef_is_still_processing_is_not_sent_again(machine: Machine, sandbox: Sandbox) -> None:
    """No number and nothing in the register yet: the session that the spool has forgotten tells of it."""
    rig = machine.rig
    document = await put(rig, "SLOW")
    backup = machine.backup()
    fault = sandbox.fault("POST /v2/sessions/online/{referenceNumber}/invoices", "stuck_150", None)
    await rig.start()
    await rig.until(document, State.SUBMITTED)
    await rig.stop()
    machine.restore(_only_the_database(backup))
    await rig.start()
    resumed = await rig.until(document, State.SUBMITTED)
    assert resumed.invoice_ref is not None

    async def opened() -> bool | None:
        return not await machine.doubts() or None

    await rig.eventually(opened, "the gate opens")
    assert sandbox.requests()["by_endpoint"]["POST /v2/sessions/online/{referenceNumber}/invoices"] == 2
    await rig.stop()
    sandbox.call("DELETE", f"/sandbox/faults/{fault}")


async def test_fault_F12_on_another_machine_a_person_opens_the_gate(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy on another machine sends nothing until somebody has run `sluza reconcile`, which the agent hears."""
    rig = machine.rig
    monkeypatch.setattr(identity, "_machine", lambda: "one")
    machine.restore({})
    monkeypatch.setattr(identity, "_machine", lambda: "another")
    machine.restore({})
    document, steps, real = await put(rig, "MOVED"), [], Gate.step

    async def counted(gate: Gate) -> float:
        pause = await real(gate)
        steps.append(pause)
        return pause

    monkeypatch.setattr(Gate, "step", counted)
    await rig.start()

    async def looked() -> bool | None:
        return len(steps) >= 2 or None

    await rig.eventually(looked, "the gate has done what it does by itself")
    assert await machine.doubts() == [Doubt.OTHER_MACHINE]
    assert rig.office is not None
    assert rig.office.contact.withheld()
    assert machine.posts(document) == [0]
    code, answer = await machine.reconcile("--elsewhere-ok")
    assert (code, answer["ok"]) == (0, True)
    await machine.settle(document)
    assert machine.posts(document) == [1]


async def test_fault_F14_nothing_is_sent_by_a_clock_of_1970(rig: Rig, sandbox: Sandbox) -> None:
    """Not even asked: KSeF hears nothing from us until the clock is right, then everything goes by itself."""
    document, right = await put(rig, "1970"), rig.clock
    asked: list[int] = []
    wrong = [True]

    def clock() -> datetime:
        asked.append(1)
        return datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC) if wrong[0] else right()

    rig.clock = clock  # type: ignore[assignment]
    rig.compare = True
    sandbox.call("DELETE", "/sandbox/requests")
    await rig.start()

    async def tried() -> bool | None:
        return len(asked) > 5 or None

    await rig.eventually(tried, "the agent looked at its clock")
    assert sandbox.requests()["by_endpoint"] == {}
    wrong[0] = False
    await rig.until_upo(document)
    rig.clock = right


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture(name="forgotten")
async def forgotten_fixture(machine: Machine) -> list[Document]:
    """Three documents that KSeF has registered two hours ago and the spool calls queued, held and refused."""
    rig = machine.rig
    documents = [await put(rig, f"LOST/{i}") for i in range(3)]
    backup = machine.backup()
    await rig.start()
    await machine.settle(*documents)
    await rig.stop()
    await rig.advance(hours=2)
    machine.restore(backup)
    now = rig.clock()

    def job(store: Store) -> None:
        store.move(documents[1].id, State.HELD, now, "Anna", "Wyjaśniamy.", reason="Wyjaśniamy.")
        store.move(documents[2].id, State.REFUSED, now, "gateway", "Odrzucono przez pomyłkę.")

    await rig.spool.write(job)
    return documents


async def test_reconcile_gives_forgotten_documents_their_numbers(machine: Machine, forgotten: list[Document]) -> None:
    """Without an agent: queued, held and wrongly refused ones are adopted by hash, and nothing is posted. The agent
    then fetches the receipts from the sessions that were found."""
    rig, ledger = machine.rig, machine.rig.sandbox.ledger()
    code, answer = await machine.reconcile("--dry-run", "--elsewhere-ok")
    assert (code, answer["dry_run"], len(answer["contexts"]["gmina"]["adopted"])) == (0, True, 3)
    assert (await rig.read(forgotten[0])).state is State.QUEUED
    code, answer = await machine.reconcile("--elsewhere-ok")
    expected = {d.id: ledger[d.sha256]["ksef_number"] for d in forgotten}
    adopted = {a["id"]: a["ksef_number"] for a in answer["contexts"]["gmina"]["adopted"]}
    assert (code, adopted) == (0, expected)
    assert (await machine.reconcile("--elsewhere-ok"))[1]["contexts"]["gmina"]["adopted"] == []
    await rig.start()
    await machine.complete(*forgotten)
    assert machine.posts(*forgotten) == [1, 1, 1]


async def test_reconcile_reports_what_it_must_not_change(machine: Machine, forgotten: list[Document]) -> None:
    """A number that KSeF gave to nobody, and a sale that no document is about: told, exit code 1, nothing changed."""
    rig = machine.rig
    first = (await rig.spool.read(lambda store: store.documents()))[0]
    machine.change("UPDATE document SET ksef_number = substr(ksef_number, 1, 33) || 'no' WHERE id = ?", first.id)
    raw = invoice(number=f"OBOK/{rig.state.parent.name}", issue_date=rig.today())
    elsewhere = rig.sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"]
    await rig.advance(hours=2)
    code, answer = await machine.reconcile()
    found = answer["contexts"]["gmina"]
    assert code == 1
    assert ("I4", first.id) in [(f["invariant"], f["subject"]) for f in found["findings"]]
    assert elsewhere in [e["ksef_number"] for e in found["elsewhere"]]
    assert {"ksef_number": elsewhere} in await machine.events("own_sale_elsewhere")
    assert str((await rig.read(first)).ksef_number).endswith("no")
    said = await machine.command()
    assert said.exit_code == 1
    assert "nieznana Śluzie" in said.stdout


async def test_two_of_them_never_run_at_once(rig: Rig) -> None:
    """The second says so, with the exit code of "already running"."""
    machine = Machine(rig)
    with process.desk(Paths(rig.state, rig.state), "reconcile", rig.clock):
        done = await machine.command()
    rig.spool.close()
    assert "Śluza już działa (reconcile" in str(done.exception)


async def test_inv_I14_reconciling_beside_a_running_agent(machine: Machine, forgotten: list[Document]) -> None:
    """Both write, each with its number, and whatever one of them settled the other leaves alone."""
    rig = machine.rig
    fresh = [await put(rig, f"BESIDE/{i}") for i in range(3)]
    await rig.start()
    (code, _answer), _ = await asyncio.gather(machine.reconcile("--elsewhere-ok"), machine.settle(*fresh))
    assert code == 0
    await machine.settle(*forgotten)
    assert machine.posts(*forgotten, *fresh) == [1] * 6
