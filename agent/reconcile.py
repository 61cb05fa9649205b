"""UNKNOWN documents: read KSeF until the truth is known. Nothing is sent from here (faults K01, K05; rule F2).

An answer was lost: look for our hash in the list of the session. Absence is proven only by the list of that session
after it was closed and final; then the document goes back to the queue. KSeF said duplicate: the registered invoice
is fetched and compared, because KSeF compares numbers and not content (protocol §6.5).
"""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any

from agent import retry, verdict
from agent.follow import after_verdicts, give_time, session_list
from agent.forward import IDLE_S, Tools
from agent.ksef.api import NoAnswer, Registered
from agent.ksef.errors import garbled
from agent.ksef.values import day_of, is_ksef_number, is_reference, subject_for
from spool import law
from spool.bodies import sha256_hex
from spool.domain.calendar import WARSAW
from spool.domain.ledger import Document
from spool.domain.outcomes import Unknown
from spool.domain.states import State
from spool.store import Store

OTHER_DOCUMENT = "Ten numer faktury ma już w KSeF inny dokument. Decyzję musi podjąć człowiek."
UNREADABLE = "KSeF zgłosił duplikat, ale nie pokazuje pierwotnej faktury. Decyzję musi podjąć człowiek."
NOT_FOUND = "KSeF zgłosił duplikat, ale nie podał i nie pokazuje pierwotnej faktury. Decyzję musi podjąć człowiek."
_LIST_SETTLES = timedelta(seconds=1)
"""How long a document may be missing from the list of its open session before the session is closed for proof.

Short, because closing is what makes the answer certain: whatever arrives later is refused with 21180.
"""
_GIVE_UP_SEARCH = timedelta(minutes=30)


