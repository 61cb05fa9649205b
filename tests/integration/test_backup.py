"""Backups made, kept, refused and put back, by the real command on real files (faults F04, F09, F11, X22)."""

import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pysqlite3
import pytest

from gateway.web import saved
from spool import files
from spool.access import FILE, Spool
from spool.backup import archive, disks, manifest, record
from spool.backup.make import attempt
from spool.backup.restore import restore
from spool.domain.backups import BACKUP, Keep
from spool.domain.errors import AlreadyRunning, ConfigError, Failed, NoRoom, SpoolError
from spool.lock import RoleLock
from spool.looking import Looking
from tests.backup_bench import NOW, SECRET, Town


@pytest.fixture(name="town")
def town_fixture(tmp_path: Path) -> Town:
    """With one document."""
    return Town(tmp_path / "town")


@pytest.fixture(name="key")
def key_fixture(tmp_path: Path) -> tuple[str, Path]:
    """A public key, and the file with its secret half as age-keygen writes it."""
    secret = pyrage.x25519.Identity.generate()
    path = tmp_path / "key.txt"
    path.write_text(f"# created: today\n# public key: {secret.to_public()}\n{secret}\n", encoding="utf-8")
    return str(secret.to_public()), path


def test_a_backup_beside_an_open_spool_has_what_was_committed(town: Town, tmp_path: Path) -> None:
    """While programs have the spool open, and its newest rows are in the WAL only; private; described; put back."""
    open_spool = Spool(town.state / FILE)
    try:
        town.put("IN THE WAL")
        assert (town.state / f"{FILE}-wal").stat().st_size
        made = town.make()
    finally:
        open_spool.close()
    assert town.names() == [made.path.name, f"{made.path.name}.json"]
    assert {stat.S_IMODE((town.copies / name).stat().st_mode) for name in town.names()} == {0o600}
    said = json.loads((town.copies / f"{made.path.name}.json").read_bytes())
    assert (said["size"], said["counts"]["document"]) == (made.path.stat().st_size, 2)
    assert said["sha256"] == files.digest(made.path)
    done = restore(made.path, tmp_path / "other", None, NOW)
    assert town.numbers(tmp_path / "other") == ["FIRST", "IN THE WAL"]
    assert (done.aside, done.manifest.history[0]) == (None, said["history"][0])
    assert list((town.state / "backup").iterdir()) == []


class _Between:
    """A connection between whose pages of a copy something happens."""

    def __init__(self, real: Any, happens: Callable[[int], None]) -> None:
        self.execute, self.close, self._real, self._happens = real.execute, real.close, real, happens

    def backup(self, copy: Any, *, pages: int, sleep: float) -> None:
        """A few pages at a time."""
        assert pages > 0
        self._real.backup(copy, pages=10, sleep=sleep, progress=lambda _, left, __: self._happens(left))


def test_commits_meanwhile_neither_begin_the_copy_anew_nor_get_into_it(town: Town, tmp_path: Path) -> None:
    """A busy town's backup ends: its snapshot is held, and whoever commits does not wait for it."""
    spool, left = Spool(town.state / FILE), list[int]()
    looking = Looking(town.state / FILE)

    def happens(pages: int) -> None:
        left.append(pages)
        if len(left) < 9:
            spool.write_now(lambda store: store.set_condition("", f"meanwhile {len(left)}", {}, NOW))

    looking._connection = _Between(looking._connection, happens)
    try:
        looking.copy_to(tmp_path / FILE)
    finally:
        looking.close()
        spool.close()
    assert len(left) > 9
    assert left == sorted(left, reverse=True)
    copy = Looking(tmp_path / FILE)
    assert not [c.name for c in copy.read_now(lambda store: store.conditions()) if c.name.startswith("meanwhile")]
    copy.close()


