"""What a person may do to a document, the same for the command line and, later, the pages: one transaction each.

Every action is a move of the one table with the person's name in the history (DESIGN 4.6). A refused or withdrawn
document goes back to the queue only through `gateway.intake`, which judges its bytes again.
"""

from datetime import datetime
from typing import Any

from spool import law
from spool.domain.catalogue import problem
from spool.domain.errors import MoveRefused
from spool.domain.ledger import LOGIN, Document
from spool.domain.states import LABELS, State
from spool.law import Rules
from spool.poison import DELIVERY, TOO_OFTEN
from spool.store import Store


def hold(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Keep a waiting document back. Raises MoveRefused when it is already on its way, KeyError when unknown.

    The later numbers of its series do not wait for it meanwhile: where they otherwise would, a reason is required
    (JST rule S3). That goes for a document that a program holds, too: from now on it is this person's.
    """
    document = _need(store, document_id, {State.QUEUED, State.WAITING, State.HELD})
    if document.state is State.HELD and document.parked:
        raise MoveRefused("Ten dokument jest już wstrzymany przez człowieka.")
    if document.in_order and not reason:
        raise MoveRefused(
            "Następne numery tej serii przestaną na nią czekać, więc wstrzymanie wymaga podania powodu (--reason)."
        )
    note = reason or "Wstrzymano ręcznie."
    if document.state is State.HELD:
        return store.park(document, now, actor, note)
    return store.move(document_id, State.HELD, now, actor, note, reason=note)


def release(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Let a held document go, and lift the pause of its context, because a person has looked."""
    document = _need(store, document_id, {State.HELD})
    _resume(store, document.context, now, actor)
    return store.move(document_id, State.QUEUED, now, actor, reason or "Zwolniono ręcznie.", attempts=0)


def withdraw(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """Take a document back before it was sent; its number is free again. Never while an attempt lacks a verdict.

    An offline invoice that KSeF rejected, or a quarantined one, is not owed any more: nobody is warned of its date (its
    state stays).
    When it was the last held one, a pause that a refused send had put on its context has nothing left to wait for.
    """
    document = store.document(document_id)
    if document.state in {State.REFUSED, State.QUARANTINED} and document.owed:
        store.forgive(document, now, actor, reason or "Wycofano ręcznie: faktura nie trafiła do nabywcy.")
        return store.document(document_id)
    document = _need(store, document_id, {State.QUEUED, State.WAITING, State.HELD})
    done = store.move(document_id, State.WITHDRAWN, now, actor, reason or "Wycofano ręcznie.")
    if document.state is State.HELD and not store.holds(document.context):
        _resume(store, document.context, now, actor)
    return done


def send_all_the_same(store: Store, document_id: str, now: datetime, actor: str, reason: str, rules: Rules) -> Document:
    """The treasurer's override: a document whose duty ceased is sent after all (deadlines §3).

    Where the announcement that ended its duty acts no more, it has its date again from this moment.

    Raises MoveRefused without a reason, or while another document holds its number.
    """
    document = _need(store, document_id, {State.CEASED})
    if not reason:
        raise MoveRefused("Wysłanie faktury, której obowiązek wygasł, wymaga podania powodu (--reason).")
    _need_free_number(store, document)
    back = store.move(document_id, State.QUEUED, now, actor, f"Na polecenie skarbnika: {reason}", attempts=0)
    law.apply(store, rules, back, rules.heard(store, back), now)
    return store.document(document_id)


def out_of_quarantine(store: Store, document_id: str, now: datetime, actor: str, reason: str, rules: Rules) -> Document:
    """A person has looked at what ended the program, and has the document sent after all (faults F19).

    Raises MoveRefused while another document holds its number.
    """
    document = _need(store, document_id, {State.QUARANTINED})
    _need_free_number(store, document)
    store.forget_crashes(document.id)
    store.forget_crashes(f"{DELIVERY}{document.sha256}")
    back: dict[str, Any] = {"attempts": 0, "owed": 0, "problems": ()}
    note = reason or "Przywrócono z kwarantanny ręcznie."
    queued = store.move(document_id, State.QUEUED, now, actor, note, **back)
    law.apply(store, rules, queued, rules.heard(store, queued), now)
    return store.document(document_id)


def try_again(store: Store, subject: str, now: datetime, actor: str) -> bool:
    """What was set aside in its state, a document or a received invoice, is handled again; False when it was not."""
    aside = subject in store.crashed(TOO_OFTEN) and store.forget_crashes(subject)
    if aside:
        store.log(subject, "tried_again", now, actor, "Odłożony dokument przywrócono do obsługi.")
        store.postpone(subject, now)
    return aside


def ask_again(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """A conflict is read once more at KSeF, for example after a permission was mended; nothing is sent."""
    _need(store, document_id, {State.CONFLICT})
    note = reason or "Sprawdzamy w KSeF jeszcze raz, na prośbę człowieka."
    return store.move(document_id, State.UNKNOWN, now, actor, note, reason=note)


def give_up(store: Store, document_id: str, now: datetime, actor: str, reason: str) -> Document:
    """A conflict is settled against this document: its number is another's in KSeF, and it goes back to its unit.

    Raises MoveRefused without a reason: the next invoice of this number is the person's word that nothing was sent.
    """
    document = _need(store, document_id, {State.CONFLICT})
    if not reason:
        raise MoveRefused("Oddanie numeru wymaga podania powodu (--reason).")
    found = problem("number_given_up", number=document.facts.number)
    return store.move(document_id, State.REFUSED, now, actor, f"Oddano numer: {reason}", problems=(found,))


def _need_free_number(store: Store, document: Document) -> None:
    facts = document.facts
    if store.holder(facts.seller_nip, facts.kind, facts.number_key) is not None:
        raise MoveRefused("Numer tej faktury ma już inny dokument.")


def _resume(store: Store, context: str, now: datetime, actor: str) -> None:
    if any(c.name == "paused" for c in store.conditions(context)):
        store.set_condition(context, "paused", None, now)
        store.log(f"context:{context}", "resumed", now, actor, "Wznowiono wysyłkę w kontekście.")


def certificate_installed(
    store: Store, context: str, now: datetime, actor: str, note: str, *, proven: bool = False
) -> None:
    """Note a certificate that is used from now on; with one that has logged in, a pause for the login is over."""
    store.log(f"context:{context}", "certificate", now, actor, note)
    paused = store.condition(context, "paused")
    if proven and paused is not None and paused.value.get("kind") == LOGIN:
        _resume(store, context, now, actor)


def certificate_revoked(store: Store, context: str, now: datetime, actor: str, note: str, serial: str) -> None:
    """Note a certificate that KSeF accepts no more, because a person said so."""
    store.log(f"context:{context}", "certificate_revoked", now, actor, note, {"serial": serial})


def _need(store: Store, document_id: str, states: set[State]) -> Document:
    document = store.document(document_id)
    if document.state not in states:
        needed = ", ".join(sorted(f"„{LABELS[s]}”" for s in states))
        raise MoveRefused(f"Dokument jest w stanie „{LABELS[document.state]}”, a to działanie wymaga stanu: {needed}.")
    return document
