"""The gate before the sending loop of one context: nothing goes out while KSeF may know more of us than the spool.

At each start, and after each jump of the clock forward, the sessions of this credential are listed, one question of
each kind: a session with documents in it that is newer than the newest we know, and that we do not know, was opened by
a life of this spool that is lost, or by a copy of it (faults F11, F12). That, like everything `spool.identity` found,
is settled by a comparison. Receiving and reading go on meanwhile.
"""

import time
from collections.abc import Callable

from agent.compare import CLOCKS_DIFFER, Comparison, Outcome, Sides, sessions_with_documents
from agent.contact import Contact
from agent.forward import IDLE_S, Tools
from agent.ksef.api import NoAnswer
from agent.ksef.errors import is_network
from agent.ksef.login import Keys
from agent.register import RegisterOf, Ways
from spool import identity
from spool.domain.identity import FOR_A_PERSON, RECONCILE_FIRST, Doubt
from spool.domain.ledger import Condition
from spool.looking import Looking
from spool.rows import instant

_TRIES, _TRIES_DOWN = 3, 10
"""So often KSeF may refuse to list sessions; while it seems to be down, and refuses everything, more often."""
_ABOUT_ALL = ("network:", "auth:", "keys:", "http:401")
"""What keeps everything else from KSeF, too: then there is nothing to hold back, and the question can wait."""
_AGAIN_S, _LONGEST_S = 30.0, 900.0
_LONGEST_WAIT_S = 70.0
"""For a minute's budget the comparison waits, for an hour's it begins anew: the agent must be able to stop."""


class Gate:
    """Opens by itself when KSeF and the spool agree; for a spool from another machine by a person only."""

    def __init__(self, tools: Tools, keys: Keys, contexts: list[str], ring: Callable[[], None]) -> None:
        """`contexts` are all that there are; `ring` wakes the sending loop."""
        self._t = tools
        self._keys = keys
        self._contexts = contexts
        self._ring = ring
        self._looks = self._failures = 0
        self._again_at = 0.0

    async def begin(self) -> None:
        """What was found about the whole spool holds for each of its contexts."""
        now = self._t.clock()
        await self._t.spool.write(lambda store: identity.spread(store, self._contexts, now))

    async def step(self) -> float:
        """Look once, compare when there is a reason to. Raises NoAnswer."""
        contact = self._t.contact
        if (pause := contact.silence()) > 0:
            return pause
        doubt = await self._doubt()
        if doubt is None and not contact.looked:
            await self._look(contact)
            doubt = await self._doubt()
        contact.looked = True
        if doubt is None or FOR_A_PERSON & {Doubt(name) for name in doubt.value["doubts"]}:
            return IDLE_S
        if (left := self._again_at - time.monotonic()) > 0:
            return left  # woken by something else: a comparison spends what KSeF gives to a context in an hour
        found = await self._compare(doubt)
        if not found.whole:
            contact.log.warning("not_compared", cause=found.unanswered)
            pause = min(_LONGEST_S, _AGAIN_S * 2.0**self._failures)
            self._failures += 1
            self._again_at = time.monotonic() + pause
            return pause
        contact.log.warning(
            "compared", adopted=len(found.adopted), resumed=len(found.resumed), elsewhere=len(found.elsewhere)
        )
        self._failures = 0
        return 0.0

    async def _doubt(self) -> Condition | None:
        """Why this context is closed; what another program has found about the whole spool meanwhile is ours, too."""
        t, context = self._t, self._t.context.id
        if await t.spool.read(lambda store: store.condition("", RECONCILE_FIRST)) is not None:
            await self.begin()
            t.contact.learn(await t.spool.read(lambda store: store.conditions(context)))
        return await t.spool.read(lambda store: store.condition(context, RECONCILE_FIRST))

    async def _look(self, contact: Contact) -> None:
        """A precaution: KSeF's refusal of this one question does not hold up anything for long."""
        try:
            await self._look_at_sessions()
        except NoAnswer as no:
            self._looks += 1
            if no.code.startswith(_ABOUT_ALL) or self._looks < (_TRIES_DOWN if is_network(no.code) else _TRIES):
                raise
            contact.log.warning("sessions_not_listed", code=no.code)
        self._looks = 0
        contact.looked = True
        self._ring()

    async def _look_at_sessions(self) -> None:
        t = self._t
        newest = await t.spool.read(lambda store: store.newest_session_at(t.context.id))
        if newest is None:
            return  # nothing was ever taken in here
        now = t.clock()
        listed = await sessions_with_documents(t.ksef, newest - CLOCKS_DIFFER)
        await t.contact.worked()
        known = await t.spool.read(lambda store: store.session_references(t.context.id))
        unknown = [session for session in listed if session.reference not in known]
        if unknown:
            t.contact.log.warning("unknown_sessions", count=len(unknown))
            await t.spool.write(lambda store: identity.doubt(store, (Doubt.SESSIONS,), now, t.context.id, newest))
            t.contact.learn(await t.spool.read(lambda store: store.conditions(t.context.id)))

    async def _compare(self, doubt: Condition) -> Outcome:
        t = self._t
        looking = Looking(t.spool.path)
        try:
            ways = Ways(t.transport, t.bench, t.clock, lambda _seconds: None, _LONGEST_WAIT_S)
            register = RegisterOf(ways, t.context, (t.ksef, self._keys))
            sides = Sides(t.context, register, looking, t.spool, t.rules, t.clock, "agent")
            until = instant(doubt.value["until"]) if doubt.value["until"] else None
            return await Comparison(sides, lambda _what, _done, _total: None).run(until, until)
        finally:
            looking.close()
