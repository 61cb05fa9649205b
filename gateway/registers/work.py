"""What the worker process of the registers imports: to read an invoice for them, and to write their tables."""

from gateway.registers import tables
from spool.workers import Workers

_MEMORY_MB = 512


def warm() -> None:
    """Have the writer of workbooks imported, so that the fork server has it once for all."""
    assert tables.FORMATS


def register_workers() -> Workers:
    """A pool of its own, one process that gives way to everything: a register may be late by a minute."""
    return Workers(processes=1, memory_mb=_MEMORY_MB, seconds=60, warm_up=warm, niceness=15)
