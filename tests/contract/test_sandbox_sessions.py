"""Statements I1–I17 and I22–I24 of the sandbox contract: interactive sessions and invoices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sandbox_invoices import invoice, third
from sandbox_kit import FA3, NIP, OTHER_NIP, Aes, Box, b64, digest, poll

from sandbox.numbers import crc8, internal_id_checksum_ok

UNIT = f"{NIP}-12346"


def grant(box: Box, *permissions: str) -> None:
    """Let OTHER_NIP into the context of NIP."""
    body = {
        "contextIdentifier": {"type": "Nip", "value": NIP},
        "authorizedIdentifier": {"type": "Nip", "value": OTHER_NIP},
        "permissions": [{"permissionType": name, "description": "contract"} for name in permissions],
    }
    box.post("/v2/testdata/permissions", body=body)


def test_sandbox_I1_session_lives_twelve_hours(box: Box) -> None:
    """`validUntil` is creation plus twelve hours."""
    session = box.session(box.login())
    status = session.status()
    lifetime = datetime.fromisoformat(status["validUntil"]) - datetime.fromisoformat(status["dateCreated"])
    assert lifetime.total_seconds() == 43200


def test_sandbox_I1_unknown_form_code(box: Box) -> None:
    """A form code KSeF does not know is 21405."""
    body = {"formCode": {**FA3, "schemaVersion": "9-9"}, "encryption": box.encryption(Aes())}
    assert box.code(box.post("/v2/sessions/online", box.login(), body)) == 21405


def test_sandbox_I2_undecryptable_key_shows_as_415(box: Box) -> None:
    """The open call succeeds; the session turns 415, and sends get 21180 naming 415."""
    body = {"formCode": FA3, "encryption": {**box.encryption(Aes()), "encryptedSymmetricKey": b64(bytes(256))}}
    token = box.login()
    answer = box.post("/v2/sessions/online", token, body)
    assert answer.status_code == 201
    ref = answer.json()["referenceNumber"]
    poll(lambda: box.get(f"/v2/sessions/{ref}", token).json(), lambda seen: seen["status"]["code"] == 415)
    refused = box.post(f"/v2/sessions/online/{ref}/invoices", token, {})
    assert box.code(refused) == 21180
    assert "415" in refused.text


def test_sandbox_I3_hash_and_size_are_checked_at_once(box: Box) -> None:
    """A wrong encrypted size is 21402, a wrong encrypted hash 21403."""
    session = box.session(box.login())
    assert box.code(session.post(invoice(), encryptedInvoiceSize=1)) == 21402
    assert box.code(session.post(invoice(), encryptedInvoiceHash=digest(b"other"))) == 21403


def test_sandbox_I3_every_send_gets_a_reference_of_its_own(box: Box) -> None:
    """The same bytes sent twice get two EE references."""
    session, xml = box.session(box.login()), invoice()
    assert session.send(xml) != session.send(xml)


def test_sandbox_I4_wrong_key_is_435(box: Box) -> None:
    """Bytes that do not decrypt to PKCS#7 end in 435."""
    session = box.session(box.login())
    garbage = b"\x00" * 64
    changes = {
        "encryptedInvoiceContent": b64(garbage),
        "encryptedInvoiceHash": digest(garbage),
        "encryptedInvoiceSize": 64,
    }
    assert session.verdict(invoice(), **changes)["status"]["code"] == 435


def test_sandbox_I4_wrong_plain_hash_is_430(box: Box) -> None:
    """A plain hash that does not fit the decrypted bytes ends in 430."""
    assert box.session(box.login()).verdict(invoice(), invoiceHash=digest(b"x"))["status"]["code"] == 430


def test_sandbox_I5_phases_follow_the_clock(box: Box) -> None:
    """100, then 150, then 200, at the delays of the switches and the simulated clock."""
    box.switch(invoice_accept_delay_s=10, invoice_process_delay_s=100)
    session = box.session(box.login())
    ref = session.send(invoice())
    seen = [session.item(ref)["status"]["code"]]
    for seconds in (11, 100):
        box.advance(seconds)
        seen.append(session.item(ref)["status"]["code"])
    assert seen == [100, 150, 200]


def test_sandbox_I5_stuck_150_until_released(box: Box) -> None:
    """With the switch on an invoice stays at 150 for hours, and ends when it is turned off."""
    session = box.session(box.login())
    box.switch(stuck_150=True)
    ref = session.send(invoice())
    box.switch(access_token_ttl_s=86400)
    box.advance(600)
    assert session.item(ref)["status"]["code"] == 150
    assert not box.ledger()
    box.switch(stuck_150=False)
    assert session.wait(ref)["status"]["code"] == 200


