"""A drop-point and an admin listener for tests: real spool, real listener on loopback, a fixed clock, no processes."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher, profiles
from multidict import CIMultiDict
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from gateway.folders import layout
from gateway.http import listener
from gateway.http.app import create_app
from gateway.http.body import Patience, Room
from gateway.http.listener import Listener
from gateway.http.openapi import DOCUMENT
from gateway.http.state import Parts
from gateway.http.throttle import Throttle
from gateway.intake import FrontDoor
from gateway.own import Behind
from gateway.seals import Seals
from gateway.settings import Listen, Policies, Proxy
from gateway.uploads import Uploads
from gateway.web import doorman
from gateway.web.app import AdminParts, create_admin_app
from gateway.web.guard import Gate
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_NIP, ksef_number_for, purchase_for_unit, unit_invoice
from spool.access import FILE, Spool
from spool.clock import system_clock
from spool.domain.accounts import Account, Role
from spool.domain.document import Facts
from spool.domain.ledger import Document, NewReceived
from spool.domain.municipality import Context, ContextType, Municipality, Policy, Unit
from spool.domain.papers import Kind, NewPaper
from spool.domain.states import State
from spool.law import Law, Rules
from tests.credentials import with_offline_certificate

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CHEAP = PasswordHasher.from_parameters(profiles.CHEAPEST)
WELFARE_IDWEW = "5080014460-00024"
SCHOOL, WELFARE = "sp1", "gops"
CLIENT = "c" * 32
"""The name of the one computer that speaks as every remote unit here."""
TOKENS = {SCHOOL: "token-of-the-school-" + "s" * 23, WELFARE: "token-of-the-welfare-" + "w" * 22}


def municipality(**more: Unit) -> Municipality:
    """A town with a school (own NIP) and a welfare centre (IDWew), one context in the sandbox."""
    context = Context(
        "gmina", ContextType.NIP, MUNICIPALITY_NIP, "sandbox", "http://127.0.0.1:1/v2", "", "https://qr-test.example"
    )
    units = {
        SCHOOL: Unit(SCHOOL, "Szkoła Podstawowa nr 1", "gmina", nip=SCHOOL_NIP),
        WELFARE: Unit(WELFARE, "Ośrodek Pomocy Społecznej", "gmina", idwew=WELFARE_IDWEW),
    }
    return Municipality("Gmina Przykładowa", MUNICIPALITY_NIP, {"gmina": context}, units | more)


def school_invoice(number: str = "SP1/1/2026", **more: Any) -> bytes:
    """An invoice that the school may send."""
    return unit_invoice(number=number, **more)


def welfare_invoice(number: str = "GOPS/1/2026", **more: Any) -> bytes:
    """An invoice that the welfare centre may send."""
    return unit_invoice(internal_id=WELFARE_IDWEW, number=number, **more)


def remote_town(**more: Unit) -> Municipality:
    """The same town, whose units all have their folders on computers of their own."""
    town = municipality(**more)
    return replace(town, units={name: replace(unit, remote=True) for name, unit in town.units.items()})


_NEEDED = {"version": 1, "offset": 0, "size": 3}


def target(method: str, template: str, **values: str) -> str:
    """The address of a call with its path filled in, and with the query that its description says it needs."""
    described = DOCUMENT["paths"][template].get("get" if method == "HEAD" else method.lower(), {})
    needed = [p["name"] for p in described.get("parameters", ()) if p["in"] == "query" and p["required"]]
    query = "&".join(f"{name}={_NEEDED[name]}" for name in needed)
    return template.format(**values) + (f"?{query}" if query else "")


class InlineWorkers:
    """What the handlers need of `spool.workers.Workers`, in this process; `fail` is raised instead, if set."""

    def __init__(self) -> None:
        self.fail: Exception | None = None

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.fail:
            raise self.fail
        return function(*args)


@dataclass
class Bench:
    """Everything running; `call` speaks to the drop-point as a unit, `admin` to the admin listener."""

    spool: Spool
    workers: InlineWorkers
    municipality: Municipality
    session: aiohttp.ClientSession
    port: int
    admin_port: int
    app: web.Application
    folders: Path
    wall: Callable[[], datetime]
    cookies: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, *, unit: str | None = SCHOOL, headers: dict[str, str] | None = None, **more: Any
    ) -> "Answer":
        """One request; `unit` None sends no token."""
        sent = {"Authorization": f"Bearer {TOKENS[unit]}"} if unit else {}
        sent["X-Sluza-Client"] = CLIENT
        url = aiohttp.client.URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(method, url, headers=sent | (headers or {}), **more) as response:
            answer = Answer(response.status, CIMultiDict(response.headers), await response.read())
        hold_to_contract(method, path, answer)
        return answer

    async def post(self, raw: bytes, *, unit: str = SCHOOL, query: str = "", **headers: str) -> "Answer":
        """POST /v1/invoices; `X_File_Name=…` becomes a header."""
        given = {"Content-Type": "application/xml"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.call("POST", f"/v1/invoices{query}", unit=unit, data=raw, headers=given)

    async def admin(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        *,
        who: str | None = "admin",
        form: dict[str, Any] | None = None,
    ) -> "Answer":
        """One request to the admin listener by whom `enter` let in, None: nobody. A `form` gets the session's token."""
        sent = {"Cookie": f"sluza={self.cookies[who]}"} if who else {}
        url = aiohttp.client.URL(f"http://127.0.0.1:{self.admin_port}{path}", encoded=True)
        data = None if form is None else {"token": f"token-{who}"} | form
        more = {"headers": sent | (headers or {}), "data": data, "allow_redirects": False}
        async with self.session.request(method, url, **more) as response:
            return Answer(response.status, CIMultiDict(response.headers), await response.read())

    async def enter(self, login: str, role: Role, *units: str, password: str = "", name: str = "") -> None:
        """An account, and somebody who is in with it. Without a `password` nobody else can sign in with it."""
        hashed = doorman.hashed(password, CHEAP) if password else "no password"
        account = Account(login, name or f"Osoba {login}", role, units, False, False, NOW)
        self.cookies[login] = f"cookie-{login}"
        digest = sha256(self.cookies[login].encode()).hexdigest()

        def work(store: Any) -> None:
            store.add_account(account, hashed, "test")
            store.open_login(digest, login, f"token-{login}", self.wall(), "127.0.0.1")

        await self.spool.write(work)

    async def stored(self) -> int:
        """How many documents the spool has."""
        return sum((await self.spool.read(lambda store: store.counts())).values())

    async def number(self, document_id: str, *, upo: bytes = b"") -> str:
        """Take a queued document to its KSeF number, and on to DELIVERED with `upo`."""

        def work(store: Any) -> str:
            seq = store.document(document_id).seq
            number = ksef_number_for(serial=seq)
            for state in (State.SENDING, State.SUBMITTED):
                store.move(document_id, state, NOW, "agent", "test")
            store.move(document_id, State.ACCEPTED, NOW, "agent", "test", ksef_number=number, acquisition_date=NOW)
            if upo:
                changes = {"upo_sha256": store.put_body(upo)}
                store.move(document_id, State.DELIVERED, NOW, "gateway", "test", **changes)
            return number

        return await self.spool.write(work)

    async def receive(self, unit: str | None, serial: int = 1, **more: Any) -> str:
        """Put one supplier's invoice into the spool, routed to `unit`; returns its KSeF number."""
        raw = purchase_for_unit(number=f"FZ/{serial}/2026", **more)
        number = ksef_number_for("7770001111", serial=serial)
        facts = Facts(
            seller_nip="7770001111", seller_name="Hurtownia „Książnica” s.c.", number=f"FZ/{serial}/2026", kind="VAT",
            issue_date=NOW.date(), currency="PLN", gross="123.00",
        )  # fmt: skip
        new = NewReceived(
            number, "gmina", sha256(raw).hexdigest(), facts, {}, NOW, NOW, unit, "test", "Trasa ustalona w teście."
        )
        at = NOW + timedelta(minutes=serial)
        await self.spool.write(lambda store: store.add_received(new, raw, at))
        return number

    async def paper(self, unit: str, number: str = "12/11/2026") -> str:
        """A purchase outside KSeF with a scan, in the register of this unit; returns its number there."""
        new = NewPaper(unit, Kind.INVOICE, "", "Müller GmbH", number, NOW.date(), NOW.date(), "99.00", "EUR")
        entered = await self.spool.write(lambda store: store.add_paper(new, b"%PDF-1.4 skan", NOW, "test"))
        return str(entered.id)

    def register(self, unit: str, name: str, raw: bytes = b"rejestr") -> None:
        """A monthly register of a unit, as the gateway leaves it in its folder."""
        if not (self.folders / unit).is_dir():
            layout.mark(self.folders, unit)
        layout.ensure_missing(self.folders, unit, layout.OF_A_REMOTE_UNIT)
        (self.folders / unit / layout.REGISTERS / name).write_bytes(raw)

    async def document(self, document_id: str) -> Document:
        """The row in the spool."""
        return await self.spool.read(lambda store: store.document(document_id))


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


