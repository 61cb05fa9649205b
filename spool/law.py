"""Deadlines of stored documents follow the announcements and the calendar: recomputed in chunks, idempotently.

How far the recomputation has come is one condition, `law`, written with each chunk: it may be interrupted anywhere.
It runs anew when an announcement changed or the clock has passed one of its moments (a window announced ahead
begins), and once on each Warsaw day, because an online document that missed its midnight becomes what art. 106nda(16)
says.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from spool.domain.announcements import Announcement
from spool.domain.calendar import Changes, warsaw_date
from spool.domain.deadlines import Deadline, assess, closed
from spool.domain.document import Mode
from spool.domain.ladder import came_sooner
from spool.domain.ledger import Document
from spool.domain.modes import Issue
from spool.domain.municipality import Municipality, Policy
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.store import Store

CONDITION = "law"
_CHUNK = 200
_MAY_CEASE = frozenset({State.QUEUED, State.WAITING, State.HELD})
_NO_LOCAL_RULE = Policy("none")


@dataclass(frozen=True)
class Law:
    """What deadlines depend on beside the announcements: days changed by configuration, and the local rule (K3)."""

    changes: Changes = field(default_factory=dict)
    maintenance_after_offline24: Policy = _NO_LOCAL_RULE

    @property
    def fingerprint(self) -> str:
        """Differs when a deadline might: for knowing that the configuration was changed."""
        days = " ".join(f"{day}:{off:d}" for day, off in sorted(self.changes.items()))
        return f"{self.maintenance_after_offline24.value} {days}".strip()


_NO_TERM = "Dokument szkoleniowy: nie jest fakturą i nie ma terminu."


def without_term(due: Deadline) -> Deadline:
    """Of a training document: the mode in which it is issued, and no date that anybody could be warned of."""
    return replace(due, safe=None, local=None, state=DueState.NONE, basis=(), explanation=_NO_TERM, because="", used=())


@dataclass(frozen=True)
class Rules:
    """The law as it applies here: to which environment's announcements each context listens."""

    law: Law
    municipality: Municipality

    def announcements(self, store: Store, context: str, issued: date) -> tuple[Announcement, ...]:
        """What counts for documents of this context, issued on that day or later."""
        known = self.municipality.contexts.get(context)
        return store.acting(known.environment, issued) if known else ()

    def heard(self, store: Store, document: Document) -> tuple[Announcement, ...]:
        """What counts for this document."""
        return self.announcements(store, document.context, document.issue_date or date.min)

    def deadline(
        self,
        issue: Issue,
        announcements: tuple[Announcement, ...],
        now: datetime,
        handed_over: datetime | None = None,
    ) -> Deadline:
        """`deadlines.assess` under this law."""
        local = self.law.maintenance_after_offline24.value == "next_working_day"
        return assess(
            issue, announcements, now, handed_over=handed_over, changes=self.law.changes, local_maintenance=local
        )

    def of(self, document: Document, announcements: tuple[Announcement, ...], now: datetime) -> Deadline:
        """The deadline of a stored document now, from what the unit did and what was announced."""
        assert document.issue_date is not None, "the schema demands P_1"
        issue = Issue(document.issue_date, document.asked_at, document.wish)
        return self.deadline(issue, announcements, now, document.handed_over_at)


def wanted(store: Store, rules: Rules, now: datetime) -> bool:
    """True when some deadline may not be what the law makes of it now."""
    return _progress(store, _occasion(store, rules, now)) is not None


def recompute(store: Store, rules: Rules, now: datetime) -> int:
    """One chunk, nothing where nothing is wanted; returns how many deadlines changed."""
    occasion = _occasion(store, rules, now)
    after = _progress(store, occasion)
    if after is None:
        return 0
    documents = store.dutiable(after, _CHUNK)
    acting: dict[str, tuple[Announcement, ...]] = {}
    oldest = min((d.issue_date for d in documents if d.issue_date), default=date.min)
    changed = 0
    for document in documents:
        if document.context not in acting:
            acting[document.context] = rules.announcements(store, document.context, oldest)
        changed += apply(store, rules, document, acting[document.context], now)
    reached = documents[-1].seq if len(documents) == _CHUNK else None
    store.set_condition("", CONDITION, occasion | {"after": reached}, now)
    return changed


