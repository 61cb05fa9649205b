"""A damaged spool (fault F09): whatever happens to its files, the start finds it, or nothing follows from it.

200 ways of damage by chance here, 5000 with `--crash-all`; the seed is printed when one goes unnoticed.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spool import access, integrity
from spool.access import FILE, Spool
from spool.domain.errors import BodyDamaged, SluzaError, SpoolDamaged, SpoolError
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.states import State
from spool.store import Store
from tests.crash.test_power_loss import seed_of
from tests.documents import new

pytestmark = pytest.mark.timeout(600)
"""Thousands of file operations; on a busy machine they take their time."""

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_DOCUMENTS = 24
_PAGE = 4096


def put(store: Store, number: int) -> None:
    """One document; every third is already numbered, every fourth was refused."""
    raw = random.Random(number).randbytes(900 + 700 * (number % 5))
    document = store.add(new(raw, NOW, number=f"FV/{number}"), raw, "", NOW)
    if number % 3 == 0:
        store.begin_attempt(document, "S", NOW)
        store.move(document.id, State.SUBMITTED, NOW, "agent", "Przekazano.")
        facts = {"ksef_number": f"N-{number}", "acquisition_date": NOW}
        store.move(document.id, State.ACCEPTED, NOW, "agent", "Numer.", **facts)
    elif number % 4 == 0:
        store.move(document.id, State.HELD, NOW, "Anna", "Wstrzymane.", reason="Wyjaśniamy.")


def rows(store: Store) -> set[tuple[object, ...]]:
    """What sending, deadlines and isolation rest on."""
    return {(d.id, d.unit, d.context, d.sha256, d.state, d.due_safe, d.ksef_number) for d in store.documents()}


@dataclass
class Saved:
    """A spool as its files were at one moment, in the middle of its life, and what it held; `before`: a page older."""

    files: dict[str, bytes]
    before: bytes
    rows: set[tuple[object, ...]]


@pytest.fixture(name="saved", scope="module")
def saved_fixture(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Half of the documents are in the file, half only in the WAL."""
    access_every, access._CHECKPOINT_EVERY_S = access._CHECKPOINT_EVERY_S, 3600
    directory = tmp_path_factory.mktemp("damage")
    spool = Spool(directory / FILE)
    try:
        for number in range(_DOCUMENTS // 2):
            spool.write_now(lambda store, n=number: put(store, n))  # type: ignore[misc]
        spool._checkpoint_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = spool.path.read_bytes()
        for number in range(_DOCUMENTS // 2, _DOCUMENTS):
            spool.write_now(lambda store, n=number: put(store, n))  # type: ignore[misc]
        found = spool.read_now(rows)
        names = (FILE, FILE + "-wal", "spool.witness")
        return Saved({name: (directory / name).read_bytes() for name in names}, before, found)
    finally:
        spool.close()
        access._CHECKPOINT_EVERY_S = access_every


def lay_out(saved: Saved, directory: Path) -> Path:
    """The files as they were."""
    directory.mkdir()
    for name, content in saved.files.items():
        (directory / name).write_bytes(content)
    return directory / FILE


def start(path: Path, saved: Saved, dice: random.Random | None = None) -> bool:
    """True when the start refuses, or sends nothing before KSeF was compared. Otherwise everything is as it was, or is
    known to be damaged where it is used."""
    try:
        spool = Spool(path, "gateway")
    except SluzaError:
        return True
    try:
        spool.verify()
        if spool.read_now(lambda store: store.condition("", RECONCILE_FIRST)):
            return True
        assert spool.read_now(rows) == saved.rows
        for row in saved.rows:
            try:
                spool.read_now(lambda store, sha256=row[3]: store.body(sha256))  # type: ignore[misc]
            except BodyDamaged:
                assert dice is not None
    except SpoolError:
        return True
    finally:
        spool.close()
    return False


def test_fault_F09_the_files_as_they_were_start(saved: Saved, disk: Path) -> None:
    """Nothing is seen where nothing is wrong: the WAL of a killed process is taken over."""
    assert not start(lay_out(saved, disk / "whole"), saved)


def _flip(raw: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 20))):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)


def _overwrite(raw: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(raw))
    raw[at : at + 8] = dice.randbytes(len(raw[at : at + 8]))


