"""One thing that is not as it should be: what every look at the spool says, and what people are told of. Pure."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the worst finding colours the page."""

    FINE = 0
    LOOK = 1
    ALARM = 2


@dataclass(frozen=True)
class Finding:
    """One thing worth a sentence.

    `code` names it as long as it lasts, whatever its sentence counts: a kind, and after a colon what it is about.
    `kept` is that part of the sentence which quotes what somebody left in Polish, whatever the page speaks.
    `grade` rises when the same thing becomes more pressing (a certificate that ends in 60, 30, 7 days).
    """

    level: Level
    sentence: str
    code: str
    grade: int = 0
    kept: str = ""

    @property
    def kind(self) -> str:
        """The first word of the code."""
        return self.code.partition(":")[0]
