"""Yearly archives: bodies that are over leave the spool and stay readable; nothing is lost, nothing is twice."""

import asyncio
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest

from gateway.archives import Archives
from gateway.web import saved
from gateway.web.finding import Level
from spool import bodies, files
from spool.access import FILE, Spool
from spool.backup.restore import restore
from spool.domain.errors import AlreadyRunning, BodyDamaged, Failed
from spool.domain.states import State
from spool.domain.volumes import ARCHIVE
from spool.inspection import Report, inspect
from spool.lock import alone
from spool.volumes import look
from spool.volumes.settings import Archive
from tests.archive_bench import Dying, InPlace, OldTown
from tests.backup_bench import NOW


@pytest.fixture(name="town")
def town_fixture(tmp_path: Path) -> OldTown:
    """With one young document that waits in the queue."""
    return OldTown(tmp_path / "town")


def report(town: OldTown) -> Report:
    """What `sluza check` finds."""
    return town.read(lambda store: inspect(store, NOW, lambda *_: None))  # type: ignore[no-any-return]


def findings(town: OldTown) -> list[tuple[str, str]]:
    """Of the bodies only: the documents of this bench have no alarms and no sends."""
    return [(f.invariant, f.subject) for f in report(town).findings if f.invariant in {"I1", "I8", "SPOOL"}]


def test_old_bodies_move_into_a_sealed_file_and_are_read_as_before(town: OldTown) -> None:
    """Invoice, UPO and purchase of a year go together; the file is private, read-only, and described by the spool."""
    sold, bought = town.sale("A/1"), town.purchase("Z/1")
    done = town.archive()
    assert [(v.name, v.bodies) for v in done.volumes] == [("2025-1", 3)]
    assert (done.moved, done.damaged) == (3, {})
    assert town.away() == dict.fromkeys((sold.sha256, sold.upo_sha256, bought), "2025-1")
    assert town.body(sold.sha256) == b"<Faktura>A/1</Faktura>"
    assert town.body(sold.upo_sha256 or "") == b"<UPO>A/1</UPO>"
    assert town.body(bought) == b"<Faktura>bought Z/1</Faktura>"
    assert stat.S_IMODE(town.volume().stat().st_mode) == 0o400
    assert [p.name for p in (town.state / "archive").iterdir()] == ["2025-1.db"]
    history = town.read(lambda store: store.history("volume:2025-1"))
    assert [(e.move, e.actor, e.data["bodies"]) for e in history] == [("sealed", "tester", 3)]
    assert findings(town) == []
    assert town.archive().volumes == ()


def test_each_year_has_its_volume_by_the_calendar_of_warsaw(town: OldTown) -> None:
    """Half past eleven in UTC on the last evening of a year is the next year here."""
    town.sale("A/2024", datetime(2024, 12, 31, 22, 30, tzinfo=UTC))
    town.sale("A/2025", datetime(2024, 12, 31, 23, 30, tzinfo=UTC))
    assert [v.name for v in town.archive().volumes] == ["2024-1", "2025-1"]


@pytest.mark.parametrize("months", [13, 20])
def test_thirteen_months_or_what_the_configuration_says(town: OldTown, months: int) -> None:
    """By day: what got its number on the day of the cut stays, what got it on the day before goes."""
    cut = datetime(2025, 10, 26, tzinfo=UTC) if months == 13 else datetime(2025, 3, 26, tzinfo=UTC)
    young, old = town.sale("YOUNG", cut + timedelta(hours=12)), town.sale("OLD", cut - timedelta(hours=12))
    town.archive(months=months)
    assert set(town.away()) == {old.sha256, old.upo_sha256}
    assert young.sha256 not in town.away()


def test_what_is_not_over_stays(town: OldTown) -> None:
    """Not delivered, not shown to its unit, kept by a person's word, in conflict or to be corrected; a purchase in the
    tray, one not yet in its folder, one whose copy is being taken back."""
    town.sale("ACCEPTED", until=State.ACCEPTED)
    town.sale("UNSHOWN", shown=False)
    kept = town.sale("KEPT")
    disputed, corrected = town.sale("DISPUTED"), town.sale("CORRECTED")
    for what, column in ((disputed, "number"), (corrected, "corrects")):
        other = town.sale(f"OTHER {column}", until=State.SENDING)
        town.write(lambda store, what=what, other=other, column=column: _relate(store, what, other, column))
    town.purchase("TRAY", unit=None)
    town.purchase("UNMIRRORED", mirrored=False)
    town.purchase("RECALLED")

    def keep(store: object) -> None:
        store._insert("retention", subject=kept.id, **{"class": "B-50"})  # type: ignore[attr-defined]
        store._insert("recalled", ksef_number="5250000015-RECALLED", owner="sp2", at="")  # type: ignore[attr-defined]

    town.write(keep)
    gone = town.sale("OVER")
    town.archive()
    assert set(town.away()) == {gone.sha256, gone.upo_sha256}


