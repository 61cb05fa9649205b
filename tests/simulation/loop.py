"""An asyncio event loop with virtual time and a seeded scheduler: one thread, no sleeping, no selector.

Whatever is ready is run in an order drawn from the dice; callbacks of one task keep theirs. Time stands still while
anything is ready and then jumps to the next timer. Every handle belongs to the process (`OWNER`) whose code made it:
those of a dead process are dropped, those of a frozen one wait until it thaws.
"""

import asyncio
import contextlib
import contextvars
import heapq
from bisect import insort
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

_MOST_STEPS = 150_000


class Process:
    """A program that can die or stand still at any step; a killed program runs nothing more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen_until = 0.0
        self.stop: Callable[[], None] = lambda: None


OWNER: contextvars.ContextVar[Process | None] = contextvars.ContextVar("owner", default=None)
_SERIAL: contextvars.ContextVar[int] = contextvars.ContextVar("serial", default=0)


class SimLoop(asyncio.BaseEventLoop):
    """See the module. `dice` decides every choice; two runs with equal dice make the same choices."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._dice = dice
        self._now = 0.0
        self._made = 0
        self._queues: dict[int, deque[asyncio.Handle]] = {}
        self._waiting: list[int] = []
        self.steps, self.most_steps = 0, _MOST_STEPS
        self._over = False
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._tasks: list[asyncio.Task[Any]] = []
        """Of all processes: when the collector closed those of a dead one, their `finally` blocks would run."""
        self.world = contextvars.Context()
        self.set_task_factory(self._make)  # type: ignore[arg-type]
        self.set_exception_handler(self._callback_failed)
        self.failure: BaseException | None = None

    def time(self) -> float:
        """Virtual seconds since the schedule began."""
        return self._now

    def _callback_failed(self, _loop: Any, context: dict[str, Any]) -> None:
        """A callback of the world that raised is an error of the simulation; a task keeps its own."""
        if "handle" in context:
            self.failure = context.get("exception")

    def outside(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        """Let the world do something, whichever processes are alive then."""
        self.call_at(self._now + delay, callback, *args, context=self.world.copy())

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task of a process."""
        context = contextvars.Context()
        context.run(OWNER.set, process)
        return self.create_task(work, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """As the real one; the heap holds what compares fast."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """It is passed over when its time comes."""

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """There is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """The work of a thread, done in one step of its own."""
        done = self.create_future()

        def work() -> None:
            if not done.cancelled():
                try:
                    done.set_result(func(*args))
                except BaseException as error:  # as an executor hands it over
                    done.set_exception(error)

        self.call_soon(work)
        return done

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:
        """A clean stop of the process is a call of its handler."""
        if (owner := OWNER.get()) is not None:
            owner.stop = lambda: callback(*args)

    def _make(self, loop: Any, work: Any, context: contextvars.Context | None = None) -> "asyncio.Task[Any]":
        self._made += 1
        context = contextvars.copy_context() if context is None else context
        context.run(_SERIAL.set, self._made)
        task = asyncio.Task(work, loop=self, context=context)
        owner = context.get(OWNER)
        if owner is not None:
            self._tasks.append(task)
        return task

    def bury(self) -> None:
        """After the end: close what never ended, unheard."""
        self._over = True
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()
        self.close()

    def _check_closed(self) -> None:
        """What closing coroutines still ask of the loop comes to nothing."""
        if not self._over:
            super()._check_closed()

    def _write_to_self(self) -> None:
        """Nobody waits in a selector."""

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        while ready:
            self._enqueue(ready.popleft())
        if not self._waiting:
            self._advance()
            return
        at = int(self._dice.random() * len(self._waiting)) if len(self._waiting) > 1 else 0
        serial = self._waiting[at]
        queue = self._queues[serial]
        handle = queue.popleft()
        if not queue:
            del self._waiting[at]
            del self._queues[serial]
        self._run(handle)

    def _enqueue(self, handle: asyncio.Handle) -> None:
        serial = handle._context.get(_SERIAL, 0)  # type: ignore[attr-defined]
        if serial in self._queues:
            self._queues[serial].append(handle)
        else:
            self._queues[serial] = deque((handle,))
            insort(self._waiting, serial)

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        owner = handle._context.get(OWNER)  # type: ignore[attr-defined]
        if owner is not None:
            if not owner.alive:
                return
            if owner.frozen_until > self._now:
                self.call_at(owner.frozen_until, self._enqueue, handle, context=self.world.copy())
                return
        self.steps += 1
        if self.steps > self.most_steps:
            raise RuntimeError("the schedule does not end")
        handle._run()
        if self.failure is not None:
            raise self.failure

    def _advance(self) -> None:
        timers = self._timers
        first = None
        while timers and (first is None or timers[0][0] <= first):
            when, _, timer = heapq.heappop(timers)
            owner = timer._context.get(OWNER)
            if timer.cancelled() or (owner is not None and not owner.alive):
                continue
            first = max(when, self._now)
            self._enqueue(timer)
        if first is None:
            raise RuntimeError("nothing is left that could happen")
        self._now = first