def _zero_page(raw: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(raw) // _PAGE) * _PAGE
    raw[at : at + _PAGE] = bytes(_PAGE)


def _swap_pages(raw: bytearray, dice: random.Random) -> None:
    a, b = (dice.randrange(len(raw) // _PAGE) * _PAGE for _ in range(2))
    raw[a : a + _PAGE], raw[b : b + _PAGE] = raw[b : b + _PAGE], raw[a : a + _PAGE]


def _cut(raw: bytearray, dice: random.Random) -> None:
    del raw[dice.choice((dice.randrange(len(raw)), dice.randrange(len(raw) // _PAGE) * _PAGE)) :]


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _overwrite, _zero_page, _swap_pages, _cut)


def test_fault_F09_damage_is_found_at_the_start_or_does_nothing(
    saved: Saved, disk: Path, request: pytest.FixtureRequest
) -> None:
    """Bits, bytes and pages of the file and of the WAL, changed or cut off: never a document that is not ours."""
    seed, found = seed_of(request), 0
    for number in range(5000 if request.config.getoption("--crash-all") else 120):
        dice = random.Random(seed * 10_000 + number)
        path = lay_out(saved, disk / "one")
        hurt = path if dice.random() < 0.7 else path.with_name(FILE + "-wal")
        raw = bytearray(hurt.read_bytes())
        dice.choice(DAMAGES)(raw, dice)
        hurt.write_bytes(raw)
        try:
            found += start(path, saved, dice)
        except BaseException:
            print(f"number {number}")
            raise
        shutil.rmtree(path.parent)
    assert found > 50


def test_fault_F09_a_lost_wal_is_found(saved: Saved, disk: Path) -> None:
    """What was acknowledged was only there: nothing is sent before KSeF was compared, and the sentence says why.

    A command that comes first does not cover the tracks.
    """
    path = lay_out(saved, disk / "lost")
    path.with_name(FILE + "-wal").unlink()
    command = Spool(path)
    command.write_now(lambda store: store.log("spool", "x", NOW, "Jan", "x"))
    command.close()
    program = Spool(path, "agent")
    try:
        condition = program.read_now(lambda store: store.condition("", RECONCILE_FIRST))
        assert condition is not None
        assert "utracono jego ostatnie zapisy" in condition.value["reason"]
    finally:
        program.close()


def test_fault_F09_a_lost_file_is_not_begun_anew(saved: Saved, disk: Path) -> None:
    """An empty spool in its place would take the same invoices again, and send them again."""
    path = lay_out(saved, disk / "gone")
    path.unlink()
    with pytest.raises(SpoolError, match="choć był"):
        Spool(path)
    assert not path.exists()


def test_fault_F09_an_older_page_is_found(saved: Saved, disk: Path) -> None:
    """A write that the disk lost: the row is QUEUED again, its history knows better, and nothing is sent."""
    path = lay_out(saved, disk / "old")
    Spool(path).close()
    new_pages, refused = path.read_bytes(), 0
    for at in range(0, len(saved.before), _PAGE):
        if saved.before[at : at + _PAGE] != new_pages[at : at + _PAGE]:
            path.write_bytes(new_pages[:at] + saved.before[at : at + _PAGE] + new_pages[at + _PAGE :])
            assert start(path, saved), at
            path.with_suffix(".doubt").unlink(missing_ok=True)
            refused += 1
    assert refused > 5


def test_fault_F09_a_state_that_the_history_contradicts_is_not_sent(saved: Saved, disk: Path) -> None:
    """Also while a large spool is still being looked at: the guard is in the change of state itself."""
    spool = Spool(lay_out(saved, disk / "guard"))
    try:
        accepted = next(d for d in spool.read_now(lambda s: s.documents()) if d.state is State.ACCEPTED)
        spool._write_connection.execute("UPDATE document SET state = 'QUEUED' WHERE id = ?", (accepted.id,))
        with pytest.raises(SpoolDamaged, match="nie wynika z jego historii"):
            spool.write_now(lambda store: store.begin_attempt(accepted, "S", NOW))
    finally:
        spool.close()


def test_fault_F09_a_large_spool_is_looked_at_while_it_works(
    saved: Saved, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts at once; what the look finds ends every way into it, and the next start refuses at once."""
    path = lay_out(saved, disk / "large")
    with_damage = Spool(path)
    with_damage._write_connection.execute("UPDATE document SET state = 'HELD' WHERE state = 'QUEUED'")
    with_damage.close()
    monkeypatch.setattr(integrity, "SMALL", 0)
    spool = Spool(path)
    try:
        spool._look_meanwhile()
        with pytest.raises(SpoolDamaged):
            spool.write_now(lambda store: store.set_condition("", "x", {}, NOW))
        with pytest.raises(SpoolDamaged):
            spool.read_now(lambda store: store.counts())
    finally:
        spool.close()
    with pytest.raises(SpoolDamaged):
        Spool(path)
