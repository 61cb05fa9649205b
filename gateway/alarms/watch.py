"""The loop that looks at the deadlines and commits alarms; it holds up nobody and no error ends it.

An alarm is committed before its mail goes (`post` sends it): it is shown even when no mail can be sent.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from gateway.alarms import message, tray
from gateway.alarms.message import SHOWN, Facts
from gateway.alarms.settings import Alerts
from gateway.web.health import silent
from spool import law
from spool.access import Spool
from spool.clock import Clock
from spool.domain import ladder, penalties
from spool.domain.alarms import NewAlarm, Passed, Seen
from spool.domain.built import too_early
from spool.domain.ladder import ON_CALL, Call, Step
from spool.domain.ledger import ALIVE, TRAY
from spool.domain.letters import DEADLINE, WEBHOOK, NewLetter, alarm_key
from spool.domain.tray import overdue_before
from spool.law import Rules
from spool.purchases import Purchase, look
from spool.series import explained
from spool.store import Store

_VERSION_EVERY_S = 1.0
_AT_ONCE = 16
_MORE_AFTER = {
    Step.DUE: timedelta(minutes=10),
    Step.SOONER: timedelta(minutes=10),
    Step.LAST_MINUTE: timedelta(minutes=5),
    Step.TRAY: timedelta(hours=1),
}
"""What is told whenever it is found comes at once, and, when more is found, in one message after this pause."""
_LAST_MINUTES_S, _LAST_MINUTES_EVERY_S, _JUST_AFTER_S = 900.0, 1.0, 0.02

_log = structlog.get_logger("gateway.alarms")


@dataclass(frozen=True)
class Patience:
    """Real seconds: `look` between two looks, `law` that deadlines which are being recomputed are waited for."""

    look: float = 15.0
    law: float = 120.0

    @classmethod
    def sandbox(cls) -> "Patience":
        """Under the sandbox's clock time may jump: nobody waits longer than a second without looking at it."""
        return cls(look=1.0)


