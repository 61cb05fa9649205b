"""Incoming invoices: export package after package up to KSeF's high-water mark; the mark lives in the spool.

Documents are stored first, the mark moves after them (faults K15). Windows overlap on purpose, the KSeF number
makes each invoice one. Sources: protocol §9.2, §9.3.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from agent import exports, package
from agent.forward import IDLE_S, Tools
from agent.ksef.api import Export, NoAnswer, Reading
from agent.ksef.errors import garbled
from agent.ksef.login import Keys
from agent.ksef.sealing import FOR_SESSIONS, SymmetricKey, hex_of
from agent.ksef.values import LONGEST_WINDOW, instant
from agent.package import BadPackage, Contents
from agent.settings import AgentSettings
from agent.trouble import Trouble
from spool.bodies import sha256_hex
from spool.crashpoint import reached
from spool.domain.calendar import WARSAW
from spool.domain.document import Facts
from spool.domain.ledger import NewReceived
from spool.domain.municipality import Context, ContextType
from spool.domain.outcomes import Later
from spool.domain.remarks import remarks
from spool.domain.routing import Register, is_own_sale, route
from spool.purchases import register
from spool.store import Store
from spool.xml import read_received

OVERLAP = timedelta(minutes=5)
_GROUP, _GROUP_BYTES = 50, 16_000_000
_NEW_ENOUGH = timedelta(minutes=1)
_ABOUT_THE_LINE = ("network:", "auth:", "keys:", "http:401")
"""What fails here for a reason that stops everything else, too."""
_PACED = ("budget:", "http:429")
ASKED = "receive_asked"
"""The condition that keeps when each subject was asked for last: a restart is no reason to ask again (faults K04)."""
_WORTH_KEEPING = timedelta(minutes=1)


def subjects(context: Context) -> tuple[str, ...]:
    """As whom purchases are found: internal-id contexts see only third-party invoices (protocol §15)."""
    return ("Subject3",) if context.type is ContextType.INTERNAL_ID else ("Subject2", "Subject3")


@dataclass(frozen=True)
class _Window:
    subject: str
    since: datetime
    until: datetime | None


class Receive:
    """The receiving loop of one context."""

    def __init__(self, tools: Tools, keys: Keys, settings: AgentSettings) -> None:
        self._t = tools
        self._keys = keys
        self._settings = settings
        self._tmp = settings.shared.paths.state / "tmp" / f"receive-{tools.context.id}"
        self._next = dict.fromkeys(subjects(tools.context), datetime.min.replace(tzinfo=UTC))
        self._resume: dict[str, datetime] = {}
        self._seen_own: set[str] = set()
        self._seen_bad: set[str] = set()
        self._trouble = Trouble(tools, frozenset(self._next))
        self._told: datetime | None = None
        self._asked: dict[str, str] | None = None

    async def step(self) -> float:
        """One window of the subject whose turn it is; returns seconds until the next turn."""
        t, now = self._t, self._t.clock()
        if (pause := t.contact.silence()) > 0:
            return pause
        every = timedelta(seconds=self._settings.receive.every_seconds)
        if self._asked is None:
            await self._recall(every, now)
        self._next = {name: min(at, now + every) for name, at in self._next.items()}  # the clock may have gone back
        subject = min(self._next, key=lambda name: self._next[name])
        if (left := (self._next[subject] - now).total_seconds()) > 0:
            return min(IDLE_S, left)
        if (pause := t.ksef.wait("invoiceExport")) > 0:
            return pause
        self._next[subject] = now + every
        await self._remember(subject, now, every)
        try:
            if await self._one(subject):
                self._next[subject] = now
        except NoAnswer as no:
            if no.code.startswith(_PACED):
                raise
            await self._trouble.unanswered(subject, no)
            if no.code.startswith(_ABOUT_THE_LINE):
                raise
        except Exception as error:
            await self._trouble.failed(subject, "Nie udało się przetworzyć paczki faktur.", type(error).__name__)
            raise
        return 0.0

    async def _recall(self, every: timedelta, now: datetime) -> None:
        """When an earlier run asked; what lies in the future, because a clock was wrong, does not hold us up."""
        kept = await self._t.spool.read(lambda store: store.condition(self._t.context.id, ASKED))
        self._asked = {name: str(at) for name, at in kept.value.items()} if kept else {}
        for subject in self._next.keys() & self._asked.keys():
            self._next[subject] = _when(self._asked[subject], now - every) + every

    async def _remember(self, subject: str, now: datetime, every: timedelta) -> None:
        """Before the question, so that a run that dies of its answer has asked all the same."""
        assert self._asked is not None, "recalled by the first step"
        if every >= _WORTH_KEEPING:
            self._asked[subject] = now.isoformat()
            kept = dict(self._asked)
            await self._t.spool.write(lambda store: store.set_condition(self._t.context.id, ASKED, kept, now))

    async def _one(self, subject: str) -> bool:
        """Fetch one window; True when there is more to fetch at once."""
        window = await self._window(subject)
        try:
            key = SymmetricKey()
            public = await self._keys.get(FOR_SESSIONS)
            wrapped = key.wrapped_for(public)
            reference = await self._t.ksef.start_export(wrapped, subject, window.since, window.until)
            reached("receive.started", reference)
            export = await exports.ready(self._t.ksef, reference)
        except NoAnswer as no:
            if isinstance(no.reading.outcome, Later) and no.reading.outcome.new_keys:
                self._keys.forget()
            if no.code in exports.NOTHING_YET:
                return False
            raise
        try:
            new = await self._take(export, key) if export.invoices else 0
        except NoAnswer as no:  # the store of packages is not KSeF's API: nothing else stops because of it
            raise NoAnswer(Reading(no.reading.outcome, f"package:{no.code}")) from no
        upto = await self._advance(window, export)
        await self._tell(subject, new)
        return export.truncated or (window.until is not None and upto is not None and upto >= window.until)

    async def _window(self, subject: str) -> _Window:
        """From the mark, a little earlier; at most what KSeF allows in one question."""
        t = self._t
        mark = await t.spool.read(lambda store: store.mark(t.context.id, subject))
        first = datetime.combine(self._settings.receive.since, time(), WARSAW).astimezone(UTC)
        # Behind a truncated package there is no overlap: it could be as long as the package and never end.
        since = self._resume.get(subject) or (first if mark is None else max(first, mark - OVERLAP))
        until = since + LONGEST_WINDOW
        return _Window(subject, since, until if until < t.clock() else None)

    async def _take(self, export: Export, key: SymmetricKey) -> int:
        """Download, unseal, unpack and store a package; returns how many invoices were new."""
        with self._directory() as directory:
            archive = directory / "package.zip"
            for part in export.parts:
                await exports.fetch(self._t.ksef, part, key, directory / "part.aes", archive)
            reached("receive.fetched", self._t.context.id)
            try:
                inside = await self._t.bench.run(package.contents, archive)
                if inside.strange:
                    await self._t.spool.write(partial(self._note_bad, names=inside.strange, why="nieoczekiwana nazwa"))
                return await self._store_all(archive, inside)
            except BadPackage as error:
                raise garbled(f"paczka eksportu: {error}") from error

    async def _store_all(self, archive: Path, inside: Contents) -> int:
        """Group after group, each group one commit."""
        new = 0
        for numbers in package.groups(inside, _GROUP, _GROUP_BYTES):
            bodies = await self._t.bench.run(package.invoices, archive, numbers)
            entries = [(n, raw, await self._facts(raw)) for n, raw in zip(numbers, bodies, strict=True) if raw]
            if broken := tuple(n for n, raw in zip(numbers, bodies, strict=True) if not raw):
                await self._t.spool.write(partial(self._note_bad, names=broken, why="nie daje się rozpakować"))
            new += await self._t.spool.write(partial(self._store, entries=entries, metadata=inside.metadata))
            reached("receive.stored", numbers[0])
        return new

    def _note_bad(self, store: Store, names: tuple[str, ...], why: str) -> None:
        """Left out of its package, which otherwise would never end: an event of the context, once, for a person."""
        for name in names:
            if name not in self._seen_bad:
                note = f"Pominięto pozycję paczki faktur z KSeF ({why}): {name}. Proszę sprawdzić ją w KSeF."
                store.log(f"context:{self._t.context.id}", "received_bad", self._t.clock(), "agent", note)
                self._t.contact.log.error("received_bad", entry=name, why=why)
            self._seen_bad.add(name)

    async def _facts(self, raw: bytes) -> Facts:
        """What the invoice says; an invoice that breaks its reader says nothing and goes to the central tray."""
        try:
            return await self._t.bench.run(read_received, raw)
        except Exception as error:  # time, memory or a bug: the document is kept, a person looks
            self._t.contact.log.warning("received_unreadable", sha256=sha256_hex(raw), error=type(error).__name__)
            return Facts()

    def _store(self, store: Store, entries: list[tuple[str, bytes, Facts]], metadata: dict[str, dict[str, Any]]) -> int:
        """Inside one transaction: what is new and not a sale of ours. One that has not KSeF's hash is left out."""
        now, new, known = self._t.clock(), 0, register(store)
        for number, raw, facts in entries:
            about = metadata.get(number, {})
            sha256 = sha256_hex(raw)
            if about.get("invoiceHash") and hex_of(str(about["invoiceHash"])) != sha256:
                self._note_bad(store, (number,), "skrót się nie zgadza")
            elif not self._skip_own(store, number, sha256, facts, now):
                alike = bool(store.alike(facts, number))
                new += store.add_received(self._as_new(number, sha256, facts, about, now, known, alike), raw, now)
        return new

    def _skip_own(self, store: Store, number: str, sha256: str, facts: Facts, now: datetime) -> bool:
        """A sale of ours is not received. One that this spool never sent was issued elsewhere: an event says so."""
        if not is_own_sale(facts, self._settings.shared.municipality):
            return False
        if number not in self._seen_own and store.ours(number, sha256) is None:
            note = f"W KSeF jest nasza faktura {number}, której nie wysłała Śluza. Nie trafia do odebranych."
            store.log(f"context:{self._t.context.id}", "own_sale_elsewhere", now, "agent", note)
        self._seen_own.add(number)
        return True

    def _as_new(
        self,
        number: str,
        sha256: str,
        facts: Facts,
        about: dict[str, Any],
        now: datetime,
        known: Register,
        alike: bool,
    ) -> NewReceived:
        town = self._settings.shared.municipality
        facts = replace(facts, training=town.training(self._t.context.id))
        where = route(facts, town, known)
        acquired = _when(about.get("acquisitionDate"), now)
        stored = _when(about.get("permanentStorageDate"), acquired)
        odd = remarks(facts, where, town, alike=alike)
        context = self._t.context.id
        return NewReceived(
            number, context, sha256, facts, about, acquired, stored, where.unit, where.rule, where.why, remarks=odd
        )

    async def _advance(self, window: _Window, export: Export) -> datetime | None:
        """Everything below is stored: the mark moves, even over an empty window."""
        t = self._t
        upto = export.last if export.truncated else export.hwm
        self._resume.pop(window.subject, None)
        if upto is None:
            return None
        if export.truncated:
            self._resume[window.subject] = upto
        if not export.truncated and window.until is not None:
            upto = min(upto, window.until)
        mark = upto
        await t.spool.write(lambda store: store.set_mark(t.context.id, window.subject, mark))
        reached("receive.marked", window.subject)
        return mark

    async def _tell(self, subject: str, new: int) -> None:
        """When we last heard everything; written for news, and otherwise once in a while."""
        t, now = self._t, self._t.clock()
        await t.contact.worked()
        well = await self._trouble.worked(subject)
        if well and (new or self._told is None or abs(now - self._told) >= _NEW_ENOUGH):
            self._told = now
            value = {"at": now.isoformat(), "new": new}
            await t.spool.write(lambda store: store.set_condition(t.context.id, "last_received", value, now))
        if new:
            t.contact.log.info("received", new=new)

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        """A directory of our own inside the state directory; what an earlier run left there goes first."""
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._tmp.mkdir(parents=True, mode=0o700)
        try:
            yield self._tmp
        finally:
            shutil.rmtree(self._tmp, ignore_errors=True)


def _when(value: Any, otherwise: datetime) -> datetime:
    """An instant of the metadata; what is none does not keep its invoice away."""
    try:
        return instant(str(value))
    except (ValueError, OverflowError):
        return otherwise
