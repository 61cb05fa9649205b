"""Statement L4 and Q1: bad requests are refused as 400, and every problem has its own item."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from sandbox_kit import FA3, NIP, Aes, Box, b64
from sandbox_signing import Signer

PROBLEM = {"X-Error-Format": "problem-details"}
DATES = {"dateType": "PermanentStorage", "from": "2026-11-01T00:00:00Z"}


def named(answer: httpx.Response) -> list[tuple[int, str]]:
    """(code, field) of every item of a problem body."""
    assert answer.status_code == 400, answer.text
    errors = answer.json()["errors"]
    assert all(len(item["details"]) == 1 for item in errors)
    return [(item["code"], item["details"][0].split("'")[1]) for item in errors]


def ask(box: Box, path: str, body: Any, token: str | None = None) -> list[tuple[int, str]]:
    """The problems of a POST."""
    return named(box.post(path, token or box.login(), body, headers=dict(PROBLEM)))


def test_sandbox_L4_open_online_names_every_problem(box: Box) -> None:
    """Missing objects and fields of several objects are all reported, each once."""
    assert ask(box, "/v2/sessions/online", {}) == [(21405, "formCode"), (21405, "encryption")]
    body = {"formCode": {"value": 7}, "encryption": {"initializationVector": b64(b"short")}}
    assert ask(box, "/v2/sessions/online", body) == [
        (21405, "formCode.systemCode"),
        (21405, "formCode.schemaVersion"),
        (21001, "formCode.value"),
        (21405, "encryption.encryptedSymmetricKey"),
        (21405, "encryption.initializationVector"),
    ]


def test_sandbox_L4_open_batch_names_every_problem(box: Box) -> None:
    """So are those inside the list of parts."""
    batch = {"fileSize": 0, "fileHash": b64(b"x"), "fileParts": [{"ordinalNumber": 1}, {"fileSize": 5}]}
    body = {"formCode": FA3, "batchFile": batch, "encryption": box.encryption(Aes())}
    assert ask(box, "/v2/sessions/batch", body) == [
        (21405, "batchFile.fileParts[0].fileSize"),
        (21405, "batchFile.fileParts[0].fileHash"),
        (21405, "batchFile.fileParts[1].ordinalNumber"),
        (21405, "batchFile.fileParts[1].fileHash"),
        (21405, "batchFile.fileSize"),
        (21405, "batchFile.fileHash"),
    ]


def test_sandbox_L4_send_names_every_problem(box: Box) -> None:
    """So are those of a sent invoice."""
    session = box.session(box.login())
    path = f"/v2/sessions/online/{session.ref}/invoices"
    sealed = ["encryptedInvoiceContent", "encryptedInvoiceSize", "encryptedInvoiceHash"]
    fields = [*sealed, "invoiceHash", "invoiceSize", "offlineMode"]
    found = ask(box, path, {"offlineMode": "yes"}, session.token)
    assert found == [(21001 if name == "offlineMode" else 21405, name) for name in fields]


def test_sandbox_L4_query_and_export_name_every_problem(box: Box) -> None:
    """So are those of filters, in the query and in an export."""
    filters = {"dateRange": {"from": "yesterday", "dateType": "Today"}, "amount": {"from": "much"}, "pageSize": 1}
    wrong = ["dateRange.from", "dateRange.dateType", "subjectType", "amount.type", "amount.from"]
    assert [name for _, name in ask(box, "/v2/invoices/query/metadata", filters)] == wrong
    found = ask(box, "/v2/invoices/exports", {"filters": filters, "onlyMetadata": 1})
    assert [name for _, name in found] == ["encryption", *(f"filters.{name}" for name in wrong), "onlyMetadata"]


def test_sandbox_L4_the_default_envelope_has_one_entry_per_code(box: Box) -> None:
    """Without the header the details are grouped by exception code."""
    body = {"formCode": {**FA3, "value": 7}, "encryption": {}}
    items = box.post("/v2/sessions/online", box.login(), body).json()["exception"]["exceptionDetailList"]
    assert [(item["exceptionCode"], len(item["details"])) for item in items] == [(21001, 1), (21405, 2)]


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00"])
@pytest.mark.parametrize("kind", ["Issue", "PermanentStorage"])
def test_sandbox_Q1_dates_beyond_the_calendar_are_21405(box: Box, instant: str, kind: str) -> None:
    """`from` and `to` no calendar can follow are refused, in the query and in an export."""
    token = box.login()
    for dates in ({"from": instant}, {"from": "2026-11-01T00:00:00Z", "to": instant}):
        filters = {"subjectType": "Subject1", "dateRange": {"dateType": kind, **dates}}
        assert box.code(box.post("/v2/invoices/query/metadata", token, filters)) == 21405
        export = {"encryption": box.encryption(Aes()), "filters": filters}
        assert box.code(box.post("/v2/invoices/exports", token, export)) == 21405


def test_sandbox_Q1_wrong_page_sizes_and_amounts_are_400(box: Box) -> None:
    """Digits that are no ASCII digits, endless numbers and amounts that are no numbers."""
    token = box.login()
    filters: dict[str, Any] = {"subjectType": "Subject1", "dateRange": DATES}
    for size in ("²", "9" * 5000, "-1"):
        answer = box.post("/v2/invoices/query/metadata", token, filters, params={"pageSize": size})
        assert box.code(answer) == 21405
    filters["amount"] = {"type": "Brutto", "from": "a"}
    assert box.code(box.post("/v2/invoices/query/metadata", token, filters)) == 21001


def test_sandbox_export_of_a_range_to_come_is_answered(box: Box) -> None:
    """An export whose `from` is later than now, without `to`, ends with an empty package."""
    token = box.login()
    filters = {"subjectType": "Subject1", "dateRange": {**DATES, "from": "2099-01-01T00:00:00Z"}}
    ref = box.post("/v2/invoices/exports", token, {"encryption": box.encryption(Aes()), "filters": filters}).json()
    box.advance(5)
    status = box.get(f"/v2/invoices/exports/{ref['referenceNumber']}", token)
    assert (status.status_code, status.json()["package"]["invoiceCount"]) == (200, 0)


def test_sandbox_unknown_session_statuses_are_21405(box: Box) -> None:
    """GET /sessions?statuses=Foo is refused; known ones are filters."""
    token = box.login()
    for path, name in (("statuses", "Foo"), ("statuses[]", "succeeded")):
        answer = box.get("/v2/sessions", token, params={"sessionType": "Online", path: name})
        assert box.code(answer) == 21405
    params = {"sessionType": "Online", "statuses": ["Succeeded", "Failed"]}
    assert box.get("/v2/sessions", token, params=params).status_code == 200


def test_sandbox_A4_parameters_and_media_type_of_a_login(box: Box) -> None:
    """verifyCertificateChain=maybe is 21405; a signed document sent as JSON is 21001."""
    document = box.signer().login(box.challenge(), "Nip", NIP)
    url = f"{box.url}/v2/auth/xades-signature"
    xml = {"Content-Type": "application/xml"}
    assert box.code(box.http.post(f"{url}?verifyCertificateChain=maybe", content=document, headers=xml)) == 21405
    assert box.code(box.http.post(url, content=document, headers={"Content-Type": "application/json"})) == 21001
    assert box.http.post(f"{url}?verifyCertificateChain=True", content=document, headers=xml).status_code == 202


def test_sandbox_certificate_data_has_the_names_of_a_person(box: Box) -> None:
    """GET /certificates/enrollments/data gives givenName and surname of the login certificate."""
    signer = Signer(NIP)
    more = [(NameOID.GIVEN_NAME, "Jan"), (NameOID.GIVEN_NAME, "Adam"), (NameOID.SURNAME, "Kowalski")]
    names = [*signer.certificate.subject, *(x509.NameAttribute(oid, text) for oid, text in more)]
    signer.rename(x509.Name(names))
    box.signers[NIP] = signer
    data = box.get("/v2/certificates/enrollments/data", box.login()).json()
    assert (data["givenName"], data["surname"]) == ("Jan Adam", "Kowalski")
    assert data["serialNumber"] == f"TINPL-{NIP}"
