"""A newer program on an older spool, and the way back."""

import contextlib
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from click.testing import CliRunner, Result
from sqlite_utils import Database, Migrations

from sluza.cli.undo_upgrade import undo_upgrade
from spool import identity, integrity, migrations, room, upgrading
from spool.access import FILE, Spool
from spool.backup.undo import undo
from spool.domain.errors import ConfigError, NoRoom, SpoolDamaged, SpoolError, SpoolTooNew
from spool.opening import steps_of
from tests.documents import new
from tests.unit.test_settings import GOOD

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
RELEASES = sorted((Path(__file__).parent / "releases").glob("spool-*.db.gz"))
KNOWN = migrations.names()
"""What "the older program" of these tests knows: the steps of today. The newer one has one step more."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool of the older program, with one document."""
    path = tmp_path / "state" / FILE
    add(path, b"<a/>")
    return path


def add(path: Path, raw: bytes) -> None:
    """Take one document in."""
    with contextlib.closing(Spool(path)) as spool:
        spool.write_now(lambda s: s.add(new(raw, NOW, number=f"FV/{raw!r}"), raw, f"faktura-{len(raw)}", NOW))


@contextlib.contextmanager
def newer(*, fails: bool = False) -> Iterator[None]:
    """The program of tomorrow, whose two steps change what is there; with `fails` the second one cannot be done."""
    steps = _same_steps()

    @steps(name="m9998_one")
    def one(database: Database) -> None:
        database.execute("ALTER TABLE document ADD COLUMN tomorrow TEXT NOT NULL DEFAULT ''")

    @steps(name="m9999_two")
    def two(database: Database) -> None:
        database.execute("DROP TABLE absent" if fails else "CREATE TABLE tomorrow (x)")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrations, "steps", steps)
        patched.setattr(migrations, "names", lambda: KNOWN | {"m9998_one", "m9999_two"})
        yield


def columns(path: Path) -> set[str]:
    """Of the table of documents."""
    with contextlib.closing(pysqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(document)")}


def test_the_spools_of_the_tests_are_what_the_steps_make(path: Path, tmp_path: Path) -> None:
    """`tests/conftest.py` copies the schema into new spools; a spool made step by step has the same, to the letter."""
    by_steps = tmp_path / "by steps" / FILE
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrations, "steps", _same_steps())
        Spool(by_steps).close()
    assert _schema(path) == _schema(by_steps)
    assert steps_of(path) == steps_of(by_steps) == KNOWN


def _same_steps() -> Migrations:
    """The steps of today in a set of their own, which nothing is copied from."""
    steps = Migrations("sluza")
    steps._migrations = list(migrations.steps._migrations)
    return steps


def _schema(path: Path) -> list[tuple[Any, ...]]:
    """Every table, index and trigger, and how the file is kept."""
    with contextlib.closing(pysqlite3.connect(path)) as connection:
        kept = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "journal_mode", "encoding")]
        return kept + connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def test_fault_F17_a_step_that_fails_undoes_those_before_it(path: Path) -> None:
    """All of an upgrade or nothing: the older program goes on with the spool as it was, and the copy is there."""
    with newer(fails=True), pytest.raises(SpoolDamaged):
        Spool(path)
    assert steps_of(path) == KNOWN
    assert "tomorrow" not in columns(path)
    add(path, b"<aa/>")
    assert len(upgrading.kept(path)) == 1


def test_an_upgrade_keeps_a_copy_of_before(path: Path) -> None:
    """With its steps, where documents and history had come, and every body; what is new needs none, nor a new spool."""
    assert upgrading.kept(path) == []
    with newer():
        Spool(path).close()
        Spool(path).close()
    (before,) = upgrading.kept(path)
    assert (set(before.steps), before.document) == (KNOWN, 1)
    assert before.path.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(Spool(before.path)) as copy:
        assert copy.read_now(integrity.throughout) == ""
        assert copy.read_now(lambda s: s.last_event()[0]) == before.event


def test_the_two_newest_copies_stay(path: Path) -> None:
    """An older one goes only when a newer one is whole; what a killed upgrade left goes, too."""
    kept = []
    for count in range(3):
        with newer():
            Spool(path).close()
            kept.append(upgrading.kept(path)[0])
            undo(path.parent, KNOWN, NOW.replace(minute=count))
        (path.parent / upgrading.DIRECTORY / "spool-x.part").touch()
    assert upgrading.kept(path) == [kept[2], kept[1]]
    assert sorted(p.suffix for p in kept[0].path.parent.iterdir()) == [".db", ".db", ".json", ".json", ".part"]


