"""The readable copy (PDF) of an invoice for a folder, rendered in a worker process; a failure never stops delivery."""

from datetime import UTC
from pathlib import Path

import structlog

from gateway.paper import has_codes, moment, status
from gateway.render import Arms, Marks, UnreadableInvoice
from gateway.render.arms import arms_from
from gateway.render.work import draw
from gateway.results import CONFIRMATION, title, verification_link
from spool.domain.codes import kod1_url
from spool.domain.environments import label_of
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Municipality
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

_log = structlog.get_logger("gateway.folders")
_TRIES = 2


async def pdf(workers: Workers, raw: bytes, marks: Marks, subject: str) -> bytes | None:
    """The PDF, or None after two tries: a broken copy must not keep a number or a UPO from the unit."""
    for attempt in range(1, _TRIES + 1):
        try:
            return await workers.run(draw, raw, marks)
        except UnreadableInvoice as error:
            _log.warning("pdf_failed", id=subject, attempt=attempt, error=str(error))
            return None
        except (WorkerTimeout, WorkerCrashed) as error:
            _log.warning("pdf_failed", id=subject, attempt=attempt, error=type(error).__name__)
        except Exception as error:  # a fault of ours in the renderer: the invoice is delivered all the same
            _log.exception("pdf_failed", id=subject, attempt=attempt, error=type(error).__name__)
    return None


def marks_of_document(document: Document, municipality: Municipality) -> Marks:
    """What is printed around an invoice that we send; KOD II until KSeF has given it a number."""
    context = municipality.contexts.get(document.context)
    unit = municipality.units.get(document.unit)
    codes = has_codes(document)
    called = title(document)
    return Marks(
        ksef_number=document.ksef_number or "",
        kod1_url=(verification_link(document, municipality) or "") if codes else "",
        kod2_url=document.kod2_url if codes and not document.ksef_number else "",
        status=status(document),
        unit=unit.name if unit else "",
        ribbon=label_of(context.environment if context else document.facts.training),
        # "Faktura" leaves the name to the kind of the invoice: "Faktura korygująca" must say so.
        title=called if called == CONFIRMATION else "",
        created=(document.acquisition_date or document.issued_at).astimezone(UTC),
        # A unit that is a taxpayer of its own does not issue under the municipality's arms.
        arms=None if unit and unit.taxpayer else _arms(municipality.coat_of_arms),
    )


def marks_of_received(invoice: Received, municipality: Municipality) -> Marks:
    """What is printed around an invoice that we received."""
    context = municipality.contexts.get(invoice.context)
    unit = municipality.units.get(invoice.unit or "")
    facts = invoice.facts
    link = ""
    if context and facts.seller_nip and facts.issue_date:
        link = kod1_url(context.qr_url, facts.seller_nip, facts.issue_date, invoice.sha256)
    return Marks(
        ksef_number=invoice.ksef_number,
        kod1_url=link,
        status=(f"Otrzymana z KSeF; numer nadano {moment(invoice.acquisition_date)}.",),
        unit=f"Dla: {unit.name}" if unit else "",  # at the place of a letterhead the name alone would be the issuer's
        ribbon=label_of(context.environment if context else facts.training),
        created=invoice.acquisition_date.astimezone(UTC),
    )


def _arms(path: Path | None) -> Arms | None:
    """The coat of arms; without the file, which was there at the start, the invoice is drawn without it."""
    if path is None:
        return None
    try:
        return arms_from(path)
    except OSError as error:
        _log.warning("coat_of_arms_unreadable", error=str(error))
        return None
