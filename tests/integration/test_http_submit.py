"""POST /v1/invoices, sentence by sentence of DESIGN 4.5. Every answer is also held to `/openapi.json` by the bench."""

import asyncio
import io
import zipfile
from pathlib import Path
from urllib.parse import quote

import pysqlite3
import pytest

from gateway.http.body import MAX_XML, Room
from gateway.http.problems import CONTENT_TYPE
from gateway.http.throttle import Throttle
from spool.domain.states import State
from spool.workers import WorkerCrashed
from tests.http_bench import NOW, SCHOOL, TOKENS, WELFARE, municipality, running, school_invoice, welfare_invoice
from tests.invoices import sized

INVOICE = school_invoice()


def zipped(**entries: bytes) -> bytes:
    """A ZIP with these names (`.xml` is added)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, raw in entries.items():
            archive.writestr(f"{name}.xml", raw)
    return packed.getvalue()


async def test_accepted_is_202_with_location(tmp_path: Path) -> None:
    """202 carries id, sha256, state, mode and due, and says where the document is."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE)
        document = await bench.document(answer.json["id"])
        assert answer.status == 202
        assert answer.headers["Location"] == f"/v1/invoices/{document.id}"
        assert answer.json == {
            "id": document.id,
            "sha256": document.sha256,
            "state": "QUEUED",
            "mode": "online",
            "due": "2026-11-20T23:59:59+01:00",
        }
        assert await bench.spool.read(lambda store: store.body(document.sha256)) == INVOICE


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml",
        "text/xml; charset=utf-8",
        "application/zip",
        "application/octet-stream",
        "Application/XML",
        "",
    ],
)
async def test_these_content_types_are_taken(tmp_path: Path, content_type: str) -> None:
    """XML, ZIP, octets or no Content-Type at all: the bytes decide."""
    async with running(tmp_path) as bench:
        assert (await bench.post(INVOICE, Content_Type=content_type)).status == 202


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_other_content_types_are_415(tmp_path: Path, content_type: str) -> None:
    """Anything else is refused before it is read, and the answer names what is taken."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE, Content_Type=content_type)
        assert answer.status == 415
        assert "application/xml" in answer.json["detail"]
        assert await bench.stored() == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_compressed_bodies_are_415(tmp_path: Path, encoding: str) -> None:
    """No Content-Encoding is taken: nothing is inflated outside a worker (X16)."""
    async with running(tmp_path) as bench:
        answer = await bench.call(
            "POST", "/v1/invoices", data=b"\x1f\x8b\x08junk", headers={"Content-Encoding": encoding, "Content-Type": ""}
        )
        assert (answer.status, answer.json["code"]) == (415, "bad_encoding")


async def test_same_bytes_again_are_200_with_the_same_id(tmp_path: Path) -> None:
    """A repeat while it waits, and a repeat after it has its number, give the first id; nothing new is stored."""
    async with running(tmp_path) as bench:
        first = await bench.post(INVOICE)
        again = await bench.post(INVOICE, X_File_Name="inna.xml")
        assert (again.status, again.json) == (200, first.json)
        await bench.number(first.json["id"], upo=b"<UPO/>")
        late = await bench.post(INVOICE)
        assert (late.status, late.json["id"], late.json["state"]) == (200, first.json["id"], "DELIVERED")
        assert await bench.stored() == 1


async def test_fault_D08_lost_answer_same_key_same_bytes(tmp_path: Path) -> None:  # noqa: N802
    """The client lost the 202 and repeats key and bytes: the same answer, one document."""
    async with running(tmp_path) as bench:
        first = await bench.post(INVOICE, Idempotency_Key="k-1")
        again = await bench.post(INVOICE, Idempotency_Key="k-1")
        assert (first.status, again.status) == (202, 200)
        assert again.json == first.json
        assert await bench.stored() == 1


async def test_fault_D08_connection_lost_around_the_answer(tmp_path: Path) -> None:  # noqa: N802
    """The connection dies at some moment after the last byte: stored or not, a repeat leads to one document."""
    async with running(tmp_path) as bench:
        for n in range(24):
            raw = school_invoice(f"SP1/{n}/2026")
            _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
            head = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[SCHOOL]}\r\n"
            writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            await writer.drain()
            await asyncio.sleep(n * 0.0005)
            writer.transport.abort()
            assert (await bench.post(raw)).status in {200, 202}
            assert await bench.stored() == n + 1


async def test_simultaneous_repeats_make_one_document(tmp_path: Path) -> None:
    """Impatient clients: twenty at once with the same bytes get one id, one of them 202."""
    async with running(tmp_path) as bench:
        answers = await asyncio.gather(*(bench.post(INVOICE) for _ in range(20)))
        assert sorted(a.status for a in answers) == [200] * 19 + [202]
        assert len({a.json["id"] for a in answers}) == 1


async def test_key_reused_with_other_bytes_is_409(tmp_path: Path) -> None:
    """An Idempotency-Key belongs to its bytes; another unit may use the same key."""
    async with running(tmp_path) as bench:
        await bench.post(INVOICE, Idempotency_Key="k-1")
        other = await bench.post(school_invoice("SP1/2/2026"), Idempotency_Key="k-1")
        assert (other.status, other.json["errors"][0]["code"]) == (409, "idempotency_key_reused")
        assert await bench.stored() == 1
        assert (await bench.post(welfare_invoice(), unit=WELFARE, Idempotency_Key="k-1")).status == 202


@pytest.mark.parametrize("key", ["", "a b", "ą", "x" * 201])
async def test_malformed_key_is_400(tmp_path: Path, key: str) -> None:
    """A key that we could not compare exactly is refused, not ignored."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE, Idempotency_Key=key)
        assert (answer.status, answer.json["code"]) == (400, "bad_key")
        assert await bench.stored() == 0


