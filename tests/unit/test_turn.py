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


async def test_the_loop_is_told_once_for_several(turns: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waking it for each would cost as much again as the scans: the lock goes to and fro at every name."""
    monkeypatch.setattr(turn, "_TOGETHER_S", 60)
    loop, told, all_wait = asyncio.get_running_loop(), list[object](), threading.Event()
    tell = loop.call_soon_threadsafe
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *call: (told.append(call), tell(*call)))
    asked = [asyncio.create_task(turns.take(lambda: all_wait.wait(20))) for _ in range(20)]
    await asyncio.sleep(0)
    all_wait.set()
    assert await asyncio.gather(*asked) == [True] * 20
    assert len(told) == 1


async def test_fault_F08_what_ended_before_a_hanging_one_is_told(turns: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for company that may never come."""
    monkeypatch.setattr(turn, "_TOGETHER_S", 60)
    hangs, both_wait = threading.Event(), threading.Event()
    first = asyncio.create_task(turns.take(lambda: both_wait.wait(20)))
    second = asyncio.create_task(turns.take(lambda: hangs.wait(20)))
    await asyncio.sleep(0)
    both_wait.set()
    assert await asyncio.wait_for(first, 10) is True
    assert not second.done()
    hangs.set()
    assert await second is True


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
