"""The day on which a purchase counts as received, and by which rule (JST rules D1–D4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import warsaw_date
from spool.domain.ledger import Received

NUMBER_DAY, ACTUAL = "dzień nadania numeru KSeF", "faktyczne otrzymanie (awaria KSeF)"
_OFFLINE = "Offline"


@dataclass(frozen=True)
class Receipt:
    """The day, the rule that gave it, and a Polish sentence where a person has to look (else empty)."""

    day: date
    rule: str
    look: str = ""


def receipt_of(invoice: Received, entered: date | None, failures: Iterable[Announcement]) -> Receipt:
    """When the municipality received it.

    Normally, in offline24 and in an unavailability: the day of the KSeF number (art. 106na(3), 106nda(11), 106nh(4)).
    In a failure: the day on which it really came, unless the number came earlier (art. 106nf(10)); KSeF does not tell a
    failure from offline24, so a person enters that day, and is asked to where it may be one.
    """
    numbered = warsaw_date(invoice.acquisition_date)
    if entered is not None and entered < numbered:
        return Receipt(entered, ACTUAL)
    if not _may_be_of_a_failure(invoice, failures):
        return Receipt(numbered, NUMBER_DAY)
    look = (
        "Wystawiona offline w dniu awarii KSeF. Jeśli przyszła przed nadaniem numeru, proszę wpisać dzień otrzymania: "
        "sluza register receipt"
    )
    return Receipt(numbered, NUMBER_DAY, look)


def _may_be_of_a_failure(invoice: Received, failures: Iterable[Announcement]) -> bool:
    issued = invoice.facts.issue_date
    if issued is None or invoice.metadata.get("invoicingMode") != _OFFLINE:
        return False
    return any(
        period.category is Category.FAILURE
        and warsaw_date(period.start) <= issued
        and (period.end is None or issued <= warsaw_date(period.end))
        for period in failures
    )
