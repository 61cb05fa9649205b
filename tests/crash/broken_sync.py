"""A sync that fails, the next start, a read-only disk: under the shim, `python -m tests.crash.broken_sync WHAT`.

Both write to the same record; the process ends without closing anything, as a restart by the supervisor would.
"""

import contextlib
import errno
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pysqlite3

from spool import access
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.errors import NoRoom, SpoolFailed
from spool.store import Store
from tests.crash.shim import ALWAYS, SYNC, Switches
from tests.documents import new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def put(spool: Spool, number: str) -> str:
    """One document; returns its hash after the acknowledgement."""
    raw = number.encode()

    def job(store: Store) -> None:
        store.add(new(raw, NOW, number=number), raw, "", NOW)

    spool.write_now(job)
    return sha256_hex(raw)


def many_keys(store: Store) -> None:
    """A change that no document makes, so large that a tree of the file gets new pages."""
    for number in range(400):
        store.use_key("sp1", f"{number:0>100}", "0" * 64, NOW)


def fail(spool: Spool, shim: Switches) -> None:
    """One document is acknowledged; the sync of the next commit fails, and nothing is tried after that."""
    put(spool, "FV/0/2026")
    with contextlib.closing(pysqlite3.connect(spool.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shim.mark("answered", "sp1", put(spool, "FV/1/2026"))
    shim.arm_kinds(SYNC, errno.EIO, 1)
    told = []
    for name, job in (("first", many_keys), ("second", lambda store: store.set_condition("", "x", {}, NOW))):
        try:
            spool.write_now(job)
        except SpoolFailed as failed:
            told.append(str(failed))
        shim.mark("failed", name, str(shim.seen))
    print(told)


def again(spool: Spool, shim: Switches) -> None:
    """As a program starts: it looks at the whole spool, then takes documents."""
    spool.verify()
    shim.mark("answered", "sp1", put(spool, "FV/4/2026"))


def read_only(spool: Spool, shim: Switches) -> None:
    """The file system turns read-only, and back, while the program runs on."""
    told = []
    for number in ("FV/1/2026", "FV/2/2026"):
        shim.arm(errno.EROFS, 1, ALWAYS)
        try:
            put(spool, number)
        except NoRoom as short:
            told.append((short.code, str(short)))
        shim.disarm()
        shim.mark("answered", "sp1", put(spool, number))
    print(told)


if __name__ == "__main__":
    what, directory, record = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    access._CHECKPOINT_EVERY_S = 3600  # one commit, one sync
    switches = Switches()
    switches.watch(directory)
    switches.record(record)
    {"fail": fail, "again": again, "read-only": read_only}[what](Spool(directory / "state" / FILE), switches)
    sys.stdout.flush()
    os._exit(0)
