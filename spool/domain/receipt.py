"""The day on which a purchase counts as received, and by which rule (JST rules D1–D4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import warsaw_date
from spool.domain.ledger import Received

NUMBER_DAY, ACTUAL = "dzień nadania numeru KSeF", "faktyczne otrzymanie (awaria KSeF)"
_ONLINE, _OFFLINE = "Online", "Offline"
_FAILURES = {Category.FAILURE, Category.TOTAL_FAILURE}


@dataclass(frozen=True)
class Receipt:
    """The day, the rule that gave it, and a Polish sentence where a person has to look (else empty)."""

    day: date
    rule: str
    look: str = ""


def receipt_of(invoice: Received, entered: date | None, periods: Iterable[Announcement]) -> Receipt:
    """When the municipality received it.

    Normally, in offline24 and in an unavailability: the day of the KSeF number, even if a copy came earlier (art.
    106na(3), 106nda(11), 106nh(4)). In a failure: the day on which it really came, unless the number came earlier (art.
    106nf(10), 106ng); KSeF does not tell a failure from offline24, so a person enters that day, and is asked to where
    it may be one.
    """
    numbered, mode = warsaw_date(invoice.acquisition_date), invoice.metadata.get("invoicingMode")
    issued = invoice.facts.issue_date
    kinds = {period.category for period in periods if issued is not None and period.covers(issued)}
    if entered is not None and entered < numbered and mode != _ONLINE and kinds != {Category.MAINTENANCE}:
        return Receipt(entered, ACTUAL)
    if entered is not None or mode != _OFFLINE or not kinds & _FAILURES:
        return Receipt(numbered, NUMBER_DAY)
    look = (
        "Wystawiona offline w dniu awarii KSeF. Jeśli przyszła przed nadaniem numeru, proszę wpisać dzień otrzymania: "
        "sluza received receipt-date"
    )
    return Receipt(numbered, NUMBER_DAY, look)
