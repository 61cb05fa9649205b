"""Statements A1–A14 of the sandbox contract: logging in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from sandbox_kit import NIP, OTHER_NIP, Box, b64, oaep, poll
from sandbox_signing import Signer, request

from sandbox.numbers import crc8


def claims(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified."""
    body = token.split(".")[1]
    parsed: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return parsed


def ksef_token(box: Box, access: str, *permissions: str) -> dict[str, str]:
    """A generated, active KSeF token."""
    body = {"permissions": list(permissions) or ["InvoiceRead", "InvoiceWrite"], "description": "contract test"}
    made: dict[str, str] = box.post("/v2/tokens", access, body).json()
    path = f"/v2/tokens/{made['referenceNumber']}"
    poll(lambda: box.get(path, access).json(), lambda seen: seen["status"] == "Active")
    return made


def token_login(box: Box, text: str, *, stamp: int | None = None, key_id: str | None = "given") -> Any:
    """Submit a KSeF token; the raw answer."""
    challenge = box.post("/v2/auth/challenge").json()
    key = box.key("KsefTokenEncryption")
    plain = f"{text}|{stamp or challenge['timestampMs']}".encode()
    body: dict[str, Any] = {
        "challenge": challenge["challenge"],
        "contextIdentifier": {"type": "Nip", "value": NIP},
        "encryptedToken": b64(oaep(key["certificate"], plain)),
    }
    if key_id is not None:
        body["publicKeyId"] = key["publicKeyId"] if key_id == "given" else key_id
    return box.post("/v2/auth/ksef-token", body=body)


def test_sandbox_A1_challenge_has_the_documented_form(box: Box) -> None:
    """A challenge is 36 characters with type CR and a CRC-8 over the first 33."""
    text = box.challenge()
    assert len(text) == 36
    assert text[8:12] == "-CR-"
    assert text[34:] == crc8(text[:33])


def test_sandbox_A1_challenge_is_usable_once(box: Box) -> None:
    """The second login with one challenge is refused with 21111."""
    document = box.signer().login(box.challenge(), "Nip", NIP)
    assert box.submit(document).status_code == 202
    assert box.code(box.submit(document)) == 21111


def test_sandbox_A1_challenge_expires_after_ten_minutes(box: Box) -> None:
    """A challenge older than ten minutes is refused with 21111."""
    document = box.signer().login(box.challenge(), "Nip", NIP)
    box.advance(601)
    assert box.code(box.submit(document)) == 21111


def test_sandbox_A2_timestamps_agree(box: Box) -> None:
    """`timestampMs` is `timestamp` in milliseconds and `clientIp` the peer's address."""
    from datetime import datetime

    body = box.post("/v2/auth/challenge").json()
    assert round(datetime.fromisoformat(body["timestamp"]).timestamp() * 1000) == body["timestampMs"]
    assert body["clientIp"] == "127.0.0.1"


def test_sandbox_A3_token_login_works(box: Box) -> None:
    """A valid token encrypted to the named key logs in with its own permissions."""
    made = ksef_token(box, box.login(), "InvoiceRead")
    started = token_login(box, made["token"]).json()
    assert box.auth_status(started)["status"]["code"] == 200
    tokens = box.post("/v2/auth/token/redeem", started["authenticationToken"]["token"]).json()
    assert json.loads(claims(tokens["accessToken"]["token"])["per"]) == ["InvoiceRead"]


def test_sandbox_A3_token_login_without_key_id_uses_the_default_key(box: Box) -> None:
    """Without `publicKeyId` the default key decrypts the token."""
    made = ksef_token(box, box.login())
    assert box.auth_status(token_login(box, made["token"], key_id=None).json())["status"]["code"] == 200


def test_sandbox_A3_unknown_key_id(box: Box) -> None:
    """An unknown `publicKeyId` is 400/21470."""
    assert box.code(token_login(box, "x|y|z", key_id=b64(bytes(32)))) == 21470


@pytest.mark.parametrize("fault", ["token", "time"])
def test_sandbox_A3_mismatch_fails_asynchronously(box: Box, fault: str) -> None:
    """A wrong token or timestamp is accepted with 202 and ends in status 450."""
    made = ksef_token(box, box.login())
    text = made["token"][:-1] + "x" if fault == "token" else made["token"]
    answer = token_login(box, text, stamp=1 if fault == "time" else None)
    assert answer.status_code == 202
    assert box.auth_status(answer.json())["status"]["code"] == 450


