"""KSeF against the spool, one context at a time: what KSeF has and the spool has forgotten is put back (F11, F12).

Two sources, because neither is enough. The sessions of this credential show what was sent at once, also what KSeF is
still processing. The register shows what was registered, whoever sent it, and lags a little. Whatever is found is
matched by the hash of the bytes and by nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agent import adopt
from agent.adopt import Place, Way
from agent.ksef.api import InvoiceStatus, Ksef, ListedSession, NoAnswer
from agent.register import RegisterOf
from spool.access import Spool
from spool.clock import Clock
from spool.domain import registered
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.invariants import KSEF, Finding
from spool.domain.municipality import Context, ContextType
from spool.domain.outcomes import Accepted
from spool.domain.registered import Registered, Seller, Sighting
from spool.law import Rules
from spool.looking import Looking
from spool.store import Store

CLOCKS_DIFFER = timedelta(minutes=3)
"""Our instants and KSeF's are compared with so much room, more than goes without an alarm (`agent.contact`); what we
know already is told apart by its reference."""
_OPEN_BEFORE = timedelta(hours=13)
"""An invoice was sent at most so long after its session was opened (twelve hours, protocol §6.1)."""
_EARLIER = timedelta(days=1)
_NOT_ABOUT_IT = frozenset({"http:401", "http:429", "http:500", "http:502", "http:503", "http:504"})
"""Answers that say nothing about the one session that was asked for."""
_AT_ONCE = 200
"""History rows in one commit: intake waits no longer for it than for anything else."""
Tell = Callable[[str, int, int], None]


@dataclass
class Outcome:
    """What was found in one context.

    `adopted` are ids with the numbers they got, `resumed` ids that wait for a verdict; `left` is what a person has to
    look at, `elsewhere` our sales that no document here is about.
    """

    context: str
    adopted: list[tuple[str, str]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    elsewhere: list[Sighting] = field(default_factory=list)
    unanswered: str = ""

    @property
    def whole(self) -> bool:
        """KSeF was read to the end."""
        return not self.unanswered


@dataclass(frozen=True)
class Sides:
    """The two sides of a comparison. `spool` None: nothing is changed, only said."""

    context: Context
    register: RegisterOf
    looking: Looking
    spool: Spool | None
    rules: Rules
    clock: Clock
    actor: str

    @property
    def ksef(self) -> Ksef:
        """KSeF as the register's reader is logged in there."""
        return self.register.ksef


async def sessions_with_documents(ksef: Ksef, since: datetime) -> list[ListedSession]:
    """Sessions opened since then with documents in them. Raises NoAnswer.

    Ask only afterwards which of them the spool knows: one that is being sent into may have come meanwhile.
    """
    return [session for session in await ksef.sessions_since(since) if session.invoices]


