"""What one unit may see and do over HTTP: the one place where the filter by unit lives (faults X20, invariant I7).

A handler gets an `Own` and nothing else of the spool, so it cannot forget the filter: every question asked here is
already about one unit, and what belongs to another is `AbsentError`, exactly as what does not exist.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from gateway.admission import Verdict
from gateway.folders import mirror, outcome, registers
from gateway.folders.filing import Sheet
from gateway.folders.outcome import DELIVERED_NOTE, PUT_ASIDE
from gateway.intake import FrontDoor, Origin
from gateway.seals import Seal, no_seal, seal_now
from gateway.uploads import Upload, Uploads
from spool.access import Spool
from spool.clock import Clock
from spool.domain.ledger import Document, Event, Received
from spool.domain.municipality import Municipality, Unit
from spool.domain.seat import Seat, may_sit
from spool.domain.states import State
from spool.law import Law, Rules
from spool.purchases import look
from spool.series import explained
from spool.store import Store

T = TypeVar("T")

_CONFIRMED = "Komputer jednostki potwierdził zapis: " + DELIVERED_NOTE[0].lower() + DELIVERED_NOTE[1:]
_WARNINGS = 50


class AbsentError(Exception):
    """There is no such thing of this unit."""


@dataclass(frozen=True)
class Behind:
    """Everything behind the counter of the drop-point, of all units; only `Own` reaches into it."""

    spool: Spool
    front_door: FrontDoor
    municipality: Municipality
    clock: Clock
    folders: Path
    uploads: Uploads
    seal: Seal = no_seal


@dataclass(frozen=True)
class Change:
    """One thing that the unit's computer is to file: which files (`kind`), of what, as of which version.

    `copy` asks for the PDF, `upo` names the receipt by its hash.
    """

    kind: Literal["waiting", "delivered", "aside", "renewed", "received", "recalled"]
    id: str
    version: int
    sheet: Sheet
    copy: bool
    upo: str | None = None


class Own:
    """The spool, as far as it is this unit's."""

    def __init__(self, unit: Unit, behind: Behind) -> None:
        self.unit = unit
        self._behind = behind
        self._spool = behind.spool

    # -- outgoing ----------------------------------------------------------------------------------------------

    async def accept(
        self, raw: bytes, name: str, *, offline24: bool, key: str = "", may_wait: bool = False
    ) -> list[Verdict]:
        """Through the front door, as this unit."""
        origin = Origin(self.unit, "http", name, offline24=offline24, key=key)
        return await self._behind.front_door.accept(raw, origin, may_wait=may_wait)

    async def document(self, document_id: str) -> Document:
        """One document."""
        return await self._read(lambda store: explained(store, store.document(document_id, unit=self.unit.id)))

    async def history(self, document_id: str) -> list[Event]:
        """What happened to it, oldest first."""

        def look(store: Store) -> list[Event]:
            return store.history(store.document(document_id, unit=self.unit.id).id)

        return await self._read(look)

    async def xml(self, document_id: str) -> tuple[Document, bytes]:
        """The bytes exactly as received."""

        def look(store: Store) -> tuple[Document, bytes]:
            document = explained(store, store.document(document_id, unit=self.unit.id))
            return document, store.body(document.sha256)

        return await self._read(look)

    async def upo(self, document_id: str) -> tuple[Document, bytes | None]:
        """KSeF's receipt, once there is one."""

        def look(store: Store) -> tuple[Document, bytes | None]:
            document = store.document(document_id, unit=self.unit.id)
            return document, store.body(document.upo_sha256) if document.upo_sha256 else None

        return await self._read(look)

    async def page(self, states: Iterable[str], after: str, limit: int) -> list[Document]:
        """Documents in order of arrival, from the one after the document `after`."""

        def look(store: Store) -> list[Document]:
            seq = store.document(after, unit=self.unit.id).seq if after else 0
            found = store.documents(unit=self.unit.id, states=states, after=seq, limit=limit)
            return [explained(store, document) for document in found]

        return await self._read(look)

    def upload(self, sha256: str) -> Upload:
        """A delivery that comes in pieces."""
        return self._behind.uploads.of(self.unit.id, sha256)

    # -- received ----------------------------------------------------------------------------------------------

    async def received(self, ksef_number: str) -> tuple[Received, bytes]:
        """An invoice that was routed to this unit, with its bytes."""

        def look(store: Store) -> tuple[Received, bytes]:
            invoice = store.received(ksef_number, unit=self.unit.id)
            return invoice, store.body(invoice.sha256)

        return await self._read(look)

    async def received_page(self, after: str, limit: int) -> list[Received]:
        """Received invoices in order of arrival, from the one after the KSeF number `after`."""

        def look(store: Store) -> list[Received]:
            cursor = store.received(after, unit=self.unit.id).cursor if after else 0
            return store.received_page(unit=self.unit.id, after=cursor, limit=limit)

        return await self._read(look)

    # -- a remote unit's folders -------------------------------------------------------------------------------

    async def sit(self, client: str, computer: str, *, force: bool) -> Seat | None:
        """Take, or keep, the seat of the computer that looks after the folders; None when another one has it."""
        now = self._behind.clock()

        def work(store: Store) -> Seat | None:
            if not may_sit(store.seat(self.unit.id), client, now, force=force):
                return None
            store.sit(self.unit.id, client, computer, now)
            return store.seat(self.unit.id)

        return await self._spool.write(work)

    async def seat(self) -> Seat | None:
        """Who has it."""
        return await self._spool.read(lambda store: store.seat(self.unit.id))

    async def changes(self, after: str, limit: int) -> list[Change]:
        """What the unit's computer has not confirmed yet: documents in order of arrival, then received invoices."""
        municipality, now = self._behind.municipality, self._behind.clock()
        told = await self._read(lambda store: self._pending(store, after, limit))
        sealed = False
        for one in told:
            if one.wants_copy:
                sealed |= await seal_now(self._spool, self._behind.seal, one.document, now)
        if sealed:
            told = await self._read(lambda store: self._pending(store, after, limit))
        found = [_change(one, municipality, now) for one in told]
        if len(found) < limit:
            rest = limit - len(found)
            found += await self._read(lambda store: self._purchases(store, after, rest))
        # One less, so that none of these is the cursor of a next page: they are of no page, and gone when confirmed.
        if (rest := limit - 1 - len(found)) > 0:
            found += await self._read(lambda store: self._recalled(store, rest))
        return found

    def _pending(self, store: Store, after: str, limit: int) -> list[outcome.Told]:
        if _is_ksef_number(after):
            return []
        seq = store.document(after, unit=self.unit.id).seq if after else 0
        return [outcome.told(store, found) for found in store.unshown_of(self.unit.id, seq, limit)]

    def _purchases(self, store: Store, after: str, limit: int) -> list[Change]:
        cursor = store.received(after, unit=self.unit.id).cursor if _is_ksef_number(after) else 0
        invoices = store.unmirrored_of(self.unit.id, cursor, limit)
        rules = Rules(Law(), self._behind.municipality)
        sheets = [(r.ksef_number, mirror.sheet(look(store, r, rules), rules)) for r in invoices]
        return [Change("received", number, 1, sheet, copy=True) for number, sheet in sheets]

    def _recalled(self, store: Store, limit: int) -> list[Change]:
        """Copies on the unit's computer of what belongs to another now: which files, and not a word more (I7)."""
        found = [store.received(number) for number, _ in store.recalled(limit, self.unit.id)]
        return [Change("recalled", r.ksef_number, 1, mirror.recalled(r, self.unit.id), copy=False) for r in found]

    async def acknowledge(self, document_id: str, version: int) -> Document:
        """The unit's folder shows this version of the document. With number and UPO that is its delivery."""
        now = self._behind.clock()

        def work(store: Store) -> Document:
            document = store.document(document_id, unit=self.unit.id)
            if document.version == version and document.state is State.ACCEPTED and document.upo_sha256:
                document = store.move(document.id, State.DELIVERED, now, "gateway", _CONFIRMED)
                store.shown_as(document, document.version)
            else:
                store.shown_as(document, version)
            return document

        return await self._write(work)

    async def acknowledge_received(self, ksef_number: str, *, gone: bool) -> Received:
        """The invoice lies in the unit's folder; or, recalled and `gone`, does not lie there any more.

        Which of the two must be said: the word that a copy was filed may come after its recall.
        """
        now = self._behind.clock()

        def work(store: Store) -> Received:
            if gone:
                if not store.copy_gone(ksef_number, self.unit.id, now, "gateway"):
                    raise KeyError(ksef_number)
                return store.received(ksef_number)
            invoice = store.received(ksef_number, unit=self.unit.id)
            if invoice.mirrored_at is None:
                store.mark_mirrored(invoice.ksef_number, self.unit.id, now)
            return invoice

        return await self._write(work)

    async def warnings(self) -> list[tuple[str, datetime]]:
        """Open warnings about this unit's deadlines."""
        return await self._spool.read(lambda store: store.warnings_of(self.unit.id, _WARNINGS))

    async def registers(self) -> list[registers.Register]:
        """The files in `rejestry/` of this unit's folder on the gateway."""
        return await registers.listed(self._behind.folders, self.unit.id)

    async def register(self, name: str) -> bytes:
        """One of them."""
        raw = await registers.content(self._behind.folders, self.unit.id, name)
        if raw is None:
            raise AbsentError
        return raw

    # -- helpers -----------------------------------------------------------------------------------------------

    async def _read(self, look: Callable[[Store], T]) -> T:
        try:
            return await self._spool.read(look)
        except (KeyError, UnicodeEncodeError):
            raise AbsentError from None

    async def _write(self, work: Callable[[Store], T]) -> T:
        try:
            return await self._spool.write(work)
        except (KeyError, UnicodeEncodeError):
            raise AbsentError from None


def _change(told: outcome.Told, municipality: Municipality, now: datetime) -> Change:
    """Which files a document wants now; as `gateway.folders.returns` decides it for folders here."""
    document = told.document
    if told.deliverable:
        sheet = outcome.delivered(told, municipality, now)
        return Change("delivered", document.id, document.version, sheet, copy=True, upo=document.upo_sha256)
    if document.state in PUT_ASIDE:
        ceased = document.state is State.CEASED
        return Change("aside", document.id, document.version, outcome.aside(told, municipality), copy=ceased)
    if document.state is State.DELIVERED:
        return Change("renewed", document.id, document.version, outcome.renewed(told, municipality), copy=False)
    sheet = outcome.waiting(told, municipality)
    return Change("waiting", document.id, document.version, sheet, copy=told.wants_copy)


def _is_ksef_number(cursor: str) -> bool:
    return "-" in cursor
