"""Writing volumes, in a worker process: read from one snapshot, written aside, synced, read again, then named.

A name is given only where there is none (a link, not a rename): whatever two processes do, no volume is replaced. A
file that got its name and of which the spool does not know, because a process died, is entered by the next run.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spool import bodies, files, room
from spool.access import FILE
from spool.crashpoint import reached
from spool.domain.errors import Failed, SluzaError, SpoolError
from spool.domain.volumes import DIRECTORY, NAME, Volume, cutoff, file_of
from spool.looking import Looking
from spool.store import Sealed, SealedUnreadable, Store, fill
from spool.volumes import look

MOST = 500_000
"""Bodies of one volume: about a gigabyte, which one copies and reads again in a minute."""
_MARGIN = 64_000_000
_DISK = "Proszę sprawdzić dysk i prawa do katalogu „archive” obok spoolu."


@dataclass(frozen=True)
class Plan:
    """The state directory, how many months bodies stay there, whether new volumes may be made, and by what clock."""

    state: Path
    months: int
    seal: bool
    at: datetime

    @property
    def before(self) -> datetime:
        """What was numbered before this instant may go."""
        return cutoff(self.at, self.months)

    @property
    def directory(self) -> Path:
        """Where the volumes lie."""
        return self.state / DIRECTORY


def attempt(plan: Plan) -> list[Volume] | Failed:
    """`prepare` for another process: an error is an answer."""
    try:
        return prepare(plan)
    except SluzaError as error:
        return Failed.of(error)
    except (OSError, SealedUnreadable) as error:
        short = room.because(error) if isinstance(error, OSError) else None
        return Failed.of(short or SpoolError(f"Nie można zapisać tomu archiwum: {error}.", _DISK))


def prepare(plan: Plan) -> list[Volume]:
    """Verified volumes into which bodies may move: what an earlier run left unfinished, else new ones; or none.

    Raises NoRoom, SpoolError, OSError.
    """
    files.make_directory(plan.directory, 0o700)
    files.sweep(plan.directory)
    with contextlib.closing(Looking(plan.state / FILE)) as looking:
        if left := looking.read_now(lambda store: list(_unfinished(store))):
            return left
        if not (plan.seal and plan.months):
            return []
        return looking.read_now(lambda store: list(_sealed(store, plan)))


def _unfinished(store: Store) -> Iterator[Volume]:
    """What a killed run left: volumes of ours that the spool does not know yet, or has not moved all bodies into."""
    directory, said = store.archives(), store.identity()
    for volume in store.volumes():
        if not volume.moved and not look.trouble(directory, volume, read=True):
            yield volume
    for name in look.unknown(store):
        found = described(directory / file_of(name))
        if found is not None and said is not None and found[1] == said.instance:
            yield found[0]


def described(path: Path, file: str = "") -> tuple[Volume, str] | None:
    """A volume by its file, and whose installation's it is, every body in it proved; None for one that is not whole.

    `file` is the name that it will have, where it is another one yet.
    """
    try:
        with Sealed(path) as opened:
            name, instance, made_at = opened.about()
            whole = not any(bodies.trouble(packed, size, sha256) for sha256, size, packed in opened.bodies())
            if file_of(name) != (file or path.name) or not whole:
                return None
            count = opened.count()
        at = datetime.fromisoformat(made_at)
        return Volume(name, path.stat().st_size, files.digest(path), count, at), instance
    except (SealedUnreadable, ValueError, TypeError):
        return None


def _sealed(store: Store, plan: Plan) -> Iterator[Volume]:
    """A new volume for every year that has something to give, of a large year the first `MOST` bodies."""
    for year, _, size in store.old_bodies(plan.before):
        if short := room.shortage(plan.directory, room.QUEUE, least=size + _MARGIN):
            raise short
        if (made := _seal(store, plan, year)) is not None:
            yield made


def _seal(store: Store, plan: Plan, year: str) -> Volume | None:
    """One volume, or None where no body of that year is sound."""
    said = store.identity()
    name = _free_name(store, year)
    aside = files.unfinished(plan.directory / file_of(name))
    sound = (
        (sha256, size, packed)
        for sha256, size, packed in store.bodies_to_seal(plan.before, year, MOST)
        if not bodies.trouble(packed, size, sha256)  # `sluza check` tells of it; it stays where it can be looked at
    )
    try:
        aside.touch(0o600)
        if not fill(aside, name, said.instance if said else "", plan.at.isoformat(), sound):
            return None
        aside.chmod(0o400)
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        return _named(aside, plan.directory / file_of(name))
    finally:
        aside.unlink(missing_ok=True)


def _named(aside: Path, target: Path) -> Volume:
    """Prove what the disk gives back, then let it be found under its name."""
    files.digest(aside, from_disk=True)  # from here on memory has what the disk gave back
    found = described(aside, target.name)
    if found is None:
        raise SpoolError(f"Dysk oddał tom archiwum {target.name} inny, niż zapisano.", _DISK)
    volume = found[0]
    reached("volume.written", volume.name)
    os.link(aside, target)
    files.sync_directory(target.parent)
    reached("volume.named", volume.name)
    return volume


def _free_name(store: Store, year: str) -> str:
    """The next number of this year that neither the spool nor the directory knows."""
    taken = {v.name for v in store.volumes()} | set(look.named(store.archives()))
    numbers = [int(found[2]) for name in taken if (found := NAME.fullmatch(name)) and found[1] == year]
    return f"{year}-{max(numbers, default=0) + 1}"
