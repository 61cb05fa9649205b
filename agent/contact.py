"""What a context knows about KSeF right now: reachable or not, paused or not, logged in until when.

These are conditions of the context, never of its documents (DESIGN decision 11), and are written only when they
change. The pause is decided here and lifted by a person: for a refused login by another certificate or a restart, by
`sluza` for the rest.
"""

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from agent import retry
from agent.ksef.api import NoAnswer, Reading
from agent.ksef.errors import is_network, is_strange
from agent.ksef.login import Login
from spool.access import Spool
from spool.clock import Clock
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.ledger import LOGIN, Condition
from spool.domain.outcomes import Later, Scope
from spool.store import Store

SEND = "send"
_LONGEST_SILENCE_S = 60.0
_PROBE_FIRST_S = 5.0
"""Work looks again so soon while the probe is out; its success wakes everybody at once."""
_CLOCKS_MAY_DIFFER_S = 120
_JUMP_S = 60.0
"""A jump forward by more than this is no correction of a clock that is kept."""
_ABOUT_ONE = "http:"
_PACED = ("http:429", "budget:")
"""The budget keeps this group still by itself; the other groups go on (faults K04)."""
STRANGE = "strange"
_STRANGE_FROM = 3
"""So many answers in a row that fit no version we know: one alone may be a front door in the middle of an update."""


@dataclass
class _Known:
    reachable: bool | None = None
    paused: dict[str, Any] | None = None
    login_until: datetime | None = None
    clock_wrong: bool = False
    reconcile_first: bool = False
    strange: bool = False


