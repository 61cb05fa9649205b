"""One run over the archives: enter what was sealed, move the bodies group by group, look whether all is there.

Order of safety: the file is synced, verified and named (`seal`); one commit enters it; only then do bodies leave the
spool, a group in each commit. A kill between any two leaves a spool that finds each body in one place or in both.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spool import files
from spool.access import FILE, Spool
from spool.crashpoint import reached
from spool.domain.errors import Failed, SluzaError
from spool.domain.volumes import Volume, may_seal, read_all
from spool.lock import alone
from spool.looking import Looking
from spool.opening import owner_only
from spool.store import Sealed, SealedUnreadable
from spool.volumes import look, record, seal
from spool.volumes.seal import Plan
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

Tell = Callable[[str, int, int], None]
_AT_ONCE = 500
"""Bodies of one commit: others who write wait for milliseconds."""


@dataclass(frozen=True)
class Done:
    """The volumes of this run, how many bodies left the spool, and which volumes are not what they were."""

    volumes: tuple[Volume, ...]
    moved: int
    damaged: dict[str, str]


async def run(
    spool: Spool, workers: Workers, plan: Plan, actor: str, tell: Tell, *, read: bool | None = None
) -> Done | Failed:
    """Everything that is due, and the record of how it stands. `read` None: every byte when a week has passed.

    Raises AlreadyRunning, ConfigError; what else goes wrong is an answer, and is recorded.
    """
    owner_only(plan.state / FILE, "sluza archive run")
    files.make_directory(plan.directory, 0o700)
    with alone(plan.directory, "Archiwum jest właśnie przeglądane."):
        try:
            done = await _run(spool, workers, plan, actor, tell, read)
        except WorkerTimeout as error:
            done = Failed(error.code, "Przegląd archiwum trwał zbyt długo.", "Proszę sprawdzić dysk spoolu.")
        except WorkerCrashed as error:
            done = Failed(error.code, "Proces archiwum został przerwany.", "Proszę sprawdzić pamięć serwera.")
        except SealedUnreadable as error:
            done = Failed("spool", f"Tomu archiwum nie da się odczytać: {error}.", "Proszę: sluza archive check.")
        if isinstance(done, Failed):
            why = done
            await spool.write(lambda store: record.failed(store, plan.at, why))
        return done


async def _run(spool: Spool, workers: Workers, plan: Plan, actor: str, tell: Tell, read: bool | None) -> Done | Failed:
    volumes: list[Volume] = []
    moved = 0
    while True:
        tell("pieczętowanie tomu", 0, 0)
        found = await workers.run(seal.attempt, plan)
        if isinstance(found, Failed):
            return found
        if not found:
            break
        for volume in found:
            moved += await _enter(spool, plan, volume, actor, tell)
        volumes += found
    whole = read_all(plan.at, await spool.read(record.now_standing)) if read is None else read
    tell("sprawdzanie tomów", 0, 0)
    damaged = await workers.run(look_over, plan.state, whole)
    if isinstance(damaged, Failed):
        return damaged
    await spool.write(lambda store: record.good(store, plan.at, damaged, read=whole))
    return Done(tuple(volumes), moved, damaged)


def look_over(state: Path, whole: bool) -> dict[str, str] | Failed:
    """What is wrong with which volume; `whole`: every byte is read. For a worker: an error is an answer."""
    try:
        with contextlib.closing(Looking(state / FILE)) as looking:
            return looking.read_now(lambda store: look.damaged(store, read=whole))
    except SluzaError as error:
        return Failed.of(error)


async def _enter(spool: Spool, plan: Plan, volume: Volume, actor: str, tell: Tell) -> int:
    """The spool learns of the volume, then gives it its bodies; returns how many."""
    await spool.write(lambda store: store.add_volume(volume, plan.at, actor))
    reached("volume.entered", volume.name)
    moved = seen = 0
    with Sealed(plan.directory / volume.file) as sealed:
        after = ""
        while hashes := sealed.hashes(after, _AT_ONCE):
            moved += await spool.write(lambda store, page=hashes: store.send_away(volume.name, page, plan.before))  # type: ignore[misc]
            reached("volume.moved", volume.name)
            seen, after = seen + len(hashes), hashes[-1]
            tell(f"tom {volume.name}", seen, volume.bodies)
    await spool.write(lambda store: store.all_sent_away(volume.name))
    return moved


async def planned(spool: Spool, state: Path, months: int, now: datetime) -> Plan:
    """The nightly run: new volumes once a month, what was left unfinished at once."""
    made = [v.made_at for v in await spool.read(lambda store: store.volumes())]
    return Plan(state, months, may_seal(now, max(made, default=None)), now)
