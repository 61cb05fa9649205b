"""Statements F1, F4 and F5 for outage stories: KSeF gone as a whole, verdicts on demand, and time that jumps."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from sandbox_invoices import invoice, today
from sandbox_kit import NIP, Box, poll
from test_sandbox_batch import opened, zipped
from test_sandbox_certificates import enrolled, login_code

DAY = 86_400
SEND = "POST /v2/sessions/online/{referenceNumber}/invoices"
ITEMS = "POST /v2/sessions/batch/{referenceNumber}/invoices"
CALLS = [
    ("POST", "/v2/auth/challenge"),
    ("GET", "/v2/sessions?sessionType=Online"),
    ("GET", "/v2/sessions/20270101-SO-0000000000-0000000000-00"),
    ("GET", "/v2/security/public-key-certificates"),
    ("POST", "/v2/testdata/person"),
    ("GET", "/v2/no/such/path"),
]
BESIDE = [("GET", f"/invoice/{NIP}/20-11-2026/{'A' * 43}"), ("GET", "/storage/upo/x/1.xml")]


def code(box: Box, method: str, path: str) -> int:
    """The status of an answer without a bearer; 0 for a cut connection."""
    try:
        return box.http.request(method, box.url + path).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize(("kind", "seen"), [("http_503", 503), ("refuse", 0)])
@pytest.mark.parametrize("endpoint", ["ksef", "* /v2/*"])
def test_sandbox_F1_ksef_fails_as_a_whole(box: Box, endpoint: str, kind: str, seen: int) -> None:
    """One call fails every endpoint until the fault is deleted; Latarnia and the controls go on."""
    healthy = [code(box, *call) for call in CALLS + BESIDE]
    fault = box.fault(endpoint, kind)
    assert {code(box, *call) for call in CALLS} == {seen}
    assert ({code(box, *call) for call in BESIDE} == {seen}) is (endpoint == "ksef")
    assert box.get("/latarnia/status").json() == {"status": "AVAILABLE"}
    assert box.get("/latarnia/messages").status_code == box.get("/sandbox/clock").status_code == 200
    assert box.delete(f"/sandbox/faults/{fault}").json() == {"removed": [fault]}
    assert [code(box, *call) for call in CALLS + BESIDE] == healthy


def test_sandbox_F1_an_outage_by_the_clock_outlives_a_restart(start: Callable[..., Box], tmp_path: Path) -> None:
    """`from` and `until` make a planned outage; it is still planned after a restart (F4, F5)."""
    box = start(tmp_path / "kept")
    box.fault("ksef", "http_503", **{"from": "2027-05-01T10:00:00+02:00", "until": "2027-05-01T22:00:00+02:00"})
    box.stop()
    again = start(tmp_path / "kept")
    seen = []
    for hour in ("09:59:50", "10:00:10", "21:59:50", "22:00:10"):
        again.post("/sandbox/clock", body={"set": f"2027-05-01T{hour}+02:00"})
        seen.append(code(again, "POST", "/v2/auth/challenge"))
    assert seen == [200, 503, 503, 200]


@pytest.mark.parametrize("verdict", [405, 410, 415, 430, 435, 440, 450, 499, 500, 550])
def test_sandbox_F1_verdict_with_details(box: Box, verdict: int) -> None:
    """The next invoice ends in the code with these details; the same bytes are accepted afterwards."""
    session, xml = box.session(box.login()), invoice(number="V/1")
    box.fault(SEND, f"verdict_{verdict}", count=1, details=["Pole P_15: za dużo.", "Drugi powód."])
    item = session.verdict(xml)
    assert (item["status"]["code"], item["status"]["details"]) == (verdict, ["Pole P_15: za dużo.", "Drugi powód."])
    assert (item["invoiceNumber"], "ksefNumber" in item) == ("V/1", False)
    assert session.verdict(xml)["status"]["code"] == 200
    assert session.status()["failedInvoiceCount"] == 1


def test_sandbox_F1_verdict_without_details_has_some(box: Box) -> None:
    """A rejection always says something."""
    box.fault(SEND, "verdict_450", count=1)
    assert box.session(box.login()).verdict(invoice())["status"]["details"]


def test_sandbox_F1_verdict_in_a_batch(box: Box) -> None:
    """The pseudo-endpoint of batch invoices takes verdicts, by count or by file name, and stuck_150."""
    box.fault(ITEMS, "verdict_450", match="b.xml", details=["b"])
    held = box.fault(ITEMS, "stuck_150", match="c.xml")
    batch = opened(box, zipped({f"{name}.xml": invoice() for name in "abcd"}))
    batch.upload()
    assert batch.close().status_code == 204

    def items() -> dict[str, dict[str, Any]]:
        found = box.get(f"/v2/sessions/{batch.ref}/invoices", batch.token).json()["invoices"]
        return {item["invoiceFileName"]: item["status"] for item in found}

    wanted = {"a.xml": 200, "b.xml": 450, "c.xml": 150, "d.xml": 200}
    poll(items, lambda seen: {name: status["code"] for name, status in seen.items()} == wanted)
    assert (items()["b.xml"]["details"], batch.status()["status"]["code"]) == (["b"], 150)
    box.delete(f"/sandbox/faults/{held}")
    assert poll(batch.status, lambda seen: seen["status"]["code"] >= 200)["successfulInvoiceCount"] == 3


def test_sandbox_F1_an_outage_touches_no_batch_in_work(box: Box) -> None:
    """A failing API refuses calls; what is inside goes on."""
    box.switch(batch_process_delay_s=0.3)
    batch = opened(box, zipped({"a.xml": invoice()}))
    batch.upload()
    assert batch.close().status_code == 204
    box.fault("ksef", "http_503")
    poll(box.ledger, lambda rows: len(rows) == 1)
    box.delete("/sandbox/faults")
    assert poll(batch.status, lambda seen: seen["status"]["code"] >= 200)["status"]["code"] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "verdict_200"},
        {"kind": "verdict_45"},
        {"kind": "verdict_450", "details": "text"},
        {"kind": "http_503", "details": ["x"]},
    ],
)
def test_sandbox_F1_bad_verdicts_are_refused(box: Box, body: dict[str, Any]) -> None:
    """Only codes of 400 to 599, details only there and as a list."""
    assert box.post("/sandbox/faults", body={"endpoint": SEND, **body}).status_code == 400


def test_sandbox_F4_clock_sets_and_advances(box: Box) -> None:
    """`set` and `advance_s` move the present; both answer it, and GET agrees."""
    moved = box.post("/sandbox/clock", body={"set": "2027-01-01T00:00:00+01:00"}).json()["now"]
    assert moved.startswith("2026-12-31T23:00:0")
    box.post("/sandbox/clock", body={"advance_s": 3600.5})
    assert box.get("/sandbox/clock").json()["now"].startswith("2027-01-01T00:00:0")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"set": "2027-01-01T00:00:00"},
        {"set": 5},
        {"advance_s": "NaN"},
        {"advance_s": 1e300},
        {"advance_s": 1e14},
        {"set": "9999-12-31T00:00:00Z"},
        {"set": "2027-01-01T00:00:00Z", "advance_s": 1},
    ],
)
def test_sandbox_F4_impossible_times_are_refused(box: Box, body: dict[str, Any]) -> None:
    """What no calendar can follow is 400 and leaves the clock alone."""
    before = box.get("/sandbox/clock").json()["now"][:13]
    assert box.post("/sandbox/clock", body=body).status_code == 400
    assert box.get("/sandbox/clock").json()["now"][:13] == before
    assert box.post("/v2/auth/challenge").status_code == 200


@pytest.mark.parametrize("moment", ["2026-03-01T12:00:00Z", "2031-03-01T12:00:00Z"])
def test_sandbox_F4_the_date_header_is_the_simulated_clock(box: Box, moment: str) -> None:
    """Every answer, good or bad, of the API, Latarnia, storage, portal and controls carries simulated time."""
    box.fault("GET /v2/rate-limits", "http_503")
    box.post("/sandbox/clock", body={"set": moment})
    paths = ["/v2/security/public-key-certificates", "/v2/sessions?sessionType=Online", "/v2/rate-limits", "/v2/x"]
    paths += ["/latarnia/status", "/latarnia/x", "/storage/upo/x/1.xml", "/sandbox/clock", "/sandbox/x", "/x"]
    paths.append(BESIDE[0][1])
    now = parsedate_to_datetime(box.http.post(f"{box.url}/v2/auth/challenge").headers["Date"])
    assert now.isoformat()[:16] == moment[:16]
    for path in paths:
        answer = box.get(path)
        assert 0 <= (parsedate_to_datetime(answer.headers["Date"]) - now).total_seconds() < 30, path


def test_sandbox_F4_tokens_and_sessions_expire_when_days_pass(box: Box) -> None:
    """A day later access is 401, the session has closed itself; a refresh still works, after a week not."""
    tokens = box.tokens()
    session = box.session(tokens["accessToken"]["token"])
    session.verdict(invoice(day=today()))
    box.advance(DAY)
    assert box.get(f"/v2/sessions/{session.ref}", session.token).status_code == 401
    refreshed = box.post("/v2/auth/token/refresh", tokens["refreshToken"]["token"])
    session.token = refreshed.json()["accessToken"]["token"]
    assert session.status()["status"]["code"] == 200
    assert box.code(session.post(invoice())) == 21180
    box.advance(7 * DAY)
    assert box.post("/v2/auth/token/refresh", tokens["refreshToken"]["token"]).status_code == 401


def test_sandbox_F4_certificates_expire_when_years_pass(box: Box) -> None:
    """A KSeF certificate is Expired after its two years; a login with it is refused then."""
    token = box.login()
    signer, serial = enrolled(box, token, "Authentication")
    assert login_code(box, signer) == 200
    box.switch(access_token_ttl_s=4 * 365 * DAY)
    token = box.login()
    box.advance(731 * DAY)
    listed = box.post("/v2/certificates/query", token, {}).json()["certificates"]
    assert {item["certificateSerialNumber"]: item["status"] for item in listed}[serial] == "Expired"
    assert login_code(box, signer) == 460


@pytest.mark.parametrize("moment", ["2026-02-02T12:00:00Z", "2026-11-30T12:00:00Z", "2028-06-01T12:00:00Z"])
def test_sandbox_F4_there_is_always_a_public_key_in_force(box: Box, moment: str) -> None:
    """From the first day of KSeF 2.0 on every usage has a key valid at simulated now, and it works."""
    old = box.key()["publicKeyId"]
    box.post("/sandbox/clock", body={"set": moment})
    keys = box.get("/v2/security/public-key-certificates").json()
    for usage in ("KsefTokenEncryption", "SymmetricKeyEncryption"):
        (key,) = (key for key in keys if usage in key["usage"])
        assert key["validFrom"] <= moment.replace("Z", ".999+00:00") < key["validTo"]
    assert (old in {key["publicKeyId"] for key in keys}) is (moment < "2028")
    again = box.get("/v2/security/public-key-certificates").json()
    assert again == keys
    for key in keys:
        validity = x509.load_der_x509_certificate(base64.b64decode(key["certificate"]))
        assert validity.not_valid_before_utc.isoformat() <= moment.replace("Z", "+00:00")


def test_sandbox_F4_a_clock_put_back_leaves_no_ban_behind(start: Callable[..., Box]) -> None:
    """Blocked a year from now, and back: the block of the future does not hold."""
    box = start()
    box.advance(365 * DAY)
    token = box.login()
    poll(lambda: box.get("/v2/rate-limits", token).status_code, lambda seen: seen == 429)
    box.advance(-365 * DAY)
    assert box.get("/v2/rate-limits", box.login()).status_code == 200
