"""The one table of KSeF's codes: every code of the contract, each meaning only what it means on its object (K06)."""

import json
from typing import Any

import pytest

from agent.ksef.api import Done, Pending, Reading
from agent.ksef.errors import TABLE, Kind, broken, is_network, read_http, read_status
from spool.domain.outcomes import Later, Refused, Scope, Unknown

AUTH = {100: "p", 200: "d", 400: "person", 415: "person", 425: "login", 450: "person", 460: "person", 470: "person",
        480: "person", 500: "login", 550: "login"}  # fmt: skip
SESSION = {100: "p", 170: "p", 200: "d", 415: "session", 440: "d", 445: "d"}
BATCH = {100: "p", 150: "p", 200: "d", 405: "session", 415: "session", 420: "session", 430: "person", 435: "session",
         440: "?", 445: "d", 500: "?"}  # fmt: skip
INVOICE = {100: "p", 150: "p", 200: "d", 405: "session", 410: "person", 415: "person", 430: "refused", 435: "session",
           440: "?", 450: "refused", 500: "session", 550: "session"}  # fmt: skip
EXPORT = {100: "p", 200: "d", 210: "later", 415: "later", 420: "later", 500: "later", 550: "later"}
HTTP = {9101: "person", 9102: "person", 9103: "person", 9105: "person", 21001: "later", 21111: "login",
        21115: "person", 21117: "person", 21155: "session", 21157: "session", 21161: "session", 21164: "later",
        21165: "later", 21166: "refused", 21167: "refused", 21173: "session", 21175: "later", 21178: "later",
        21180: "session", 21181: "later", 21182: "later", 21183: "later", 21184: "session", 21205: "session",
        21208: "session", 21217: "person", 21301: "login", 21304: "login", 21308: "person", 21401: "person",
        21402: "later", 21403: "later", 21405: "later", 21406: "person", 21418: "later", 21470: "session",
        25001: "person", 25011: "person", 26001: "person", 26002: "person", 30001: "d", 71001: "refused",
        71002: "refused", 71004: "refused", 71005: "refused"}  # fmt: skip
CASES = [
    (kind, code, wanted)
    for kind, rows in {
        Kind.AUTH: AUTH,
        Kind.SESSION: SESSION,
        Kind.BATCH: BATCH,
        Kind.INVOICE: INVOICE,
        Kind.EXPORT: EXPORT,
        Kind.HTTP: HTTP,
    }.items()
    for code, wanted in rows.items()
]


def _short(reading: Reading) -> str:
    outcome = reading.outcome
    if isinstance(outcome, Later):
        if outcome.person:
            return "person"
        return "session" if outcome.new_session else "login" if outcome.new_login else "later"
    return {Pending: "p", Done: "d", Refused: "refused", Unknown: "?"}[type(outcome)]


def _legacy(*codes: int) -> bytes:
    items = [{"exceptionCode": c, "exceptionDescription": "Opis.", "details": ["szczegół"]} for c in codes]
    return json.dumps({"exception": {"exceptionDetailList": items, "serviceCode": "x"}}).encode()


def _problem(code: int) -> bytes:
    return json.dumps({"title": "Bad Request", "status": 400, "errors": [{"code": code, "description": "O"}]}).encode()


@pytest.mark.parametrize(("kind", "code", "wanted"), CASES)
def test_fault_K06_every_code_on_its_object(kind: Kind, code: int, wanted: str) -> None:
    """Protocol §2.6, §6.2, §6.4, §7.3, §9.3, §17.2, row by row; an HTTP code in both forms of its body."""
    if kind is Kind.HTTP:
        readings = [read_http(400, _legacy(code)), read_http(400, _problem(code))]
    else:
        readings = [read_status(kind, {"code": code, "description": "Opis", "details": ["szczegół"]})]
    assert [_short(r) for r in readings] == [wanted] * len(readings)
    assert all(r.code == f"{kind}:{code}" for r in readings)


@pytest.mark.parametrize("kind", [Kind.AUTH, Kind.SESSION, Kind.BATCH, Kind.INVOICE, Kind.EXPORT])
@pytest.mark.parametrize("code", [0, 101, 160, 201, 399, 444, 599, 999999, None, "200", 200.5, [200]])
def test_fault_K06_unknown_status_is_unknown(kind: Kind, code: Any) -> None:
    """A code that nobody published is neither success nor refusal, and an odd type is no code at all."""
    assert isinstance(read_status(kind, {"code": code}).outcome, Unknown)


def test_fault_K06_same_number_differs_by_object() -> None:
    """440: an empty session is over, a duplicate invoice is an open question."""
    assert isinstance(read_status(Kind.SESSION, {"code": 440}).outcome, Done)
    outcome = read_status(Kind.INVOICE, {"code": 440}).outcome
    assert isinstance(outcome, Unknown)
    assert outcome.duplicate