def _occasion(store: Store, rules: Rules, now: datetime) -> dict[str, Any]:
    """What deadlines were reckoned for: day, announcements, how many of their moments are past, configuration."""
    periods = [outage.announcement for outage in store.outages() if outage.acts]
    moments = [at for p in periods for at in (p.start, p.published, p.end_known_at()) if at is not None]
    return {
        "day": warsaw_date(now).isoformat(),
        "revision": store.outage_revision(),
        "past": sum(at <= now for at in moments),
        "law": rules.law.fingerprint,
    }


def _progress(store: Store, occasion: dict[str, Any]) -> int | None:
    """The cursor to go on from: 0 for another occasion than the last, None when nothing is left to do."""
    condition = store.condition("", CONDITION)
    said = condition.value if condition else {}
    if any(said.get(name) != value for name, value in occasion.items()):
        return 0
    after = said.get("after")
    return None if after is None else int(after)


def at_hand_over(store: Store, rules: Rules, document: Document, at: datetime, now: datetime) -> DueState:
    """Where the duty stands now that KSeF took the document at `at`: MET for good, or OVERDUE by what is known now.

    Midnight or an announcement may lie between what stands in the row and that moment, or between that moment and our
    reading of it: what is late by the row, or was deemed, is judged by the moment of KSeF (faults F15).
    """
    if document.facts.training:
        return document.due_state
    state = closed(document.due_safe, document.due_state, at)
    if state is not DueState.OVERDUE and not document.deemed:
        return state
    due = rules.of(replace(document, handed_over_at=at), rules.heard(store, document), max(now, at))
    if not _same(document, due):
        store.set_deadline(document, due, now)
    return due.state


def apply(
    store: Store, rules: Rules, document: Document, announcements: tuple[Announcement, ...], now: datetime
) -> bool:
    """Write what the law makes of one document now, if that is not what stands there; True when it was written."""
    if document.issue_date is None or document.facts.training or _met(document):
        return False
    due = rules.of(document, announcements, now)
    written = not _same(document, due)
    if written:
        sooner = came_sooner(document.due_safe, due, now, rules.law.changes)
        store.set_deadline(document, due, now, sooner)
        document = store.document(document.id)
    return cease(store, document, now) or written


def without_duty(document: Document) -> bool:
    """True when nothing is to be sent: the duty ceased, or the document was issued in a total failure."""
    return document.due_state is DueState.CEASED or document.mode is Mode.TOTAL_FAILURE


def cease(store: Store, document: Document, now: datetime) -> bool:
    """End a document without a duty; True when it was. What is on its way to KSeF is left to its verdict."""
    if not without_duty(document) or document.state not in _MAY_CEASE or put_back(store, document):
        return False
    store.move(document.id, State.CEASED, now, "spool", document.due_why, reason=document.due_why)
    return True


def reopen(store: Store, rules: Rules, document_id: str, now: datetime) -> None:
    """After a verdict that was none, or a rejection: the hand-over does not count, the duty is reckoned anew (§5)."""
    document = store.document(document_id)
    if document.ksef_number is None and document.handed_over_at is None:
        apply(store, rules, document, rules.heard(store, document), now)


def revive(store: Store, outage_id: str, now: datetime, actor: str) -> int:
    """A total failure was taken back: whatever ceased because of it is owed again; returns how many documents."""
    revived = 0
    for document in store.ceased_by(outage_id):
        facts = document.facts
        if store.holder(facts.seller_nip, facts.kind, facts.number_key) is None:
            note = "Awarię całkowitą odwołano jako pomyłkę: fakturę nadal trzeba przesłać do KSeF."
            store.move(document.id, State.QUEUED, now, actor, note, data={"cancelled": outage_id}, attempts=0)
            revived += 1
    return revived


def _met(document: Document) -> bool:
    """Handed over within the term that stood then: later announcements never move it, a rejection reopens it (§3)."""
    at = document.handed_over_at
    return at is not None and closed(document.due_safe, document.due_state, at) is DueState.MET


def put_back(store: Store, document: Document) -> bool:
    """The treasurer had it sent all the same; that word outlasts every later recomputation."""
    back = f"{State.CEASED}>{State.QUEUED}"
    return any(event.move == back and "cancelled" not in event.data for event in store.history(document.id))


def _same(document: Document, due: Deadline) -> bool:
    stored = (
        document.mode, document.issued_at, document.deemed, document.due_safe, document.due_local,
        document.due_state, document.due_why, document.announcements,
    )  # fmt: skip
    return stored == (
        due.mode, due.issued_at, due.deemed, due.safe, due.local, due.state, due.explanation, due.used
    )  # fmt: skip
