"""Statements Q2, Q4, Q5, E3 for loops "next `from` = last date": every invoice is stored at an instant of its own."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from sandbox_invoices import invoice
from sandbox_kit import NIP, OTHER_NIP, Aes, Box, Session, poll
from test_sandbox_batch import Batch, opened, zipped

QUERY = "/v2/invoices/query/metadata?pageSize=10"
START = (datetime.now(UTC) - timedelta(days=90)).isoformat()


def filters(since: str = START) -> dict[str, Any]:
    """Everything the seller has stored since then, up to the mark."""
    dates = {"dateType": "PermanentStorage", "from": since, "restrictToPermanentStorageHwmDate": True}
    return {"subjectType": "Subject1", "dateRange": dates}


def one_batch(box: Box, token: str, count: int = 9) -> list[str]:
    """KSeF numbers of one batch, all below the high-water mark."""
    batch: Batch = opened(box, zipped({f"{place}.xml": invoice() for place in range(count)}), token=token)
    assert batch.settled()["status"]["code"] == 200
    box.advance(60)
    items = box.get(f"/v2/sessions/{batch.ref}/invoices?pageSize=100", token).json()["invoices"]
    return [item["ksefNumber"] for item in items]


def dates_of(box: Box, token: str) -> list[str]:
    """Storage dates in the order of the query."""
    found = box.post(QUERY.replace("=10", "=250"), token, filters()).json()
    return [item["permanentStorageDate"] for item in found["invoices"]]


def test_sandbox_Q4_storage_dates_are_unique_everywhere(box: Box) -> None:
    """No two invoices share a permanentStorageDate, whether they came online, in a batch, inbound or were held."""
    box.switch(storage_delay_s=0, invoice_accept_delay_s=0, invoice_process_delay_s=0, hwm_lag_s=0)
    token = box.login()
    box.switch(stuck_150=True)
    session: Session = box.session(token)
    for _ in range(6):
        session.send(invoice())
    box.switch(stuck_150=False)
    one_batch(box, token)
    for _ in range(5):
        session.send(invoice())
        xml = invoice(buyer=OTHER_NIP)
        assert box.http.post(f"{box.url}/sandbox/inbound", content=xml).status_code == 201
    box.advance(60)
    dates = dates_of(box, token)
    assert len(dates) == 25
    assert len(set(dates)) == 25
    assert dates == sorted(dates)


def test_sandbox_Q4_batch_keeps_its_order_in_storage(box: Box) -> None:
    """The invoices of one batch are stored one after the other, in the order of the package."""
    token = box.login()
    numbers = one_batch(box, token)
    found = box.post(QUERY, token, filters()).json()["invoices"]
    assert [item["ksefNumber"] for item in found] == numbers
    assert all(item["permanentStorageDate"] > item["acquisitionDate"] for item in found)


@pytest.mark.parametrize("threshold", [2, 3])
def test_sandbox_Q4_metadata_loop_ends_with_every_invoice(box: Box, threshold: int) -> None:
    """Next `from` = the last record's date until not truncated; the record on the boundary comes twice (Q5)."""
    token = box.login()
    numbers = one_batch(box, token)
    box.switch(truncation_threshold=threshold)
    seen: list[str] = []
    since, rounds = START, 0
    while rounds < 20:
        rounds += 1
        found = box.post(QUERY, token, filters(since)).json()
        seen += [item["ksefNumber"] for item in found["invoices"]]
        if not found["isTruncated"]:
            break
        since = found["invoices"][-1]["permanentStorageDate"]
    assert sorted(set(seen)) == sorted(numbers)
    assert len(seen) == len(numbers) + rounds - 1


def test_sandbox_E3_export_loop_ends_with_every_invoice(box: Box) -> None:
    """The same by exports and lastPermanentStorageDate, at a threshold of three."""
    token = box.login()
    numbers = one_batch(box, token)
    box.switch(truncation_threshold=3, export_delay_s=0)
    since, seen = START, set()
    for _ in range(20):
        aes = Aes()
        body = {"encryption": box.encryption(aes), "filters": filters(since)}
        ref = box.post("/v2/invoices/exports", token, body).json()["referenceNumber"]
        package = finished(lambda ref=ref: box.get(f"/v2/invoices/exports/{ref}", token).json())["package"]  # type: ignore[misc]
        sealed = [box.http.get(part["url"]).content for part in package["parts"]]
        with zipfile.ZipFile(BytesIO(b"".join(aes.open(part) for part in sealed))) as archive:
            seen |= {name.removesuffix(".xml") for name in archive.namelist() if name.endswith(".xml")}
        if not package["isTruncated"]:
            break
        since = package["lastPermanentStorageDate"]
    assert seen == set(numbers)


def finished(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The export's status once it is not 100 any more."""
    final: dict[str, Any] = poll(look, lambda status: status["status"]["code"] != 100)
    return final


def test_sandbox_Q2_nothing_appears_below_a_published_mark(box: Box) -> None:
    """With the mark asked for at every step, each new storage date is above every mark published before."""
    box.switch(storage_delay_s=0, invoice_accept_delay_s=0, invoice_process_delay_s=0, hwm_lag_s=0)
    token = box.login()
    session = box.session(token)
    marks: list[str] = []
    for _ in range(10):
        marks.append(box.post(QUERY, token, filters()).json()["permanentStorageHwmDate"])
        session.send(invoice())
        session.send(invoice())
    box.advance(60)
    dates = dates_of(box, token)
    assert len(dates) == 20
    for place, mark in enumerate(marks):
        assert dates[2 * place] > mark


def test_sandbox_I20_long_file_names_are_kept_within_128(box: Box) -> None:
    """`invoiceFileName` has at most 128 characters; the invoice itself is judged as usual."""
    token = box.login(NIP)
    xml = invoice()
    batch = opened(box, zipped({"x" * 200 + ".xml": xml}), token=token)
    assert batch.settled()["status"]["code"] == 200
    item = box.get(f"/v2/sessions/{batch.ref}/invoices", token).json()["invoices"][0]
    assert (len(item["invoiceFileName"]), item["status"]["code"]) == (128, 200)
    assert box.ledger()[-1]["sha256"] == hashlib.sha256(xml).hexdigest()
