"""A letter as a value: what people and programs are told beside the ladder of deadlines, and on which ways it goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAIL, WEBHOOK = "mail", "webhook"
"""The ways of a letter."""
TROUBLE, SUMMARY, DEADLINE, TRIAL, STOPPED = "trouble", "summary", "deadline", "trial", "stopped"
"""The kinds of a letter. A trial is never kept; nor that a program has stopped: who would keep it may be that one."""
Way = tuple[str, str]
"""One of the ways, and an address there; of a webhook its host."""


@dataclass(frozen=True)
class NewLetter:
    """What is told; `key` is what it may be told once under. `data` says the same to programs."""

    key: str
    kind: str
    subject: str
    text: str
    data: Mapping[str, Any]
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Letter:
    """A letter as the spool has it, without its text."""

    id: int
    kind: str
    subject: str
    at: datetime


@dataclass(frozen=True)
class Day:
    """What happened in [since, until): counts of outgoing documents and purchases; `trained` are those of a training,
    which no other number has."""

    since: datetime
    until: datetime
    taken_in: int
    numbered: int
    numbered_late: int
    refused: int
    received: int
    trained: int


def alarm_key(alarm: int) -> str:
    """The key under which an alarm about a deadline goes to the webhook."""
    return f"alarm:{alarm}"
