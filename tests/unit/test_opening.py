"""A spool that could not be opened is let go at once (faults F06, F16)."""

from pathlib import Path

import pysqlite3
import pytest

from spool.domain.errors import SpoolError
from spool.looking import Looking
from spool.opening import connect


def held(path: Path) -> list[str]:
    """The descriptors of this process on the file."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = descriptor.readlink()
        except FileNotFoundError:
            continue  # the one with which we look
        if target == path:
            found.append(descriptor.name)
    return found


def test_fault_F06_a_half_opened_connection_is_closed(tmp_path: Path) -> None:
    """Left to the garbage, it would be closed after others, and remove the WAL that lies under its name by then."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database at all, but it is long enough to be looked at" * 20)
    with pytest.raises(pysqlite3.DatabaseError) as caught:
        connect(path)
    assert held(path) == [], caught.value


def test_fault_F06_so_is_one_that_only_reads(tmp_path: Path) -> None:
    """For commands that look at a spool which is none."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database at all, but it is long enough to be looked at" * 20)
    with pytest.raises(SpoolError) as caught:
        Looking(path)
    assert held(path) == [], caught.value
