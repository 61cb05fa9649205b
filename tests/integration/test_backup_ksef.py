"""A backup put back against a real sandbox: nothing goes twice, what KSeF has gets its number, what was lost is listed
(faults F11, F12; invariant I2)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.backups import Backups, backup_workers
from spool import identity
from spool.access import FILE, Spool
from spool.backup.make import Plan, make
from spool.backup.restore import restore
from spool.backup.settings import Backup
from spool.domain.backups import BACKUP
from spool.domain.identity import Doubt
from spool.domain.municipality import Municipality
from spool.domain.states import State
from spool.settings import Paths, Settings
from tests.integration.agent_rig import NIP, Rig, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.machine_rig import Machine, machine_fixture, put  # noqa: F401


@pytest.fixture(name="copies")
def copies_fixture(rig: Rig) -> Path:
    """Where backups go, with a configuration beside."""
    copies = rig.state.parent / "copies"
    copies.mkdir()
    (rig.state.parent / "sluza.toml").write_text("", encoding="utf-8")
    return copies


@pytest.fixture(name="first_server")
def first_server_fixture(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Everything begins on a server of its own name."""
    monkeypatch.setattr(identity, "_machine", lambda: "the first")
    return monkeypatch


def _tars(copies: Path) -> list[str]:
    return sorted(path.name for path in copies.glob("*.tar"))


def _plan(rig: Rig, copies: Path) -> Plan:
    return Plan(rig.state, rig.state.parent / "sluza.toml", copies, "", True, None, rig.clock())


async def test_fault_F11_a_restored_backup_on_another_machine_sends_nothing_twice(
    first_server: pytest.MonkeyPatch, machine: Machine, copies: Path
) -> None:
    """Back up while the agent has the spool open; more is sent and numbered; the old backup starts elsewhere.

    There nothing goes before a person has said that the first machine is off; then each document that KSeF has is
    adopted with its number, one that the backup has never seen is listed, what waits is sent, and each was posted once.
    """
    rig = machine.rig
    before = [await put(rig, f"BACKED UP/{i}") for i in range(3)]
    made = await asyncio.to_thread(make, _plan(rig, copies))
    await rig.start()
    later = await put(rig, "NOT IN THE BACKUP")
    await machine.settle(*before, later)
    numbers = [(await rig.read(d)).ksef_number for d in before]
    lost = (await rig.read(later)).ksef_number
    await rig.stop()
    rig.spool.close()
    await rig.advance(minutes=5)

    elsewhere = rig.state.parent / "another machine"
    restore(made.path, elsewhere, None, rig.clock())
    first_server.setattr(identity, "_machine", lambda: "the second")
    rig.state = elsewhere
    machine.open()
    assert [(await rig.read(d)).state for d in before] == [State.QUEUED] * 3
    waiting = await put(rig, "NEW")
    await rig.start()

    async def doubted() -> bool | None:
        return Doubt.RESTORED in await machine.doubts() or None

    await rig.eventually(doubted, "the agent knows that the spool was restored")
    assert Doubt.OTHER_MACHINE in await machine.doubts()
    assert machine.posts(*before, later, waiting) == [1, 1, 1, 1, 0]
    code, answer = await machine.reconcile()
    listed = [one["ksef_number"] for one in answer["contexts"]["gmina"]["elsewhere"]]
    assert (code, lost in listed) == (1, True)
    await machine.complete(*before, waiting)
    assert [(await rig.read(d)).ksef_number for d in before] == numbers
    await rig.stop()
    assert machine.posts(*before, later, waiting) == [1] * 5
    assert {"ksef_number": lost} in await machine.events("own_sale_elsewhere")
    assert await machine.doubts() == []


@pytest.fixture(name="desk")
async def desk_fixture(rig: Rig) -> AsyncIterator[Spool]:
    """The spool as the gateway has it."""
    rig.spool.close()
    spool = Spool(rig.state / FILE, "gateway", rig.clock)
    rig.spool = spool
    yield spool
    spool.close()


def _backups(rig: Rig, desk: Spool, backup: Backup) -> Backups:
    config = rig.state.parent / "sluza.toml"
    shared = Settings(config, Municipality("Gmina", NIP, {}, {}), Paths(rig.state, rig.state), "")
    return Backups(desk, backup_workers(), backup, shared, rig.clock)


async def test_the_gateway_makes_one_backup_a_day_also_across_a_restart(rig: Rig, desk: Spool, copies: Path) -> None:
    """In its worker process; a new process finds in the spool that the day has its backup; a failure is remembered
    with its sentence, tried again after an hour, and forgotten by a success."""
    backup = Backup(copies, 2, same_disk=True)
    for _ in range(2):  # the second one is the process after a restart
        stop = asyncio.Event()
        running = asyncio.create_task(_backups(rig, desk, backup).run(stop, 0.05))

        async def standing() -> str | None:
            said = await desk.read(lambda store: store.condition("", BACKUP))
            return said.value["file"] if said and said.value["file"] else None

        file = await rig.eventually(standing, "the backup of the day")
        stop.set()
        await running
        assert _tars(copies) == [Path(file).name]
    said = json.loads((copies / f"{Path(file).name}.json").read_bytes())
    assert said["instance"] == desk.instance

    await rig.advance(days=1)
    lost = _backups(rig, desk, replace(backup, directory=copies / "not mounted"))
    await lost.step()
    failed = await desk.read(lambda store: store.condition("", BACKUP))
    assert failed is not None
    assert "Nie ma katalogu" in failed.value["reason"]
    assert failed.value["file"] == file
    good = _backups(rig, desk, backup)
    await good.step()
    assert len(_tars(copies)) == 1
    await rig.advance(hours=1)
    await good.step()
    assert len(_tars(copies)) == 2
    healed = await desk.read(lambda store: store.condition("", BACKUP))
    assert healed is not None
    assert healed.value["reason"] == ""
    for one in (lost, good):
        one._workers.close()
