"""Statements L1–L5, F1–F7, G1–G7 and the controls of DESIGN §4.7."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sandbox_invoices import invoice
from sandbox_kit import NIP, OTHER_NIP, Aes, Box, digest, poll

SEND = "POST /v2/sessions/online/{referenceNumber}/invoices"
CLOSE = "POST /v2/sessions/online/{referenceNumber}/close"
ROOT = Path(__file__).resolve().parents[2]


def until_refused(box: Box, token: str) -> list[int]:
    """Call GET /sessions until the first 429; the status codes."""
    codes: list[int] = []
    while 429 not in codes:
        codes.append(box.get("/v2/sessions", token, params={"sessionType": "Online"}).status_code)
        assert len(codes) < 12
    return codes


def test_sandbox_L1_limit_of_the_second(start: Callable[..., Box]) -> None:
    """GET /sessions is refused after 5 in a second (10 in a minute at the latest); another context is not touched."""
    box = start()
    token, other = box.login(), box.login(OTHER_NIP)
    query = {"sessionType": "Online"}
    codes = until_refused(box, token)
    assert codes[:5] == [200] * 5
    assert box.get("/v2/sessions", other, params=query).status_code == 200


def test_sandbox_L1_windows_slide_with_the_clock(start: Callable[..., Box]) -> None:
    """The minute's limit holds when the second's is free, and ends with the minute."""
    box = start()
    token = box.login()
    for _ in range(10):
        assert box.get("/v2/sessions", token, params={"sessionType": "Online"}).status_code == 200
        box.advance(1)
    refused = box.get("/v2/sessions", token, params={"sessionType": "Online"})
    assert refused.status_code == 429
    box.advance(int(refused.headers["Retry-After"]))
    assert box.get("/v2/sessions", token, params={"sessionType": "Online"}).status_code == 200


def test_sandbox_L1_limits_are_shown_and_settable(box: Box) -> None:
    """GET /rate-limits has every group; POST /testdata/rate-limits changes the context's."""
    box.switch(rate_limits="on")
    token = box.login()
    shown = box.get("/v2/rate-limits", token).json()
    assert shown["invoiceSend"] == {"perSecond": 10, "perMinute": 30, "perHour": 180}
    assert shown["onlineSessionClose"]["perHour"] == 240
    closed = ("anonymous", "global", "onlineSessionClose", "batchSessionClose")
    changed = {group: values for group, values in shown.items() if group not in closed}
    changed["invoiceSend"] = {"perSecond": 1, "perMinute": 2, "perHour": 3}
    assert box.post("/v2/testdata/rate-limits", token, {"rateLimits": changed}).status_code == 200
    assert box.get("/v2/rate-limits", token).json()["invoiceSend"]["perHour"] == 3
    box.delete("/v2/testdata/rate-limits", token)
    assert box.get("/v2/rate-limits", token).json() == shown


def test_sandbox_L2_both_bodies_of_429(start: Callable[..., Box]) -> None:
    """The default body is the status object, problem+json on request; Retry-After is an integer."""
    box = start()
    token = box.login()
    until_refused(box, token)
    answer = box.get("/v2/sessions", token, params={"sessionType": "Online"})
    assert answer.json()["status"]["code"] == 429
    assert int(answer.headers["Retry-After"]) >= 1
    header = {"X-Error-Format": "problem-details"}
    problem = box.get("/v2/sessions", token, params={"sessionType": "Online"}, headers=header)
    assert problem.headers["Content-Type"].startswith("application/problem+json")
    assert problem.json()["status"] == 429


def test_sandbox_L2_calls_while_blocked_lengthen_the_block(start: Callable[..., Box]) -> None:
    """Each call in the block adds the penalty, and is counted in `in_ban`."""
    box = start()
    box.switch(rate_limit_penalty_s=10)
    token = box.login()
    until_refused(box, token)
    answers = [box.get("/v2/sessions", token, params={"sessionType": "Online"}) for _ in range(3)]
    waits = [int(answer.headers["Retry-After"]) for answer in answers]
    assert waits == sorted(waits)
    assert waits[2] > waits[0] + 10
    assert box.get("/sandbox/requests").json()["in_ban"] == 3


