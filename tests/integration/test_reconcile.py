"""A spool that was put back to an earlier state, against a real sandbox: nothing goes twice, every number is found
again (faults F11, F12; invariant I2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pysqlite3
import pytest
from click.testing import CliRunner, Result

from agent.gate import Gate
from agent.ksef.api import ListedSession
from sluza.cli.reconcile import reconcile
from sluza.samples import MUNICIPALITY_NIP, attachment_invoice, invoice
from spool import identity, process
from spool.access import FILE, Spool
from spool.domain.document import FormCode
from spool.domain.identity import RECONCILE_FIRST, Doubt
from spool.domain.ledger import ALIVE, Document, Session
from spool.domain.states import State
from spool.settings import Paths
from spool.store import Store
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_check_ksef import CONFIG


class Machine:
    """The state directory of a rig as an agent's, with backups of it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        rig.compare = True
        rig.spool.close()
        self.open()

    def open(self) -> None:
        """Start the program's side of the spool."""
        self.rig.spool = Spool(self.rig.state / FILE, "agent", self.rig.clock)

    def backup(self) -> dict[str, bytes]:
        """Stop, take everything, go on."""
        self.rig.spool.close()
        taken = {p.name: p.read_bytes() for p in self.rig.state.iterdir() if p.is_file() and p.suffix != ".lock"}
        self.open()
        return taken

    def restore(self, backup: dict[str, bytes]) -> None:
        """Stop, put these files over those that are there, go on."""
        self.rig.spool.close()
        for beside in ("-wal", "-shm"):
            (self.rig.state / f"{FILE}{beside}").unlink(missing_ok=True)
        for name, content in backup.items():
            (self.rig.state / name).write_bytes(content)
        self.open()

    def change(self, statement: str, *values: str) -> None:
        """One raw statement while everything is stopped."""
        self.rig.spool.close()
        connection = pysqlite3.connect(self.rig.state / FILE)
        connection.execute(statement, values)
        connection.commit()
        connection.close()
        self.open()

    async def reconcile(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and answer of `sluza reconcile --json` beside whatever runs, by the sandbox's clock."""
        done = await self.command("--json", *words)
        return done.exit_code, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}

    async def command(self, *words: str) -> Result:
        """The command itself."""
        rig, clock_url = self.rig, f"{self.rig.sandbox.url}/sandbox/clock"
        now = rig.clock()
        await rig.spool.write(lambda store: store.set_condition("", ALIVE, {"clock_url": clock_url}, now))
        config = rig.state.parent / "sluza.toml"
        cert, key, url = rig.context.auth_cert, rig.context.auth_key, rig.sandbox.url
        config.write_text(
            CONFIG.format(nip=MUNICIPALITY_NIP, state=rig.state, url=url, cert=cert, key=key), encoding="utf-8"
        )
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(reconcile, ["--config", str(config), *words], obj=None)
        )

    async def doubts(self) -> list[str]:
        """Why the context's gate is closed; empty while it is open."""
        found = await self.rig.spool.read(lambda store: store.condition("gmina", RECONCILE_FIRST))
        return list(found.value["doubts"]) if found else []

    async def events(self, move: str) -> list[dict[str, Any]]:
        """The data of the context's history rows of this kind."""
        found = await self.rig.spool.read(lambda store: store.history("context:gmina"))
        return [event.data for event in found if event.move == move]

    def posts(self, *documents: Document) -> list[int]:
        """How many times the bytes of each reached KSeF."""
        ledger = self.rig.sandbox.ledger()
        return [ledger[document.sha256]["posts"] if document.sha256 in ledger else 0 for document in documents]

    async def settle(self, *documents: Document) -> None:
        """Wait until each has its number."""
        for document in documents:
            await self.rig.until(document, State.ACCEPTED)

    async def complete(self, *documents: Document) -> None:
        """Wait until each has number and receipt."""
        for document in documents:
            await self.rig.until_upo(document)

    async def stop(self) -> None:
        """The agent stops; the spool stays open for looking."""
        await self.rig.stop()


@pytest.fixture(name="machine")
async def machine_fixture(rig: Rig) -> AsyncIterator[Machine]:
    """An agent that has sent one invoice some time ago, and stopped; nothing else that KSeF knows is newer."""
    machine = Machine(rig)
    await rig.advance(minutes=5)
    await rig.start()
    await machine.settle(await put(rig, "FIRST"))
    await rig.stop()
    yield machine
    await rig.stop()
    machine.rig.spool.close()


async def put(rig: Rig, name: str) -> Document:
    """An invoice whose number no other test has."""
    return await rig.put_new(f"{name}/{rig.state.parent.name}")


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


async def test_fault_F11_an_ordinary_restart_compares_nothing(machine: Machine, sandbox: Sandbox) -> None:
    """The list of sessions is asked for, two questions, and there is nothing to compare: no package is spent."""
    rig = machine.rig
    sandbox.call("DELETE", "/sandbox/requests")
    machine.restore({})
    document = await put(rig, "NEXT")
    await rig.start()
    await machine.settle(document)
    asked = sandbox.requests()["by_endpoint"]
    assert (asked["GET /v2/sessions"], "POST /v2/invoices/exports" in asked) == (2, False)
    assert await machine.events(RECONCILE_FIRST) == []