def _relate(store: object, what: object, other: object, column: str) -> None:
    """The other document is in conflict about the number of this one, or is its technical correction."""
    changes = (
        {"number_key": what.facts.number_key, "state": "CONFLICT"} if column == "number" else {"corrects": what.sha256}  # type: ignore[attr-defined]
    )
    store._db.execute("DROP INDEX IF EXISTS document_number_held")  # type: ignore[attr-defined]
    store._update_document(other.id, NOW, **changes)  # type: ignore[attr-defined]


def test_a_body_that_something_else_still_uses_stays(town: OldTown) -> None:
    """A sale to one of our own units is a purchase, too: while that one lies in the tray, its bytes stay."""
    sold = town.sale("OWN")
    town.purchase("OWN")  # other bytes
    town.write(lambda store: store._db.execute("UPDATE received SET sha256 = ?, unit = NULL", (sold.sha256,)))
    town.archive()
    assert set(town.away()) == {sold.upo_sha256}


POINTS = ["volume.written", "volume.named", "volume.entered", "volume.moved", "commit.begun"]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing(town: OldTown, point: str) -> None:
    """Every body is readable after it; the next run ends what was begun, in one volume, and leaves no other file."""
    sales = [town.sale(f"A/{n}") for n in range(3)]
    town.killed_while_archiving(point)
    assert [town.body(s.sha256) for s in sales] == [f"<Faktura>A/{n}</Faktura>".encode() for n in range(3)]
    town.archive(at=NOW + timedelta(days=1))
    assert [(v.name, v.bodies, v.moved) for v in town.read(lambda store: store.volumes())] == [("2025-1", 6, True)]
    assert [p.name for p in (town.state / "archive").iterdir()] == ["2025-1.db"]
    assert len(town.away()) == 6
    assert findings(town) == []
    assert len(town.read(lambda store: store.history("volume:2025-1"))) == 1


def test_a_volume_of_another_installation_is_left_alone(town: OldTown, tmp_path: Path) -> None:
    """It is named, neither entered nor replaced; ours takes the next number."""
    other = OldTown(tmp_path / "other")
    other.sale("THEIRS")
    other.archive()
    (town.state / "archive").mkdir(mode=0o700)
    os.link(other.volume(), town.volume())
    before = town.volume().read_bytes()
    town.sale("OURS")
    assert [v.name for v in town.archive().volumes] == ["2025-2"]
    assert town.volume().read_bytes() == before
    assert town.read(look.unknown) == ["2025-1"]


def test_a_volume_unknown_to_a_restored_spool_is_entered_again(town: OldTown) -> None:
    """After a restore of an older backup the bodies are in both places; they move into the volume that lies there."""
    sold = town.sale("A/1")
    made = town.make()
    town.archive()
    first = town.volume().stat()
    restore(made.path, town.state, None, NOW)
    assert town.away() == {}
    assert [v.name for v in town.archive().volumes] == ["2025-1"]
    assert town.volume().stat().st_mtime_ns == first.st_mtime_ns
    assert town.body(sold.sha256) == b"<Faktura>A/1</Faktura>"


def test_bytes_that_come_again_are_in_the_spool_again(town: OldTown) -> None:
    """Whatever has become of the archive since."""
    sold = town.sale("A/1")
    town.archive()
    town.volume().unlink()
    with pytest.raises(BodyDamaged, match="2025-1"):
        town.body(sold.sha256)
    town.write(lambda store: store.put_body(b"<Faktura>A/1</Faktura>"))
    assert town.body(sold.sha256) == b"<Faktura>A/1</Faktura>"


@pytest.mark.parametrize("damage", ["byte", "cut", "gone"])
def test_damage_is_found_and_told(town: OldTown, damage: str) -> None:
    """By `sluza check`, by `sluza archive check`, and by the nightly look, whose finding is an alarm at once."""
    town.sale("A/1")
    town.archive()
    path = town.volume()
    raw = bytearray(path.read_bytes())
    path.unlink()
    if damage != "gone":
        raw[raw.index(bodies.pack(b"<Faktura>A/1</Faktura>")) + 5] ^= 0x40
        path.write_bytes(raw if damage == "byte" else raw[:-100])
    assert ("I8", "volume:2025-1") in findings(town)
    told = town.sluza("archive", "check", "--json")
    assert told.exit_code == 1
    assert json.loads(told.output.splitlines()[0])["damaged"].keys() == {"2025-1"}
    done = town.archive(at=NOW + timedelta(days=8))
    assert done.damaged.keys() == {"2025-1"}
    (finding,) = saved.archives(town.read(lambda store: store.condition("", ARCHIVE)))
    assert (finding.level, finding.code) == (Level.ALARM, "archive_damaged:2025-1")
    assert "2025-1" in finding.sentence


