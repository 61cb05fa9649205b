"""People of the units and what they were given: the rows of the registers that municipal orders prescribe (JST §6).

A person is nobody's login: accounts are a matter of their own and may point to a person.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from spool.domain.calendar import WARSAW
from spool.domain.registers import Row


class Person(NamedTuple):
    """Somebody who works for a unit; `post` tells two people of one name apart, and may be empty."""

    id: int
    unit: str
    name: str
    post: str = ""


class InternalId(NamedTuple):
    """An IDWew (`NIP-ddddc`) given to a person, or to a section of a unit; exactly one of the two names is set."""

    idwew: str
    unit: str
    person: str
    section: str
    given_on: date
    given_by: str
    withdrawn_on: date | None = None
    withdrawn_by: str = ""
    id: int = 0

    @property
    def holder(self) -> str:
        """Whose it is, in words."""
        return self.person or self.section


class Statement(NamedTuple):
    """A signed confidentiality statement; no access before it (JST rule U8)."""

    id: int
    person: Person
    signed_on: date
    kept_at: str
    taken_by: str
    withdrawn_on: date | None
    withdrawn_by: str


class Permission(NamedTuple):
    """What a person may do, in KSeF or here; grants in KSeF have no end date, so `until` is ours to watch (U5)."""

    id: int
    person: Person
    scope: str
    granted_on: date
    granted_by: str
    until: date | None
    withdrawn_on: date | None
    withdrawn_by: str

    def overdue(self, today: date) -> bool:
        """True when it should have been withdrawn, and was not."""
        return self.withdrawn_on is None and self.until is not None and self.until < today


class Incident(NamedTuple):
    """One entry of the incident register; `unit` is empty where it concerns all."""

    id: int
    reported_on: datetime
    happened_on: datetime
    description: str
    reporter: str
    unit: str


Names = Mapping[str, str]
"""Names of the units by id."""


def user_row(one: Permission, names: Names, today: date) -> Row:
    """A row of the register of users and permissions (R67)."""
    look = f"Upłynął termin {one.until:%d.%m.%Y}: proszę odebrać uprawnienie." if one.overdue(today) else ""
    who = one.person
    return (
        one.id, who.name, who.post, _unit(who.unit, names), one.scope, one.granted_on, one.granted_by, one.until,
        one.withdrawn_on, one.withdrawn_by, look,
    )  # fmt: skip


def idwew_row(one: InternalId, names: Names) -> Row:
    """A row of the IDWew register (R68)."""
    return (
        one.idwew, _unit(one.unit, names), one.person, one.section, one.given_on, one.given_by, one.withdrawn_on,
        one.withdrawn_by,
    )  # fmt: skip


def incident_row(one: Incident, names: Names) -> Row:
    """A row of the incident register (R70)."""
    reported, happened = (at.astimezone(WARSAW).replace(tzinfo=None) for at in (one.reported_on, one.happened_on))
    return one.id, reported, happened, one.description, one.reporter, _unit(one.unit, names)


def statement_row(one: Statement, names: Names) -> Row:
    """A row of the register of confidentiality statements (R64)."""
    who = one.person
    return (
        one.id, who.name, who.post, _unit(who.unit, names), one.signed_on, one.kept_at, one.taken_by,
        one.withdrawn_on, one.withdrawn_by,
    )  # fmt: skip


def _unit(unit: str, names: Names) -> str:
    return names.get(unit, unit)
