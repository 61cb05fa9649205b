"""Which verdict counts when KSeF has the same bytes twice in one session. Pure.

A line may deliver one send twice. KSeF then has two entries with our hash, and each of them gets a verdict of its own:
one may be cancelled while the other is still being judged, or has its number already. So a verdict that would let the
bytes go again, or give the number back to the unit, says nothing until the other entries have been looked at.

- Accepted is accepted, whatever the other entries say: its number is ours (invariant I2, I3).
- As long as one of them is undecided, nothing is decided.
- What lets the same bytes go again counts only when the list cannot grow any more: the session is over, as for a proof
  of absence (faults K01). Content that KSeF refuses it refuses in every copy; there the list as it is suffices.

Other sessions need no look: a document goes into another session only after this was settled in the one before.
"""

from collections.abc import Collection, Iterable
from enum import IntEnum, auto

from agent.ksef.api import InvoiceStatus, Pending, Reading
from spool.domain.outcomes import Accepted, Later, Refused, Unknown


class List(IntEnum):
    """What is known of the list of the session: nothing, what it shows now, or all that it will ever show."""

    UNREAD = auto()
    READ = auto()
    FINAL = auto()


def says_no(reading: Reading) -> bool:
    """True for a verdict after which the document is not KSeF's any more."""
    return isinstance(reading.outcome, Later | Refused)


def by_bytes(statuses: Iterable[InvoiceStatus], earlier: Collection[str] = frozenset()) -> dict[str, InvoiceStatus]:
    """For each SHA-256 the entry that says most. `earlier` references belong to attempts that were settled before."""
    found: dict[str, InvoiceStatus] = {}
    for status in statuses:
        known = found.get(status.invoice_hash)
        if status.reference not in earlier and (known is None or _rank(status) < _rank(known)):
            found[status.invoice_hash] = status
    return found


def counts(status: InvoiceStatus, known: List) -> bool:
    """True when the verdict of this entry, the one of `by_bytes`, may be written down with so much known."""
    if isinstance(status.reading.outcome, Later):
        return known is List.FINAL
    return known >= List.READ or not says_no(status.reading)


def _rank(status: InvoiceStatus) -> int:
    """The smallest decides. A duplicate leads to the registered original, so it need not wait for anything."""
    outcome = status.reading.outcome
    if isinstance(outcome, Accepted):
        return 0
    if isinstance(outcome, Unknown):
        return 1 if outcome.duplicate else 3
    if isinstance(outcome, Pending):
        return 2
    return 4 if isinstance(outcome, Refused) else 5