def test_rule_X22_secrets_leave_this_machine_only_encrypted(town: Town, tmp_path: Path, key: tuple[str, Path]) -> None:
    """Without a recipient neither the token nor the key of the CA is inside, and their names are said; with one they
    are, nobody can read them without its key, and the age format is everybody's."""
    plain = town.make()
    assert SECRET.encode() not in plain.path.read_bytes()
    assert b"KEY OF THE CA" not in plain.path.read_bytes()
    left_out = {Path(path).name for path in plain.manifest.left_out}
    assert left_out == {"ca.key", "ksef.token"}
    sealed = town.make(recipient=key[0], at=NOW + timedelta(seconds=1))
    assert sealed.path.name.endswith(".tar.age")
    assert sealed.manifest.left_out == ()
    for marker in (SECRET.encode(), b"SQLite format", b"Gmina"):
        assert marker not in sealed.path.read_bytes()
    opened = pyrage.decrypt(sealed.path.read_bytes(), [pyrage.x25519.Identity.from_str(_secret(key[1]))])
    with tarfile.open(fileobj=io.BytesIO(opened)) as tar:
        assert "sluza.toml" in tar.getnames()
    with pytest.raises(ConfigError, match="zaszyfrowana"):
        restore(sealed.path, tmp_path / "other", None, NOW)
    done = restore(sealed.path, tmp_path / "other", key[1], NOW)
    assert done.files is not None
    assert SECRET in {p.read_text(encoding="utf-8") for p in done.files.rglob("*ksef.token")}
    assert (tmp_path / "other" / "tls" / "ca.key").read_text(encoding="utf-8") == "KEY OF THE CA"
    modes = {stat.S_IMODE(p.stat().st_mode) & 0o077 for p in (tmp_path / "other").rglob("*") if p.is_file()}
    assert modes == {0}


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[-1]


def test_the_wrong_key_and_a_cut_sealed_file_are_sentences(town: Town, tmp_path: Path, key: tuple[str, Path]) -> None:
    """Neither leaves anything behind, and the state directory stays empty of spools."""
    made = town.make(recipient=key[0])
    other = tmp_path / "other.txt"
    other.write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    with pytest.raises(SpoolError, match="odszyfrować"):
        restore(made.path, tmp_path / "state", other, NOW)
    manifest.beside(made.path).unlink()
    os.truncate(made.path, made.path.stat().st_size - 100)
    with pytest.raises(SpoolError, match="odszyfrować"):
        restore(made.path, tmp_path / "state", key[1], NOW)
    assert {p.suffix for p in (tmp_path / "state").iterdir()} == {".lock"}


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    path.write_bytes(raw)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("damage", [_flip, _cut, _empty])
def test_fault_F09_a_damaged_backup_is_refused_and_touches_nothing(
    town: Town, damage: Callable[[Path], None], described: bool
) -> None:
    """With the manifest beside it, and by the hashes inside alone; the spool that is there stays as it is."""
    made = town.make()
    town.put("LATER")
    if not described:
        manifest.beside(made.path).unlink()
    damage(made.path)
    with pytest.raises(SpoolError, match=r"uszkodzon|nie jest kopią|brakuje"):
        restore(made.path, town.state, None, NOW)
    assert town.numbers() == ["FIRST", "LATER"]
    assert not list(town.state.glob("before-restore-*"))
    assert not (town.state / "restored.json").exists()


def test_a_restore_moves_the_old_state_aside_and_deletes_nothing(town: Town) -> None:
    """The old spool lies beside, whole, with what was in its WAL; the marker of decision 0015 is there; TLS stays."""
    made = town.make()
    town.put("LATER")
    done = restore(made.path, town.state, None, NOW)
    assert town.numbers() == ["FIRST"]
    assert done.aside is not None
    assert town.numbers(done.aside) == ["FIRST", "LATER"]
    assert town.restored_json(town.state)["file"] == made.path.name
    assert (town.state / "tls" / "ca.key").exists()
    assert (done.aside / "identity.json").exists()