def test_without_room_for_a_copy_nothing_is_upgraded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says so, and the spool is the older program's."""
    monkeypatch.setattr(room, "shortage", lambda *_, **__: room.full("kolejką faktur", 0))
    with newer(), pytest.raises(NoRoom):
        Spool(path)
    assert steps_of(path) == KNOWN


def test_the_way_back_is_a_spool_that_the_older_program_reads(path: Path) -> None:
    """It refuses the newer one; after the way back it works, compares with KSeF first; the newer one lies beside."""
    with newer():
        Spool(path).close()
    with pytest.raises(SpoolTooNew):
        Spool(path)
    with newer():
        done = undo(path.parent, KNOWN, NOW)
    assert done.before is not None
    assert done.since == ()
    assert (path.parent / identity.RESTORED).exists()
    add(path, b"<aa/>")
    assert done.aside is not None
    assert "tomorrow" in columns(done.aside / FILE)


def test_a_document_of_after_the_upgrade_is_not_given_up_in_passing(path: Path) -> None:
    """Without a word of a person nothing changes; with it every file is handed out to its unit."""
    with newer():
        add(path, b"<aa/>")
        with pytest.raises(SpoolError, match=r"sp1: FV/.*aa") as refused:
            undo(path.parent, KNOWN, NOW)
        assert "--give-up" in refused.value.hint
        assert "tomorrow" in columns(path)
        assert not (path.parent / identity.RESTORED).exists()
        done = undo(path.parent, KNOWN, NOW, give_up=True)
    assert done.files is not None
    assert {f.relative_to(done.files): f.read_bytes() for f in done.files.rglob("*.xml")} == {
        Path("sp1/faktura-5.xml"): b"<aa/>"
    }
    assert "tomorrow" not in columns(path)


def test_where_nothing_changed_nothing_is_put_back(path: Path) -> None:
    """Most upgrades have no step: the way back is another program on the same spool."""
    assert undo(path.parent, KNOWN | {"m9998_one"}, NOW).before is None
    assert undo(path.parent / "absent", KNOWN, NOW).before is None
    assert not (path.parent / identity.RESTORED).exists()


def test_without_a_copy_that_fits_the_newer_program_stays(path: Path) -> None:
    """A release from before the copy cannot be gone back to; the cure is a backup."""
    with newer():
        Spool(path).close()
        with pytest.raises(SpoolError, match="nie ma kopii") as refused:
            undo(path.parent, KNOWN - {min(KNOWN)}, NOW)
    assert "sluza restore" in refused.value.hint


@pytest.mark.parametrize("release", RELEASES, ids=lambda p: p.name)
def test_a_spool_of_each_release_is_brought_up(release: Path, tmp_path: Path) -> None:
    """A spool that the program of that release wrote: all steps, every body, the whole chain, and work goes on."""
    path = tmp_path / FILE
    path.write_bytes(gzip.decompress(release.read_bytes()))
    before = steps_of(path)
    with contextlib.closing(Spool(path, "gateway", lambda: NOW)) as spool:
        assert spool.read_now(integrity.throughout) == ""
        assert spool.read_now(lambda s: s.rows_in("document")) > 5
    assert steps_of(path) == KNOWN
    assert bool(upgrading.kept(path)) == (before < KNOWN)
    add(path, b"<new/>")


def test_there_is_a_spool_of_a_release() -> None:
    """The newest one is kept here, so that an upgrade from it is tried before anybody else tries it."""
    assert RELEASES


def test_the_command_asks_the_older_program(tmp_path: Path, path: Path) -> None:
    """`sluza undo-upgrade RELEASE`: what that program knows decides; one that does not run is refused."""
    release, config = tmp_path / "release" / "bin", tmp_path / "sluza.toml"
    release.mkdir(parents=True)
    config.write_text(GOOD.replace('state = "state"', f'state = "{path.parent}"'), encoding="utf-8")

    def run() -> Result:
        return CliRunner().invoke(undo_upgrade, ["--config", str(config), str(release.parent)])

    assert isinstance(run().exception, OSError | ConfigError)
    (release / "python").write_text("#!/bin/sh\nexit 1\n")
    (release / "python").chmod(0o755)
    assert isinstance(run().exception, ConfigError)
    (release / "python").write_text(f"#!/bin/sh\necho {' '.join(sorted(KNOWN))}\n")
    assert "nic się w nim nie zmienia" in run().output
    with newer():
        Spool(path).close()
        done = run()
    assert "Przywrócono spool" in done.output, done.exception
    assert "tomorrow" not in columns(path)
