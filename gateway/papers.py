"""A purchase outside KSeF for programs: one JSON for the command line and whatever reads it."""

from typing import Any

from spool.domain.ledger import Event
from spool.domain.papers import Attachment
from spool.papers import Desk


def as_dict(desk: Desk) -> dict[str, Any]:
    """An entry with where it stands for whoever asked; an invoice that they may not see is not named."""
    found, standing = desk.paper, desk.standing
    return {
        "id": found.id,
        "unit": found.unit,
        "kind": found.kind,
        "seller_nip": found.seller_nip,
        "seller_name": found.seller_name,
        "number": found.number,
        "issue_date": found.issue_date.isoformat(),
        "received_on": found.received_on.isoformat(),
        "gross": found.gross,
        "currency": found.currency,
        "code_sha256": found.code_sha256 or None,
        "code_link": found.code_link or None,
        "scan": found.scan_name or None,
        "scan_sha256": found.scan_sha256,
        "note": found.note,
        "entered_at": found.entered_at.isoformat(),
        "entered_by": found.entered_by,
        "ksef_number": desk.invoice.ksef_number if desk.invoice else None,
        "standing": standing.code,
        "label": standing.label,
        "message": standing.sentence,
        "hint": standing.cure,
        "bookable": standing.bookable,
        "jpk_mark": standing.jpk_mark or None,
        "seller_due": desk.due.last_day.isoformat() if desk.due.last_day else None,
        "contact_from": desk.contact_from.isoformat() if desk.contact_from else None,
        "attachments": [as_attachment(a) for a in desk.attachments],
    }


def as_attachment(found: Attachment) -> dict[str, Any]:
    """A file beside a purchase."""
    return {
        "name": found.name, "sha256": found.sha256, "size": found.size, "place": found.place,
        "linked_at": found.linked_at.isoformat(), "linked_by": found.linked_by,
    }  # fmt: skip


def as_event(event: Event) -> dict[str, Any]:
    """A row of the history."""
    return {
        "at": event.at.isoformat(), "event": event.move, "actor": event.actor, "note": event.note, "data": event.data,
    }  # fmt: skip
