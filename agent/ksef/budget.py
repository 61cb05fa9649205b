"""The rate budget of one context: three sliding windows per endpoint group, and bans. Pure; `now` in seconds.

KSeF counts per (context, public IP, group) in three windows at once; a 429 stops its group only and is obeyed to
the second (protocol §16.1, §16.2; faults K04). Our windows are a little longer than KSeF's, because a request is
counted there later than it is here.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

Limits = tuple[int, int, int]

DEFAULTS: dict[str, Limits] = {
    "onlineSession": (10, 30, 120),
    "onlineSessionClose": (20, 60, 240),
    "invoiceSend": (10, 30, 180),
    "batchSession": (10, 20, 60),
    "batchSessionClose": (20, 40, 120),
    "invoiceStatus": (30, 120, 1200),
    "sessionList": (5, 10, 60),
    "sessionInvoiceList": (10, 20, 200),
    "sessionMisc": (10, 120, 1200),
    "invoiceMetadata": (8, 16, 20),
    "invoiceExport": (8, 16, 20),
    "invoiceExportStatus": (10, 60, 600),
    "invoiceDownload": (8, 16, 64),
    "other": (10, 30, 120),
    "anonymous": (60, -1, -1),
}
"""Requests per second, minute and hour; -1 is unlimited (protocol §16.1)."""

_WINDOWS = (1.1, 61.0, 3605.0)


@dataclass
class _Group:
    spent: deque[float] = field(default_factory=deque)
    banned_at: float = 0.0
    banned_for: float = 0.0


class Budget:
    """How much of each group is left. Instants are seconds of any clock that all callers share."""

    def __init__(self, limits: Mapping[str, Limits] = DEFAULTS) -> None:
        self._limits = dict(DEFAULTS) | dict(limits)
        self._groups: dict[str, _Group] = {}

    def learn(self, limits: Mapping[str, Limits]) -> None:
        """What `GET /rate-limits` says counts from now on."""
        self._limits |= limits

    def wait(self, group: str, now: float) -> float:
        """Seconds until one more call of this group may be made; 0 when at once."""
        state = self._group(group, now)
        waits = [state.banned_at + state.banned_for - now]
        for window, limit in zip(_WINDOWS, self._limits.get(group, DEFAULTS["other"]), strict=True):
            if limit == 0:
                waits.append(window)
            elif 0 < limit <= len(state.spent):
                waits.append(state.spent[-limit] + window - now)
        return max(0.0, *waits)

    def spend(self, group: str, now: float) -> None:
        """A call of this group is being made."""
        self._group(group, now).spent.append(now)

    def ban(self, group: str, seconds: float, now: float) -> None:
        """KSeF said 429: nothing of this group for so many seconds."""
        state = self._group(group, now)
        state.banned_at, state.banned_for = now, max(seconds, state.banned_at + state.banned_for - now)

    def _group(self, group: str, now: float) -> _Group:
        """The group without what is too old to count, or lies ahead because the clock was set back (faults F14)."""
        state = self._groups.setdefault(group, _Group())
        while state.spent and state.spent[0] <= now - _WINDOWS[-1]:
            state.spent.popleft()
        while state.spent and state.spent[-1] > now:
            state.spent.pop()
        state.banned_at = min(state.banned_at, now)
        return state
