"""One context's office: its line to KSeF, its login, its session, and the loops that work in it.

Every loop is the same: do one step, wait as long as the step says or until something in the spool changed. A stop
is obeyed between steps. What a step could not do because KSeF did not answer is noted once, in `Contact.failed`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.batch import Batches
from agent.batch_verdicts import BatchVerdicts
from agent.bench import Bench
from agent.contact import Contact
from agent.entrance import entrance
from agent.follow import Verdicts
from agent.forward import IDLE_S, Forward, Tools
from agent.gate import Gate
from agent.ksef.api import NoAnswer
from agent.ksef.budget import Budget
from agent.ksef.session import Sessions
from agent.ksef.transport import Transport
from agent.plan import Planner
from agent.receipts import Receipts
from agent.receive import Receive
from agent.reconcile import Reconcile
from agent.renewal import Renewal
from agent.series import Continuity
from agent.settings import AgentSettings
from spool.access import Spool
from spool.clock import Clock
from spool.domain.built import too_early
from spool.domain.errors import SluzaError
from spool.domain.municipality import Context
from spool.hands import Hands

_AFTER_TROUBLE_S = 10.0
_LIMITS_EVERY, _CLOCKS_EVERY = timedelta(hours=1), timedelta(minutes=2)
_SESSIONS_EVERY_S = 2.0
_BUDGET_EVERY = timedelta(seconds=5)


class Bell:
    """Rings when the spool changed, or when it is time to stop; every listener hears every ring once."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self.stopping = False

    def listener(self) -> asyncio.Event:
        """An ear of one's own."""
        event = asyncio.Event()
        self._listeners.add(event)
        return event

    async def rest(self, ear: asyncio.Event, seconds: float, *, wake: bool) -> None:
        """Until so many seconds are over or it is time to stop; with `wake` also until the spool changes.

        Without any pause the other loops have their turn all the same.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self.stopping and (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):  # `wait_for` may lose a cancellation that comes with the ring
                    await ear.wait()
            except TimeoutError:
                return
            if wake:
                return
            ear.clear()

    def ring(self) -> None:
        """Wake everybody."""
        for event in self._listeners:
            event.set()

    def stop(self) -> None:
        """Wake everybody for the last time."""
        self.stopping = True
        self.ring()


@dataclass(frozen=True)
class House:
    """What all contexts of one process share; `patience` caps every wait (short under the sandbox's clock).

    `hands` None: nobody counts what this process dies with.
    """

    settings: AgentSettings
    spool: Spool
    transport: Transport
    bench: Bench
    clock: Clock
    bell: Bell
    patience: float = IDLE_S
    hands: Hands | None = None


class Office:
    """The loops of one context."""

    def __init__(self, house: House, context: Context) -> None:
        """Reads the credential. Raises ConfigError by field."""
        self._house = house
        self._budget = Budget()
        self._kept: datetime | None = None
        way = entrance(house.transport, context, house.clock, self._budget)
        self._door, self.login, keys, ksef = way.door, way.login, way.keys, way.ksef
        self.contact = Contact(context.id, house.spool, self.login, house.clock)
        self._sessions = Sessions(context.id, ksef, keys, house.spool, house.clock, context.url)
        self._tools = Tools(
            context, house.spool, ksef, self._sessions, self.contact, house.clock, house.bench,
            house.transport, house.settings.shared.rules, Planner(), house.hands,
        )  # fmt: skip
        packages = house.settings.shared.paths.state / "agent" / context.id / "packages"
        self._batches = Batches(self._tools, keys, packages)
        self._receipts = Receipts(self._tools)
        self._batch_verdicts = BatchVerdicts(self._tools, keys, self._receipts.learn)
        self._forward = Forward(self._tools)
        self._verdicts = Verdicts(self._tools)
        self._reconcile = Reconcile(self._tools)
        self._continuity = Continuity(house.spool, self.contact, house.clock, house.settings.shared.rules.municipality)
        self._receive = Receive(self._tools, keys, house.settings)
        contexts = list(house.settings.shared.municipality.contexts)
        paths = house.settings.shared.paths
        self._renewal = Renewal(way, context, house.transport, house.spool, self.contact, house.clock, paths)
        self._gate = Gate(self._tools, keys, contexts, house.bell.ring)
        self._limits_asked: datetime | None = None

    async def work(self) -> None:
        """Run every loop until the bell says stop. Raises what a loop could not handle by itself."""
        ear = self._house.bell.listener()
        while not await self._clock_may_be_right(ear):
            if self._house.bell.stopping:
                return
        await self._recall_budget()
        await self._gate.begin()
        await self._forward.begin()
        if self._house.hands:
            await self._house.hands.put_off()
        await self._continuity.begin()
        await self.contact.begin()
        steps = {
            "gate": self._gate.step,
            "send": self._forward.step,
            "packages": self._batches.step,
            "package_verdicts": self._batch_verdicts.step,
            "verdicts": self._verdicts.step,
            "receipts": self._receipts.step,
            "reconcile": self._reconcile.step,
            "series": self._continuity.step,
            "sessions": self._tidy,
            "receive": self._receive.step,
            "renewal": self._renewal.step,
            "limits": self._ask_limits,
            "probe": self._probe,
            "budget": self._keep_budget,
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, step in steps.items():
                    group.create_task(self._loop(name, step), name=f"{self.contact.context}:{name}")
            await self._forward.finish()
            self._kept = None
            await self._keep_budget()
        finally:
            await self._forward.abandon()

    async def _recall_budget(self) -> None:
        """KSeF counts what an earlier run of ours asked within the hour, and its bans go on (faults K04)."""
        context, hour_ago = self.contact.context, self._house.clock() - timedelta(hours=1)
        self._budget.recall(await self._house.spool.read(lambda store: store.budget(context)))
        since = max(hour_ago, datetime.fromtimestamp(self._budget.last("invoiceSend"), UTC))
        for at in await self._house.spool.read(lambda store: store.sends_since(context, since)):
            self._budget.spend("invoiceSend", at.timestamp())  # since the budget was kept last

    async def _keep_budget(self) -> float:
        """A ban is kept at once, ordinary calls every few seconds: a crash forgets no more than those."""
        now = self._house.clock()
        old = self._kept is None or abs(now - self._kept) >= _BUDGET_EVERY
        if self._budget.banned or (self._budget.changed and old):
            self._kept, value = now, self._budget.as_dict()
            context = self.contact.context
            await self._house.spool.write(lambda store: store.keep_budget(context, value, now))
        return 1.0

    async def _loop(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        """Step, wait, step. An error of ours in one step is logged and waited out; the other loops go on."""
        bell = self._house.bell
        ear = bell.listener()
        while not bell.stopping:
            ear.clear()
            if not await self._clock_may_be_right(ear):
                continue
            pause, urgent = await self._once(name, step)
            await bell.rest(ear, min(pause, self._house.patience if urgent else IDLE_S), wake=urgent)

    async def _once(self, name: str, step: Callable[[], Awaitable[float]]) -> tuple[float, bool]:
        """One step, and a note of what it could not do; seconds to rest, and whether a change ends the rest early."""
        try:
            try:
                return await step(), True
            except NoAnswer as no:
                return await self.contact.failed(no), self.login.refused is not None
        except (SluzaError, OSError) as error:  # a full disk takes no note of what KSeF did not answer, either
            self.contact.log.warning("step_failed", loop=name, error=str(error))
        except Exception:
            self.contact.log.exception("step_crashed", loop=name)
        return _AFTER_TROUBLE_S, False

    async def _clock_may_be_right(self, ear: asyncio.Event) -> bool:
        """False, after a pause, while the clock says a time before this program was made: nothing is asked, judged or
        sent by such a clock, and the page says why (faults F14)."""
        if not too_early(self._house.clock()):
            return True
        await self._house.bell.rest(ear, min(self._house.patience, IDLE_S), wake=False)
        return False

    async def _probe(self) -> float:
        """While KSeF is or may be down ask it for something public and cheap; Latarnia has no say in this."""
        if not self.contact.wants_probe:
            return IDLE_S
        if (pause := self.contact.quiet()) > 0:
            return pause
        await self._door.public_keys()
        await self.contact.reached()
        return IDLE_S

    async def _tidy(self) -> float:
        """Old and doubtful sessions are brought to their end."""
        if (pause := self.contact.silence()) > 0:
            return pause
        wanted = self._receipts.sessions_to_close | self._reconcile.sessions_to_close | self._verdicts.sessions_to_close
        changed = await self._sessions.tidy(wanted)
        return 0.2 if changed or wanted else _SESSIONS_EVERY_S

    async def _ask_limits(self) -> float:
        """The limits of this context as KSeF has them; the published ones hold until then.

        The answer tells KSeF's time, too: while the clocks differ it is asked for more often, until they agree again.
        """
        now = self._house.clock()
        every = _CLOCKS_EVERY if self.contact.clock_wrong else _LIMITS_EVERY
        if self._limits_asked is not None and abs(now - self._limits_asked) < every:
            return IDLE_S
        if (pause := self.contact.silence()) > 0:
            return pause
        await self._tools.ksef.rate_limits()
        self._limits_asked = now
        await self.contact.worked()
        await self.contact.compare_clocks(self._house.transport.server_now())
        return IDLE_S
