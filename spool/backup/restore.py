"""Putting a backup back: checked whole before anything is touched, the old spool moved aside and never deleted.

Whatever moment a power cut chooses, the state directory has a spool, and `restored.json` is there before the spool is
another one: the next start compares with KSeF before it sends (decision 0015).
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spool import files, identity, integrity, process, room, upgrading
from spool.access import FILE, Spool
from spool.backup import archive, manifest, sealing, volumes
from spool.backup.contents import SPOOL, TLS
from spool.backup.manifest import OTHER, Manifest
from spool.crashpoint import reached
from spool.domain.errors import AlreadyRunning, ConfigError, SpoolDamaged, SpoolError
from spool.domain.volumes import DIRECTORY
from spool.integrity import Witness
from spool.settings import KEYS

ROLES = ("gateway", "agent", "reconcile")
_WORK = "restore-work"
_SEALED = b"age-encryption.org/"
_MARGIN = 64_000_000
_STAYS = frozenset({TLS, KEYS, DIRECTORY, room.FILE, _WORK, identity.RESTORED, upgrading.DIRECTORY, "lost+found"})
_OF_THE_SPOOL = (f"{FILE}-wal", f"{FILE}-shm")


@dataclass(frozen=True)
class Restored:
    """What was put back; which volumes of the yearly archives are `missing`, and why; where the old state lies now, and
    the other files of the backup, if there are any of these."""

    manifest: Manifest
    described: bool
    missing: tuple[str, ...] = ()
    aside: Path | None = None
    files: Path | None = None


def restore(backup: Path, state: Path, key: Path | None, now: datetime, *, only_check: bool = False) -> Restored:
    """Check the backup, and put it in place of what `state` has. With `only_check` nothing there changes.

    Raises ConfigError (no such file, wrong key, wrong user), AlreadyRunning while a program works there, SpoolError
    for a backup that is not whole, SpoolTooNew, NoRoom; then the old state is as it was.
    """
    said = _beside(backup)
    with hold(state) as directory, work_in(directory) as work:
        inside = _taken_out(backup, work, key)
        if said is not None and said.of_file("", 0, "") != inside:
            raise SpoolError("Opis obok kopii należy do innej kopii.", OTHER)
        _look_at(work / SPOOL)
        if only_check:
            return Restored(inside, said is not None, volumes.lacking(inside.volumes, backup.parent, directory))
        stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        aside, beside = directory / f"before-restore-{stamp}", directory / f"from-backup-{stamp}"
        if aside.exists() or beside.exists():
            raise ConfigError(f"Katalog {aside} już istnieje.", "Proszę powtórzyć polecenie za chwilę.")
        had_files = _lay_out(work, inside, directory, beside)
        missing = volumes.bring(inside.volumes, backup.parent, directory, key)
        mark(directory, backup.name, inside.made_at, now, history=inside.history)
        had_state = exchange(work / SPOOL, directory, aside)
        return Restored(inside, said is not None, missing, aside if had_state else None, beside if had_files else None)


def _beside(backup: Path) -> Manifest | None:
    """The manifest beside the file, which must fit it; None where there is none."""
    if not backup.is_file():
        raise ConfigError(f"Nie ma pliku kopii {backup}.")
    said = manifest.look(backup)
    try:
        if said is not None and (backup.stat().st_size, files.digest(backup)) != (said.size, said.sha256):
            raise SpoolDamaged(f"Plik kopii {backup.name} jest uszkodzony: nie zgadza się z opisem obok.", OTHER)
    except OSError as error:
        raise SpoolError(f"Nie można odczytać kopii {backup}: {error.strerror}.", OTHER) from error
    return said


@contextlib.contextmanager
def hold(state: Path) -> Iterator[Path]:
    """The state directory with every role in our hands, so that no program begins meanwhile."""
    files.make_directory(state, 0o700)
    if state.stat().st_uid != os.geteuid():
        owner = state.owner()
        raise ConfigError(f"Katalog {state} należy do użytkownika {owner}.", f"Proszę: sudo -u {owner} sluza restore …")
    with contextlib.ExitStack() as held:
        for role in ROLES:
            lock = process.hold(state, role)
            held.callback(lock.release)
            if lock.taken_over:  # frozen, it would go on with the old file when it wakes
                raise AlreadyRunning(f"Program „{role}” nie odpowiada, ale żyje.", "Proszę go najpierw zakończyć.")
        if (state / FILE).exists():
            witness = Witness(state / FILE)
            held.callback(witness.close)
            if not witness.alone:
                raise AlreadyRunning("Inne polecenie Śluzy używa tego spoolu.", "Proszę poczekać, aż się skończy.")
        yield state


@contextlib.contextmanager
def work_in(state: Path) -> Iterator[Path]:
    work = state / _WORK
    shutil.rmtree(work, ignore_errors=True)  # of a restore that was killed
    work.mkdir(0o700)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _taken_out(backup: Path, work: Path, key: Path | None) -> Manifest:
    """Everything of the backup, checked by its hashes, in `work`."""
    try:
        with backup.open("rb") as source:
            sealed = source.read(len(_SEALED)) == _SEALED
            source.seek(0)
            needed = backup.stat().st_size * (2 if sealed else 1) + _MARGIN
            if short := room.shortage(work, room.QUEUE, least=needed):
                raise short
            if not sealed:
                return archive.unpack(source, work)
            if key is None:
                raise ConfigError("Ta kopia jest zaszyfrowana.", "Proszę podać plik klucza prywatnego: --identity PLIK")
            opened = work / "archive"
            with opened.open("x+b") as plain:
                sealing.unseal(source, plain, sealing.identities(key))
                plain.seek(0)
                found = archive.unpack(plain, work)
            opened.unlink()
            return found
    except OSError as error:
        raise room.because(error) or SpoolError(f"Nie można odczytać kopii {backup}: {error}.", OTHER) from error


def _look_at(spool: Path) -> None:
    """Bring the spool to this program's schema and look at all of it. Raises SpoolError."""
    if not spool.is_file():
        raise SpoolError("W kopii nie ma spoolu.", OTHER)
    opened = Spool(spool)
    try:
        wrong = opened.read_now(integrity.throughout)
    finally:
        opened.close()
    if wrong:
        raise SpoolDamaged(f"Spool w tej kopii jest uszkodzony: {wrong}.", OTHER)
    wal = room.wal_of(spool)
    if wal.exists() and wal.stat().st_size:
        raise SpoolError("Spool z kopii nie daje się zamknąć.", "Proszę sprawdzić dysk i powtórzyć polecenie.")


