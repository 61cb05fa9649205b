"""Spool → folders: every change of a document, and every received invoice, is shown to its unit.

The spool knows which version of a document its folder shows; whatever is behind is written, then marked. Files
first, the record after, so a crash repeats work and loses none. A unit whose folder cannot be written waits by
itself: the others go on (faults F07, D11).
"""

import asyncio
import contextlib
import errno
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from gateway.folders import copies, layout, mirror, outcome
from gateway.folders.alerts import Alerts
from gateway.folders.filing import Filing, Sheet
from gateway.folders.outcome import DELIVERED_NOTE, PUT_ASIDE, Told
from gateway.folders.placing import Shelf
from gateway.folders.setup import set_up
from gateway.results import NO_PDF
from gateway.seals import Seal, no_seal, seal_now
from spool.access import Spool
from spool.clock import Clock
from spool.crashpoint import reached
from spool.domain.errors import NoRoom, SluzaError
from spool.domain.municipality import Municipality
from spool.domain.states import State
from spool.hands import Hands, with_hands
from spool.law import Law, Rules
from spool.poison import TOO_OFTEN
from spool.purchases import Purchase, look
from spool.store import Store
from spool.workers import Workers

_POLL_S = 0.25
_PAGE = 20
"""Documents, and received invoices, of one unit that are looked at together."""
_LONGEST_PAGE = 20_000
_AT_ONCE = 8
_AT_ONCE_PER_UNIT = 3
_AT_ONCE_BESIDE_A_CROWD = 2
"""While many deliveries come in, so many are shown in each `_POLL_S`: a promise to a unit goes before its folder."""
_BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 60.0)

_ABOUT_THE_FOLDER = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTDIR})
_IN_A_ROW = 5
"""So many failures of one unit without a success between them are about the folder, not about a file."""

_log = structlog.get_logger("gateway.folders")


@dataclass(frozen=True)
class _Task:
    """One thing to be shown in one unit's folder: a document by id, or a received invoice by KSeF number.

    `recalled`: the copy of a received invoice is to be taken away from there.
    """

    unit: str
    key: str
    received: bool
    recalled: bool = False


