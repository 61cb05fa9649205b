"""From documents and received invoices to the rows of the monthly registers. Pure."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from spool.domain.announcements import Announcement
from spool.domain.book import Book
from spool.domain.booking import jpk_mark, payment_title
from spool.domain.calendar import warsaw_date
from spool.domain.document import MODE_LABELS, CorrectedInvoice, Facts, FormCode
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Municipality
from spool.domain.papers import KIND_LABELS, STANDINGS, Paper, Standing
from spool.domain.receipt import ACTUAL, receipt_of
from spool.domain.registers import ISSUED, PAPERS, RECEIVED, Cell, Layout, Row
from spool.domain.retention import Classes
from spool.domain.states import LABELS

YES, NO, IN_PART = "tak", "nie", "częściowo"
TRAY = "(tacka centralna)"
UNREAD = "Treści nie udało się odczytać: kwoty proszę przepisać z faktury."
_PAID = {"yes": YES, "part": IN_PART}
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 5


@dataclass(frozen=True)
class IssuedEntry:
    """A document as the register needs it: with its book, the instant of its UPO and its own retention class."""

    document: Document
    book: Book
    upo_at: datetime | None
    retention: str | None


@dataclass(frozen=True)
class ReceivedEntry:
    """A purchase as the register needs it; `entered` is the day of actual receipt that a person entered."""

    invoice: Received
    book: Book
    entered: date | None
    retention: str | None


def issued_row(entry: IssuedEntry, municipality: Municipality, classes: Classes) -> Row:
    """The row of a document that we issue."""
    document, facts, book = entry.document, entry.document.facts, entry.book
    kept = classes.of(document.unit, entry.retention)
    notes = [] if book.readable else [UNREAD]
    if document.reason:
        notes.append(document.reason)
    if document.owed:
        notes.append("KSeF odrzucił fakturę wystawioną offline: potrzebna poprawiona.")
    return _row(
        ISSUED,
        unit=_unit(document.unit, municipality),
        number=facts.number,
        kind=facts.kind,
        issue_date=facts.issue_date,
        buyer=facts.buyer_name,
        buyer_id=facts.buyer_nip or facts.buyer_other_id,
        mode=MODE_LABELS[document.mode],
        status=LABELS[document.state],
        ksef_number=document.ksef_number,
        number_day=_day(document.acquisition_date),
        due=_day(document.due_safe),
        handed_over=_day(document.handed_over_at),
        upo=YES if document.upo_sha256 else NO,
        upo_day=_day(entry.upo_at) if document.upo_sha256 else None,
        upo_sha256=document.upo_sha256,
        jpk_mark=jpk_mark(document),
        payment_title=payment_title(document),
        retention=kept,
        keep_until=classes.until(kept, facts.issue_date),
        id=document.id,
        notes=" ".join(notes),
        **_amounts(book, facts),
        **_corrected(facts.corrected),
    )


def received_row(
    entry: ReceivedEntry, municipality: Municipality, classes: Classes, periods: tuple[Announcement, ...]
) -> Row:
    """The row of a purchase. Its mark in JPK is its number: what is received here has one."""
    invoice, facts, book = entry.invoice, entry.invoice.facts, entry.book
    receipt = receipt_of(invoice, entry.entered, periods)
    kept = classes.of(invoice.unit, entry.retention)
    due = sorted(filter(None, map(_as_day, facts.payment_due)))
    notes = list(filter(None, [receipt.look, *_remarks(facts, book, due)]))
    return _row(
        RECEIVED,
        unit=_unit(invoice.unit, municipality),
        supplier=facts.seller_name,
        supplier_nip=facts.seller_nip,
        number=facts.number,
        kind=facts.kind,
        issue_date=facts.issue_date,
        due=due[0] if due else None,
        paid=_PAID.get(book.paid, NO) if book.readable else "",
        account=book.accounts[0] if book.accounts else "",
        split_payment=(YES if book.split_payment else NO) if book.readable else "",
        ksef_number=invoice.ksef_number,
        number_day=_day(invoice.acquisition_date),
        received_on=receipt.day,
        received_by=receipt.rule,
        jpk_mark="NrKSeF",
        payment_title="" if receipt.rule == ACTUAL else invoice.ksef_number,  # a failure has no such duty (JST Y1)
        retention=kept,
        keep_until=classes.until(kept, facts.issue_date),
        form=facts.form.value,
        why=invoice.why,
        notes=" ".join(notes),
        **_amounts(book, facts),
        **_corrected(facts.corrected),
    )


def paper_row(
    paper: Paper, standing: Standing, invoice: Received | None, municipality: Municipality, classes: Classes
) -> Row:
    """The row of a purchase outside KSeF. Nothing in it changes by the mere passing of days."""
    kept = classes.of(paper.unit, None)
    return _row(
        PAPERS,
        id=paper.id,
        unit=_unit(paper.unit, municipality),
        supplier=paper.seller_name,
        supplier_nip=paper.seller_nip,
        number=paper.number,
        kind=KIND_LABELS[paper.kind],
        issue_date=paper.issue_date,
        received_on=paper.received_on,
        gross=Decimal(paper.gross),
        currency=paper.currency,
        status=STANDINGS["awaited" if standing.code == "contact_seller" else standing.code],
        bookable=YES if standing.bookable else NO,
        jpk_mark=standing.jpk_mark,
        ksef_number=invoice.ksef_number if invoice else None,
        scan=paper.scan_name,
        scan_sha256=paper.scan_sha256,
        retention=kept,
        keep_until=classes.until(kept, paper.issue_date),
        notes=" ".join(filter(None, [paper.note, paper.decided_why])),
    )


def _remarks(facts: Facts, book: Book, due: list[date]) -> list[str]:
    """What an accountant should know before paying."""
    found = []
    if not book.readable:
        found.append(UNREAD)
    if facts.self_invoicing:
        found.append("Samofakturowanie.")
    if len(due) > 1:
        found.append(f"Kolejne terminy: {', '.join(day.isoformat() for day in due[1:_SHOWN])}.")
    if len(book.accounts) > 1:
        found.append(f"Dalsze rachunki: {', '.join(book.accounts[1:])}.")
    if facts.form is FormCode.PEF_KOR:
        found.append("Korekta PEF: kwoty są podane tak jak w dokumencie, bez znaku minus.")
    return found


def _amounts(book: Book, facts: Facts) -> dict[str, Cell]:
    return {
        "net": _amount(book.net),
        "vat": _amount(book.vat),
        "gross": _amount(book.gross),
        "currency": facts.currency,
        "vat_pln": _amount(book.vat_pln),
    }


def _corrected(originals: tuple[CorrectedInvoice, ...]) -> dict[str, Cell]:
    """The first of them; a collective correction may have thousands."""
    shown = originals[:_SHOWN]
    more = f" i {len(originals) - _SHOWN} innych" if len(originals) > _SHOWN else ""
    numbers, ksef = [o.number for o in shown if o.number], [o.ksef_number for o in shown if o.ksef_number]
    return {"corrects": ", ".join(numbers) + more, "corrects_ksef": ", ".join(ksef)}


def _row(layout: Layout, **cells: Cell) -> Row:
    """In the order of the columns. Every column must be given, and nothing else."""
    assert cells.keys() == set(layout.keys)
    return tuple(cells[key] for key in layout.keys)


def _unit(unit: str | None, municipality: Municipality) -> str:
    known = municipality.units.get(unit or "")
    return known.name if known else unit or TRAY


def _day(moment: datetime | None) -> date | None:
    return warsaw_date(moment) if moment else None


def _as_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _ISO_DAY.fullmatch(text) else None
    except ValueError:
        return None


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if text else None
