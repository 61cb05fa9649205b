"""Does a program hang? Judged by looks at its pulse, never by a clock. Pure.

The pulse is a number that the program's event loop changes twice a second (`spool.pulse`). Whoever watches counts his
own looks, one a second, at which it stood still. A machine that slept, a clock that was set and a watcher that was
itself held up therefore add nothing: both sides stood still, or both go on.

A pulse that stands still is not enough to kill: what the threads are doing says why it does. Waiting for a disk counts
for nothing, because no new process would get further; work that keeps the loop counts slowly. A process that has no
pulse yet is judged by its threads alone.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum


class Doing(Enum):
    """What a process whose pulse stands still is doing."""

    FROZEN = "frozen"
    DISK = "disk"
    BUSY = "busy"
    IDLE = "idle"


FROZEN_LOOKS, IDLE_LOOKS, BUSY_LOOKS = 5, 15, 120
"""So many looks without a pulse are a hang: stopped by a signal; waiting for what never comes; computing endlessly."""

QUIET = ""
"""The beat of a process without a pulse, not yet or not any more: it starts or stops, and both may take minutes."""
QUIET_IDLE_LOOKS = 120
"""So many looks at which such a process waited, in all; it may compute as long as it likes."""


def doing(states: Collection[str]) -> Doing:
    """By the states of all threads, as letters of the kernel: D waits for a disk, T and t are stopped, R runs."""
    if "D" in states:
        return Doing.DISK
    if states and set(states) <= {"T", "t"}:
        return Doing.FROZEN
    return Doing.BUSY if "R" in states else Doing.IDLE


@dataclass(frozen=True)
class Watched:
    """One process as it was last seen: `pid`, its `beat`, and the looks since the beat changed."""

    pid: int = 0
    beat: str = ""
    frozen: int = 0
    idle: int = 0
    still: int = 0

    def seen(self, pid: int, beat: str, what: Doing) -> "Watched":
        """After one more look."""
        if (pid, beat) != (self.pid, self.beat):
            return Watched(pid, beat)
        if what is Doing.DISK:
            return self
        return replace(
            self,
            frozen=self.frozen + 1 if what is Doing.FROZEN else 0,
            idle=self.idle + (what is not Doing.BUSY),
            still=self.still + 1,
        )

    @property
    def hangs(self) -> bool:
        """True when it will not go on by itself."""
        if self.beat == QUIET:
            return self.frozen >= FROZEN_LOOKS or self.idle >= QUIET_IDLE_LOOKS
        return self.frozen >= FROZEN_LOOKS or self.idle >= IDLE_LOOKS or self.still >= BUSY_LOOKS


ENDS, ENDS_WITHIN = 5, 600
"""A program that ended so often within so many looks does not come up, however fast it is started again."""


def fails(ends: Collection[int], look: int) -> bool:
    """`ends` are the looks at which it ended without being asked, `look` the one of now."""
    return sum(look - end < ENDS_WITHIN for end in ends) >= ENDS
