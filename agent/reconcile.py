"""UNKNOWN documents: read KSeF until the truth is known. Nothing is sent from here (faults K01, K05; rule F2).

An answer was lost: look for our hash in the list of the session. Absence is proven by the list of that session after
it was closed and final, or, where KSeF does not show the session, by its register (`agent.absence`); then the document
goes back to the queue. KSeF said duplicate: the registered invoice is fetched and compared, because KSeF compares
numbers and not content (protocol §6.5).
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from agent import absence, retry, twins, verdict
from agent.follow import give_time, session_list
from agent.forward import IDLE_S, Tools
from agent.ksef.api import NoAnswer, Registered
from agent.ksef.errors import garbled
from agent.ksef.session import HIDDEN
from agent.ksef.values import day_of, is_ksef_number, is_reference, subject_for
from spool import law
from spool.bodies import sha256_hex
from spool.crashpoint import reached
from spool.domain.calendar import WARSAW
from spool.domain.ledger import Document
from spool.domain.outcomes import Accepted, Unknown
from spool.domain.states import State
from spool.hands import with_hands
from spool.store import Store

OTHER_DOCUMENT = "Ten numer faktury ma już w KSeF inny dokument. Decyzję musi podjąć człowiek."
UNREADABLE = "KSeF zgłosił duplikat, ale nie pokazuje pierwotnej faktury. Decyzję musi podjąć człowiek."
NOT_FOUND = "KSeF zgłosił duplikat, ale nie podał i nie pokazuje pierwotnej faktury. Decyzję musi podjąć człowiek."
_LIST_SETTLES = timedelta(seconds=1)
"""How long a document may be missing from the list of its open session before the session is closed for proof.