class Reconcile:
    """UNKNOWN documents of one context."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._in_doubt: set[str] = set()

    @property
    def sessions_to_close(self) -> frozenset[str]:
        """Sessions that must be closed, because only then can absence be proven."""
        return frozenset(self._in_doubt)

    async def step(self) -> float:
        """One document, one or two questions."""
        t, now = self._t, self._t.clock()
        if (pause := t.contact.silence()) > 0:
            return pause
        due = await t.spool.read(lambda store: store.work(t.context.id, [State.UNKNOWN], now, 1))
        if not due:
            at = await t.spool.read(lambda store: store.next_action(t.context.id, [State.UNKNOWN]))
            return IDLE_S if at is None else min(IDLE_S, max(0.05, (at - now).total_seconds()))
        document = due[0]
        assert document.session is not None
        try:
            if document.invoice_ref is None:
                await self._look_for(document, document.session)
            else:
                await self._look_at(document, document.session, document.invoice_ref)
        except NoAnswer as no:
            return await give_time(t, document, no)
        await t.contact.worked()
        return 0.0

    async def _look_for(self, document: Document, session: str) -> None:
        """Was it heard? The list of its session says yes at once, and no only when the session is over."""
        t = self._t
        known = await t.spool.read(lambda store: store.session(session))
        over = known is not None and known.final_at is not None
        earlier = await t.spool.read(lambda store: store.earlier_references(document.id))
        try:
            listed = [s for s in await session_list(t, session) if s.reference not in earlier]
        except NoAnswer as no:
            if no.code != "http:21173" or not await self._registered_as_ours(document):
                raise
            return
        found = next((s for s in listed if s.invoice_hash == document.sha256), None)
        now, dice = t.clock(), random.random()  # noqa: S311 - jitter
        if found is not None:
            reference, handed_over = found.reference, found.invoicing_date
            await t.spool.write(lambda store: verdict.submitted(store, document, reference, now, handed_over))
            self._in_doubt.discard(session)
        elif over:
            await t.spool.write(lambda store: _absent(store, t, document, now, dice))
            self._in_doubt.discard(session)
        else:
            age = now - document.updated_at
            if age > _LIST_SETTLES:
                self._in_doubt.add(session)
            pause = timedelta(seconds=max(0.5, retry.next_look(age.total_seconds()) / 2))

            def job(store: Store) -> None:
                verdict.overdue(store, document, now)
                store.postpone(document.id, now + pause)

            await t.spool.write(job)

    async def _registered_as_ours(self, document: Document) -> bool:
        """KSeF does not know the session: only presence can still be proven, by our bytes among the registered."""
        same = next((r for r in await self._registered(document) if r.sha256 == document.sha256), None)
        if same is not None:
            await self._adopt(document, same.ksef_number, same.acquisition_date, "")
        return same is not None

    async def _look_at(self, document: Document, session: str, reference: str) -> None:
        """KSeF knows it: read its verdict again, and settle a duplicate by comparing bytes."""
        t = self._t
        status = await t.ksef.invoice_status(session, reference)
        if status.invoice_hash != document.sha256:
            raise garbled("status innego dokumentu")
        outcome = status.reading.outcome
        if isinstance(outcome, Unknown) and outcome.duplicate:
            await self._duplicate(document, outcome)
            return
        now, dice = t.clock(), random.random()  # noqa: S311 - jitter

        def job(store: Store) -> None:
            verdict.settle(store, t.rules, document, status.reading, now, dice)
            law.reopen(store, t.rules, document.id, now)

        await t.spool.write(job)
        await after_verdicts(t, [status])

    async def _duplicate(self, document: Document, outcome: Unknown) -> None:
        """440: our own earlier send, or somebody else's document with our number. Only the bytes can tell."""
        number = outcome.original_ksef_number
        if not is_ksef_number(number):
            await self._search(document)
            return
        try:
            raw = await self._t.ksef.invoice(number)
        except NoAnswer as no:
            if no.code == "http:21164" or no.code.startswith("http:403:"):  # an empty 403 is only the front door
                await self._conflict(document, UNREADABLE, number)
                return
            raise
        if sha256_hex(raw) != document.sha256:
            await self._conflict(document, OTHER_DOCUMENT, number)
            return
        found = await self._registered(document)
        mine = next((r for r in found if r.ksef_number == number), None)
        await self._adopt(document, number, mine.acquisition_date if mine else None, outcome.original_session)

    async def _search(self, document: Document) -> None:
        """The extensions are missing (protocol §6.5): find the original by seller and number."""
        t, now = self._t, self._t.clock()
        found = [r for r in await self._registered(document) if r.number == document.facts.number]
        same = next((r for r in found if r.sha256 == document.sha256), None)
        if same is not None:
            await self._adopt(document, same.ksef_number, same.acquisition_date, "")
        elif clash := next((r for r in found if _same_kind(r, document)), None):
            await self._conflict(document, OTHER_DOCUMENT, clash.ksef_number)
        elif now - document.updated_at > _GIVE_UP_SEARCH:
            await self._conflict(document, NOT_FOUND)
        else:
            pause = max(30.0, retry.next_look((now - document.updated_at).total_seconds()))
            await t.spool.write(lambda store: store.postpone(document.id, now + timedelta(seconds=pause)))

    async def _registered(self, document: Document) -> list[Registered]:
        issued = document.issue_date or document.issued_at.astimezone(WARSAW).date()
        noon = datetime.combine(issued, time(12), WARSAW).astimezone(UTC)
        facts = document.facts
        return await self._t.ksef.find(subject_for(self._t.context, document), facts.seller_nip, facts.number, noon)

    async def _adopt(self, document: Document, number: str, acquired: datetime | None, session: str) -> None:
        """The registered invoice is ours, byte for byte: its number is our number.

        When the query does not show it yet, the day in its number stands for the moment of its acquisition.
        """
        t, now, at = self._t, self._t.clock(), acquired or day_of(number)
        note = f"KSeF miał już ten dokument z wcześniejszej wysyłki: numer {number}."

        def job(store: Store) -> None:
            changes: dict[str, Any] = {
                "invoice_ref": None,
                "session": session if is_reference(session) else document.session,
            }
            verdict.accepted(store, t.rules, document, number, at, now, note=note, **changes)

        await t.spool.write(job)
        t.contact.log.info("adopted", document=document.id)

    async def _conflict(self, document: Document, reason: str, number: str = "") -> None:
        now = self._t.clock()
        self._t.contact.log.error("conflict", document=document.id)
        await self._t.spool.write(lambda store: verdict.conflict(store, document, reason, now, number))


def _absent(store: Store, tools: Tools, document: Document, now: datetime, dice: float) -> None:
    """KSeF provably has it not: whatever hand-over was noted is none."""
    verdict.absent(store, document, now, dice)
    law.reopen(store, tools.rules, document.id, now)


def _same_kind(registered: Registered, document: Document) -> bool:
    """RodzajFaktury as the metadata writes it: `KorZal` for `KOR_ZAL` (protocol §9.1)."""
    return registered.kind.lower() == document.facts.kind.replace("_", "").lower()
