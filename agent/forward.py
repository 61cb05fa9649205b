"""The back door: claim the most urgent document, seal it, write the intent, send, write what became of it.

One step begins one document and at most one call to KSeF that registers anything; after any commit the process may be
killed. The intent is durable before the call (invariant I6), so a document found SENDING at the start is UNKNOWN.

A call that hangs holds nobody: after `PATIENCE_S` the next document is begun beside it, in another session, because a
session with an unanswered call takes no more documents. Each lane has its own document, which no other lane touches.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from agent import verdict
from agent.bench import Bench
from agent.contact import Contact
from agent.ksef.api import Ksef, NoAnswer
from agent.ksef.session import Current, Sessions
from agent.ksef.transport import Transport
from agent.lanes import Lanes
from agent.plan import COUNTED, URGENT, Outlook, Planner
from agent.series import begin_in_turn
from spool import law
from spool.access import Spool
from spool.clock import Clock
from spool.crashpoint import reached
from spool.domain.calendar import WARSAW, warsaw_date
from spool.domain.catalogue import problem
from spool.domain.errors import BodyDamaged, MoveRefused
from spool.domain.ledger import Document
from spool.domain.municipality import Context, Municipality
from spool.domain.outcomes import Later, Unknown
from spool.domain.states import State
from spool.hands import Hands, with_hands
from spool.law import Rules
from spool.store import LONGEST_PAUSE, Store

IDLE_S = 30.0
MOST_IN_FLIGHT = 3
"""Sends of one context at once: when all of KSeF hangs, so many documents are in doubt and no more."""
PATIENCE_S = 2.0
"""A send is waited for so long before the next one begins; KSeF takes one in two seconds anyway (protocol §16.1)."""
_AFTER_MIDNIGHT = timedelta(minutes=2)
FOR_PACKAGES_S = 1.0
"""What is ready is left to the packages, or may not go in one yet: how soon to look whether that changed."""
_ASK_FIRST = timedelta(seconds=2)
_DAMAGED_AGAIN = timedelta(hours=1)
_DAMAGED = "damaged:"
"""The condition of one document; the rest of its name is the document's id."""


@dataclass(frozen=True)
class Tools:
    """What every step of one context works with."""

    context: Context
    spool: Spool
    ksef: Ksef
    sessions: Sessions
    contact: Contact
    clock: Clock
    bench: Bench
    transport: Transport
    rules: Rules
    planner: Planner
    hands: Hands | None = None


async def wants_package(t: Tools, now: datetime) -> bool:
    """True when what waits should go by batch session; both sending loops ask here."""
    waiting = await t.spool.read(lambda store: store.waiting(t.context.id, now, COUNTED))
    sends = t.ksef.wait("invoiceSend", waiting.plain) if waiting.plain else 0.0
    return t.planner.by_batch(waiting, Outlook(sends, t.ksef.wait("batchSession")), now)


