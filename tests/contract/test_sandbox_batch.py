"""Statements I18–I21 of the sandbox contract: batch sessions."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox_invoices import invoice
from sandbox_kit import FA3, NIP, OTHER_NIP, Aes, Box, b64, digest, poll

BLOB = {"x-ms-blob-type": "BlockBlob"}


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    """A tar.gz of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Batch:
    """An open batch session of a test."""

    box: Box
    token: str
    ref: str
    parts: list[bytes]
    uploads: list[dict[str, Any]]

    def upload(self) -> None:
        """PUT every part."""
        for request, part in zip(self.uploads, self.parts, strict=True):
            assert self.put(request, part).status_code == 201

    def put(self, request: dict[str, Any], part: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """PUT one part."""
        return self.box.http.put(request["url"], content=part, headers=BLOB if headers is None else headers)

    def close(self) -> httpx.Response:
        """Close the session."""
        return self.box.post(f"/v2/sessions/batch/{self.ref}/close", self.token)

    def status(self) -> dict[str, Any]:
        """The session's status."""
        body: dict[str, Any] = self.box.get(f"/v2/sessions/{self.ref}", self.token).json()
        return body

    def settled(self) -> dict[str, Any]:
        """Upload, close, wait."""
        self.upload()
        assert self.close().status_code == 204
        final: dict[str, Any] = poll(self.status, lambda seen: seen["status"]["code"] >= 200)
        return final


def opened(
    box: Box,
    archive: bytes,
    *,
    cut: int = 1 << 30,
    token: str = "",
    aes: Aes | None = None,
    outer: dict[str, Any] | None = None,
    **more: Any,
) -> Batch:
    """Open a batch session for an archive cut into parts; `more` goes into `batchFile`, `outer` beside it."""
    key = aes or Aes()
    parts = [key.seal(archive[at : at + cut]) for at in range(0, len(archive), cut)]
    declared = [
        {"ordinalNumber": place, "fileSize": len(part), "fileHash": digest(part)} for place, part in enumerate(parts, 1)
    ]
    batch = {"fileSize": len(archive), "fileHash": digest(archive), "fileParts": declared, **more}
    token = token or box.login()
    body = {"formCode": FA3, "batchFile": batch, "encryption": box.encryption(key)}
    answer = box.post("/v2/sessions/batch", token, body | (outer or {}))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Batch(box, token, made["referenceNumber"], parts, made["partUploadRequests"])


def test_sandbox_I18_upload_rules(box: Box) -> None:
    """PUT needs the blob-type header, works with a stray bearer, may be repeated, and replaces."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    request = batch.uploads[0]
    assert (request["method"], request["headers"]) == ("PUT", BLOB)
    assert batch.put(request, batch.parts[0], {}).status_code == 400
    assert batch.put(request, b"first try").status_code == 201
    assert batch.put(request, batch.parts[0], {**BLOB, "Authorization": "Bearer x"}).status_code == 201
    assert batch.close().status_code == 204


def test_sandbox_I18_upload_window(box: Box) -> None:
    """After twenty minutes times parts a PUT is 403."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    box.advance(1201)
    assert batch.put(batch.uploads[0], batch.parts[0]).status_code == 403


def test_sandbox_I19_missing_part_then_repaired(box: Box) -> None:
    """Closing without a part is 21205; after uploading it the close succeeds."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    assert box.code(batch.close()) == 21205
    assert batch.settled()["status"]["code"] == 200


def test_sandbox_I19_size_mismatch(box: Box) -> None:
    """A part of another size than declared is 21157 at close."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    batch.put(batch.uploads[0], b"short")
    assert box.code(batch.close()) == 21157


def test_sandbox_I19_window_over(box: Box) -> None:
    """Closing incomplete after the window is 21208, and the session is 440."""
    box.switch(access_token_ttl_s=86400)
    batch = opened(box, zipped({"a.xml": invoice()}))
    box.advance(1201)
    assert box.code(batch.close()) == 21208
    assert batch.status()["status"]["code"] == 440


@pytest.mark.parametrize(
    ("spoil", "code"), [("archive hash", 405), ("part bytes", 405), ("broken archive", 430), ("wrong type", 430)]
)
def test_sandbox_I20_package_faults(box: Box, spoil: str, code: int) -> None:
    """Hash faults are 405, an archive that cannot be unpacked 430."""
    archive = zipped({"a.xml": invoice()})
    if spoil == "broken archive":
        archive = archive[: len(archive) // 2]
    more: dict[str, Any] = {"compressionType": "TarGz"} if spoil == "wrong type" else {}
    if spoil == "archive hash":
        more["fileHash"] = digest(b"another")
    batch = opened(box, archive, **more)
    if spoil == "part bytes":
        batch.parts[0] = bytes(len(batch.parts[0]))
    assert batch.settled()["status"]["code"] == code


def test_sandbox_I20_undecryptable_part(box: Box) -> None:
    """Parts with a right hash that do not decrypt are 435."""
    archive = zipped({"a.xml": invoice()})
    token = box.login()
    garbage = bytes(63)  # no whole blocks: of whole ones each 256th key makes something
    declared = [{"ordinalNumber": 1, "fileSize": 63, "fileHash": digest(garbage)}]
    file = {"fileSize": len(archive), "fileHash": digest(archive), "fileParts": declared}
    body = {"formCode": FA3, "batchFile": file, "encryption": box.encryption(Aes())}
    made = box.post("/v2/sessions/batch", token, body).json()
    batch = Batch(box, token, made["referenceNumber"], [garbage], made["partUploadRequests"])
    assert batch.settled()["status"]["code"] == 435


def test_sandbox_I20_wrong_session_key(box: Box) -> None:
    """A symmetric key that cannot be unwrapped is 415 after closing."""
    sealed = bytes(64)
    declared = [{"ordinalNumber": 1, "fileSize": 64, "fileHash": digest(sealed)}]
    encryption = {**box.encryption(Aes()), "encryptedSymmetricKey": b64(bytes(256))}
    file = {"fileSize": 10, "fileHash": digest(b"x"), "fileParts": declared}
    token = box.login()
    made = box.post("/v2/sessions/batch", token, {"formCode": FA3, "batchFile": file, "encryption": encryption}).json()
    batch = Batch(box, token, made["referenceNumber"], [sealed], made["partUploadRequests"])
    assert batch.settled()["status"]["code"] == 415


def test_sandbox_I20_too_many_empty_and_fruitless(box: Box) -> None:
    """More entries than the limit are 420, none 440, none valid 445."""
    token = box.login()
    limits = {"maxInvoiceSizeInMB": 1, "maxInvoiceWithAttachmentSizeInMB": 3, "maxInvoices": 1}
    body = {"onlineSession": limits, "batchSession": limits, "collectiveIdentifier": {"maxInvoices": 500}}
    box.post("/v2/testdata/limits/context/session", token, body)
    two = zipped({"a.xml": invoice(), "b.xml": invoice()})
    assert opened(box, two, token=token).settled()["status"]["code"] == 420
    assert opened(box, zipped({}), token=token).settled()["status"]["code"] == 440
    assert opened(box, zipped({"a.xml": invoice(OTHER_NIP)}), token=token).settled()["status"]["code"] == 445


def test_sandbox_I20_results_per_invoice(box: Box) -> None:
    """One good, one duplicate, one invalid: 200 with items carrying name, ordinal and hash."""
    known = invoice(number="B/1")
    box.accept(box.login(), known)
    files = {"good.xml": invoice(), "twice.xml": known, "bad.xml": b"<x/>"}
    batch = opened(box, zipped(files))
    final = batch.settled()
    assert final["status"]["code"] == 200
    items = box.get(f"/v2/sessions/{batch.ref}/invoices", batch.token).json()["invoices"]
    seen = [(item["invoiceFileName"], item["ordinalNumber"], item["status"]["code"]) for item in items]
    assert seen == [("good.xml", 1, 200), ("twice.xml", 2, 440), ("bad.xml", 3, 450)]
    assert [item["invoiceHash"] for item in items] == [digest(data) for data in files.values()]
    assert len(final["upo"]["pages"]) == 1


def test_sandbox_I20_tar_gz_in_parts(box: Box) -> None:
    """A tar.gz in several parts, each sealed alone, is processed."""
    archive = tarred({f"{place}.xml": invoice() for place in range(5)})
    batch = opened(box, archive, cut=200, compressionType="TarGz")
    assert len(batch.parts) > 2
    final = batch.settled()
    assert (final["status"]["code"], final["successfulInvoiceCount"]) == (200, 5)


def test_sandbox_I10_batch_mode_counts_from_opening(box: Box) -> None:
    """In a batch `invoicingDate` is the opening of the session."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    batch.settled()
    item = box.get(f"/v2/sessions/{batch.ref}/invoices", batch.token).json()["invoices"][0]
    assert item["invoicingDate"] == batch.status()["dateCreated"]


def test_sandbox_I12_attachment_in_batch_needs_consent(box: Box) -> None:
    """An attachment in a batch is 415 without consent and accepted with it."""
    archive = {"a.xml": invoice(attachment=True)}
    batch = opened(box, zipped(archive))
    assert batch.settled()["status"]["code"] == 445
    box.post("/v2/testdata/attachment", body={"nip": NIP})
    assert opened(box, zipped(archive)).settled()["status"]["code"] == 200


def test_sandbox_I21_unclosed_batch_is_cancelled(box: Box) -> None:
    """A batch never closed is 440 after twelve hours."""
    box.switch(access_token_ttl_s=86400)
    batch = opened(box, zipped({"a.xml": invoice()}))
    assert batch.status()["status"]["code"] == 100
    box.advance(43201)
    assert batch.status()["status"]["code"] == 440


def test_sandbox_F5_interrupted_batch_is_resumed(start: Callable[..., Box], tmp_path: Path) -> None:
    """A package closed but not finished when the simulator stopped is taken up again, nothing twice."""
    box = start(tmp_path / "kept")
    box.switch(rate_limits="off")
    batch = opened(box, zipped({f"{place}.xml": invoice() for place in range(1000)}))
    batch.upload()
    batch.close()
    box.stop()
    again = start(tmp_path / "kept")
    batch.box = again
    final = poll(batch.status, lambda seen: seen["status"]["code"] >= 200, 20)
    assert (final["invoiceCount"], final["successfulInvoiceCount"]) == (1000, 1000)
    assert {row["posts"] for row in again.ledger()} == {1}