async def test_fault_D05_number_taken_is_409(tmp_path: Path) -> None:  # noqa: N802
    """The same number with other bytes is refused and names the first document, which is the unit's own."""
    async with running(tmp_path) as bench:
        await bench.post(INVOICE, X_File_Name="pierwsza.xml")
        answer = await bench.post(school_invoice(footer="inna"))
        assert (answer.status, answer.json["errors"][0]["code"]) == (409, "number_taken")
        assert "pierwsza.xml" in str(answer.json["errors"])


async def test_foreign_number_and_foreign_bytes_are_409_and_neutral(tmp_path: Path) -> None:
    """Held by another unit: 409 with a sentence that names no unit, id, date or state of the other (I7)."""
    async with running(tmp_path) as bench:
        first = (await bench.post(INVOICE, X_File_Name="tajna-nazwa.xml")).json
        for raw in (INVOICE, welfare_invoice("SP1/1/2026")):
            answer = await bench.post(raw, unit=WELFARE)
            text = answer.body.decode()
            assert answer.status == 409
            assert first["id"] not in text
            assert not any(word in text for word in (SCHOOL, "Szkoła", "tajna", "QUEUED"))


async def test_refused_is_422_with_errors(tmp_path: Path) -> None:
    """problem+json; each error has code, field, line, message and hint; the bytes are kept under an id (I10)."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE.replace(b"<KodWaluty>PLN", b"<KodWaluty>ZZZ"))
        assert answer.status == 422
        assert answer.headers["Content-Type"].startswith(CONTENT_TYPE)
        error = answer.json["errors"][0]
        assert set(error) == {"code", "field", "line", "message", "hint"}
        assert error["code"] == "bad_currency"
        assert error["line"] > 1
        kept = await bench.call("GET", f"/v1/invoices/{answer.json['id']}/xml")
        assert kept.status == 200


async def test_refused_can_be_sent_again(tmp_path: Path) -> None:
    """The same refused bytes are judged again: still refused, same id."""
    async with running(tmp_path) as bench:
        first, again = await bench.post(b"<a/>"), await bench.post(b"<a/>")
        assert (first.status, again.status) == (422, 422)
        assert first.json["id"] == again.json["id"]


async def test_empty_body_is_refused(tmp_path: Path) -> None:
    """Content-Length 0 is a length: the refusal says that the file is empty."""
    async with running(tmp_path) as bench:
        answer = await bench.call(
            "POST", "/v1/invoices", data=b"", headers={"Content-Length": "0", "Content-Type": "application/xml"}
        )
        assert (answer.status, answer.json["errors"][0]["code"]) == (422, "empty_file")


async def test_file_name_is_percent_encoded_utf8(tmp_path: Path) -> None:
    """X-File-Name is decoded and kept as the unit's label, odd characters included (X08)."""
    async with running(tmp_path) as bench:
        name = "../żółć\r\n;\u202e.xml"
        answer = await bench.post(INVOICE, X_File_Name=quote(name))
        document = await bench.document(answer.json["id"])
        assert document.source_name == name
        assert "/" not in document.name