listener.LINGER_SECONDS = 0.3  # aiohttp notices only after this time that a client of an early refusal has gone

_CONTRACT = OpenAPI.from_dict(
    DOCUMENT,
    config=Config(
        spec_validator_cls=None,  # tests/unit/test_http_small.py does it, once; here it would be at every collection
        extra_media_type_deserializers={
            "application/problem+json": lambda raw, **_: json.loads(raw),
            "application/xml": lambda raw, **_: raw,  # exact bytes, of refused files too, which may be no XML at all
        },
    ),
)
SEEN: set[tuple[str, str, int]] = set()
"""Operation, path template and status of every answer that was held to the description."""


def hold_to_contract(method: str, path: str, answer: Answer) -> None:
    """Every answer to a described operation is as `/openapi.json` says. HEAD, 405 and unknown paths are not in it."""
    target = path.partition("?")[0]
    parts = target.split("/")
    template = next((t for t in DOCUMENT["paths"] if _fits(t.split("/"), parts)), None)
    if template is None or method.lower() not in DOCUMENT["paths"][template]:
        return
    request = MockRequest("http://testserver", method.lower(), target)
    content_type = answer.headers.get("Content-Type", "")
    _CONTRACT.validate_response(
        request, MockResponse(answer.body, answer.status, answer.headers, content_type=content_type)
    )
    SEEN.add((method, template, answer.status))


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        t == p or (t.startswith("{") and p) for t, p in zip(template, parts, strict=True)
    )


