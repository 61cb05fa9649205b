"""Absence without the session: the second proof of faults K01, for a session that KSeF does not show any more. Pure.

The first proof, the list of the closed session, is always preferred. The register of stored invoices is weaker, and
two things have to be kept apart in it:

- *Lists lag.* What KSeF shows today may be less than what it has stored; only up to the high-water mark is a list
  final (protocol §9.2). So an answer counts only with a mark, only as a whole, and only up to that mark.
- *Storing lags.* An invoice may be accepted for processing and stay at 150 for hours, in the reports behind protocol
  §6.4 from one evening to the next day. It has no date of storage yet, the mark passes over it, and it is nowhere. No
  mark proves anything about such a document. Against that stand: no proof while KSeF is known to have taken these
  bytes in (`Attempts.taken_in`), and the long wait `STORED_WITHIN`. What outlasts even that meets KSeF's own check
  for duplicates and is adopted by its hash (faults K05).

All instants here but `ended_at` are KSeF's own, so that a wrong clock of ours cannot prove anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.ksef.api import Found
from agent.ksef.values import LONGEST_WINDOW, subject_for
from spool.domain.document import collapse
from spool.domain.ledger import Document, Session
from spool.domain.municipality import Context, ContextType

STORED_WITHIN = timedelta(hours=24)
"""The longest that KSeF is believed to take from accepting bytes to storing them; the worst report is under a day."""
REACH = LONGEST_WINDOW
"""How far back the register is searched."""
CLOCKS_APART = timedelta(minutes=5)
"""How far two machines of KSeF may differ: the one that stores and the one that writes the Date header."""
_LONGEST_SESSION = timedelta(days=2)
"""Twelve hours by protocol §6.1, and room for a wrong clock of ours at the opening."""


@dataclass(frozen=True)
class Look:
    """One look into the register: what it showed, from when on it was searched, and KSeF's time at the answer."""

    found: Found
    since: datetime
    ksef_now: datetime | None


def attempt_over(session: Session, ended_at: datetime) -> datetime:
    """The instant by which whatever an attempt left at KSeF has been stored.

    KSeF itself says until when it takes documents into a session, by its own clock: what lingers on the way longer is
    refused with 21180. When the call ended by our clock counts only where it is later.
    """
    return max(session.valid_until, ended_at) + STORED_WITHIN


def proves(look: Look, session: Session, ended_at: datetime) -> bool:
    """True when a register without our bytes is final beyond the end of the attempt, and was searched from before it.

    A mark beyond KSeF's own present is no mark, and without KSeF's time nothing is proven.
    """
    hwm, since = look.found.hwm, look.since
    if hwm is None or look.ksef_now is None or not look.found.complete:
        return False
    searched = since + _LONGEST_SESSION < min(session.opened_at, session.valid_until)
    return searched and attempt_over(session, ended_at) < hwm <= look.ksef_now + CLOCKS_APART


def provable(context: Context, document: Document, session: Session) -> bool:
    """True when the register that we can ask would show this document if it were there.

    It must be the KSeF that the session was opened at, where we see it as seller or as a third party named in it. A
    number with odd white space is not asked for: nobody knows whether KSeF compares it as written.
    """
    facts = document.facts
    same_ksef = session.ksef == context.url != ""
    as_written = facts.number == collapse(facts.number) != ""
    return same_ksef and as_written and bool(facts.seller_nip) and _shown_to(context, document)


def _shown_to(context: Context, document: Document) -> bool:
    if subject_for(context, document) == "Subject1":
        return True
    internal = context.type is ContextType.INTERNAL_ID
    return any((p.internal_id if internal else p.nip) == context.value for p in document.facts.third_parties)
