"""Is the spool what we left in it? Asked before anything is promised or sent (faults F03, F09).

Two looks (docs/decisions/0013). At every opening, whatever the size: the file has all its pages, and the history still
has the entry that the witness names. Once per start everything: every page; rows, history and bodies of the documents.
A small spool is looked at whole before anything else, a large one while work goes on, with a guard in each change of
state (`store.move`) and each use of a body.
"""

import contextlib
import fcntl
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from spool import bodies
from spool.room import wal_of
from spool.store import Store, Unreadable

SMALL = 16_000_000
"""Bytes up to which a spool is looked at whole before the program begins: a fraction of a second."""
CURE = (
    "Proszę zatrzymać Śluzę i odtworzyć spool z kopii zapasowej; uszkodzonego pliku nie kasować. "
    "Pliki w folderach do wysłania czekają bezpiecznie."
)
_CHUNK = 1 << 20
_ROW = re.compile(rb"( *\d+ [0-9a-f]{64}) ([0-9a-f]{8})\n")
_DAMAGED = (Unreadable, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What comes out of a damaged page: no row at all, or a row that is none of ours."""


class Witness:
    """A small file beside the spool that names the last entry of the history: what the spool can never be without.

    It is written after each commit and never synced, so it may be behind, and is never ahead. A spool that lost its
    WAL, was cut or was replaced by an older copy has not got the entry.
    """

    def __init__(self, spool: Path) -> None:
        """Remembers what it said before anything is read from the spool. A disk that has no room for it has none."""
        self.path = spool.with_suffix(".witness")
        self.said: tuple[int, str] | None = None
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            row = _ROW.fullmatch(os.pread(self._descriptor, 100, 0))
            if row and row[2] == _sum(row[1]):  # else it was written by half: no witness is better than a wrong one
                seq, link = row[1].decode().split()
                self.said = int(seq), link

    @property
    def alone(self) -> bool:
        """True when no other way into this spool is open anywhere; asked before `stay`, under the lock of migration."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def stay(self) -> None:
        """From here on nobody else is alone, until this is closed."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def denied(self, store: Store) -> bool:
        """True when the entry is not there: the spool is older than what was written into it (`spool.identity`)."""
        return self.said is not None and store.link(self.said[0]) != self.said[1]

    def note(self, last: tuple[int, str] | None) -> None:
        """The history ends there now. A disk that cannot write it keeps the older word, which stays true."""
        if last is None or last == self.said or self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            row = f"{last[0]:>20} {last[1]}".encode()
            os.pwrite(self._descriptor, row + b" " + _sum(row) + b"\n", 0)
            self.said = last

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _sum(row: bytes) -> bytes:
    return f"{zlib.crc32(row):08x}".encode()


def write_wal_again(spool: Path) -> None:
    """Write the same bytes over the WAL, which is there, and sync them; call it while nobody else can write to it.

    After a failed sync the kernel calls pages clean that never reached the disk, and no later sync writes them. What
    a restarted program reads there looks committed, and its own commits would stand on nothing.
    """
    descriptor = os.open(wal_of(spool), os.O_RDWR | os.O_CLOEXEC)
    try:
        at = 0
        while chunk := os.pread(descriptor, _CHUNK, at):
            at += os.pwrite(descriptor, chunk, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_short(store: Store, spool: Path) -> str:
    """What is wrong with the length of the file, or empty; only once the WAL has nothing that the file has not."""
    pages, size = store.pages()
    if store.checkpointed() and spool.stat().st_size < pages * size:
        return "plik urywa się przed końcem"
    return ""


def anywhere(store: Store) -> str:
    """What is wrong anywhere in the spool, as a clause; empty when nothing is. Reads all of it."""
    try:
        return next(_everything(store), "")
    except _DAMAGED as error:
        return str(error)


def throughout(store: Store) -> str:
    """`anywhere`, and every body against its hash, and the chain of the history: what is wrong, as a clause, or empty.

    For a backup, which takes its time: each byte that it keeps has been looked at.
    """
    try:
        return anywhere(store) or next(_contents(store), "")
    except _DAMAGED as error:
        return str(error)


def _contents(store: Store) -> Iterator[str]:
    for sha256, size, packed in store.stored_bodies():
        if wrong := bodies.trouble(packed, size, sha256):
            yield f"zapisana treść {sha256[:12]}… {wrong}"
    for number, what in store.received_unlike_history():
        if what == "lost":
            yield f"fakturę {number} odebrano, a w spoolu jej nie ma"
    if (seq := store.broken_link()) is not None:
        yield f"historia od wpisu {seq} nie zgadza się ze swoim łańcuchem skrótów"


def _everything(store: Store) -> Iterator[str]:
    yield from store.file_damage(1, indexes=True)
    for document in store.rows_unlike_history():
        yield f"stan dokumentu {document} nie wynika z jego historii"
    for document in store.documents_lost():
        yield f"w historii jest dokument {document}, którego w spoolu nie ma"
    for subject, missing in store.bodies_missing():
        yield f"dokument {subject} {'nie ma zapisanej treści' if missing else 'ma treść innej długości'}"