def test_sandbox_I6_accepted_invoice_has_its_numbers(box: Box) -> None:
    """At 200 the KSeF number has the seller's NIP and a right CRC-8, and storage comes after acquisition."""
    session = box.session(box.login())
    ref = session.send(invoice())
    item = poll(lambda: session.item(ref), lambda seen: "permanentStorageDate" in seen)
    number = item["ksefNumber"]
    assert number.startswith(NIP + "-")
    assert number[33:] == crc8(number[:32])
    assert item["invoicingMode"] == "Online"
    assert item["permanentStorageDate"] > item["acquisitionDate"]


@pytest.mark.parametrize(
    ("stem", "check"),
    [
        ("5265877635-20250826-0100001AF629", "AF"),
        ("5265877635-20250916-0200A0D6723E", "C2"),
        ("5265877635-20250916-010040741B3E", "46"),
        ("4188479938-20260212-5B26A1000000", "36"),
    ],
)
def test_sandbox_I6_crc_of_real_numbers(stem: str, check: str) -> None:
    """The CRC-8 gives the check digits of numbers KSeF really issued."""
    assert crc8(stem) == check


def test_sandbox_I6_storage_date_appears_later_than_200(box: Box) -> None:
    """`permanentStorageDate` is absent at first."""
    box.switch(storage_delay_s=60)
    session = box.session(box.login())
    item = session.verdict(invoice())
    assert "permanentStorageDate" not in item
    box.advance(61)
    assert "permanentStorageDate" in session.item(item["referenceNumber"])


def test_sandbox_I7_duplicate_across_sessions(box: Box) -> None:
    """The same seller, kind and number with other bytes is 440 with both extensions and no number."""
    token = box.login()
    first = box.session(token)
    original = first.verdict(invoice(number="A/1"))
    copy = box.session(token).verdict(invoice(number="A/1", comment="other bytes"))
    assert copy["status"]["code"] == 440
    assert "ksefNumber" not in copy
    assert copy["status"]["extensions"] == {
        "originalKsefNumber": original["ksefNumber"],
        "originalSessionReferenceNumber": first.ref,
    }


def test_sandbox_I7_another_kind_is_no_duplicate(box: Box) -> None:
    """The same number with another RodzajFaktury is accepted."""
    token = box.login()
    box.accept(token, invoice(number="A/2"))
    assert box.accept(token, invoice(number="A/2", kind="UPR"))["ksefNumber"]


def test_sandbox_I7_switches_hide_or_falsify_the_original(box: Box) -> None:
    """The switches drop the extensions, or name the duplicate's own session."""
    token = box.login()
    xml = invoice()
    box.accept(token, xml)
    box.switch(duplicate_extensions_absent=True)
    assert "extensions" not in box.session(token).verdict(xml)["status"]
    box.switch(duplicate_extensions_absent=False, duplicate_wrong_session=True)
    session = box.session(token)
    assert session.verdict(xml)["status"]["extensions"]["originalSessionReferenceNumber"] == session.ref


def test_sandbox_I8_concurrent_sends_have_one_winner(box: Box) -> None:
    """Of eight simultaneous sends of one number exactly one is 200."""
    token = box.login()
    session = box.session(token)
    files = [invoice(number="A/8", comment=str(place)) for place in range(8)]
    with ThreadPoolExecutor(8) as pool:
        codes = [item["status"]["code"] for item in pool.map(session.verdict, files)]
    assert sorted(codes) == [200] + [440] * 7
    assert len(box.ledger()) == 1


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda xml: xml.replace(b"<P_15>", b"<P_15x>").replace(b"</P_15>", b"</P_15x>"), 450),
        (lambda xml: xml.replace(b"<KodWaluty>PLN", b"<KodWaluty>XXQ"), 450),
        (lambda xml: b"\xef\xbb\xbf" + xml, 430),
        (lambda xml: xml.replace(b"<Podmiot1>", b"<?pi x?><Podmiot1>"), 430),
        (lambda xml: xml.replace(b"Sprzedawca", "Sprze\u0085\u0086dawca".encode()), 430),
        (lambda xml: xml.replace(b"Sprzedawca", "Sprze\U0001fffedawca".encode()), 430),
        (lambda xml: xml.replace(b'encoding="UTF-8"', b'encoding="windows-1250"'), 430),
        (lambda xml: xml.replace(b"Sprzedawca", b"Sprze\xb9dawca"), 430),
        (lambda xml: xml.replace(b"?>\n", b'?><!DOCTYPE a [<!ENTITY b "c">]>\n', 1), 430),
        (lambda xml: xml[:-5], 430),
    ],
    ids=["xsd", "enum", "bom", "pi", "discouraged", "plane1", "declared", "latin", "dtd", "truncated"],
)
def test_sandbox_I9_broken_files(box: Box, spoil, code: int) -> None:  # type: ignore[no-untyped-def]
    """File-level faults end in 430, schema faults in 450, both with details."""
    item = box.session(box.login()).verdict(spoil(invoice()))
    assert item["status"]["code"] == code
    assert item["status"]["details"]


