"""A test seam: with `CRASH_AT=point:n` a process kills itself, by SIGKILL, when it passes a named point the n-th time.

Without the variable every point is one comparison and nothing else. With a third part (`point:n:prefix`) only those
passings count whose key (a document's id, its SHA-256, a KSeF number, a file's name) begins with it, so that one
document can be the poison (faults F01, F19). The product never sets the variable; only tests do.
"""

import os
import signal
from dataclasses import dataclass

VARIABLE = "CRASH_AT"

GATEWAY = {
    "intake.read": "the bytes are in memory, nothing is written (key: SHA-256)",
    "intake.judged": "examined and judged, before the commit (key: SHA-256)",
    "intake.committed": "durable, before the answer or the removal of the dropped file (key: SHA-256)",
    "intake.held": "the dropped file has its holding name, before the removal (key: the file's name)",
    "intake.removed": "the dropped file is gone (key: the file's name)",
    "aside.noted": "a file without a row: note and JSON are written, before it is moved (key: the file's name)",
    "aside.moved": "the file lies in `odrzucone/` (key: the file's name)",
    "returns.begun": "a change of a document is about to be shown (key: the document's id)",
    "returns.drawn": "the PDF is drawn, nothing of it is written (key: the document's id)",
    "returns.written": "the files are complete, before the spool knows (key: the document's id)",
    "returns.shown": "the spool knows that they were shown (key: the document's id)",
    "mirror.begun": "a received invoice is about to be written (key: its KSeF number)",
    "mirror.written": "its files are complete, before the spool knows (key: its KSeF number)",
    "mirror.marked": "the spool knows that it is mirrored (key: its KSeF number)",
    "mirror.taken": "a copy that belongs to another now is gone, before the spool knows (key: its KSeF number)",
    "files.written": "a temporary file has its bytes, not synced (key: the final name)",
    "files.synced": "the temporary file is synced, before the rename (key: the final name)",
    "files.renamed": "renamed, before the directory is synced (key: the final name)",
}
"""Points that the gateway passes, and what is true there."""

AGENT = {
    "session.opened": "KSeF opened a session, its reference is not stored (key: the reference)",
    "session.recorded": "the reference is stored, nothing was sent (key: the reference)",
    "session.closed": "KSeF closed a session, that is not stored (key: the reference)",
    "session.ended": "the end of a session is stored (key: the reference)",
    "send.begun": "a document was chosen, before its bytes are read (key: the document's id)",
    "send.sealed": "sealed, before the intent (key: the document's id)",
    "send.claimed": "the intent is durable, before the call (key: the document's id)",
    "send.answered": "KSeF answered, before the answer is written (key: the document's id)",
    "send.recorded": "the answer is written (key: the document's id)",
    "package.claimed": "the intents of a package are durable, nothing is packed (key: the package's name)",
    "package.packed": "its parts are on disk, no session is opened (key: the package's name)",
    "package.opened": "KSeF opened its session, that is not stored (key: the reference)",
    "package.recorded": "the session is stored, nothing is uploaded (key: the reference)",
    "package.uploaded": "a part is at KSeF, that is not stored (key: the package's name)",
    "package.closed": "KSeF closed its session, that is not stored (key: the reference)",
    "package.handed_in": "its documents are SUBMITTED, the package is not yet forgotten (key: the reference)",
    "package.listed": "the list of its session is read, before it is settled (key: the reference)",
    "package.settled": "every document of it is settled, before its session is final here (key: the reference)",
    "verdict.read": "verdicts are read, before they are written (key: the first document's id)",
    "verdict.written": "the verdicts are written (key: the first document's id)",
    "doubt.begun": "a document in doubt is about to be looked for (key: the document's id)",
    "doubt.found": "it is in the list of its session, before that is written (key: the document's id)",
    "upo.fetched": "the receipt is fetched, before it is checked (key: the document's id)",
    "upo.stored": "the receipt is stored (key: the document's id)",
    "receive.started": "KSeF prepares a package (key: the export's reference)",
    "receive.fetched": "the package is on disk, nothing of it stored (key: the context)",
    "receive.stored": "a group of invoices is stored, the mark is where it was (key: the first KSeF number)",
    "receive.marked": "the mark has moved (key: the subject)",
    "law.chunk": "one chunk of deadlines is recomputed",
    "latarnia.heard": "a notice was read, nothing is stored (key: the environment)",
    "latarnia.stored": "the notice is stored, before the documents follow it (key: the environment)",
}
"""Points that the agent passes, and what is true there."""

BOTH = {
    "commit.begun": "every job of a group ran, before the commit",
    "commit.done": "committed, before anybody is told",
}
"""Points of the spool itself, in every process that writes into it."""

REMOTE = {
    "remote.read": "a dropped file is in memory, nothing of it is sent (key: SHA-256)",
    "remote.piece": "the gateway has a piece of it, not the whole (key: SHA-256)",
    "remote.acknowledged": "the gateway has it durably, the file is still there (key: SHA-256)",
    "remote.begun": "a result is about to be fetched (key: the document's id or the KSeF number)",
    "remote.fetched": "its files are in memory, nothing is written (key: the same)",
    "remote.written": "its files are complete, before the gateway knows (key: the same)",
    "remote.confirmed": "the gateway knows that it is filed (key: the same)",
}
"""Points that the client of a remote unit passes, beside those of files that the gateway passes, too."""

BACKUPS = {
    "backup.copied": "the snapshot lies beside the spool, nothing is at the target",
    "backup.described": "file and manifest are written, the file has not got its name (key: that name)",
    "restore.aside": "the old spool has a second name, its WAL has gone there, the new one is not in place",
    "restore.placed": "the restored spool is in place, what belonged to the old one is beside it still",
}
"""Points of `sluza backup`, also in the gateway's worker, and of `sluza restore`, beside those of files."""

ARCHIVES = {
    "volume.written": "a volume is written, synced and verified, it has no name yet (key: its name)",
    "volume.named": "the volume has its name, the spool does not know it (key: its name)",
    "volume.entered": "the spool knows the volume, every body is still in the spool (key: its name)",
    "volume.moved": "a group of bodies has left the spool (key: the volume)",
}
"""Points of the yearly archives, in the gateway, its worker, and `sluza archive run`."""

UPGRADES = {
    "upgrade.copied": "the spool of before is copied, without description and name; no step has run",
    "upgrade.applied": "every step ran, before the commit",
}
"""Points of whatever program first opens a spool of an older version."""

POINTS = GATEWAY | AGENT | BOTH | REMOTE | BACKUPS | ARCHIVES | UPGRADES


@dataclass
class _Armed:
    point: str
    left: int
    prefix: str


def _armed() -> _Armed | None:
    """What the environment asks for. Raises ValueError for anything that is no point of ours."""
    said = os.environ.get(VARIABLE, "")
    if not said:
        return None
    point, _, rest = said.partition(":")
    times, _, prefix = rest.partition(":")
    if point not in POINTS or not times.isdecimal() or int(times) < 1:
        raise ValueError(f"{VARIABLE}={said}: expected point:n or point:n:prefix")
    return _Armed(point, int(times), prefix)


_crash = _armed()


def reached(point: str, key: str = "") -> None:
    """The process has come to this point, for the thing `key`; here it dies if that was asked for."""
    if _crash is None or _crash.point != point or not key.startswith(_crash.prefix):
        return
    _crash.left -= 1
    if _crash.left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
