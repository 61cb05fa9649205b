"""POST /v1/invoices, sentence by sentence of DESIGN 4.5. Every answer is also held to `/openapi.json` by the bench."""

import asyncio
import io
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.http.problems import CONTENT_TYPE
from sluza.samples import invoice
from spool.domain.states import State
from tests.http_bench import SCHOOL, TOKENS, WELFARE, running, school_invoice, welfare_invoice

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


async def test_fault_D04_same_bytes_again_are_200_with_the_same_id(tmp_path: Path) -> None:
    """A repeat while it waits, and a repeat after it has its number, give the first id; nothing new is stored."""
    async with running(tmp_path) as bench:
        first = await bench.post(INVOICE)
        again = await bench.post(INVOICE, X_File_Name="inna.xml")
        assert (again.status, again.json) == (200, first.json)
        await bench.number(first.json["id"], upo=b"<UPO/>")
        late = await bench.post(INVOICE)
        assert (late.status, late.json["id"], late.json["state"]) == (200, first.json["id"], "DELIVERED")
        assert await bench.stored() == 1


async def test_fault_D08_lost_answer_same_key_same_bytes(tmp_path: Path) -> None:
    """The client lost the 202 and repeats key and bytes: the same answer, one document."""
    async with running(tmp_path) as bench:
        first = await bench.post(INVOICE, Idempotency_Key="k-1")
        again = await bench.post(INVOICE, Idempotency_Key="k-1")
        assert (first.status, again.status) == (202, 200)
        assert again.json == first.json
        assert await bench.stored() == 1


async def test_fault_D08_the_202_never_arrives(tmp_path: Path) -> None:
    """A proxy drops the answer after the commit, twice: with a key or without, the repeat tells of the one document."""
    async with running(tmp_path) as bench:
        for n, key in enumerate(("Idempotency-Key: k-9\r\n", "")):
            raw = school_invoice(f"SP1/D08/{n}")
            head = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[SCHOOL]}\r\n{key}"
            for _ in range(2):
                _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
                writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
                await writer.drain()
                for _ in range(1000):
                    if await bench.stored() == n + 1:
                        break
                    await asyncio.sleep(0.005)
                writer.transport.abort()  # what it had to say lies unread
            again = await bench.post(raw, **({"Idempotency_Key": "k-9"} if key else {}))
            assert again.status == 200
            assert await bench.stored() == n + 1


async def test_fault_D08_connection_lost_around_the_answer(tmp_path: Path) -> None:
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


async def test_fault_D08_simultaneous_repeats_make_one_document(tmp_path: Path) -> None:
    """Impatient clients: twenty at once with the same bytes get one id, one of them 202."""
    async with running(tmp_path) as bench:
        answers = await asyncio.gather(*(bench.post(INVOICE) for _ in range(20)))
        assert sorted(a.status for a in answers) == [200] * 19 + [202]
        assert len({a.json["id"] for a in answers}) == 1


async def test_fault_D08_key_reused_with_other_bytes_is_409(tmp_path: Path) -> None:
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


async def test_fault_D05_number_taken_is_409(tmp_path: Path) -> None:
    """The same number with other bytes is refused and names the first document, which is the unit's own."""
    async with running(tmp_path) as bench:
        await bench.post(INVOICE, X_File_Name="pierwsza.xml")
        answer = await bench.post(school_invoice(footer="inna"))
        assert (answer.status, answer.json["errors"][0]["code"]) == (409, "number_taken")
        assert "pierwsza.xml" in str(answer.json["errors"])


async def test_fault_D05_foreign_number_and_foreign_bytes_are_409_and_neutral(tmp_path: Path) -> None:
    """Held by another unit: 409 with a sentence that names no unit, id, date or state of the other (I7)."""
    async with running(tmp_path) as bench:
        plain = invoice(number="SP1/1/2026")
        first = (await bench.post(plain, X_File_Name="tajna-nazwa.xml")).json
        for raw in (plain, welfare_invoice("SP1/1/2026")):
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
