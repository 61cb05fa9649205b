"""What became of packages: KSeF is asked about each session until it is final, then its list settles every document.

Reads only, but for one thing: a session that was given up before it was closed is closed here, because only a session
that is over proves that what its list does not show is absent (faults K01).
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from functools import partial

from agent import twins, verdict
from agent.batch import CHUNK, NOT_ALL_HERE, OVER, handed_in
from agent.follow import after_verdicts, session_list
from agent.forward import IDLE_S, Tools
from agent.ksef.api import Done, InvoiceStatus, NoAnswer, Pending, Reading
from agent.ksef.login import Keys
from agent.ksef.session import HIDDEN
from spool import law
from spool.crashpoint import reached
from spool.domain.ledger import BATCH, Session
from spool.domain.outcomes import Later, Unknown
from spool.domain.states import State
from spool.store import Store

_LOOK_FIRST_S, _LOOK_LONGEST_S, _LOOK_SHARE = 0.25, 60.0, 0.05
"""Pauses between two looks: short against the time KSeF has been working, so that nobody waits much for nothing. Of
several packages each is looked at as much less often: the calls of a minute are for all of them."""
_LIST_SETTLES_S = 2.0
_DOUBTFUL_S = 120.0
"""How long a list must go on not showing a document, or showing a verdict that lets it go again, until that counts;
longer where the status itself is in doubt. By the clock of the event loop, which nobody sets."""
PACKAGES_FAIL = "packages_fail"
"""The condition of a context whose last package KSeF threw out as a whole."""
_HIDDEN = "KSeF nie pokazuje sesji wsadowej, w której wysłano ten dokument."


class BatchVerdicts:
    """Packages of one context that KSeF works on."""

    def __init__(self, tools: Tools, keys: Keys, listed: Callable[[str, list[InvoiceStatus]], None]) -> None:
        """`listed` hears every whole list, by its session."""
        self._t = tools
        self._keys = keys
        self._listed = listed
        self._looks: dict[str, tuple[float, float]] = {}
        self._missing: dict[str, float] = {}

    async def step(self) -> float:
        """Look at every session whose time has come."""
        t, now = self._t, self._t.clock()
        if (pause := t.contact.silence()) > 0:
            return pause
        sessions = await t.spool.read(lambda store: _under_way(store, t.context.id))
        ticks = asyncio.get_running_loop().time()
        self._looks = {s.reference: self._looks.get(s.reference, (ticks, ticks)) for s in sessions}
        pauses = [IDLE_S]
        for session in sessions:
            first, at = self._looks[session.reference]
            if at > ticks:
                pauses.append(at - ticks)
                continue
            if (pause := t.ksef.wait("sessionMisc")) > 0:
                return pause
            pause = min(_LOOK_LONGEST_S, max(_LOOK_FIRST_S, _LOOK_SHARE * (ticks - first)) * len(sessions))
            self._looks[session.reference] = (first, ticks + pause)
            pauses.append(pause)
            await self._look(session, now)
        return min(pauses)

    async def _look(self, session: Session, now: datetime) -> None:
        """One session: closed if it is not, then its status, and once that is final its list."""
        t, reference = self._t, session.reference
        try:
            if session.closed_at is None and not await self._closed(reference, now):
                return
            reading = await t.ksef.session_status(reference, BATCH)
            await t.contact.worked()
            if isinstance(reading.outcome, Pending) or not _final(reading):
                await handed_in(t, reference)
                return
            listed = await session_list(t, reference)
            self._listed(reference, listed)
            await self._settle(session, reading, listed, now)
        except NoAnswer as no:
            if no.code not in HIDDEN:
                raise
            await self._hidden(session, now)

    async def _closed(self, reference: str, now: datetime) -> bool:
        """A package that was given up: closing it is what ends its session."""
        try:
            await self._t.ksef.close_batch(reference)
        except NoAnswer as no:
            if no.code in NOT_ALL_HERE:
                return False  # until its time for uploads is over
            if no.code not in OVER:
                raise
        await self._t.spool.write(lambda store: store.close_session(reference, now))
        return True

    async def _settle(self, session: Session, reading: Reading, listed: list[InvoiceStatus], now: datetime) -> None:
        """Every document of the package by its hash; what is missing from the list for long enough is absent."""
        t, reference = self._t, session.reference
        reached("package.listed", reference)
        statuses = twins.by_bytes(listed)
        if reference not in self._missing and not isinstance(reading.outcome, Done):
            t.planner.failed(now)  # before its documents are free again: what cannot go together goes one by one
        ticks = asyncio.get_running_loop().time()
        since = self._missing.setdefault(reference, ticks)
        whole = _rejected(reading) or isinstance(reading.outcome, Done)
        proven = ticks - since >= (_LIST_SETTLES_S if whole else _DOUBTFUL_S) or (_rejected(reading) and not listed)
        job = partial(self._chunk, session=reference, statuses=statuses, proven=proven)
        after: int | None = 0
        while after is not None:
            after = await t.spool.write(partial(job, after=after))
        if await t.spool.read(lambda store: store.packed(reference, 1)):
            return  # a session is final here only when nothing of it is open
        reached("package.settled", reference)
        self._missing.pop(reference, None)
        await t.spool.write(lambda store: store.end_session(reference, now))
        await self._learn(reading)
        await after_verdicts(t, listed)
        t.contact.log.info("package_settled", session=reference, documents=len(listed), code=reading.code)

    def _chunk(
        self, store: Store, session: str, statuses: dict[str, InvoiceStatus], *, after: int, proven: bool
    ) -> int | None:
        """One commit: the next documents of the package; returns where to go on."""
        t, now = self._t, self._t.clock()
        documents = store.packed(session, CHUNK, after)
        for document in documents:
            status, dice = statuses.get(document.sha256), random.random()  # noqa: S311 - jitter
            if status is not None and twins.counts(status, twins.List.FINAL if proven else twins.List.READ):
                known = verdict.named(store, document, status.reference, status.invoicing_date, now)
                verdict.settle(store, t.rules, known, status.reading, now, dice)
            elif status is None and proven:
                verdict.absent(store, document, now, dice, verdict.NOT_IN_SESSION)
            else:
                continue
            law.reopen(store, t.rules, document.id, now)
        return documents[-1].seq if documents else None

    async def _learn(self, reading: Reading) -> None:
        """What the fate of a package says about the next one."""
        t, outcome = self._t, reading.outcome
        now, failed = t.clock(), not isinstance(outcome, Done)
        value = {"reason": reading.reason, "code": reading.code, "since": now.isoformat()} if failed else None
        before = await t.spool.read(lambda store: store.condition(t.context.id, PACKAGES_FAIL))
        if failed or before is not None:
            await t.spool.write(lambda store: store.set_condition(t.context.id, PACKAGES_FAIL, value, now))
        if not failed:
            t.planner.worked()
            return
        t.contact.log.error("package_failed", code=reading.code, reason=reading.reason)
        if isinstance(outcome, Later) and outcome.new_keys:
            self._keys.forget()

    async def _hidden(self, session: Session, now: datetime) -> None:
        """Nobody can ask about the session any more: its documents are looked for in the register, one by one."""
        t = self._t

        def job(store: Store) -> bool:
            documents = store.packed(session.reference, CHUNK)
            waiting = [document for document in documents if document.state is not State.UNKNOWN]
            for document in waiting:
                verdict.unknown(store, document, Unknown(_HIDDEN), now)
            return bool(waiting)

        while await t.spool.write(job):
            pass
        if now > session.valid_until:
            await t.spool.write(lambda store: store.lose_session(session.reference, now))


def _under_way(store: Store, context: str) -> list[Session]:
    """Batch sessions that are not final, but for those whose package is still being brought."""
    own = {package.session for package in store.packages(context)}
    return [s for s in store.sessions_not_final(context, BATCH) if s.reference not in own]


def _rejected(reading: Reading) -> bool:
    """True when KSeF threw the package out as a whole: no document of it was looked at (protocol §7.3)."""
    return isinstance(reading.outcome, Later)


def _final(reading: Reading) -> bool:
    """True for every status that KSeF documents as the end; 440 and 500 are held against the list first."""
    return isinstance(reading.outcome, Done | Later) or reading.code in {"batch:440", "batch:500"}
