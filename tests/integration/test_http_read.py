"""Reading over HTTP: results, files, history, lists; what a unit's program sees of its own documents."""

from pathlib import Path
from typing import Any

import pytest

from gateway.http.app import ROUTES
from gateway.http.openapi import DOCUMENT
from gateway.results import SCHEMA
from spool.bodies import sha256_hex
from spool.workers import WorkerTimeout
from tests import http_bench
from tests.http_bench import NOW, SCHOOL, WELFARE, Bench, remote_town, running, school_invoice, target, welfare_invoice

INVOICE = school_invoice()
UPO = b'<?xml version="1.0"?><Potwierdzenie/>'


async def posted(bench: Bench, number: str = "SP1/1/2026", **headers: str) -> str:
    """The id of one more document of the school."""
    return str((await bench.post(school_invoice(number), **headers)).json["id"])


async def filled(bench: Bench) -> dict[str, str]:
    """One of everything that a path may name, of the school, whose computer has its seat."""
    await bench.call("PUT", "/v1/seat?computer=ksiegowosc")
    bench.register(SCHOOL, "2026-11.csv")
    known = {"id": await posted(bench), "number": await bench.receive(SCHOOL), "name": "2026-11.csv"}
    return known | {"sha256": sha256_hex(b"abc")}


async def test_result_is_the_folders_result(tmp_path: Path) -> None:
    """GET /v1/invoices/{id} is `sluza-result/1`."""
    async with running(tmp_path) as bench:
        document_id = await posted(bench, X_File_Name="f.xml")
        found = (await bench.call("GET", f"/v1/invoices/{document_id}")).json
        assert (found["schema"], found["id"], found["source_name"]) == (SCHEMA, document_id, "f.xml")
        assert (found["state"], found["ksef_number"], found["errors"]) == ("QUEUED", None, [])
        number = await bench.number(document_id, upo=UPO)
        found = (await bench.call("GET", f"/v1/invoices/{document_id}")).json
        assert (found["state"], found["ksef_number"], found["upo_sha256"]) == ("DELIVERED", number, sha256_hex(UPO))


async def test_xml_is_the_exact_bytes(tmp_path: Path) -> None:
    """The bytes as received, their hash as ETag and X-Sha256, to be saved and not shown."""
    async with running(tmp_path) as bench:
        answer = await bench.call("GET", f"/v1/invoices/{await posted(bench, X_File_Name='%C5%82.xml')}/xml")
        assert (answer.status, answer.body) == (200, INVOICE)
        assert answer.headers["Content-Type"] == "application/xml"
        assert answer.headers["ETag"] == f'"{sha256_hex(INVOICE)}"'
        assert answer.headers["X-Sha256"] == sha256_hex(INVOICE)
        assert answer.headers["Content-Disposition"] == "attachment; filename=\"_.xml\"; filename*=UTF-8''%C5%82.xml"


async def test_upo_is_404_until_stored(tmp_path: Path) -> None:
    """The 404 says when to expect it; afterwards the UPO's exact bytes."""
    async with running(tmp_path) as bench:
        document_id = await posted(bench)
        early = await bench.call("GET", f"/v1/invoices/{document_id}/upo")
        assert (early.status, early.json["code"], early.json["state"]) == (404, "upo_not_yet", "QUEUED")
        assert "kilku minut" in early.json["detail"]
        await bench.number(document_id, upo=UPO)
        answer = await bench.call("GET", f"/v1/invoices/{document_id}/upo")
        assert (answer.status, answer.body) == (200, UPO)


async def test_pdf_is_made_on_demand(tmp_path: Path) -> None:
    """A PDF in every state; of a refused document, too, without a code."""
    async with running(tmp_path) as bench:
        refused = (await bench.post(INVOICE.replace(b"<KodWaluty>PLN", b"<KodWaluty>ZZZ"))).json["id"]
        for document_id in (await posted(bench), refused):
            answer = await bench.call("GET", f"/v1/invoices/{document_id}/pdf")
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
            assert answer.body.startswith(b"%PDF-")
            assert (b"/invoice/5080014460" in answer.body) == (document_id != refused)


async def test_pdf_of_what_is_no_xml_is_404(tmp_path: Path) -> None:
    """The original can still be had as it came."""
    async with running(tmp_path) as bench:
        refused = (await bench.post(b"%PDF-1.4 not an invoice")).json["id"]
        answer = await bench.call("GET", f"/v1/invoices/{refused}/pdf")
        assert (answer.status, answer.json["code"]) == (404, "pdf_unreadable")
        assert (await bench.call("GET", f"/v1/invoices/{refused}/xml")).status == 200


