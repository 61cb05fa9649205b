"""Statements U1–U6, Q1–Q5 and E1–E4 of the sandbox contract: UPO, download, query, export."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import xmlsec
from lxml import etree
from sandbox_invoices import invoice, third
from sandbox_kit import FA3, NIP, OTHER_NIP, SHARED, Aes, Box, digest, poll

UNIT = f"{NIP}-12346"
UPO = {"u": "http://upo.schematy.mf.gov.pl/KSeF/v4-3", "ds": "http://www.w3.org/2000/09/xmldsig#"}
Query = dict[str, Any]


def query(subject: str = "Subject1", kind: str = "PermanentStorage", days: int = 5, **more: Any) -> Query:
    """InvoiceQueryFilters over the last days."""
    start = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    return {"subjectType": subject, "dateRange": {"dateType": kind, "from": start, **more}}


def numbers(box: Box, token: str, body: Query) -> list[str]:
    """KSeF numbers a metadata query finds."""
    answer = box.post("/v2/invoices/query/metadata", token, body)
    assert answer.status_code == 200, answer.text
    return [item["ksefNumber"] for item in answer.json()["invoices"]]


def stored(box: Box, token: str, xml: bytes) -> str:
    """An accepted invoice, waited for until it is in permanent storage; its KSeF number."""
    session = box.session(token)
    ref = session.send(xml)
    item = poll(lambda: session.item(ref), lambda seen: "permanentStorageDate" in seen)
    return str(item["ksefNumber"])


def below_mark(box: Box, token: str) -> None:
    """Wait until everything stored so far is below the high-water mark."""
    now = box.get("/sandbox/clock").json()["now"]
    body = query(to=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    poll(
        lambda: box.post("/v2/invoices/query/metadata", token, body).json(),
        lambda seen: seen["permanentStorageHwmDate"] > now,
    )


def upo_values(document: bytes, name: str) -> list[str]:
    """Texts of a UPO element."""
    found = etree.fromstring(document).iterfind(f".//u:{name}", UPO)
    return [element.text or "" for element in found]


def verify_seal(document: bytes) -> None:
    """xmlsec verifies the signature with the certificate inside; raises if it is broken."""
    root = etree.fromstring(document)
    signature = root.find("ds:Signature", UPO)
    assert signature is not None
    text = signature.findtext(".//ds:X509Certificate", "", UPO)
    context = xmlsec.SignatureContext()
    pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    xmlsec.tree.add_ids(root, ["Id"])
    context.verify(signature)


def test_sandbox_U1_upo_exists_once_accepted(box: Box) -> None:
    """21178 before the verdict and for ever for rejected ones; then the document."""
    box.switch(invoice_process_delay_s=60)
    session = box.session(box.login())
    good, bad = session.send(invoice()), session.send(invoice(OTHER_NIP))
    path = f"/v2/sessions/{session.ref}/invoices"
    assert box.code(box.get(f"{path}/{good}/upo", session.token)) == 21178
    box.advance(61)
    assert box.get(f"{path}/{good}/upo", session.token).status_code == 200
    assert box.code(box.get(f"{path}/{bad}/upo", session.token)) == 21178


def test_sandbox_U1_only_after_close_by_switch(box: Box) -> None:
    """With `upo_only_after_close` the UPO of an invoice waits for the end of the session."""
    box.switch(upo_only_after_close=True)
    session = box.session(box.login())
    item = session.verdict(invoice())
    path = f"/v2/sessions/{session.ref}/invoices/ksef/{item['ksefNumber']}/upo"
    assert box.code(box.get(path, session.token)) == 21178
    session.settled()
    assert box.get(path, session.token).status_code == 200


def test_sandbox_U2_first_element_names_the_environment(start: Callable[..., Box]) -> None:
    """Profile test carries the suffix."""
    box = start()
    session = box.session(box.login())
    item = session.verdict(invoice())
    document = box.get(f"/v2/sessions/{session.ref}/invoices/{item['referenceNumber']}/upo", session.token).content
    assert upo_values(document, "NazwaPodmiotuPrzyjmujacego") == ["Ministerstwo Finansów - środowisko testowe (TE)"]


def test_sandbox_U2_prod_upo_validates(start: Callable[..., Box]) -> None:
    """In profile prod invoice and session UPO are valid against upo-v4-3.xsd, the signature set aside."""
    path = SHARED / "schemas" / "upo" / "upo-v4-3.xsd"
    if not path.is_file():
        pytest.skip("../shared with upo-v4-3.xsd is not there")
    box = start(profile="prod")
    box.switch(rate_limits="off", accept_self_signed=True)
    session = box.session(box.login())
    item = session.verdict(invoice())
    page = session.settled()["upo"]["pages"][0]
    schema = etree.XMLSchema(etree.parse(str(path)))
    one = box.get(f"/v2/sessions/{session.ref}/invoices/{item['referenceNumber']}/upo", session.token).content
    for document in (one, box.http.get(page["downloadUrl"]).content):
        verify_seal(document)
        root = etree.fromstring(document)
        root.remove(root.find("ds:Signature", UPO))
        schema.assertValid(root)


def test_sandbox_U3_upo_is_sealed_and_true(box: Box) -> None:
    """The seal verifies, the header is the hash of the bytes, SkrotDokumentu that of the invoice, the login named."""
    document = box.signer().login(box.challenge(), "Nip", NIP)
    started = box.submit(document).json()
    box.auth_status(started)
    tokens = box.post("/v2/auth/token/redeem", started["authenticationToken"]["token"]).json()
    session = box.session(tokens["accessToken"]["token"])
    xml = invoice()
    item = session.verdict(xml)
    answer = box.get(f"/v2/sessions/{session.ref}/invoices/{item['referenceNumber']}/upo", session.token)
    verify_seal(answer.content)
    assert answer.headers["x-ms-meta-hash"] == digest(answer.content)
    assert upo_values(answer.content, "SkrotDokumentu") == [digest(xml)]
    assert upo_values(answer.content, "SkrotDokumentuUwierzytelniajacego") == [digest(document)]


def test_sandbox_U3_upo_is_the_same_bytes_every_time(box: Box) -> None:
    """A UPO once made does not change, by bearer or by URL."""
    session = box.session(box.login())
    item = session.verdict(invoice())
    path = f"/v2/sessions/{session.ref}/invoices/{item['referenceNumber']}/upo"
    first = box.get(path, session.token).content
    assert box.get(path, session.token).content == first
    assert box.http.get(item["upoDownloadUrl"]).content == first


def test_sandbox_U4_pages_after_close(box: Box) -> None:
    """Collective pages appear after closing, of the page size, describing their range."""
    box.switch(upo_page_size=2)
    session = box.session(box.login())
    for _ in range(3):
        session.verdict(invoice())
    assert "upo" not in session.status()
    pages = session.settled()["upo"]["pages"]
    path = f"/v2/sessions/{session.ref}/upo/"
    documents = [box.get(path + page["referenceNumber"], session.token).content for page in pages]
    assert [len(upo_values(document, "Dokument")) for document in documents] == [2, 1]
    assert upo_values(documents[1], "ZakresDokumentowOd") == ["3"]
    assert upo_values(documents[1], "CalkowitaLiczbaDokumentow") == ["3"]


def test_sandbox_U4_urls_differ_and_expire(box: Box) -> None:
    """Every status call gives another URL; an old one is 403."""
    box.switch(download_url_ttl_s=60)
    session = box.session(box.login())
    session.verdict(invoice())
    url = session.settled()["upo"]["pages"][0]["downloadUrl"]
    assert session.status()["upo"]["pages"][0]["downloadUrl"] != url
    assert box.http.get(url).status_code == 200
    assert box.http.get(url.replace("&sig=", "&sig=A")).status_code == 403
    box.advance(61)
    assert box.http.get(url).status_code == 403


def test_sandbox_U5_download_is_byte_identical(box: Box) -> None:
    """21165 before storage; then exactly the bytes sent, with their hash."""
    box.switch(storage_delay_s=60)
    token, xml = box.login(), invoice(comment="ąę exactly")
    number = box.accept(token, xml)["ksefNumber"]
    path = f"/v2/invoices/ksef/{number}"
    assert box.code(box.get(path, token)) == 21165
    box.advance(61)
    answer = box.get(path, token)
    assert answer.content == xml
    assert answer.headers["x-ms-meta-hash"] == digest(xml)


def test_sandbox_U5_invisible_invoice_is_21164(box: Box) -> None:
    """An invoice that does not name the context's NIP is not found."""
    number = stored(box, box.login(), invoice(buyer="2222222222"))
    assert box.code(box.get(f"/v2/invoices/ksef/{number}", box.login(OTHER_NIP))) == 21164


