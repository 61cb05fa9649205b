"""`sluza check --against-ksef` with the sandbox: what KSeF registered, what we have, and where they differ (I2–I4)."""

import json
from pathlib import Path
from typing import Any

import pysqlite3
import pytest

from sluza.cli.check import check
from sluza.samples import invoice
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.command_rig import command_on


async def checked(rig: Rig, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of the command on the rig's spool, by the sandbox's clock."""
    done = await command_on(rig, check, "--json", *words)
    assert done.stdout, done.output
    return done.exit_code, json.loads(done.stdout.splitlines()[-1])


def found(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Invariant and subject of each finding."""
    return [(f["invariant"], f["subject"]) for f in answer["findings"]]


def change(rig: Rig, statement: str, *values: str) -> None:
    """One raw statement on the rig's spool."""
    connection = pysqlite3.connect(rig.spool.path)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


@pytest.fixture(name="sent")
async def sent_fixture(rig: Rig) -> list[str]:
    """The ids of three invoices that the agent sent, two hours ago by the sandbox's clock; the agent has stopped."""
    await rig.start()
    documents = [await rig.put_new(f"CHK/{rig.spool.path.parent.parent.name}/{i}") for i in range(3)]
    for document in documents:
        await rig.until_upo(document)
    await rig.advance(hours=2)
    await rig.stop()
    return [document.id for document in documents]


async def test_what_the_agent_sent_is_what_ksef_has(rig: Rig, sent: list[str]) -> None:
    """Every invariant holds after a real story, on both sides."""
    code, answer = await checked(rig, "--against-ksef", "--elsewhere-ok")
    assert (code, answer["ok"], answer["findings"]) == (0, True, [])
    assert answer["checked"]["I2"]["checked"] >= len(sent)


async def test_I3_an_invoice_registered_behind_our_back_is_found(rig: Rig, sandbox: Sandbox, sent: list[str]) -> None:
    """KSeF has a sale of ours that no document here is about."""
    raw = invoice(number=f"OBOK/{rig.spool.path.parent.parent.name}", issue_date=rig.today())
    number = sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"]
    await rig.advance(hours=2)
    code, answer = await checked(rig, "--against-ksef")
    assert (code, ("I3", number) in found(answer)) == (1, True)
    assert (await checked(rig, "--against-ksef", "--elsewhere-ok"))[0] == 0


async def test_I3_a_registered_document_that_waits_to_be_sent_again_is_found(rig: Rig, sent: list[str]) -> None:
    """Its number is lost here and it is back in the queue: the next send would be the second."""
    change(rig, "UPDATE document SET ksef_number = NULL, state = 'QUEUED' WHERE id = ?", sent[0])
    _, answer = await checked(rig, "--against-ksef", "--elsewhere-ok")
    assert ("I3", sent[0]) in found(answer)
    rig.broken = frozenset({"I5"})


async def test_I4_an_altered_number_is_found(rig: Rig, sent: list[str]) -> None:
    """The spool has a number that KSeF gave to nobody; the finding names the true one."""
    before = (await rig.spool.read(lambda store: store.document(sent[1]))).ksef_number
    change(rig, "UPDATE document SET ksef_number = substr(ksef_number, 1, 33) || 'no' WHERE id = ?", sent[1])
    code, answer = await checked(rig, "--against-ksef", "--elsewhere-ok")
    assert (code, found(answer)) == (1, [("I4", sent[1])])
    assert str(before) in answer["findings"][0]["message"]


async def test_a_number_given_a_moment_ago_is_not_missed(rig: Rig) -> None:
    """KSeF shows an invoice a little after its number: for an hour its absence says nothing."""
    await rig.start()
    document = await rig.until(await rig.put_new("CHK/NOW"), State.ACCEPTED)
    await rig.stop()
    change(rig, "UPDATE document SET ksef_number = substr(ksef_number, 1, 33) || 'no' WHERE id = ?", document.id)
    _, answer = await checked(rig, "--against-ksef", "--elsewhere-ok")
    assert ("I4", document.id) not in found(answer)


async def test_a_ksef_that_does_not_answer_is_not_all_right(rig: Rig, sandbox: Sandbox, sent: list[str]) -> None:
    """Nothing can be said about the register, and the command says so with its exit code."""
    sandbox.fault("POST /v2/invoices/exports", "http_503", count=None)
    code, answer = await checked(rig, "--against-ksef")
    assert (code, found(answer)) == (1, [("KSeF", "context:gmina")])


async def test_reading_the_register_spends_one_package(rig: Rig, sandbox: Sandbox, sent: list[str]) -> None:
    """One export for one seller and window, and no call that registers anything."""
    before = sandbox.requests()["by_endpoint"]
    await checked(rig, "--against-ksef")
    after = sandbox.requests()["by_endpoint"]
    spent = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
    assert spent["POST /v2/invoices/exports"] == 1
    assert [name for name in spent if "sessions" in name] == []


async def test_a_check_runs_beside_a_writing_agent(rig: Rig, tmp_path: Path) -> None:
    """While documents are on their way nothing is found: each look is one moment of the spool."""
    await rig.start()
    documents = [await rig.put_new(f"CHK/RUN/{i}") for i in range(8)]
    answers = [await checked(rig) for _ in range(4)]
    for document in documents:
        await rig.until_upo(document)
    assert [answer["findings"] for _, answer in answers] == [[], [], [], []]
