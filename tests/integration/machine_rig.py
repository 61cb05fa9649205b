"""The state directory of an agent on a machine that is put back to an earlier state: backup, restore, look."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pysqlite3
import pytest
from click.testing import Result

from sluza.cli.reconcile import reconcile
from spool.access import FILE, Spool
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.ledger import Document
from spool.domain.states import State
from tests.integration.agent_rig import Rig
from tests.integration.command_rig import command_on


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
        return await command_on(self.rig, reconcile, *words)

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
