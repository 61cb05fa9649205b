"""An alarm as a value: what was told to whom about which documents, and how far its delivery has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from spool.domain.ladder import Candidate, Step
from spool.domain.ledger import Document
from spool.domain.letters import DEADLINE, MAIL
from spool.domain.penalties import Amounts


@dataclass(frozen=True)
class NewAlarm:
    """What is told: `documents` are all ids, `sentence` is one line, `text` the whole message; to these addresses."""

    unit: str
    step: Step
    due: datetime
    documents: tuple[str, ...]
    sentence: str
    text: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alarm:
    """An alarm as the spool has it. `over_at` is None while one of its documents is still open."""

    id: int
    unit: str
    step: Step
    due: datetime
    part: int
    documents: int
    sentence: str
    at: datetime
    over_at: datetime | None


@dataclass(frozen=True)
class Mail:
    """One alarm, or one letter about something else, on its way to one address; `alarm` 0 for the letter `letter`.

    `kind` and `data` (JSON) are what a webhook is told.
    """

    alarm: int
    address: str
    sentence: str
    text: str
    at: datetime
    tries: int
    error: str
    sent_at: datetime | None
    letter: int = 0
    way: str = MAIL
    kind: str = DEADLINE
    data: str = "{}"

    @property
    def number(self) -> str:
        """What the message is called by: it keeps its name at every try."""
        return f"letter-{self.letter}" if self.letter else str(self.alarm)


@dataclass(frozen=True)
class Passed:
    """Documents of a unit whose due moment has passed and was not told yet; `told_at` the last such alarm."""

    unit: str
    due: datetime
    told_at: datetime | None


@dataclass(frozen=True)
class Seen:
    """One look: what may have to be told, what came sooner, and open alarms that are over."""

    candidates: Sequence[Candidate]
    passed: Sequence[Passed]
    sooner: Sequence[Passed]
    last_minute_told: Mapping[tuple[str, datetime], datetime]
    over: Sequence[int]
    deadlines_move: bool


@dataclass(frozen=True)
class Subject:
    """What an alarm will be about: all ids, the most urgent few in full, states by count, amounts where asked for."""

    documents: tuple[str, ...]
    shown: tuple[Document, ...]
    states: Mapping[str, int]
    contexts: frozenset[str]
    amounts: Sequence[Amounts]