@asynccontextmanager
async def running(
    directory: Path,
    *,
    offline24: str = "allowed",
    patience: Patience = Patience(),  # noqa: B008 - frozen
    room: Room | None = None,
    throttle: Throttle | None = None,
    gate: Gate = Gate(None, open_on_loopback=True),  # noqa: B008 - frozen
    now: datetime = NOW,
    town: Municipality | None = None,
    wall: Callable[[], datetime] = system_clock,
    proxy: Proxy | None = None,
) -> AsyncIterator[Bench]:
    """Both listeners over a fresh spool in `directory`, for as long as the block lasts."""
    town = town or municipality()
    spool = Spool(directory / "state" / FILE)
    (directory / "folders").mkdir(exist_ok=True)
    workers = InlineWorkers()
    for unit, token in TOKENS.items():
        digest = sha256(token.encode()).hexdigest()
        await spool.write(lambda store, u=unit, d=digest: store.add_token(u, d, NOW, "test"))  # type: ignore[misc]
    seals = Seals(with_offline_certificate(town, directory), lambda: now)
    door = FrontDoor(spool, workers, town, Policies(Policy(offline24)), lambda: now, Law(), seals)  # type: ignore[arg-type]
    parts = Parts(workers, town, throttle or Throttle(), room or Room(), patience)  # type: ignore[arg-type]
    uploads = Uploads(directory / "state" / "uploads")
    behind = Behind(spool, door, town, lambda: now, directory / "folders", uploads, seals)
    app = create_app(parts, behind)
    drop_point = Listener(app, Listen("127.0.0.1", 0), None)
    rules = Rules(Law(), town)
    admin_parts = AdminParts(
        spool,
        town,
        directory / "folders",
        lambda: now,
        gate,
        door,
        workers,
        rules,
        proxy=proxy,
        wall=wall,
        hasher=CHEAP,  # type: ignore[arg-type]
        requests=parts.requests,
        scanning=workers,  # type: ignore[arg-type]
    )
    admin = Listener(create_admin_app(admin_parts), Listen("127.0.0.1", 0), None)
    await drop_point.start()
    await admin.start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        try:
            folders = directory / "folders"
            bench = Bench(spool, workers, town, session, drop_point.port, admin.port, app, folders, wall)
            if not await spool.read(lambda store: store.account("admin")):
                await bench.enter("admin", Role.ADMIN)
            bench.cookies["admin"] = "cookie-admin"
            yield bench
        finally:
            await drop_point.stop()
            await admin.stop()
            spool.close()