class Forward:
    """The sending loop of one context."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._clean = True
        self._lanes = Lanes(MOST_IN_FLIGHT)
        self._turn = ""

    async def begin(self) -> None:
        """Documents left between intent and answer by an earlier run or a lane that broke: KSeF is read first.

        Right before a step of this loop, too, but not those whose call is under way: only this loop begins lanes.
        """
        now, under_way = self._t.clock(), self._lanes.keys

        def job(store: Store) -> int:
            left = [document for document in store.interrupted(self._t.context.id) if document.id not in under_way]
            for document in left:
                store.end_attempt(document.id, "unknown", now)
                reason = "Wysyłka została przerwana w trakcie; sprawdzamy w KSeF."
                store.move(document.id, State.UNKNOWN, now, "agent", reason, reason=reason)
            _lift_damaged(store, self._t.context.id, now)
            for document in store.waiting_for_batch(self._t.context.id):
                store.move(document.id, State.QUEUED, now, "agent", "Faktura z załącznikiem idzie teraz w paczce.")
            return len(left)

        if count := await self._t.spool.write(job):
            self._t.contact.log.warning("interrupted_sends", count=count)

    async def step(self) -> float:
        """Begin with the most urgent document; returns seconds until there may be more to do.

        Whatever broke a step or a lane before, a document it left SENDING becomes UNKNOWN first.
        """
        if not self._clean:
            await self.begin()
        self._clean = False
        pause = await self._step()
        self._clean = True
        return pause

    async def finish(self) -> None:
        """A clean stop: what is under way comes to its end."""
        for error in await self._lanes.finish():
            self._t.contact.log.warning("step_failed", loop="send", error=str(error))

    async def abandon(self) -> None:
        """A stop at once: what is under way is UNKNOWN at the next start."""
        await self._lanes.abandon()

    async def _step(self) -> float:
        t, now = self._t, self._t.clock()
        self._lanes.reap()
        if self._lanes.full:
            await self._lanes.wait(PATIENCE_S)
            return 0.0
        if t.contact.paused or t.contact.withheld():
            return self._soon(IDLE_S)
        if (pause := max(t.contact.silence(), t.ksef.wait("invoiceSend"))) > 0:
            return self._soon(pause)
        document = await self._next(now)
        if document is None:
            return self._soon(await self._until_next(now))
        if not await self._fit(document, now):
            return 0.0
        self._lanes.start(document.id, with_hands(t.hands, [document.id], self._lane(document)))
        await self._lanes.wait(PATIENCE_S)
        self._lanes.reap()
        return 0.0

    def _soon(self, pause: float) -> float:
        """Not longer than a lane should wait for somebody to hear how it ended."""
        return min(pause, PATIENCE_S) if self._lanes.keys else pause

    async def _lane(self, document: Document) -> None:
        """One document on its way: bytes, session, intent, call, result."""
        t = self._t
        reached("send.begun", document.id)
        try:
            raw = await t.spool.read(lambda store: store.body(document.sha256))
        except BodyDamaged as damage:
            await self._damaged(document, damage)
            return
        # Never a session it was sent into before: its list must say one thing about these bytes.
        used = await t.spool.read(lambda store: store.attempt_sessions(document.id))
        session = await t.sessions.ready(used)
        try:
            if t.contact.withheld():
                return  # the machine slept while we logged in and opened; nothing is claimed yet
            await self._send(document, raw, session)
        except BaseException:
            t.sessions.leave(session.reference)  # nobody knows what became of the call
            raise
        finally:
            session.busy = False

    async def _send(self, document: Document, raw: bytes, session: Current) -> None:
        """Intent, call, result. Between the first and the last line the truth is only at KSeF."""
        t = self._t
        log = t.contact.log.bind(document=document.id, session=session.reference)
        sealed, started = session.seal(raw), t.clock()
        reached("send.sealed", document.id)
        try:
            claimed = await t.spool.write(
                lambda store: _claim(store, t.rules.municipality, document, session.reference, started)
            )
        except MoveRefused:
            return  # a person withdrew or held it a moment ago, or an earlier number came in
        session.sent += 1
        reached("send.claimed", document.id)
        try:
            offline, corrects = claimed.sent_offline, claimed.corrects
            reference = await t.ksef.send(session.reference, sealed, offline=offline, corrects=corrects)
        except NoAnswer as no:
            log.warning("not_sent", code=no.code)
            await self._not_sent(claimed, session, no)
            return
        now = t.clock()
        reached("send.answered", document.id)
        await t.spool.write(lambda store: verdict.submitted(store, claimed, reference, now))
        reached("send.recorded", document.id)
        await t.contact.worked()
        log.info("sent", invoice=reference)

    async def _not_sent(self, document: Document, session: Current, no: NoAnswer) -> None:
        t, now, dice = self._t, self._t.clock(), random.random()  # noqa: S311 - jitter
        outcome = no.reading.outcome
        await t.spool.write(lambda store: verdict.not_sent(store, document, no, now, dice))
        if isinstance(outcome, Unknown):
            t.sessions.leave(session.reference)  # in doubt: it takes no more documents, and is closed for proof
        if isinstance(outcome, Later):
            if outcome.new_session:
                t.sessions.leave(session.reference, new_keys=outcome.new_keys)
            if outcome.person:
                t.contact.learn(await t.spool.read(lambda store: store.conditions(t.context.id)))
        if no.code.startswith(("network:", "http:")):
            await t.contact.failed_about(document.id, no)

    async def _next(self, now: datetime) -> Document | None:
        """The nearest deadline that no lane has already; a lane that opens its session has not claimed it yet.

        What waits for a package is left to it, except technical corrections, which cannot go in one, and whatever
        must not wait until the package on its way makes room for the next.
        """
        t, taken, turn = self._t, self._lanes.keys, self._turn
        packages = await wants_package(t, now)
        soon = now + URGENT if packages and t.planner.packing else None
        only = packages and not t.planner.packing

        def job(store: Store) -> Document | None:
            choice = partial(store.next_queued, t.context.id, now, taken=taken, after_unit=turn)
            return choice(corrections_only=only, due_before=soon) or (choice(corrections_only=True) if soon else None)

        document = await t.spool.read(job)
        self._turn = document.unit if document else turn
        return document

    async def _until_next(self, now: datetime) -> float:
        at = await self._t.spool.read(lambda store: store.next_action(self._t.context.id, [State.QUEUED]))
        if at is None:
            return IDLE_S
        left = (at - now).total_seconds()
        return min(IDLE_S, max(0.05, left)) if left > 0 else FOR_PACKAGES_S

    async def _fit(self, document: Document, now: datetime) -> bool:
        """False when it cannot go into a session now; then it says itself what it waits for."""
        if law.without_duty(document) and await self._t.spool.write(lambda store: law.cease(store, document, now)):
            return False  # it ceased while an earlier attempt was in doubt
        server_now = self._t.transport.server_now()
        if from_the_future(document, now, server_now):
            await self._t.spool.write(lambda store: _refuse_future(store, document, now))
            return False
        until = not_before(document, now, server_now)
        if until is not None:
            until = min(until, now + LONGEST_PAUSE)
            await self._t.spool.write(lambda store: store.postpone(document.id, until))
        return until is None

    async def _damaged(self, document: Document, damage: BodyDamaged) -> None:
        now = self._t.clock()
        self._t.contact.log.error("body_damaged", document=document.id)
        await self._t.spool.write(lambda store: flag_damaged(store, document, damage, now))


def flag_damaged(store: Store, document: Document, damage: BodyDamaged, now: datetime) -> None:
    """A flag with an alarm, not a state: never sent, everything else goes on (faults F10)."""
    value = {"document": document.id, "detail": str(damage)}
    store.set_condition(document.context, f"{_DAMAGED}{document.id}", value, now)
    if all(event.move != "damaged" for event in store.history(document.id)):
        store.log(document.id, "damaged", now, "agent", f"{damage} {damage.hint}")
    store.postpone(document.id, now + _DAMAGED_AGAIN)


def _claim(store: Store, town: Municipality, document: Document, session: str, now: datetime) -> Document:
    """The intent; the bytes were read and are right, so an alarm about them is over."""
    store.set_condition(document.context, f"{_DAMAGED}{document.id}", None, now)
    return begin_in_turn(store, town, document, session, now)


def _refuse_future(store: Store, document: Document, now: datetime) -> None:
    """KSeF would refuse it (deadlines E10): back to the unit now, instead of waiting in silence."""
    assert document.issue_date is not None
    found = problem(
        "issue_date_in_future",
        field="Fa/P_1",
        value=document.issue_date.isoformat(),
        today=warsaw_date(now).isoformat(),
    )
    store.move(document.id, State.REFUSED, now, "agent", found.message, problems=(found,))


def _lift_damaged(store: Store, context: str, now: datetime) -> None:
    """Alarms about the bytes of documents that nobody wants to send any more."""
    for condition in store.conditions(context):
        if condition.name.startswith(_DAMAGED):
            document = store.document(condition.name.removeprefix(_DAMAGED))
            if document.state not in {State.QUEUED, State.WAITING, State.HELD}:
                store.set_condition(context, condition.name, None, now)


def from_the_future(document: Document, now: datetime, server_now: datetime | None) -> bool:
    """True when `P_1` lies after today by our clock and by KSeF's: intake would have refused it (deadlines E10).

    One clock alone proves nothing: ours may have gone back since the document was taken in (faults F14).
    """
    issued = document.issue_date
    return issued is not None and server_now is not None and warsaw_date(now) < issued > warsaw_date(server_now)


def day_at_ksef(now: datetime, server_now: datetime | None) -> date:
    """The day up to which documents may be sent: KSeF's; while its clock is not known, ours of two minutes ago."""
    return warsaw_date(server_now or now - _AFTER_MIDNIGHT)


def not_before(document: Document, now: datetime, server_now: datetime | None) -> datetime | None:
    """When a document dated today or later may be sent; None when it may go now (faults K17).

    KSeF refuses an issue date after its own day: its clock decides where it is known, and where it is not, the first
    two minutes after midnight are left to pass.
    """
    issued = document.issue_date
    if issued is None:
        return None
    midnight = datetime.combine(issued, time(), WARSAW).astimezone(UTC)
    if server_now is None and warsaw_date(now) < issued:
        return min(midnight, now + _ASK_FIRST)
    if server_now is None:
        # The next answer tells KSeF's time; until then look again soon, at the latest when the two minutes are over.
        return min(midnight + _AFTER_MIDNIGHT, now + _ASK_FIRST) if now - midnight < _AFTER_MIDNIGHT else None
    return None if warsaw_date(server_now) >= issued else now + timedelta(seconds=5)