def test_sandbox_A3_revoked_token_fails(box: Box) -> None:
    """A revoked token ends in status 450."""
    access = box.login()
    made = ksef_token(box, access)
    assert box.delete(f"/v2/tokens/{made['referenceNumber']}", access).status_code == 204
    assert box.auth_status(token_login(box, made["token"]).json())["status"]["code"] == 450


@pytest.mark.parametrize("family", ["ecdsa", "rsa", "pss"])
def test_sandbox_A4_signatures_of_every_family_verify(box: Box, family: str) -> None:
    """ECDSA as R||S, RSA v1.5 and RSA-PSS signatures are accepted."""
    document = Signer(NIP, family).login(box.challenge(), "Nip", NIP)
    assert box.submit(document).status_code == 202


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_sandbox_S10_both_namespaces_validate(box: Box, version: str) -> None:
    """AuthTokenRequest in namespace 2.0 and 2.1 is accepted."""
    document = box.signer().login(box.challenge(), "Nip", NIP, version=version)
    assert box.submit(document).status_code == 202


def test_sandbox_A4_seal_certificate_names_its_nip(box: Box) -> None:
    """A seal naming VATPL-NIP in organizationIdentifier logs into that NIP."""
    document = Signer(NIP, seal=True).login(box.challenge(), "Nip", NIP)
    assert box.auth_status(box.submit(document).json())["status"]["code"] == 200


def test_sandbox_A4_unsigned_document(box: Box) -> None:
    """A document without a signature is 9102."""
    assert box.code(box.submit(request(box.challenge(), "Nip", NIP))) == 9102


def test_sandbox_A4_two_signatures(box: Box) -> None:
    """A document signed twice is 9103."""
    once = box.signer().login(box.challenge(), "Nip", NIP)
    assert box.code(box.submit(box.signer().sign(once))) == 9103


@pytest.mark.parametrize("spoil", ["content", "value", "properties"])
def test_sandbox_A4_broken_signature(box: Box, spoil: str) -> None:
    """A change of the content, the value or the signed properties is 9105."""
    document = box.signer().login(box.challenge(), "Nip", NIP)
    if spoil == "content":
        document = document.replace(NIP.encode(), OTHER_NIP.encode())
    elif spoil == "value":
        start = document.index(b"SignatureValue>") + 15
        document = document[:start] + (b"A" if document[start : start + 1] != b"A" else b"B") + document[start + 1 :]
    else:
        document = document.replace(b"SigningTime>20", b"SigningTime>19")
    assert box.code(box.submit(document)) == 9105


def test_sandbox_A4_signing_certificate_must_match(box: Box) -> None:
    """SigningCertificate naming another certificate is 9105 though the value verifies."""
    document = box.signer().sign(request(box.challenge(), "Nip", NIP), wrong_certificate=b"another")
    assert box.code(box.submit(document)) == 9105


def test_sandbox_A4_enveloping_signature(box: Box) -> None:
    """A signature around the document is accepted as well as one inside it."""
    document = box.signer().envelop(request(box.challenge(), "Nip", NIP))
    assert box.auth_status(box.submit(document).json())["status"]["code"] == 200


def test_sandbox_A4_wrapped_signature(box: Box) -> None:
    """A signature over another element than the document, pointed at by Id, is 9105."""
    inner = box.signer().envelop(request(box.challenge(), "Nip", NIP))
    evil = request(box.challenge(), "Nip", OTHER_NIP).replace(b"</AuthTokenRequest>", b"")
    wrapped = evil + inner.split(b"?>", 1)[1] + b"</AuthTokenRequest>"
    assert box.code(box.submit(wrapped)) == 9105


def test_sandbox_A4_schema_violation(box: Box) -> None:
    """A NIP that breaks the pattern is 21401."""
    assert box.code(box.submit(box.signer().login(box.challenge(), "Nip", "0000000000"))) == 21401


def test_sandbox_A4_unknown_challenge(box: Box) -> None:
    """A challenge never given out is 21111."""
    document = box.signer().login("20261120-CR-AAAAAAAAAA-BBBBBBBBBB-CC", "Nip", NIP)
    assert box.code(box.submit(document)) == 21111


def test_sandbox_A4_certificate_without_identifier(box: Box) -> None:
    """A certificate naming neither NIP nor PESEL is 21115."""
    document = Signer(NIP, subject="nobody").login(box.challenge(), "Nip", NIP)
    assert box.code(box.submit(document)) == 21115


