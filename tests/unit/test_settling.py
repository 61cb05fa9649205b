"""The rules of "Taking a file" (DESIGN 4.4), as tables; no clock, no files."""

import random
from dataclasses import replace

import pytest

from gateway.folders.settling import (
    Decision,
    Followed,
    Kind,
    Look,
    Patience,
    Writer,
    decide,
    follow,
    ignored,
    judged,
    kind_of,
    next_look,
)

PATIENCE = Patience(settle=2, incomplete=60, empty=600)
NONE, SOME, UNKNOWN = Writer.NONE, Writer.SOME, Writer.UNKNOWN
BASE = Look(inode=7, size=100, ctime_ns=1, writer=NONE)


def seen(*looks: tuple[float, Look], complete: bool | None = None) -> Followed:
    """The file after these looks."""
    followed = None
    for now, look in looks:
        followed = follow(followed, look, now)
    assert followed is not None
    return followed if complete is None else judged(followed, complete)


def said(followed: Followed, now: float, kind: Kind = Kind.INVOICE) -> Decision:
    return decide(kind, followed, PATIENCE, now)


def test_a_granted_lease_is_enough() -> None:
    assert said(seen((0, BASE)), 0) is Decision.TAKE


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_decided_while_somebody_writes(kind: Kind) -> None:
    followed = seen((0, replace(BASE, writer=SOME)), (1e6, replace(BASE, writer=SOME)))
    for size in (0, 100):
        at = replace(followed, look=replace(followed.look, size=size))
        for complete in (None, False, True):
            assert said(replace(at, complete=complete), 1e9, kind) is Decision.WAIT


def test_without_leases_two_equal_looks_far_enough_apart() -> None:
    look = replace(BASE, writer=UNKNOWN, sha256="a")
    assert said(seen((0, look)), 0) is Decision.WAIT
    assert said(seen((0, look), (1.9, look)), 1.9) is Decision.WAIT
    assert said(seen((0, look), (2.0, look)), 2.0) is Decision.TAKE


@pytest.mark.parametrize("change", [{"size": 101}, {"ctime_ns": 2}, {"sha256": "b"}, {"inode": 8}])
def test_any_change_starts_the_wait_again(change: dict[str, int | str]) -> None:
    """Size, ctime, hash or inode: each alone is enough (faults D01: size and mtime prove nothing)."""
    look = replace(BASE, writer=UNKNOWN, sha256="a")
    other = replace(look, **change)  # type: ignore[arg-type]
    assert said(seen((0, look), (5, other)), 5) is Decision.WAIT
    assert said(seen((0, look), (5, other), (7, other)), 7) is Decision.TAKE


def test_a_change_makes_intakes_word_void() -> None:
    followed = seen((0, BASE), complete=False)
    assert follow(followed, replace(BASE, ctime_ns=9), 1).complete is None
    assert follow(followed, BASE, 1).complete is False


def test_incomplete_waits_and_is_refused_only_when_unchanged_long_enough() -> None:
    followed = seen((0, BASE), complete=False)
    assert said(followed, 59.9) is Decision.WAIT
    assert said(follow(followed, BASE, 60), 60) is Decision.REFUSE_INCOMPLETE
    grown = judged(follow(followed, replace(BASE, size=200), 59), complete=False)
    assert said(grown, 61) is Decision.WAIT
    assert said(grown, 119) is Decision.REFUSE_INCOMPLETE


def test_a_writer_in_between_starts_the_incomplete_time_again() -> None:
    followed = follow(seen((0, BASE), complete=False), replace(BASE, writer=SOME), 50)
    followed = judged(follow(followed, BASE, 55), complete=False)
    assert said(followed, 100) is Decision.WAIT


def test_an_empty_file_waits_for_its_minutes() -> None:
    empty = replace(BASE, size=0)
    assert said(seen((0, empty)), 599) is Decision.WAIT
    assert said(seen((0, empty)), 600) is Decision.REFUSE_EMPTY
    assert said(seen((0, empty), (300, BASE)), 300) is Decision.TAKE


def test_too_big_and_foreign_files() -> None:
    assert said(seen((0, BASE)), 1, Kind.TOO_BIG) is Decision.WAIT
    assert said(seen((0, BASE)), 2, Kind.TOO_BIG) is Decision.REFUSE_TOO_BIG
    assert said(seen((0, BASE)), 59, Kind.FOREIGN) is Decision.WAIT
    assert said(seen((0, BASE)), 60, Kind.FOREIGN) is Decision.REFUSE_FOREIGN


def test_time_that_runs_backwards_only_costs_patience() -> None:
    """A file seen at 1000 and looked at again at 10 is never refused for being 'old'."""
    followed = seen((1000, BASE), complete=False)
    followed = judged(follow(followed, BASE, 10), complete=False)
    assert said(followed, 11) is Decision.WAIT
    assert said(followed, 70) is Decision.REFUSE_INCOMPLETE


def test_the_next_look_is_never_late_and_never_a_busy_loop() -> None:
    """Whatever the history, a look at the said time either decides or asks for another one a while later."""
    chance = random.Random(4)
    for _ in range(2000):
        now, followed = 0.0, None
        for _ in range(chance.randrange(1, 5)):
            look = Look(1, chance.choice((0, 5)), chance.choice((1, 2)), chance.choice((NONE, SOME, UNKNOWN)))
            followed = follow(followed, look, now)
            now += chance.uniform(0, 70)
        assert followed is not None
        followed = replace(followed, complete=chance.choice((None, False)))
        kind = chance.choice(list(Kind))
        for _ in range(2000):
            pause = next_look(kind, followed, PATIENCE, now)
            assert pause <= PATIENCE.settle
            if pause == 0 or followed.look.writer is SOME:
                break
            now += pause
        assert followed.look.writer is SOME or decide(kind, followed, PATIENCE, now) is not Decision.WAIT


@pytest.mark.parametrize(
    "name",
    [
        "~$Faktura.xml", "faktura.xml.part", "FAKTURA.TMP", "a.crdownload", "Thumbs.db", "THUMBS.DB", "Desktop.ini",
        ".faktura.xml", ".~lock.a.xml#", "#a.xml#", "a.xml~", "a.swp", ".smbdelete0001", "plik.lnk", "~WRL0001.tmp",
        ".sluza-abc", ".sluza-odbior-00-a.xml", "4913", "a.filepart", ".DS_Store", "x.xml:Zone.Identifier",
    ],
)  # fmt: skip
def test_working_names_are_ignored(name: str) -> None:
    assert ignored(name)


@pytest.mark.parametrize("name", ["faktura.xml", "A.XML", "paczka.Zip", "tmp.xml", "~a.xml", "a.tmp.xml", "skan.pdf"])
def test_other_names_are_not(name: str) -> None:
    assert not ignored(name)


@pytest.mark.parametrize(
    ("name", "size", "kind"),
    [
        ("a.xml", 10, Kind.INVOICE), ("A.XML", 11, Kind.TOO_BIG), ("a.zip", 11, Kind.INVOICE),
        ("a.ZIP", 21, Kind.TOO_BIG),
        ("a.pdf", 1, Kind.FOREIGN), ("xml", 1, Kind.FOREIGN), ("a.xml.txt", 99, Kind.FOREIGN),
    ],
)  # fmt: skip
def test_kind_by_name_and_size(name: str, size: int, kind: Kind) -> None:
    assert kind_of(name, size, xml_limit=10, zip_limit=20) is kind
