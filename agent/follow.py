"""After the send: ask for verdicts. Reads only; nothing here can register anything.

A status of 100 or 150 is never a reason to send again, however long it lasts (faults K07). A verdict that would let the
bytes go again is held against the list of its session first: the line may have delivered them twice (`agent.twins`).
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent import retry, twins, verdict
from agent.forward import IDLE_S, Tools
from agent.ksef.api import InvoiceStatus, NoAnswer
from agent.ksef.errors import is_network
from agent.ksef.session import HIDDEN
from spool import law
from spool.crashpoint import reached
from spool.domain.ledger import Document
from spool.domain.outcomes import Later, Unknown
from spool.domain.states import State
from spool.hands import with_hands
from spool.store import Store

LIST_FROM = 10
"""From so many waiting documents of one session its list is cheaper than single questions (protocol §16.1)."""
_AT_ONCE = 500
_ASKED = (State.SUBMITTED,)
_LINE_BREAKS_S = 10.0
"""A document whose question met a broken line is not put off for long: the line is what has to heal."""
_LIST_COMPLETE_S = 900.0
"""A session closed for so long takes nothing in and has long listed what it has, although another document in it is
still being judged: nobody misses a date for a neighbour that KSeF has been working on since yesterday."""
_NEXT_PAGE_S = 60.0
_LOOK_FIRST_S, _LOOK_LONGEST_S, _LOOK_SHARE = 0.5, 60.0, 0.3


@dataclass(frozen=True)
class _Doubt:
    """A verdict that does not count yet; `since` by the clock of the event loop, which nobody sets."""

    session: str
    since: float
    closes: bool


class Verdicts:
    """SUBMITTED documents of one context, until each has its verdict."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._unlisted: set[str] = set()
        self._doubts: dict[str, _Doubt] = {}
        self._closed: dict[str, float] = {}

    @property
    def sessions_to_close(self) -> frozenset[str]:
        """Sessions that have to be over before a verdict in them counts."""
        return frozenset(doubt.session for doubt in self._doubts.values() if doubt.closes)

    async def step(self) -> float:
        """Ask about one document, or about one session when many wait in it."""
        t, now = self._t, self._t.clock()
        if (pause := t.contact.silence()) > 0:
            return pause
        due = await t.spool.read(lambda store: store.work(t.context.id, _ASKED, now, _AT_ONCE, named=True))
        if not due:
            at = await t.spool.read(lambda store: store.next_action(t.context.id, _ASKED, named=True))
            return IDLE_S if at is None else min(IDLE_S, max(0.05, (at - now).total_seconds()))
        doubted = [document for document in due if document.id in self._doubts]
        if t.hands and t.hands.suspicious:
            due, doubted = (doubted or due)[:1], doubted[:1]  # a suspect is handled by itself
        session = _largest(doubted or due)
        documents = [document for document in due if document.session == session]
        listed = len(documents) >= LIST_FROM and session not in self._unlisted
        if (listed or doubted) and t.ksef.wait("sessionInvoiceList") == 0:
            return await self._ask_list(session, documents)
        if (pause := t.ksef.wait("invoiceStatus")) > 0:
            return pause
        document = due[0]
        assert document.session is not None
        assert document.invoice_ref is not None
        try:
            status = await t.ksef.invoice_status(document.session, document.invoice_ref)
        except NoAnswer as no:
            if no.code in HIDDEN:
                await self._gone(document, now)
                return 0.0
            return await give_time(t, document, no)
        await with_hands(t.hands, [document.id], self._settle([document], [status], twins.List.UNREAD))
        return 0.0

    async def _ask_list(self, session: str, documents: list[Document]) -> float:
        """All of a session at once; a list that cannot be read is not asked for again, its documents one by one."""
        known = await self._known(session)  # before the list is read: it may grow until then
        try:
            statuses = await session_list(self._t, session)
        except NoAnswer as no:
            if no.code in HIDDEN and documents[0].id in self._doubts:
                await self._gone(documents[0], self._t.clock())
                return 0.0
            if no.code.startswith("http:") and no.code != "http:429":
                self._unlisted.add(session)
            return await give_time(self._t, documents[0], no)
        await with_hands(self._t.hands, [d.id for d in documents], self._settle(documents, statuses, known))
        return 0.0

    async def _known(self, session: str) -> twins.List:
        """What a list that is read from now on is worth."""
        known, now = await self._t.spool.read(lambda store: store.session(session)), asyncio.get_running_loop().time()
        if known is None or known.closed_at is None:
            return twins.List.READ
        closed = self._closed.setdefault(session, now)
        over = known.final_at is not None or now - closed > _LIST_COMPLETE_S
        return twins.List.FINAL if over else twins.List.READ

    async def _gone(self, document: Document, now: datetime) -> None:
        self._doubts.pop(document.id, None)
        await self._t.spool.write(lambda store: _session_gone(store, document, now))

    async def _settle(self, documents: list[Document], statuses: list[InvoiceStatus], known: twins.List) -> None:
        """Write every verdict in one commit. One that is not about our bytes is no verdict on our document."""
        t, now, ticks = self._t, self._t.clock(), asyncio.get_running_loop().time()
        references = {status.reference for status in statuses}
        heard: list[tuple[Document, InvoiceStatus, bool]] = []

        def job(store: Store) -> None:
            heard.clear()  # on a full disk a job runs once more, in the reserve
            earlier = {r for d in documents if d.attempts > 1 for r in store.earlier_references(d.id)}
            by_bytes = twins.by_bytes(statuses, earlier)
            for stale in documents:
                document = store.document(stale.id)
                if document.state is not State.SUBMITTED:
                    continue  # a person, or a late answer, was here first (faults K02)
                status, named = by_bytes.get(document.sha256), document.invoice_ref in references
                if status is None or not (named or known > twins.List.UNREAD):
                    verdict.overdue(store, document, now)
                    store.postpone(document.id, now + timedelta(seconds=30))
                    continue
                counts = twins.counts(status, known) and (named or not twins.says_no(status.reading))
                heard.append((document, status, counts))
                if not counts:
                    verdict.doubted(store, document, status.reading, now + self._look_in(document.id, ticks), now)
                    continue
                if status.reference != document.invoice_ref:
                    document = verdict.named(store, document, status.reference, status.invoicing_date, now)
                verdict.settle(store, t.rules, document, status.reading, now, random.random())  # noqa: S311 - jitter
                law.reopen(store, t.rules, document.id, now)

        reached("verdict.read", documents[0].id)
        await t.spool.write(job)
        reached("verdict.written", documents[0].id)
        await t.contact.worked()
        await after_verdicts(t, self._note(heard, ticks))

    def _look_in(self, document_id: str, ticks: float) -> timedelta:
        """How soon to look again at a document in doubt."""
        doubt = self._doubts.get(document_id)
        age = ticks - doubt.since if doubt is not None else 0.0
        return timedelta(seconds=min(_LOOK_LONGEST_S, max(_LOOK_FIRST_S, _LOOK_SHARE * age)))

    def _note(self, heard: list[tuple[Document, InvoiceStatus, bool]], ticks: float) -> list[InvoiceStatus]:
        """Remember whose verdict does not count yet; returns the verdicts that something new follows from."""
        new = []
        for document, status, counts in heard:
            doubt, outcome = self._doubts.pop(document.id, None), status.reading.outcome
            if doubt is None or (counts and isinstance(outcome, Later) and outcome.person):
                new.append(status)
            if counts:
                continue
            closes = isinstance(outcome, Later)
            self._doubts[document.id] = _Doubt(str(document.session), doubt.since if doubt else ticks, closes)
            if closes:
                self._t.sessions.leave(str(document.session))
        self._closed = {session: at for session, at in self._closed.items() if session in self.sessions_to_close}
        return new