def test_a_wal_of_the_old_spool_is_never_played_into_the_restored_one(town: Town, tmp_path: Path) -> None:
    """A program that was killed left its last commits in the WAL: they go aside with their spool, whole, also when the
    restore is killed the moment its spool is in place."""
    made = town.make()
    left = tmp_path / "left"
    left.mkdir()
    spool = Spool(town.state / FILE)
    try:
        town.put("ONLY IN THE WAL")
        for name in (FILE, f"{FILE}-wal"):
            shutil.copy(town.state / name, left / name)
    finally:
        spool.close()
    put_back = f"from pathlib import Path; restore(Path({str(made.path)!r}), Path({str(left)!r}), None, plan.at)"
    town.killed_at("restore.placed:1", f"from spool.backup.restore import restore; {put_back}")
    [aside] = left.glob("before-restore-*")
    assert not (left / f"{FILE}-wal").exists()
    assert (aside / f"{FILE}-wal").stat().st_size
    assert town.numbers(left) == ["FIRST"]
    assert town.numbers(aside) == ["FIRST", "ONLY IN THE WAL"]


@pytest.mark.parametrize("role", ["gateway", "agent"])
def test_a_restore_waits_for_programs_to_be_stopped(town: Town, role: str) -> None:
    """It is refused while one runs, as a sentence with exit code 3; nothing is touched."""
    made = town.make()
    lock = RoleLock(town.state, role)
    try:
        with pytest.raises(AlreadyRunning):
            restore(made.path, town.state, None, NOW)
    finally:
        lock.release()
    assert not (town.state / "restored.json").exists()


def test_a_restore_waits_for_a_command_that_has_the_spool_open(town: Town) -> None:
    """What a command writes then would go into the file that was moved aside."""
    made = town.make()
    spool = Spool(town.state / FILE)
    try:
        with pytest.raises(AlreadyRunning):
            restore(made.path, town.state, None, NOW)
    finally:
        spool.close()


def test_a_backup_of_a_damaged_spool_is_refused_with_an_alarm(town: Town) -> None:
    """The changed body is named, earlier backups stay, the page turns red."""
    good = town.make()
    connection = pysqlite3.connect(town.state / FILE)
    connection.execute("UPDATE body SET packed = zeroblob(length(packed))")
    connection.commit()
    connection.close()
    before = town.names()
    found = attempt(town.plan(at=NOW + timedelta(days=1), keep=Keep(1, 0, 0)))
    assert isinstance(found, Failed)
    assert (found.code, good.path.name in before, town.names()) == ("spool_damaged", True, before)
    spool = Spool(town.state / FILE)
    try:
        spool.write_now(lambda store: record.failed(store, NOW, found.reason, found.hint))
        said = spool.read_now(lambda store: store.condition("", BACKUP))
    finally:
        spool.close()
    [finding] = saved.findings(said, NOW)
    assert "spool jest uszkodzony" in finding.sentence


def test_status_names_what_the_last_good_backup_could_not_read(town: Town) -> None:
    """Until another good one is made, also after a failed try; a word from before such names were kept has none."""
    made = replace(town.make(), unreadable=("/etc/sluza/keys.haslo",))
    spool = Spool(town.state / FILE)
    try:
        spool.write_now(lambda store: record.good(store, NOW, made))
        spool.write_now(lambda store: record.failed(store, NOW, "Dysk.", ""))
        said = spool.read_now(lambda store: store.condition("", BACKUP))
    finally:
        spool.close()
    assert said
    assert saved.line(said, NOW).endswith("; bez plików, których usługa nie może czytać: /etc/sluza/keys.haslo")
    older = {name: value for name, value in said.value.items() if name != "unreadable"}
    assert saved.line(replace(said, value=older), NOW).endswith(str(made.path))


