"""Statement F2: done, but the answer never came: part upload, batch close, export start, open."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandbox_invoices import invoice
from sandbox_kit import FA3, Aes, Box, poll
from test_sandbox_batch import BLOB, opened, zipped

PUT = "PUT /storage/{area}/{ref}/{name}"


def silent(box: Box, endpoint: str) -> None:
    """Script one timeout after processing."""
    box.fault(endpoint, "timeout_after", count=1, hold_s=0.05)


def test_sandbox_F2_part_upload_is_kept(box: Box) -> None:
    """The part has arrived though the PUT was cut; a repetition does no harm, and the batch closes."""
    batch = opened(box, zipped({"a.xml": invoice()}))
    silent(box, PUT)
    with pytest.raises(httpx.HTTPError):
        box.http.put(batch.uploads[0]["url"], content=batch.parts[0], headers=BLOB)
    assert batch.close().status_code == 204
    assert poll(batch.status, lambda seen: seen["status"]["code"] >= 200)["successfulInvoiceCount"] == 1


def test_sandbox_F2_batch_close_is_done(box: Box) -> None:
    """The package is processed once though the close was cut; closing again is 21180."""
    batch = opened(box, zipped({"a.xml": invoice(), "b.xml": invoice()}))
    batch.upload()
    silent(box, "POST /v2/sessions/batch/{referenceNumber}/close")
    with pytest.raises(httpx.HTTPError):
        batch.close()
    assert box.code(batch.close()) == 21180
    assert poll(batch.status, lambda seen: seen["status"]["code"] >= 200)["successfulInvoiceCount"] == 2
    assert len(box.ledger()) == 2


def test_sandbox_F2_export_start_runs(box: Box) -> None:
    """The export started though its reference was never seen: it counts among the running ones."""
    box.switch(max_running_exports=1, export_delay_s=60)
    token = box.login()
    dates = {"dateType": "PermanentStorage", "from": box.get("/sandbox/clock").json()["now"]}
    body: dict[str, Any] = {"encryption": box.encryption(Aes())}
    body["filters"] = {"subjectType": "Subject1", "dateRange": dates}
    silent(box, "POST /v2/invoices/exports")
    with pytest.raises(httpx.HTTPError):
        box.post("/v2/invoices/exports", token, body)
    assert box.code(box.post("/v2/invoices/exports", token, body)) == 21182


def test_sandbox_F2_open_leaves_a_session(box: Box) -> None:
    """The session opened unseen is in the list, and can be abandoned."""
    token = box.login()
    silent(box, "POST /v2/sessions/online")
    with pytest.raises(httpx.HTTPError):
        box.post("/v2/sessions/online", token, {"formCode": FA3, "encryption": box.encryption(Aes())})
    listed = box.get("/v2/sessions", token, params={"sessionType": "Online"}).json()["sessions"]
    assert [item["status"]["code"] for item in listed] == [100]


@pytest.mark.parametrize(("kind", "status"), [("21173", 400), ("foreign_403", 403)])
def test_sandbox_I14_session_lost_on_demand(box: Box, kind: str, status: int) -> None:
    """A fault hides one session and no other, until it is deleted."""
    token = box.login()
    hidden, shown = box.session(token), box.session(token)
    fault = box.fault("* /v2/sessions/*", kind, match=hidden.ref)
    answer = box.get(f"/v2/sessions/{hidden.ref}/invoices", token)
    assert answer.status_code == status
    assert "21173" in answer.text or answer.json()["reasonCode"] == "insufficient-resource-access"
    assert box.get(f"/v2/sessions/{shown.ref}/invoices", token).status_code == 200
    box.delete(f"/sandbox/faults/{fault}")
    assert box.get(f"/v2/sessions/{hidden.ref}/invoices", token).status_code == 200


def test_sandbox_Q2_mark_left_out_on_demand(box: Box) -> None:
    """With `hwm_absent` a query over PermanentStorage answers without its mark."""
    token = box.login()
    dates = {"dateType": "PermanentStorage", "from": box.get("/sandbox/clock").json()["now"]}
    body = {"subjectType": "Subject1", "dateRange": dates}
    assert box.post("/v2/invoices/query/metadata", token, body).json()["permanentStorageHwmDate"]
    box.switch(hwm_absent=True)
    assert box.post("/v2/invoices/query/metadata", token, body).json().get("permanentStorageHwmDate") is None
