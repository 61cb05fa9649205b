"""The copy of the spool from before an upgrade: made by itself, put back by `spool.backup.undo` (decision 0040).

It lies beside the spool, `before-upgrade/spool-<when>.db`, with a description that says which steps the spool had and
how far documents and history had come. Names are given last, so that a name means a whole copy. The two newest stay.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from spool import files, room
from spool.crashpoint import reached

DIRECTORY = "before-upgrade"
_KEPT = 2
_MARGIN = 16_000_000
_UNFINISHED = ".part"


@dataclass(frozen=True)
class Before:
    """A copy: the steps it has, the last document (`seq`) and the last history row in it, when it was made (ISO)."""

    steps: tuple[str, ...]
    document: int
    event: int
    at: str
    path: Path


def keep(spool: Path, said: Before, copy: Callable[[Path], None]) -> None:
    """Have `copy` write the copy, and keep it durably. Raises NoRoom, OSError, and what `copy` raises."""
    directory = said.path.parent
    files.make_directory(directory, 0o700)
    for path in directory.glob(f"*{_UNFINISHED}*"):
        path.unlink()
    if short := room.shortage(directory, room.QUEUE, least=room.taken_by(spool) + _MARGIN):
        raise short
    unfinished = said.path.with_suffix(_UNFINISHED)
    unfinished.touch(0o600)
    copy(unfinished)
    reached("upgrade.copied")
    files.write(_beside(said.path), json.dumps(asdict(said) | {"path": said.path.name}).encode(), 0o600)
    unfinished.replace(said.path)
    files.sync_directory(directory)
    for old in kept(spool)[_KEPT:]:
        files.remove(old.path)
        files.remove(_beside(old.path))


def named(spool: Path, steps: Collection[str], document: int, event: int, now: datetime) -> Before:
    """The description of a copy that is made now."""
    at = now.astimezone(UTC)
    path = spool.parent / DIRECTORY / f"spool-{at:%Y%m%dT%H%M%S%fZ}.db"
    return Before(tuple(sorted(steps)), document, event, at.isoformat(timespec="seconds"), path)


def kept(spool: Path) -> list[Before]:
    """The whole copies, the newest first."""
    found = []
    for path in sorted((spool.parent / DIRECTORY).glob("spool-*.db"), reverse=True):
        try:
            said = json.loads(_beside(path).read_bytes())
            found.append(Before(tuple(said["steps"]), int(said["document"]), int(said["event"]), said["at"], path))
        except (OSError, ValueError, LookupError, TypeError):
            continue  # no copy of ours
    return found


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