def test_sandbox_I11_nip_checksum_only_on_request(box: Box) -> None:
    """A buyer NIP with a wrong check digit passes on test, and fails with the feature header."""
    token = box.login()
    assert box.accept(token, invoice(buyer="1234567890"))
    header = {"X-KSeF-Feature": "subject-identifier-validation"}
    assert box.session(token, headers=header).verdict(invoice(buyer="1234567890"))["status"]["code"] == 450


def test_sandbox_I12_oversized_invoice(box: Box) -> None:
    """More than 1,000,000 bytes without attachment ends in 430; more than 3,000,000 is refused at once."""
    session = box.session(box.login())
    assert session.verdict(invoice(comment="x" * 1_000_000))["status"]["code"] == 430
    assert box.code(session.post(invoice(comment="x" * 3_000_000))) == 21402


def test_sandbox_I12_attachment_online_is_415(box: Box) -> None:
    """An attachment in an interactive session ends in 415, consent or not."""
    box.post("/v2/testdata/attachment", body={"nip": NIP})
    assert box.session(box.login()).verdict(invoice(attachment=True))["status"]["code"] == 415


def test_sandbox_I13_foreign_seller_is_410(box: Box) -> None:
    """Another seller's invoice is 410, and the detail names context and seller."""
    item = box.session(box.login()).verdict(invoice(OTHER_NIP))
    assert item["status"]["code"] == 410
    assert NIP in item["status"]["details"][0]
    assert OTHER_NIP in item["status"]["details"][0]


@pytest.mark.parametrize(
    ("value", "good"), [("6824515772-12343", True), ("7243438295-85299", True), ("5265877635-12345", False)]
)
def test_sandbox_I11_internal_id_check_digit(value: str, good: bool) -> None:
    """The check digit of worked examples of InternalId."""
    assert internal_id_checksum_ok(value) is good


@pytest.mark.parametrize(("role", "mode", "code"), [(7, "strict", 200), (8, "strict", 410), (8, "lenient", 200)])
def test_sandbox_I13_internal_id_needs_role_7(box: Box, role: int, mode: str, code: int) -> None:
    """From an InternalId context Podmiot3 with that IDWew and role 7 is expected; lenient takes any role."""
    box.switch(authorization=mode)
    session = box.session(box.login(NIP, ("InternalId", UNIT)))
    assert session.verdict(invoice(thirds=third(role, idwew=UNIT)))["status"]["code"] == code


def test_sandbox_I13_child_nip_of_a_jst(box: Box) -> None:
    """A registered subunit may send the parent's invoice naming itself with role 7, a stranger may not."""
    token = box.login(OTHER_NIP)
    xml = invoice(thirds=third(7, nip=OTHER_NIP))
    assert box.session(token).verdict(xml)["status"]["code"] == 410
    unit = {"subjectNip": OTHER_NIP, "description": "Szkoła nr 1"}
    body = {"subjectNip": NIP, "subjectType": "JST", "description": "Gmina", "subunits": [unit]}
    assert box.post("/v2/testdata/subject", body=body).status_code == 200
    assert box.session(token).verdict(xml)["status"]["code"] == 200


def test_sandbox_I14_session_limit(box: Box) -> None:
    """One invoice more than the limit of the context is 21155."""
    token = box.login()
    limits = {"maxInvoiceSizeInMB": 1, "maxInvoiceWithAttachmentSizeInMB": 3, "maxInvoices": 1}
    body = {"onlineSession": limits, "batchSession": limits, "collectiveIdentifier": {"maxInvoices": 500}}
    assert box.post("/v2/testdata/limits/context/session", token, body).status_code == 200
    session = box.session(token)
    session.send(invoice())
    assert box.code(session.post(invoice())) == 21155


def test_sandbox_I14_closed_and_unknown_sessions(box: Box) -> None:
    """A send to a closed session is 21180, to an unknown one 21173."""
    session = box.session(box.login())
    session.close()
    assert box.code(session.post(invoice())) == 21180
    session.ref = session.ref[:-2] + "ZZ"
    assert box.code(session.post(invoice())) == 21173


