"""Permissions, statements and incidents: added, withdrawn, never changed, each with its event (JST §6)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pysqlite3
import pytest

from gateway.http.throttle import Throttle
from gateway.registers.incidents import Incidents
from gateway.web.kept import notes
from spool import outages
from spool.access import FILE, Spool
from spool.domain.alarms import NewAlarm
from spool.domain.announcements import Category
from spool.domain.errors import RegisterRefused
from spool.domain.ladder import Step
from spool.domain.ledger import Condition
from spool.domain.people import user_row
from spool.store import Store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def grant(store: Store, until: date | None = None, on: date = DAY) -> int:
    """Anna may read."""
    return store.grant(store.person("sp1", "Anna", "", NOW, "jan"), "InvoiceRead", on, "Wójt", until, NOW, "jan")


def sign(store: Store, on: date = DAY) -> int:
    """Anna's statement."""
    return store.take_statement(store.person("sp1", "Anna", "", NOW, "jan"), on, "teczka 3", "Skarbnik", NOW, "jan")


def test_rule_U8_no_permission_before_the_statement(spool: Spool) -> None:
    """It must be signed by the day of the grant; what was refused leaves no person behind."""
    with pytest.raises(RegisterRefused) as refused:
        spool.write_now(grant)
    assert "statements add" in refused.value.hint
    assert spool.read_now(lambda s: s.people()) == []
    spool.write_now(sign)
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: grant(s, on=date(2026, 11, 19)))
    spool.write_now(grant)


def test_rule_U8_the_last_statement_outlives_the_permissions(spool: Spool) -> None:
    """It cannot be withdrawn while somebody works under it; a second one frees the first."""
    spool.write_now(sign)
    spool.write_now(grant)
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: s.withdraw_statement(1, DAY, "Skarbnik", NOW, "jan"))
    spool.write_now(sign)
    spool.write_now(lambda s: s.withdraw_statement(1, DAY, "Skarbnik", NOW, "jan"))
    spool.write_now(lambda s: s.withdraw_permission(1, DAY, "Wójt", NOW, "jan"))
    spool.write_now(lambda s: s.withdraw_statement(2, DAY, "Skarbnik", NOW, "jan"))
    assert [s.withdrawn_on for s in spool.read_now(lambda s: s.statements())] == [DAY, DAY]


def test_rule_U5_a_permission_past_its_end_is_told_until_it_is_withdrawn(spool: Spool) -> None:
    """On its last day it still holds; the day after, register and status say so."""
    spool.write_now(sign)
    number = spool.write_now(lambda s: grant(s, until=DAY))
    after = DAY + timedelta(1)
    assert spool.read_now(lambda s: s.permissions_over(DAY)) == 0
    assert spool.read_now(lambda s: s.permissions_over(after)) == 1
    (one,) = spool.read_now(lambda s: s.permissions())
    assert user_row(one, {"sp1": "Szkoła"}, DAY)[-1] == ""
    assert "20.11.2026" in str(user_row(one, {"sp1": "Szkoła"}, after)[-1])
    spool.write_now(lambda s: s.withdraw_permission(number, after, "Wójt", NOW, "jan"))
    assert spool.read_now(lambda s: s.permissions_over(after)) == 0