def _lay_out(work: Path, inside: Manifest, state: Path, beside: Path) -> bool:
    """The other files: TLS and keys where there are none, all of them where a person finds them. True when there are
    any.

    Existing TLS stays: units trust that authority, and the one in an old backup may be another. So do keys, which may
    have been renewed since.
    """
    parts = [part for part in inside.parts if part.name != SPOOL]
    for part in parts:
        files.copy(work / part.name, beside / part.name, 0o600)
    for name in (TLS, KEYS):
        if (work / name).is_dir() and not (state / name).exists():
            files.sync_directory(work / name)
            (work / name).rename(state / name)
            files.sync_directory(state)
    if parts:
        beside.chmod(0o700)
    return bool(parts)


def mark(state: Path, name: str, made_at: str, now: datetime, **more: Any) -> None:
    """Before the spool is another one: from here on nothing is sent without a comparison."""
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    told: dict[str, Any] = {"file": name, "made_at": made_at, "restored_at": at}
    files.write(state / identity.RESTORED, json.dumps(told | more).encode(), 0o600)


def exchange(spool: Path, state: Path, aside: Path) -> bool:
    """The restored spool in place of the old one, which is kept with all that belonged to it. True when there was one.

    The old file keeps its name until the new one has it: no moment without a spool, in which an empty one would be
    made. Its WAL goes first, because it would be played into the new file.
    """
    old = [p for p in state.iterdir() if p.name not in _STAYS and p.suffix != ".lock" and not _kept_before(p)]
    if old:
        files.make_directory(aside, 0o700)
    if (state / FILE).exists():
        os.link(state / FILE, aside / FILE)
    for name in _OF_THE_SPOOL:
        if (state / name).exists():
            (state / name).rename(aside / name)
    if old:
        files.sync_directory(aside)
    files.sync_directory(state)
    reached("restore.aside")
    with spool.open("rb") as handle:
        os.fsync(handle.fileno())
    spool.replace(state / FILE)
    files.sync_directory(state)
    reached("restore.placed")
    for path in old:
        if path.name != FILE and path.exists():
            path.rename(aside / path.name)
    if old:
        files.sync_directory(aside)
    files.sync_directory(state)
    return bool(old)


def _kept_before(path: Path) -> bool:
    return path.name.startswith(("before-restore-", "from-backup-", "before-undo-", "after-upgrade-"))
