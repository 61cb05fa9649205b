"""The agent on a full disk: it goes on in the reserve, and when that is spent, too, it waits (fault F04)."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pysqlite3
import pytest

from agent import __main__ as program
from agent.office import Bell
from spool.access import FILE, Spool
from spool.clock import SandboxClock
from spool.domain.errors import NoRoom
from tests.crash.test_full_disk import _RESERVE, Mount, fill, mount_fixture  # noqa: F401
from tests.integration.agent_rig import UNITS, Rig, Sandbox, bench_fixture, make_context, sandbox_fixture  # noqa: F401


def empty_log(state: Path) -> None:
    """No room left in the write-ahead log that SQLite would use again: the next commit needs blocks of the disk."""
    with contextlib.closing(pysqlite3.connect(state / FILE, timeout=30)) as connection:
        (busy, _log, _moved) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy


async def test_fault_F04_sending_and_receipts_go_on_in_the_reserve(
    mount: Mount, sandbox: Sandbox, bench: Any, tmp_path: Any
) -> None:
    """Not a byte is left for anybody: what was taken in is sent, gets its number and its receipt all the same."""
    sandbox.reset()
    state = mount("size=12m") / "state"
    clock = SandboxClock(f"{sandbox.url}/sandbox/clock", 0.1)
    spool = Spool(state / FILE, reserve=_RESERVE)
    try:
        async with Rig(sandbox, state, clock, spool, bench, make_context(sandbox, tmp_path), UNITS) as rig:
            documents = [await rig.put_new(f"F04/{number}") for number in range(3)]
            empty_log(state)
            fill(state)
            await rig.start()
            for document in documents:
                done = await rig.until_upo(document)
                assert sandbox.ledger()[document.sha256]["posts"] == done.attempts == 1
            assert not spool.reserve.held
    finally:
        spool.close()
        clock.close()


async def test_fault_F04_a_part_without_room_begins_again_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reserve spent nothing can be written: the part waits and begins again, until there is room or a stop."""
    monkeypatch.setattr(program, "_NO_ROOM_S", 0.001)
    house: Any = SimpleNamespace(bell=Bell())
    tries: list[int] = []

    async def part() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise NoRoom("disk_full", "Na dysku brakuje miejsca.", "Proszę zwolnić miejsce.")

    await program._with_room(house, part)
    assert len(tries) == 3

    async def never() -> None:
        tries.append(1)
        if len(tries) > 5:
            house.bell.stop()
        raise NoRoom("disk_full", "Na dysku brakuje miejsca.", "Proszę zwolnić miejsce.")

    await asyncio.wait_for(program._with_room(house, never), 10)


async def test_fault_F04_only_a_full_disk_is_waited_out() -> None:
    """A disk that lost a write, or any other error, still ends the program: nothing may be promised any more."""
    house: Any = SimpleNamespace(bell=Bell())

    async def part() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        await program._with_room(house, part)