@pytest.mark.parametrize("name", ["%ff%fe", "%C5", "a" * 256])
async def test_bad_file_name_is_400(tmp_path: Path, name: str) -> None:
    """Not UTF-8, or too long."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE, X_File_Name=name)
        assert (answer.status, answer.json["code"]) == (400, "bad_file_name")
        assert await bench.stored() == 0


async def test_offline24_where_allowed(tmp_path: Path) -> None:
    """?offline24=true issues in that mode, due on the next working day."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE, query="?offline24=true")
        assert (answer.status, answer.json["mode"]) == (202, "offline24")
        assert answer.json["due"].startswith("2026-11-23T23:59:59")


async def test_offline24_where_not_allowed_is_422(tmp_path: Path) -> None:
    """The town's policy decides; nothing is silently sent online instead."""
    async with running(tmp_path, offline24="refused") as bench:
        answer = await bench.post(INVOICE, query="?offline24=true")
        assert (answer.status, answer.json["errors"][0]["code"]) == (422, "offline24_not_allowed")


@pytest.mark.parametrize(
    "query", ["?offline24=yes", "?offline24=", "?ofline24=true", "?offline24=true&offline24=false"]
)
async def test_mistyped_parameters_are_400(tmp_path: Path, query: str) -> None:
    """A typing error must not turn an offline invoice into an online one."""
    async with running(tmp_path) as bench:
        answer = await bench.post(INVOICE, query=query)
        assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
        assert await bench.stored() == 0


async def test_xml_over_the_cap_is_413(tmp_path: Path) -> None:
    """3 000 000 bytes are read and judged; one more is not, whether the length is announced, hidden or mislabelled."""
    async with running(tmp_path) as bench:
        raw = sized(INVOICE, MAX_XML)
        assert (await bench.post(raw)).status == 422  # too big for an invoice without attachment: KSeF's rule
        more = sized(INVOICE, MAX_XML + 1)

        async def chunks():
            for start in range(0, len(more), 65536):
                yield more[start : start + 65536]

        for data in (more, chunks()):
            answer = await bench.post(data)
            assert (answer.status, answer.json["code"]) == (413, "too_big")
        assert (await bench.post(more, Content_Type="application/octet-stream")).status == 413
        assert (await bench.post(more, Content_Type="application/zip")).status == 413
        assert await bench.stored() == 1


async def test_zip_over_the_cap_is_413_from_its_length_alone(tmp_path: Path) -> None:
    """50 000 001 announced bytes are refused before any of them is read."""
    async with running(tmp_path) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(
            f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[SCHOOL]}\r\n"
            "Content-Type: application/zip\r\nContent-Length: 50000001\r\n\r\n".encode()
        )
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 2)
        writer.close()


