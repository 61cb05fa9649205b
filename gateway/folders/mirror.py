"""Received invoices out of the spool, for `odebrane/` of the unit, or the central tray when nobody could be told."""

from typing import Any

from gateway.folders import layout
from gateway.folders.filing import Sheet
from gateway.names import number_part
from gateway.results import local
from spool.domain.calendar import warsaw_date
from spool.domain.ledger import Received
from spool.domain.municipality import Municipality

SCHEMA = "sluza-received/1"


def owner(invoice: Received, municipality: Municipality) -> str:
    """The folder it belongs into. A unit that is no longer configured is nobody: never a best guess (faults K16)."""
    return invoice.unit if invoice.unit in municipality.units else layout.CENTRAL


def name_of(invoice: Received) -> str:
    """`RRRR-MM-DD_<seller NIP>_<number>_<KSeF number>`, the day being that of the KSeF number in Warsaw."""
    facts = invoice.facts
    parts = (warsaw_date(invoice.acquisition_date).isoformat(), facts.seller_nip, facts.number, invoice.ksef_number)
    return "_".join(number_part(part) or "brak" for part in parts)


def sheet(invoice: Received, municipality: Municipality) -> Sheet:
    """The invoice as `odebrane/` of its owner shows it."""
    unit, name = owner(invoice, municipality), name_of(invoice)
    return Sheet(unit, name, invoice.sha256, said(invoice), invoice.acquisition_date)


def said(invoice: Received) -> dict[str, Any]:
    """The JSON beside a received invoice."""
    facts = invoice.facts
    return {
        "schema": SCHEMA,
        "ksef_number": invoice.ksef_number,
        "seller_nip": facts.seller_nip,
        "seller_name": facts.seller_name,
        "number": facts.number,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "acquisition_date": local(invoice.acquisition_date),
        "gross": facts.gross,
        "currency": facts.currency,
        "unit": invoice.unit,
        "rule": invoice.rule,
        "why": invoice.why,
        "sha256": invoice.sha256,
        "form": facts.form.value,
        "jpk_mark": "NrKSeF",
        "payment_title": invoice.ksef_number,
    }
