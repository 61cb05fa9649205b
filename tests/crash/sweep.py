"""Every operation on a file fails once, in every way: run under the shim as `python -m tests.crash.sweep`.

One process goes through the same short life of two documents again and again: taken in over HTTP and from a folder,
sent, numbered, shown. In each round another operation fails. Afterwards the programs "start again" without faults,
finish, and everything is looked at. What is broken is printed and ends the process.
"""

import asyncio
import contextlib
import io
import random
import shutil
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gateway.folders import layout
from gateway.folders.pickup import Desk, Pickup, outbox
from gateway.folders.placing import Shelf
from gateway.folders.returns import Returns
from gateway.folders.settling import Patience
from gateway.folders.setup import set_up
from gateway.folders.watcher import LocalDoor
from gateway.http.problems import from_exception
from gateway.intake import FrontDoor, Origin
from gateway.render.work import draw
from gateway.settings import Policies
from spool import access
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.errors import SluzaError
from spool.domain.ledger import ALIVE, Document
from spool.domain.municipality import Policy
from spool.domain.states import State
from spool.logs import to_stderr
from spool.store import Store
from tests.crash.shim import SAYS, Switches
from tests.folders_bench import MUNICIPALITY, NOW, SCHOOL, UPO, sale
from tests.spool_story import report_of

POSTED, DROPPED = sale("FV/1/2026"), sale("FV/2/2026")
RESERVE = 200_000


class Inline:
    """What a worker would do, here and now. Drawing is left out: it touches no files."""

    async def run(self, work: Callable[..., object], *args: object) -> object:
        return b"%PDF-1.7 left out" if work is draw else work(*args)


@dataclass
class Life:
    """One round in one directory: what was promised so far."""

    root: Path
    promised: set[str] = field(default_factory=set)
    errors: list[BaseException] = field(default_factory=list)

    async def run(self) -> None:
        """From the opening to the end of the process; every part may fail, and the next one is tried all the same."""
        try:
            spool = Spool(self.root / "state" / FILE, reserve=RESERVE)
        except (SluzaError, OSError) as error:
            self.errors.append(error)
            return
        try:
            await self._work(spool)
        finally:
            spool.close()

    async def _work(self, spool: Spool) -> None:
        workers = Inline()
        policies = Policies(Policy("allowed", "1/2026"))
        door = FrontDoor(spool, workers, MUNICIPALITY, policies, lambda: NOW)  # type: ignore[arg-type]
        returns = Returns(spool, workers, MUNICIPALITY, self.root / "folders", lambda: NOW)  # type: ignore[arg-type]
        await self._try(spool.write(lambda store: store.set_condition("", ALIVE, {}, NOW)))
        await self._try(set_up(spool, self.root / "folders", MUNICIPALITY, lambda: NOW))
        await self._try(self._post(door))
        await self._try(self._pick_up(door))
        for work in (_send, _number, _receipt):
            await self._try(_each(spool, work))
        await self._try(_show(returns))

    async def _try(self, part: Awaitable[None]) -> None:
        """The service goes on; what reaches people is a sentence of ours, or the file system's."""
        try:
            await part
        except (SluzaError, OSError) as error:
            self.errors.append(error)

    async def _post(self, door: FrontDoor) -> None:
        try:
            await door.accept(POSTED, Origin(MUNICIPALITY.units[SCHOOL], "http", "a.xml"))
        except Exception as error:
            if from_exception(error).status not in {503, 507}:
                raise AssertionError("not an answer for people") from error
            raise
        self.promised.add(sha256_hex(POSTED))

    async def _pick_up(self, door: FrontDoor) -> None:
        path = self.root / "folders" / SCHOOL / layout.OUTBOX / "b.xml"
        with ThreadPoolExecutor(1) as threads:
            desk = Desk(LocalDoor(door), self.root / "folders", Patience(0, 1, 1), lambda: NOW, threads, Shelf())
            with contextlib.closing(outbox(desk.root, SCHOOL)) as drop:
                drop.restore_held()
                await Pickup(desk, MUNICIPALITY.units[SCHOOL], offline24=False).step(drop, path.name)
        if path.parent.is_dir() and not list(path.parent.glob("*b.xml")) and not list(path.parent.glob(".sluza-odb*")):
            self.promised.add(sha256_hex(DROPPED))


