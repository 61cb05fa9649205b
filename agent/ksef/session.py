"""The interactive session of one context: opened when needed, reused, rotated, closed when idle. Knows no documents.

Its reference is stored before anything is sent in it; its key lives in memory only, so sessions of an earlier run
are closed and watched to their end, never sent into. Sources: protocol §6.1; faults K09.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent import retry
from agent.ksef.api import Done, Ksef, NoAnswer, Opened, Pending, Sealed, WrappedKey
from agent.ksef.login import Keys
from agent.ksef.sealing import FOR_SESSIONS, SymmetricKey
from spool.access import Spool
from spool.clock import Clock
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
    """The session that documents go into now."""

    reference: str
    valid_until: datetime
    used_at: datetime
    key: SymmetricKey = field(repr=False)
    sent: int = 0

    def seal(self, raw: bytes) -> Sealed:
        """One document sealed for this session."""
        return self.key.seal(raw)


@dataclass
class _Look:
    first: datetime
    at: datetime


class Sessions:
    """At most one current session per context; all others are on their way to their end."""

    def __init__(self, context: str, ksef: Ksef, keys: Keys, spool: Spool, clock: Clock, url: str = "") -> None:
        """`url` is written down with every session: it says which KSeF knows it."""
        self._context = context
        self._url = url
        self._ksef = ksef
        self._keys = keys
        self._spool = spool
        self._clock = clock
        self._current: Current | None = None
        self._looks: dict[str, _Look] = {}

    async def ready(self) -> Current:
        """The session to send into, opened now if there is none. Raises NoAnswer.

        A lost answer to the opening costs nothing: nothing was sent, the empty session ends by itself as 440.
        """
        now = self._clock()
        current = self._current
        if current is not None and (current.valid_until - BEFORE_END <= now or current.sent >= MOST_INVOICES):
            self._current = current = None
        if current is None:
            key = SymmetricKey()
            opened = await self._open(key.wrapped_for(await self._keys.get(FOR_SESSIONS)))
            now = self._clock()
            session = Session(
                opened.reference, self._context, FormCode.FA3, now, opened.valid_until, None, None, ksef=self._url
            )
            await self._spool.write(lambda store: store.add_session(session))
            self._current = current = Current(opened.reference, opened.valid_until, now, key)
        current.used_at = now
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
        if self._current is not None and self._current.reference == reference:
            self._current = None
        if new_keys:
            self._keys.forget()

    def leave_all(self, *, new_keys: bool = False) -> None:
        """Send nothing more into the current session, whichever it is."""
        if self._current is not None:
            self.leave(self._current.reference, new_keys=new_keys)

    async def tidy(self, wanted: frozenset[str] = frozenset()) -> bool:
        """Bring sessions nearer to their end: close those left, idle or `wanted`, and see whether they are final.

        True when something changed. Raises NoAnswer when KSeF cannot be asked now.
        """
        now = self._clock()
        if self._current is not None and (self._current.used_at + IDLE < now or self._current.reference in wanted):
            self._current = None
        current = self._current.reference if self._current else ""
        open_ones = await self._spool.read(lambda store: store.sessions_not_final(self._context))
        changed = False
        ending = [session for session in open_ones if session.reference != current]
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
            await self._spool.write(lambda store: store.close_session(session.reference, now))
        reading = await self._ksef.session_status(session.reference)
        if isinstance(reading.outcome, Pending):
            return not closed
        if isinstance(reading.outcome, Done) or reading.code == "session:415":
            await self._spool.write(lambda store: store.end_session(session.reference, now))
            return True
        return not closed
