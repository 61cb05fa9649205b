"""What a person may do to a document, the same for the command line and, later, the pages: one transaction each.

Every action is a move of the one table with the person's name in the history (DESIGN 4.6).
"""

from datetime import datetime

from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document
from spool.domain.states import LABELS, State
from spool.store import Store


def hold(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Keep a waiting document back. Raises MoveRefused when it is already on its way, KeyError when unknown."""
    _need(store, document_id, {State.QUEUED, State.WAITING})
    note = reason or "Wstrzymano ręcznie."
    return store.move(document_id, State.HELD, now, actor, note, reason=note)


def release(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Let a held document go, and lift the pause of its context, because a person has looked."""
    document = _need(store, document_id, {State.HELD})
    if any(c.name == "paused" for c in store.conditions(document.context)):
        store.set_condition(document.context, "paused", None, now)
        store.log(f"context:{document.context}", "resumed", now, actor, "Wznowiono wysyłkę w kontekście.")
    return store.move(document_id, State.QUEUED, now, actor, reason or "Zwolniono ręcznie.", attempts=0)


def withdraw(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Take a document back before it was sent; its number is free again. Never while an attempt lacks a verdict."""
    _need(store, document_id, {State.QUEUED, State.WAITING, State.HELD})
    return store.move(document_id, State.WITHDRAWN, now, actor, reason or "Wycofano ręcznie.")


def retry(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Queue an ended document once more; denied while another document holds its number."""
    document = _need(store, document_id, {State.REFUSED, State.WITHDRAWN, State.QUARANTINED, State.CEASED})
    facts = document.facts
    if not facts.number or facts.issue_date is None:
        raise MoveRefused("Tego pliku nie da się wysłać: nie udało się odczytać z niego faktury.")
    if store.elsewhere(document.unit, document.sha256) or store.holder(facts.seller_nip, facts.kind, facts.number_key):
        raise MoveRefused("Numer tej faktury zajmuje już inny dokument.")
    note = reason or "Ponowiono ręcznie."
    return store.move(document_id, State.QUEUED, now, actor, note, attempts=0, problems=(), session=None)


def _need(store: Store, document_id: str, states: set[State]) -> Document:
    document = store.document(document_id)
    if document.state not in states:
        raise MoveRefused(
            f"Dokument jest w stanie „{LABELS[document.state]}”, a to działanie wymaga stanu: "
            + ", ".join(sorted(f"„{LABELS[s]}”" for s in states))
            + "."
        )
    return document
