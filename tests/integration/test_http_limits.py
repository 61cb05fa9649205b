"""What the drop-point refuses before or beside intake: types, sizes, tokens, no room, no disk, unknown methods."""

import asyncio
from pathlib import Path

import pytest

from gateway.http.body import Room
from gateway.http.throttle import Throttle
from gateway.sizes import MAX_XML
from sluza.samples import sized
from spool import room
from spool.workers import WorkerCrashed
from tests.http_bench import NOW, SCHOOL, TOKENS, municipality, running, school_invoice

INVOICE = school_invoice()


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
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()


async def test_no_length_is_411(tmp_path: Path) -> None:
    """Neither Content-Length nor chunks: we cannot know whether there is a body."""
    async with running(tmp_path) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(
            f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[SCHOOL]}\r\n\r\n".encode()
        )
        assert b" 411 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()


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
    """No room at the commit: 507, no promise, and the same request succeeds when there is room (F04)."""
    async with running(tmp_path) as bench:

        async def fail(_job: object) -> None:
            raise room.full(room.QUEUE, 0)

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


async def test_dying_worker_refuses_the_document_only_at_the_third_time(tmp_path: Path) -> None:
    """A document that kills its worker may come again; at the third time it is refused. The next one is taken."""
    async with running(tmp_path) as bench:
        bench.workers.fail = WorkerCrashed("x")
        for _ in range(2):
            answer = await bench.post(INVOICE)
            assert (answer.status, answer.json["code"]) == (503, "busy")
            assert int(answer.headers["Retry-After"]) > 0
            assert await bench.stored() == 0
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
            assert first in await asyncio.wait_for(reader.readline(), 30)
            if first == b" 100 ":
                await reader.readline()
                writer.write(INVOICE)
                assert b" 202 " in await asyncio.wait_for(reader.readline(), 30)
            writer.close()
        answer = await bench.call("POST", "/v1/invoices", data=INVOICE, headers={"Expect": "magic", "Content-Type": ""})
        assert answer.status == 417