def test_a_body_missing_from_its_volume_is_found(town: OldTown) -> None:
    """Also where the file is as it was sealed, and the spool points to what was never in it."""
    town.sale("A/1")
    town.archive()
    young = town.sale("B/1", NOW)
    town.write(lambda store: store._db.execute("UPDATE body SET volume = '2025-1' WHERE sha256 = ?", (young.sha256,)))
    assert findings(town) == [("I1", young.id)]


def test_a_damaged_body_is_not_sealed(town: OldTown) -> None:
    """It stays where it can be looked at; its neighbours go."""
    bad, good = town.sale("BAD"), town.sale("GOOD")
    town.write(lambda store: store._db.execute("UPDATE body SET packed = x'00' WHERE sha256 = ?", (bad.sha256,)))
    town.archive()
    assert bad.sha256 not in town.away()
    assert {good.sha256, good.upo_sha256, bad.upo_sha256} == set(town.away())


def test_a_full_year_is_several_volumes(town: OldTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run makes as many as it needs."""
    monkeypatch.setattr("spool.volumes.seal.MOST", 4)
    sales = [town.sale(f"A/{n}") for n in range(5)]
    assert [(v.name, v.bodies) for v in town.archive().volumes] == [("2025-1", 4), ("2025-2", 4), ("2025-3", 2)]
    assert all(town.body(s.sha256) for s in sales)
    assert findings(town) == []


def test_a_worker_that_dies_is_told_and_another_run_waits_its_turn(town: OldTown) -> None:
    """The condition says why; two runs at once are refused."""
    town.sale("A/1")
    assert isinstance(town.archive(Dying()), Failed)
    (finding,) = saved.archives(town.read(lambda store: store.condition("", ARCHIVE)))
    assert (finding.level, finding.code) == (Level.LOOK, "archive")
    with alone(town.state / "archive", "zajęte"), pytest.raises(AlreadyRunning):
        town.archive()
    assert town.away() == {}


def test_without_room_nothing_begins(town: OldTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is a sentence, and every body is where it was."""
    town.sale("A/1")
    monkeypatch.setattr("spool.volumes.seal._MARGIN", 1 << 60)
    done = town.archive()
    assert isinstance(done, Failed)
    assert done.code == "disk_full"
    assert list((town.state / "archive").iterdir()) == []


def test_a_backup_copies_each_volume_once(town: OldTown) -> None:
    """Every backup names it with its hash; what the target has is not written again, what it lost is."""
    town.sale("A/1")
    town.archive()
    first = town.make()
    (copy,) = (town.copies / "archive").glob("*.db")
    at = copy.stat().st_mtime_ns
    second = town.make(at=NOW + timedelta(days=1))
    assert [(v.name, v.sha256) for v in second.manifest.volumes] == [("2025-1", files.digest(town.volume()))]
    assert (first.copied, second.copied, copy.stat().st_mtime_ns) == (("2025-1",), (), at)
    copy.unlink()
    assert town.make(at=NOW + timedelta(days=2)).copied == ("2025-1",)
    assert json.loads((town.copies / f"{second.path.name}.json").read_bytes())["volumes"][0]["name"] == "2025-1"


def test_a_backup_is_made_without_a_volume_that_is_damaged(town: OldTown) -> None:
    """The spool is worth more than the volume; the warning names it."""
    town.sale("A/1")
    town.archive()
    town.volume().unlink()
    made = town.make()
    assert "2025-1" in made.warning
    assert made.path.exists()


@pytest.mark.parametrize("sealed", [False, True])
def test_restore_brings_the_volumes_along(town: OldTown, tmp_path: Path, sealed: bool) -> None:
    """On another machine every body is readable again; another recipient gets copies of his own."""
    secret = pyrage.x25519.Identity.generate()
    key = tmp_path / "key.txt"
    key.write_text(f"{secret}\n", encoding="utf-8")
    sold = town.sale("A/1")
    town.archive()
    made = town.make(recipient=str(secret.to_public()) if sealed else "")
    (copy,) = [p for p in (town.copies / "archive").iterdir() if p.suffix != ".json"]
    assert (copy.suffix == ".age", b"SQLite format" in copy.read_bytes()) == (sealed, not sealed)
    other = tmp_path / "other"
    done = restore(made.path, other, key if sealed else None, NOW)
    assert done.missing == ()
    assert town.body(sold.sha256, other) == b"<Faktura>A/1</Faktura>"
    if sealed:
        again = str(pyrage.x25519.Identity.generate().to_public())
        assert town.make(recipient=again, at=NOW + timedelta(days=1)).copied == ("2025-1",)


@pytest.mark.parametrize("damage", ["gone", "byte"])
def test_restore_says_which_volumes_are_missing(town: OldTown, tmp_path: Path, damage: str) -> None:
    """The spool comes back all the same; `--check` says it beforehand."""
    sold, young = town.sale("A/1"), town.sale("B/1", NOW)
    town.archive()
    made = town.make()
    (copy,) = (town.copies / "archive").glob("*.db")
    raw = bytearray(copy.read_bytes())
    copy.unlink()
    if damage == "byte":
        raw[-10] ^= 1
        copy.write_bytes(raw)
    assert len(restore(made.path, tmp_path / "other", None, NOW, only_check=True).missing) == 1
    done = restore(made.path, tmp_path / "other", None, NOW)
    assert [text.partition(":")[0] for text in done.missing] == ["2025-1"]
    assert town.body(young.sha256, tmp_path / "other") == b"<Faktura>B/1</Faktura>"
    with pytest.raises(BodyDamaged):
        town.body(sold.sha256, tmp_path / "other")


def test_restore_leaves_sound_volumes_and_sets_a_damaged_one_aside(town: OldTown) -> None:
    """What the directory has of a later time stays; a file that is not what it should be is kept under another name."""
    sold = town.sale("A/1")
    town.archive()
    made = town.make()
    town.sale("B/1", datetime(2024, 5, 5, tzinfo=UTC))
    town.archive()
    town.volume().chmod(0o600)
    town.volume().write_bytes(b"damaged")
    assert restore(made.path, town.state, None, NOW).missing == ()
    names = sorted(p.name for p in (town.state / "archive").iterdir())
    assert names == ["2024-1.db", "2025-1.db", "2025-1.db.damaged"]
    assert town.body(sold.sha256) == b"<Faktura>A/1</Faktura>"
    assert town.damaged() == {}


def test_what_bodies_left_behind_is_used_again_and_not_copied(town: OldTown) -> None:
    """Bodies that shared their pages leave free pages: later ones take them, and no backup carries them."""
    for year in (2023, 2024):
        at = datetime(year, 3, 3, tzinfo=UTC)
        for n in range(30):
            town.purchase(f"{year}/{n}", at, filling=os.urandom(2000).hex())
    before, file = town.make().manifest.size, (town.state / FILE).stat().st_size
    assert town.archive().moved == 60
    assert before - town.make(at=NOW + timedelta(days=1)).manifest.size > 60 * 2000
    for n in range(40):
        town.purchase(f"new/{n}", NOW, filling=os.urandom(2000).hex())
    assert (town.state / FILE).stat().st_size <= file + 40 * 500
    assert findings(town) == []


async def test_the_gateway_looks_at_night_and_seals_once_a_month(town: OldTown) -> None:
    """What is old goes by itself; damage is told on the next night."""
    town.sale("A/1")
    now = [datetime(2026, 11, 26, 2, 5, tzinfo=UTC)]
    spool = Spool(town.state / FILE)
    archives = Archives(spool, InPlace(), Archive(), lambda: now[0])  # type: ignore[arg-type]

    async def sealed() -> list[str]:
        await archives.step()
        return [v.name for v in await spool.read(lambda store: store.volumes())]

    try:
        assert await sealed() == ["2025-1"]
        await asyncio.to_thread(town.sale, "A/2")
        now[0] += timedelta(days=1)
        town.volume().unlink()
        assert await sealed() == ["2025-1"]
        said = await spool.read(lambda store: store.condition("", ARCHIVE))
        assert [f.code for f in saved.archives(said)] == ["archive_damaged:2025-1"]
        now[0] += timedelta(days=5)
        assert await sealed() == ["2025-1", "2025-2"]
    finally:
        spool.close()


def test_the_command_runs_lists_and_checks(town: OldTown) -> None:
    """As a person uses it, with its words in Polish and its JSON."""
    town.sale("A/1")
    ran = town.sluza("archive", "run", "--json")
    assert (ran.exit_code, json.loads(ran.output)["moved"]) == (0, 2)
    listed = json.loads(town.sluza("archive", "list", "--json").output)
    assert [v["name"] for v in listed["volumes"]] == ["2025-1"]
    assert "2025-1" in town.sluza("archive", "list").output
    assert town.sluza("archive", "check").exit_code == 0
    assert "Nic nie jest dość stare" in town.sluza("archive", "run").output
    assert json.loads(town.sluza("backup", "--json").output)["archives_copied"] == ["2025-1"]
    town.volume().unlink()
    assert town.sluza("archive", "check").exit_code == 1
    fetched = town.sluza("archive", "fetch", "--json")
    assert (fetched.exit_code, json.loads(fetched.output)["fetched"]) == (0, 1)
    assert town.sluza("archive", "check").exit_code == 0
    assert [one["name"] for one in json.loads(town.sluza("backup", "--json").output)["archives"]] == ["2025-1"]
