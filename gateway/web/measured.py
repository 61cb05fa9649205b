"""What `/metrics` says beside the snapshot: sizes, requests, sends, calls of KSeF. One read, a few system calls."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from spool import room
from spool.store import Store

SENDS_OF = timedelta(hours=24)
SPENT_IN = timedelta(hours=1)


@dataclass(frozen=True)
class Counted:
    """What the spool counts: sends of the last day by outcome, calls of the last hour by context and group, and how
    many things beside deadlines are wrong and told."""

    sends: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    troubles: int = 0


@dataclass(frozen=True)
class Measured:
    """`requests` of the drop-point by status since this process began; bytes of the spool; free bytes by disk."""

    counted: Counted = Counted()
    requests: Mapping[int, int] = field(default_factory=dict)
    spool_bytes: int = 0
    free_bytes: Mapping[str, int] = field(default_factory=dict)


def count(store: Store, contexts: Mapping[str, object], now: datetime) -> Counted:
    """The part that the spool knows."""
    calls = {}
    for context in contexts:
        for group, kept in store.budget(context).get("groups", {}).items():
            calls[context, group] = sum(at > (now - SPENT_IN).timestamp() for at in kept.get("spent", ()))
    told = sum(1 for one in store.open_troubles() if one.told_at is not None)
    return Counted(store.outcomes_since(now - SENDS_OF), calls, told)


def measure(counted: Counted, requests: Counter[int], spool: Path, folders: Path) -> Measured:
    """Add what the file systems say; one that cannot be asked is left out."""
    free = {}
    for name, directory in (("spool", spool.parent), ("folders", folders)):
        try:
            free[name] = room.look(directory).free
        except OSError:
            continue
    return Measured(counted, dict(requests), room.taken_by(spool), free)
