"""A town with invoices that are over, for tests of the yearly archives."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spool import crashpoint, looking
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.document import Facts
from spool.domain.ledger import Document, NewReceived
from spool.domain.states import State
from spool.store import Store
from spool.volumes import look
from spool.volumes.run import Done, run
from spool.volumes.seal import Plan
from spool.workers import WorkerCrashed
from tests.backup_bench import NOW, Town
from tests.documents import new

OLD = datetime(2025, 3, 3, 10, 0, tzinfo=UTC)
_ROAD = (State.SENDING, State.SUBMITTED, State.ACCEPTED, State.DELIVERED)


class InPlace:
    """Workers that work here: the same functions, without a process."""

    async def run(self, fn: Any, *args: Any) -> Any:
        """Now."""
        return fn(*args)


class Dying(InPlace):
    """A worker that dies."""

    async def run(self, fn: Any, *args: Any) -> Any:
        """Never answers."""
        raise WorkerCrashed("killed")


class OldTown(Town):
    """With sales and purchases of any age."""

    def sale(self, number: str, at: datetime = OLD, *, until: State = State.DELIVERED, shown: bool = True) -> Document:
        """An invoice with its UPO that has come as far as `until`."""
        raw, upo = f"<Faktura>{number}</Faktura>".encode(), f"<UPO>{number}</UPO>".encode()

        def work(store: Store) -> Document:
            made = store.add(new(raw, at, number=number), raw, number, at)
            for state in _ROAD[: _ROAD.index(until) + 1]:
                more: dict[str, Any] = {}
                if state is State.ACCEPTED:
                    more = {"ksef_number": f"5080014460-{number}", "acquisition_date": at}
                    more["upo_sha256"] = store.put_body(upo)
                made = store.move(made.id, state, at, "agent", "", **more)
            if shown:
                store.mark_shown(made)
            return store.document(made.id)

        return self.write(work)

    def purchase(
        self, number: str, at: datetime = OLD, *, unit: str | None = "sp1", mirrored: bool = True, filling: str = ""
    ) -> str:
        """A supplier's invoice; returns its SHA-256."""
        raw = f"<Faktura>bought {number}{filling}</Faktura>".encode()
        facts = Facts(seller_nip="5250000015", kind="VAT", number=number, issue_date=at.date())
        ksef = f"5250000015-{number}"
        got = NewReceived(ksef, "gmina", sha256_hex(raw), facts, {}, at, at, unit, "podmiot3", "Reguła.")

        def work(store: Store) -> None:
            store.add_received(got, raw, at)
            if mirrored:
                store.mark_mirrored(ksef, unit, at)

        self.write(work)
        return sha256_hex(raw)

    def write(self, job: Any) -> Any:
        """One job in the spool."""
        spool = Spool(self.state / FILE)
        try:
            return spool.write_now(job)
        finally:
            spool.close()

    def read(self, job: Any, state: Path | None = None) -> Any:
        """One look at the spool."""
        opened = looking.Looking((state or self.state) / FILE)
        try:
            return opened.read_now(job)
        finally:
            opened.close()

    def archive_plan(self, **changes: Any) -> Plan:
        """Thirteen months, by the clock of the tests."""
        return Plan(**{"state": self.state, "months": 13, "seal": True, "at": NOW} | changes)

    def archive(self, workers: Any = None, **changes: Any) -> Done:
        """One run."""

        async def work() -> Any:
            spool = Spool(self.state / FILE)
            try:
                return await run(spool, workers or InPlace(), self.archive_plan(**changes), "tester", lambda *_: None)
            finally:
                spool.close()

        return asyncio.run(work())  # type: ignore[no-any-return]

    def killed_while_archiving(self, point: str) -> None:
        """One run, in a process of its own that kills itself at this point."""
        child = os.fork()
        if child == 0:  # pragma: no cover - dies here
            try:
                crashpoint._crash = crashpoint._Armed(point, 1, "")
                self.archive()
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    def away(self, state: Path | None = None) -> dict[str, str]:
        """Which bodies have left the spool, and where to."""
        return dict(self.read(lambda store: list(store.in_volumes()), state))

    def body(self, sha256: str, state: Path | None = None) -> bytes:
        """The one reading function."""
        return bytes(self.read(lambda store: store.body(sha256), state))

    def volume(self, name: str = "2025-1", state: Path | None = None) -> Path:
        """The file of a volume."""
        return (state or self.state) / "archive" / f"{name}.db"

    def damaged(self) -> dict[str, str]:
        """What a whole look finds."""
        return dict(self.read(lambda store: look.damaged(store, read=True)))
