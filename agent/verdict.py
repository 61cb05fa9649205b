"""What a verdict does to a document: outcome in, moves of the store out. Every function is one transaction's job.

Nothing here talks to KSeF; the callers are `agent.forward` (after a send), `agent.follow` and `agent.reconcile`.
They hand over the document as it was when KSeF was asked: an answer counts only while that attempt is open (`_late`).
Packages (`agent.batch`, `agent.batch_verdicts`) hand it over as it is.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from agent import retry
from agent.contact import SEND, pause_in
from agent.ksef.api import NoAnswer, Pending, Reading
from spool import law
from spool.domain.catalogue import problem
from spool.domain.ledger import Document
from spool.domain.outcomes import Accepted, Later, Refused, Scope, Unknown
from spool.domain.states import State
from spool.law import Rules
from spool.store import LONGEST_PAUSE, Store

MOST_TRIES = 5
"""A document that KSeF keeps handing back without a verdict is shown to a person after so many sends."""
_FEWER_TRIES = {"invoice:435": 2, "invoice:500": 3}
"""Protocol §6.4: 435 once more with a new key, then configuration; 500 with care, then the operator."""
STUCK_AFTER = timedelta(minutes=30)
_ASKED = frozenset({State.SUBMITTED, State.UNKNOWN})
_LATE = "Spóźniona odpowiedź KSeF na wcześniejsze pytanie; niczego nie zmienia."
_LONG = {
    State.SUBMITTED: (
        "stuck",
        "Od ponad 30 minut KSeF nie podał wyniku dla tego dokumentu. Nie wysyłamy go drugi raz, czekamy na wynik.",
    ),
    State.UNKNOWN: (
        "unknown_long",
        "Od ponad 30 minut nie wiadomo, czy KSeF ma ten dokument. Pytamy dalej, nic nie wysyłamy bez pewności.",
    ),
}


def submitted(
    store: Store, document: Document, reference: str, now: datetime, handed_over: datetime | None = None
) -> None:
    """KSeF took the document in and gave it a reference; no verdict yet. The hand-over is KSeF's moment, or ours."""
    if _late(store, document, now, frozenset({State.SENDING, State.UNKNOWN})):
        return
    store.end_attempt(document.id, "submitted", now, reference)
    store.move(
        document.id, State.SUBMITTED, now, "agent", "KSeF przyjął dokument do przetworzenia.",
        invoice_ref=reference, handed_over_at=handed_over or now,
    )  # fmt: skip


def handed_in(store: Store, document: Document, now: datetime) -> None:
    """The package with this document is at KSeF; its session will say what became of it, until when nobody asks."""
    store.end_attempt(document.id, "submitted", now)
    store.move(
        document.id, State.SUBMITTED, now, "agent", "Paczka z dokumentem jest w KSeF, czeka na przetworzenie.",
        handed_over_at=now, next_action_at=now + LONGEST_PAUSE,
    )  # fmt: skip


def named(store: Store, document: Document, reference: str, handed_over: datetime | None, now: datetime) -> Document:
    """KSeF's list of the package names this document: it can be asked about by itself from now on."""
    if document.state is State.SUBMITTED:
        store.end_attempt(document.id, "submitted", now, reference)
        store.touch(document.id, now, invoice_ref=reference, next_action_at=now)
    else:
        submitted(store, document, reference, now, handed_over)
    return store.document(document.id)


def not_packed(store: Store, document: Document, now: datetime, note: str) -> None:
    """Out of a package that nothing of was sent: queued again."""
    store.end_attempt(document.id, "later", now)
    store.move(document.id, State.QUEUED, now, "agent", note, session=None)


def not_sent(store: Store, document: Document, no: NoAnswer, now: datetime, random: float) -> None:
    """The send gave no reference: back to the queue if nothing happened, UNKNOWN if nobody knows."""
    if _late(store, document, now, frozenset({State.SENDING})):
        return
    outcome = no.reading.outcome
    if isinstance(outcome, Refused):
        refused(store, document, outcome, now)
    elif isinstance(outcome, Later):
        later(store, document, no.reading, outcome, now, random)
    else:
        reason = no.reading.reason
        store.end_attempt(document.id, "unknown", now)
        note = f"{reason} Sprawdzamy w KSeF, nic nie zostanie wysłane drugi raz."
        store.move(document.id, State.UNKNOWN, now, "agent", note, reason=reason)


