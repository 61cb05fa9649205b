"""A drawing on demand, for the drop-point and the pages: the same as in the unit's folder, made in a worker process."""

from collections.abc import Callable
from dataclasses import replace

from gateway.folders.copies import marks_of_document
from gateway.http.problems import HttpProblem
from gateway.render import Marks, UnreadableInvoice
from gateway.render.work import draw
from spool.domain.ledger import Document
from spool.domain.municipality import Municipality
from spool.domain.states import LABELS
from spool.workers import WorkerCrashed, Workers, WorkerTimeout


async def render(drawing: Workers, raw: bytes, marks: Marks, work: Callable[[bytes, Marks], bytes] = draw) -> bytes:
    """The PDF, or what other `work` draws, or an answer why there is none: an unreadable original (404), a worker that
    gave up (503)."""
    try:
        return await drawing.run(work, raw, marks)
    except UnreadableInvoice:
        raise HttpProblem("pdf_unreadable") from None
    except (WorkerTimeout, WorkerCrashed):
        raise HttpProblem("pdf_later") from None


def marks_of(document: Document, municipality: Municipality) -> Marks:
    """The marks of the folder's copy; before the number also the state of the document."""
    marks = marks_of_document(document, municipality)
    if document.ksef_number:
        return marks
    return replace(marks, status=(*marks.status, f"Stan: {LABELS[document.state]}."))