def test_sandbox_U6_seller_buyer_and_third_see_it(box: Box) -> None:
    """Subject1, 2 and 3 find the invoice by NIP, each only under its own subject type."""
    number = stored(box, box.login(), invoice(buyer=OTHER_NIP, thirds=third(8, nip="3333333333")))
    for nip, subject in ((NIP, "Subject1"), (OTHER_NIP, "Subject2"), ("3333333333", "Subject3")):
        token = box.login(nip)
        seen = {name: numbers(box, token, query(name)) for name in ("Subject1", "Subject2", "Subject3")}
        assert seen == {name: [number] if name == subject else [] for name in seen}


def test_sandbox_U6_internal_id_sees_subject3_only(box: Box) -> None:
    """An InternalId context finds invoices naming its IDWew, as Subject3 only."""
    number = stored(box, box.login(), invoice(thirds=third(8, idwew=UNIT)))
    token = box.login(NIP, ("InternalId", UNIT))
    assert numbers(box, token, query("Subject3")) == [number]
    assert numbers(box, token, query("Subject1")) == []


def test_sandbox_Q1_range_and_required_fields(box: Box) -> None:
    """More than 100 days, or a missing from, dateType or subjectType, is 21405."""
    token = box.login()
    assert box.code(box.post("/v2/invoices/query/metadata", token, query(days=101))) == 21405
    for field in ("from", "dateType"):
        body = query()
        del body["dateRange"][field]
        assert box.code(box.post("/v2/invoices/query/metadata", token, body)) == 21405
    body = query()
    del body["subjectType"]
    assert box.code(box.post("/v2/invoices/query/metadata", token, body)) == 21405