Short, because closing is what makes the answer certain: whatever arrives later is refused with 21180.
"""
_GIVE_UP_SEARCH = timedelta(minutes=30)
_SEARCH_FIRST_S, _SEARCH_LONGEST_S, _SEARCH_SHARE = 30.0, 3600.0, 0.3
"""Pauses between two looks into the register: KSeF allows twenty an hour for the whole context (protocol §16.1). The
share is of the time since, and of the time left: what can still be sent in time must not be found out too late."""
_NO_SESSION = (
    "KSeF nie pokazuje sesji, w której wysłano ten dokument. Szukamy go w rejestrze KSeF; bez pewności nic nie "
    "zostanie wysłane drugi raz."
)


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
        return await with_hands(t.hands, [due[0].id], self._settle(due[0]))

    async def _settle(self, document: Document) -> float:
        """The next question about one document; seconds until another may be asked."""
        t = self._t
        assert document.session is not None
        reached("doubt.begun", document.id)
        try:
            if document.invoice_ref is None:
                await self._look_for(document, document.session)
            else:
                await self._look_at(document, document.session, document.invoice_ref)
        except NoAnswer as no:
            if no.code not in HIDDEN:
                return await give_time(t, document, no)
            try:
                await self._look_in_register(document, document.session)
            except NoAnswer as again:
                return await give_time(t, document, again)
        await t.contact.worked()
        return 0.0

    async def _look_for(self, document: Document, session: str) -> None:
        """Was it heard? The list of its session says yes at once, and no only when the session is over."""
        t = self._t
        known = await t.spool.read(lambda store: store.session(session))
        over = known is not None and known.final_at is not None
        earlier = await t.spool.read(lambda store: store.earlier_references(document.id))
        found = twins.by_bytes(await session_list(t, session), earlier).get(document.sha256)
        now, dice = t.clock(), random.random()  # noqa: S311 - jitter
        if found is not None:
            reference, handed_over = found.reference, found.invoicing_date
            reached("doubt.found", document.id)
            await t.spool.write(lambda store: verdict.submitted(store, document, reference, now, handed_over))
            self._in_doubt.discard(session)
        elif over:
            await t.spool.write(lambda store: _absent(store, t, document, now, dice, verdict.NOT_IN_SESSION))
            self._in_doubt.discard(session)
        else:
            age = now - document.updated_at
            if age > _LIST_SETTLES:
                self._in_doubt.add(session)
            pause = timedelta(seconds=max(0.5, retry.next_look(age.total_seconds()) / 2))

            def job(store: Store) -> None:
                store.regain_session(session)
                verdict.overdue(store, document, now)
                store.postpone(document.id, now + pause)

            await t.spool.write(job)

    async def _look_in_register(self, document: Document, session: str) -> None:
        """KSeF does not show the session: look for number and hash among what is stored, as long as it takes."""
        t, facts = self._t, document.facts
        self._in_doubt.discard(session)
        if (pause := t.ksef.wait("invoiceMetadata")) > 0:  # others, whose session answers, go first
            await self._look_later(document, pause)
            return
        since = (t.transport.server_now() or t.clock()) - absence.REACH
        subject = subject_for(t.context, document)
        found = await t.ksef.find_stored(subject, facts.seller_nip, facts.number, since)
        if await self._recognise(document, found.invoices):
            return
        look = absence.Look(found, since, t.transport.server_now())
        now, dice = t.clock(), random.random()  # noqa: S311 - jitter
        if not await t.spool.write(lambda store: _nowhere(store, t, document, look, now, dice)):
            await self._look_later(document)

    async def _look_later(self, document: Document, at_least: float = 0.0) -> None:
        """Not settled by the register: it stays UNKNOWN, people are told, and it is looked for more and more rarely,
        but for the hours before its deadline."""
        now, due = self._t.clock(), document.due_safe
        pause = min(_SEARCH_LONGEST_S, _SEARCH_SHARE * (now - document.updated_at).total_seconds())
        if due is not None and due > now:
            pause = min(pause, _SEARCH_SHARE * (due - now).total_seconds())

        def job(store: Store) -> None:
            if all(event.move != "no_session" for event in store.history(document.id)):
                store.log(document.id, "no_session", now, "agent", _NO_SESSION)
            verdict.overdue(store, document, now)
            store.postpone(document.id, now + timedelta(seconds=max(_SEARCH_FIRST_S, pause, at_least)))

        await self._t.spool.write(job)

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
        if twins.says_no(status.reading):  # whether that counts is asked where verdicts are followed
            handed_over = status.invoicing_date or document.handed_over_at
            await t.spool.write(lambda store: verdict.submitted(store, document, reference, now, handed_over))
            return

        def job(store: Store) -> None:
            verdict.settle(store, t.rules, document, status.reading, now, dice)
            law.reopen(store, t.rules, document.id, now)

        await t.spool.write(job)

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
        """The extensions are missing (protocol §6.5): the original is in this session, or is found by its number."""
        t, now = self._t, self._t.clock()
        listed = twins.by_bytes(await session_list(t, str(document.session))).get(document.sha256)
        if listed is not None and isinstance(listed.reading.outcome, Accepted):
            reference, handed_over = listed.reference, listed.invoicing_date
            await t.spool.write(lambda store: verdict.submitted(store, document, reference, now, handed_over))
            return
        if await self._recognise(document, await self._registered(document)):
            return
        if now - document.updated_at > _GIVE_UP_SEARCH:
            await self._conflict(document, NOT_FOUND)
        else:
            pause = max(30.0, retry.next_look((now - document.updated_at).total_seconds()))
            await t.spool.write(lambda store: store.postpone(document.id, now + timedelta(seconds=pause)))

    async def _recognise(self, document: Document, registered: Sequence[Registered]) -> bool:
        """Ours by its hash: adopted. Our number on other bytes: a conflict. False when it is neither."""
        same = next((r for r in registered if r.sha256 == document.sha256), None)
        if same is not None:
            await self._adopt(document, same.ksef_number, same.acquisition_date, "")
            return True
        clash = next((r for r in registered if _same_name(r, document)), None)
        if clash is not None:
            await self._conflict(document, OTHER_DOCUMENT, clash.ksef_number)
        return clash is not None

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


def _absent(store: Store, tools: Tools, document: Document, now: datetime, dice: float, note: str) -> None:
    """KSeF provably has it not: whatever hand-over was noted is none."""
    verdict.absent(store, document, now, dice, note)
    law.reopen(store, tools.rules, document.id, now)


def _nowhere(store: Store, tools: Tools, document: Document, look: absence.Look, now: datetime, dice: float) -> bool:
    """Back to the queue if the register proves it absent. Judged in the transaction, on the document as it is now."""
    session, ended_at = store.session(str(document.session)), store.attempt_ended_at(document.id)
    if session is None or ended_at is None or store.document(document.id) != document or store.taken_in(document):
        return False
    if not (absence.provable(tools.context, document, session) and absence.proves(look, session, ended_at)):
        return False
    _absent(store, tools, document, now, dice, verdict.NOT_STORED)
    tools.contact.log.warning("absent_by_register", document=document.id, hwm=str(look.found.hwm))
    return True


def _same_name(registered: Registered, document: Document) -> bool:
    """Number and RodzajFaktury (`KorZal` for `KOR_ZAL` in metadata, protocol §9.1) on bytes that are known."""
    same_kind = registered.kind.lower() == document.facts.kind.replace("_", "").lower()
    return same_kind and registered.number == document.facts.number and registered.sha256 != ""