async def _each(spool: Spool, work: object) -> None:
    await spool.write(lambda store: [work(store, d) for d in store.documents()])  # type: ignore[operator]


def _send(store: Store, document: Document) -> None:
    if document.state is State.QUEUED:
        store.begin_attempt(document, "S", NOW)


def _number(store: Store, document: Document) -> None:
    if document.state is not State.SENDING:
        return
    store.move(document.id, State.SUBMITTED, NOW, "agent", "Przekazano do KSeF.")
    store.end_attempt(document.id, "accepted", NOW)
    number = f"5080014460-20261120-{document.sha256[:6].upper()}-{document.sha256[6:12].upper()}-7F"
    facts = {"ksef_number": number, "acquisition_date": NOW}
    store.move(document.id, State.ACCEPTED, NOW, "agent", "KSeF nadał numer.", **facts)


def _receipt(store: Store, document: Document) -> None:
    if document.state is State.ACCEPTED and not document.upo_sha256:
        store.touch(document.id, NOW, upo_sha256=store.put_body(UPO + document.id.encode()))


async def _show(returns: Returns) -> None:
    await returns._start_what_waits()
    await asyncio.gather(*returns._busy.values())
    returns._threads.shutdown()


async def round_of(root: Path, shim: Switches, error: int, at: int, times: int) -> int:
    """One failing life and one without faults after it; how many operations could have failed."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "folders").mkdir(parents=True)
    life = Life(root)
    await set_up_before(life)
    shim.watch(root)
    shim.arm(error, at, times)
    await life.run()
    seen = shim.seen
    shim.disarm()
    shim.watch(Path("/nowhere"))
    again = Life(root, life.promised, [])
    await again.run()
    assert not again.errors, again.errors
    look(root, life.promised | {sha256_hex(POSTED), sha256_hex(DROPPED)})
    return seen


async def set_up_before(life: Life) -> None:
    """The folders are there and the unit has dropped its file; the state directory is new."""
    spool = Spool(life.root / "first" / FILE)
    await set_up(spool, life.root / "folders", MUNICIPALITY, lambda: NOW)
    spool.close()
    (life.root / "folders" / SCHOOL / layout.OUTBOX / "b.xml").write_bytes(DROPPED)


def look(root: Path, promised: set[str]) -> None:
    """Everything promised is there and was shown, each document once, and `sluza check` finds nothing."""
    report = report_of(root / "state" / FILE, NOW + timedelta(seconds=1))
    assert report.ok, report.in_order()
    spool = Spool(root / "state" / FILE)
    try:
        found = spool.read_now(lambda store: {d.sha256: d for d in store.documents()})
        assert set(found) == promised
        for document in found.values():
            assert document.state is State.DELIVERED, document.state
            raw = spool.read_now(lambda store, sha256=document.sha256: store.body(sha256))  # type: ignore[misc]
            assert raw in (POSTED, DROPPED)
            [copy] = (root / "folders" / SCHOOL / layout.SENT).rglob(f"{document.name}.xml")
            assert copy.read_bytes() == raw
    finally:
        spool.close()


async def sweep(root: Path, seed: int, rounds: int, part: int, parts: int) -> None:
    """`rounds` of them picked by the seed; 0: every operation with every error, once and for good. Of these one part of
    so many, each of which may have a process of its own."""
    shim, dice = Switches(), random.Random(seed)
    counts = {
        kinds: await round_of(root, shim, error, 0, 0) for kinds, error in {k: e for e, k in SAYS.items()}.items()
    }
    totals = {error: counts[kinds] for error, kinds in SAYS.items()}
    every = [
        (error, at, times) for error, total in totals.items() for at in range(1, total + 1) for times in (1, 10**6)
    ]
    chosen = every if not rounds else sorted(dice.sample(every, rounds))
    for error, at, times in chosen[part::parts]:
        try:
            await round_of(root, shim, error, at, times)
        except BaseException:
            print(f"--crash-seed {seed}: error {error}, operation {at} of {totals[error]}, {times} times", flush=True)
            raise
    print(sum(totals.values()), len(every))


if __name__ == "__main__":
    to_stderr(io.StringIO())
    access._CHECKPOINT_EVERY_S = 0.02
    asyncio.run(sweep(Path(sys.argv[1]), *map(int, sys.argv[2:])))
