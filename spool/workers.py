"""Warm worker processes in which all XML and ZIP is parsed and all PDF is drawn (faults section F rule 6, F19, X03).

One document that hangs or kills its worker costs that document only: the worker is replaced and the others go on.

The processes come from a fork server with the parser already imported, so a replacement is ready in milliseconds, the
parent's threads are never forked, and the parent's `__main__` is never run again. Between parent and worker go frames
of pickled bytes over a socket pair, so that a result or an exception that cannot be pickled harms nobody else, and the
event loop never waits for a worker that stops in the middle of an answer.
"""

import asyncio
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing import context as mp_context
from multiprocessing import popen_forkserver
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from spool import xml
from spool.domain.catalogue import problem
from spool.domain.errors import Problem, SluzaError
from spool.sandboxing import confine

T = TypeVar("T")

_LENGTH = struct.Struct("!I")
"""What goes before every frame: its length in bytes."""
_CHUNK = 1 << 18
_LAST_BREATH_S = 5.0
"""So long may a process take to end after its end of the line was closed."""
_NOT_BY_THE_WORK = frozenset({-signal.SIGKILL, 255})
"""Exit codes of a worker that was killed from outside: by the system short of memory, or with the fork server."""

_preloaded = ["spool.workers", "spool.xml", "spool.xml.explain"]
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


class Workers:
    """A pool of `processes` workers with `memory_mb` of address space each and `seconds` for one piece of work.

    `warm_up` is what makes a worker ready for the pool's kind of work: an importable function, whose module the fork
    server imports once for all. `niceness` (0 to 19) is how readily its workers leave the processor to others. Event
    loops in several threads may share a pool; each may then have `processes` pieces of work under way.
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
        self._idle: deque[_Worker] = deque()
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
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
            answer = await self._answer(work, seconds or self.seconds)
        outcome, value = pickle.loads(answer)  # noqa: S301 - written by our own worker
        if outcome == "returned":
            return value  # type: ignore[no-any-return]
        if outcome == "raised":
            raise value
        raise WorkerCrashed(value)

    async def warm(self) -> None:
        """Start every worker and make it ready, so that the first document does not wait. Raises as `run` does."""
        missing = self.processes - len(self._idle)
        await asyncio.gather(*(self._one_more() for _ in range(missing)))
        await asyncio.gather(*(self.run(self._warm_up) for _ in range(self.processes)))

    def close(self) -> None:
        """Stop all workers at once; unfinished work ends as `WorkerCrashed`."""
        with self._lock:
            self._closed = True
            idle, busy = tuple(self._idle), tuple(self._busy)
            self._idle.clear()
        for worker in idle:
            worker.dismiss()
        for worker in busy:
            worker.kill()  # whoever waits for its answer sees the end of the line

    async def _answer(self, work: bytes, seconds: float) -> bytes:
        """A worker's answer. One killed from outside may have died before the work reached it: once more, then."""
        code: int | None = None
        for _ in range(2):
            worker = await self._take()
            try:
                # Monotonic time, not a wall clock, which may jump (faults F14).
                async with asyncio.timeout(seconds):
                    answer = await worker.ask(work)
            except TimeoutError:
                self._drop(worker)
                raise WorkerTimeout(seconds) from None
            except (EOFError, OSError):
                code = await asyncio.to_thread(worker.exit_code)
                self._drop(worker)
                if code not in _NOT_BY_THE_WORK:
                    break
                self._forget_the_dead()
            except BaseException:  # the caller gave up
                self._drop(worker)
                raise
            else:
                self._give_back(worker)
                return answer
        raise WorkerCrashed("closed" if self._closed else f"exit code {code}")

    async def _take(self) -> "_Worker":
        """An idle worker, or a new one. Raises WorkerCrashed when there is none to be had."""
        while True:
            with self._lock:
                if self._closed:
                    raise WorkerCrashed("closed")
                if self._idle:
                    worker = self._idle.pop()
                    self._busy.add(worker)
                    return worker
            await self._one_more()

    async def _one_more(self) -> None:
        """Raises WorkerCrashed when the system gives none (faults F16)."""
        try:
            await asyncio.to_thread(self._start)
        except (OSError, EOFError, RuntimeError) as error:
            raise WorkerCrashed(f"not started: {error}") from error

    def _start(self) -> None:
        worker = _Worker(self.memory_mb, self.niceness)
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        worker.dismiss()

    def _give_back(self, worker: "_Worker") -> None:
        with self._lock:
            self._busy.discard(worker)
            if not self._closed and len(self._idle) < self.processes:
                self._idle.append(worker)
                return
        worker.dismiss()

    def _drop(self, worker: "_Worker") -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.dismiss()

    def _forget_the_dead(self) -> None:
        """What killed one worker may have killed idle ones as well."""
        with self._lock:
            idle = tuple(self._idle)
            self._idle = deque(worker for worker in idle if worker.alive())
            dead = set(idle) - set(self._idle)
        for worker in dead:
            worker.dismiss()

    def _turn(self) -> asyncio.Semaphore:
        """As many pieces of work at once as there are workers, so that waiting does not count as working."""
        loop = asyncio.get_running_loop()
        if loop not in self._turns:
            self._turns[loop] = asyncio.Semaphore(self.processes)
        return self._turns[loop]


class _Worker:
    """One process and our end of the line to it."""

    def __init__(self, memory_mb: int, niceness: int) -> None:
        """Start it. Raises OSError, EOFError or RuntimeError when the system gives no process."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._line = ours
        with theirs:
            end = Connection(os.dup(theirs.fileno()))
        with end:
            # A daemon, so that a program that ends without closing its pool does not wait for it.
            arguments = (end, memory_mb, niceness)
            self._process: Any = _Context(_preloaded).Process(target=_serve, args=arguments, daemon=True)
            self._process.start()

    async def ask(self, work: bytes) -> bytes:
        """Its answer to one piece of work. Raises EOFError or OSError when it ended instead."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._line, _LENGTH.pack(len(work)) + work)
        answer = bytearray()
        while len(answer) < _LENGTH.size or len(answer) < _LENGTH.size + _LENGTH.unpack_from(answer)[0]:
            chunk = await loop.sock_recv(self._line, _CHUNK)
            if not chunk:
                raise EOFError
            answer += chunk
        return bytes(memoryview(answer)[_LENGTH.size :])

    def exit_code(self) -> int | None:
        """How the process ended, which its closed line says that it did; None when it is not known in time."""
        self._process.join(_LAST_BREATH_S)
        return self._process.exitcode  # type: ignore[no-any-return]

    def alive(self) -> bool:
        """False once the process has ended."""
        return bool(self._process.is_alive())

    def kill(self) -> None:
        """End the process; the line stays for whoever waits at it."""
        if self.alive():
            self._process.kill()

    def dismiss(self) -> None:
        """End the process and give up the line."""
        self.kill()
        self._line.close()


def _serve(line: Connection, memory_mb: int, niceness: int) -> None:
    """The life of a worker: confined, one piece of work after the other, until the parent closes the line."""
    confine(memory_mb, niceness)
    while (size := _read(line.fileno(), _LENGTH.size)) and (work := _read(line.fileno(), _LENGTH.unpack(size)[0])):
        answer = _perform(work)
        _write(line.fileno(), _LENGTH.pack(len(answer)) + answer)


def _read(descriptor: int, size: int) -> bytes:
    """So many bytes; none when the line was closed."""
    found = bytearray()
    while len(found) < size:
        chunk = os.read(descriptor, min(size - len(found), _CHUNK))
        if not chunk:
            return b""
        found += chunk
    return bytes(found)


def _write(descriptor: int, frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


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
