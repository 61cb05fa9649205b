"""Documents that end the process which handles them: after three times somebody else decides (faults F19).

Every function is one transaction's job. What waits to be sent is quarantined: its duty stays, so its alarms go on, and
a person may put it back. What is on its way, numbered or ended already is left in its state, because only KSeF, or a
finished delivery, can move it; it is set aside, told to people, and tried again rarely.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from spool.domain.catalogue import problem
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.store import Store

TOO_OFTEN = 3
"""So many deaths of a process with the same thing in its hands are no accident any more."""
DELIVERY = "sha256:"
"""The subject of what is not a document yet: this, and the hash of its bytes."""
_AGAIN = timedelta(hours=1)
_AT_MOST = 3
"""Quarantined within that hour. When more documents than these seem to be poison, it is not the documents."""
_SET_ASIDE = "Program kilka razy przerwał pracę przy tym dokumencie, więc odłożono go. Przywraca go: sluza queue retry."
_MAY_BE_QUARANTINED = frozenset({State.QUEUED, State.WAITING, State.HELD})


def died_with(store: Store, subjects: Iterable[str], role: str, now: datetime) -> list[str]:
    """Count what a process of this role had in its hands when it died; returns what is poison by now."""
    counted = {subject: store.count_crash(subject, role, now) for subject in subjects}
    poison = [subject for subject, times in counted.items() if times >= TOO_OFTEN]
    for subject in poison:
        for document in _documents(store, subject):
            _stop(store, document, role, now, first=counted[subject] == TOO_OFTEN)
    return poison


def put_off(store: Store, role: str, now: datetime) -> None:
    """Documents that were set aside wait an hour before this role risks its life with them again."""
    for subject, times in store.crashes(role).items():
        if times >= TOO_OFTEN:
            for document in _documents(store, subject):
                store.postpone(document.id, now + _AGAIN)


def _stop(store: Store, document: Document, role: str, now: datetime, *, first: bool) -> None:
    if document.state in _MAY_BE_QUARANTINED and store.quarantined_since(now - _AGAIN) < _AT_MOST:
        found = problem("poison", times=str(TOO_OFTEN))
        ended: dict[str, Any] = {"problems": (found,), "reason": found.message, "owed": 1}
        store.move(document.id, State.QUARANTINED, now, role, found.message, **ended)
        store.forget_crashes(document.id)  # its files still have to be written: that is a work of its own
    elif first:
        store.log(document.id, "set_aside", now, role, _SET_ASIDE)


def _documents(store: Store, subject: str) -> list[Document]:
    """The document with this id; of a delivery those that still wait with its bytes."""
    if subject.startswith(DELIVERY):
        found = store.with_bytes(subject.removeprefix(DELIVERY))
        return [document for document in found if document.state in _MAY_BE_QUARANTINED]
    try:
        return [store.document(subject)]
    except KeyError:
        return []  # a received invoice: it has no states, its folder waits