def test_an_end_before_the_start_is_refused(spool: Spool) -> None:
    """And so is a second withdrawal, one before the grant, and one of nothing."""
    spool.write_now(sign)
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: grant(s, until=DAY - timedelta(1)))
    number = spool.write_now(grant)
    for bad, on in ((number, DAY - timedelta(1)), (99, DAY)):
        with pytest.raises(RegisterRefused):
            spool.write_now(lambda s, bad=bad, on=on: s.withdraw_permission(bad, on, "Wójt", NOW, "jan"))  # type: ignore[misc]
    spool.write_now(lambda s: s.withdraw_permission(number, DAY, "Wójt", NOW, "jan"))
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: s.withdraw_permission(number, DAY, "Wójt", NOW, "jan"))
    with pytest.raises(RegisterRefused):
        spool.write_now(lambda s: s.withdraw_statement(99, DAY, "Wójt", NOW, "jan"))


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM permission", "UPDATE permission SET scope = 'all'", "DELETE FROM statement",
        "UPDATE statement SET signed_on = '2020-01-01'", "DELETE FROM incident", "UPDATE incident SET description = ''",
    ],
)  # fmt: skip
def test_the_registers_are_only_added_to(spool: Spool, sql: str) -> None:
    """The database itself refuses to change or remove an entry."""
    spool.write_now(sign)
    spool.write_now(grant)
    spool.write_now(lambda s: s.add_incident(NOW, "Zgubiony laptop", "Anna", "", NOW, "jan"))
    connection = pysqlite3.connect(spool.path)
    with pytest.raises(pysqlite3.DatabaseError):
        connection.execute(sql)
    connection.close()


def test_every_entry_has_its_event(spool: Spool) -> None:
    """Under the person, in order, with who entered it."""
    spool.write_now(sign)
    spool.write_now(grant)
    spool.write_now(lambda s: s.withdraw_permission(1, DAY, "Wójt", NOW, "ewa"))
    history = spool.read_now(lambda s: s.history("person:1"))
    assert [e.move for e in history] == ["person_added", "statement", "permission", "permission_withdrawn"]
    assert history[-1].actor == "ewa"


async def test_rule_U9_the_program_enters_incidents_once(spool: Spool) -> None:
    """A failure of KSeF, a date that passed, an address that guesses; not a maintenance window."""
    brake = Throttle(allowed=2)
    spool.write_now(lambda s: _announce(s, Category.FAILURE))
    spool.write_now(lambda s: _announce(s, Category.MAINTENANCE))
    alarm = NewAlarm("sp1", Step.MORNING, NOW, ("d",), "Dziś mija termin.", "…")
    spool.write_now(lambda s: s.raise_alarm(alarm, NOW))
    passed = {"unit": "sp1", "due": "2026-11-20T08:00:00.000000Z", "step": "due", "part": 0, "documents": "[]"}
    told = {"sentence": "Termin minął.", "text": "…", "at": NOW.isoformat()}
    spool.write_now(lambda s: s._insert("alarm", **passed, **told))
    for _ in range(5):
        brake.failed("10.0.0.7 anna")
    entering = Incidents(spool, (brake,), lambda: NOW)
    await entering.look()
    await entering.look()
    found = spool.read_now(lambda s: s.incidents())
    assert [(i.unit, i.description.split(".")[0]) for i in found] == [
        ("", "Awaria KSeF"), ("sp1", "Termin minął"), ("", "Powtarzane złe tokeny albo hasła (adres 10"),
    ]  # fmt: skip
    assert found[1].happened_on == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    assert brake.braked == ()


def test_an_attacker_cannot_fill_the_incident_register(spool: Spool) -> None:
    """A day has room for twenty addresses, the next day again."""
    for now in (NOW, NOW, NOW + timedelta(1)):
        spool.write_now(lambda s, now=now: s.note_wrong_tokens([f"10.0.0.{n}" for n in range(60)], now))  # type: ignore[misc]
    assert len(spool.read_now(lambda s: s.incidents())) == 40
    brake = Throttle(allowed=1)
    for n in range(100):
        brake.failed(f"10.0.0.{n}")
        brake.failed(f"10.0.0.{n}")
    assert len(brake.braked) == 20


def test_what_a_calendar_brings_is_said() -> None:
    """Permissions that are over, and the year that KSeF lets go of; else nothing."""
    assert notes(0, None) == []
    gone = Condition("", "ksef_lets_go", {"year": 2026, "issued": 5, "received": 7}, NOW)
    over, year = notes(2, gone)
    assert "2 uprawnienia" in over[1]
    assert "z 2026 r. (wystawione: 5, otrzymane: 7)" in year[1]


def _announce(store: Store, category: Category) -> None:
    outages.add(store, "prod", category, NOW - timedelta(hours=2), NOW, name="Anna", link="https://bip", title="T")
