"""Worker processes: one bad document costs one document, and no worker outlives its parent."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import _warm
from gateway.render import Marks
from gateway.render.work import draw, drawing_workers
from sluza.samples import Line, invoice, many
from spool import workers as workers_module
from spool.domain.errors import SluzaError
from spool.workers import WorkerCrashed, Workers, WorkerTimeout
from spool.xml import examine, read_received
from tests import work_for_workers as work

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Two workers for the whole module: what one test does to them must not hurt the next."""
    pool = Workers(processes=2, seconds=30)
    yield pool
    pool.close()


async def test_work_is_done_elsewhere(workers: Workers) -> None:
    """Results come from another process than ours."""
    assert await workers.run(work.double, 21) == 42
    assert await workers.run(work.pid) != os.getpid()


async def test_documents_are_examined_in_warm_workers(workers: Workers) -> None:
    """Many documents at once get the same answers as here."""
    await workers.warm()
    raws = list(many(50))
    assert await asyncio.gather(*(workers.run(examine, raw) for raw in raws)) == [examine(raw) for raw in raws]
    assert (await workers.run(read_received, invoice())).number == "FV/1/2026"


async def test_a_pool_has_its_own_warm_up_and_priority() -> None:
    """Each worker is made ready by what its pool does, and gives way as its pool says."""
    pool = Workers(processes=1, warm_up=work.warm_up, niceness=7)
    await pool.warm()
    assert await pool.run(work.warmed) == [await pool.run(work.pid)]
    assert await pool.run(work.niceness) == os.nice(0) + 7
    pool.close()


async def test_an_invoice_is_drawn_within_a_workers_limits() -> None:
    """Memory, threads and network of a confined worker are enough; the first PDF finds fonts and template ready."""
    pool = drawing_workers()
    await pool.warm()
    rows = [Line(f"Obiad {n}", "12.30", "8") for n in range(1000)]
    assert (await pool.run(draw, invoice(lines=rows), Marks())).startswith(b"%PDF-")
    assert await pool.run(work.niceness) == min(os.nice(0) + 10, 19)  # 19 is as nice as a process gets
    with pytest.raises(PermissionError, match="no network"):
        await pool.run(work.connect)
    pool.close()


async def test_an_exception_of_the_work_comes_to_its_caller(workers: Workers) -> None:
    """It is raised here with its own type."""
    with pytest.raises(ValueError, match="zła wartość"):
        await workers.run(work.value_error)


@pytest.mark.parametrize("fn", [work.hang, work.spin])
async def test_fault_X03_work_that_never_ends_is_stopped(workers: Workers, fn: object) -> None:
    """The limit holds for one piece of work, with a sentence for people, and the next is done."""
    with pytest.raises(WorkerTimeout) as caught:
        await workers.run(fn, seconds=0.3)  # type: ignore[arg-type]
    assert caught.value.code == caught.value.problem.code == "worker_timeout"
    assert caught.value.hint
    assert await workers.run(work.double, 2) == 4


@pytest.mark.parametrize("fn", [work.die, work.exit_now, work.eat, work.odd_error])
async def test_fault_F19_a_document_that_kills_its_worker_hurts_nobody_else(workers: Workers, fn: object) -> None:
    """A dead worker is replaced, and work that ran beside it ends well."""
    beside = [asyncio.create_task(workers.run(work.double, n)) for n in range(20)]
    with pytest.raises(WorkerCrashed) as caught:
        await workers.run(fn)  # type: ignore[arg-type]
    assert caught.value.code == caught.value.problem.code == "worker_crashed"
    assert caught.value.detail
    assert await asyncio.gather(*beside) == [n * 2 for n in range(20)]


async def test_fault_F19_idle_workers_that_are_killed_are_replaced(workers: Workers) -> None:
    """The out-of-memory killer may take workers that do nothing; no document pays for it."""
    pids = {await workers.run(work.pid) for _ in range(20)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*(workers.run(work.double, n) for n in range(10)))
    assert answers == [n * 2 for n in range(10)]
    assert not pids & {await workers.run(work.pid) for _ in range(20)}


async def test_work_under_way_at_the_end_is_told_so() -> None:
    """Closing the pool ends what runs with our own error, not with a hang."""
    pool = Workers(processes=1)
    await pool.run(work.double, 1)
    task = asyncio.create_task(pool.run(work.hang))
    await asyncio.wait([task], timeout=0.2)
    await asyncio.to_thread(pool.close)
    with pytest.raises(WorkerCrashed):
        await task


async def test_fault_F16_memory_is_bounded(workers: Workers) -> None:
    """More memory than the limit is refused inside the worker, which goes on."""
    with pytest.raises(WorkerCrashed, match="Pliku nie udało się sprawdzić") as caught:
        await workers.run(work.eat)
    assert caught.value.detail == "out of memory"


_NOT_GIVEN = (OSError(24, "Too many open files"), RuntimeError("can't start new thread"), EOFError("unexpected EOF"))
"""No descriptor, no thread, and a fork server that was killed meanwhile."""


