"""The four things the world can answer when we ask KSeF for something. The raiser classifies, the queue only reads.

A call that went well returns its own value; everything else is one of these, so that no `except` guesses.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spool.domain.errors import Problem


class Scope(StrEnum):
    """What a `Later` is about: only this document, the interactive session, or the whole KSeF context."""

    DOCUMENT = "document"
    SESSION = "session"
    CONTEXT = "context"


@dataclass(frozen=True)
class Accepted:
    """KSeF registered these bytes: number and the moments it gave (all with an offset)."""

    ksef_number: str
    acquisition_date: datetime
    invoicing_date: datetime | None = None
    permanent_storage_date: datetime | None = None


@dataclass(frozen=True)
class Refused:
    """The content is wrong: back to the unit, the number is free again."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Later:
    """Provably nothing happened at KSeF; try again.

    `after_s` seconds from now at the earliest (None: our own back-off). `scope` says what has to wait. `person`
    is True when waiting alone will not help: the context is paused, the document held, never refused.
    `new_session` / `new_login` / `new_keys` say what to renew before the next try.
    """

    reason: str
    after_s: float | None = None
    scope: Scope = Scope.DOCUMENT
    person: bool = False
    new_session: bool = False
    new_login: bool = False
    new_keys: bool = False


@dataclass(frozen=True)
class Unknown:
    """The answer was lost or not understood: read KSeF before anything is sent again.

    `original_ksef_number` and `original_session` are set when KSeF said "duplicate" (440).
    """

    reason: str
    after_s: float | None = None
    duplicate: bool = False
    original_ksef_number: str = ""
    original_session: str = ""


Outcome = Accepted | Refused | Later | Unknown
