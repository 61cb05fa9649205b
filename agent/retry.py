"""When to try again: arithmetic, not a loop with sleep. Pure; the clock and the dice are arguments.

The due date on the row outranks the back-off: near it we try more often, up to the shortest pause (faults K03).
"""

from datetime import datetime, timedelta

from spool.domain.outcomes import Accepted, Later, Outcome, Refused, Unknown

FIRST_S = 1.0
LONGEST_S = 300.0
_SHARE_OF_TIME_LEFT = 0.1


def next_attempt(outcome: Outcome, attempts: int, due: datetime | None, now: datetime, random: float) -> datetime:
    """The earliest instant of the next step for a document.

    `attempts` counts those already made; `random` in [0, 1) spreads many waiters over the upper half of the pause.
    What KSeF itself asked for (`after_s`) is never undercut.
    """
    if isinstance(outcome, Accepted | Refused):
        return now
    asked = outcome.after_s if isinstance(outcome, Later | Unknown) and outcome.after_s is not None else 0.0
    pause = backoff(attempts, random)
    if due is not None:
        left = (due - now).total_seconds()
        pause = min(pause, max(FIRST_S, left * _SHARE_OF_TIME_LEFT)) if left > 0 else min(pause, 60.0)
    return now + timedelta(seconds=max(pause, asked))


def backoff(failures: int, random: float, first: float = FIRST_S, longest: float = LONGEST_S) -> float:
    """1, 2, 4 … seconds up to the longest, each jittered down by at most half."""
    full = min(longest, first * float(2 ** min(max(failures - 1, 0), 20)))
    return full * (0.5 + 0.5 * random)


def next_look(age_s: float) -> float:
    """Seconds until the next look at a document KSeF is working on: soon while it is young, at most every 5 minutes."""
    return min(300.0, max(0.3, age_s * 0.6))