async def test_pdf_that_takes_too_long_is_503(tmp_path: Path) -> None:
    """A worker that gave up is no verdict on the document."""
    async with running(tmp_path) as bench:
        document_id = await posted(bench)
        bench.workers.fail = WorkerTimeout(20)
        answer = await bench.call("GET", f"/v1/invoices/{document_id}/pdf")
        assert (answer.status, answer.json["code"]) == (503, "pdf_later")
        assert "Retry-After" in answer.headers


async def test_history_is_oldest_first(tmp_path: Path) -> None:
    """Every move with its instant and sentence; a repeat is an event, too."""
    async with running(tmp_path) as bench:
        document_id = await posted(bench)
        await posted(bench)
        await bench.number(document_id)
        found = (await bench.call("GET", f"/v1/invoices/{document_id}/history")).json
        assert found["id"] == document_id
        assert [s["state"] for s in found["history"]] == ["QUEUED", "QUEUED", "SENDING", "SUBMITTED", "ACCEPTED"]
        assert all(s["note"] and s["at"].endswith("+01:00") for s in found["history"])


async def test_damaged_body_is_500_with_a_sentence(tmp_path: Path) -> None:
    """Bit rot is found on the way out and never handed over (F10)."""
    async with running(tmp_path) as bench:
        document_id = await posted(bench)
        await bench.spool.write(lambda store: store._db.execute("UPDATE body SET packed = x'00'"))
        answer = await bench.call("GET", f"/v1/invoices/{document_id}/xml")
        assert (answer.status, answer.json["code"]) == (500, "body_damaged")


