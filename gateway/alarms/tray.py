"""What is told when purchases lie in the central tray for too long: one line, and the whole message. Pure.

The payment terms run while nobody knows whose an invoice is (jst.md F5).
"""

from collections.abc import Sequence

from gateway.alarms.message import moment
from gateway.web.words import counted, one_line, plural
from spool.domain.alarms import NewAlarm
from spool.domain.catalogue import printable
from spool.domain.ladder import Step
from spool.domain.ledger import TRAY
from spool.purchases import Purchase

SHOWN = 50
"""Invoices of one message; more are told in the next one."""


def alarm(found: Sequence[Purchase], hours: float, addresses: tuple[str, ...]) -> NewAlarm:
    """The alarm about these invoices, the one that came first at the beginning."""
    oldest = found[0].invoice.stored_at
    lie = plural(len(found), ("leży", "leżą", "leży"))
    sentence = one_line(
        f"Tacka centralna: {counted(len(found))} {lie} dłużej niż {hours:g} godz. w dni robocze, "
        f"najstarsza od {moment(oldest)}."
    )
    lines = [sentence, "", *(f"- {_about(purchase)}" for purchase in found), "", *_TO_DO]
    documents = tuple(purchase.invoice.ksef_number for purchase in found)
    return NewAlarm(TRAY, Step.TRAY, oldest, documents, sentence, "\n".join(lines) + "\n", addresses)


def _about(purchase: Purchase) -> str:
    facts = purchase.invoice.facts
    seller, number = printable(facts.seller_name or facts.seller_nip, 80), printable(facts.number, 60)
    due = f"; termin płatności {printable(facts.payment_due[0], 20)}" if facts.payment_due else ""
    hint = f"; podpowiedź: {purchase.suggested}" if purchase.suggested else ""
    why = one_line(purchase.invoice.why, 300)
    return f"{number}, {seller}, {facts.gross} {facts.currency}{due}; {why} {purchase.invoice.ksef_number}{hint}"


_TO_DO = (
    "Terminy płatności biegną. Proszę przydzielić faktury jednostkom:",
    "- sluza received show NUMER (podpowiedzi i powód)",
    "- sluza received assign NUMER JEDNOSTKA",
    "- pismo do dostawcy: sluza received letter NUMER",
    "",
    "Wiadomość wysłała Śluza, bramka KSeF.",
)
