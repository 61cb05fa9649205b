"""Statement A13 and the certificate endpoints: enrolment, login with the issued certificate, expiry."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sandbox_kit import NIP, Box, b64, poll
from sandbox_signing import Signer

from sandbox.certificates import OIDS


def enrolled(box: Box, token: str, kind: str, key: Any = None, **more: Any) -> tuple[Signer, str]:
    """A signer holding a certificate the simulator issued, and the serial number."""
    names = box.get("/v2/certificates/enrollments/data", token).json()
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(OIDS[name], value) for name, value in names.items()])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    body = {
        "certificateName": "Kontrakt 1",
        "certificateType": kind,
        "csr": b64(csr.public_bytes(Encoding.DER)),
        **more,
    }
    answer = box.post("/v2/certificates/enrollments", token, body)
    assert answer.status_code == 202, answer.text
    path = f"/v2/certificates/enrollments/{answer.json()['referenceNumber']}"
    final: dict[str, Any] = poll(lambda: box.get(path, token).json(), lambda seen: seen["status"]["code"] == 200)
    serial = final["certificateSerialNumber"]
    got = box.post("/v2/certificates/retrieve", token, {"certificateSerialNumbers": [serial]}).json()["certificates"]
    signer = Signer(NIP)
    signer.key = key
    signer.certificate = x509.load_der_x509_certificate(base64.b64decode(got[0]["certificate"]))
    return signer, serial


def login_code(box: Box, signer: Signer) -> int:
    """The status a login with this signer ends in."""
    started = box.submit(signer.login(box.challenge(), "Nip", NIP)).json()
    return int(box.auth_status(started)["status"]["code"])


@pytest.mark.parametrize(("kind", "code"), [("Authentication", 200), ("Offline", 460)])
def test_sandbox_A13_issued_certificates(box: Box, kind: str, code: int) -> None:
    """An issued Authentication certificate logs in; an Offline one is refused."""
    signer, serial = enrolled(box, box.login(), kind)
    assert len(serial) == 16
    assert login_code(box, signer) == code


def test_sandbox_A13_issued_certificate_needs_no_outside_check(box: Box) -> None:
    """With a slow OCSP an issued certificate is checked at once, a self-signed one is not."""
    signer, _ = enrolled(box, box.login(), "Authentication")
    box.switch(ocsp_delay_s=60)
    assert login_code(box, signer) == 200
    started = box.submit(box.signer().login(box.challenge(), "Nip", NIP)).json()
    path = f"/v2/auth/{started['referenceNumber']}"
    assert box.get(path, started["authenticationToken"]["token"]).json()["status"]["code"] == 100


def test_sandbox_A13_expired_and_revoked_certificates(box: Box) -> None:
    """A shortened validTo or a revocation ends in 460; the list shows the status."""
    token = box.login()
    old, old_serial = enrolled(box, token, "Authentication")
    path = f"{box.url}/v2/testdata/certificates/{old_serial}"
    body = {"validTo": "2026-01-01T00:00:00Z"}
    assert box.http.put(path, json=body, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert login_code(box, old) == 460
    bad, bad_serial = enrolled(box, token, "Authentication")
    assert box.post(f"/v2/certificates/{bad_serial}/revoke", token, {}).status_code == 204
    assert box.code(box.post(f"/v2/certificates/{bad_serial}/revoke", token, {})) == 25009
    assert login_code(box, bad) == 460
    listed = box.post("/v2/certificates/query", token, {}).json()["certificates"]
    assert {item["certificateSerialNumber"]: item["status"] for item in listed} == {
        old_serial: "Expired",
        bad_serial: "Revoked",
    }


def test_sandbox_certificates_csr_must_carry_the_given_name(box: Box) -> None:
    """A CSR with another name is 25003."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(OIDS["commonName"], "Somebody else")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    body = {"certificateName": "Kontrakt 1", "certificateType": "Offline", "csr": b64(csr.public_bytes(Encoding.DER))}
    assert box.code(box.post("/v2/certificates/enrollments", box.login(), body)) == 25003


def test_sandbox_certificates_broken_request(box: Box) -> None:
    """Bytes that are no PKCS#10 request are 25004."""
    body = {"certificateName": "Kontrakt 1", "certificateType": "Offline", "csr": b64(b"nothing")}
    assert box.code(box.post("/v2/certificates/enrollments", box.login(), body)) == 25004


def test_sandbox_certificates_limits(box: Box) -> None:
    """Limits are shown, count down, and can be changed."""
    token = box.login()
    assert box.get("/v2/certificates/limits", token).json()["certificate"] == {"remaining": 100, "limit": 100}
    box.post("/v2/testdata/limits/subject/certificate", token, {"certificate": {"maxCertificates": 1}})
    enrolled(box, token, "Offline")
    shown = box.get("/v2/certificates/limits", token).json()
    assert (shown["canRequest"], shown["certificate"]) == (False, {"remaining": 0, "limit": 1})
