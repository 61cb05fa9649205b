"""A bench for the folder tests: real directories, a real spool and front door, watcher and returns with short times.

The workers run in threads here: what is under test is on this side of them.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.admission import Verdict
from gateway.folders import layout
from gateway.folders.leftovers import Leftovers
from gateway.folders.returns import Returns
from gateway.folders.setup import set_up
from gateway.folders.watcher import Watcher
from gateway.intake import FrontDoor, Origin
from gateway.seals import Seals
from gateway.settings import Folders, Policies
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_IDWEW, SCHOOL_NIP, unit_invoice
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.clock import Clock
from spool.domain.document import Facts, FormCode
from spool.domain.ledger import Document, Event, NewReceived
from spool.domain.municipality import Context, ContextType, Municipality, Policy, Unit
from spool.domain.states import State
from spool.law import Law
from spool.store import Store
from tests.credentials import with_offline_certificate

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SCHOOL, WELFARE = "sp1", "gops"
UPO = b'<?xml version="1.0" encoding="UTF-8"?><Potwierdzenie/>'
FAST = Folders(settle_seconds=0.1, incomplete_seconds=0.4, empty_minutes=0.01, rescan_seconds=0.3)
PATIENT = Folders(settle_seconds=0.2, incomplete_seconds=60, empty_minutes=10, rescan_seconds=0.3)

_CONTEXT = Context(
    "gmina", ContextType.NIP, MUNICIPALITY_NIP, "sandbox", "http://127.0.0.1:1", "", "https://qr-test.ksef.mf.gov.pl"
)
MUNICIPALITY = Municipality(
    "Gmina Przykładowa",
    MUNICIPALITY_NIP,
    {"gmina": _CONTEXT},
    {
        SCHOOL: Unit(SCHOOL, "Szkoła Podstawowa nr 1", "gmina", nip=SCHOOL_NIP, idwew=SCHOOL_IDWEW),
        WELFARE: Unit(WELFARE, "Ośrodek Pomocy Społecznej", "gmina"),
    },
)


class ThreadWorkers:
    """Runs the work in a thread; `broken` says for which functions it raises what. Drawing is left out unless asked."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.deaths = 0
        self.survives_after: float = float("inf")
        self.draws = False

    async def run(self, work: Callable[..., Any], *args: Any, seconds: float | None = None) -> Any:
        if work.__name__ in self.broken:
            self.deaths += 1
            if self.deaths <= self.survives_after:
                raise self.broken[work.__name__]
        if work.__name__ == "draw" and not self.draws:
            return b"%PDF-1.7 left out"
        return await asyncio.to_thread(work, *args)


