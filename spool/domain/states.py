"""The states of an outgoing document and the one table of moves between them (DESIGN 4.6).

Nothing else decides a move: `spool.store` reads this table, `docs/states.md` is printed from it.
"""

from enum import StrEnum
from itertools import pairwise


class State(StrEnum):
    """Where a document is; the Polish labels are in `LABELS`."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SUBMITTED = "SUBMITTED"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    DELIVERED = "DELIVERED"
    WAITING = "WAITING"
    HELD = "HELD"
    REFUSED = "REFUSED"
    CONFLICT = "CONFLICT"
    WITHDRAWN = "WITHDRAWN"
    CEASED = "CEASED"
    QUARANTINED = "QUARANTINED"


S = State

LIVE = frozenset({S.QUEUED, S.WAITING, S.SENDING, S.UNKNOWN, S.SUBMITTED, S.ACCEPTED, S.HELD, S.CONFLICT})
TERMINAL = frozenset(S) - LIVE
NUMBERED = frozenset({S.ACCEPTED, S.DELIVERED})
HOLDS_NUMBER = LIVE | NUMBERED
"""States in which the business number and the bytes are taken; in the others they are free again."""

_ENDS_BEFORE_SENDING = {S.WITHDRAWN, S.CEASED, S.QUARANTINED, S.REFUSED}

MOVES: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.SENDING, S.WAITING, S.HELD} | _ENDS_BEFORE_SENDING),
    S.WAITING: frozenset({S.QUEUED, S.HELD} | _ENDS_BEFORE_SENDING),
    S.HELD: frozenset({S.QUEUED, S.WAITING} | _ENDS_BEFORE_SENDING),
    # Back to QUEUED or WAITING from SENDING only when the call provably did not reach KSeF's register.
    S.SENDING: frozenset({S.SUBMITTED, S.UNKNOWN, S.QUEUED, S.WAITING, S.HELD, S.REFUSED}),
    S.SUBMITTED: frozenset({S.ACCEPTED, S.REFUSED, S.UNKNOWN, S.QUEUED, S.HELD, S.CONFLICT}),
    # An attempt without a verdict never ends as withdrawn, ceased or quarantined (DESIGN 4.6).
    S.UNKNOWN: frozenset({S.SUBMITTED, S.ACCEPTED, S.REFUSED, S.QUEUED, S.HELD, S.CONFLICT}),
    # Back to UNKNOWN: a person has KSeF read once more.
    S.CONFLICT: frozenset({S.ACCEPTED, S.REFUSED, S.QUEUED, S.UNKNOWN}),
    S.ACCEPTED: frozenset({S.DELIVERED}),
    S.DELIVERED: frozenset(),
    S.REFUSED: frozenset({S.QUEUED}),
    S.WITHDRAWN: frozenset({S.QUEUED}),
    S.QUARANTINED: frozenset({S.QUEUED}),
    S.CEASED: frozenset({S.QUEUED}),
}

FIRST = frozenset({S.QUEUED, S.WAITING, S.REFUSED})
"""States in which a document may enter the spool."""

LABELS: dict[State, str] = {
    S.QUEUED: "w kolejce",
    S.SENDING: "wysyłana",
    S.SUBMITTED: "w KSeF, czeka na wynik",
    S.UNKNOWN: "wynik nieznany – sprawdzamy w KSeF",
    S.ACCEPTED: "przyjęta, ma numer KSeF",
    S.DELIVERED: "zakończona, UPO w folderze",
    S.WAITING: "czeka",
    S.HELD: "wstrzymana",
    S.REFUSED: "odrzucona",
    S.CONFLICT: "konflikt – potrzebna decyzja",
    S.WITHDRAWN: "wycofana",
    S.CEASED: "obowiązek wygasł",
    S.QUARANTINED: "kwarantanna",
}


def sources(target: State) -> frozenset[State]:
    """The states that may be left for `target`."""
    return frozenset(s for s, targets in MOVES.items() if target in targets)


def is_path(states: list[State]) -> bool:
    """True when these states, in order, could be one document's history (invariant I5)."""
    if not states or states[0] not in FIRST:
        return False
    return all(after in MOVES[before] for before, after in pairwise(states))


def as_markdown() -> str:
    """The table of `docs/states.md`."""
    lines = ["| State | For people | May become | Kind |", "|---|---|---|---|"]
    for state in State:
        targets = ", ".join(s for s in State if s in MOVES[state]) or "–"
        kind = "live" if state in LIVE else "ended"
        lines.append(f"| `{state}` | {LABELS[state]} | {targets} | {kind} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
