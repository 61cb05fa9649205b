"""What the books need to know of an invoice that we issue: its mark in JPK_V7M(3), and the title of its payment."""

from spool.domain.document import Mode
from spool.domain.ledger import Document
from spool.domain.states import State

_OUTSIDE = frozenset({State.CEASED})
_NO_INVOICE = frozenset({State.REFUSED, State.WITHDRAWN, State.QUARANTINED})


def jpk_mark(document: Document) -> str | None:
    """The marker of JPK_V7M(3), as the document stands now; None while it is no invoice yet, or is none any more.

    `NrKSeF`: it has its number. `OFF`: issued in a failure (art. 106nf(1)), no number yet. `BFK`: outside KSeF for
    good, because of a total failure. `DI`: offline24 or unavailability without a number on the day of filing, which
    then needs a correction of the file (deadlines §6). A training document is no invoice at all.
    """
    if document.facts.training:
        return None
    if document.ksef_number:
        return "NrKSeF"
    if document.state in _OUTSIDE or document.mode is Mode.TOTAL_FAILURE:
        return "BFK"
    if document.state in _NO_INVOICE or not document.mode.offline:
        return None
    return "OFF" if document.mode is Mode.FAILURE else "DI"


def payment_title(document: Document) -> str | None:
    """The KSeF number to be stated in a payment from 2027 (art. 108g(1)); a failure-mode invoice has no such duty."""
    return None if document.mode is Mode.FAILURE or document.facts.training else document.ksef_number