async def test_list_pages_through_everything_once(tmp_path: Path) -> None:
    """In order of arrival; `next` is null on the last page, and the last id still finds what comes later."""
    async with running(tmp_path) as bench:
        ids = []
        for n in range(5):
            ids.append(await posted(bench, f"SP1/{n}/2026"))
            await bench.post(welfare_invoice(f"GOPS/{n}/2026"), unit=WELFARE)
        seen, after = [], ""
        while True:
            page = (await bench.call("GET", f"/v1/invoices?limit=2&after={after}")).json
            seen += [row["id"] for row in page["invoices"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert seen == ids
        later = await posted(bench, "SP1/99/2026")
        page = (await bench.call("GET", f"/v1/invoices?after={ids[-1]}")).json
        assert [row["id"] for row in page["invoices"]] == [later]
        assert (await bench.call("GET", f"/v1/invoices?after={later}")).json == {"invoices": [], "next": None}


async def test_cursors_do_not_count_other_units(tmp_path: Path) -> None:
    """No answer carries the spool's own sequence, from which the volume of others could be read (I7)."""
    async with running(tmp_path) as bench:
        first = await posted(bench, "SP1/1/2026")
        last = await posted(bench, "SP1/2/2026")
        page = (await bench.call("GET", "/v1/invoices?limit=1")).json
        assert page["next"] == first
        assert last
        assert "seq" not in str(page)


async def test_empty_list_parameters_mean_not_given(tmp_path: Path) -> None:
    """DESIGN 4.5 writes the calls so, and a program may keep the empty parts."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice())
        answer = await bench.call("GET", "/v1/invoices?state=&after=")
        assert (answer.status, len(answer.json["invoices"])) == (200, 1)
        assert (await bench.call("GET", "/v1/received?after=")).status == 200


async def test_list_by_state(tmp_path: Path) -> None:
    """`state` repeated or with commas."""
    async with running(tmp_path) as bench:
        queued, numbered = await posted(bench, "SP1/1/2026"), await posted(bench, "SP1/2/2026")
        await bench.number(numbered, upo=UPO)

        async def ids(query: str) -> list[str]:
            rows = (await bench.call("GET", f"/v1/invoices?{query}")).json["invoices"]
            return [row["id"] for row in rows]

        assert await ids("state=QUEUED") == [queued]
        assert await ids("state=DELIVERED") == [numbered]
        assert await ids("state=QUEUED&state=DELIVERED") == await ids("state=QUEUED,DELIVERED") == [queued, numbered]
        assert await ids("state=HELD") == []


@pytest.mark.parametrize(
    "query", ["state=queued", "state=QUEUED,", "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=%C2%B2",
              "after=nothing", "after=a&after=b", "unit=gops", "after=%00"],
)  # fmt: skip
async def test_bad_list_parameters_are_400(tmp_path: Path, query: str) -> None:
    """Each with the parameter's name and what is allowed."""
    async with running(tmp_path) as bench:
        for path in ("/v1/invoices", "/v1/received"):
            if "state" in query and path == "/v1/received":
                continue
            answer = await bench.call("GET", f"{path}?{query}")
            assert (answer.status, answer.json["code"]) == (400, "bad_parameter")


async def test_received_list_and_files(tmp_path: Path) -> None:
    """Only what was routed to the unit; the central tray is nobody's."""
    async with running(tmp_path) as bench:
        first = await bench.receive(SCHOOL, 1)
        await bench.receive(WELFARE, 2)
        await bench.receive(None, 3)
        second = await bench.receive(SCHOOL, 4)
        page = (await bench.call("GET", "/v1/received?limit=1")).json
        assert [row["ksef_number"] for row in page["received"]] == [first]
        assert page["next"] == first
        page = (await bench.call("GET", f"/v1/received?after={first}")).json
        assert [row["ksef_number"] for row in page["received"]] == [second]
        assert page["next"] is None
        row: dict[str, Any] = page["received"][0]
        assert (row["seller_nip"], row["gross"], row["number"]) == ("7770001111", "123.00", "FZ/4/2026")
        xml = await bench.call("GET", f"/v1/received/{first}/xml")
        assert (xml.status, sha256_hex(xml.body)) == (200, xml.headers["X-Sha256"])
        pdf = await bench.call("GET", f"/v1/received/{first}/pdf")
        assert (pdf.status, pdf.body[:5]) == (200, b"%PDF-")


async def test_alive_without_numbers(tmp_path: Path) -> None:
    """/healthz needs no token and says nothing but ok."""
    async with running(tmp_path) as bench:
        answer = await bench.call("GET", "/healthz", unit=None)
        assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_description_is_served(tmp_path: Path) -> None:
    """/openapi.json needs no token and is the description that these tests hold the answers to."""
    async with running(tmp_path) as bench:
        answer = await bench.call("GET", "/openapi.json", unit=None)
        assert answer.json == DOCUMENT


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    """Every GET answers HEAD with the same status and headers."""
    async with running(tmp_path, town=remote_town()) as bench:
        known = await filled(bench)
        for method, path, _ in ROUTES:
            if method == "GET":
                where = target("GET", path, **known)
                get, head = await bench.call("GET", where), await bench.call("HEAD", where)
                assert (head.status, head.body) == (get.status, b"")
                skip = {"Date"}
                assert {k: v for k, v in head.headers.items() if k not in skip} == {
                    k: v for k, v in get.headers.items() if k not in skip
                }


async def test_every_route_was_held_to_the_description(tmp_path: Path) -> None:
    """Each described operation gives its success here, and the bench compares it with the schemas."""
    async with running(tmp_path, town=remote_town()) as bench:
        http_bench.SEEN.clear()
        known = await filled(bench)
        await bench.number(known["id"], upo=UPO)
        for method, path, _ in ROUTES:
            if (method, path) != ("POST", "/v1/invoices"):
                raw = b"abc" if "uploads" in path and method == "POST" else None
                answer = await bench.call(method, target(method, path, **known), data=raw)
                # Three bytes are no invoice: whole they were, and refused for it.
                assert answer.status == (422 if raw else 200), (method, path, answer.body)
        piece = f"/v1/uploads/{'0' * 64}?offset=0&size=9"
        assert (await bench.call("POST", piece, data=b"abc")).json == {"received": 3}
        described = {(m.upper(), p) for p, item in DOCUMENT["paths"].items() for m in item}
        assert {(m, p) for m, p, status in http_bench.SEEN if status < 300} == described


async def test_security_headers_are_on_every_answer(tmp_path: Path) -> None:
    """Success, refusal, unknown path: nosniff, a policy that allows nothing, no caching, no version."""
    async with running(tmp_path) as bench:
        for path, unit in (("/v1/invoices", SCHOOL), ("/v1/invoices", None), ("/nothing", None), ("/healthz", None)):
            answer = await bench.call("GET", path, unit=unit)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "sluza"


async def test_odd_ids_are_404(tmp_path: Path) -> None:
    """Whatever stands in the path is only a key to look up."""
    async with running(tmp_path) as bench:
        for odd in ("x", "%00", "%ff", "..%2f..%2fetc", "a" * 2000, "'%20OR%201=1", "%F0%9F%98%80", "%ed%a0%80"):
            for path in (f"/v1/invoices/{odd}", f"/v1/received/{odd}/xml"):
                assert (await bench.call("GET", path)).status == 404, odd
        assert NOW
