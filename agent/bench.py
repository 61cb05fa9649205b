"""Where XML and ZIP of others are opened: never in this process, but on a bench of worker processes (faults F6)."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Bench(Protocol):
    """What `spool.workers.Workers` offers: a picklable function run elsewhere, with limits on time and memory."""

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """The function's value; raises what it raised, or that its time or memory was up."""
