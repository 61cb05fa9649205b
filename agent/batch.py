"""Packages: many documents claimed, packed as one stream, opened, uploaded, closed (protocol §7).

Nothing is registered before the close, so an answer lost earlier costs nothing: a package without a session never left
this machine, an opened one is uploaded again and again to the same place, and closing a closed one is harmless. The
intent of every document is committed before packing begins, and its session before the first byte is uploaded; key and
archive are never kept, only the encrypted parts, so a package survives a restart. What became of its documents is asked
by `agent.batch_verdicts`.
"""

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent import verdict
from agent.forward import FOR_PACKAGES_S, IDLE_S, Tools, day_at_ksef, flag_damaged, wants_package
from agent.ksef.api import Archive, NoAnswer, Reading
from agent.ksef.login import Keys
from agent.ksef.sealing import FOR_SESSIONS, SymmetricKey
from agent.ksef.session import HIDDEN
from agent.packing import LARGEST_ARCHIVE, Packing, is_whole, part_file
from agent.plan import MOST_IN_PACKAGE
from agent.series import not_in_turn
from spool import law
from spool.access import Spool
from spool.crashpoint import reached
from spool.domain.document import FormCode
from spool.domain.errors import BodyDamaged
from spool.domain.ledger import BATCH, Entry, Package, PackedPart, Session
from spool.domain.outcomes import Later
from spool.store import Store

T = TypeVar("T")

CHUNK = 250
"""Documents moved in one commit: intake waits no longer than that."""
NOT_ALL_HERE = frozenset({"http:21205", "http:21157"})
"""A part is missing at KSeF, or has another size there; the session stays open."""
OVER = frozenset({"http:21180", "http:21208"})
"""The session cannot be closed any more: it is, or it was cancelled; its status says which."""
_SESSION_LIVES = timedelta(hours=12)
_READ_AT_ONCE = 4_000_000
_ROOM = 50_000_000
_UPLOADS = 3
_STOPPED = "Przygotowanie paczki przerwano, nic nie wysłano. Ponowimy."


_UNFIT = frozenset({"http:21001", "http:21157", "http:21161", "http:21405"})
"""KSeF does not take the package as it is; another one has to be made."""


@dataclass(frozen=True)
class _Packed:
    """A package that has no session yet, and the key that only memory knows."""

    name: str
    key: SymmetricKey
    archive: Archive
    offline: bool


