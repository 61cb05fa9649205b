"""The order of numbering series towards KSeF: whom the clock lets go, and what is told of numbers that overtook.

Choosing is the store's (`spool.store.series`): what waits for an earlier number is not in the queue. Here is what
needs a clock: three hours before its date a document waits no longer (JST rule S3).
"""

from datetime import UTC, datetime

from agent.contact import Contact
from spool import series
from spool.access import Spool
from spool.clock import Clock
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document, HeldSeries
from spool.domain.municipality import Municipality
from spool.domain.series import GOES_BEFORE_DUE, let_go_before
from spool.store import Store

_CHUNK = 250
"""Documents changed in one commit: intake waits no longer than that."""
_LOOK_EVERY_S = 10.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def begin_in_turn(store: Store, town: Municipality, document: Document, session: str, now: datetime) -> Document:
    """The intent of an interactive send. Raises MoveRefused when an earlier number came in since it was chosen."""
    if store.document(document.id).held_back:
        raise MoveRefused("Wcześniejszy numer tej serii nie ma jeszcze numeru KSeF.")
    begun = store.begin_attempt(document, session, now)
    if (earlier := store.earlier_open(begun)) is not None:
        series.note(store, town, begun, earlier, now)
    return begun


async def not_in_turn(spool: Spool, town: Municipality, package: str, now: datetime) -> frozenset[str]:
    """The documents of a package that must not go before an earlier number, which is open and not in it.

    What may go before one gets its note.
    """
    found = await spool.read(lambda store: store.overtaking(package))
    told = [(document, earlier) for document, earlier, waits in found if not waits]
    for start in range(0, len(told), _CHUNK):

        def job(store: Store, pairs: list[tuple[str, str]]) -> None:
            for document, earlier in pairs:
                series.note(store, town, store.document(document), store.document(earlier), now)

        chunk = told[start : start + _CHUNK]
        await spool.write(lambda store: job(store, chunk))  # noqa: B023 - awaited at once
    return frozenset(document for document, _, waits in found if waits)


class Continuity:
    """The series of one context: their places follow the configuration, and the clock lets go what is due."""

    def __init__(self, spool: Spool, contact: Contact, clock: Clock, town: Municipality) -> None:
        self._spool = spool
        self._contact = contact
        self._clock = clock
        self._town = town
        self._away = False
        self._back = _LONG_AGO

    async def begin(self) -> None:
        """Before anything is sent: documents taken in under another configuration get their places."""
        context, now, after = self._contact.context, self._clock(), 0
        if not await self._spool.read(lambda store: series.wanted(store, self._town, context)):
            return
        reached: int | None = 0
        while reached is not None:
            after = reached
            reached = await self._spool.write(
                lambda store: series.replace_all(store, self._town, context, after, now)  # noqa: B023 - awaited at once
            )
        self._contact.log.info("series_placed")

    async def step(self) -> float:
        """Let go what is due soon. While nothing can be sent nobody overtakes, and the order is kept for afterwards."""
        now = self._clock()
        if self._contact.paused or self._contact.silence() > 0:
            self._away = True
            return _LOOK_EVERY_S
        if self._away:
            self._away, self._back = False, now
        held = await self._spool.read(lambda store: store.held_series(self._contact.context))
        for one in held:
            if one.due is not None and one.due - GOES_BEFORE_DUE <= now:
                await self._let_go(one, now)
        soon = [(one.due - GOES_BEFORE_DUE - now).total_seconds() for one in held if one.due is not None]
        return min([_LOOK_EVERY_S, *(seconds for seconds in soon if seconds > 0)])

    async def _let_go(self, held: HeldSeries, now: datetime) -> None:
        first = await self._spool.read(lambda store: store.first_open(held))
        moved_at = max(series.moved_at(first), self._back) if first else _LONG_AGO
        until, count = let_go_before(moved_at, now), _CHUNK
        while count == _CHUNK:
            count = await self._spool.write(lambda store: store.let_go(self._contact.context, held, until, _CHUNK))
            if count:
                self._contact.log.warning("series_let_go", unit=held.unit, series=held.series, documents=count)