def test_sandbox_A4_context_conflict(box: Box) -> None:
    """A NIP certificate in a Peppol context is 21117."""
    assert box.code(box.submit(box.signer().login(box.challenge(), "PeppolId", "PPL123456"))) == 21117


def test_sandbox_A4_not_xml(box: Box) -> None:
    """Unreadable content is 21001."""
    assert box.code(box.submit(b"<AuthTokenRequest>")) == 21001


def test_sandbox_A4_prod_trusts_no_self_signed_certificate(start: Callable[..., Box]) -> None:
    """In profile prod a self-signed certificate ends in 460."""
    box = start(profile="prod")
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    assert box.auth_status(started)["status"]["code"] == 460


def test_sandbox_A4_fingerprint_subject(box: Box) -> None:
    """certificateFingerprint identifies by SHA-256 of the certificate and enters with a grant to it."""
    print_ = hashlib.sha256(box.signer().der).hexdigest().upper()
    body = {
        "contextIdentifier": {"type": "Nip", "value": OTHER_NIP},
        "authorizedIdentifier": {"type": "Fingerprint", "value": print_},
        "permissions": [{"permissionType": "InvoiceRead", "description": "read only"}],
    }
    box.post("/v2/testdata/permissions", body=body)
    access = box.tokens(NIP, ("Nip", OTHER_NIP), subject="certificateFingerprint")["accessToken"]["token"]
    assert json.loads(claims(access)["per"]) == ["InvoiceRead"]


def test_sandbox_A5_status_is_100_for_the_delay(box: Box) -> None:
    """Status stays 100 until the delay has passed on the simulated clock."""
    box.switch(auth_delay_s=60)
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    path, token = f"/v2/auth/{started['referenceNumber']}", started["authenticationToken"]["token"]
    assert box.get(path, token).json()["status"]["code"] == 100
    box.advance(61)
    assert box.get(path, token).json()["status"]["code"] == 200


def test_sandbox_A6_stranger_ends_in_415(box: Box) -> None:
    """A subject without permission in the context ends in 415."""
    started = box.submit(box.signer(OTHER_NIP).login(box.challenge(), "Nip", NIP)).json()
    assert box.auth_status(started)["status"]["code"] == 415


def test_sandbox_A6_granted_subject_gets_its_permissions(box: Box) -> None:
    """A grant from /testdata/permissions lets another NIP in, with those permissions only."""
    body = {
        "contextIdentifier": {"type": "Nip", "value": NIP},
        "authorizedIdentifier": {"type": "Nip", "value": OTHER_NIP},
        "permissions": [{"permissionType": "InvoiceRead", "description": "read only"}],
    }
    assert box.post("/v2/testdata/permissions", body=body).status_code == 200
    access = box.tokens(OTHER_NIP, ("Nip", NIP))["accessToken"]["token"]
    refused = box.post("/v2/sessions/online", access, {})
    assert refused.status_code == 403
    assert refused.json()["reasonCode"] == "missing-permissions"


def test_sandbox_A6_owner_enters_its_internal_ids(box: Box) -> None:
    """The owner of a NIP logs into InternalId contexts of that NIP."""
    assert claims(box.login(NIP, ("InternalId", f"{NIP}-12346")))["civ"] == f"{NIP}-12346"


def test_sandbox_A6_blocked_context_ends_in_480(box: Box) -> None:
    """A blocked context ends in 480."""
    box.post("/v2/testdata/context/block", body={"contextIdentifier": {"type": "Nip", "value": NIP}})
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    assert box.auth_status(started)["status"]["code"] == 480


def test_sandbox_A7_redeem_before_200(box: Box) -> None:
    """Redeeming while the status is 100 is 21301."""
    box.switch(auth_delay_s=60)
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    assert box.code(box.post("/v2/auth/token/redeem", started["authenticationToken"]["token"])) == 21301


def test_sandbox_A7_redeem_twice(box: Box) -> None:
    """The second redeem is 21301."""
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    box.auth_status(started)
    token = started["authenticationToken"]["token"]
    assert box.post("/v2/auth/token/redeem", token).status_code == 200
    assert box.code(box.post("/v2/auth/token/redeem", token)) == 21301


