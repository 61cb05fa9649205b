"""Received invoices into `odebrane/RRRR-MM/` of the unit, or into the central tray when nobody could be told.

A copy is written once. What a person then deletes or moves away stays deleted: the spool remembers that it was
there, and nothing looks for missing files (faults D11).
"""

from pathlib import Path
from typing import Any

from gateway.folders import layout
from gateway.folders.copies import NO_PDF
from gateway.folders.outcome import put, text
from gateway.folders.placing import JSON, PDF, XML, Shelf, beside
from gateway.names import number_part
from gateway.results import local
from spool import files
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


def write(
    root: Path, shelf: Shelf, municipality: Municipality, invoice: Received, raw: bytes, pdf: bytes | None
) -> None:
    """XML first, the JSON last. Raises OSError; may be run again at any point."""
    unit = owner(invoice, municipality)
    directory = layout.ensure_month(root, unit, layout.RECEIVED, invoice.acquisition_date)
    with shelf.place(directory, name_of(invoice), invoice.sha256) as stem:
        put(beside(stem, XML), raw)
        if pdf is not None:
            put(beside(stem, PDF), pdf)
        files.write(beside(stem, JSON), text(_said(invoice, with_pdf=pdf is not None)))


def _said(invoice: Received, *, with_pdf: bool) -> dict[str, Any]:
    facts = invoice.facts
    said: dict[str, Any] = {
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
    if not with_pdf:
        said["pdf_error"] = NO_PDF
    return said
