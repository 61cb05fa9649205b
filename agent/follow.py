"""After the send: ask for verdicts. Reads only; nothing here can register anything.

A status of 100 or 150 is never a reason to send again, however long it lasts (faults K07).
"""

import random
from collections import defaultdict
from datetime import datetime, timedelta

from agent import retry, verdict
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


class Verdicts:
    """SUBMITTED documents of one context, until each has its verdict."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._unlisted: set[str] = set()

    async def step(self) -> float:
        """Ask about one document, or about one session when many wait in it."""
        t, now = self._t, self._t.clock()
        if (pause := t.contact.silence()) > 0:
            return pause
        due = await t.spool.read(lambda store: store.work(t.context.id, _ASKED, now, _AT_ONCE, named=True))
        if not due:
            at = await t.spool.read(lambda store: store.next_action(t.context.id, _ASKED, named=True))
            return IDLE_S if at is None else min(IDLE_S, max(0.05, (at - now).total_seconds()))
        session, documents = _largest(due)
        listed = len(documents) >= LIST_FROM and session not in self._unlisted
        listed = listed and not (t.hands and t.hands.suspicious)  # a suspect is handled by itself
        if listed and t.ksef.wait("sessionInvoiceList") == 0:
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
                await t.spool.write(lambda store: _session_gone(store, document, now))
                return 0.0
            return await give_time(t, document, no)
        await with_hands(t.hands, [document.id], self._settle([document], [status]))
        return 0.0

    async def _ask_list(self, session: str, documents: list[Document]) -> float:
        """All of a session at once; a list that cannot be read is not asked for again, its documents one by one."""
        try:
            statuses = await session_list(self._t, session)
        except NoAnswer as no:
            if no.code.startswith("http:") and no.code != "http:429":
                self._unlisted.add(session)
            return await give_time(self._t, documents[0], no)
        await with_hands(self._t.hands, [d.id for d in documents], self._settle(documents, statuses))
        return 0.0

    async def _settle(self, documents: list[Document], statuses: list[InvoiceStatus]) -> None:
        """Write every verdict in one commit. One that is not about our bytes is no verdict on our document."""
        t, now = self._t, self._t.clock()
        by_reference = {status.reference: status for status in statuses}

        def job(store: Store) -> None:
            for stale in documents:
                document = store.document(stale.id)
                if document.state is not State.SUBMITTED:
                    continue  # a person, or a late answer, was here first (faults K02)
                status = by_reference.get(str(document.invoice_ref))
                if status is None or status.invoice_hash != document.sha256:
                    verdict.overdue(store, document, now)
                    store.postpone(document.id, now + timedelta(seconds=30))
                    continue
                verdict.settle(store, t.rules, document, status.reading, now, random.random())  # noqa: S311 - jitter
                law.reopen(store, t.rules, document.id, now)

        reached("verdict.read", documents[0].id)
        await t.spool.write(job)
        reached("verdict.written", documents[0].id)
        await t.contact.worked()
        await after_verdicts(t, statuses)


async def session_list(tools: Tools, session: str) -> list[InvoiceStatus]:
    """Every document of a session, all pages. Raises NoAnswer."""
    items: list[InvoiceStatus] = []
    page = await tools.ksef.session_invoices(session)
    items.extend(page.items)
    while page.next_page:
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


def _largest(due: list[Document]) -> tuple[str, list[Document]]:
    """The session with the most waiting documents."""
    by_session: dict[str, list[Document]] = defaultdict(list)
    for document in due:
        by_session[str(document.session)].append(document)
    session = max(by_session, key=lambda name: len(by_session[name]))
    return session, by_session[session]