def test_sandbox_A7_unknown_operation(box: Box) -> None:
    """The status of an operation that does not exist is 21304."""
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    path = "/v2/auth/20261120-AU-AAAAAAAAAA-BBBBBBBBBB-CC"
    assert box.code(box.get(path, started["authenticationToken"]["token"])) == 21304


def test_sandbox_A8_lifetimes_and_claims(box: Box) -> None:
    """Access 15 minutes, refresh 7 days, `validUntil` = exp, claims as documented."""
    from datetime import datetime

    tokens = box.tokens()
    access, refresh = claims(tokens["accessToken"]["token"]), claims(tokens["refreshToken"]["token"])
    assert (access["typ"], access["exp"] - access["iat"], access["cit"], access["civ"]) == (
        "ContextToken",
        900,
        "Nip",
        NIP,
    )
    assert json.loads(access["per"]) == ["Owner"]
    assert (refresh["typ"], refresh["exp"] - refresh["iat"]) == ("RefreshToken", 604800)
    assert datetime.fromisoformat(tokens["accessToken"]["validUntil"]).timestamp() == access["exp"]


def test_sandbox_A9_refresh_token_is_reusable(box: Box) -> None:
    """Refresh returns only `accessToken`, again and again."""
    refresh = box.tokens()["refreshToken"]["token"]
    for _ in range(2):
        answer = box.post("/v2/auth/token/refresh", refresh)
        assert list(answer.json()) == ["accessToken"]


def test_sandbox_A9_revocation_kills_the_refresh_token_only(box: Box) -> None:
    """After revoking the login, refresh fails and the access token lives on."""
    tokens = box.tokens()
    access = tokens["accessToken"]["token"]
    assert box.delete("/v2/auth/sessions/current", access).status_code == 204
    assert box.code(box.post("/v2/auth/token/refresh", tokens["refreshToken"]["token"])) == 21301
    assert box.get("/v2/rate-limits", access).status_code == 200


@pytest.mark.parametrize("token", [None, "garbage", "a.b.c"])
def test_sandbox_A10_bad_bearer_is_401_problem(box: Box, token: str | None) -> None:
    """A missing or garbage bearer is 401 problem+json."""
    answer = box.get("/v2/rate-limits", token)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_sandbox_A10_expired_access_token(box: Box) -> None:
    """An access token is 401 after fifteen minutes on the simulated clock."""
    access = box.login()
    box.advance(901)
    assert box.get("/v2/rate-limits", access).status_code == 401


def test_sandbox_A10_operation_token_on_business_endpoint(box: Box) -> None:
    """An operation token on a business endpoint is 401."""
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    assert box.get("/v2/rate-limits", started["authenticationToken"]["token"]).status_code == 401


def test_sandbox_A11_status_is_gone_after_seven_days(box: Box) -> None:
    """A login status older than seven days is 410 problem+json."""
    box.switch(operation_token_ttl_s=30 * 86400)
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    box.advance(8 * 86400)
    answer = box.get(f"/v2/auth/{started['referenceNumber']}", started["authenticationToken"]["token"])
    assert answer.status_code == 410


def test_sandbox_A12_other_address_is_refused(box: Box) -> None:
    """A policy that does not allow the caller's address gives 403 ip-not-allowed with clientIp."""
    policy = (
        "<AuthorizationPolicy><AllowedIps><Ip4Range>10.0.0.1-10.0.0.9</Ip4Range></AllowedIps></AuthorizationPolicy>"
    )
    access = box.tokens(policy=policy)["accessToken"]["token"]
    answer = box.get("/v2/rate-limits", access)
    assert answer.status_code == 403
    assert answer.json()["reasonCode"] == "ip-not-allowed"
    assert answer.json()["security"]["clientIp"] == "127.0.0.1"


def test_sandbox_A12_allowed_address_passes(box: Box) -> None:
    """A policy with a mask around the caller's address lets it through."""
    policy = "<AuthorizationPolicy><AllowedIps><Ip4Mask>127.0.0.0/8</Ip4Mask></AllowedIps></AuthorizationPolicy>"
    assert box.get("/v2/rate-limits", box.tokens(policy=policy)["accessToken"]["token"]).status_code == 200


def test_sandbox_A14_no_tokens(box: Box) -> None:
    """With the switch `no_tokens` a valid token ends in 450."""
    made = ksef_token(box, box.login())
    box.switch(no_tokens=True)
    assert box.auth_status(token_login(box, made["token"]).json())["status"]["code"] == 450
