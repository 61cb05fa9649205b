"""Receipts (UPO): numbered documents of one context, until each has its own. Reads only.

A single one is asked for by its reference. Many of one session are fetched from the presigned addresses in its list,
each still its own document: the collective receipt of a session names documents of several units (invariant I7).
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agent import retry, upo
from agent.follow import LIST_FROM, give_time, session_list
from agent.forward import IDLE_S, Tools
from agent.ksef.api import InvoiceStatus, NoAnswer, Reading
from spool.crashpoint import reached
from spool.domain.ledger import Document
from spool.domain.outcomes import Unknown
from spool.hands import with_hands
from spool.store import Store

_UPO_AT_ONCE, _DOWNLOADS = 50, 6
_LISTS_KEPT, _LIST_AGAIN = 6, timedelta(seconds=30)
_LIST_WAITED_FOR_S = 60.0
"""Many receipts one by one would take longer, and use up the calls with which packages are asked about."""
_ADDRESS_AGAIN = timedelta(minutes=2)
UPO_PATIENCE = timedelta(minutes=10)
"""If KSeF gives no receipt for so long after the number, the session is closed: UNCERTAIN 9 of the protocol."""
_UPO_LONGEST_S = 3600.0
_CLOSING_TAKES = timedelta(minutes=3)
_NOT_SHOWN = ("http:21173", "http:21178", "http:403")


@dataclass(frozen=True)
class _List:
    """What the list of a session said at that moment: the address of each receipt by the reference of its document."""

    at: datetime
    urls: dict[str, str] = field(repr=False)


class Receipts:
    """Numbered documents of one context, until each has its UPO."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._overdue: set[str] = set()
        self._listed: dict[str, _List] = {}

    @property
    def sessions_to_close(self) -> frozenset[str]:
        """Sessions whose receipts KSeF seems to give only after closing (faults K14)."""
        return frozenset(self._overdue)

    def learn(self, session: str, listed: list[InvoiceStatus]) -> None:
        """Where KSeF keeps the receipts of a session whose list somebody has just read, so that it is not read again:
        of twenty pages a minute, a large package has ten. Where there is none yet, it is read again."""
        if any(status.upo_url for status in listed):
            self._keep_list(session, listed)

    def _keep_list(self, session: str, listed: list[InvoiceStatus]) -> None:
        self._listed.pop(session, None)
        urls = {status.reference: status.upo_url for status in listed if status.upo_url}
        self._listed[session] = _List(self._t.clock(), urls)
        while len(self._listed) > _LISTS_KEPT:
            del self._listed[next(iter(self._listed))]

    async def step(self) -> float:
        """Fetch one receipt, check it, keep it."""
        t, now = self._t, self._t.clock()
        if (pause := max(t.contact.silence(), t.ksef.wait("sessionMisc"))) > 0:
            return pause
        waiting = await t.spool.read(lambda store: store.without_upo(t.context.id, now, _UPO_AT_ONCE))
        if not waiting:
            return 1.0 if self._overdue else IDLE_S
        together = [d for d in waiting if d.invoice_ref is not None and d.session == waiting[0].session]
        alone = t.hands is not None and t.hands.suspicious  # a suspect is handled by itself
        if len(together) >= LIST_FROM and not alone:
            pause = t.ksef.wait("sessionInvoiceList") if self._list_wanted(together, now) else 0.0
            if 0 < pause <= _LIST_WAITED_FOR_S:
                return pause
            if await self._many(together):
                return 0.0
        document = waiting[0]
        try:
            raw = await self._fetch(document)
        except NoAnswer as no:
            if document.invoice_ref is None and no.code.startswith(_NOT_SHOWN):
                await self._elsewhere(document, no)
                return 0.0
            if no.code == "http:21178":
                await self._not_yet(document)
                return 0.0
            return await give_time(t, document, no)
        await with_hands(t.hands, [document.id], self._keep([(document, raw)]))
        return 0.0

    async def _fetch(self, document: Document) -> bytes:
        """By the reference in our session; for an adopted original by its number, in any session that may hold it."""
        t = self._t
        assert document.ksef_number is not None
        if document.invoice_ref is not None and document.session is not None:
            return await t.ksef.upo(document.session, document.invoice_ref)
        ours = await t.spool.read(lambda store: store.attempt_sessions(document.id))
        candidates = [name for name in dict.fromkeys([document.session, *ours]) if name]
        if not candidates:  # registered by a send that nobody here remembers
            raise NoAnswer(Reading(Unknown("Nie wiadomo, w której sesji KSeF jest ten dokument."), "http:21173"))
        for session in candidates[:-1]:
            try:
                return await t.ksef.upo_by_number(session, document.ksef_number)
            except NoAnswer as no:
                if not no.code.startswith(_NOT_SHOWN):
                    raise
        return await t.ksef.upo_by_number(candidates[-1], document.ksef_number)

    async def _many(self, documents: list[Document]) -> bool:
        """Receipts of one session from the addresses in its list, which no limit counts (protocol §8).

        False when KSeF shows no such address for any of them, or the list may not be read now.
        """
        urls = await self._addresses(str(documents[0].session), documents)
        if not urls:
            return False
        gate = asyncio.Semaphore(_DOWNLOADS)

        async def one(document: Document) -> tuple[Document, bytes | None]:
            url = urls.get(str(document.invoice_ref))
            if url is None:
                return document, None
            async with gate:
                try:
                    return document, await self._t.ksef.fetch(url)
                except NoAnswer:
                    return document, None  # the address may be too old: the list gives another

        got = await asyncio.gather(*(one(d) for d in documents))
        kept = [(document, raw) for document, raw in got if raw is not None]
        if kept:
            await with_hands(self._t.hands, [document.id for document, _ in kept], self._keep(kept))
        if missing := [document for document, raw in got if raw is None]:
            self._listed.pop(str(documents[0].session), None)
            await self._t.spool.write(partial(_put_off, documents=missing, until=self._t.clock() + _ADDRESS_AGAIN))
        return True

    async def _addresses(self, session: str, documents: list[Document]) -> dict[str, str]:
        """Where KSeF keeps the receipts of these documents; the list is read again when none of them is in it."""
        if self._list_wanted(documents, self._t.clock()):
            if self._t.ksef.wait("sessionInvoiceList") > 0:
                return {}
            try:
                self._keep_list(session, await session_list(self._t, session))
            except NoAnswer as no:
                self._t.contact.log.warning("no_list", session=session, code=no.code)
                return {}
        urls, wanted = self._listed[session].urls, (str(document.invoice_ref) for document in documents)
        return {reference: urls[reference] for reference in wanted if reference in urls}

    def _list_wanted(self, documents: list[Document], now: datetime) -> bool:
        """True when nobody knows where the receipts of these documents of one session lie, unless its list has just
        been read and does not say."""
        known = self._listed.get(str(documents[0].session))
        if known is None:
            return True
        fresh = known.at <= now < known.at + _LIST_AGAIN
        return not fresh and not any(document.invoice_ref in known.urls for document in documents)

    async def _keep(self, got: list[tuple[Document, bytes]]) -> None:
        """Stored only if it names our number and our hash (faults K14); several in one commit."""
        t, now = self._t, self._t.clock()
        reached("upo.fetched", got[0][0].id)
        named = await self._named(got)

        def job(store: Store) -> None:
            for (document, raw), found in zip(got, named, strict=True):
                if found.get(str(document.ksef_number)) == document.sha256:
                    _keep_one(store, document, raw, now)
                else:
                    _wrong(store, document, now)

        await t.spool.write(job)
        reached("upo.stored", got[0][0].id)
        await t.contact.worked()
        self._overdue -= {str(document.session) for document, _ in got}

    async def _named(self, got: list[tuple[Document, bytes]]) -> list[dict[str, str]]:
        """What each says; one that breaks its reader says nothing, and spoils no other."""
        try:
            return await self._t.bench.run(upo.receipts_of, [raw for _, raw in got])
        except Exception as error:  # whatever the bench says, one of these is not a receipt
            self._t.contact.log.warning("upo_unreadable", document=got[0][0].id, error=type(error).__name__)
        return [{}] if len(got) == 1 else [(await self._named([one]))[0] for one in got]

    async def _elsewhere(self, document: Document, no: NoAnswer) -> None:
        """An adopted original whose session does not show us its receipt: asked again, and people are told once."""
        t, now = self._t, self._t.clock()
        age = now - document.updated_at
        if age > UPO_PATIENCE and document.session:
            self._overdue.add(document.session)  # it may be one of ours that is still open
        pause = min(_UPO_LONGEST_S, max(2.0, retry.next_look(age.total_seconds()), 0.3 * age.total_seconds()))

        def job(store: Store) -> None:
            store.postpone(document.id, now + timedelta(seconds=pause))
            if age < UPO_PATIENCE or any(event.move == "no_upo" for event in store.history(document.id)):
                return
            note = "KSeF nie pokazuje UPO tego dokumentu: wysłał go wcześniej inny program. Numer KSeF jest ważny."
            store.log(document.id, "no_upo", now, "agent", note, {"code": no.code})
            value = {"document": document.id, "since": now.isoformat(), "code": no.code}
            store.set_condition(document.context, f"no_upo:{document.id}", value, now)

        await t.spool.write(job)

    async def _not_yet(self, document: Document) -> None:
        """Soon again while it is young; after ten minutes the session is closed for its sake."""
        t, now = self._t, self._t.clock()
        age = now - document.updated_at
        if age > UPO_PATIENCE and document.session:
            self._overdue.add(document.session)
        closing = UPO_PATIENCE < age < UPO_PATIENCE + _CLOSING_TAKES
        pause = 2.0 if closing else min(_UPO_LONGEST_S, retry.next_look(age.total_seconds()))
        await t.spool.write(lambda store: store.postpone(document.id, now + timedelta(seconds=pause)))


def _put_off(store: Store, documents: list[Document], until: datetime) -> None:
    for document in documents:
        store.postpone(document.id, until)


def _keep_one(store: Store, document: Document, raw: bytes, now: datetime) -> None:
    sha256 = store.put_body(raw)
    store.touch(document.id, now, upo_sha256=sha256, next_action_at=now)
    store.set_condition(document.context, f"no_upo:{document.id}", None, now)
    store.log(document.id, "upo", now, "agent", "Zapisano UPO.", {"sha256": sha256})


def _wrong(store: Store, document: Document, now: datetime) -> None:
    if all(event.move != "upo_wrong" for event in store.history(document.id)):
        note = "KSeF zwrócił UPO, które nie dotyczy tego dokumentu. Numer zostaje, UPO pobierzemy ponownie."
        store.log(document.id, "upo_wrong", now, "agent", note)
    store.postpone(document.id, now + timedelta(minutes=10))