@pytest.mark.parametrize("trouble", _NOT_GIVEN)
async def test_fault_F16_a_program_that_starts_without_workers_says_so(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Whatever is short at the start comes as our own error, of which the gateway makes its sentence."""

    def given(*_args: Any) -> Any:
        raise trouble

    pool = Workers(processes=1)
    monkeypatch.setattr(workers_module, "_Worker", given)
    with pytest.raises(SluzaError, match="nie mogą wystartować"):
        await _warm(pool)
    pool.close()


@pytest.mark.parametrize("trouble", _NOT_GIVEN)
async def test_fault_F16_a_system_that_gives_no_process_costs_one_document(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """No descriptor, no thread, no process: the document that wanted one is told so, and the next one is worked on."""
    pool, real, refused = Workers(processes=1), workers_module._Worker, [trouble]

    def given(*args: Any) -> Any:
        if refused:
            raise refused.pop()
        return real(*args)

    monkeypatch.setattr(workers_module, "_Worker", given)
    try:
        with pytest.raises(WorkerCrashed) as caught:
            await pool.run(work.double, 1)
        assert caught.value.detail.startswith("not started")
        assert await pool.run(work.double, 2) == 4
    finally:
        pool.close()


async def test_a_result_that_cannot_travel_is_an_error_of_the_work(workers: Workers) -> None:
    """What cannot be pickled harms only its own caller."""
    with pytest.raises(Exception, match="pickle"):
        await workers.run(work.unpicklable)
    assert await workers.run(work.double, 3) == 6


async def test_fault_X15_a_worker_has_no_network(workers: Workers) -> None:
    """Python's sockets are refused in every worker."""
    with pytest.raises(PermissionError, match="no network"):
        await workers.run(work.connect)


async def test_a_worker_leaves_no_core_dump(workers: Workers) -> None:
    """The bytes of an invoice never land in a core file."""
    assert await workers.run(work.core_limit) == (0, 0)


async def test_the_parents_main_is_not_run_again(workers: Workers) -> None:
    """A worker does not take the parent's program for its own."""
    assert await workers.run(work.main_file) != getattr(sys.modules["__main__"], "__file__", None)


async def test_work_from_main_is_refused_at_once(workers: Workers) -> None:
    """A function that no worker could import is told so."""

    def local() -> None: ...

    local.__module__ = "__main__"
    with pytest.raises(TypeError, match="__main__"):
        await workers.run(local)


async def test_a_caller_that_gives_up_frees_the_worker(workers: Workers) -> None:
    """Cancelling the await kills the work and not the pool."""
    task = asyncio.create_task(workers.run(work.hang))
    await asyncio.wait([task], timeout=0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.gather(*(workers.run(work.double, n) for n in range(4))) == [0, 2, 4, 6]


async def test_a_closed_pool_answers() -> None:
    """Work after the end is refused with our own error."""
    pool = Workers(processes=1)
    assert await pool.run(work.double, 1) == 2
    pool.close()
    with pytest.raises(WorkerCrashed):
        await pool.run(work.double, 1)


def test_workers_serve_a_program_with_threads() -> None:
    """Loops in several threads share one pool, and the thread that started it may end."""
    pool = Workers(processes=2)
    results: list[int] = []

    def serve(number: int) -> None:
        results.append(asyncio.run(pool.run(work.double, number)))

    for group in ((1,), (2, 3, 4)):
        threads = [threading.Thread(target=serve, args=(n,)) for n in group]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    pool.close()
    assert sorted(results) == [2, 4, 6, 8]


async def test_the_kernel_ends_a_worker_with_its_parent(workers: Workers) -> None:
    """The death signal is set last of all, where nothing makes the kernel forget it."""
    assert await workers.run(work.death_signal) == signal.SIGKILL


PARENT = """
import asyncio, sys
print("main runs", flush=True)
from spool.workers import Workers
from tests import work_for_workers as work

async def main():
    pool = Workers(processes=2)
    await asyncio.gather(pool.run(work.announce_and_hang, sys.argv[1]), pool.run(work.announce_and_spin, sys.argv[2]))

asyncio.run(main())
"""


def test_fault_F01_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    """SIGKILL of the parent ends its busy workers; a program without a main guard is not run twice."""
    program = tmp_path / "program.py"
    program.write_text(PARENT)
    fifos = [tmp_path / "hanging", tmp_path / "spinning"]
    for fifo in fifos:
        os.mkfifo(fifo)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program), *map(str, fifos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        descriptors = [os.pidfd_open(int(fifo.read_text())) for fifo in fifos]
        parent.send_signal(signal.SIGKILL)
        # A pidfd becomes readable when its process ends.
        ended = [select.select([fd], [], [], 10)[0] == [fd] for fd in descriptors]
        assert ended == [True, True]
        assert parent.stdout is not None
        assert parent.stdout.read() == "main runs\n"
    for descriptor in descriptors:
        os.close(descriptor)
