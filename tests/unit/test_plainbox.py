"""The drop folder of Windows, run here: the promises of `dropbox` without descriptors and leases."""

import os
from pathlib import Path

import pytest

from gateway.folders import box, dropbox, pickup, plainbox
from gateway.folders.box import Listing
from gateway.folders.entries import HELD_PREFIX, ChangedError, OddEntryError, held_name, name_before
from gateway.folders.plainbox import Drop
from gateway.folders.settling import Writer
from gateway.remote import watch
from spool.bodies import sha256_hex
from tests.http_bench import school_invoice
from tests.remote_bench import until, world

RAW = b"<Faktura/>"


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    (tmp_path / "a.xml").write_bytes(RAW)
    return Drop.open(tmp_path)


def test_the_stored_file_goes(drop: Drop) -> None:
    """Read, stored, removed: nothing is left."""
    file = drop.open_file("a.xml")
    assert (file.read(), file.writer()) == (RAW, Writer.UNKNOWN)
    assert drop.remove(file, sha256_hex(RAW))
    assert drop.names() == []


def test_fault_D06_other_bytes_of_the_same_size_stay(drop: Drop) -> None:
    """Even when size and time agree: what is removed has the hash of what was stored."""
    file = drop.open_file("a.xml")
    (drop.path / "a.xml").write_bytes(b"<Cokolwi/>")
    os.utime(drop.path / "a.xml", ns=(file.stat.st_mtime_ns, file.stat.st_mtime_ns))
    assert not drop.remove(file, sha256_hex(RAW))
    assert drop.names() == ["a.xml"]


def test_fault_D06_a_changed_file_is_not_believed(drop: Drop) -> None:
    """It grew between the look and the reading; and another file has come under its name."""
    file = drop.open_file("a.xml")
    with (drop.path / "a.xml").open("ab") as handle:
        handle.write(b" ")
    with pytest.raises(ChangedError):
        file.read()
    assert not drop.remove(file, sha256_hex(RAW))
    assert drop.names() == ["a.xml"]


def test_fault_X09_odd_entries_are_left(tmp_path: Path) -> None:
    """Links, folders, pipes, second names."""
    (tmp_path / "plik").write_bytes(RAW)
    (tmp_path / "link.xml").symlink_to(tmp_path / "plik")
    (tmp_path / "folder.xml").mkdir()
    os.mkfifo(tmp_path / "rura.xml")
    os.link(tmp_path / "plik", tmp_path / "drugi.xml")
    drop = Drop.open(tmp_path)
    for name in ("link.xml", "folder.xml", "rura.xml", "drugi.xml"):
        with pytest.raises(OddEntryError):
            drop.open_file(name)
    with pytest.raises(OddEntryError):
        drop.child("link.xml")


def test_move_never_overwrites_and_a_held_file_gets_its_name_back(drop: Drop, tmp_path: Path) -> None:
    """What a killed process held comes back under its name; a target that is taken leaves the file where it was."""
    taken = tmp_path / "zajete"
    taken.write_bytes(b"inne")
    with pytest.raises(FileExistsError):
        drop.move(drop.open_file("a.xml"), taken)
    assert (drop.path / "a.xml").read_bytes() == RAW
    (drop.path / "a.xml").rename(drop.path / f"{HELD_PREFIX}0a0b0c0d-a.xml")
    assert drop.restore_held() == ["a.xml"]
    assert drop.move(drop.open_file("a.xml"), tmp_path / "wolne")
    assert (tmp_path / "wolne").read_bytes() == RAW


@pytest.mark.parametrize("name", ["a.xml", "f-2.xml", "x" * 229 + ".xml", "ż" * 125 + ".xml", "ż" * 251 + ".xml"])
def test_a_held_name_fits_everywhere_and_gives_an_invoice_back(name: str) -> None:
    """The name on the way out is no longer than a disk takes; what a killed process left is an `.xml` again."""
    held = held_name(name)
    assert len(held.encode()) <= 255
    assert held.startswith(HELD_PREFIX)
    assert name_before(held) == name or (len(name.encode()) > 200 and name_before(held).endswith(".xml"))


async def test_a_remote_unit_without_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole client over this folder: one invoice goes, one foreign file is put aside."""
    for module in (pickup, box, watch):
        monkeypatch.setattr(module, "Drop", Drop)
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        school.drop("a.xml", school_invoice())
        school.drop("notatka.txt", b"dzien dobry")
        await until(lambda: w.documents() and not school.lying("do-wyslania"), 20)
        assert "notatka.blad.txt" in school.lying("odrzucone")


@pytest.mark.parametrize("kind", [dropbox.Drop, plainbox.Drop])
def test_a_folder_is_worked_out_anew_only_when_other_names_lie_there(tmp_path: Path, kind: type[Drop]) -> None:
    """What has not changed costs its listing and no more; what comes and goes is seen at the next look."""
    listing, drop = Listing(), kind.open(tmp_path)
    for name in ("b.xml", "a.xml", "~a.xml.tmp"):
        (tmp_path / name).touch()
    before = listing.names(drop)
    assert before == ["a.xml", "b.xml"]
    assert listing.names(drop) is before
    (tmp_path / "a.xml").rename(tmp_path / "c.xml")
    assert listing.names(drop) == ["b.xml", "c.xml"]
    drop.close()


def test_a_held_file_is_given_back_at_every_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could not get its name back this time (a share that is read-only for a moment) gets it the next."""
    (tmp_path / f"{HELD_PREFIX}0123abcd-a.xml").touch()
    listing, drop = Listing(), dropbox.Drop.open(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(dropbox.Drop, "restore_held", lambda _: [])
        assert listing.names(drop) == []
    assert listing.names(drop) == ["a.xml"]
    drop.close()