class Contact:
    """One context's conditions, and the pause between two tries while KSeF does not answer."""

    def __init__(self, context: str, spool: Spool, login: Login, clock: Clock) -> None:
        self.context = context
        self.log = structlog.get_logger().bind(context=context)
        self._spool = spool
        self._login = login
        self._clock = clock
        self._known = _Known()
        self._failures = 0
        self._strange = 0
        self._quiet_until: datetime | None = None
        self._quiet_for = timedelta()
        self._doubted: set[str] = set()
        self._doubt = False
        self.looked = False
        """The gate has asked KSeF since the start whether it knows sessions of ours that the spool does not."""
        self._runs_ahead = self._ahead()

    def withheld(self) -> bool:
        """KSeF may know more of us than the spool does: nothing is sent before that is settled (`agent.gate`).

        A machine put back together with its memory starts nothing anew: it goes on, and finds that the time has jumped.
        """
        ahead = self._ahead()
        if ahead - self._runs_ahead > _JUMP_S:
            self.looked = False
        self._runs_ahead = ahead
        return not self.looked or self._known.reconcile_first

    def _ahead(self) -> float:
        """Seconds by which the clock has run ahead of this process's own running time."""
        return self._clock().timestamp() - time.monotonic()

    @property
    def clock_wrong(self) -> bool:
        """Our clock and KSeF's were too far apart when they were last compared."""
        return self._known.clock_wrong

    @property
    def paused(self) -> bool:
        """A person has to do something before anything is sent."""
        return self._known.paused is not None

    @property
    def wants_probe(self) -> bool:
        """KSeF is down, or something failed in a way that may mean so."""
        return self.down or self._doubt

    def doubt(self, no: NoAnswer) -> None:
        """This answer may be about one document or one service only, or about KSeF as a whole: the probe will tell."""
        self._doubt = self._doubt or is_network(no.code)

    @property
    def down(self) -> bool:
        """KSeF did not answer when it was last asked."""
        return self._known.reachable is False

    def silence(self) -> float:
        """Seconds for which work should leave KSeF alone; 0 when it may be asked.

        While KSeF is down only the probe asks: a document sent over a flapping line would be in doubt for nothing.
        """
        return max(self.quiet(), _PROBE_FIRST_S) if self.down else self.quiet()

    def quiet(self) -> float:
        """Seconds until even the probe may ask again."""
        if self._quiet_until is None:
            return 0.0
        now = self._clock()
        self._quiet_until = min(self._quiet_until, now + self._quiet_for)  # the clock may have gone back
        return min(max((self._quiet_until - now).total_seconds(), 0.0), _LONGEST_SILENCE_S)

    def _be_quiet(self, seconds: float) -> None:
        self._quiet_for = timedelta(seconds=seconds)
        self._quiet_until = self._clock() + self._quiet_for

    async def begin(self) -> None:
        """Take over what an earlier run wrote. A pause because of the login is tried once more, as promised."""
        self.learn(await self._spool.read(lambda store: store.conditions(self.context)))
        if self._known.paused is None or self._known.paused.get("kind") != LOGIN:
            return
        try:
            await self._login.access()
        except NoAnswer as no:
            self.log.warning("login_still_refused", code=no.code)
            return
        await self._resume()

    async def _resume(self) -> None:
        """The login is let in again: nothing is left that a person would have to do."""
        now = self._clock()

        def lift(store: Store) -> None:
            store.set_condition(self.context, "paused", None, now)
            store.log(f"context:{self.context}", "resumed", now, "agent", "Logowanie do KSeF znowu działa.")

        await self._spool.write(lift)
        self._known.paused = None

    def learn(self, conditions: list[Condition]) -> None:
        """The conditions as stored; a pause that a person lifted also lets the login try again."""
        mine = {c.name: c.value for c in conditions if c.context == self.context}
        if "reachable" in mine:
            self._known.reachable = bool(mine["reachable"].get("ok"))
        self._known.clock_wrong = "clock" in mine
        self._known.reconcile_first = RECONCILE_FIRST in mine
        self._known.strange = STRANGE in mine
        was, self._known.paused = self._known.paused, mine.get("paused")
        if was is not None and self._known.paused is None:
            self._login.unblock()

    async def reached(self) -> None:
        """The probe was answered: work may go on. How long the next failure waits is decided by real work only."""
        self._quiet_until, self._doubt = None, False
        if self._known.reachable is not True:
            await self._set("reachable", {"ok": True, "since": self._clock().isoformat(), "detail": ""})
            self._known.reachable = True

    async def worked(self) -> None:
        """KSeF answered."""
        self._failures = self._strange = 0
        self._doubted.clear()
        await self.reached()
        if self._known.paused and self._known.paused.get("kind") == LOGIN and self._login.refused is None:
            await self._resume()
        if self._known.strange:
            await self._set(STRANGE, None)
            self._known.strange = False
        if self._login.valid_until is not None and self._login.valid_until != self._known.login_until:
            self._known.login_until = self._login.valid_until
            await self._set("login", {"valid_until": self._login.valid_until.isoformat()})

    async def failed(self, no: NoAnswer) -> float:
        """A call outside any document did not give its value: note what that says; returns seconds to wait."""
        outcome = no.reading.outcome
        if self._login.refused is not None:
            await self.pause(self._login.refused, LOGIN)
        await self._wonder(no)
        if isinstance(outcome, Later) and not is_network(no.code):
            if outcome.scope is Scope.CONTEXT and not outcome.person and not no.code.startswith(_PACED):
                self._be_quiet(outcome.after_s or 1.0)
            if outcome.after_s is not None:
                return outcome.after_s
        self._failures += 1
        pause = retry.backoff(self._failures, random.random(), longest=_LONGEST_SILENCE_S)  # noqa: S311 - jitter
        if is_network(no.code):
            self._be_quiet(pause)
            if self._known.reachable is not False:
                self.log.warning("unreachable", code=no.code)
                since = self._clock().isoformat()
                await self._set("reachable", {"ok": False, "since": since, "detail": no.reading.reason})
                self._known.reachable = False
        else:
            self.log.warning("no_answer", code=no.code)
        return pause

    async def failed_about(self, document_id: str, no: NoAnswer) -> float:
        """A call about one document failed; returns seconds to wait.

        An HTTP answer without sense may be about this document alone: it says something about KSeF only when another
        document meets the same with no success in between. The caller puts the document itself off.
        """
        if is_network(no.code) and no.code.startswith(_ABOUT_ONE):
            self._doubted.add(document_id)
            self.doubt(no)
            if len(self._doubted) == 1:
                return 0.0
        return await self.failed(no)

    async def _wonder(self, no: NoAnswer) -> None:
        """KSeF answers, but again and again in a way that no version known here has: people are told (faults K11)."""
        self._strange = self._strange + 1 if is_strange(no.code) else 0
        if self._strange >= _STRANGE_FROM and not self._known.strange:
            self.log.error("ksef_changed", code=no.code)
            await self._set(STRANGE, {"detail": no.reading.reason, "code": no.code})
            self._known.strange = True

    async def compare_clocks(self, server_now: datetime | None) -> None:
        """KSeF's clock and ours should agree within two minutes; otherwise the page says so (faults F14, K17)."""
        if server_now is None:
            return
        apart = round((self._clock() - server_now).total_seconds())
        wrong = {"seconds": apart} if abs(apart) > _CLOCKS_MAY_DIFFER_S else None
        if wrong is not None or self._known.clock_wrong:
            await self._set("clock", wrong)
            self._known.clock_wrong = wrong is not None

    async def pause(self, reading: Reading, kind: str) -> None:
        """Send nothing more in this context until a person has looked; once, with one event."""
        now = self._clock()
        value = {"reason": reading.reason, "hint": reading.hint, "code": reading.code, "kind": kind}
        if self._known.paused is not None:
            return

        def write(store: Store) -> None:
            if not any(c.name == "paused" for c in store.conditions(self.context)):
                pause_in(store, self.context, value, now)

        await self._spool.write(write)
        self._known.paused = value
        self.log.error("paused", code=reading.code)

    async def _set(self, name: str, value: dict[str, Any] | None) -> None:
        now = self._clock()
        await self._spool.write(lambda store: store.set_condition(self.context, name, value, now))


def pause_in(store: Store, context: str, value: dict[str, Any], now: datetime) -> None:
    """Write the pause and its history row."""
    store.set_condition(context, "paused", value, now)
    note = f"Wstrzymano wysyłkę: {value['reason']} {value['hint']}".strip()
    store.log(f"context:{context}", "paused", now, "agent", note, {"code": value["code"]})