async def test_no_length_is_411(tmp_path: Path) -> None:
    """Neither Content-Length nor chunks: we cannot know whether there is a body."""
    async with running(tmp_path) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(
            f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[SCHOOL]}\r\n\r\n".encode()
        )
        assert b" 411 " in await asyncio.wait_for(reader.readline(), 2)
        writer.close()


async def test_zip_with_one_good_entry_is_202(tmp_path: Path) -> None:
    """Each entry has its line: id, sha256, state, due, or its errors."""
    async with running(tmp_path) as bench:
        raw = zipped(a=INVOICE, b=b"<zle/>", c=school_invoice("SP1/2/2026"))
        answer = await bench.post(raw, Content_Type="application/zip")
        assert answer.status == 202
        first, bad, second = answer.json["documents"]
        assert set(first) == {"name", "id", "sha256", "state", "due"}
        assert (first["name"], second["name"]) == ("a.xml", "c.xml")
        assert set(bad) == {"name", "errors"}
        assert bad["errors"][0]["message"]
        again = await bench.post(raw, Content_Type="application/zip")
        assert again.status == 202
        assert again.json["documents"][0]["id"] == first["id"]
        assert (await bench.spool.read(lambda store: store.counts()))[State.QUEUED] == 2


async def test_zip_without_a_good_entry_is_422(tmp_path: Path) -> None:
    """All refused: the problem lists the entries and all their errors."""
    async with running(tmp_path) as bench:
        answer = await bench.post(zipped(a=b"<a/>", b=b"<b/>"), Content_Type="application/zip")
        assert answer.status == 422
        assert [e["name"] for e in answer.json["documents"]] == ["a.xml", "b.xml"]
        assert len(answer.json["errors"]) >= 2


async def test_broken_zip_is_422_and_not_kept(tmp_path: Path) -> None:
    """An archive that cannot be opened is refused as a whole."""
    async with running(tmp_path) as bench:
        answer = await bench.post(zipped(a=INVOICE)[:-10], Content_Type="application/zip")
        assert answer.status == 422
        assert "documents" not in answer.json
        assert await bench.stored() == 0