def test_a_disk_that_gives_back_other_bytes_has_no_backup(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is read again, and neither the file nor its manifest stays."""

    def rots(_descriptor: int, *_: int) -> None:
        _flip(next(town.copies.glob("*.tar")))

    monkeypatch.setattr(os, "posix_fadvise", rots)
    with pytest.raises(SpoolError, match="inną, niż zapisano"):
        town.make()
    assert town.names() == []


def test_retention_removes_only_what_this_installation_made(town: Town, tmp_path: Path) -> None:
    """Another town's backup, a half one, a stranger's file and one without manifest stay."""
    old = town.make(at=NOW - timedelta(days=3))
    kept = town.make(at=NOW - timedelta(days=2))
    (town.copies / "sluza-20200101T000000Z.tar").write_bytes(b"without a manifest")
    (town.copies / "notes.txt").write_text("mine", encoding="utf-8")
    theirs = Town(tmp_path / "theirs").make(at=NOW - timedelta(days=9))
    for path in (theirs.path, manifest.beside(theirs.path)):
        (town.copies / path.name).write_bytes(path.read_bytes())
    newest = town.make(keep=Keep(2, 0, 0))
    assert newest.removed == (old.path.name,)
    assert kept.path.exists()
    others = {"notes.txt", "sluza-20200101T000000Z.tar", theirs.path.name, f"{theirs.path.name}.json"}
    assert set(town.names()) - others == {
        kept.path.name, f"{kept.path.name}.json", newest.path.name, f"{newest.path.name}.json",
    }  # fmt: skip


def test_the_spools_own_disk_is_refused_unless_told(town: Town) -> None:
    """A disk that dies takes both; a directory that is not there is not made up."""
    with pytest.raises(ConfigError, match="tym samym dysku"):
        town.make(same_disk=False)
    with pytest.raises(ConfigError, match="Nie ma katalogu"):
        town.make(directory=town.root / "not mounted")
    assert town.names() == []


def test_fault_F04_no_room_is_said_before_anything_is_written(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how much there is and how much is needed."""
    monkeypatch.setattr(disks, "_MARGIN", 1 << 60)
    with pytest.raises(NoRoom, match="potrzeba"):
        town.make()
    assert town.names() == []


@pytest.mark.parametrize("sealed", [False, True])
def test_fault_F04_a_disk_that_fills_up_while_writing_leaves_nothing(
    town: Town, key: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    """Also inside the encryption, whose library does not pass the writer's error on by itself."""
    before = town.make()

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(archive.Counting, "write", full)
    with pytest.raises(NoRoom, match="zabrakło miejsca"):
        town.make(recipient=key[0] if sealed else "", at=NOW + timedelta(days=1))
    assert town.names() == [before.path.name, f"{before.path.name}.json"]


@pytest.mark.parametrize("point", ["backup.copied:1", "files.written:2", "backup.described:1", "files.renamed:2"])
def test_fault_F01_a_killed_backup_leaves_the_last_good_one(town: Town, point: str) -> None:
    """Killed at any moment: what has a name and a manifest is whole, the next backup sweeps the rest away."""
    before = town.make()
    town.killed_at(point, "from spool.backup.make import make; make(plan)")
    for one in manifest.whole(town.copies):
        assert files.digest(town.copies / one.file) == one.sha256
    assert before.path.exists()
    town.make(keep=Keep())
    whole = {one.file for one in manifest.whole(town.copies)}
    assert {n for n in town.names() if not n.endswith(".json")} == whole
    assert {n.removesuffix(".json") for n in town.names() if n.endswith(".json")} == whole
    assert list((town.state / "backup").iterdir()) == []


@pytest.mark.parametrize("point", ["files.synced:1:restored", "restore.aside:1", "restore.placed:1"])
def test_fault_F11_a_killed_restore_leaves_a_spool_and_the_marker(town: Town, point: str) -> None:
    """There is a spool at every moment, the marker before another one; repeated, it ends well, nothing is deleted."""
    made = town.make()
    town.put("LATER")
    put_back = f"from pathlib import Path; restore(Path({str(made.path)!r}), plan.state, None, plan.at)"
    town.killed_at(point, f"from spool.backup.restore import restore; {put_back}")
    assert (town.state / FILE).exists()
    assert (town.state / "restored.json").exists() or "restored" in point
    restore(made.path, town.state, None, NOW + timedelta(seconds=1))
    assert town.numbers() == ["FIRST"]
    old = [town.numbers(path) for path in town.state.glob("before-restore-*") if (path / FILE).exists()]
    assert ["FIRST", "LATER"] in old


def _as_the_service(town: Town, *words: str) -> dict[str, Any]:
    """What the command tells whoever is not root; root gives the town away and runs it as nobody."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        done = town.sluza(*words)
        os.write(writing, (done.stdout or repr(done.exception)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def test_what_only_root_may_read_is_said_and_holds_up_no_backup(key: tuple[str, Path]) -> None:
    """The password of the keys that systemd hands over, and a whole directory of root's: encrypted or not, the backup
    is made, names them as left out and unreadable, and has everything else."""
    with tempfile.TemporaryDirectory() as given:
        root = Path(given)
        root.chmod(0o755)
        town = Town(root / "town")
        hidden = root / "of-root"
        hidden.mkdir()
        named = (hidden / "smtp.haslo", root / "keys.haslo")
        for path in named:
            path.write_text("0" * 40, encoding="utf-8")
        more = f'[keys]\npassword_file = "{named[1]}"\n[alerts]\nsmtp = "x:587"\nuser = "u"\nsender = "s@x.pl"\n'
        more += f'recipients = ["r@x.pl"]\npassword_file = "{named[0]}"\n'
        text = town.config.read_text(encoding="utf-8")
        town.config.write_text(f'{text}recipient = "{key[0]}"\n{more}', encoding="utf-8")
        if os.geteuid() == 0:
            for path in (town.root, *town.root.rglob("*")):
                os.chown(path, 65534, 65534)
        named[1].chmod(0)
        hidden.chmod(0)
        try:
            said = _as_the_service(town, "backup", "--json")
            assert (said["ok"], said["encrypted"]) == (True, True)
            assert set(said["unreadable"]) == set(said["left_out"]) == {str(path) for path in named}
            town.config.write_text(f"{text}{more}", encoding="utf-8")
            plain = _as_the_service(town, "backup", "--json")
            assert set(plain["unreadable"]) == {str(path) for path in named}
            open_too = {str(town.root / "ksef.token"), str(town.state / "tls" / "ca.key")}
            assert set(plain["left_out"]) == open_too | set(plain["unreadable"])
        finally:
            hidden.chmod(0o700)


def test_the_command_tells_and_remembers(town: Town) -> None:
    """Exit codes, JSON, the condition behind `sluza status`, the sentence of a check."""
    done = town.sluza("backup", "--json")
    assert (done.exit_code, json.loads(done.stdout)["counts"]["document"]) == (0, 1)
    file = json.loads(done.stdout)["file"]
    status = json.loads(town.sluza("status", "--json").stdout)
    assert status["backup"]["file"] == file
    checked = town.sluza("restore", file, "--check")
    assert (checked.exit_code, "Kopia jest cała" in checked.stdout) == (0, True)
    assert town.numbers() == ["FIRST"]
    nowhere = town.sluza("backup", "--to", str(town.root / "nowhere"))
    assert isinstance(nowhere.exception, ConfigError)


def test_a_backup_of_a_newer_program_is_not_guessed_at(town: Town) -> None:
    """Its manifest says so, in a sentence that names the cure."""
    made = town.make()
    manifest.beside(made.path).write_bytes(replace(made.manifest, format=manifest.FORMAT + 1).as_json())
    with pytest.raises(SpoolError, match="nowsza wersja"):
        restore(made.path, town.state, None, NOW)