class Returns:
    """Writes results and received invoices. One per process."""

    def __init__(
        self,
        spool: Spool,
        workers: Workers,
        municipality: Municipality,
        folders_root: Path,
        clock: Clock,
        seal: Seal = no_seal,
        hands: Hands | None = None,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        """`hands` None: nobody counts what this process dies with.

        `crowded` tells whether so many deliveries are being taken in that the folders had better wait a little.
        """
        self._spool = spool
        self._workers = workers
        self._municipality = municipality
        self._rules = Rules(Law(), municipality)  # of the calendar, nothing that is shown here depends
        self._root = folders_root
        self._clock = clock
        self._seal = seal
        self._hands = hands
        self._crowded = crowded
        self._threads = ThreadPoolExecutor(_AT_ONCE, "returns")
        self._filing = Filing(folders_root, Shelf())
        self._busy: dict[_Task, asyncio.Task[None]] = {}
        self._pauses = _Pauses()
        self._page = _PAGE
        self._more = False  # something waits for a place only
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Set the folders up, then show what changes until `stop`; what is being written is finished first.

        A root that cannot be used, or no room to remember it, is tried again, with one alert: neither must end the
        process (faults F04, F08).
        """
        await self._set_up(stop)
        seen = -1
        try:
            while not stop.is_set():
                version = await self._spool.version()
                if version != seen or self._more or self._wake.is_set() or self._pauses.one_is_over():
                    seen = version
                    self._wake.clear()
                    await self._start_what_waits()
                await self._sleep(stop)
        finally:
            if self._busy:
                await asyncio.wait(self._busy.values())
            self._threads.shutdown(wait=False)

    async def _set_up(self, stop: asyncio.Event) -> None:
        tries, alerts = 0, Alerts("")
        while not stop.is_set():
            try:
                await set_up(self._spool, self._root, self._municipality, self._clock)
            except (OSError, NoRoom) as error:
                sentence = "Nie można założyć folderów jednostek; spróbujemy ponownie. Wyniki są bezpieczne i czekają."
                alerts.once(("root",), "folders_not_set_up", sentence, root=self._root, error=error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)])
                tries += 1
            else:
                return

    async def _sleep(self, stop: asyncio.Event) -> None:
        """Until a piece of work ends, `stop`, or the next look at the spool."""
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(waits, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _start_what_waits(self) -> None:
        """Fill the free places, round robin by unit. Where what must wait takes up a unit's page, read further."""
        places = _AT_ONCE_BESIDE_A_CROWD if self._crowded() else _AT_ONCE
        self._more = len(self._busy) >= places
        if self._more:
            return
        page = self._page
        found, poison = await self._spool.read(lambda store: _waiting(store, self._municipality, page))
        free = [t for t in found if t.key not in poison and not self._pauses.holds(t)]
        for task in _round_robin(free):
            if len(self._busy) >= places:
                self._more = True
                break
            if any(busy.key == task.key for busy in self._busy):
                continue  # of one invoice never two at once: written here, taken away there
            if sum(busy.unit == task.unit for busy in self._busy) < _AT_ONCE_PER_UNIT:
                self._start(task)
        full = _full(found, page)
        if not full:
            self._page = _PAGE
        elif page < _LONGEST_PAGE and any(not self._pauses.holds_unit(u) for u in full - {t.unit for t in free}):
            self._page, self._more = min(page * 4, _LONGEST_PAGE), True

    def _start(self, task: _Task) -> None:
        async def work() -> None:
            try:
                await with_hands(self._hands, [task.key], self._show(task))
            finally:
                del self._busy[task]
                if not self._crowded():
                    self._wake.set()

        self._busy[task] = asyncio.ensure_future(work())

    async def _show(self, task: _Task) -> None:
        """Show one thing; whatever fails is tried again later, and holds up only its unit or only itself."""
        try:
            if task.recalled:
                await self._take_away(task)
            else:
                await (self._show_received(task.key) if task.received else self._show_document(task.key))
        except (OSError, SluzaError) as error:
            self._pauses.failed(task, error)
        except Exception as error:
            _log.exception("not_shown", id=task.key, unit=task.unit)
            self._pauses.failed(task, error)
        else:
            self._pauses.succeeded(task)

    async def _show_document(self, document_id: str) -> None:
        reached("returns.begun", document_id)
        told = await self._spool.read(lambda store: outcome.told(store, document_id))
        document = told.document
        if document.shown >= document.version:
            return
        if told.deliverable:
            await self._deliver(told)
            return
        if document.state in PUT_ASIDE:
            pdf = await self._pdf_of(told) if document.state is State.CEASED else None
            sheet = outcome.aside(told, self._municipality)
            await self._io(lambda: self._filing.put_aside(sheet, told.raw, pdf))
        elif document.state is State.DELIVERED:
            sheet = outcome.renewed(told, self._municipality)
            await self._io(lambda: self._filing.rewrite_sent(sheet))
        else:
            await self._show_progress(told)
        reached("returns.written", document_id)
        await self._spool.write(lambda store: store.mark_shown(document))
        reached("returns.shown", document_id)

    async def _show_progress(self, told: Told) -> None:
        """`w-toku/`. A document that became an offline one after its intake is signed now, with the key of now."""
        if told.wants_copy and await seal_now(self._spool, self._seal, told.document, self._clock()):
            told = await self._spool.read(lambda store: outcome.told(store, told.document.id))
        sheet = outcome.waiting(told, self._municipality)
        await self._io(lambda: self._filing.progress(sheet))
        if told.wants_copy:
            await self._pending_copy(told, sheet)

    async def _pending_copy(self, told: Told, sheet: Sheet) -> None:
        """The PDF that may be handed to a buyer while the invoice waits, with both codes."""
        if self._filing.has_pending_copy(sheet):
            return
        pdf = await self._pdf_of(told)
        if pdf is None:
            now = self._clock()
            await self._spool.write(lambda store: store.log(told.document.id, "pdf_failed", now, "gateway", NO_PDF))
            return
        await self._io(lambda: self._filing.pending_copy(sheet, pdf))

    async def _deliver(self, told: Told) -> None:
        """Everything into `wyslane/`, then DELIVERED in the spool: the state says that the unit has it."""
        document = told.document
        await self._io(lambda: layout.require(self._root, document.unit))  # before the work of rendering
        pdf = await self._pdf_of(told)
        now, upo = self._clock(), told.upo
        assert upo is not None, "delivered means: with UPO"
        sheet = outcome.delivered(told, self._municipality, now)
        reached("returns.drawn", document.id)
        await self._io(lambda: self._filing.sent(sheet, told.raw, upo, pdf))
        reached("returns.written", document.id)

        def work(store: Store) -> None:
            if pdf is None:
                store.log(document.id, "pdf_failed", now, "gateway", NO_PDF)
            store.mark_shown(store.move(document.id, State.DELIVERED, now, "gateway", DELIVERED_NOTE))

        await self._spool.write(work)
        reached("returns.shown", document.id)

    async def _show_received(self, ksef_number: str) -> None:
        reached("mirror.begun", ksef_number)
        purchase, raw = await self._spool.read(lambda store: _received(store, ksef_number, self._rules))
        invoice = purchase.invoice
        if invoice.mirrored_at is not None:
            return
        sheet = mirror.sheet(purchase, self._rules)
        await self._io(lambda: layout.require(self._root, sheet.unit))
        marks = copies.marks_of_received(invoice, self._municipality)
        pdf = await copies.pdf(self._workers, raw, marks, ksef_number)
        await self._io(lambda: self._filing.received(sheet, raw, pdf))
        now = self._clock()
        reached("mirror.written", ksef_number)
        await self._spool.write(lambda store: store.mark_mirrored(ksef_number, invoice.unit, now))
        reached("mirror.marked", ksef_number)

    async def _take_away(self, task: _Task) -> None:
        """An invoice was assigned to another: its copy leaves the folder, then the spool says so."""
        invoice = await self._spool.read(lambda store: store.received(task.key))
        sheet = mirror.recalled(invoice, task.unit)
        await self._io(lambda: self._filing.take_away(sheet))
        now = self._clock()
        reached("mirror.taken", task.key)
        await self._spool.write(lambda store: store.copy_gone(task.key, task.unit, now, "gateway"))

    async def _pdf_of(self, told: Told) -> bytes | None:
        marks = copies.marks_of_document(told.document, self._municipality)
        return await copies.pdf(self._workers, told.raw, marks, told.document.id)

    def _io(self, work: Callable[[], object]) -> Awaitable[object]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Pauses:
    """Who must wait after a failure, and until when. Monotonic time."""

    def __init__(self) -> None:
        self._until: dict[str | _Task, float] = {}
        self._tries: dict[str | _Task, int] = {}
        self._in_a_row: dict[str, int] = {}
        self._alerts: dict[str, Alerts] = {}
        self._about: dict[str, set[_Task]] = {}

    def holds(self, task: _Task) -> bool:
        """True while the task, or its whole unit, has to wait."""
        return self.holds_unit(task.unit) or self._until.get(task, 0.0) > monotonic()

    def holds_unit(self, unit: str) -> bool:
        """True while nothing of this unit can be written."""
        return self._until.get(unit, 0.0) > monotonic()

    def one_is_over(self) -> bool:
        """True once after a pause has ended: time to look at the spool again."""
        now = monotonic()
        over = [key for key, until in self._until.items() if until <= now]
        for key in over:
            del self._until[key]
        return bool(over)

    def failed(self, task: _Task, error: Exception) -> None:
        """This cannot be shown now; nor can anything of its unit, when that is what the error means."""
        self._wait(task)
        self._in_a_row[task.unit] = self._in_a_row.get(task.unit, 0) + 1
        whole_unit = isinstance(error, OSError) and (
            isinstance(error, layout.FoldersUnavailableError)
            or error.errno in _ABOUT_THE_FOLDER
            or self._in_a_row[task.unit] >= _IN_A_ROW
        )
        if whole_unit:
            self._wait(task.unit)
            self._about.setdefault(task.unit, set()).add(task)
            self._say(task.unit).once(
                ("unwritable",),
                "folder_not_written",
                "Nie można zapisać wyników w folderze; są bezpieczne i zostaną zapisane później.",
                error=error,
            )
        else:
            self._say(task.unit).once(
                ("task", task.key), "result_not_written", "Nie można zapisać wyniku.", id=task.key, error=error
            )

    def succeeded(self, task: _Task) -> None:
        """The folder can be written; what could not be is told as over once one of those things is."""
        self._in_a_row.pop(task.unit, None)
        for key in (task, task.unit):
            self._until.pop(key, None)
            self._tries.pop(key, None)
        if task in self._about.get(task.unit, ()):
            del self._about[task.unit]
            self._say(task.unit).over(("unwritable",))
            _log.info("folder_written_again", unit=task.unit)

    def _wait(self, key: str | _Task) -> None:
        if self._until.get(key, 0.0) > monotonic():
            return  # another task of the same unit failed a moment ago
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        self._until[key] = monotonic() + _BACK_OFF_S[min(tries, len(_BACK_OFF_S)) - 1]

    def _say(self, unit: str) -> Alerts:
        return self._alerts.setdefault(unit, Alerts(unit))


def _waiting(store: Store, municipality: Municipality, limit: int) -> tuple[list[_Task], frozenset[str]]:
    """What is to be shown, and what nobody is to touch (`spool.poison`).

    Documents of units no longer configured have no folder, the status page tells of them; those of remote units are
    fetched by their own computers.
    """
    away = {unit.id for unit in municipality.units.values() if unit.remote}
    here = municipality.units.keys() - away
    documents = [_Task(unit, document, False) for unit, document in store.unshown(limit, here)]
    invoices = store.unmirrored(limit, here, away)
    recalls = [
        _Task(owner, number, True, recalled=True)
        for number, owner in store.recalled(_LONGEST_PAGE)
        if owner not in away
    ]
    found = recalls + documents + [_Task(mirror.owner(r, municipality), r.ksef_number, True) for r in invoices]
    return found, frozenset(store.crashed(TOO_OFTEN))


def _full(found: list[_Task], page: int) -> set[str]:
    """The units that may have more than was read."""
    lots = Counter((task.unit, task.received) for task in found if not task.recalled)
    return {unit for (unit, _), count in lots.items() if count >= page}


def _round_robin(tasks: Iterable[_Task]) -> list[_Task]:
    """One of each unit, then the second of each, and so on; within a unit the order stays."""
    turns: dict[str, int] = {}
    ranked = []
    for task in tasks:
        turns[task.unit] = turns.get(task.unit, 0) + 1
        ranked.append((turns[task.unit], task))
    return [task for _, task in sorted(ranked, key=lambda entry: entry[0])]


def _received(store: Store, ksef_number: str, rules: Rules) -> tuple[Purchase, bytes]:
    invoice = store.received(ksef_number)
    return look(store, invoice, rules), store.body(invoice.sha256)