class Alarms:
    """Looks, decides by `spool.domain.ladder`, commits. One per process; `raised` is set after each alarm."""

    def __init__(
        self,
        spool: Spool,
        rules: Rules,
        alerts: Alerts,
        clock: Clock,
        patience: Patience = Patience(),
    ) -> None:
        self.raised = asyncio.Event()
        self._spool = spool
        self._rules = rules
        self._municipality = rules.municipality
        self._alerts = alerts
        self._changes = rules.law.changes
        self._clock = clock
        self._patience = patience
        self._law_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`: when the spool changed, when a due moment comes, and once in a while."""
        while not stop.is_set():
            wait = self._patience.look
            try:
                version = await self._spool.version()
                wait = min(wait, await self._look_and_say_when())
            except Exception as error:  # a full disk, a locked spool: the next look tells it
                version = -1
                _log.warning("alarms_not_looked", cause=type(error).__name__, detail=str(error)[:200])
            await self._rest(stop, version, wait)

    async def look(self) -> list[int]:
        """One look; returns the alarms that were committed."""
        now = self._clock()
        if too_early(now):
            return []  # the page says it; by this clock every date is far ahead
        seen = await self._see(now)
        if self._law_is_moving(seen):
            return []
        wanted = self._calls(seen, now)
        raised = await self._tray(now)
        for at in range(0, len(wanted), _AT_ONCE):
            done = await asyncio.gather(*(self._tell(call, now) for call in wanted[at : at + _AT_ONCE]))
            raised += [alarm for alarm in done if alarm is not None]
        if raised:
            self.raised.set()
        if seen.over:
            await self._spool.write(lambda store: store.end_alarms(seen.over, now))
        return raised

    async def _tray(self, now: datetime) -> list[int]:
        """Purchases that have lain in the central tray for too long: each is told once, several in one message."""
        hours = self._alerts.tray_hours
        if not hours:
            return []
        before = overdue_before(now, hours, self._changes)

        def untold(store: Store) -> list[Purchase]:
            if not _rested(Step.TRAY, store.told_last(Step.TRAY, TRAY), now):
                return []
            return [look(store, r, self._rules) for r in store.tray_untold(before, tray.SHOWN)]

        found = await self._spool.read(untold)
        if not found:
            return []
        new = tray.alarm(found, hours, self._alerts.recipients if self._alerts.smtp else ())
        raised = await self._spool.write(lambda store: self._commit(store, new, now))
        _log.warning("tray_alarm", alarm=raised, documents=len(found))
        return [raised] if raised is not None else []

    async def _look_and_say_when(self) -> float:
        """A look; returns how many seconds the next one may wait.

        The due moment is told before midnight changes the date of an online document, and in the last minutes before it
        a document that has just come in gets only seconds.
        """
        await self.look()
        now = self._clock()
        due = await self._spool.read(lambda store: store.next_due(now))
        if due is None:
            return self._patience.look
        left = (due - now).total_seconds()
        return min(left + _JUST_AFTER_S, _LAST_MINUTES_EVERY_S if left < _LAST_MINUTES_S else left)

    async def _rest(self, stop: asyncio.Event, version: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(left, _VERSION_EVERY_S))
            with contextlib.suppress(Exception):
                if await self._spool.version() != version:
                    return

    async def _see(self, now: datetime) -> Seen:
        upto = ladder.horizon(now, self._changes)
        return await self._spool.read(lambda store: store.alarm_look(now, upto, law.wanted(store, self._rules, now)))

    def _law_is_moving(self, seen: Seen) -> bool:
        """Deadlines are being recomputed: what stands there may be false in a moment. A dead agent recomputes nothing,
        so the wait has an end."""
        if not seen.deadlines_move:
            self._law_since = None
            return False
        now = time.monotonic()
        self._law_since = now if self._law_since is None else self._law_since
        return now - self._law_since < self._patience.law

    def _calls(self, seen: Seen, now: datetime) -> list[Call]:
        """The ladder's calls, and before them what has passed or came sooner."""
        found = [Call(p.unit, Step.DUE, p.due) for p in seen.passed if _rested(Step.DUE, p.told_at, now)]
        planned = []
        for call in ladder.calls(seen.candidates, now, self._alerts.office_ends, self._changes):
            last = seen.last_minute_told.get((call.unit, call.due))
            if call.step is not Step.LAST_MINUTE or _rested(Step.LAST_MINUTE, last, now):
                planned.append(call)
        return [*found, *planned, *_sooner(seen.sooner, planned, now)]

    async def _tell(self, call: Call, now: datetime) -> int | None:
        """Compose and commit one alarm; None when there is nothing to tell after all."""
        facts = await self._spool.read(lambda store: self._facts(store, call, now))
        if not facts.count or (call.step is Step.LAST_MINUTE and not _ripe(facts)):
            return None
        new = NewAlarm(
            call.unit, call.step, call.due, facts.subject.documents, message.sentence(facts), message.text(facts),
            self._addresses(call),
        )  # fmt: skip
        alarm = await self._spool.write(lambda store: self._commit(store, new, now))
        if alarm is not None:
            _log.warning("deadline_alarm", alarm=alarm, unit=call.unit, step=call.step.value, documents=facts.count)
        return alarm

    def _commit(self, store: Store, new: NewAlarm, now: datetime) -> int | None:
        """The alarm, and beside it the letter that tells the webhook: how many and until when, no invoice by name."""
        alarm = store.raise_alarm(new, now)
        if alarm is not None and self._alerts.webhook is not None:
            data = {
                "unit": new.unit,
                "step": new.step.value,
                "due": new.due.isoformat(),
                "documents": len(new.documents),
            }
            ways = ((WEBHOOK, self._alerts.webhook.host),)
            store.add_letter(NewLetter(alarm_key(alarm), DEADLINE, new.sentence, "", data, ways), now)
        return alarm

    def _facts(self, store: Store, call: Call, now: datetime) -> Facts:
        subject = store.alarm_subject(call, SHOWN, amounts=penalties.applies(call.due))
        subject = replace(subject, shown=tuple(explained(store, document) for document in subject.shown))
        conditions = store.conditions()
        alive = next((c for c in conditions if c.context == "" and c.name == ALIVE), None)
        unit = self._municipality.units.get(call.unit)
        concerned = [c for c in conditions if c.context in subject.contexts]
        return Facts(call, unit.name if unit else call.unit, subject, concerned, silent(alive, now), now)

    def _addresses(self, call: Call) -> tuple[str, ...]:
        """The office and the unit, or whoever is on duty; a passed date concerns them all. Nobody without a server."""
        alerts, unit = self._alerts, self._municipality.units.get(call.unit)
        if alerts.smtp is None:
            return ()
        office = (*alerts.recipients, *(unit.alerts if unit else ()))
        on_call = alerts.on_call or alerts.recipients
        if call.step is Step.DUE:
            return (*on_call, *office)
        return on_call if call.step in ON_CALL else office


def _rested(step: Step, told_at: datetime | None, now: datetime) -> bool:
    """True when nothing was told for long enough, or by a clock that has gone back since."""
    return told_at is None or not told_at <= now < told_at + _MORE_AFTER[step]


def _sooner(moved: Iterable[Passed], planned: Iterable[Call], now: datetime) -> list[Call]:
    """Dates that came sooner, unless a graver step about the same date is told now."""
    said = {(call.unit, call.due) for call in planned}
    return [
        Call(p.unit, Step.SOONER, p.due)
        for p in moved
        if (p.unit, p.due) not in said and _rested(Step.SOONER, p.told_at, now)
    ]


def _ripe(facts: Facts) -> bool:
    """One of the documents of the last minutes had its time to go by itself, and did not."""
    return any(ladder.ripe(facts.call.due, d.created_at, facts.now) for d in facts.subject.shown)