def test_sandbox_L2_hourly_excess_names_up_to_an_hour(start: Callable[..., Box]) -> None:
    """Past the hour's limit Retry-After is in the thousands of seconds."""
    box = start()
    box.switch(access_token_ttl_s=86400)
    token = box.login()
    path, body = "/v2/invoices/query/metadata", {}
    for _ in range(20):
        assert box.post(path, token, body).status_code == 400
        box.advance(10)
    refused = box.post(path, token, body)
    assert refused.status_code == 429
    assert 3000 < int(refused.headers["Retry-After"]) <= 3600


def test_sandbox_L3_anonymous_calls_count_per_address(start: Callable[..., Box]) -> None:
    """The 61st anonymous call within a second of the clock is 429."""
    box = start()
    codes = [box.post("/v2/auth/challenge").status_code for _ in range(120)]
    assert 429 in codes
    assert codes[:60] == [200] * 60


def test_sandbox_L4_both_formats_of_400(box: Box) -> None:
    """Legacy envelope by default, problem+json with errors[] on request."""
    token = box.login()
    legacy = box.post("/v2/sessions/online", token, {})
    assert box.code(legacy) == 21405
    problem = box.post("/v2/sessions/online", token, {}, headers={"X-Error-Format": "problem-details"})
    assert problem.headers["Content-Type"].startswith("application/problem+json")
    assert problem.json()["errors"][0]["code"] == 21405


def test_sandbox_L4_not_json_is_21001(box: Box) -> None:
    """A body that is not JSON is 21001."""
    headers = {"Authorization": f"Bearer {box.login()}", "Content-Type": "application/json"}
    assert box.code(box.http.post(f"{box.url}/v2/sessions/online", content=b"{", headers=headers)) == 21001


def test_sandbox_L5_security_block_has_no_timestamp(box: Box) -> None:
    """With `security_blocked` every business call is 403 with incidentId and without timestamp."""
    token = box.login()
    box.switch(security_blocked=True)
    answer = box.get("/v2/limits/context", token)
    assert answer.status_code == 403
    assert answer.json()["reasonCode"] == "security-service-blocked"
    assert "timestamp" not in answer.json()


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_sandbox_F1_html_error_pages(box: Box, code: int) -> None:
    """http_50x answers an HTML page for `count` requests and then works."""
    box.fault("POST /v2/auth/challenge", f"http_{code}", count=1)
    answer = box.post("/v2/auth/challenge")
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (code, "text/html")
    assert box.post("/v2/auth/challenge").status_code == 200


@pytest.mark.parametrize(("kind", "code"), [("empty_403", 403), ("empty_413", 413), ("html_200", 200)])
def test_sandbox_F1_bodies_that_are_no_answer(box: Box, kind: str, code: int) -> None:
    """Empty 403 and 413, and a 200 that is a web page."""
    box.fault("*", kind, count=1)
    answer = box.get("/latarnia/status")
    assert answer.status_code == code
    assert "<html>" in answer.text if code == 200 else not answer.content


def test_sandbox_F1_pattern_spares_latarnia(box: Box) -> None:
    """`* /v2/*` takes the whole API down and leaves Latarnia alone."""
    box.fault("* /v2/*", "http_503")
    assert box.post("/v2/auth/challenge").status_code == 503
    assert box.get("/v2/security/public-key-certificates").status_code == 503
    assert box.get("/latarnia/status").status_code == 200


def test_sandbox_F2_lost_redeem_means_a_new_login(box: Box) -> None:
    """A redeem whose answer was lost is spent: the repeat is 21301."""
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    box.auth_status(started)
    token = started["authenticationToken"]["token"]
    box.fault("POST /v2/auth/token/redeem", "timeout_after", count=1, hold_s=0.05)
    with pytest.raises(httpx.TransportError):
        box.post("/v2/auth/token/redeem", token)
    assert box.code(box.post("/v2/auth/token/redeem", token)) == 21301


