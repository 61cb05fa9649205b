"""A spool, a town with two units, a clock that can be set, and the alarm loop over them, for tests of the warnings."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.alarms.settings import Alerts, Smtp
from gateway.alarms.watch import Alarms, Patience
from spool.access import FILE, Spool
from spool.domain.alarms import Alarm
from spool.domain.calendar import WARSAW, end_of_day
from spool.domain.document import Facts, Mode
from spool.domain.ledger import Document, NewDocument
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import State
from spool.law import Law, Rules
from spool.store import Store
from tests.documents import due

OFFICE, ON_CALL, SCHOOL = "biuro@gmina.example", "dyzur@gmina.example", "szkola@gmina.example"
DAY = date(2026, 11, 20)
"""A Friday."""
BEFORE = date(2026, 11, 19)
"""An offline24 invoice of this day is due on the other."""
DUE = end_of_day(DAY).astimezone(UTC)


def at(hour: int, minute: int = 0, second: int = 0, day: date = DAY) -> datetime:
    """An instant by the clock on the wall in Warsaw."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=WARSAW).astimezone(UTC)


def town() -> Municipality:
    """A school that wants its own warnings, and a welfare centre that does not."""
    units = {
        "sp1": Unit("sp1", "Szkoła Podstawowa nr 1", "gmina", alerts=(SCHOOL,)),
        "gops": Unit("gops", "Ośrodek Pomocy Społecznej", "gmina"),
    }
    return Municipality("Gmina Przykładowa", "5080014460", {}, units)


def alerts(port: int = 0, **more: Any) -> Alerts:
    """Mail through a server on loopback, or none at all without a port."""
    smtp = Smtp("127.0.0.1", port, more.pop("tls", "none"), "sluza@gmina.example", **more) if port else None
    return Alerts(smtp, (OFFICE,), (ON_CALL,))


RULES = Rules(Law(), town())


@dataclass
class Bench:
    """`now` is the clock. Documents are put in as intake does it; the law is not asked here."""

    path: Path
    spool: Spool
    now: datetime = field(default_factory=lambda: at(7))

    def clock(self) -> datetime:
        """The present instant."""
        return self.now

    def loop(self, found: Alerts | None = None, **patience: float) -> Alarms:
        """The loop; nobody recomputes deadlines here, so it does not wait for that."""
        given = Patience(**({"law": 0} | patience))  # type: ignore[arg-type]
        return Alarms(self.spool, RULES, found or alerts(), self.clock, given)

    def add(self, number: str, until: datetime | None = DUE, unit: str = "sp1", **more: Any) -> Document:
        """Take in a document with this due moment; `mode`, `vat`, `gross`, `currency` as given."""
        mode = more.pop("mode", Mode.OFFLINE24)
        wish = Mode.ONLINE if mode is Mode.ONLINE else Mode.OFFLINE24
        raw = f"{unit} {number}".encode()
        names = {"vat": "23.00", "gross": "123.00", "currency": "PLN"} | more
        issued = DAY if mode is Mode.ONLINE else BEFORE
        facts = Facts(seller_nip="5080014460", kind="VAT", number=number, issue_date=issued, **names)
        new = NewDocument(
            unit, "gmina", "http", "a.xml", sha256(raw).hexdigest(), len(raw), facts, wish, self.now,
            State.QUEUED, due=due(until, self.now, mode),
        )  # fmt: skip
        return self.spool.write_now(lambda s: s.add(new, raw, "", self.now))

    def hand_over(self, document: Document) -> None:
        """KSeF takes it."""

        def work(store: Store) -> None:
            store.begin_attempt(document, "S", self.now)
            store.move(document.id, State.SUBMITTED, self.now, "agent", "x", handed_over_at=self.now)

        self.spool.write_now(work)

    def move_due(self, document: Document, until: datetime | None, *, sooner: bool = False) -> None:
        """What the law says of it changes."""
        self.spool.write_now(lambda s: s.set_deadline(document, due(until, self.now, document.mode), self.now, sooner))

    def alarms(self) -> list[Alarm]:
        """All alarms, the oldest first."""
        return self.spool.read_now(lambda s: s.alarms(1000))[::-1]

    def steps(self, unit: str = "sp1") -> list[str]:
        """The steps told to a unit, in order."""
        return [a.step.value for a in self.alarms() if a.unit == unit]

    def text(self, alarm: int) -> str:
        """The message of an alarm."""
        return self.spool.read_now(
            lambda s: s._db.execute("SELECT text FROM alarm WHERE id = ?", (alarm,)).fetchone()[0]
        )

    def documents(self, alarm: int) -> list[str]:
        """The ids that an alarm names."""
        found = self.spool.read_now(
            lambda s: s._db.execute("SELECT documents FROM alarm WHERE id = ?", (alarm,)).fetchone()
        )
        return list(json.loads(found[0]))

    def named(self) -> dict[str, list[Alarm]]:
        """For each document the alarms that name it, the oldest first."""
        found: dict[str, list[Alarm]] = defaultdict(list)
        for alarm in self.alarms():
            for document in self.documents(alarm.id):
                found[document].append(alarm)
        return found

    def addresses(self, alarm: int) -> list[str]:
        """Whom an alarm is mailed to."""
        return [m.address for m in self.spool.read_now(lambda s: s.mails(alarm))]

    def restart(self) -> None:
        """The process ends and begins again on the same spool."""
        self.spool.close()
        self.spool = Spool(self.path)

    async def pass_time(self, loop: Alarms, until: datetime, step: timedelta = timedelta(minutes=5)) -> None:
        """Look again and again while the clock goes on."""
        while self.now < until:
            await loop.look()
            self.now += step
        self.now = until
        await loop.look()


@contextmanager
def opened(directory: Path) -> Iterator[Bench]:
    """A bench on a fresh spool."""
    bench = Bench(directory / FILE, Spool(directory / FILE))
    try:
        yield bench
    finally:
        bench.spool.close()
