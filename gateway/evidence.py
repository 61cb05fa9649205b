"""Gathers the proofs of one invoice from the spool: for the page and for the commands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import proofs
from gateway.folders.copies import marks_of_document, marks_of_received, pdf
from gateway.proofs import Evidence, Notice
from gateway.render.marks import Marks
from gateway.results import local, result, verification_link
from spool.domain.beacon import event_in
from spool.domain.codes import kod1_url
from spool.domain.ledger import LATARNIA, Document, Outage, Received
from spool.domain.municipality import Municipality
from spool.store import Store
from spool.workers import Workers


@dataclass(frozen=True)
class Gathered:
    """Everything but the PDF, which is drawn outside the spool from `marks`."""

    evidence: Evidence
    marks: Marks
    subject: str
    name: str


def of_document(store: Store, document: Document, town: Municipality) -> Gathered:
    """What the spool knows of an outgoing document."""
    used = [store.outage(reference.split(" (")[0]) for reference in document.announcements]
    outages = [outage for outage in used if outage is not None]
    evidence = Evidence(
        title=f"faktura {document.facts.number or document.source_name or document.id}",
        raw=store.body(document.sha256),
        upo=store.body(document.upo_sha256) if document.upo_sha256 else None,
        pdf=None,
        facts=result(document, (), town) | {"due_basis": document.due_basis, "due_why": document.due_why},
        links=store.links(document.id),
        announced=[_told(outage) for outage in outages],
        notices=_notices(store, outages),
        checked_by=(verification_link(document, town) or "") if document.ksef_number else "",
    )
    return Gathered(evidence, marks_of_document(document, town), document.id, f"{document.name}.dowody.zip")


def of_received(store: Store, invoice: Received, town: Municipality) -> Gathered:
    """What the spool knows of a purchase."""
    facts, context = invoice.facts, town.contexts.get(invoice.context)
    link = ""
    if context and facts.seller_nip and facts.issue_date:
        link = kod1_url(context.qr_url, facts.seller_nip, facts.issue_date, invoice.sha256)
    told = {
        "ksef_number": invoice.ksef_number,
        "sha256": invoice.sha256,
        "seller_nip": facts.seller_nip,
        "number": facts.number,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "acquisition_date": local(invoice.acquisition_date),
        "stored_at": local(invoice.stored_at),
        "unit": invoice.unit,
        "why": invoice.why,
        "metadata": invoice.metadata,
    }
    evidence = Evidence(
        title=f"faktura otrzymana {invoice.ksef_number}", raw=store.body(invoice.sha256), upo=None, pdf=None,
        facts=told, links=store.links(invoice.ksef_number), checked_by=link, sent_by_us=False,
    )  # fmt: skip
    marks = marks_of_received(invoice, town)
    return Gathered(evidence, marks, invoice.ksef_number, f"{invoice.ksef_number}.dowody.zip")


async def packed(gathered: Gathered, drawing: Workers) -> bytes:
    """The archive with the drawing in it, without one where the invoice cannot be drawn."""
    drawn = await pdf(drawing, gathered.evidence.raw, gathered.marks, gathered.subject)
    return proofs.package(replace(gathered.evidence, pdf=drawn))


def _notices(store: Store, outages: Sequence[Outage]) -> list[Notice]:
    """What the beacon said, word for word, of each event once."""
    events = dict.fromkeys(
        (o.environment, event_in(o.announcement.id, o.environment, o.announcement.category))
        for o in outages
        if o.source == LATARNIA
    )
    return [Notice(*kept) for environment, event in events for kept in store.kept_notices(environment, event)]


def _told(outage: Outage) -> dict[str, Any]:
    period = outage.announcement
    return {
        "id": period.id,
        "category": period.category.value,
        "start": local(period.start),
        "end": local(period.end),
        "published": local(period.published),
        "end_published": local(period.end_published),
        "version": period.version,
        "source": outage.source,
        "title": outage.title,
        "link": outage.link,
        "entered_by": outage.actor,
        "confirmed_by": outage.confirmed_by,
    }