def settle(store: Store, rules: Rules, document: Document, reading: Reading, now: datetime, random: float) -> None:
    """A verdict that KSeF gave on a submitted or unknown document. Pending only sets the time of the next look."""
    outcome = reading.outcome
    if _late(store, document, now, number=outcome.ksef_number if isinstance(outcome, Accepted) else ""):
        return
    if isinstance(outcome, Pending):
        _look_again(store, document, now)
        return
    if isinstance(outcome, Accepted):
        handed_over = outcome.invoicing_date or document.handed_over_at
        accepted(store, rules, document, outcome.ksef_number, outcome.acquisition_date, now, handed_over=handed_over)
    elif isinstance(outcome, Refused):
        refused(store, document, outcome, now)
    elif isinstance(outcome, Later):
        later(store, document, reading, outcome, now, random)
    elif isinstance(outcome, Unknown):
        unknown(store, document, outcome, now)


def accepted(
    store: Store,
    rules: Rules,
    document: Document,
    ksef_number: str,
    acquired: datetime | None,
    now: datetime,
    *,
    handed_over: datetime | None = None,
    **changes: Any,
) -> None:
    """It has its KSeF number; a number that another document of ours has is a conflict, never taken twice."""
    if _late(store, document, now, number=ksef_number):
        return
    other = store.ours(ksef_number, "")
    if other is not None and other.id != document.id:
        conflict(store, document, "Ten numer KSeF ma już inny dokument w Śluzie.", now)
        return
    store.end_attempt(document.id, "accepted", now)
    note = changes.pop("note", f"Nadano numer KSeF {ksef_number}.")
    handed_over = handed_over or acquired or now
    moved = {
        "ksef_number": ksef_number,
        "acquisition_date": acquired,
        "handed_over_at": handed_over,
        "due_state": law.at_hand_over(store, rules, document, handed_over, now),
    }
    numbered = store.move(document.id, State.ACCEPTED, now, "agent", note, **moved | changes)
    tell_corrections(store, numbered, now)
    for replaced in store.owed_as(numbered):
        store.forgive(replaced, now, "agent", f"Zastąpiona fakturą o numerze KSeF {ksef_number}.")


def tell_corrections(store: Store, original: Document, now: datetime) -> None:
    """Refused corrections that waited for this number learn it, and their unit with them (JST rule S16)."""
    for correction in store.awaiting(original):
        note = (
            f"Faktura korygowana „{original.facts.number}” ma już numer KSeF {original.ksef_number}. "
            "Proszę wystawić korektę jeszcze raz, z tym numerem."
        )
        cure = problem("original_not_numbered", value=original.facts.number, ready=f": {original.ksef_number}").hint
        problems = tuple(
            replace(p, hint=cure) if p.code == "original_not_numbered" and original.facts.number in p.message else p
            for p in correction.problems
        )
        store.touch(correction.id, now, awaits="", reason=note, problems=problems)
        store.log(correction.id, "original_numbered", now, "agent", note)


def refused(store: Store, document: Document, outcome: Refused, now: datetime) -> None:
    """The content is wrong: back to the unit, the number is free again.

    Issued offline, or deemed so because its day passed: the duty stays with its date, it is still owed (deadlines §5).
    Where it went to KSeF as an offline invoice, a technical correction is offered (protocol §11).
    """
    store.end_attempt(document.id, "refused", now)
    problems = outcome.problems
    if document.sent_offline:
        offer = problem("technical_correction_offered", id=document.id).hint
        problems = tuple(replace(p, hint=f"{p.hint} {offer}") for p in problems)
    first = problems[0].message
    ended: dict[str, Any] = {"problems": problems, "handed_over_at": None, "owed": int(document.mode.offline)}
    store.move(document.id, State.REFUSED, now, "agent", first, **ended)


def doubted(store: Store, document: Document, reading: Reading, until: datetime, now: datetime) -> None:
    """A verdict that does not count yet, because KSeF may have the bytes a second time (`agent.twins`).

    What stops the context stops it now: nothing more is sent into what KSeF will not have. The session has to come to
    its end, also one that was given up while KSeF did not show it.
    """
    if document.session is not None:
        store.regain_session(document.session)
    if isinstance(reading.outcome, Later) and reading.outcome.person:
        _pause(store, document, reading, reading.outcome, now)
    overdue(store, document, now)
    store.postpone(document.id, until)


def later(store: Store, document: Document, reading: Reading, outcome: Later, now: datetime, random: float) -> None:
    """Nothing is registered: the same bytes again, or a person first."""
    store.end_attempt(document.id, "later", now)
    if outcome.person:
        _hold(store, document, f"{outcome.reason} {reading.hint}".strip(), now)
        _pause(store, document, reading, outcome, now)
        return
    tries = _FEWER_TRIES.get(reading.code, MOST_TRIES)
    if outcome.scope is not Scope.CONTEXT and document.attempts >= tries:
        _hold(store, document, f"{outcome.reason} Wysłano {document.attempts} razy bez wyniku.", now)
        return
    paced = reading.code == "http:429"  # the budget knows until when
    at = now if paced else retry.next_attempt(outcome, document.attempts, document.due_safe, now, random)
    note = f"{outcome.reason} Ponowimy."
    again: dict[str, Any] = {"reason": outcome.reason, "next_action_at": at, "handed_over_at": None}
    store.move(document.id, State.QUEUED, now, "agent", note, **again)


