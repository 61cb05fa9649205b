"""The loop that renews a context's certificates ahead of their end, and takes up what a person's request left.

What fails is a condition of the context, which the pages and the alarms tell; the old certificate goes on meanwhile.
"""

from datetime import datetime, timedelta

from agent.contact import Contact
from agent.enrolment import Counter, Enrolment
from agent.entrance import Entrance
from agent.ksef.api import NoAnswer
from agent.ksef.errors import is_network
from agent.ksef.transport import Transport
from certs import keyring, kod2
from certs.reading import Credential, Use
from certs.safe import Safe
from spool import process
from spool.access import Spool
from spool.actions import certificate_installed
from spool.clock import Clock
from spool.domain.errors import AlreadyRunning, ConfigError
from spool.domain.ledger import RENEWAL
from spool.domain.municipality import Context
from spool.settings import Paths
from spool.store import Store

EVERY = timedelta(hours=1)
_IDLE_S = 60.0
_PATIENCE_S = 60.0


def lock_name(context: Context) -> str:
    """The role of whoever asks for certificates of this context: one at a time, the agent or a command."""
    return f"certs-{context.id}"


class Renewal:
    """One context's loop; idle where the settings say that a person renews."""

    def __init__(
        self, way: Entrance, context: Context, transport: Transport, spool: Spool, contact: Contact, clock: Clock,
        paths: Paths,
    ) -> None:  # fmt: skip
        self._way = way
        self._context = context
        self._transport = transport
        self._spool = spool
        self._contact = contact
        self._clock = clock
        self._paths = paths
        self._looked: datetime | None = None

    async def step(self) -> float:
        """Look once an hour; returns seconds until the next look."""
        safe, now = keyring.safe_of(self._context), self._clock()
        if safe is None or not self._context.renew_days:
            return _IDLE_S
        if self._looked is not None and abs(now - self._looked) < EVERY:
            return _IDLE_S
        if (pause := self._contact.silence()) > 0:
            return pause
        self._looked = now
        if not self._contact.paused:
            for use in Use:
                if self._is_due(use, safe, now):
                    await self._renew(use, safe)
        return _IDLE_S

    def _is_due(self, use: Use, safe: Safe, now: datetime) -> bool:
        """Its pair ends soon, or a request is under way; who logs in with a token cannot ask for one."""
        try:
            entering = keyring.authentication(self._context)
            present = entering if use is Use.AUTH else keyring.offline(self._context)
            pending = safe.request(use) is not None
        except ConfigError:
            return False  # the pages and `sluza certs check` say it
        soon = present is not None and ends(present) - now < timedelta(days=self._context.renew_days)
        return entering is not None and ends(entering) > now and (soon or pending)

    async def _renew(self, use: Use, safe: Safe) -> None:
        try:
            lock = process.hold(self._paths.state, lock_name(self._context))
        except AlreadyRunning:
            return  # a person is at it
        counter = Counter(self._transport, self._context, self._clock, safe, self._tell, _PATIENCE_S)
        try:
            credential = await Enrolment(counter, self._way, use).run()
        except NoAnswer as no:
            if is_network(no.code):
                self._looked = None
                raise
            await self._failed(use, no.reading.reason, no.reading.hint)
        except ConfigError as error:
            await self._failed(use, str(error), error.hint)
        else:
            await self._renewed(use, credential)
        finally:
            lock.release()

    async def _renewed(self, use: Use, credential: Credential) -> None:
        now, note = self._clock(), f"Odnowiono certyfikat. {described(credential, use)}"

        def write(store: Store) -> None:
            store.set_condition(self._context.id, f"{RENEWAL}{use}", None, now)
            certificate_installed(store, self._context.id, now, "agent", note, proven=use is Use.AUTH)

        await self._spool.write(write)
        self._contact.log.info("certificate_renewed", use=use, serial=kod2.serial(credential))

    async def _failed(self, use: Use, reason: str, hint: str) -> None:
        now, value = self._clock(), {"reason": reason, "hint": hint}
        self._contact.log.warning("certificate_not_renewed", use=use, reason=reason)
        await self._spool.write(lambda store: store.set_condition(self._context.id, f"{RENEWAL}{use}", value, now))

    def _tell(self, what: str) -> None:
        self._contact.log.info("certificate", step=what)


def ends(credential: Credential) -> datetime:
    """When it ends."""
    return credential.certificate.not_valid_after_utc


def described(credential: Credential, use: Use) -> str:
    """A pair in one sentence for the history; nothing secret."""
    until, subject = f"{ends(credential):%Y-%m-%d}", credential.certificate.subject.rfc4514_string()
    return f"Typ {use.kind}, nr {kod2.serial(credential)}, ważny do {until}, {subject}."