class Batches:
    """The packages of one context. One is made at a time; on those that are closed KSeF works meanwhile."""

    def __init__(self, tools: Tools, keys: Keys, directory: Path) -> None:
        """`directory` holds one folder for each package on its way; nobody else writes there."""
        self._t = tools
        self._keys = keys
        self._directory = directory
        self._packed: _Packed | None = None

    async def step(self) -> float:
        """Bring the package on its way one step further, or make the next one."""
        t, now = self._t, self._t.clock()
        if t.contact.paused or t.contact.withheld():
            return IDLE_S
        if (pause := t.contact.silence()) > 0:
            return pause
        packages = await t.spool.read(lambda store: store.packages(t.context.id))
        t.planner.packing = bool(packages)
        if packages:
            await self._bring(packages[0])
            return 0.0
        self._forget_files()
        if not await wants_package(t, now):
            return IDLE_S
        return 0.0 if await self._make(now) else FOR_PACKAGES_S

    async def _make(self, now: datetime) -> bool:
        """Choose, claim, pack, open. Whatever breaks before that leaves a package for `_release`.

        False when nothing of what waits may go yet: it is not yet midnight at KSeF, or an earlier number is missing.
        """
        t, name, key = self._t, f"p-{secrets.token_hex(8)}", SymmetricKey()
        await self._keys.get(FOR_SESSIONS)  # without one nothing need be claimed
        day = day_at_ksef(now, t.transport.server_now())
        choice = await t.spool.read(lambda store: store.packable(t.context.id, day, now, MOST_IN_PACKAGE))
        claimed = await self._in_turn(name, await self._claim(name, choice.entries, now))
        if not claimed:
            return False
        reached("package.claimed", name)
        t.planner.packing = True
        archive = await self._pack(name, claimed, key)
        if archive is not None:
            reached("package.packed", name)
            self._packed = _Packed(name, key, archive, choice.offline)
            await self._open(self._packed)
        return True

    async def _open(self, packed: "_Packed") -> None:
        """A session for it. A lost answer costs nothing: an empty session ends by itself, and another is opened."""
        t, archive = self._t, packed.archive
        wrapped = packed.key.wrapped_for(await self._keys.get(FOR_SESSIONS))
        try:
            opened = await t.ksef.open_batch(wrapped, archive, offline=packed.offline)
        except NoAnswer as no:
            outcome = no.reading.outcome
            if isinstance(outcome, Later) and outcome.new_keys:
                self._keys.forget()
            elif no.code in _UNFIT:
                self._packed = None
            raise
        reached("package.opened", opened.reference)
        now = t.clock()
        session = Session(
            opened.reference, t.context.id, FormCode.FA3, now, now + _SESSION_LIVES, None, None,
            ksef=t.context.url, kind=BATCH,
        )  # fmt: skip
        await t.spool.write(lambda store: store.open_package(packed.name, session, opened.parts))
        reached("package.recorded", opened.reference)
        self._packed = None
        t.planner.opened(now)
        t.contact.log.info("package_opened", session=opened.reference, bytes=archive.size)

    async def _claim(self, name: str, entries: tuple[Entry, ...], now: datetime) -> list[Entry]:
        """The intents, a chunk to a commit."""
        t, held = self._t, set[str]()

        def job(store: Store, some: list[Entry], *, first: bool) -> list[str]:
            if first:
                store.add_package(name, t.context.id, now)
            owed = (e.id for e in some if not (e.without_duty and law.cease(store, store.document(e.id), t.clock())))
            return store.claim(name, owed, t.clock())

        for place, some in enumerate(_batched(list(entries), CHUNK)):
            held.update(await t.spool.write(partial(job, some=some, first=place == 0)))
        return [entry for entry in entries if entry.id in held]

    async def _pack(self, name: str, entries: list[Entry], key: SymmetricKey) -> Archive | None:
        """One stream from the spool to the encrypted parts; None when nothing is left to send."""
        packing = await asyncio.to_thread(Packing, self._directory / name, key)
        out = await pack_into(packing, self._t.spool, entries)
        await self._take_out(out)
        return await asyncio.to_thread(packing.finish) if len(out) < len(entries) else None

    async def _in_turn(self, name: str, claimed: list[Entry]) -> list[Entry]:
        """Without what may not go before an earlier number of its series that is open and not in this package."""
        if not any(entry.series for entry in claimed):
            return claimed
        late = await not_in_turn(self._t.spool, self._t.rules.municipality, name, self._t.clock())
        await self._take_out(dict.fromkeys(late))
        return [entry for entry in claimed if entry.id not in late]

    async def _take_out(self, out: dict[str, BodyDamaged | None]) -> None:
        """Out of the package again, before anything was sent."""
        now = self._t.clock()

        def job(store: Store, ids: list[str]) -> None:
            for document_id in ids:
                verdict.not_packed(store, store.document(document_id), now, _STOPPED)
                if (damage := out[document_id]) is not None:
                    flag_damaged(store, store.document(document_id), damage, now)

        for ids in _batched(list(out), CHUNK):
            await self._t.spool.write(partial(job, ids=ids))

    async def _bring(self, package: Package) -> None:
        """Upload what is not uploaded yet, then close."""
        if package.session is None:
            if self._packed is not None and self._packed.name == package.name:
                await self._open(self._packed)
            else:
                await self._release(package)
            return
        try:
            if await self._upload(package) and not self._t.contact.withheld():  # the machine may have slept meanwhile
                await self._close(package, package.session)
        except NoAnswer as no:
            if no.code not in HIDDEN:
                raise
            await self._leave(package, f"KSeF nie pokazuje sesji wsadowej ({no.code}).")

    async def _release(self, package: Package) -> None:
        """It never got a session, so nothing was sent: its documents are queued again."""
        while True:

            def job(store: Store) -> bool:
                documents = store.packed(package.name, CHUNK)
                for document in documents:
                    verdict.not_packed(store, document, self._t.clock(), _STOPPED)
                if not documents:
                    store.drop_package(package.name)
                return bool(documents)

            if not await self._t.spool.write(job):
                break
        self._t.planner.failed(self._t.clock())
        self._t.contact.log.warning("package_released", package=package.name)

    async def _upload(self, package: Package) -> bool:
        """True when all parts are there; False when the package was given up, because a part cannot be had any more."""
        gate = asyncio.Semaphore(_UPLOADS)

        async def one(part: PackedPart) -> None:
            async with gate:
                await self._upload_part(package, part)

        waiting = [part for part in package.parts if part.sent_at is None]
        ends = await asyncio.gather(*(one(part) for part in waiting), return_exceptions=True)
        for error in ends:
            if isinstance(error, _Lost):
                await self._leave(package, str(error))
                return False
        for error in ends:
            if error is not None:
                raise error
        return True

    async def _upload_part(self, package: Package, part: PackedPart) -> None:
        """Raises _Lost when this part can never arrive, NoAnswer when it may later."""
        t, file = self._t, part_file(self._directory / package.name, part.ordinal)
        if not await asyncio.to_thread(is_whole, file, part):
            raise _Lost(f"Część {part.ordinal} paczki zniknęła z dysku albo jest uszkodzona.")
        try:
            await t.ksef.upload(part, file)
        except NoAnswer as no:
            if no.code in _NEVER:
                raise _Lost(f"KSeF nie przyjmuje części {part.ordinal} paczki ({no.code}).") from no
            # The store of packages is not KSeF's API: nothing else stops because of it.
            raise NoAnswer(Reading(no.reading.outcome, f"package:{no.code}", no.reading.hint)) from no
        reached("package.uploaded", package.name)
        await t.spool.write(lambda store: store.part_sent(package.name, part.ordinal, t.clock()))

    async def _close(self, package: Package, session: str) -> None:
        """Hand the package in. Repeated until KSeF says that it is closed, or that it never will be."""
        t = self._t
        try:
            await t.ksef.close_batch(session)
        except NoAnswer as no:
            if no.code in NOT_ALL_HERE:
                await t.spool.write(lambda store: store.parts_missing(package.name))
            if no.code not in OVER:
                raise
        else:
            reached("package.closed", session)
            await handed_in(t, session)
            reached("package.handed_in", session)
        now = t.clock()

        def job(store: Store) -> None:
            store.close_session(session, now)
            store.drop_package(package.name)

        await t.spool.write(job)
        await t.contact.worked()
        t.contact.log.info("package_closed", session=session)

    async def _leave(self, package: Package, why: str) -> None:
        """It cannot be completed any more. Its session is watched to its end: only then are its documents free."""
        self._t.planner.failed(self._t.clock())
        self._t.contact.log.warning("package_left", session=package.session, why=why)
        await self._t.spool.write(lambda store: store.drop_package(package.name))

    def _forget_files(self) -> None:
        """Parts of packages that are closed or given up."""
        shutil.rmtree(self._directory, ignore_errors=True)