async def test_zip_with_a_reused_key_is_409(tmp_path: Path) -> None:
    """The key belongs to the whole archive."""
    async with running(tmp_path) as bench:
        await bench.post(INVOICE, Idempotency_Key="k")
        answer = await bench.post(zipped(a=school_invoice("SP1/2/2026")), Idempotency_Key="k")
        assert (answer.status, answer.json["errors"][0]["code"]) == (409, "idempotency_key_reused")
        assert await bench.stored() == 1


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dTpw", "Bearer a b", f"Token {TOKENS[SCHOOL]}", "Bearer ą"],
)
async def test_without_a_valid_token_is_401(tmp_path: Path, authorization: str | None) -> None:
    """Missing, malformed and unknown tokens get one and the same answer, with a challenge."""
    async with running(tmp_path) as bench:
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await bench.call("POST", "/v1/invoices", unit=None, data=INVOICE, headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["code"] == "unauthorized"
        assert await bench.stored() == 0


async def test_revoked_token_is_401_at_once(tmp_path: Path) -> None:
    """Revocation needs no restart (D13)."""
    async with running(tmp_path) as bench:
        assert (await bench.call("GET", "/v1/invoices")).status == 200
        await bench.spool.write(lambda store: store.revoke_tokens(SCHOOL, NOW, "test"))
        assert (await bench.call("GET", "/v1/invoices")).status == 401


async def test_unit_no_longer_configured_is_403(tmp_path: Path) -> None:
    """The token is known, its unit is not."""
    town = municipality()
    town.units.pop(SCHOOL)
    async with running(tmp_path, town=town) as bench:
        assert (await bench.post(INVOICE)).status == 403


async def test_too_many_bad_tokens_are_429_and_the_owner_still_gets_in(tmp_path: Path) -> None:
    """The brake is for failures only: a good token from the same address passes (X17)."""
    async with running(tmp_path, throttle=Throttle(allowed=3, window_s=60)) as bench:
        bad = {"Authorization": "Bearer nobody"}
        statuses = [(await bench.call("GET", "/v1/invoices", unit=None, headers=bad)).status for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        last = await bench.call("GET", "/v1/invoices", unit=None, headers=bad)
        assert 1 <= int(last.headers["Retry-After"]) <= 60
        assert (await bench.call("GET", "/v1/invoices")).status == 200


async def test_full_disk_is_507(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLITE_FULL at the commit: 507, no promise, and the same request succeeds when there is room (F04)."""
    async with running(tmp_path) as bench:
        full = pysqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"  # type: ignore[attr-defined]

        async def fail(_job: object) -> None:
            raise full

        with monkeypatch.context() as patch:
            patch.setattr(bench.spool, "write", fail)
            answer = await bench.post(INVOICE)
            assert (answer.status, answer.json["code"]) == (507, "disk_full")
            assert "Retry-After" in answer.headers
        assert await bench.stored() == 0
        assert (await bench.post(INVOICE)).status == 202


async def test_closing_spool_is_503(tmp_path: Path) -> None:
    """While the spool closes nothing is promised; the answer says when to come back."""
    async with running(tmp_path) as bench:
        bench.spool._closing.set()
        try:
            answer = await bench.post(INVOICE)
        finally:
            bench.spool._closing.clear()
        assert (answer.status, answer.json["code"]) == (503, "busy")
        assert int(answer.headers["Retry-After"]) > 0


async def test_no_room_for_more_bodies_is_503(tmp_path: Path) -> None:
    """What all clients together may keep in memory is bounded, and given back."""
    async with running(tmp_path, room=Room(len(INVOICE))) as bench:
        assert (await bench.post(INVOICE + b" ")).status == 503
        assert (await bench.post(INVOICE)).status == 202
        assert (await bench.post(INVOICE)).status == 200


async def test_dying_worker_refuses_the_document_only(tmp_path: Path) -> None:
    """A document that kills its worker is refused with a sentence; the next one is taken."""
    async with running(tmp_path) as bench:
        bench.workers.fail = WorkerCrashed("x")
        answer = await bench.post(INVOICE)
        assert (answer.status, answer.json["errors"][0]["code"]) == (422, "worker_crashed")
        bench.workers.fail = None
        assert (await bench.post(school_invoice("SP1/2/2026"))).status == 202


async def test_unforeseen_errors_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 without a traceback, a path or the words of the exception."""
    async with running(tmp_path) as bench:

        async def fail(_job: object) -> None:
            raise RuntimeError("secret detail")

        with monkeypatch.context() as patch:
            patch.setattr(bench.spool, "write", fail)
            answer = await bench.post(INVOICE)
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert b"secret" not in answer.body
        assert b"Traceback" not in answer.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(tmp_path: Path, method: str) -> None:
    """With the methods that are there."""
    async with running(tmp_path) as bench:
        answer = await bench.call(method, "/v1/invoices")
        assert answer.status == 405
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(","))
        assert answer.json["code"] == "method_not_allowed"


async def test_refused_upload_is_never_asked_for(tmp_path: Path) -> None:
    """Expect: 100-continue is answered only when token and headers are in order."""
    async with running(tmp_path) as bench:
        for token, first in (("nobody", b" 401 "), (TOKENS[SCHOOL], b" 100 ")):
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
            writer.write(
                f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Length: {len(INVOICE)}\r\nExpect: 100-continue\r\n\r\n".encode()
            )
            assert first in await asyncio.wait_for(reader.readline(), 2)
            if first == b" 100 ":
                await reader.readline()
                writer.write(INVOICE)
                assert b" 202 " in await asyncio.wait_for(reader.readline(), 2)
            writer.close()
        answer = await bench.call("POST", "/v1/invoices", data=INVOICE, headers={"Expect": "magic", "Content-Type": ""})
        assert answer.status == 417
