"""The interactive sessions of one context: opened when needed, reused, rotated, closed when idle. Knows no documents.

Its reference is stored before anything is sent in it; its key lives in memory only, so sessions of an earlier run
are closed and watched to their end, never sent into. One is enough while KSeF answers: a second one is opened only
while the first has an unanswered call, and is used again as long as it is there. Sources: protocol §6.1; faults K09.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent import retry
from agent.ksef.api import Done, Ksef, NoAnswer, Opened, Pending, Sealed, WrappedKey
from agent.ksef.login import Keys
from agent.ksef.sealing import FOR_SESSIONS, SymmetricKey
from spool.access import Spool
from spool.clock import Clock
from spool.crashpoint import reached
from spool.domain.document import FormCode
from spool.domain.ledger import Session
from spool.domain.outcomes import Later

MOST_INVOICES = 10_000
"""Documents in one session (protocol §7.1 and 21155)."""
IDLE = timedelta(minutes=10)
HIDDEN = frozenset({"http:21173", "http:403:insufficient-resource-access"})
"""KSeF does not know the session, or not as ours (protocol §17.2): its list of documents cannot be had."""
BEFORE_END = timedelta(minutes=10)
"""A session is left this long before its `validUntil`, twelve hours after it was opened."""


@dataclass
class Current:
    """A session that documents go into now; `busy` while a call in it has no answer: then it takes no other."""

    reference: str
    valid_until: datetime
    used_at: datetime
    key: SymmetricKey = field(repr=False)
    sent: int = 0
    busy: bool = False

    def seal(self, raw: bytes) -> Sealed:
        """One document sealed for this session."""
        return self.key.seal(raw)


@dataclass
class _Look:
    first: datetime
    at: datetime


class Sessions:
    """The current sessions of a context, mostly one; all others are on their way to their end."""

    def __init__(self, context: str, ksef: Ksef, keys: Keys, spool: Spool, clock: Clock, url: str = "") -> None:
        """`url` is written down with every session: it says which KSeF knows it."""
        self._context = context
        self._url = url
        self._ksef = ksef
        self._keys = keys
        self._spool = spool
        self._clock = clock
        self._current: list[Current] = []
        self._looks: dict[str, _Look] = {}

    async def ready(self, avoid: Collection[str] = ()) -> Current:
        """A session to send into, busy from now on; opened now if there is none. Raises NoAnswer.

        Free ones in `avoid` are left for good. A lost answer to the opening costs nothing: nothing was sent, the empty
        session ends by itself as 440.
        """
        now = self._clock()
        self._current = [s for s in self._current if s.busy or self._usable(s, now, avoid)]
        session = next((s for s in self._current if not s.busy), None)
        if session is None:
            return await self._new()
        session.busy, session.used_at = True, now
        return session

    def _usable(self, session: Current, now: datetime, avoid: Collection[str]) -> bool:
        ending = session.valid_until - BEFORE_END <= now or session.sent >= MOST_INVOICES
        return not ending and session.reference not in avoid

    async def _new(self) -> Current:
        key = SymmetricKey()
        opened = await self._open(key.wrapped_for(await self._keys.get(FOR_SESSIONS)))
        reached("session.opened", opened.reference)
        now = self._clock()
        session = Session(
            opened.reference, self._context, FormCode.FA3, now, opened.valid_until, None, None, ksef=self._url
        )
        current = Current(opened.reference, opened.valid_until, now, key, busy=True)
        self._current.append(current)  # before the spool shows it, so that tidying never takes it for an old one
        try:
            await self._spool.write(lambda store: store.add_session(session))
        except BaseException:
            self.leave(current.reference)
            raise
        reached("session.recorded", current.reference)
        return current

    async def _open(self, key: WrappedKey) -> Opened:
        try:
            return await self._ksef.open_session(key)
        except NoAnswer as no:
            if isinstance(no.reading.outcome, Later) and no.reading.outcome.new_keys:
                self._keys.forget()
            raise

    def leave(self, reference: str, *, new_keys: bool = False) -> None:
        """Send nothing more into this session; with `new_keys` fetch KSeF's keys before the next one."""
        self._current = [s for s in self._current if s.reference != reference]
        if new_keys:
            self._keys.forget()

    def leave_all(self, *, new_keys: bool = False) -> None:
        """Send nothing more into the current sessions, whichever they are."""
        for session in self._current:
            self.leave(session.reference, new_keys=new_keys)

    async def tidy(self, wanted: frozenset[str] = frozenset()) -> bool:
        """Bring sessions nearer to their end: close those left, idle or `wanted`, and see whether they are final.

        True when something changed. Raises NoAnswer when KSeF cannot be asked now.
        """
        now = self._clock()
        self._current = [s for s in self._current if s.busy or not (s.used_at + IDLE < now or s.reference in wanted)]
        open_ones = await self._spool.read(lambda store: store.sessions_not_final(self._context))
        current = {session.reference for session in self._current}
        changed = False
        ending = [session for session in open_ones if session.reference not in current]
        self._looks = {s.reference: self._looks.get(s.reference, _Look(now, now)) for s in ending}
        for session in ending:
            look = self._looks[session.reference]
            if look.at <= now or look.first > now:  # the clock has gone back
                look.first = min(look.first, now)
                look.at = now + timedelta(seconds=retry.next_look((now - look.first).total_seconds()))
                changed |= await self._end(session, now)
        return changed

    async def _end(self, session: Session, now: datetime) -> bool:
        """Close and look for the end. A session that KSeF does not show has no end that would prove anything."""
        try:
            return await self._bring(session, now)
        except NoAnswer as no:
            if no.code not in HIDDEN:
                raise
        if now > session.valid_until:
            await self._spool.write(lambda store: store.lose_session(session.reference, now))
        return False

    async def _bring(self, session: Session, now: datetime) -> bool:
        """Close, if not closed yet, and write down the final status once there is one."""
        closed = session.closed_at is not None
        if not closed:
            await self._ksef.close_session(session.reference)
            reached("session.closed", session.reference)
            await self._spool.write(lambda store: store.close_session(session.reference, now))
        reading = await self._ksef.session_status(session.reference)
        if isinstance(reading.outcome, Pending):
            return not closed
        if isinstance(reading.outcome, Done) or reading.code == "session:415":
            await self._spool.write(lambda store: store.end_session(session.reference, now))
            reached("session.ended", session.reference)
            return True
        return not closed
