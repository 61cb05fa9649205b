"""Back to the spool of before an upgrade, for a previous version of the program that cannot read the newer one.

What was taken in since lies only in the newer spool. It is not given up in passing: with such documents nothing happens
unless a person says so, and then their files are handed out, to be dropped again. The newer spool stays beside it.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spool import files, integrity, upgrading
from spool.access import FILE
from spool.backup.restore import exchange, hold, mark, work_in
from spool.domain.errors import BodyDamaged, SpoolDamaged, SpoolError
from spool.domain.ledger import Document
from spool.looking import Looking
from spool.opening import connect, steps_of
from spool.store import Store
from spool.upgrading import Before

_NAMED = 10


@dataclass(frozen=True)
class Undone:
    """What was put back (None: the spool fits as it is); documents only in the newer one, and where their files are."""

    before: Before | None
    since: tuple[Document, ...] = ()
    aside: Path | None = None
    files: Path | None = None


def undo(state: Path, known: Collection[str], now: datetime, *, give_up: bool = False) -> Undone:
    """Make the spool one that a program with the `known` steps can use, all programs stopped.

    Raises SpoolError when there is no such copy, and, unless `give_up`, when documents were taken in since; then
    nothing has changed. AlreadyRunning, NoRoom, OSError.
    """
    with hold(state) as directory, work_in(directory) as work:
        spool = directory / FILE
        if not spool.exists() or steps_of(spool) <= set(known):
            return Undone(None)
        with contextlib.closing(Looking(spool)) as newer:
            before = _fitting(spool, known)
            since = tuple(newer.read_now(lambda store: store.documents_after(before.document)))
            if since and not give_up:
                raise _refused(since)
            stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
            handed = _hand_out(newer, since, directory / f"after-upgrade-{stamp}") if since else None
        files.copy(before.path, work / FILE, 0o600)
        _look_at(work / FILE)
        mark(directory, before.path.name, before.at, now)
        aside = directory / f"before-undo-{stamp}"
        exchange(work / FILE, directory, aside)
        return Undone(before, since, aside, handed)


def _fitting(spool: Path, known: Collection[str]) -> Before:
    for before in upgrading.kept(spool):
        if set(before.steps) <= set(known):
            return before
    raise SpoolError(
        f"W {spool.parent / upgrading.DIRECTORY} nie ma kopii spoolu, którą przeczyta poprzednia wersja.",
        "Proszę zostać przy nowej wersji albo odtworzyć kopię zapasową: sluza restore.",
    )


def _refused(since: tuple[Document, ...]) -> SpoolError:
    named = ", ".join(f"{d.unit}: {d.facts.number or d.source_name or d.id}" for d in since[:_NAMED])
    more = " i inne" if len(since) > _NAMED else ""
    return SpoolError(
        f"Po aktualizacji przyjęto faktury, których kopia sprzed niej nie zna ({len(since)}): {named}{more}.",
        "Powrót jest możliwy ze zgodą: sudo ./install.sh --rollback --give-up; pliki tych faktur zostaną odłożone.",
    )


def _hand_out(newer: Looking, since: tuple[Document, ...], directory: Path) -> Path:
    """The bytes of each document, in a folder for each unit; a damaged one stays only in the newer spool."""
    for document in since:
        with contextlib.suppress(BodyDamaged):
            raw = newer.read_now(lambda store, of=document.sha256: store.body(of))  # type: ignore[misc]
            files.write(directory / document.unit / f"{document.name}.xml", raw, 0o600)
    directory.chmod(0o700)
    return directory


def _look_at(spool: Path) -> None:
    """The copy is of an older schema, so only its pages and its history can be asked."""
    with contextlib.closing(connect(spool)) as connection:
        store = Store(connection)
        wrong = next(iter(store.file_damage(1, indexes=True)), "") or store.broken_link()
    if wrong:
        raise SpoolDamaged("Kopia spoolu sprzed aktualizacji jest uszkodzona.", integrity.CURE)
