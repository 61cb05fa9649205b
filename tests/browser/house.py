"""The pages over a real spool with a town's day in it, in a thread of their own, because the browser's tests wait."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from gateway.alarms.settings import Alerts
from gateway.alarms.watch import Alarms, Patience
from sluza.sample_parts import Line
from sluza.samples import ksef_number_for, purchase_for_unit
from spool import actions, outages
from spool.domain.accounts import Role
from spool.domain.announcements import Category
from spool.domain.document import Facts
from spool.domain.ledger import NewReceived
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import State
from spool.law import Law, Rules
from spool.store import Store
from tests.http_bench import NOW, SCHOOL, WELFARE, Bench, municipality, running, school_invoice, welfare_invoice

T = TypeVar("T")
PATIENCE_S = 30.0


class House:
    """A bench that runs beside the test; `do` is how the test reaches into it."""

    def __init__(self, directory: Path, town: Municipality) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bench", daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self.bench: Bench = self.do(self._stack.enter_async_context(running(directory, town=town)))

    @property
    def origin(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.bench.admin_port}"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this in the thread of the bench and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def cookie(self, login: str) -> str:
        """The session of whom `bench.enter` let in."""
        return self.bench.cookies[login]

    def close(self) -> None:
        """Stop everything."""
        self.do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@contextmanager
def house(directory: Path, town: Municipality | None = None) -> Iterator[House]:
    """A house for as long as the block lasts."""
    found = House(directory, town or usual_town())
    try:
        yield found
    finally:
        found.close()


def usual_town() -> Municipality:
    """A town hall, a school, a welfare centre, a nursery."""
    return municipality(
        ug=Unit("ug", "Urząd Gminy", "gmina", town_hall=True),
        p2=Unit("p2", "Przedszkole nr 2 „Pod Dębem”", "gmina", idwew="5080014460-00035"),
    )


@dataclass
class Day:
    """What the town did: the documents by the words for what became of them, received invoices by their unit."""

    documents: dict[str, str] = field(default_factory=dict)
    received: dict[str | None, str] = field(default_factory=dict)


_SALES = (
    ("SP1/41/2026", "Wynajem sali gimnastycznej", "450.00", "Klub Sportowy „Iskra”"),
    ("SP1/42/2026", "Obiady dla pracowników, listopad", "1280.40", "Zakład Usług Komunalnych „Źródło” sp. z o.o."),
    ("SP1/43/2026", "Najem pomieszczenia na sklepik", "300.00", "Bufet Łakoć s.c."),
    ("SP1/44/2026", "Wynajem auli na szkolenie", "600.00", "Ośrodek Doskonalenia Kadr sp. z o.o."),
    ("SP1/45/2026", "Wynajem boiska", "180.00", "Klub Sportowy „Iskra”"),
)


_PEOPLE: tuple[tuple[str, str, Role] | tuple[str, str, Role, str], ...] = (
    ("a.nowak", "Anna Nowak", Role.COORDINATOR),
    ("j.kowalska", "Janina Kowalska", Role.ACCOUNTANT, SCHOOL),
    ("m.lis", "Maria Lis", Role.ACCOUNTANT, WELFARE),
    ("r.wojcik", "Rita Wójcik", Role.SUPERVISOR),
)


async def usual_day(bench: Bench) -> Day:
    """Numbered, waiting, held, refused and disputed invoices, received ones, outages then and now, people."""
    day = Day()
    for login, name, role, *units in _PEOPLE:
        await bench.enter(login, role, *units, name=name)
    await bench.spool.write(lambda store: store.set_condition("gmina", "reachable", {"ok": True}, NOW))
    await bench.spool.write(_past_outages)
    await _sales(bench, day)
    await bench.spool.write(_failure)
    day.documents["failure"] = await _sent(bench, "awaria.xml", school_invoice("SP1/46/2026"))
    for serial, (unit, name, number, gross) in enumerate(_PURCHASES, 1):
        day.received[unit] = await bench.spool.write(
            lambda store, n=serial, u=unit, s=name, f=number, g=gross: _bought(store, n, u, s, f, g)  # type: ignore[misc]
        )
    day.documents["paper"] = await bench.paper(SCHOOL)
    return day


async def _sales(bench: Bench, day: Day) -> None:
    made = [
        await _sent(
            bench, f"faktura-{number[4:6]}.xml", school_invoice(number, buyer_name=buyer, lines=(Line(what, net),))
        )
        for number, what, net, buyer in _SALES
    ]
    for word, document_id in zip(("numbered", "disputed", "waiting", "held", "withdrawn"), made, strict=True):
        day.documents[word] = document_id
    await bench.number(made[0], upo=b"<Potwierdzenie/>")
    for state in (State.SENDING, State.SUBMITTED, State.CONFLICT):
        await bench.spool.write(lambda store, s=state: store.move(made[1], s, NOW, "agent", "KSeF: duplikat numeru."))  # type: ignore[misc]
    await bench.spool.write(lambda s: actions.hold(s, made[3], NOW, "Janina Kowalska (j.kowalska)", "Zmiana nabywcy"))
    await bench.spool.write(lambda s: actions.withdraw(s, made[4], NOW, "Janina Kowalska (j.kowalska)", "Pomyłka"))
    broken = school_invoice("SP1/47/2026").replace(b"<P_2>", b"<P_22>").replace(b"</P_2>", b"</P_22>")
    await bench.post(broken, X_File_Name="stolowka.xml")
    refused = await bench.spool.read(lambda s: s.find_documents([SCHOOL], states=(State.REFUSED,), limit=1))
    day.documents["refused"] = refused[0].id
    late = await bench.post(welfare_invoice("GOPS/12/2026"), unit=WELFARE, X_File_Name="obiady.xml")
    day.documents["foreign"] = late.json["id"]


async def _sent(bench: Bench, name: str, raw: bytes) -> str:
    answer = await bench.post(raw, X_File_Name=name)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def _past_outages(store: Store) -> None:
    link = "https://www.gov.pl/web/finanse/komunikat"
    for category, began, hours in ((Category.MAINTENANCE, 9, 6), (Category.FAILURE, 3, 20)):
        start = NOW - timedelta(days=began)
        outages.add(
            store, "sandbox", category, start, start + timedelta(hours=hours), name="Anna Nowak", link=link,
            end=start + timedelta(hours=hours), published=start,
        )  # fmt: skip


def _failure(store: Store) -> None:
    outages.add(
        store, "sandbox", Category.FAILURE, NOW - timedelta(hours=1), NOW, name="Anna Nowak (a.nowak)",
        link="https://www.gov.pl/web/finanse/awaria", published=NOW - timedelta(minutes=30), title="Awaria KSeF",
    )  # fmt: skip


async def warned(bench: Bench) -> None:
    """What the loop of the alarms finds at nine in the evening of that day; nobody recomputes dates here."""
    rules, evening = Rules(Law(), bench.municipality), NOW + timedelta(hours=11)
    await Alarms(bench.spool, rules, Alerts(), lambda: evening, Patience(law=0)).look()


_PURCHASES: tuple[tuple[str | None, str, str, str], ...] = (
    (SCHOOL, "Hurtownia „Książnica” s.c.", "FZ/771/2026", "1230.00"),
    (WELFARE, "Piekarnia Pod Lipą", "2026/11/0193", "412.50"),
    ("ug", "Energia Gminna S.A.", "E/20261101/55", "18240.17"),
    (None, "Zakład Ślusarski Jan Bąk", "F 12/11/2026", "860.00"),
)


def _bought(store: Store, serial: int, unit: str | None, seller: str, number: str, gross: str) -> str:
    raw = purchase_for_unit(number=number, seller_name=seller)
    ksef_number, at = ksef_number_for("7770001111", serial=serial), NOW - timedelta(hours=9 - serial)
    facts = Facts(
        seller_nip="7770001111", seller_name=seller, number=number, kind="VAT", issue_date=NOW.date(), currency="PLN",
        gross=gross,
    )  # fmt: skip
    why = "Sprzedawca podał NIP jednostki (Podmiot3, rola 8)." if unit else "Sprzedawca nie wskazał żadnej jednostki."
    new = NewReceived(ksef_number, "gmina", sha256(raw).hexdigest(), facts, {}, at, at, unit, "agent", why)
    store.add_received(new, raw, at)
    return ksef_number
