"""Warm worker processes in which all XML and ZIP is parsed and all PDF is drawn (faults section F rule 6, F19, X03).

One document that hangs or kills its worker costs that document only: the worker is replaced and the others go on.

The processes come from a fork server with the parser already imported, so a replacement is ready in milliseconds, the
parent's threads are never forked, and the parent's `__main__` is never run again. Between parent and worker go pickled
bytes only, so that a result or an exception that cannot be pickled harms nobody else.
"""

import asyncio
import multiprocessing
import pickle
import threading
import types
import weakref
from collections.abc import Callable
from multiprocessing import context as mp_context
from multiprocessing import popen_forkserver
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from spool import xml
from spool.domain.catalogue import problem
from spool.domain.errors import Problem, SluzaError
from spool.sandboxing import confine

T = TypeVar("T")

_preloaded = ["spool.workers", "spool.xml"]
"""What the fork server imports when it starts; there is one for all pools of a process."""


class WorkerTimeout(SluzaError):  # noqa: N818 - reads as the fact it states
    """The work took longer than it may; its worker was killed."""

    code = "worker_timeout"

    def __init__(self, seconds: float) -> None:
        self.problem: Problem = problem(self.code, seconds=f"{seconds:g}")
        super().__init__(self.problem.message, self.problem.hint)


class WorkerCrashed(SluzaError):  # noqa: N818 - reads as the fact it states
    """The worker died or ran out of memory at this work; `detail` is for the log, never for a unit."""

    code = "worker_crashed"

    def __init__(self, detail: str = "") -> None:
        self.problem: Problem = problem(self.code)
        self.detail = detail
        super().__init__(self.problem.message, self.problem.hint)


class _PoolLost(Exception):  # noqa: N818 - reads as the fact it states
    """The pool as a whole is of no use any more."""


class Workers:
    """A pool of `processes` workers with `memory_mb` of address space each and `seconds` for one piece of work.

    `warm_up` is what makes a worker ready for the pool's kind of work: an importable function, whose module the fork
    server imports once for all. `niceness` (0 to 19) is how readily its workers leave the processor to others.
    """

    def __init__(
        self,
        processes: int = 2,
        memory_mb: int = 512,
        seconds: float = 20,
        *,
        warm_up: Callable[[], None] = xml.warm,
        niceness: int = 0,
    ) -> None:
        self.processes = processes
        self.memory_mb = memory_mb
        self.seconds = seconds
        self.niceness = niceness
        self._warm_up = warm_up
        if warm_up.__module__ not in _preloaded:
            _preloaded.append(warm_up.__module__)
        self._turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self._under_way: weakref.WeakSet[Any] = weakref.WeakSet()
        self._pool = self._new_pool()
        self._closed = False

    async def run(self, fn: Callable[..., T], *args: Any, seconds: float | None = None) -> T:
        """`fn(*args)` in a worker, with `seconds` instead of the usual limit if given.

        `fn` must be importable by name from a module other than `__main__`. What it raises is raised here; a hang
        raises `WorkerTimeout`, a death or lack of memory `WorkerCrashed`. The time runs once a worker is free.
        """
        if getattr(fn, "__module__", None) == "__main__":
            raise TypeError("work for a worker must live in an importable module, not in __main__")
        work = pickle.dumps((fn, args))
        async with self._turn():
            answer = await self._call(work, seconds or self.seconds)
        outcome, value = pickle.loads(answer)  # noqa: S301 - written by our own worker
        if outcome == "returned":
            return value  # type: ignore[no-any-return]
        if outcome == "raised":
            raise value
        raise WorkerCrashed(value)

    async def warm(self) -> None:
        """Start every worker and make it ready, so that the first document does not wait."""
        await asyncio.gather(*(self.run(self._warm_up) for _ in range(self.processes)))

    def close(self) -> None:
        """Stop all workers at once; unfinished work ends as `WorkerCrashed`."""
        self._closed = True
        _stop(self._pool)
        # pebble may leave work unfinished without a word; its callers must not wait for their time limit.
        for future in tuple(self._under_way):
            future.cancel()

    async def _call(self, work: bytes, seconds: float) -> bytes:
        """The worker's answer. A pool lost before the work began is not the work's fault: once more with a new one."""
        for _ in range(2):
            if self._closed:
                break
            pool = self._pool
            try:
                return await self._attempt(pool, work, seconds)
            except _PoolLost:
                self._replace(pool)
        raise WorkerCrashed("closed" if self._closed else "the pool broke twice at this work")

    async def _attempt(self, pool: ProcessPool, work: bytes, seconds: float) -> bytes:
        future: Any = None
        try:
            future = pool.schedule(_perform, args=(work,))
            self._under_way.add(future)
            # A monotonic timer of ours: pebble's own compares wall clocks, which jump (faults F14).
            async with asyncio.timeout(seconds):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            started = future.running()
            future.cancel()  # kills the worker, if one has begun
            if not started:
                raise _PoolLost from None
            raise WorkerTimeout(seconds) from None
        except asyncio.CancelledError:
            if future.cancelled():  # pebble ended it, because the pool was closed
                raise WorkerCrashed("closed") from None
            future.cancel()
            raise
        except ProcessExpired as error:
            raise WorkerCrashed(f"exit code {error.exitcode}") from None
        except (OSError, RuntimeError) as error:
            # A worker killed while idle dies with pebble's lock in its hand; pebble then declares the pool broken.
            raise _PoolLost from error

    def _replace(self, pool: ProcessPool) -> None:
        if self._closed or pool is not self._pool:
            return
        self._pool = self._new_pool()
        # In a thread, because a pool that is stuck may also be slow to stop.
        threading.Thread(target=_stop, args=(pool,), daemon=True).start()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.processes,
            initializer=confine,
            initargs=(self.memory_mb, self.niceness),
            context=_Context(_preloaded),
        )

    def _turn(self) -> asyncio.Semaphore:
        """As many pieces of work at once as there are workers, so that waiting does not count as working."""
        loop = asyncio.get_running_loop()
        if loop not in self._turns:
            self._turns[loop] = asyncio.Semaphore(self.processes)
        return self._turns[loop]


