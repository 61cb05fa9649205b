"""One context's office: its line to KSeF, its login, its session, and the loops that work in it.

Every loop is the same: do one step, wait as long as the step says or until something in the spool changed. A stop
is obeyed between steps. What a step could not do because KSeF did not answer is noted once, in `Contact.failed`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.bench import Bench
from agent.contact import Contact
from agent.follow import Receipts, Verdicts
from agent.forward import IDLE_S, Forward, Tools
from agent.ksef.api import NoAnswer
from agent.ksef.budget import Budget
from agent.ksef.client import SDK_ERRORS, KsefClient, KsefDoor
from agent.ksef.line import Line
from agent.ksef.login import Keys, Login
from agent.ksef.session import Sessions
from agent.ksef.transport import Transport
from agent.receive import Receive
from agent.reconcile import Reconcile
from agent.settings import AgentSettings
from certs import keyring
from spool.access import Spool
from spool.clock import Clock
from spool.domain.errors import SluzaError
from spool.domain.municipality import Context
from spool.hands import Hands

_AFTER_TROUBLE_S = 10.0
_LIMITS_EVERY = timedelta(hours=1)
_SESSIONS_EVERY_S = 2.0


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
                await asyncio.wait_for(ear.wait(), left)
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
        line = Line(house.transport, context.url, self._budget, house.clock, SDK_ERRORS)
        self._door = KsefDoor(line, context)
        keys = Keys(self._door, house.clock)
        self.login = Login(self._door, keys, keyring.authentication(context), keyring.token(context), house.clock)
        self.contact = Contact(context.id, house.spool, self.login, house.clock)
        ksef = KsefClient(line, self.login)
        self._sessions = Sessions(context.id, ksef, keys, house.spool, house.clock, context.url)
        self._tools = Tools(
            context, house.spool, ksef, self._sessions, self.contact, house.clock, house.bench,
            house.transport, house.settings.shared.rules, house.hands,
        )  # fmt: skip
        self._forward = Forward(self._tools)
        self._verdicts = Verdicts(self._tools)
        self._receipts = Receipts(self._tools)
        self._reconcile = Reconcile(self._tools)
        self._receive = Receive(self._tools, keys, house.settings)
        self._limits_asked: datetime | None = None

    async def work(self) -> None:
        """Run every loop until the bell says stop. Raises what a loop could not handle by itself."""
        await self._remember_sends()
        await self._forward.begin()
        if self._house.hands:
            await self._house.hands.put_off()
        await self.contact.begin()
        steps = {
            "send": self._forward.step,
            "verdicts": self._verdicts.step,
            "receipts": self._receipts.step,
            "reconcile": self._reconcile.step,
            "sessions": self._tidy,
            "receive": self._receive.step,
            "limits": self._ask_limits,
            "probe": self._probe,
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, step in steps.items():
                    group.create_task(self._loop(name, step), name=f"{self.contact.context}:{name}")
            await self._forward.finish()
        finally:
            await self._forward.abandon()

    async def _remember_sends(self) -> None:
        """KSeF counts what an earlier run of ours sent within the hour (faults K04)."""
        context, since = self.contact.context, self._house.clock() - timedelta(hours=1)
        for at in await self._house.spool.read(lambda store: store.sends_since(context, since)):
            self._budget.spend("invoiceSend", at.timestamp())

    async def _loop(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        """Step, wait, step. An error of ours in one step is logged and waited out; the other loops go on."""
        bell = self._house.bell
        ear = bell.listener()
        while not bell.stopping:
            ear.clear()
            try:
                pause, urgent = await step(), True
            except NoAnswer as no:
                pause, urgent = await self.contact.failed(no), self.login.refused is not None
            except (SluzaError, OSError) as error:
                self.contact.log.warning("step_failed", loop=name, error=str(error))
                pause, urgent = _AFTER_TROUBLE_S, False
            except Exception:
                self.contact.log.exception("step_crashed", loop=name)
                pause, urgent = _AFTER_TROUBLE_S, False
            await bell.rest(ear, min(pause, self._house.patience if urgent else IDLE_S), wake=urgent)

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
        wanted = self._receipts.sessions_to_close | self._reconcile.sessions_to_close
        changed = await self._sessions.tidy(wanted)
        return 0.2 if changed or wanted else _SESSIONS_EVERY_S

    async def _ask_limits(self) -> float:
        """The limits of this context as KSeF has them; the published ones hold until then."""
        now = self._house.clock()
        if self._limits_asked is not None and abs(now - self._limits_asked) < _LIMITS_EVERY:
            return IDLE_S
        if (pause := self.contact.silence()) > 0:
            return pause
        await self._tools.ksef.rate_limits()
        self._limits_asked = now
        await self.contact.worked()
        await self.contact.compare_clocks(self._house.transport.server_now())
        return IDLE_S
