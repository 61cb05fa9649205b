"""Scans take turns in one thread, and none waits for a folder that hangs (faults D02, F08)."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.folders import turn
from gateway.folders.turn import Turn


@pytest.fixture(name="turns")
def turns_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turn]:
    """One that loses its patience soon."""
    monkeypatch.setattr(turn, "_PATIENCE_S", 0.05)
    with ThreadPoolExecutor(4, "aside") as aside:
        made = Turn(aside)
        yield made
        made.end()


async def test_scans_run_one_after_the_other_in_one_thread(turns: Turn) -> None:
    """Twenty at once: every answer comes, all from the same thread."""

    def scan(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    found = await asyncio.gather(*(turns.take(lambda n=n: scan(n)) for n in range(20)))  # type: ignore[misc]
    assert [number for number, _ in found] == list(range(20))
    assert len({thread for _, thread in found}) == 1


async def test_what_a_scan_raises_is_raised(turns: Turn) -> None:
    """Also an error that looks like our own impatience."""

    def scan() -> None:
        raise TimeoutError("the share does not answer")

    with pytest.raises(TimeoutError, match="the share"):
        await turns.take(scan)


async def test_fault_F08_a_hanging_folder_holds_nobody(turns: Turn) -> None:
    """Who waits behind it, and who comes meanwhile, is scanned aside; its own answer comes when it comes."""
    hangs = threading.Event()
    hanging = asyncio.create_task(turns.take(lambda: hangs.wait(20)))
    await asyncio.sleep(0)
    behind = await asyncio.wait_for(turns.take(threading.get_ident), 10)
    meanwhile = await asyncio.wait_for(turns.take(threading.get_ident), 10)
    assert not hanging.done()
    hangs.set()
    assert await hanging is True
    afterwards = await turns.take(threading.get_ident)
    assert afterwards not in {behind, meanwhile}