def _stop(pool: Any) -> None:
    pool.stop()
    pool.join()


def _perform(work: bytes) -> bytes:
    """In the worker: do it, and hand back bytes that the parent can always read."""
    try:
        fn, args = pickle.loads(work)  # noqa: S301 - written by our own parent
        return pickle.dumps(("returned", fn(*args)))
    except MemoryError:
        return pickle.dumps(("crashed", "out of memory"))
    except Exception as error:
        return _raised(error)


def _raised(error: Exception) -> bytes:
    try:
        answer = pickle.dumps(("raised", error))
        pickle.loads(answer)  # noqa: S301 - our own bytes; some exceptions pickle but cannot be read back
    except Exception:
        return pickle.dumps(("crashed", f"{type(error).__name__}: {error}"[:500]))
    return answer


class _WithoutMain:
    """`multiprocessing.spawn` as the child sees it, except that the parent's `__main__` is not named to it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing.spawn, name)

    @staticmethod
    def get_preparation_data(name: str) -> dict[str, Any]:
        data = multiprocessing.spawn.get_preparation_data(name)
        return {key: value for key, value in data.items() if not key.startswith("init_main")}


class _Popen(popen_forkserver.Popen):
    """Starts a child without importing the parent's `__main__` there: a console script would import everything.

    The standard library offers no switch, so its own `_launch` runs here with one global exchanged.
    """

    _launch = types.FunctionType(
        vars(popen_forkserver.Popen)["_launch"].__code__, {**vars(popen_forkserver), "spawn": _WithoutMain()}
    )


class _Process(mp_context.ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the name is multiprocessing's
        return _Popen(process_obj)


class _Context(mp_context.ForkServerContext):
    """The fork-server context with our way to start a child and our modules preloaded."""

    Process = _Process

    def __init__(self, preloaded: list[str]) -> None:
        super().__init__()
        self.set_forkserver_preload(preloaded)
