"""The spool marks the registers that a commit changes, and forgets no mark (decision 0029)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.document import Facts
from spool.domain.ledger import NewReceived
from spool.store import Store
from spool.store.registers import Stale
from tests.documents import new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def marks(spool: Spool) -> set[tuple[str, str, str]]:
    """What is marked now; the marks are taken away."""
    found = spool.read_now(lambda s: s.stale_registers())
    for mark in found:
        spool.write_now(lambda s, mark=mark: s.register_written(mark))  # type: ignore[misc]
    return {mark[:3] for mark in found}


def buy(store: Store, at: datetime, unit: str | None = "sp1") -> bool:
    """A purchase with a number of that moment."""
    raw = b"<a/>"
    facts = Facts(issue_date=date(2026, 1, 1))
    bought = NewReceived("N", "gmina", sha256_hex(raw), facts, {}, at, at, unit, "r", "w")
    return store.add_received(bought, raw, NOW)


def test_a_document_marks_its_units_register_and_the_municipalitys(spool: Spool) -> None:
    """When it comes, and whenever something changes that they show; a retry time changes nothing."""
    both = {("issued", "sp1", "2026-11"), ("issued", "*", "2026-11")}
    document = spool.write_now(lambda s: s.add(new(b"<a/>", NOW), b"<a/>", "a", NOW))
    assert marks(spool) == both
    spool.write_now(lambda s: s.postpone(document.id, NOW))
    spool.write_now(lambda s: s.mark_shown(document))
    assert marks(spool) == set()
    spool.write_now(lambda s: s.touch(document.id, NOW, upo_sha256=s.put_body(b"upo")))
    assert marks(spool) == both


def test_a_document_that_moves_to_another_month_or_unit_marks_both(spool: Spool) -> None:
    """The register that it left, and the one that it came to."""
    document = spool.write_now(lambda s: s.add(new(b"<a/>", NOW), b"<a/>", "a", NOW))
    marks(spool)
    spool.write_now(lambda s: s.touch(document.id, NOW, issue_date="2026-10-31", unit="ops"))
    assert marks(spool) == {
        ("issued", "sp1", "2026-11"), ("issued", "*", "2026-11"),
        ("issued", "ops", "2026-10"), ("issued", "*", "2026-10"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at", "months"),
    [
        (datetime(2026, 11, 30, 21, 59, tzinfo=UTC), {"2026-11"}),
        (datetime(2026, 11, 30, 22, 30, tzinfo=UTC), {"2026-11", "2026-12"}),
        (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), {"2026-11", "2026-12"}),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), {"2026-12", "2027-01"}),
        (datetime(2026, 7, 31, 22, 30, tzinfo=UTC), {"2026-07", "2026-08"}),
    ],
)
def test_a_purchase_near_midnight_marks_every_month_that_it_may_be_in(
    spool: Spool, at: datetime, months: set[str]
) -> None:
    """The month in Warsaw is always among them, in summer and in winter."""
    spool.write_now(lambda s: buy(s, at))
    assert marks(spool) == {("received", unit, month) for unit in ("sp1", "*") for month in months}


def test_a_purchase_that_is_assigned_marks_where_it_was_and_where_it_is(spool: Spool) -> None:
    """From the central tray, which only the municipality's register shows, to a unit, and on to another one."""
    spool.write_now(lambda s: buy(s, NOW, None))
    assert marks(spool) == {("received", "", "2026-11"), ("received", "*", "2026-11")}
    spool.write_now(lambda s: s._db.execute("UPDATE received SET unit = 'sp1'"))
    assert marks(spool) == {("received", u, "2026-11") for u in ("", "sp1", "*")}
    spool.write_now(lambda s: s._db.execute("UPDATE received SET unit = 'ops'"))
    assert marks(spool) == {("received", u, "2026-11") for u in ("sp1", "ops", "*")}


def test_a_mark_outlives_a_writing_that_began_before_the_change(spool: Spool) -> None:
    """Only what was written as it is now loses its mark."""
    document = spool.write_now(lambda s: s.add(new(b"<a/>", NOW), b"<a/>", "a", NOW))
    begun: list[Stale] = spool.read_now(lambda s: s.stale_registers())
    spool.write_now(lambda s: s.touch(document.id, NOW, upo_sha256=s.put_body(b"upo")))
    for mark in begun:
        spool.write_now(lambda s, mark=mark: s.register_written(mark))  # type: ignore[misc]
    assert len(marks(spool)) == 2
    assert marks(spool) == set()


def test_every_register_that_has_anything_in_it_can_be_marked(spool: Spool) -> None:
    """After a change of the configuration, and after the step that brought the registers."""
    spool.write_now(lambda s: s.add(new(b"<a/>", NOW), b"<a/>", "a", NOW))
    spool.write_now(lambda s: buy(s, datetime(2026, 11, 30, 23, 30, tzinfo=UTC), None))
    before = marks(spool)
    assert marks(spool) == set()
    spool.write_now(lambda s: s.mark_all_registers())
    assert marks(spool) == before
