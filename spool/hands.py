"""What a process has in its hands, noted before the work, so that the next run knows what the last one died with.

The note is a file of fixed slots beside the spool, written in place and never synced: it survives a killed process,
which is all it is for (a document does not cut the power), and it costs a healthy document two small writes and no
commit (docs/decisions/0016). What was noted at the end of a run that did not clear it is counted in the spool and is a
suspect from then on: suspects are handled one at a time, so that a crash convicts the guilty one and not its
neighbours, and are forgiven as soon as they were handled well.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from spool import poison
from spool.access import Spool
from spool.clock import Clock

T = TypeVar("T")

_SLOTS = 512
_WIDTH = 80
_TURN_S = 60.0
_log = structlog.get_logger("spool.hands")


class Hands:
    """The note of one process. `begin` once, before any work."""

    def __init__(self, state: Path, role: str, spool: Spool, clock: Clock) -> None:
        """Open the note in the state directory, and take over what the run before left in it. Raises OSError."""
        self._role = role
        self._spool = spool
        self._clock = clock
        self._descriptor = os.open(state / f"{role}.hands", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._left = _subjects(os.pread(self._descriptor, _SLOTS * _WIDTH, 0))
        # Cleared before it is counted: a death in between counts once too little, never once too often.
        os.ftruncate(self._descriptor, 0)
        self._free = list(range(_SLOTS))
        self._suspects: dict[str, int] = {}
        self._alone = asyncio.Lock()

    def close(self) -> None:
        """Nothing is in hand any more."""
        os.close(self._descriptor)

    async def begin(self) -> None:
        """Count what the run before died with. After a clean end nothing is written."""
        if self._left:
            job = partial(poison.died_with, subjects=self._left, role=self._role, now=self._clock())
            found = await self._spool.write(job)
            _log.warning("died_with", role=self._role, subjects=sorted(self._left), poison=found)
        self._suspects = await self._spool.read(lambda store: store.crashes(self._role))

    async def put_off(self) -> None:
        """Documents set aside wait; called when nothing else will move them at this start any more."""
        if any(times >= poison.TOO_OFTEN for times in self._suspects.values()):
            await self._spool.write(partial(poison.put_off, role=self._role, now=self._clock()))

    @property
    def suspicious(self) -> bool:
        """True while something is suspect: then nothing is handled in groups."""
        return bool(self._suspects)

    async def poison(self, subject: str) -> bool:
        """True when it is not to be handled at all; a person may have lifted that meanwhile."""
        if self._suspects.get(subject, 0) < poison.TOO_OFTEN:
            return False
        self._suspects = await self._spool.read(lambda store: store.crashes(self._role))
        return self._suspects.get(subject, 0) >= poison.TOO_OFTEN

    async def over(self, subjects: Iterable[str], work: Awaitable[T]) -> T:
        """The work, with these subjects in hand."""
        async with self.on(*subjects):
            return await work

    @contextlib.asynccontextmanager
    async def on(self, *subjects: str) -> AsyncIterator[None]:
        """These are in hand inside the block. Where it ends without an error, they are suspects no more."""
        suspects = [subject for subject in subjects if subject in self._suspects]
        async with self._turn() if suspects else contextlib.nullcontext():
            slots = self._note(subjects)
            try:
                yield
            finally:
                self._clear(slots)
        for subject in suspects:
            if self._suspects.pop(subject, None) is not None:
                await self._spool.write(lambda store, s=subject: store.forget_crashes(s, self._role))  # type: ignore[misc]

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One suspect after the other; but one whose folder hangs keeps the others waiting for a while only."""
        mine = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TURN_S):
                mine = await self._alone.acquire()
        try:
            yield
        finally:
            if mine:
                self._alone.release()

    def _note(self, subjects: Iterable[str]) -> list[int]:
        """What finds no free slot, or cannot be written down, is handled without a note: work never waits for it."""
        slots = []
        for subject in subjects:
            if self._free:
                slots.append(self._free.pop())
                self._write(slots[-1], subject.encode()[:_WIDTH])
        return slots

    def _clear(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._write(slot, b"")
            self._free.append(slot)

    def _write(self, slot: int, text: bytes) -> None:
        try:
            os.pwrite(self._descriptor, text.ljust(_WIDTH, b"\0"), slot * _WIDTH)
        except OSError as error:
            _log.warning("hands_not_noted", role=self._role, error=str(error))


def _subjects(note: bytes) -> frozenset[str]:
    """The slots that are not empty; half a slot after a power cut is some other word, and nothing has that name."""
    slots = (note[at : at + _WIDTH].rstrip(b"\0") for at in range(0, len(note), _WIDTH))
    return frozenset(slot.decode("ascii", "replace") for slot in slots if slot)


async def with_hands(hands: Hands | None, subjects: Iterable[str], work: Awaitable[T]) -> T:
    """The work with these subjects in hand, where anybody counts; otherwise just the work."""
    return await (hands.over(subjects, work) if hands else work)