async def test_a_ksef_that_lists_no_sessions_holds_up_nothing_for_long(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precaution is given up after a few refusals of that one question, here the first."""
    monkeypatch.setattr("agent.gate._TRIES", 1)
    sandbox.fault("GET /v2/sessions", "empty_403", None)
    await machine.rig.start()
    document = await put(machine.rig, "REFUSED LIST")
    await machine.settle(document)
    assert machine.posts(document) == [1]


async def test_fault_F12_after_a_jump_of_the_clock_the_gate_looks_again(machine: Machine, sandbox: Sandbox) -> None:
    """A machine that was put back with its memory does not start anew; the time that it lost gives it away."""
    rig = machine.rig
    await rig.start()
    await machine.settle(await put(rig, "BEFORE"))
    sandbox.call("DELETE", "/sandbox/requests")
    await machine.settle(await put(rig, "NO JUMP"))
    assert "GET /v2/sessions" not in sandbox.requests()["by_endpoint"]
    await rig.advance(minutes=5)
    await machine.settle(await put(rig, "JUMP"))
    assert sandbox.requests()["by_endpoint"]["GET /v2/sessions"] == 2


async def test_fault_F12_a_jump_while_a_session_is_opened(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was chosen before the machine was put back is not sent by it afterwards: the gate looks first."""
    rig, withheld, jumped = machine.rig, list[bool](), asyncio.Event()
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the start")
    office = rig.office
    assert office is not None
    ready, send = office._sessions.ready, office._tools.ksef.send

    async def ready_later(*args: Any) -> Any:
        session = await ready(*args)
        if not jumped.is_set():
            jumped.set()
            await rig.advance(minutes=5)
        return session

    async def sending(*args: Any, **more: Any) -> str:
        withheld.append(office.contact.withheld())
        return await send(*args, **more)

    monkeypatch.setattr(office._sessions, "ready", ready_later)
    monkeypatch.setattr(office._tools.ksef, "send", sending)
    sandbox.call("DELETE", "/sandbox/requests")
    await machine.settle(await put(rig, "ASLEEP"))
    assert withheld == [False]
    assert sandbox.requests()["by_endpoint"]["GET /v2/sessions"] == 2


async def test_fault_F12_a_jump_while_a_package_is_uploaded(
    machine: Machine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is at KSeF, but not handed in yet: that waits until the gate has looked."""
    rig, withheld, jumped = machine.rig, list[bool](), asyncio.Event()
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the start")
    office = rig.office
    assert office is not None
    upload, close = office._tools.ksef.upload, office._tools.ksef.close_batch

    async def upload_long(*args: Any) -> None:
        await upload(*args)
        if not jumped.is_set():
            jumped.set()
            await rig.advance(minutes=5)

    async def closing(*args: Any) -> None:
        withheld.append(office.contact.withheld())
        await close(*args)

    monkeypatch.setattr(office._tools.ksef, "upload", upload_long)
    monkeypatch.setattr(office._tools.ksef, "close_batch", closing)
    raw = attachment_invoice(number=f"PACKED/{rig.state.parent.name}", issue_date=rig.today())
    await machine.settle(await rig.put(raw))
    assert withheld == [False]


async def test_fault_F11_a_session_of_our_own_is_no_doubt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """KSeF's list shows one that was opened, and sent into, while the list was being read."""
    rig, ours = machine.rig, "20261120-SO-0000000006-8A5C28FB89-00"

    async def listed(*_: object) -> list[ListedSession]:
        now = rig.clock()
        opened = Session(ours, "gmina", FormCode.FA3, now, now + timedelta(hours=12), None, None, ksef=rig.context.url)
        await rig.spool.write(lambda store: store.add_session(opened))
        return [ListedSession(ours, True, now, 1)]

    monkeypatch.setattr("agent.compare.sessions_with_documents", listed)
    monkeypatch.setattr("agent.gate.sessions_with_documents", listed)
    await rig.start()
    await rig.eventually(_looked(rig), "the look of the gate")
    assert await machine.doubts() == []


def _looked(rig: Rig) -> Callable[[], Awaitable[bool | None]]:
    async def look() -> bool | None:
        assert rig.office is not None
        return rig.office.contact.looked or None

    return look


async def test_fault_F11_the_gate_stays_closed_while_ksef_was_not_compared(machine: Machine, sandbox: Sandbox) -> None:
    """The register cannot be read: nothing is sent, the page says why, and receiving and reading go on."""
    rig = machine.rig
    document = await put(rig, "HELD BACK")
    sandbox.call("POST", "/v2/testdata/attachment", {"nip": rig.context.value})
    package = await rig.put(attachment_invoice(number=f"PACKAGE/{rig.state.parent.name}", issue_date=rig.today()))
    sandbox.fault("POST /v2/invoices/exports", "http_503", None)
    (rig.state / identity.RESTORED).write_text("{}")
    machine.restore({})
    await rig.start()

    async def asked() -> bool | None:
        return sandbox.requests()["by_endpoint"].get("POST /v2/invoices/exports", 0) > 0 or None

    await rig.eventually(asked, "the register was asked for")
    await rig.stop()
    assert machine.posts(document, package) == [0, 0]
    assert [(await rig.read(d)).state for d in (document, package)] == [State.QUEUED] * 2
    assert await machine.doubts() == [Doubt.RESTORED]
    code, answer = await machine.reconcile()
    assert (code, answer["contexts"]["gmina"]["compared"]) == (1, False)
    assert await machine.doubts() == [Doubt.RESTORED]


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
