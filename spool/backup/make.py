"""Making a backup beside running programs: a snapshot, looked at whole, then written so that it is there or is not.

The snapshot lies beside the spool while it is looked at, never at the target: it is not encrypted yet. What went wrong
leaves nothing half-done; a killed process leaves temporary files that the next backup sweeps away.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import IO

from spool import files, integrity, migrations, room
from spool.access import FILE
from spool.backup import archive, disks, manifest, volumes
from spool.backup.contents import SPOOL, Belonging, belongings
from spool.backup.manifest import Manifest
from spool.backup.settings import Backup
from spool.crashpoint import reached
from spool.domain.backups import NAME, Keep, name_at, superseded
from spool.domain.errors import Failed, NoRoom, SluzaError, SpoolDamaged, SpoolError
from spool.domain.volumes import DIRECTORY, PUT_BACK
from spool.lock import alone
from spool.looking import Looking, compact
from spool.opening import owner_only
from spool.store import Store

WORK = "backup"
"""The directory beside the spool in which a snapshot lies for the time of one backup."""
_TRIES = 2


@dataclass(frozen=True)
class Plan:
    """What to back up, and how; `keep` None removes no older backup. `at` is when it is made."""

    state: Path
    config: Path
    directory: Path
    recipient: str
    same_disk: bool
    keep: Keep | None
    at: datetime


@dataclass(frozen=True)
class Made:
    """A backup that was written, read again and found whole; names of those it replaced; a warning or nothing; the
    volumes of the yearly archives that were not at the target before; what of the left out files may not be read."""

    path: Path
    manifest: Manifest
    removed: tuple[str, ...] = ()
    warning: str = ""
    copied: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def planned(backup: Backup, state: Path, config: Path, now: datetime) -> Plan | None:
    """The backup that the configuration asks for; None when it asks for none."""
    if backup.directory is None:
        return None
    return Plan(state, config, backup.directory, backup.recipient, backup.same_disk, backup.keep, now)


def attempt(plan: Plan) -> Made | Failed:
    """`make` for another process: an error is an answer."""
    try:
        return make(plan)
    except SluzaError as error:
        return Failed.of(error)


def make(plan: Plan) -> Made:
    """One backup, verified; then the older ones that may go are removed.

    Raises ConfigError (directory, disk, recipient), AlreadyRunning, NoRoom, SpoolDamaged, SpoolError.
    """
    warning = disks.elsewhere(plan.state, plan.directory, same_disk=plan.same_disk)
    owner_only(plan.state / FILE, "sluza backup")
    try:
        with _work(plan.state) as work:
            files.sweep(plan.directory)
            made = _make(plan, work)
            removed = _retire(plan, made.manifest) if plan.keep else ()
    except OSError as error:
        raise _meant(error, plan.directory) from error
    return replace(made, removed=removed, warning=" ".join(filter(None, (warning, made.warning))))


@contextlib.contextmanager
def _work(state: Path) -> Iterator[Path]:
    """An empty directory of ours beside the spool, for one backup at a time. Raises AlreadyRunning."""
    work = state / WORK
    files.make_directory(work, 0o700)
    with alone(work, "Kopia zapasowa już się robi."):
        _empty(work)
        try:
            yield work
        finally:
            _empty(work)


def _empty(work: Path) -> None:
    for path in work.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _make(plan: Plan, work: Path) -> Made:
    found = belongings(plan.config, plan.state)
    # The password of the keys may be root's alone, which systemd hands to the programs: it is named as left out.
    unreadable = tuple(str(one.path) for one in found if not os.access(one.path, os.R_OK))
    wanted = (one for one in found if plan.recipient or not one.secret)
    taken = [one for one in wanted if str(one.path) not in unreadable]
    spool = plan.state / FILE
    disks.make_sure(plan.state, plan.directory, room.taken_by(spool), sum(one.path.stat().st_size for one in taken))
    snapshot = work / SPOOL
    snapshot.touch(0o600)
    with contextlib.closing(Looking(spool)) as looking:
        looking.copy_to(snapshot)
    compact(snapshot)
    reached("backup.copied")
    copied, warning = _copy_volumes(plan, snapshot)
    left_out = tuple(str(one.path) for one in found if one not in taken)
    inside = _described(plan, snapshot, taken, left_out)
    sources = [snapshot, *(one.path for one in taken)]
    target = _free_name(plan)
    for tried in range(_TRIES):
        try:
            said = _written(target, inside, sources, plan.recipient)
            return Made(target, said, warning=warning, copied=copied, unreadable=unreadable)
        except archive.ChangedError:  # a certificate was renewed just now
            if tried + 1 == _TRIES:
                raise
            inside = _described(plan, snapshot, taken, left_out)
    raise AssertionError("a try returns or raises")


def _copy_volumes(plan: Plan, snapshot: Path) -> tuple[tuple[str, ...], str]:
    """The volumes that the target lacks, before the backup that needs them has a name; which, and a warning."""
    with contextlib.closing(Looking(snapshot)) as looking:
        needed = volumes.kept(looking.read_now(lambda store: store.volumes()))
    missing = volumes.to_copy(needed, plan.directory, plan.recipient)
    disks.make_sure(plan.state, plan.directory, 0, sum(one.size for one in missing))
    if (plan.directory / DIRECTORY).is_dir():
        files.sweep(plan.directory / DIRECTORY)
    copied = tuple(one.name for one in missing if volumes.copy(one, plan.state, plan.directory, plan.recipient))
    left = [one.name for one in missing if one.name not in copied]
    return copied, f"Nie skopiowano uszkodzonych tomów archiwum: {', '.join(left)}. {PUT_BACK}" if left else ""


def _described(plan: Plan, snapshot: Path, taken: list[Belonging], left_out: tuple[str, ...]) -> Manifest:
    """The snapshot looked at whole, and everything that the manifest says. Raises SpoolDamaged."""
    with contextlib.closing(Looking(snapshot)) as looking:
        wrong = looking.read_now(integrity.throughout)
        if wrong:
            text = f"Kopii nie zrobiono, bo spool jest uszkodzony: {wrong}. Poprzednie kopie są nietknięte."
            raise SpoolDamaged(text, integrity.CURE)
        instance, history, counts = looking.read_now(_facts)
        needed = volumes.kept(looking.read_now(lambda store: store.volumes()))
    parts = [manifest.part(SPOOL, snapshot, plan.state / FILE)]
    parts += [manifest.part(one.name, one.path, one.path) for one in taken]
    at = plan.at.astimezone(UTC).isoformat(timespec="seconds")
    return Manifest(
        at, metadata.version("sluza"), max(migrations.names()), instance, history, counts, tuple(parts), left_out,
        plan.recipient, volumes=needed,
    )  # fmt: skip


def _facts(store: Store) -> tuple[str, tuple[int, str, str], dict[str, int]]:
    said = store.identity()
    counts = {table: store.rows_in(table) for table in ("document", "received", "body", "event")}
    return said.instance if said else "", store.last_event(), counts


def _free_name(plan: Plan) -> Path:
    """The second belongs to the name; two backups of one second would be one."""
    at = plan.at
    while (path := plan.directory / name_at(at, sealed=bool(plan.recipient))).exists():
        at += timedelta(seconds=1)
    return path


def _written(target: Path, inside: Manifest, sources: list[Path], recipient: str) -> Manifest:
    """Write file and manifest; the file gets its name last, so that a name means a whole backup. Then read it again."""
    said: list[Manifest] = []

    def fill(handle: IO[bytes]) -> None:
        size, sha256 = archive.write(handle, inside, sources, recipient)
        said.append(inside.of_file(target.name, size, sha256))
        files.write(manifest.beside(target), said[0].as_json(), 0o600)
        reached("backup.described", target.name)

    try:
        files.produce(target, fill, 0o600)
        _read_again(target, said[0])
    except BaseException:
        target.unlink(missing_ok=True)
        manifest.beside(target).unlink(missing_ok=True)
        raise
    return said[0]


def _read_again(target: Path, said: Manifest) -> None:
    """From the disk, not from memory, as far as the system lets us. Raises SpoolError."""
    if target.stat().st_size != said.size or files.digest(target, from_disk=True) != said.sha256:
        raise SpoolError(f"Dysk oddał kopię {target.name} inną, niż zapisano.", "Proszę sprawdzić dysk z kopiami.")


def _retire(plan: Plan, newest: Manifest) -> tuple[str, ...]:
    """Remove what is no longer to be kept: only whole backups of this installation, which are named after it by their
    manifest, and manifests of ours whose file never got its name."""
    assert plan.keep is not None
    ours = [(one.file, one.at) for one in manifest.whole(plan.directory, newest.instance)]
    removed = [name for name in superseded(ours, plan.keep) if name != newest.file]
    for name in removed:
        files.remove(plan.directory / name)  # first: a manifest alone is no backup, and is removed below
        files.remove(manifest.beside(plan.directory / name))
    for path in sorted(plan.directory.glob(f"*{manifest.ENDING}")):
        backup = path.with_name(path.name.removesuffix(manifest.ENDING))
        if NAME.fullmatch(backup.name) and not backup.exists() and _of(backup, newest.instance):
            files.remove(path)
    return tuple(removed)


def _of(backup: Path, instance: str) -> bool:
    try:
        said = manifest.look(backup)
    except SpoolError:
        return False
    return said is not None and said.instance == instance


def _meant(error: OSError, directory: Path) -> SluzaError:
    """What a disk did, as a sentence."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        text = f"W czasie zapisu kopii zabrakło miejsca ({directory}); niczego niedokończonego nie zostawiono."
        return NoRoom("disk_full", text, "Proszę zwolnić miejsce albo trzymać mniej kopii (backup.keep_daily).")
    return SpoolError(
        f"Nie można zapisać kopii zapasowej ({directory}): {error.strerror or error}.",
        "Proszę sprawdzić, czy dysk jest podłączony i czy użytkownik Śluzy może na nim pisać.",
    )