def unknown(store: Store, document: Document, outcome: Unknown, now: datetime) -> None:
    """A verdict we do not understand, or a duplicate: stays open, and is read again."""
    if document.state is State.UNKNOWN:
        age = (now - document.updated_at).total_seconds()
        store.postpone(document.id, now + timedelta(seconds=max(1.0, retry.next_look(age))))
        overdue(store, document, now)
        return
    store.end_attempt(document.id, "unknown", now)
    store.move(document.id, State.UNKNOWN, now, "agent", outcome.reason, reason=outcome.reason)


NOT_IN_SESSION = "Dokument nie dotarł do KSeF (nie ma go w zamkniętej sesji), więc wysyłamy go teraz."
NOT_STORED = "Dokument nie dotarł do KSeF (nie ma tej sesji, a w rejestrze nie ma dokumentu), więc wysyłamy go teraz."


def absent(store: Store, document: Document, now: datetime, random: float, note: str) -> None:
    """Proven, as `note` says (faults K01). The same bytes go again after a pause, or a person looks when that has
    happened too often. A package that never was handed in leaves its documents SENDING until then."""
    if _late(store, document, now, _ASKED | {State.SENDING}):
        return
    if document.attempts >= MOST_TRIES:
        store.end_attempt(document.id, "held", now)
        reason = f"Wysłano {document.attempts} razy, a KSeF za każdym razem nie ma tego dokumentu."
        _hold(store, document, reason, now)
        return
    store.end_attempt(document.id, "absent", now)
    at = retry.next_attempt(Later(note), document.attempts, document.due_safe, now, random)
    again: dict[str, Any] = {"session": None, "next_action_at": at, "handed_over_at": None}
    store.move(document.id, State.QUEUED, now, "agent", note, **again)


def conflict(store: Store, document: Document, reason: str, now: datetime, number: str = "") -> None:
    """A person has to decide; the document keeps its number reserved. The other's KSeF number is for admins only."""
    if _late(store, document, now):
        return
    store.move(document.id, State.CONFLICT, now, "agent", reason, reason=reason)
    if number:
        note = "Numer KSeF drugiego dokumentu jest w danych tego wpisu."
        store.log(document.id, "conflict", now, "agent", note, {"ksef_number": number})


def overdue(store: Store, document: Document, now: datetime) -> None:
    """Half an hour without a verdict, counted over all attempts since the last one: one event on the document.

    Nothing is sent again because of it; the pages tell people from state and age (faults K01, K07; I11).
    """
    since = store.without_verdict_since(document.id) or document.updated_at
    move, note = _LONG.get(document.state, ("", ""))
    if move and now - since > STUCK_AFTER and all(event.move != move for event in store.history(document.id)):
        store.log(document.id, move, now, "agent", note, {"since": since.isoformat()})


def _late(
    store: Store, document: Document, now: datetime, open_in: frozenset[State] = _ASKED, number: str = ""
) -> bool:
    """True for an answer whose attempt is over, or was answered already: it moves nothing (faults K02).

    An attempt is known by its session, because no session ever takes the same document twice. Once per document the
    history says that it happened, with the KSeF number that a late answer named.
    """
    found = store.document(document.id)
    if found.state in open_in and (found.session, found.attempts) == (document.session, document.attempts):
        return False
    if all(event.move != "late_answer" for event in store.history(document.id)):
        store.log(document.id, "late_answer", now, "agent", _LATE, {"session": document.session, "ksef_number": number})
    return True


def _pause(store: Store, document: Document, reading: Reading, outcome: Later, now: datetime) -> None:
    """Nothing of this context is sent until a person has looked; what stopped it first stays the reason."""
    value = {"reason": outcome.reason, "hint": reading.hint, "code": reading.code, "kind": SEND}
    if not any(c.name == "paused" for c in store.conditions(document.context)):
        pause_in(store, document.context, value, now)


def _hold(store: Store, document: Document, reason: str, now: datetime) -> None:
    store.move(document.id, State.HELD, now, "agent", reason, reason=reason, handed_over_at=None)


def _look_again(store: Store, document: Document, now: datetime) -> None:
    """Never a resend: KSeF may keep a document at 100 or 150 for hours (faults K07)."""
    started = store.attempt_started_at(document.id) or document.updated_at
    age = now - started
    store.postpone(document.id, now + timedelta(seconds=retry.next_look(age.total_seconds())))
    overdue(store, document, now)
