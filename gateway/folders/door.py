"""The way in for a dropped file, as a folder sees it: the front door of this gateway, or the line to a distant one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from spool.domain.errors import Problem
from spool.domain.municipality import Unit
from spool.domain.states import State

Kind = Literal["new", "same", "refused", "incomplete"]
"""As `gateway.admission.Verdict.kind`."""


@dataclass(frozen=True)
class Answer:
    """What became of one document; `id` is empty where nothing is kept behind the door, `name` the unit's label."""

    kind: Kind
    problems: tuple[Problem, ...] = ()
    id: str = ""
    number: str = ""
    state: State | None = None
    name: str = ""


class DoorClosedError(Exception):
    """Nobody is behind the door now. The file stays where it is; `after_s` seconds later it is worth another look."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s


class Door(Protocol):
    """Takes bytes in; returns after they are durable behind it."""

    async def accept(self, unit: Unit, raw: bytes, label: str, *, offline24: bool, may_wait: bool) -> Sequence[Answer]:
        """An answer per document. Raises DoorClosedError, or whatever else means: the same file again, later."""