async def session_list(tools: Tools, session: str) -> list[InvoiceStatus]:
    """Every document of a session, all pages: a list that was begun is read to its end, as fast as the budget lets it.

    Otherwise one longer than the calls of a second would be begun again and again. Raises NoAnswer.
    """
    items: list[InvoiceStatus] = []
    page = await tools.ksef.session_invoices(session)
    items.extend(page.items)
    while page.next_page:
        if (pause := tools.ksef.wait("sessionInvoiceList")) <= _NEXT_PAGE_S:
            await asyncio.sleep(pause)
        page = await tools.ksef.session_invoices(session, page.next_page)
        items.extend(page.items)
    return items


async def after_verdicts(tools: Tools, statuses: list[InvoiceStatus]) -> None:
    """What a verdict means beyond its document: another session, other keys, a pause."""
    outcomes = [s.reading.outcome for s in statuses if isinstance(s.reading.outcome, Later)]
    if any(o.new_session for o in outcomes):
        tools.sessions.leave_all(new_keys=any(o.new_keys for o in outcomes))
    if any(o.person for o in outcomes):
        tools.contact.learn(await tools.spool.read(lambda store: store.conditions(tools.context.id)))


async def give_time(tools: Tools, document: Document, no: NoAnswer) -> float:
    """A question about one document got no answer: ask again later, and let others go first meanwhile."""
    if no.code.startswith(("budget:", "auth:", "keys:")) or no.code == "http:429":
        return await tools.contact.failed(no)
    tools.contact.log.warning("no_answer", document=document.id, code=no.code)
    now = tools.clock()
    asked = getattr(no.reading.outcome, "after_s", None) or 0.0
    look = retry.next_look((now - document.updated_at).total_seconds())
    pause = max(asked, 2.0, min(look, _LINE_BREAKS_S) if no.code.startswith("network:") else look)

    def job(store: Store) -> None:
        verdict.overdue(store, store.document(document.id), now)
        store.postpone(document.id, now + timedelta(seconds=pause))

    await tools.spool.write(job)
    return await tools.contact.failed_about(document.id, no) if is_network(no.code) else 0.0


def _session_gone(store: Store, document: Document, now: datetime) -> None:
    """KSeF took it in and does not show the session any more: looked for in the register, never sent again."""
    if store.document(document.id).state is State.SUBMITTED:
        verdict.unknown(store, document, Unknown("KSeF nie pokazuje sesji, w której wysłano ten dokument."), now)


def _largest(due: list[Document]) -> str:
    """The session with the most waiting documents."""
    return Counter(str(document.session) for document in due).most_common(1)[0][0]