class CountingDoor(FrontDoor):
    """The real front door, remembering what was handed in and what came out."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[tuple[str, str, list[str]]] = []

    async def accept(self, raw: bytes, origin: Origin, *, may_wait: bool = False) -> list[Verdict]:
        verdicts = await super().accept(raw, origin, may_wait=may_wait)
        self.seen.append((origin.name, sha256_hex(raw), [v.kind for v in verdicts]))
        return verdicts


class Bench:
    """One town with two units."""

    def __init__(
        self, tmp_path: Path, municipality: Municipality = MUNICIPALITY, *, state: Path | None = None, reserve: int = 0
    ) -> None:
        self.root = tmp_path / "folders"
        self.state = state or tmp_path / "state"
        self.municipality = municipality
        self.spool = Spool(self.state / FILE, reserve=reserve)
        self.workers = ThreadWorkers()
        self.now = NOW
        self.clock: Clock = lambda: self.now
        self.seals = Seals(with_offline_certificate(municipality, self.state), self.clock)
        policies = Policies(Policy("allowed", "1/2026"))
        self.door = CountingDoor(self.spool, self.workers, municipality, policies, self.clock, Law(), self.seals)

    def close(self) -> None:
        self.spool.close()

    async def set_up(self) -> None:
        await set_up(self.spool, self.root, self.municipality, self.clock)

    @contextlib.asynccontextmanager
    async def running(
        self, settings: Folders = FAST, *, watch: bool = True, show: bool = True, events: bool = True
    ) -> AsyncIterator[None]:
        """Watcher and returns, as the gateway runs them; an exception in either fails the test."""
        await self.set_up()
        stop = asyncio.Event()
        parts = []
        if watch:
            leftovers = Leftovers(self.spool, self.clock)
            watcher = Watcher(
                self.door, self.municipality, self.root, settings, self.clock, events=events, leftovers=leftovers
            )
            parts.append(asyncio.ensure_future(watcher.run(stop)))
        if show:
            returns = Returns(self.spool, self.workers, self.municipality, self.root, self.clock, self.seals)
            parts.append(asyncio.ensure_future(returns.run(stop)))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*parts), 60)

    # -- the unit's side ---------------------------------------------------------------------------------------

    def inbox(self, unit: str = SCHOOL) -> Path:
        return self.root / unit / layout.OUTBOX

    def drop(self, name: str, content: bytes, unit: str = SCHOOL) -> Path:
        """As a careful program does: whole, under a working name, then renamed."""
        path = self.inbox(unit) / name
        working = self.inbox(unit) / ".praca.tmp"
        working.write_bytes(content)
        working.rename(path)
        return path

    def lying(self, folder: str, unit: str = SCHOOL) -> list[str]:
        """Names of files below a folder of the unit, months left out."""
        return sorted(p.name for p in (self.root / unit / folder).rglob("*") if p.is_file())

    def found(self, pattern: str, unit: str = SCHOOL) -> Path:
        """The one file that matches."""
        found = list((self.root / unit).glob(pattern))
        assert len(found) == 1, (pattern, found)
        return found[0]

    def json(self, pattern: str, unit: str = SCHOOL) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.found(pattern, unit).read_text(encoding="utf-8"))
        return said

    # -- the spool's side --------------------------------------------------------------------------------------

    def documents(self, unit: str | None = None) -> list[Document]:
        return self.spool.read_now(lambda store: store.documents(unit=unit, limit=10_000))

    def moves(self, document_id: str) -> list[Event]:
        """History of one document."""
        return self.spool.read_now(lambda store: store.history(document_id))

    def only(self) -> Document:
        (document,) = self.documents()
        return document

    async def post(self, raw: bytes, name: str, unit: str = SCHOOL, *, offline24: bool = False) -> Document:
        """Into the spool without a folder, as over HTTP."""
        origin = Origin(self.municipality.units[unit], "http", name, offline24=offline24)
        (verdict,) = await self.door.accept(raw, origin)
        assert verdict.document is not None
        return verdict.document

    def number(self, document: Document, when: datetime | None = None, *, upo: bool = True) -> str:
        """As the agent does: sent, numbered, and the UPO stored."""
        at = when or self.now
        ksef_number = f"{MUNICIPALITY_NIP}-{at:%Y%m%d}-{document.sha256[:6].upper()}-{document.sha256[6:12].upper()}-7F"

        def work(store: Store) -> None:
            store.begin_attempt(document, "S", at)
            store.move(document.id, State.SUBMITTED, at, "agent", "Przekazano do KSeF.")
            store.end_attempt(document.id, "accepted", at)
            store.move(
                document.id,
                State.ACCEPTED,
                at,
                "agent",
                "KSeF nadał numer.",
                ksef_number=ksef_number,
                acquisition_date=at,
            )
            if upo:
                store.touch(document.id, at, upo_sha256=store.put_body(UPO + document.id.encode()))

        self.spool.write_now(work)
        return ksef_number

    def receive(self, raw: bytes, ksef_number: str, unit: str | None, **facts: Any) -> None:
        """As the agent stores an invoice that a supplier sent."""
        new = NewReceived(
            ksef_number,
            "gmina",
            sha256_hex(raw),
            Facts(**({"form": FormCode.FA3, "seller_nip": "7770001111", "issue_date": date(2026, 11, 19)} | facts)),
            {},
            self.now,
            self.now,
            unit,
            "role8" if unit else "none",
            "Podmiot3 z rolą 8." if unit else "Nie wskazano jednostki.",
        )
        self.spool.write_now(lambda store: store.add_received(new, raw, self.now))

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def sale(number: str = "FV/1/2026", **more: Any) -> bytes:
    """An invoice that the school issues."""
    return unit_invoice(number=number, issue_date=date(2026, 11, 20), **more)


async def until(condition: Callable[[], object], seconds: float = 60) -> Any:
    """Wait until the condition is true (or stops raising AssertionError); returns what it gave."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (AssertionError, FileNotFoundError):
            if loop.time() > end:
                raise
        assert loop.time() <= end, f"not within {seconds} s"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def bench_at(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        bench.close()
