"""Received invoices out of the spool, for `odebrane/` of the unit, or the central tray when nobody could be told."""

from typing import Any

from gateway.folders import layout
from gateway.folders.filing import Sheet
from gateway.names import number_part
from gateway.results import local
from spool.domain.calendar import warsaw_date
from spool.domain.clues import Clues
from spool.domain.environments import TRAINING, label_of
from spool.domain.ledger import Received
from spool.domain.municipality import Municipality
from spool.law import Rules
from spool.purchases import Purchase, letter, paper_beside

SCHEMA = "sluza-received/1"


def owner(invoice: Received, municipality: Municipality) -> str:
    """The folder it belongs into. A unit that is no longer configured is nobody: never a best guess (faults K16)."""
    return invoice.unit if invoice.unit in municipality.units else layout.CENTRAL


def name_of(invoice: Received) -> str:
    """`RRRR-MM-DD_<seller NIP>_<number>_<KSeF number>`, the day being that of the KSeF number in Warsaw."""
    facts = invoice.facts
    parts = (warsaw_date(invoice.acquisition_date).isoformat(), facts.seller_nip, facts.number, invoice.ksef_number)
    name = "_".join(number_part(part) or "brak" for part in parts)
    return f"{TRAINING}_{name}" if facts.training else name


def sheet(purchase: Purchase, rules: Rules) -> Sheet:
    """The invoice as `odebrane/` of its owner shows it; in the central tray with the draft of a letter."""
    invoice = purchase.invoice
    unit = owner(invoice, rules.municipality)
    in_the_tray = unit == layout.CENTRAL
    made = _letter(purchase, rules) if in_the_tray and purchase.asks_supplier else b""
    told = said(purchase, in_the_tray=in_the_tray)
    return Sheet(unit, name_of(invoice), invoice.sha256, told, invoice.acquisition_date, letter=made)


def recalled(invoice: Received, unit: str) -> Sheet:
    """Which files of this owner are to be taken away, and nothing else about the invoice."""
    return Sheet(unit, name_of(invoice), invoice.sha256, {}, invoice.acquisition_date)


def said(purchase: Purchase, *, in_the_tray: bool) -> dict[str, Any]:
    """The JSON beside the copy. What concerns other units, suggestions above all, stands in the tray only."""
    invoice = purchase.invoice
    facts, clues = invoice.facts, invoice.facts.clues or Clues()
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "training": label_of(facts.training) or None,
        "ksef_number": invoice.ksef_number,
        "seller_nip": facts.seller_nip,
        "seller_name": facts.seller_name,
        "number": facts.number,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "acquisition_date": local(invoice.acquisition_date),
        "receipt_date": purchase.receipt.day.isoformat(),
        "receipt_rule": purchase.receipt.rule,
        "receipt_look": purchase.receipt.look or None,
        "gross": facts.gross,
        "currency": facts.currency,
        "unit": invoice.unit,
        "rule": invoice.rule,
        "why": invoice.why,
        "remarks": [found.as_dict() for found in invoice.remarks],
        "contracts": list(clues.contracts),
        "orders": list(clues.orders),
        "employee": clues.employee or None,
        "trip": clues.trip or None,
        "paid": clues.paid,
        "sha256": invoice.sha256,
        "form": facts.form.value,
        "jpk_mark": "NrKSeF",
        "payment_title": invoice.ksef_number,
        "papers": [paper_beside(paper) for paper in purchase.own_papers],
    }
    if in_the_tray:
        told["suggested_unit"] = purchase.suggested
        told["suggestions"] = [found.as_dict() for found in purchase.suggestions]
    return told


def _letter(purchase: Purchase, rules: Rules) -> bytes:
    """For Notepad: UTF-8 with BOM, CRLF."""
    made = letter(purchase, rules, warsaw_date(purchase.invoice.stored_at))
    return b"\xef\xbb\xbf" + made.replace("\n", "\r\n").encode("utf-8", "replace")
