"""The order of numbering series on stored documents: their places follow the configuration, and people learn why.

Which number goes when is kept by the store with every move (`spool.store.series`); the rules are in
`spool.domain.series`.
"""

from dataclasses import replace
from datetime import datetime

from spool.domain import series, series_words
from spool.domain.ledger import Document
from spool.domain.municipality import Municipality
from spool.domain.series import NO_PLACE, Place
from spool.domain.states import LIVE, NUMBERED, State
from spool.store import Store

OVERTOOK, MEMO = "out_of_order", "memo"
"""Words of the history: a document went before an earlier number; the draft of the memo, at that earlier number."""
_PLACED = tuple(sorted(LIVE - NUMBERED))
_CHUNK = 250


def explained(store: Store, document: Document) -> Document:
    """The document with the reason for which it is held back, where it is: nobody writes that to thousands of rows."""
    if not document.held_back or document.state is not State.QUEUED or document.reason:
        return document
    earlier = store.earlier_open(document)
    return replace(document, reason=series_words.waits(document, earlier)) if earlier else document


def moved_at(document: Document) -> datetime:
    """When an open number moved on last, or was free to: a change of state, its turn, the time of its next try."""
    return max(document.updated_at, document.next_action_at) if document.state is State.QUEUED else document.updated_at


def note(store: Store, town: Municipality, document: Document, earlier: Document, now: datetime) -> None:
    """This document goes although `earlier` of its series is open: written once, and in a strict unit with a memo.

    Of an earlier number that is on its way since a moment ago nothing is told.
    """
    unit = town.units.get(document.unit)
    if unit is None or series.on_its_way(earlier.state, moved_at(earlier), now):
        return
    if any(event.move == OVERTOOK for event in store.history(document.id)):
        return
    text = series_words.overtook(earlier, unit)
    store.log(document.id, OVERTOOK, now, "agent", text, {"earlier": earlier.id})
    if unit.series_order == series.STRICT and memo(store, earlier.id) is None:
        draft = series_words.memo(document, earlier, unit, town.name, now)
        store.log(earlier.id, MEMO, now, "agent", draft, {"overtaken_by": document.id})


def memo(store: Store, document_id: str) -> str | None:
    """The draft of the memo that concerns this document: its own, or that of the number it overtook."""
    for event in store.history(document_id):
        if event.move == MEMO:
            return event.note
        if event.move == OVERTOOK and (found := memo(store, str(event.data["earlier"]))) is not None:
            return found
    return None


def wanted(store: Store, town: Municipality, context: str) -> bool:
    """True when places may not be what the configuration makes of them."""
    said = store.condition("", _name(context))
    return (said.value if said else {"rules": {}}) != {"rules": _rules(town, context)}


def replace_all(store: Store, town: Municipality, context: str, after: int, now: datetime) -> int | None:
    """One chunk of open documents gets its places by the configuration of now; returns the cursor, None at the end."""
    documents = store.documents(states=_PLACED, after=after, limit=_CHUNK)
    for document in documents:
        unit = town.units.get(document.unit)
        place = series.place(unit, document.facts.number_key) if unit else NO_PLACE
        if document.context == context and place != Place(document.series, document.series_n, document.in_order):
            store.set_place(document, place, now)
    if len(documents) == _CHUNK:
        return documents[-1].seq
    store.set_condition("", _name(context), {"rules": _rules(town, context)}, now)
    return None


def _name(context: str) -> str:
    return f"series:{context}"


def _rules(town: Municipality, context: str) -> dict[str, list[str]]:
    """What places depend on; the units of this context that have none are left out."""
    units = sorted(town.units.values(), key=lambda unit: unit.id)
    return {u.id: [u.series, u.series_order] for u in units if u.context == context and u.series}
