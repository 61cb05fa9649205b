"""The spool's identity outside the spool: the file beside it, the marker of a backup, the machine (decision 0015).

`identity.json` says how far the history had come, by the number and hash of one of its rows. It is written after those
rows are durable, so it is never ahead of a spool that nobody put back. `restored.json` is written by whoever puts a
backup in place, before any program is started; its content is for people.
"""

import hashlib
import json
import uuid
from datetime import datetime
from pathlib import Path

from spool import files
from spool.domain.identity import RECONCILE_FIRST, SENTENCES, Doubt, Identity, Place, Trail, doubts
from spool.rows import instant, stamp
from spool.store import Store

TRAIL = "identity.json"
RESTORED = "restored.json"
SUBJECT = "spool"
"""History rows about the spool itself."""


def here(spool: Path) -> Place:
    """The machine we are on and the file that the spool is in."""
    return Place(_machine(), spool.stat().st_ino)


def _machine() -> str:
    """A hash of the machine's own id, which itself is nobody's business; empty where there is none."""
    try:
        said = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(f"sluza:{said}".encode()).hexdigest()[:32] if said else ""


def read_trail(directory: Path) -> Trail | None:
    """What the file beside the spool says; None where there is none that can be read."""
    try:
        said = json.loads((directory / TRAIL).read_bytes())
        return Trail(str(said["instance"]), int(said["event"]), str(said["hash"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write_trail(directory: Path, trail: Trail) -> None:
    """Durably. Raises OSError."""
    said = {"instance": trail.instance, "event": trail.event, "hash": trail.hash}
    files.write(directory / TRAIL, json.dumps(said).encode(), 0o600)


def settle(store: Store, spool: Path, now: datetime, *, older: bool = False) -> str:
    """Compare, in the transaction in which a program takes its role; returns the installation's id.

    `older`: the witness names an entry that this spool has not got (`spool.integrity`).

    What speaks against this spool becomes a condition before anything else is written, so that it outlasts the next
    writing of the trail.
    """
    said, trail, place = store.identity(), read_trail(spool.parent), here(spool)
    known = store.hash_at(trail.event) if trail else None
    found = doubts(said, trail, place, known, older=older, restored=(spool.parent / RESTORED).exists())
    instance = said.instance if said else trail.instance if trail else str(uuid.uuid4())
    if found:
        doubt(store, found, now)
    if said is None or said.place != place:
        store.set_identity(Identity(instance, place))
    return instance


def doubt(
    store: Store, found: tuple[Doubt, ...], now: datetime, context: str = "", until: datetime | None = None
) -> None:
    """Reconcile first: the condition, and why, in the history.

    `until` is the instant up to which this spool knows everything, without it that of its newest history row; where
    the condition stood already, the earlier one stays.
    """
    before = store.condition(context, RECONCILE_FIRST)
    reasons = list(dict.fromkeys([*(before.value["doubts"] if before else []), *found]))
    known = [stamp(until) if until else store.last_event()[2], *([before.value["until"]] if before else [])]
    reason = " ".join(SENTENCES[Doubt(name)] for name in reasons)
    store.set_condition(context, RECONCILE_FIRST, {"doubts": reasons, "until": min(known), "reason": reason}, now)
    subject = f"context:{context}" if context else SUBJECT
    note = f"{reason} Nic nie zostanie wysłane, dopóki spool nie zostanie porównany z rejestrem KSeF."
    store.log(subject, RECONCILE_FIRST, now, "spool", note, {"doubts": reasons})


def spread(store: Store, contexts: list[str], now: datetime) -> None:
    """What was found about the whole spool concerns each context: each is compared, and let go, by itself."""
    condition = store.condition("", RECONCILE_FIRST)
    if condition is None:
        return
    found = tuple(Doubt(name) for name in condition.value["doubts"])
    until = instant(condition.value["until"]) if condition.value["until"] else None
    for context in contexts:
        doubt(store, found, now, context, until)
    store.set_condition("", RECONCILE_FIRST, None, now)
