"""A PDF on demand: the marks around an invoice, and the rendering in a worker process."""

from gateway.http.problems import HttpProblem
from gateway.http.state import Parts
from gateway.render import Marks, UnreadableInvoice, render_invoice
from gateway.results import title, verification_link
from spool.domain.codes import kod1_url
from spool.domain.environments import BY_NAME
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Municipality
from spool.domain.states import LABELS, State
from spool.workers import WorkerCrashed, WorkerTimeout


async def render(parts: Parts, raw: bytes, marks: Marks) -> bytes:
    """The PDF, or an answer why there is none: an unreadable original (404), a worker that gave up (503)."""
    try:
        return await parts.workers.run(_render, raw, marks)
    except UnreadableInvoice:
        raise HttpProblem("pdf_unreadable") from None
    except (WorkerTimeout, WorkerCrashed):
        raise HttpProblem("pdf_later") from None


def _render(raw: bytes, marks: Marks) -> bytes:
    """In the worker: `render_invoice` takes its marks by name only."""
    return render_invoice(raw, marks=marks)


def marks_of(document: Document, municipality: Municipality) -> Marks:
    """What stands around a document of ours: its number or its state, KOD I, the environment."""
    context = municipality.contexts.get(document.context)
    unit = municipality.units.get(document.unit)
    linked = document.state is not State.REFUSED
    return Marks(
        ksef_number=document.ksef_number or "",
        kod1_url=(verification_link(document, municipality) or "") if linked else "",
        status=() if document.ksef_number else _status(document),
        unit=unit.name if unit else document.unit,
        ribbon=BY_NAME[context.environment].label if context else "",
        title="" if document.ksef_number else title(document),
        created=document.created_at,
    )


def marks_of_received(invoice: Received, municipality: Municipality) -> Marks:
    """What stands around a received invoice: its KSeF number and KOD I."""
    context = municipality.contexts.get(invoice.context)
    facts = invoice.facts
    linked = context is not None and facts.seller_nip and facts.issue_date is not None
    link = kod1_url(context.qr_url, facts.seller_nip, facts.issue_date, invoice.sha256) if linked else ""
    unit = municipality.units.get(invoice.unit or "")
    return Marks(
        ksef_number=invoice.ksef_number,
        kod1_url=link,
        unit=unit.name if unit else "",
        ribbon=BY_NAME[context.environment].label if context else "",
        created=invoice.acquisition_date,
    )


def _status(document: Document) -> tuple[str, ...]:
    lines = [f"Stan: {LABELS[document.state]}."]
    if document.state is State.REFUSED:
        lines.append("Ten dokument nie jest fakturą: został odrzucony i nie trafi do KSeF.")
    elif document.due_why:
        lines.append(document.due_why)
    return tuple(lines)
