"""No unit ever sees another's document (X20, I7): for every route and document, foreign and absent look the same.

The routes come from the router of the running application, their parameters from its description: a new route is in
these tests without anybody adding it, and one that cannot be filled in fails them.
"""

import ast
import asyncio
import io
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway import http as drop_point
from gateway.http.openapi import DOCUMENT
from gateway.http.throttle import Throttle
from spool import logs
from spool.bodies import sha256_hex
from tests.http_bench import (
    SCHOOL,
    WELFARE,
    Answer,
    Bench,
    remote_town,
    running,
    school_invoice,
    target,
    welfare_invoice,
)

UNITS = (SCHOOL, WELFARE)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHAPES = {
    "id": st.text("0123456789abcdef", min_size=23, max_size=23),
    "number": st.from_regex(r"\A[0-9]{10}-2026[01][0-9][0-3][0-9]-[0-9A-F]{12}-[0-9A-F]{2}\Z"),
    "name": st.from_regex(r"\A2026-[01][0-9]-[a-z]{1,12}\.(csv|xlsx)\Z"),
    "sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
}
"""What an absent one of each kind looks like; a path variable of another name fails the tests until it is here."""


@dataclass
class Town:
    """The application in a loop of its own, with everything that the two units own."""

    bench: Bench
    loop: asyncio.AbstractEventLoop
    log: io.StringIO
    owned: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    secrets: dict[str, set[str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, unit: str | None, data: bytes | None = None) -> Answer:
        """One request from the test's own thread."""
        call = self.bench.call(method, path, unit=unit, data=data)
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(20)

    def routes(self) -> list[tuple[str, str]]:
        """Method and template of everything that the router knows."""
        found = {(route.method, route.resource.canonical) for route in self.bench.app.router.routes() if route.resource}
        return sorted(found)


async def _own(bench: Bench, unit: str) -> tuple[dict[str, list[str]], set[str]]:
    """One document of this unit in each of the states that routes treat differently, a purchase, a register, a half
    upload and a seat: what can be asked for, and every word of it that nobody else may ever read."""
    make, prefix = (school_invoice, "SZKOLNA") if unit == SCHOOL else (welfare_invoice, "OPIEKI")
    posts = [
        await bench.post(raw, unit=unit, X_File_Name=f"{prefix}-{n}.xml")
        for n, raw in enumerate([f"<{prefix}/>".encode(), *(make(f"{prefix}/{n}/2026") for n in range(1, 4))])
    ]
    ids = [post.json["id"] for post in posts]
    number = await bench.number(ids[2])
    await bench.number(ids[3], upo=f"<UPO-{prefix}/>".encode())
    received = await bench.receive(unit, UNITS.index(unit) + 1, footer=f"dla-{prefix}")
    bench.register(unit, f"2026-11-{prefix.lower()}.csv")
    half = sha256_hex(prefix.encode())
    await bench.call("POST", f"/v1/uploads/{half}?offset=0&size=99", unit=unit, data=b"abc")
    await bench.call("PUT", f"/v1/seat?computer=komputer-{prefix}", unit=unit)
    names = {"id": ids, "number": [received], "name": [f"2026-11-{prefix.lower()}.csv"], "sha256": [half]}
    words = {*ids, received, number, prefix, prefix.lower(), *(post.json["sha256"] for post in posts)}
    return names, words


async def _fill(bench: Bench) -> tuple[dict[str, Any], dict[str, set[str]]]:
    own = {unit: await _own(bench, unit) for unit in UNITS}
    tray = await bench.receive(None, 9)
    secrets = {unit: words | {tray, bench.municipality.units[unit].name} for unit, (_, words) in own.items()}
    return {unit: names for unit, (names, _) in own.items()}, secrets


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Both units remote, so that every call of a remote unit's computer gets past its first question."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    home = tmp_path_factory.mktemp("town")
    place: AbstractAsyncContextManager[Bench] = running(home, town=remote_town(), throttle=Throttle(10**6))
    bench = run(place.__aenter__())
    log, root = io.StringIO(), logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    logs.to_stderr(log)
    found = Town(bench, loop, log, *run(_fill(bench)))
    yield found
    run(place.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    root.handlers[:], root.level, logging.raiseExceptions = before
    structlog.reset_defaults()


def seen(answer: Answer, asked: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Everything that a client can tell of an answer, but the time and the very thing that was asked for."""
    headers = sorted((k, v.replace(asked, "…")) for k, v in answer.headers.items() if k != "Date")
    return answer.status, headers, answer.body.replace(asked.encode(), "…".encode())


def variables(template: str) -> list[str]:
    return re.findall(r"{(\w+)}", template)


def cursors(template: str, method: str) -> bool:
    described = DOCUMENT["paths"].get(template, {}).get(method.lower(), {})
    return any(p["name"] == "after" for p in described.get("parameters", ()))


def test_inv_I7_foreign_and_absent_are_one_answer(town: Town) -> None:
    """Every route with a name in it × every method × both units × every document × any absent name: byte for byte."""
    routes = [(m, t) for m, t in town.routes() if variables(t)]
    assert len({t for _, t in routes}) >= 10

    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=[Phase.generate],
    )
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        template = data.draw(st.sampled_from(sorted({t for _, t in routes})))
        method = data.draw(st.sampled_from(METHODS))
        reader, owner = data.draw(st.sampled_from([UNITS, UNITS[::-1]]))
        (variable,) = variables(template)
        foreign = data.draw(st.sampled_from(town.owned[owner][variable]))
        absent = data.draw(SHAPES[variable])
        answers = []
        for name in (foreign, absent):
            where = target(method, template, **{variable: name}).replace("offset=0", "offset=7")
            answers.append(seen(town.ask(method, where, reader, b"x" if method in {"PUT", "POST"} else None), name))
        assert answers[0] == answers[1]
        assert not any(word in str(answers[0]) for word in town.secrets[owner] - {foreign})

    holds()


def test_every_route_with_a_name_gives_its_owner_something(town: Town) -> None:
    """So that the test above is not about routes that answer nobody."""
    for method, template in town.routes():
        if method in {"GET", "POST"} and variables(template):
            (variable,) = variables(template)
            for unit in UNITS:
                own = town.owned[unit][variable][-1]
                where = target(method, template, **{variable: own}).replace("offset=0&size=3", "offset=3&size=99")
                assert town.ask(method, where, unit).status == 200, template


def test_inv_I7_nothing_foreign_in_any_answer_or_log_line(town: Town) -> None:
    """Every route without a name, every method, both units: no word of the other's in status, headers, body or log."""
    for method, template in town.routes():
        if variables(template):
            continue
        for reader, owner in (UNITS, UNITS[::-1]):
            before = town.log.tell()
            raw = welfare_invoice("OPIEKI/1/2026") if reader == SCHOOL else school_invoice("SZKOLNA/1/2026")
            answer = town.ask(method, target(method, template), reader, raw if method == "POST" else None)
            said = f"{answer.headers} {answer.body.decode()}"
            # Its own file has the number in it that the other holds: only that, and it was the reader who wrote it.
            secret = {word for word in town.secrets[owner] if word.isupper() or len(word) > 20}
            if method != "POST":
                assert not any(word in said for word in secret), (method, template)
            town.log.seek(before)
            line = town.log.read()
            assert not any(word in line for word in town.secrets[owner]), (method, template)


def test_inv_I7_foreign_and_absent_cursors_are_one_answer(town: Town) -> None:
    """Wherever the description names a cursor, a foreign one is as unknown as one that never was."""
    routes = [(m, t) for m, t in town.routes() if cursors(t, m)]
    assert {t for _, t in routes} >= {"/v1/invoices", "/v1/received", "/v1/changes"}
    absent = ("1a1f82f1e80e7046200c328", "7770001111-20261120-0000000000FF-00", "x", "%00", "-")
    for method, template in routes:
        for reader, owner in (UNITS, UNITS[::-1]):
            names = (*town.owned[owner]["id"], *town.owned[owner]["number"], *absent)
            answers = {str(seen(town.ask(method, f"{template}?after={name}", reader), "…")) for name in names}
            assert len(answers) == 1
            assert "400" in next(iter(answers))


def test_unit_routes_need_a_token(town: Town) -> None:
    """Everything under /v1 is 401 without one, by every method; nothing under /v1 is open by mistake (X21)."""
    for _, template in town.routes():
        some = dict.fromkeys(variables(template), "x")
        for method in METHODS:
            answer = town.ask(method, template.format(**some), None)
            known = (method, template) in town.routes()
            assert (answer.status == 401) == (known and template.startswith("/v1/"))


def test_inv_I7_a_handler_cannot_reach_the_spool() -> None:
    """Handlers get an `Own`; only the guard of the door touches what is behind it, and no handler names the store."""
    folder = Path(drop_point.__file__).parent
    reaching = {}
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        reaching[path.name] = (names & {"BEHIND", "Behind"}, modules & {"spool.store", "spool.access"})
    assert {name for name, (behind, _) in reaching.items() if behind} == {"auth.py", "app.py", "state.py"}
    assert not any(modules for _, modules in reaching.values())


async def test_inv_I7_posting_tells_nothing_of_others(tmp_path: Path) -> None:
    """The refusal of a foreign number reads the same whatever became of the other document."""
    async with running(tmp_path) as bench:
        texts = []
        for n, finish in enumerate((False, True)):
            theirs = (await bench.post(school_invoice(f"X/{n}/2026"), X_File_Name=f"ich-{n}.xml")).json
            if finish:
                await bench.number(theirs["id"], upo=b"<UPO/>")
            answer = await bench.post(welfare_invoice(f"X/{n}/2026"), unit=WELFARE)
            mine = answer.json
            assert answer.status == 409
            for known in ("id", "sha256"):
                assert mine.pop(known) != theirs["id"]
            texts.append(str(mine))
        assert texts[0] == texts[1]


async def test_admin_pages_are_not_on_the_drop_point(tmp_path: Path) -> None:
    """Names and counts of units never appear there."""
    async with running(tmp_path) as bench:
        for path in ("/", "/readyz", "/metrics", "/static/sluza.css"):
            assert (await bench.call("GET", path, unit=None)).status == 404