def test_sandbox_F2_lost_open_leaves_a_session(box: Box) -> None:
    """An open whose answer was lost shows in GET /sessions."""
    token = box.login()
    box.fault("POST /v2/sessions/online", "timeout_after", count=1, hold_s=0.05)
    with pytest.raises(httpx.TransportError):
        box.session(token)
    listed = box.get("/v2/sessions", token, params={"sessionType": "Online"}).json()["sessions"]
    assert len(listed) == 1


def test_sandbox_F1_timeout_holds_until_the_client_goes(box: Box) -> None:
    """Without hold_s the silence lasts until the client gives up."""
    box.fault("POST /v2/auth/challenge", "timeout_before", count=1)
    with pytest.raises(httpx.ReadTimeout):
        box.http.post(f"{box.url}/v2/auth/challenge", timeout=0.3)


def test_sandbox_F1_refuse_closes_the_connection(box: Box) -> None:
    """refuse gives no HTTP answer at all."""
    box.fault("POST /v2/auth/challenge", "refuse", count=1)
    with pytest.raises(httpx.TransportError):
        box.post("/v2/auth/challenge")


def test_sandbox_F1_429_injected(start: Callable[..., Box]) -> None:
    """429 carries the wanted Retry-After; an early repeat is a call in the ban; deletion lifts it."""
    box = start()
    token = box.login()
    box.fault("GET /v2/limits/context", "429", count=1, retry_after=77)
    assert box.get("/v2/limits/context", token).headers["Retry-After"] == "77"
    assert box.get("/v2/limits/context", token).status_code == 429
    assert box.get("/sandbox/requests").json()["in_ban"] == 1
    box.delete("/sandbox/faults")
    assert box.get("/v2/limits/context", token).status_code == 200


