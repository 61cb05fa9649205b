"""How the writer of the spool answers its callers: one on an event loop, or one that waits in a thread of its own."""

import asyncio
import contextlib
from concurrent.futures import Future
from typing import Any


class Answer:
    """What a job is answered with, for a caller on an event loop: like a `Future`, but the loop is told by `hand_over`.

    A loop is woken once for a whole group, not for each of its jobs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self._told: tuple[Any, BaseException | None] | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """False when the caller has gone."""
        return not self.future.cancelled()

    def done(self) -> bool:
        """True once there is an answer."""
        return self._told is not None

    def set_result(self, result: Any) -> None:
        """The job was done, and is durable."""
        self._told = (result, None)

    def set_exception(self, error: BaseException) -> None:
        """The job, or the commit, failed."""
        self._told = (None, error)

    @staticmethod
    def hand_over(answers: "list[Answer]") -> None:
        """Give the answers of one group to their loops, each loop in one step."""
        for loop in {answer.future.get_loop() for answer in answers}:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(Answer._settle, [a for a in answers if a.future.get_loop() is loop])

    @staticmethod
    def _settle(answers: "list[Answer]") -> None:
        for answer in answers:
            if answer._told is None or answer.future.done():
                continue
            result, error = answer._told
            if error is None:
                answer.future.set_result(result)
            else:
                answer.future.set_exception(error)


Promise = Future[Any] | Answer
