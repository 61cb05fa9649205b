"""People and their internal ids: whose an IDWew is, and that nothing of the register is lost or changed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pysqlite3
import pytest

from spool.access import FILE, Spool
from spool.domain.errors import RegisterRefused
from spool.domain.identifiers import internal_id, internal_id_is_valid
from spool.domain.people import InternalId
from spool.store import Owner, Store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
IDWEW = "5080014460-00011"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def give(store: Store, unit: str = "sp1", person: str = "Anna Nowak", section: str = "") -> InternalId:
    """IDWEW to a person, or to a section where one is named."""
    who = store.person(unit, person, "", NOW, "jan") if not section else None
    name = "" if section else person
    return store.give_idwew(InternalId(IDWEW, unit, name, section, DAY, "Skarbnik"), who, NOW, "jan")


def test_rule_U7_an_idwew_has_one_owner(spool: Spool) -> None:
    """Whose it is: the unit and the person; a second owner is refused, and nothing of that attempt remains."""
    assert spool.read_now(lambda s: s.idwew_owner(IDWEW)) is None
    spool.write_now(give)
    assert spool.read_now(lambda s: s.idwew_owner(IDWEW)) == Owner("sp1", "Anna Nowak")
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: give(s, person="Jan Kot"))
    assert [p.name for p in spool.read_now(lambda s: s.people())] == ["Anna Nowak"]


def test_rule_U7_a_section_has_an_idwew_without_a_person(spool: Spool) -> None:
    """The unit is known, the person is empty."""
    spool.write_now(lambda s: give(s, section="Świetlica"))
    assert spool.read_now(lambda s: s.idwew_owner(IDWEW)) == Owner("sp1", "")


def test_a_withdrawn_idwew_is_nobodys_and_never_another_units(spool: Spool) -> None:
    """After the withdrawal nothing is routed by it; the same unit may give it again, another one never."""
    spool.write_now(give)
    spool.write_now(lambda s: s.withdraw_idwew(IDWEW, DAY, "Skarbnik", NOW, "jan"))
    assert spool.read_now(lambda s: s.idwew_owner(IDWEW)) is None
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: give(s, unit="ops"))
    spool.write_now(lambda s: give(s, person="Jan Kot"))
    assert spool.read_now(lambda s: s.idwew_owner(IDWEW)) == Owner("sp1", "Jan Kot")
    assert [r.person for r in spool.read_now(lambda s: s.internal_ids())] == ["Anna Nowak", "Jan Kot"]


def test_a_withdrawal_before_the_day_it_was_given_is_refused(spool: Spool) -> None:
    """And so is one of an IDWew that nobody has."""
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: s.withdraw_idwew(IDWEW, DAY, "Skarbnik", NOW, "jan"))
    spool.write_now(give)
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: s.withdraw_idwew(IDWEW, date(2026, 11, 19), "Skarbnik", NOW, "jan"))


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM internal_id",
        "DELETE FROM person",
        "UPDATE internal_id SET unit = 'ops'",
        "UPDATE internal_id SET person = NULL, section = 'x'",
        "UPDATE internal_id SET given_on = '2020-01-01'",
    ],
)
def test_the_register_is_only_added_to(spool: Spool, sql: str) -> None:
    """The database itself refuses to change or remove an entry."""
    spool.write_now(give)
    connection = pysqlite3.connect(spool.path)
    with pytest.raises(pysqlite3.DatabaseError):
        connection.execute(sql)
    connection.close()


def test_every_entry_has_its_event(spool: Spool) -> None:
    """Who gave and who withdrew is in the history, under the IDWew."""
    spool.write_now(give)
    spool.write_now(lambda s: s.withdraw_idwew(IDWEW, DAY, "Skarbnik", NOW, "ewa"))
    history = spool.read_now(lambda s: s.history(f"idwew:{IDWEW}"))
    assert [(e.move, e.actor) for e in history] == [("idwew_given", "jan"), ("idwew_withdrawn", "ewa")]


def test_rule_U7_the_check_digit_of_the_worked_example() -> None:
    """6824515772-1234 has the check digit 3, and what is made is always valid."""
    assert internal_id("6824515772", "1234") == "6824515772-12343"
    assert all(internal_id_is_valid(internal_id("5080014460", f"{n:04}")) for n in range(0, 10_000, 7))
