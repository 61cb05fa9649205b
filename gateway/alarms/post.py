"""Sends the mail of committed alarms, one message per address, until the server has taken each of them.

A crash between the server's "250" and our commit sends a mail a second time, with the same Message-ID; none is lost.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from gateway.alarms.settings import Smtp
from gateway.alarms.smtp import Letter, Outcome, send
from spool.access import Spool
from spool.clock import Clock
from spool.domain.alarms import Mail

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

    def __init__(self, spool: Spool, smtp: Smtp, clock: Clock, wake: asyncio.Event, patience_s: float) -> None:
        self._spool = spool
        self._smtp = smtp
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
        """Try every mail whose time has come, at most a batch of them; returns how many were tried."""
        now = self._clock()
        mails = await self._spool.read(lambda store: store.mails_to_send(now, now - KEEP_TRYING, _BATCH))
        letters = {(m.alarm, m.address): m for m in mails}
        tried = 0
        async for letter, outcome in send(self._smtp, [self._letter(m) for m in mails]):
            await self._record(letters[letter.alarm, letter.address], outcome)
            tried += 1
        return tried

    async def _deliver_or_log(self) -> int:
        try:
            return await self.deliver()
        except Exception as error:  # the spool cannot be written now: the mail goes again, later
            _log.warning("mail_not_recorded", cause=type(error).__name__, detail=str(error)[:200])
            return 0

    def _letter(self, mail: Mail) -> Letter:
        return Letter(mail.alarm, mail.address, _ABOUT + mail.sentence, mail.text, mail.at)

    async def _record(self, mail: Mail, outcome: Outcome) -> None:
        now = self._clock()
        if outcome.taken:
            await self._spool.write(lambda store: store.mail_sent(mail, now))
            _log.info("mail_sent", alarm=mail.alarm)
            return
        again = next_try(now, mail.tries)
        await self._spool.write(lambda store: store.mail_failed(mail, outcome.answer, again))
        _log.warning("mail_not_sent", alarm=mail.alarm, tries=mail.tries + 1, answer=outcome.answer)


def next_try(now: datetime, tries: int) -> datetime:
    """When a mail that has failed after `tries` earlier tries is tried again."""
    return now + PAUSES[min(tries, len(PAUSES) - 1)]