class _Lost(Exception):  # noqa: N818 - reads as the fact it states
    """A part that can never arrive; the sentence says why."""


_NEVER = frozenset({"http:400", "http:401", "http:403", "http:404", "http:405", "http:410", "http:411"})
"""What a presigned address says when it is not good any more, or the part is not what was promised."""


async def pack_into(packing: Packing, spool: Spool, entries: list[Entry]) -> dict[str, BodyDamaged | None]:
    """Read and pack these documents, never many at once; which ones stayed out, and what is wrong with their bytes.

    One group is read while the one before it is packed. What must not go before an earlier number of its series stays
    out with it.
    """
    out: dict[str, BodyDamaged | None] = {}
    broken = set[tuple[str, str] | None]()
    packed = asyncio.ensure_future(asyncio.sleep(0))
    for group in _groups(entries):
        if packing.size > LARGEST_ARCHIVE - _ROOM:
            out |= dict.fromkeys(entry.id for entry in group)
            continue
        bodies, _ = await asyncio.gather(spool.read(partial(_bodies, group=group)), packed)
        for entry in group:
            if isinstance(body := bodies[entry.id], BodyDamaged):
                out[entry.id] = body
                broken.add(entry.series)
            elif entry.held_back and entry.series in broken:
                out[entry.id] = None
        good = {key: body for key, body in bodies.items() if isinstance(body, bytes) and key not in out}
        packed = asyncio.ensure_future(asyncio.to_thread(_add_all, packing, good))
    await packed
    return out


def _batched(items: list[T], most: int) -> list[list[T]]:
    """In groups of at most so many."""
    return [items[start : start + most] for start in range(0, len(items), most)]


async def handed_in(t: Tools, session: str) -> None:
    """KSeF has the package: its documents wait for their verdicts, a chunk to a commit.

    Asked at every look at a package: where all of them do already, that costs one question to the spool and no commit.
    """

    def job(store: Store) -> None:
        for document in store.sending(session, CHUNK):
            verdict.handed_in(store, document, t.clock())

    while await t.spool.read(lambda store: store.sending(session, 1)):
        await t.spool.write(job)


def _groups(entries: list[Entry]) -> list[list[Entry]]:
    """As many documents at once as memory may hold."""
    groups: list[list[Entry]] = []
    size = _READ_AT_ONCE
    for entry in entries:
        if size + entry.size > _READ_AT_ONCE:
            groups.append([])
            size = 0
        groups[-1].append(entry)
        size += entry.size
    return groups


def _bodies(store: Store, group: list[Entry]) -> dict[str, bytes | BodyDamaged]:
    found: dict[str, bytes | BodyDamaged] = {}
    for entry in group:
        try:
            found[entry.id] = store.body(entry.sha256)
        except BodyDamaged as damage:
            found[entry.id] = damage
    return found


def _add_all(packing: Packing, bodies: dict[str, bytes]) -> None:
    for document_id, raw in bodies.items():
        packing.add(f"{document_id}.xml", raw)