def test_sandbox_F1_truncated_body(box: Box) -> None:
    """truncate breaks off in the middle of the announced length."""
    box.fault("GET /v2/security/public-key-certificates", "truncate", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        box.get("/v2/security/public-key-certificates")


def test_sandbox_F1_bad_hash(box: Box) -> None:
    """bad_hash spoils x-ms-meta-hash on storage downloads and leaves the bytes alone."""
    session = box.session(box.login())
    url = session.verdict(invoice())["upoDownloadUrl"]
    good = box.http.get(url)
    box.fault("GET /storage/{area}/{ref}/{name}", "bad_hash", count=1)
    bad = box.http.get(url)
    assert bad.content == good.content
    assert bad.headers["x-ms-meta-hash"] != digest(bad.content)


def test_sandbox_F1_timeout_before_does_nothing(box: Box) -> None:
    """timeout_before never answers and leaves no invoice."""
    session = box.session(box.login())
    box.fault(SEND, "timeout_before", count=1, hold_s=0.05)
    with pytest.raises(httpx.TransportError):
        session.post(invoice())
    assert session.status()["invoiceCount"] == 0


def test_sandbox_F2_timeout_after_has_done_it(box: Box) -> None:
    """timeout_after never answers, but the invoice is in and found by its hash."""
    session, xml = box.session(box.login()), invoice()
    box.fault(SEND, "timeout_after", count=1, hold_s=0.05)
    with pytest.raises(httpx.TransportError):
        session.post(xml)
    listed = box.get(f"/v2/sessions/{session.ref}/invoices", session.token).json()["invoices"]
    assert [item["invoiceHash"] for item in listed] == [digest(xml)]


def test_sandbox_F2_close_after_lost_close(box: Box) -> None:
    """A close whose answer was lost took effect; the repeat is 21180."""
    session = box.session(box.login())
    session.verdict(invoice())
    box.fault(CLOSE, "timeout_after", count=1, hold_s=0.05)
    with pytest.raises(httpx.TransportError):
        session.close()
    assert box.code(session.close()) == 21180


def test_sandbox_F1_stuck_150_for_one_invoice(box: Box) -> None:
    """The fault holds the next invoice at 150 until it is deleted."""
    session = box.session(box.login())
    fault = box.fault(SEND, "stuck_150", count=1)
    held, free = session.send(invoice()), session.send(invoice())
    assert session.wait(free)["status"]["code"] == 200
    assert session.item(held)["status"]["code"] == 150
    box.delete(f"/sandbox/faults/{fault}")
    assert session.wait(held)["status"]["code"] == 200


def test_sandbox_F3_rotation_and_retirement(box: Box) -> None:
    """A second key is published beside the first; the retired one is 21470."""
    token = box.login()
    old = box.key()
    added = box.post("/sandbox/keys", body={"add": "SymmetricKeyEncryption"}).json()
    keys = box.get("/v2/security/public-key-certificates").json()
    assert {old["publicKeyId"], added["publicKeyId"]} <= {key["publicKeyId"] for key in keys}
    encryption = box.encryption(Aes())
    box.post("/sandbox/keys", body={"retire": old["publicKeyId"]})
    body = {"formCode": {"systemCode": "FA (3)", "schemaVersion": "1-0E", "value": "FA"}, "encryption": encryption}
    assert box.code(box.post("/v2/sessions/online", token, body)) == 21470
    assert box.session(token).verdict(invoice())["status"]["code"] == 200


def test_sandbox_F6_warning_is_echoed(box: Box) -> None:
    """X-Test-System-Warning comes back as X-System-Warning."""
    answer = box.post("/v2/auth/challenge", headers={"X-Test-System-Warning": "[X1]: soon"})
    assert answer.headers["X-System-Warning"] == "[X1]: soon"


def test_sandbox_F7_extra_fields(box: Box) -> None:
    """With `extra_json_fields` every object has unknown properties beside the known ones."""
    plain = set(box.post("/v2/auth/challenge").json())
    box.switch(extra_json_fields=True)
    assert plain < set(box.post("/v2/auth/challenge").json())


def test_sandbox_controls_reject_nonsense(box: Box) -> None:
    """Unknown switches, fault kinds and clock bodies are 400 with a reason."""
    for path, body in (
        ("/sandbox/switches", {"nonsense": 1}),
        ("/sandbox/switches", {"rate_limits": "maybe"}),
        ("/sandbox/faults", {"kind": "nonsense"}),
        ("/sandbox/clock", {}),
        ("/sandbox/latarnia", {"status": "SUNNY"}),
    ):
        answer = box.post(path, body=body)
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_sandbox_ledger_has_the_documented_fields(box: Box) -> None:
    """Ledger rows carry exactly the fields of DESIGN §4.7; posts counts every arrival of the bytes."""
    session, xml = box.session(box.login()), invoice(number="L/1")
    first = session.verdict(xml)
    session.verdict(xml)
    row = box.ledger()[0]
    assert row == {
        "ksef_number": first["ksefNumber"],
        "sha256": hashlib.sha256(xml).hexdigest(),
        "seller_nip": NIP,
        "invoice_number": "L/1",
        "kind": "VAT",
        "session": session.ref,
        "accepted_at": first["acquisitionDate"],
        "posts": 2,
        "offline": False,
        "corrects": None,
    }


def test_sandbox_requests_are_counted_by_template(box: Box) -> None:
    """GET /sandbox/requests counts per METHOD and path template."""
    session = box.session(box.login())
    session.status()
    counts = box.get("/sandbox/requests").json()["by_endpoint"]
    assert counts["POST /v2/sessions/online"] == 1
    assert counts["GET /v2/sessions/{referenceNumber}"] == 1


def test_sandbox_inbound_reaches_the_buyer(box: Box) -> None:
    """An inbound invoice is accepted at once, listed without session, and found by the buyer."""
    xml = invoice("9999999999", buyer=NIP)
    answer = box.http.post(f"{box.url}/sandbox/inbound", content=xml)
    assert answer.status_code == 201
    number = answer.json()["ksef_number"]
    assert number.startswith("9999999999-")
    assert [(row["session"], row["posts"]) for row in box.ledger()] == [(None, 0)]
    token = box.login()
    assert (
        poll(lambda: box.get(f"/v2/invoices/ksef/{number}", token), lambda seen: seen.status_code == 200).content == xml
    )
    assert box.http.post(f"{box.url}/sandbox/inbound", content=xml).status_code == 409
    assert box.http.post(f"{box.url}/sandbox/inbound", content=b"<x>").status_code == 422


def test_sandbox_inbound_takes_other_forms(box: Box) -> None:
    """A PEF (UBL) invoice comes in under the seller's NIP."""
    xml = (
        '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"'
        ' xmlns:c="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        ' xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
        "<b:ID>PEF/1</b:ID><b:IssueDate>2026-11-01</b:IssueDate><b:DocumentCurrencyCode>PLN</b:DocumentCurrencyCode>"
        "<c:AccountingSupplierParty><c:Party><c:PartyTaxScheme><b:CompanyID>PL9999999999</b:CompanyID>"
        "</c:PartyTaxScheme></c:Party></c:AccountingSupplierParty><c:AccountingCustomerParty><c:Party>"
        f"<c:PartyTaxScheme><b:CompanyID>PL{NIP}</b:CompanyID></c:PartyTaxScheme></c:Party>"
        "</c:AccountingCustomerParty></Invoice>"
    ).encode()
    answer = box.http.post(f"{box.url}/sandbox/inbound", content=xml)
    assert answer.json()["ksef_number"].startswith("9999999999-")


def test_sandbox_F5_state_survives_a_restart(start: Callable[..., Box], tmp_path: Path) -> None:
    """Tokens, sessions, verdicts, clock, switches, faults and keys are there again after a restart."""
    box = start(tmp_path / "kept")
    box.switch(rate_limits="off")
    session = box.session(box.login())
    item = session.verdict(invoice(number="R/1"))
    key = box.key()["publicKeyId"]
    box.advance(100)
    box.fault("GET /v2/limits/context", "http_503", count=5)
    box.stop()
    again = start(tmp_path / "kept")
    session.box = again
    assert session.item(item["referenceNumber"])["ksefNumber"] == item["ksefNumber"]
    assert session.verdict(invoice(number="R/1"))["status"]["code"] == 440
    assert again.key()["publicKeyId"] == key
    assert again.get("/v2/limits/context", session.token).status_code == 503
    assert len(again.ledger()) == 1


def test_sandbox_F5_killed_process_forgets_nothing_accepted(tmp_path: Path) -> None:
    """`python -m sandbox` says ready in JSON, survives SIGKILL with its ledger, and stops on SIGTERM with 0."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--speed", "fast", "--data", str(tmp_path)]
    pipe = {"stdout": subprocess.PIPE, "cwd": ROOT, "env": {**os.environ, "PYTHONUNBUFFERED": "1"}}
    began = time.monotonic()
    with subprocess.Popen(command, **pipe) as process:  # type: ignore[call-overload]
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        assert time.monotonic() - began < 30
        number = httpx.post(f"{ready['url']}/sandbox/inbound", content=invoice()).json()["ksef_number"]
        process.kill()
    with subprocess.Popen(command, **pipe) as process:  # type: ignore[call-overload]
        url = json.loads(process.stdout.readline())["url"]
        rows = httpx.get(f"{url}/sandbox/ledger").json()["invoices"]
        assert [row["ksef_number"] for row in rows] == [number]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_sandbox_start_stops_cleanly_from_the_ready_line_on(name: signal.Signals) -> None:
    """A signal right after the ready line ends the process with 0."""
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(name)
        assert process.wait(10) == 0


def test_sandbox_authorisation_for_another_seller(box: Box) -> None:
    """A self-invoicing authorisation (rule 5) lets a context issue for the seller."""
    session = box.session(box.login())
    assert session.verdict(invoice(OTHER_NIP, self_invoicing=True))["status"]["code"] == 410
    body = {"seller": OTHER_NIP, "context": NIP, "scopes": ["SelfInvoicing"]}
    assert box.post("/sandbox/authorizations", body=body).status_code == 204
    assert session.verdict(invoice(OTHER_NIP, self_invoicing=True))["status"]["code"] == 200
    assert session.verdict(invoice(OTHER_NIP))["status"]["code"] == 410
