"""The rate budget of one context: three sliding windows per endpoint group, and bans. Pure; `now` in seconds.

KSeF counts per (context, public IP, group) in three windows at once; a 429 stops its group only and is obeyed to
the second (protocol §16.1, §16.2; faults K04). Our windows are a little longer than KSeF's, because a request is
counted there later than it is here.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
_SHRINK, _LEAST_SHARE, _REGROW_S = 0.7, 0.1, 3600.0
"""What a 429 that we did not predict leaves of our share, the least it comes to, and how long it takes to come back."""


@dataclass
class _Group:
    spent: deque[float] = field(default_factory=deque)
    banned_at: float = 0.0
    banned_for: float = 0.0
    share: float = 1.0
    shrunk_at: float = 0.0


class Budget:
    """How much of each group is left. Instants are seconds of any clock that all callers share.

    One address at a time: KSeF counts by the address it sees us under, so under another one everything is new.
    """

    def __init__(self, limits: Mapping[str, Limits] = DEFAULTS) -> None:
        self._limits = dict(DEFAULTS) | dict(limits)
        self._groups: dict[str, _Group] = {}
        self._address = ""
        self.changed = False
        """Something was spent since the last `as_dict`."""
        self.banned = False
        """KSeF forbade something since the last `as_dict`."""

    def learn(self, limits: Mapping[str, Limits]) -> None:
        """What `GET /rate-limits` says counts from now on."""
        self._limits |= limits

    def seen_from(self, address: str) -> None:
        """The public address that KSeF sees (`clientIp` of the challenge). Login calls are counted by it, too."""
        if self._address and address and address != self._address:
            self._groups = {name: group for name, group in self._groups.items() if name == "anonymous"}
        self._address = address or self._address

    def wait(self, group: str, now: float, calls: int = 1) -> float:
        """Seconds until so many more calls of this group may have been made, the last of them then; 0 when at once."""
        state = self._group(group, now)
        at = max(now, state.banned_at + state.banned_for)
        if calls == 1:
            return self._next(group, state, state.spent, at) - now
        spent = deque(state.spent)
        for _ in range(calls):
            at = self._next(group, state, spent, at)
            spent.append(at)
        return at - now

    def _next(self, group: str, state: _Group, spent: deque[float], at: float) -> float:
        """The earliest instant, from `at` on, at which one more call fits into all three windows."""
        for window, limit in zip(_WINDOWS, self._limits.get(group, DEFAULTS["other"]), strict=True):
            if limit == 0:
                at += window
            elif limit > 0:
                ours = max(1, int(limit * state.share))
                if ours <= len(spent):
                    at = max(at, spent[-ours] + window)
        return at

    def spend(self, group: str, now: float) -> None:
        """A call of this group is being made."""
        self._group(group, now).spent.append(now)
        self.changed = True

    def last(self, group: str) -> float:
        """When the last call of this group was made; 0 when none was."""
        spent = self._groups[group].spent if group in self._groups else ()
        return spent[-1] if spent else 0.0

    def ban(self, group: str, seconds: float, now: float) -> None:
        """KSeF said 429 to a call that we had room for: nothing of this group for so many seconds.

        Others of the town spend from the same budget, so our share of this group shrinks and grows back in time.
        """
        state = self._group(group, now)
        state.banned_at, state.banned_for = now, max(seconds, state.banned_at + state.banned_for - now)
        state.share, state.shrunk_at = max(_LEAST_SHARE, state.share * _SHRINK), now
        self.banned = True

    def as_dict(self) -> dict[str, Any]:
        """Everything that must outlive this process, as plain JSON types."""
        self.changed = self.banned = False
        return {
            "address": self._address,
            "groups": {
                name: {
                    "spent": [round(at, 3) for at in group.spent],
                    "ban": [group.banned_at, group.banned_for],
                    "share": [group.share, group.shrunk_at],
                }
                for name, group in self._groups.items()
            },
        }

    def recall(self, kept: Mapping[str, Any]) -> None:
        """What an earlier process had spent and was forbidden, as `as_dict` gave it."""
        self._address = str(kept.get("address", ""))
        for name, said in kept.get("groups", {}).items():
            (banned_at, banned_for), (share, shrunk_at) = said["ban"], said["share"]
            self._groups[name] = _Group(deque(said["spent"]), banned_at, banned_for, share, shrunk_at)

    def _group(self, group: str, now: float) -> _Group:
        """The group without what is too old to count, or lies ahead because the clock was set back (faults F14)."""
        state = self._groups.setdefault(group, _Group())
        while state.spent and state.spent[0] <= now - _WINDOWS[-1]:
            state.spent.popleft()
        while state.spent and state.spent[-1] > now:
            state.spent.pop()
        state.banned_at, state.shrunk_at = min(state.banned_at, now), min(state.shrunk_at, now)
        if state.share < 1.0 and now - state.shrunk_at >= _REGROW_S:
            state.share, state.shrunk_at = min(1.0, state.share / _SHRINK), now
        return state
