"""Request limits: three sliding windows at once per (context, client IP) and group (L1, L2)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

Limits = tuple[float, float, float]
WINDOWS_MS = (1_000, 60_000, 3_600_000)
NAMES = ("sekundę", "minutę", "godzinę")

# group: requests per second, minute, hour; -1 = unlimited (protocol §16.1)
DEFAULTS: dict[str, tuple[int, int, int]] = {
    "onlineSession": (10, 30, 120),
    "onlineSessionClose": (20, 60, 240),
    "batchSession": (10, 20, 60),
    "batchSessionClose": (20, 40, 120),
    "invoiceSend": (10, 30, 180),
    "invoiceStatus": (30, 120, 1200),
    "sessionList": (5, 10, 60),
    "sessionInvoiceList": (10, 20, 200),
    "sessionMisc": (10, 120, 1200),
    "invoiceMetadata": (8, 16, 20),
    "invoiceExport": (8, 16, 20),
    "invoiceExportStatus": (10, 60, 600),
    "invoiceDownload": (8, 16, 64),
    "collectiveIdentifier": (20, 120, 240),
    "other": (10, 30, 120),
    "anonymous": (60, -1, -1),
    "global": (-1, -1, -1),
}
GROUPS = {
    "POST /v2/sessions/online": "onlineSession",
    "POST /v2/sessions/online/{referenceNumber}/close": "onlineSessionClose",
    "POST /v2/sessions/online/{referenceNumber}/invoices": "invoiceSend",
    "POST /v2/sessions/batch": "batchSession",
    "POST /v2/sessions/batch/{referenceNumber}/close": "batchSessionClose",
    "GET /v2/sessions": "sessionList",
    "GET /v2/sessions/{referenceNumber}": "sessionMisc",
    "GET /v2/sessions/{referenceNumber}/upo/{upoReferenceNumber}": "sessionMisc",
    "GET /v2/sessions/{referenceNumber}/invoices": "sessionInvoiceList",
    "GET /v2/sessions/{referenceNumber}/invoices/failed": "sessionInvoiceList",
    "GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}": "invoiceStatus",
    "GET /v2/sessions/{referenceNumber}/invoices/{invoiceReferenceNumber}/upo": "sessionMisc",
    "GET /v2/sessions/{referenceNumber}/invoices/ksef/{ksefNumber}/upo": "sessionMisc",
    "POST /v2/invoices/query/metadata": "invoiceMetadata",
    "POST /v2/invoices/exports": "invoiceExport",
    "GET /v2/invoices/exports/{referenceNumber}": "invoiceExportStatus",
    "GET /v2/invoices/ksef/{ksefNumber}": "invoiceDownload",
}


@dataclass
class _Counter:
    hits: deque[int] = field(default_factory=deque)
    banned_until_ms: int = 0
    from_fault: bool = False


@dataclass(frozen=True)
class Refused:
    """A request over the limit: whole seconds to wait, the limit in words."""

    retry_after: int
    limit: str


class Limiter:
    """Counters in memory; a restart of the simulator forgives."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, str], _Counter] = {}
        self.in_ban = 0

    def admit(self, who: str, group: str, limits: Limits, now_ms: int, penalty_ms: int) -> Refused | None:
        """Count a request, or refuse it; calls made while refused lengthen the block by the penalty (L2)."""
        counter = self._counters.setdefault((who, group), _Counter())
        hits = counter.hits
        while hits and (hits[0] <= now_ms - WINDOWS_MS[2] or hits[0] > now_ms):
            hits.popleft()
        if now_ms < counter.banned_until_ms:
            self.in_ban += 1
            counter.banned_until_ms += penalty_ms
            return Refused(math.ceil((counter.banned_until_ms - now_ms) / 1000), "wywołań w trakcie blokady")
        for place, (window, limit) in enumerate(zip(WINDOWS_MS, limits, strict=True)):
            inside = [hit for hit in hits if hit > now_ms - window] if 0 <= limit <= len(hits) else []
            if 0 <= limit <= len(inside):
                free = inside[-int(limit)] + window if limit else now_ms + window
                counter.banned_until_ms = max(free, now_ms + 1)
                counter.from_fault = False
                wait = max(1, math.ceil((counter.banned_until_ms - now_ms) / 1000))
                return Refused(wait, f"{limit:g} żądań na {NAMES[place]}")
        hits.append(now_ms)
        return None

    def ban(self, who: str, group: str, now_ms: int, seconds: int) -> None:
        """Block a group because a 429 was injected (F1)."""
        counter = self._counters.setdefault((who, group), _Counter())
        counter.banned_until_ms = max(counter.banned_until_ms, now_ms + seconds * 1000)
        counter.from_fault = True

    def lift_injected(self) -> None:
        """End every block that an injected 429 began."""
        for counter in self._counters.values():
            if counter.from_fault:
                counter.banned_until_ms = 0
                counter.from_fault = False

    def forget(self) -> None:
        """Start all windows anew."""
        self._counters.clear()