def test_duplicate_carries_its_original() -> None:
    """The extensions of a 440 are kept; without them it is still a duplicate."""
    extensions = {"originalKsefNumber": "N", "originalSessionReferenceNumber": "S"}
    outcome = read_status(Kind.INVOICE, {"code": 440, "extensions": extensions}).outcome
    assert outcome == Unknown(TABLE[Kind.INVOICE, 440].reason, None, True, "N", "S")
    bare = read_status(Kind.INVOICE, {"code": 440, "extensions": None}).outcome
    assert isinstance(bare, Unknown)
    assert (bare.duplicate, bare.original_ksef_number) == (True, "")


def test_refusal_is_told_in_ksefs_words() -> None:
    """A refused invoice carries KSeF's description and details in a Polish sentence with a cure."""
    status = {"code": 450, "description": "Błąd weryfikacji semantyki", "details": ["Pole NIP jest złe"]}
    outcome = read_status(Kind.INVOICE, status).outcome
    assert isinstance(outcome, Refused)
    problem = outcome.problems[0]
    assert problem.code == "ksef_refused"
    assert "Błąd weryfikacji semantyki" in problem.message
    assert "Pole NIP jest złe" in problem.message
    assert "450" in problem.message
    assert problem.hint


@pytest.mark.parametrize(("status", "wanted"), [(401, "login"), (403, "later"), (404, "later"), (410, "later"),
                                                (413, "later"), (429, "later")])  # fmt: skip
def test_statuses_that_prove_nothing_happened(status: int, wanted: str) -> None:
    """The front door said no, with an empty body or a page: certainly not registered."""
    for body in (b"", b"<html>no</html>"):
        reading = read_http(status, body)
        assert _short(reading) == wanted
        assert isinstance(reading.outcome, Later)


@pytest.mark.parametrize("status", [200, 202, 204, 301, 302, 307, 400, 402, 406, 408, 409, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"{", b"[]", b"null", b'{"exception": 3}', b"\xff\xfe"])
def test_fault_K03_statuses_that_prove_nothing(status: int, body: bytes) -> None:
    """A proxy's page, a redirect, a 5xx or a 400 without a known code: nobody knows what happened (K03)."""
    assert isinstance(read_http(status, body).outcome, Unknown)


def test_fault_K06_unknown_400_code_is_unknown() -> None:
    """A new exception code is no proof; a known one beside it decides."""
    assert isinstance(read_http(400, _legacy(99999)).outcome, Unknown)
    assert _short(read_http(400, _legacy(99999, 21184))) == "session"


@pytest.mark.parametrize("reason", ["missing-permissions", "ip-not-allowed", "insufficient-resource-access",
                                    "auth-method-not-allowed", "security-service-blocked",
                                    "context-type-not-allowed"])  # fmt: skip
def test_fault_K10_403_reasons_need_a_person(reason: str) -> None:
    """Each documented reason pauses the context and says what to do (protocol §17.1)."""
    reading = read_http(403, json.dumps({"reasonCode": reason, "detail": "d", "status": 403}).encode())
    assert _short(reading) == "person"
    assert isinstance(reading.outcome, Later)
    assert reading.outcome.scope is Scope.CONTEXT
    assert reading.hint


@pytest.mark.parametrize(("header", "seconds"), [("30", 30), ("2999", 2999), (None, 60), ("soon", 60), ("-5", 60)])
def test_fault_K04_retry_after_is_kept_to_the_second(header: str | None, seconds: float) -> None:
    """Nothing shortens what KSeF asks for; without a usable header one minute."""
    outcome = read_http(429, b"", header).outcome
    assert isinstance(outcome, Later)
    assert outcome.after_s == seconds


def test_fault_K03_network_before_and_after_sending() -> None:
    """Before the request left: certainly nothing. Afterwards: unknown. Both are "unreachable" for the page."""
    before, after = broken(False, "x", "connect"), broken(True, "x", "timeout")
    assert isinstance(before.reading.outcome, Later)
    assert isinstance(after.reading.outcome, Unknown)
    assert is_network(before.code)
    assert is_network(after.code)
    assert not is_network("http:21180")
    assert not is_network("auth:450")


def test_fault_K11_new_keys_where_the_key_was_the_trouble() -> None:
    """21470, 21180 and 415 of a session fetch the keys anew, 435 of an invoice too (protocol §3, §6.4)."""
    readings = [read_http(400, _legacy(21470)), read_http(400, _legacy(21180)),
                read_status(Kind.SESSION, {"code": 415}), read_status(Kind.INVOICE, {"code": 435})]  # fmt: skip
    assert all(isinstance(r.outcome, Later) and r.outcome.new_keys for r in readings)
