"""No unit ever sees another's document (X20, I7): for every route and document, foreign and absent look the same."""

from pathlib import Path

import pytest

from gateway.http.app import ROUTES
from tests.http_bench import SCHOOL, WELFARE, Answer, Bench, running, school_invoice, welfare_invoice

ABSENT_IDS = ("1a1f82f1e80e7046200c328", "0" * 23, "f" * 23, "x", "%00")
ABSENT_NUMBERS = ("7770001111-20261120-0000000000FF-00", "x", "%00")
BY_ID = [path for method, path, _ in ROUTES if "{id}" in path]
BY_NUMBER = [path for method, path, _ in ROUTES if "{number}" in path]


def seen(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """Everything that a client can tell of an answer, but the time."""
    return answer.status, sorted((k, v) for k, v in answer.headers.items() if k != "Date"), answer.body


async def documents_of(bench: Bench, unit: str) -> list[str]:
    """One document of this unit in each of the states that routes treat differently."""
    make, prefix = (school_invoice, "SP1") if unit == SCHOOL else (welfare_invoice, "GOPS")
    refused = await bench.post(f"<{unit}/>".encode(), unit=unit)
    queued = await bench.post(make(f"{prefix}/1/2026"), unit=unit)
    numbered = await bench.post(make(f"{prefix}/2/2026"), unit=unit)
    delivered = await bench.post(make(f"{prefix}/3/2026"), unit=unit)
    await bench.number(numbered.json["id"])
    await bench.number(delivered.json["id"], upo=b"<UPO/>")
    return [a.json["id"] for a in (refused, queued, numbered, delivered)]


async def test_inv_I7_foreign_and_absent_documents_are_the_same_answer(tmp_path: Path) -> None:
    """Two units × all routes with an id × documents in every kind of state, byte for byte, GET and HEAD."""
    async with running(tmp_path) as bench:
        owned = {unit: await documents_of(bench, unit) for unit in (SCHOOL, WELFARE)}
        for reader, owner in ((SCHOOL, WELFARE), (WELFARE, SCHOOL)):
            for path in BY_ID:
                for method in ("GET", "HEAD"):
                    absent = {str(seen(await bench.call(method, path.format(id=i), unit=reader))) for i in ABSENT_IDS}
                    foreign = {
                        str(seen(await bench.call(method, path.format(id=i), unit=reader))) for i in owned[owner]
                    }
                    assert absent == foreign
                    assert len(absent) == 1
            for document_id in owned[owner]:
                assert (await bench.call("GET", f"/v1/invoices/{document_id}", unit=owner)).status == 200


async def test_inv_I7_foreign_and_absent_received_are_the_same_answer(tmp_path: Path) -> None:
    """Other units' purchases and the central tray look like nothing at all."""
    async with running(tmp_path) as bench:
        school, tray = await bench.receive(SCHOOL, 1), await bench.receive(None, 2)
        for path in BY_NUMBER:
            answers = {
                str(seen(await bench.call("GET", path.format(number=n), unit=WELFARE)))
                for n in (school, tray, *ABSENT_NUMBERS)
            }
            assert len(answers) == 1
            assert (await bench.call("GET", path.format(number=school), unit=SCHOOL)).status == 200


@pytest.mark.parametrize("path", ["/v1/invoices", "/v1/received"])
async def test_inv_I7_lists_and_cursors(tmp_path: Path, path: str) -> None:
    """A list has only the unit's own rows, and a foreign cursor is as unknown as an absent one."""
    async with running(tmp_path) as bench:
        owned = {unit: await documents_of(bench, unit) for unit in (SCHOOL, WELFARE)}
        numbers = {unit: await bench.receive(unit, i) for i, unit in enumerate((SCHOOL, WELFARE), 1)}
        tray = await bench.receive(None, 3)
        for reader, owner in ((SCHOOL, WELFARE), (WELFARE, SCHOOL)):
            text = (await bench.call("GET", path, unit=reader)).body.decode()
            assert not any(secret in text for secret in (*owned[owner], numbers[owner], tray, owner))
            cursors = (*owned[owner], numbers[owner], tray, *ABSENT_IDS)
            answers = {str(seen(await bench.call("GET", f"{path}?after={c}", unit=reader))) for c in cursors}
            assert len(answers) == 1


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


async def test_unit_routes_need_a_token(tmp_path: Path) -> None:
    """Every route under /v1 is 401 without one; nothing under /v1 is open by mistake (X21)."""
    async with running(tmp_path) as bench:
        for method, path, _ in ROUTES:
            answer = await bench.call(method, path.format(id="x", number="x"), unit=None)
            assert (answer.status == 401) == path.startswith("/v1/")


async def test_admin_pages_are_not_on_the_drop_point(tmp_path: Path) -> None:
    """Names and counts of units never appear there."""
    async with running(tmp_path) as bench:
        for path in ("/", "/readyz", "/metrics", "/static/sluza.css"):
            assert (await bench.call("GET", path, unit=None)).status == 404
