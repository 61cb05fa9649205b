"""Small values in KSeF's messages: instants, reference numbers, and as whom one asks."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.ksef.errors import garbled
from spool.domain.calendar import WARSAW
from spool.domain.ledger import Document
from spool.domain.municipality import Context, ContextType

LONGEST_WINDOW = timedelta(days=99)
"""The most that one question about the register may span: KSeF allows 100 days counted in UTC (protocol §9.1)."""
KSEF_NUMBER = re.compile(r"\d{10}-\d{8}-[0-9A-F]{6}-?[0-9A-F]{6}-[0-9A-F]{2}")


def reference_of(value: Any) -> str:
    """A reference number; only its length is sure (protocol §1.2), and it goes into paths. Raises NoAnswer."""
    text = str(value or "")
    if not is_reference(text):
        raise garbled("numer referencyjny")
    return text


def is_ksef_number(text: str) -> bool:
    """A KSeF number as protocol §1.2 writes it; what KSeF says goes into paths, so it is looked at first."""
    return KSEF_NUMBER.fullmatch(text) is not None


def day_of(ksef_number: str) -> datetime:
    """Midnight in Warsaw of the day that is part of a KSeF number. Raises NoAnswer when there is no such day."""
    try:
        return datetime.strptime(ksef_number[11:19], "%Y%m%d").replace(tzinfo=WARSAW).astimezone(UTC)
    except ValueError as error:
        raise garbled("numer KSeF") from error


def is_reference(text: str) -> bool:
    """True for what may be a reference number."""
    return 8 <= len(text) <= 64 and text.isascii() and text.replace("-", "").isalnum()


def instant(text: str | None) -> datetime:
    """An instant with an offset; without one Warsaw time is meant (protocol §9.1). ValueError when it is none."""
    if not text:
        raise ValueError("no instant")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=WARSAW)


def maybe_instant(text: str | None) -> datetime | None:
    """An instant, or None for nothing."""
    return instant(text) if text else None


def utc_text(moment: datetime) -> str:
    """UTC with an explicit Z, as every range must be sent (protocol §9.1)."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def subject_for(context: Context, document: Document) -> str:
    """As whom to look for an own sale: the seller in the seller's own context, else a third party (protocol §15)."""
    own = context.type is ContextType.NIP and context.value == document.facts.seller_nip
    return "Subject1" if own else "Subject3"