class Comparison:
    """One context, once."""

    def __init__(self, sides: Sides, tell: Tell) -> None:
        self._s = sides
        self._tell = tell
        self._places: dict[str, Place] = {}
        self._listed: set[str] = set()
        self._found = Outcome(sides.context.id)

    async def run(self, sessions_since: datetime | None, since: datetime | None) -> Outcome:
        """Compare, and put back what may be put back.

        Sessions that were opened since `sessions_since` (None: only those that registered documents of ours must be
        in), and what was registered since `since`, or everything with None.
        """
        try:
            if sessions_since is not None:
                await self._read_sessions(sessions_since - CLOCKS_DIFFER)
            await self._read_register(since)
            await self._find_places()
            await self._put_back()
            await self._say(whole=since is None)
        except NoAnswer as no:
            self._found.unanswered = f"{no.reading.reason or no.code} {no.reading.hint}".strip()
        return self._found

    async def _read_sessions(self, since: datetime) -> None:
        """Whatever lies in sessions that the spool does not know, by hash."""
        s = self._s

        def known(reference: str) -> bool:
            return reference in self._listed or s.looking.read_now(lambda store: store.session(reference)) is not None

        listed = await s.register.patiently(lambda: sessions_with_documents(s.ksef, since))
        sessions = [session for session in listed if not known(session.reference)]
        for done, session in enumerate(sessions):
            self._tell(f"sesje KSeF „{s.context.id}”", done, len(sessions))
            self._listed.add(session.reference)
            for status in await self._statuses_or_finding(session.reference):
                place = Place(session, status)
                if place.counts and not self._better_known(status):
                    self._places[status.invoice_hash] = place

    def _better_known(self, status: InvoiceStatus) -> bool:
        """A registered place outranks every other of the same bytes."""
        known = self._places.get(status.invoice_hash)
        return known is not None and isinstance(known.status.reading.outcome, Accepted)

    async def _statuses_or_finding(self, session: str) -> list[InvoiceStatus]:
        """One session that KSeF does not show must not keep everything else back; a person hears of it."""
        try:
            return await self._statuses(session)
        except NoAnswer as no:
            if not no.code.startswith("http:") or no.code in _NOT_ABOUT_IT:
                raise
            text = f"Nie udało się odczytać sesji KSeF {session}: {no.reading.reason or no.code}"
            self._found.left.append(Finding(KSEF, f"context:{self._s.context.id}", text, no.reading.hint))
            return []

    async def _statuses(self, session: str) -> list[InvoiceStatus]:
        items: list[InvoiceStatus] = []
        token = ""
        while True:
            asked = token
            page = await self._s.register.patiently(lambda: self._s.ksef.session_invoices(session, asked))  # noqa: B023
            items += page.items
            token = page.next_page
            if not token:
                return items

    async def _read_register(self, since: datetime | None) -> None:
        """The register of each seller into the temporary tables."""
        look, context = self._s.looking, self._s.context.id
        look.aside(lambda store: store.prepare_register())
        what = f"rejestr KSeF „{context}”"
        for seller in self._sellers(since):
            self._tell(what, look.aside(lambda store: store.registered_count()), 0)

            def keep(found: Sequence[Registered]) -> None:
                look.aside(lambda store: store.keep_registered(found))
                self._tell(what, look.aside(lambda store: store.registered_count()), 0)

            upto = await self._s.register.read(seller, keep)
            if upto is not None:
                look.aside(lambda store: store.heard_upto(seller, upto))  # noqa: B023 - called at once

    def _sellers(self, since: datetime | None) -> list[Seller]:
        """Everybody in whose name we issue here; the municipality itself also while the spool knows nothing."""
        context, now = self._s.context, self._s.clock()
        sellers = self._s.looking.read_now(lambda store: store.issuers(context.id))
        if context.type is ContextType.NIP and all(seller.nip != context.value for seller in sellers):
            start = since or now - _EARLIER
            sellers.append(Seller(context.id, context.value, start, start))
        if since is None:
            return sellers
        start = since - CLOCKS_DIFFER
        return [replace(seller, since=start, first=start) for seller in sellers]

    async def _find_places(self) -> None:
        """Registered bytes of ours in no session that was read yet: look for it, because only it has the receipt."""
        missing = [
            found.acquisition_date
            for _, found in self._s.looking.aside(lambda store: list(store.adoptable()))
            if found.sha256 not in self._places and found.acquisition_date is not None
        ]
        if missing:
            await self._read_sessions(min(missing) - _OPEN_BEFORE)

    async def _put_back(self) -> None:
        """Registered ones get their numbers; those still at KSeF are asked about by the agent."""
        for document_id, found in self._s.looking.aside(lambda store: list(store.adoptable())):
            await self._adopt(document_id, found)
        for sha256, place in self._places.items():
            document = self._s.looking.read_now(lambda store: store.unnumbered(sha256))  # noqa: B023 - called at once
            if document is None or any(document.id == adopted for adopted, _ in self._found.adopted):
                continue
            outcome = place.status.reading.outcome
            if isinstance(outcome, Accepted):
                await self._adopt(document.id, _as_registered(sha256, document.facts.number, outcome))
            elif self._s.spool is None:
                self._found.resumed.append(document.id)
            elif done := await self._s.spool.write(lambda store: adopt.resume(store, self._way(), sha256, place)):  # noqa: B023
                self._found.resumed.append(done)

    async def _adopt(self, document_id: str, found: Registered) -> None:
        if any(number == found.ksef_number for _, number in self._found.adopted):
            return
        place, spool = self._places.get(found.sha256), self._s.spool
        done = spool is None or await spool.write(
            lambda store: adopt.adopt(store, self._way(), document_id, found, place)
        )
        if done:
            self._found.adopted.append((document_id, found.ksef_number))
            return
        document = self._s.looking.read_now(lambda store: store.document(document_id))
        seen = Sighting(found.ksef_number, found.number, document_id, document.state)
        self._found.left.append(registered.not_ours(seen))

    def _way(self) -> Way:
        return Way(self._s.rules, self._s.actor, self._s.clock(), self._s.context.url)

    async def _say(self, *, whole: bool) -> None:
        """What only a person can judge. Numbers that KSeF lacks can be told from the whole register only."""
        look = self._s.looking
        unlike = look.read_now(lambda store: list(store.registered_unlike_ours()))
        self._found.elsewhere = [seen for seen in unlike if not seen.document]
        if whole:
            margin = registered.STORED_WITHIN.total_seconds()
            lacking = look.read_now(lambda store: list(store.numbered_unlike_registered(margin)))
            self._found.left += [registered.not_theirs(seen) for seen in lacking]
        if self._s.spool is not None:
            await self._conclude(self._s.spool)

    async def _conclude(self, spool: Spool) -> None:
        """Sales that no document is about are written down once, and the context may send again."""
        s, found = self._s, self._found
        told = await spool.read(lambda store: store.told_elsewhere(s.context.id))
        new = [seen for seen in found.elsewhere if seen.ksef_number not in told]
        for at in range(0, len(new), _AT_ONCE):
            chunk = new[at : at + _AT_ONCE]
            await spool.write(lambda store: _note(store, s.context.id, chunk, s.clock(), s.actor))  # noqa: B023 - awaited
        await spool.write(lambda store: _open(store, found, s.clock(), s.actor))


def _note(store: Store, context: str, sales: list[Sighting], now: datetime, actor: str) -> None:
    for seen in sales:
        note = f"W KSeF jest nasza faktura {seen.ksef_number} ({seen.number}), o której ten spool nic nie wie."
        store.log(f"context:{context}", "own_sale_elsewhere", now, actor, note, {"ksef_number": seen.ksef_number})


def _open(store: Store, found: Outcome, now: datetime, actor: str) -> None:
    if store.condition(found.context, RECONCILE_FIRST) is not None:
        store.set_condition(found.context, RECONCILE_FIRST, None, now)
        note = (
            f"Porównano z KSeF: odzyskano numery: {len(found.adopted)}, czeka na wynik: {len(found.resumed)}, "
            f"faktur nieznanych tutaj: {len(found.elsewhere)}. Wysyłka idzie dalej."
        )
        store.log(f"context:{found.context}", "reconciled", now, actor, note)


def _as_registered(sha256: str, number: str, outcome: Accepted) -> Registered:
    return Registered(outcome.ksef_number, sha256, number, outcome.acquisition_date)