def test_sandbox_Q1_date_without_offset(box: Box) -> None:
    """A date-time without an offset is 21405."""
    body = query()
    body["dateRange"]["from"] = "2026-11-01T00:00:00"
    assert box.code(box.post("/v2/invoices/query/metadata", box.login(), body)) == 21405


def test_sandbox_Q2_mark_never_decreases(box: Box) -> None:
    """The mark lags behind now, and does not go back even when the clock does."""
    box.switch(hwm_lag_s=30)
    token = box.login()
    path, body = "/v2/invoices/query/metadata", query()
    first = box.post(path, token, body).json()["permanentStorageHwmDate"]
    assert first < box.get("/sandbox/clock").json()["now"]
    box.advance(-20)
    body["dateRange"]["to"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert box.post(path, token, body).json()["permanentStorageHwmDate"] >= first


def test_sandbox_Q2_nothing_appears_below_a_published_mark(box: Box) -> None:
    """An invoice accepted after a mark was published is stored above it, even after the clock was set back."""
    token = box.login()
    mark = box.post("/v2/invoices/query/metadata", token, query()).json()["permanentStorageHwmDate"]
    box.advance(-3600)
    session = box.session(box.login())
    ref = session.send(invoice())
    box.advance(3700)
    box.switch(access_token_ttl_s=7200)
    token, path = box.login(), f"/v2/sessions/{session.ref}/invoices/{ref}"
    item = poll(lambda: box.get(path, token).json(), lambda seen: "permanentStorageDate" in seen, 30)
    assert item["permanentStorageDate"] > mark


def test_sandbox_Q3_restriction_stops_at_the_mark(box: Box) -> None:
    """Restricted, an invoice above the mark is not found and a `from` above it is 21183."""
    box.switch(hwm_lag_s=3600)
    token = box.login()
    number = stored(box, token, invoice())
    assert numbers(box, token, query()) == [number]
    assert numbers(box, token, query(restrictToPermanentStorageHwmDate=True)) == []
    late = query(days=0, restrictToPermanentStorageHwmDate=True)
    assert box.code(box.post("/v2/invoices/query/metadata", token, late)) == 21183


def test_sandbox_Q4_pages_and_truncation(box: Box) -> None:
    """`pageOffset` is a page index; at the threshold the result is truncated."""
    token = box.login()
    for _ in range(13):
        box.accept(token, invoice())
    below_mark(box, token)
    path = "/v2/invoices/query/metadata?pageSize=10&pageOffset="
    pages = [box.post(f"{path}{place}", token, query()).json() for place in (0, 1)]
    assert [(len(page["invoices"]), page["hasMore"]) for page in pages] == [(10, True), (3, False)]
    dates = [item["permanentStorageDate"] for page in pages for item in page["invoices"]]
    assert dates == sorted(dates)
    box.switch(truncation_threshold=10)
    cut = box.post(f"{path}0", token, query()).json()
    assert (len(cut["invoices"]), cut["isTruncated"]) == (10, True)


def test_sandbox_Q5_boundaries_are_inclusive(box: Box) -> None:
    """A record exactly on the boundary is in both adjacent windows."""
    token = box.login()
    number = stored(box, token, invoice())
    item = box.post("/v2/invoices/query/metadata", token, query()).json()["invoices"][0]
    edge = item["permanentStorageDate"]
    before = query(to=edge)
    after = query()
    after["dateRange"]["from"] = edge
    assert numbers(box, token, before) == numbers(box, token, after) == [number]


def test_sandbox_extra_filters_select(box: Box) -> None:
    """Number, seller, currency, kind and amount filters choose the right invoices."""
    token = box.login()
    wanted = stored(box, token, invoice(number="F/1", kind="UPR"))
    stored(box, token, invoice(number="F/2"))
    for filters in (
        {"invoiceNumber": "F/1"},
        {"invoiceTypes": ["Upr"]},
        {"ksefNumber": wanted},
    ):
        assert numbers(box, token, {**query(), **filters}) == [wanted]
    none = {"amount": {"type": "Brutto", "from": 1000}}
    assert numbers(box, token, {**query(), **none}) == []
    assert numbers(box, token, {**query(), "currencyCodes": ["EUR"]}) == []


def export(box: Box, token: str, aes: Aes, filters: Query | None = None, **more: Any) -> str:
    """Start an export; its reference."""
    body = {"encryption": box.encryption(aes), "filters": filters or query(), **more}
    answer = box.post("/v2/invoices/exports", token, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["referenceNumber"])


def package(box: Box, token: str, ref: str) -> dict[str, Any]:
    """The finished status of an export."""
    path = f"/v2/invoices/exports/{ref}"
    final: dict[str, Any] = poll(lambda: box.get(path, token).json(), lambda seen: seen["status"]["code"] != 100)
    return final


def unpacked(box: Box, aes: Aes, status: dict[str, Any]) -> dict[str, bytes]:
    """The files of a package, every part checked, decrypted and joined."""
    whole = b""
    for part in status["package"]["parts"]:
        answer = box.http.get(part["url"])
        assert answer.headers["x-ms-meta-hash"] == part["encryptedPartHash"] == digest(answer.content)
        assert len(answer.content) == part["encryptedPartSize"]
        plain = aes.open(answer.content)
        assert (len(plain), digest(plain)) == (part["partSize"], part["partHash"])
        whole += plain
    assert len(whole) == status["package"]["size"]
    if status["package"]["compressionType"] == "Zip":
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def test_sandbox_E1_export_runs_and_is_found(box: Box) -> None:
    """201, then 100, then 200; an unknown reference is 21175."""
    box.switch(export_delay_s=60)
    token = box.login()
    ref = export(box, token, Aes())
    path = f"/v2/invoices/exports/{ref}"
    assert box.get(path, token).json()["status"]["code"] == 100
    box.advance(61)
    assert box.get(path, token).json()["status"]["code"] == 200
    assert box.code(box.get(path[:-2] + "ZZ", token)) == 21175


def test_sandbox_E1_eleventh_running_export(box: Box) -> None:
    """Ten may run at once; the eleventh is 21182."""
    box.switch(export_delay_s=60)
    token = box.login()
    for _ in range(10):
        export(box, token, Aes())
    body = {"encryption": box.encryption(Aes()), "filters": query()}
    assert box.code(box.post("/v2/invoices/exports", token, body)) == 21182


def test_sandbox_E1_wrong_key_and_old_age(box: Box) -> None:
    """A key that cannot be unwrapped is 415; after the package's life 210; after seven days 410."""
    box.switch(access_token_ttl_s=30 * 86400)
    token = box.login()
    encryption = {**box.encryption(Aes()), "encryptedSymmetricKey": "AAAA"}
    answer = box.post("/v2/invoices/exports", token, {"encryption": encryption, "filters": query()})
    assert package(box, token, answer.json()["referenceNumber"])["status"]["code"] == 415
    ref = export(box, token, Aes())
    assert package(box, token, ref)["status"]["code"] == 200
    box.advance(6 * 86400 + 60)
    assert box.get(f"/v2/invoices/exports/{ref}", token).json()["status"]["code"] == 210
    box.advance(86400)
    assert box.get(f"/v2/invoices/exports/{ref}", token).status_code == 410


def test_sandbox_E1_internal_id_exports_subject3_only(box: Box) -> None:
    """From an InternalId context only Subject3 can be exported; the rest is 21181."""
    token = box.login(NIP, ("InternalId", UNIT))
    body = {"encryption": box.encryption(Aes()), "filters": query("Subject1")}
    assert box.code(box.post("/v2/invoices/exports", token, body)) == 21181
    export(box, token, Aes(), query("Subject3"))


def test_sandbox_E1_range_above_the_mark(box: Box) -> None:
    """A restricted export from above the mark ends in 420."""
    box.switch(hwm_lag_s=3600)
    token = box.login()
    ref = export(box, token, Aes(), query(days=0, restrictToPermanentStorageHwmDate=True))
    assert package(box, token, ref)["status"]["code"] == 420


@pytest.mark.parametrize("kind", ["Zip", "TarGz"])
def test_sandbox_E2_E3_parts_and_content(box: Box, kind: str) -> None:
    """Small parts, each sealed alone, join to an archive of the invoices and their metadata."""
    box.switch(export_part_size=700)
    token, aes = box.login(), Aes()
    files = {stored(box, token, xml) + ".xml": xml for xml in (invoice(), invoice())}
    status = package(box, token, export(box, token, aes, compressionType=kind))
    assert len(status["package"]["parts"]) > 1
    found = unpacked(box, aes, status)
    listed = json.loads(found.pop("_metadata.json"))["invoices"]
    assert found == files
    assert {item["ksefNumber"] + ".xml" for item in listed} == set(files)


def test_sandbox_E3_only_metadata(box: Box) -> None:
    """`onlyMetadata` packs nothing but _metadata.json."""
    token, aes = box.login(), Aes()
    stored(box, token, invoice())
    status = package(box, token, export(box, token, aes, onlyMetadata=True))
    assert list(unpacked(box, aes, status)) == ["_metadata.json"]
    assert status["package"]["invoiceCount"] == 1


def test_sandbox_E3_truncation_names_the_last_date(box: Box) -> None:
    """A truncated export gives the last date of its dateType, from which the next goes on."""
    box.switch(truncation_threshold=1)
    token, aes = box.login(), Aes()
    first, second = stored(box, token, invoice()), stored(box, token, invoice())
    status = package(box, token, export(box, token, aes))
    assert status["package"]["isTruncated"]
    again = query()
    again["dateRange"]["from"] = status["package"]["lastPermanentStorageDate"]
    box.switch(truncation_threshold=10)
    assert numbers(box, token, again) == [first, second]


def test_sandbox_E4_part_urls_expire(box: Box) -> None:
    """A part URL is 403 after its life; a new status call gives a fresh one."""
    box.switch(access_token_ttl_s=86400)
    token, aes = box.login(), Aes()
    ref = export(box, token, aes)
    url = package(box, token, ref)["package"]["parts"][0]["url"]
    assert box.http.get(url).status_code == 200
    box.advance(3601)
    assert box.http.get(url).status_code == 403
    assert box.http.get(package(box, token, ref)["package"]["parts"][0]["url"]).status_code == 200


def test_sandbox_extra_every_accepted_form_opens(box: Box) -> None:
    """FA(2), FA_RR, PEF and PEF_KOR sessions open on test; PEF not in batch."""
    token = box.login()
    for code, version, value in (("FA (2)", "1-0E", "FA"), ("FA_RR (1)", "1-1E", "FA_RR"), ("PEF (3)", "2-1", "PEF")):
        box.session(token, {"systemCode": code, "schemaVersion": version, "value": value})
    assert FA3["value"] == "FA"