def test_sandbox_I16_close_states(box: Box) -> None:
    """Close is 204 then 21180; the session goes 170 and then 200."""
    box.switch(session_close_delay_s=60)
    session = box.session(box.login())
    session.verdict(invoice())
    assert session.close().status_code == 204
    assert session.status()["status"]["code"] == 170
    assert box.code(session.close()) == 21180
    box.advance(61)
    assert session.status()["status"]["code"] == 200


def test_sandbox_I16_empty_and_fruitless_sessions(box: Box) -> None:
    """Nothing sent ends in 440, nothing valid in 445."""
    token = box.login()
    assert box.session(token).settled()["status"]["code"] == 440
    session = box.session(token)
    session.verdict(invoice(OTHER_NIP))
    assert session.settled()["status"]["code"] == 445


def test_sandbox_I16_session_closes_itself_after_twelve_hours(box: Box) -> None:
    """After twelve hours a session is closed, sends get 21180 and its invoices keep their verdicts."""
    box.switch(access_token_ttl_s=86400)
    session = box.session(box.login())
    session.verdict(invoice())
    box.advance(43201)
    assert session.status()["status"]["code"] == 200
    assert box.code(session.post(invoice())) == 21180


def test_sandbox_I17_session_out_of_service(box: Box) -> None:
    """The fault 21184 for one session leaves the others alone."""
    token = box.login()
    sick, well = box.session(token), box.session(token)
    box.fault("POST /v2/sessions/online/{referenceNumber}/invoices", "21184", match=sick.ref)
    assert box.code(sick.post(invoice())) == 21184
    assert well.verdict(invoice())["status"]["code"] == 200


def test_sandbox_I22_counters_and_failed(box: Box) -> None:
    """Counters equal the items; /failed has only codes from 400."""
    session = box.session(box.login())
    for seller in (NIP, OTHER_NIP, NIP):
        session.verdict(invoice(seller))
    status = session.status()
    counts = [status[f"{name}Count"] for name in ("invoice", "successfulInvoice", "failedInvoice")]
    assert counts == [3, 2, 1]
    listed = box.get(f"/v2/sessions/{session.ref}/invoices", session.token).json()["invoices"]
    failed = box.get(f"/v2/sessions/{session.ref}/invoices/failed", session.token).json()["invoices"]
    assert [item["ordinalNumber"] for item in listed] == [1, 2, 3]
    assert [item["ordinalNumber"] for item in failed] == [2]


def test_sandbox_I23_pages_and_foreign_tokens(box: Box) -> None:
    """Lists page by continuation token; an altered one is 21418."""
    box.switch(rate_limits="off")
    session = box.session(box.login())
    for _ in range(12):
        session.send(invoice())
    path = f"/v2/sessions/{session.ref}/invoices"
    first = box.get(path, session.token, params={"pageSize": 10}).json()
    header = {"x-continuation-token": first["continuationToken"]}
    second = box.get(path, session.token, params={"pageSize": 10}, headers=dict(header)).json()
    assert [len(page["invoices"]) for page in (first, second)] == [10, 2]
    assert "continuationToken" not in second
    other = box.session(session.token)
    foreign = box.get(f"/v2/sessions/{other.ref}/invoices", session.token, headers=dict(header))
    assert box.code(foreign) == 21418


def test_sandbox_I24_foreign_session_is_403(box: Box) -> None:
    """A session of another context is 403 insufficient-resource-access."""
    session = box.session(box.login())
    answer = box.get(f"/v2/sessions/{session.ref}", box.login(OTHER_NIP))
    assert answer.status_code == 403
    assert answer.json()["reasonCode"] == "insufficient-resource-access"


def test_sandbox_I24_writer_sees_own_sessions_only(box: Box) -> None:
    """With InvoiceWrite alone GET /sessions lists one's own, with Introspection all of the context."""
    owner = box.session(box.login())
    grant(box, "InvoiceWrite")
    guest = box.session(box.login(OTHER_NIP, ("Nip", NIP)))
    query = {"sessionType": "Online"}
    seen = box.get("/v2/sessions", guest.token, params=query).json()["sessions"]
    assert [item["referenceNumber"] for item in seen] == [guest.ref]
    seen = box.get("/v2/sessions", owner.token, params=query).json()["sessions"]
    assert {item["referenceNumber"] for item in seen} == {owner.ref, guest.ref}


def test_sandbox_extra_the_list_filters_by_state_and_date(box: Box) -> None:
    """GET /sessions filters by statuses and dateCreatedFrom."""
    token = box.login()
    box.session(token).settled()
    still_open = box.session(token)
    query = {"sessionType": "Online", "statuses": "InProgress", "dateCreatedFrom": "2026-01-01T00:00:00+00:00"}
    seen = box.get("/v2/sessions", token, params=query).json()["sessions"]
    assert [item["referenceNumber"] for item in seen] == [still_open.ref]
