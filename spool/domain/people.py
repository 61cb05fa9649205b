"""People of the units and what they were given: the rows of the registers that municipal orders prescribe (JST §6).

A person is nobody's login: accounts are a matter of their own and may point to a person.
"""

from datetime import date
from typing import NamedTuple


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
