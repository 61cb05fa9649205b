"""Sends committed alarms and letters, one message per address or webhook, until the other side has taken each of them.

A crash between the server's "250" and our commit sends a message a second time, under the same name; none is lost.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from gateway.alarms import webhook
from gateway.alarms.settings import Alerts
from gateway.alarms.smtp import Letter, Outcome, send
from spool.access import Spool
from spool.clock import Clock
from spool.domain.alarms import Mail
from spool.domain.letters import MAIL, WEBHOOK
from spool.store import Store

KEEP_TRYING = timedelta(days=3)
"""After this time a warning is of no use any more; that it never went is still shown (`FAILED_SHOWN` of the page)."""
PAUSES = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600, 1800))
"""Between two tries; the last one again and again."""
_BATCH = 50
_STOP_WITHIN_S = 3.0
_ABOUT = "Śluza: "

_log = structlog.get_logger("gateway.alarms")


class Post:
    """One per process. `wake` is set by whoever committed an alarm."""

    def __init__(self, spool: Spool, alerts: Alerts, clock: Clock, wake: asyncio.Event, patience_s: float) -> None:
        self._spool = spool
        self._alerts = alerts
        self._clock = clock
        self._wake = wake
        self._patience_s = patience_s

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; nothing that a server does ends it."""
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            self._wake.clear()
            delivery = asyncio.ensure_future(self._deliver_or_log())
            await asyncio.wait({delivery, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not delivery.done():
                await asyncio.wait({delivery}, timeout=_STOP_WITHIN_S)
                delivery.cancel()
            if delivery.done() and not delivery.cancelled() and delivery.result():
                continue
            waking = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({waking, stopping}, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()

    async def deliver(self) -> int:
        """Try every message whose time has come, at most a batch of them on each way; returns how many were tried."""
        by_mail = await self._by_mail()
        return by_mail + await self._by_webhook()

    async def _by_mail(self) -> int:
        if self._alerts.smtp is None:
            return 0
        now, tried = self._clock(), 0
        mails = await self._spool.read(lambda store: _mails(store, now))
        named = {(m.number, m.address): m for m in mails}
        async for letter, outcome in send(self._alerts.smtp, [self._letter(m) for m in mails]):
            await self._record(named[letter.number, letter.address], outcome)
            tried += 1
        return tried

    async def _by_webhook(self) -> int:
        hook = self._alerts.webhook
        if hook is None:
            return 0
        now = self._clock()
        told = await self._spool.read(lambda s: s.letters_to_send(WEBHOOK, now, now - KEEP_TRYING, _BATCH))
        mine = [message for message in told if message.address == hook.host]
        async for message, outcome in webhook.send(hook, mine, self._clock):
            await self._record(message, outcome)
        return len(mine)

    async def _deliver_or_log(self) -> int:
        try:
            return await self.deliver()
        except Exception as error:  # the spool cannot be written now: the mail goes again, later
            _log.warning("mail_not_recorded", cause=type(error).__name__, detail=str(error)[:200])
            return 0

    def _letter(self, mail: Mail) -> Letter:
        return Letter(mail.number, mail.address, _ABOUT + mail.sentence, mail.text, mail.at)

    async def _record(self, mail: Mail, outcome: Outcome) -> None:
        now = self._clock()
        if outcome.taken:
            await self._spool.write(lambda store: store.mail_sent(mail, now))
            _log.info("mail_sent", message=mail.number, way=mail.way)
            return
        again = next_try(now, mail.tries)
        await self._spool.write(lambda store: store.mail_failed(mail, outcome.answer, again))
        _log.warning("mail_not_sent", message=mail.number, way=mail.way, tries=mail.tries + 1, answer=outcome.answer)


def _mails(store: Store, now: datetime) -> list[Mail]:
    """Those of alarms about deadlines first."""
    since = now - KEEP_TRYING
    return [*store.mails_to_send(now, since, _BATCH), *store.letters_to_send(MAIL, now, since, _BATCH)]


def next_try(now: datetime, tries: int) -> datetime:
    """When a mail that has failed after `tries` earlier tries is tried again."""
    return now + PAUSES[min(tries, len(PAUSES) - 1)]
