"""The readable copy (PDF) of an invoice for a folder, rendered in a worker process; a failure never stops delivery."""

from datetime import UTC, datetime

import structlog

from gateway.render import Marks, UnreadableInvoice, render_invoice
from gateway.results import local, title, verification_link
from spool.domain.codes import kod1_url
from spool.domain.environments import BY_NAME
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Municipality
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

_log = structlog.get_logger("gateway.folders")
_TRIES = 2
NO_PDF = "Nie udało się przygotować wydruku PDF. Dokument XML jest kompletny i ważny; wydruk można zrobić później."


def draw(raw: bytes, marks: Marks) -> bytes:
    """`render_invoice` with plain arguments, as a worker takes them."""
    return render_invoice(raw, marks=marks)


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
    """What is printed around an invoice that we send."""
    context = municipality.contexts.get(document.context)
    unit = municipality.units.get(document.unit)
    status: tuple[str, ...] = ()
    if document.ksef_number:
        status = (f"Przyjęta przez KSeF {_when(document.acquisition_date)}.",)
    elif document.mode.offline:
        status = (f"Tryb {document.mode.value}: dokument nie ma jeszcze numeru KSeF.",)
    return Marks(
        ksef_number=document.ksef_number or "",
        kod1_url=verification_link(document, municipality) or "",
        status=status,
        unit=unit.name if unit else "",
        ribbon=BY_NAME[context.environment].label if context else "",
        title="" if title(document) == "Faktura" else title(document),
        created=(document.acquisition_date or document.issued_at).astimezone(UTC),
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
        status=(f"Otrzymana z KSeF; numer nadano {_when(invoice.acquisition_date)}.",),
        unit=unit.name if unit else "",
        ribbon=BY_NAME[context.environment].label if context else "",
        created=invoice.acquisition_date.astimezone(UTC),
    )


def _when(moment: datetime | None) -> str:
    text = local(moment)
    return f"{text[8:10]}.{text[5:7]}.{text[:4]}, godz. {text[11:16]}" if text else ""
