"""The QR portal (contract §1, priority C): KOD I and KOD II links of protocol §13."""

from __future__ import annotations

import base64
import hashlib
from datetime import date

import pytest
from ksef_client import KsefClientOptions
from ksef_client.services.verification_link import VerificationLinkService
from sandbox_invoices import invoice, today
from sandbox_kit import NIP, OTHER_NIP, Box, digest
from test_sandbox_certificates import enrolled

from certs.keyring import Credential
from certs.kod2 import kod2_url, serial


def link(xml: bytes, nip: str = NIP, day: str | None = None) -> str:
    """The path of KOD I."""
    code = base64.urlsafe_b64encode(hashlib.sha256(xml).digest()).decode().rstrip("=")
    return f"/invoice/{nip}/{date.fromisoformat(day or today()):%d-%m-%Y}/{code}"


def test_sandbox_portal_finds_an_accepted_invoice(box: Box) -> None:
    """Seller, day and hash lead to the KSeF number; another seller, day or hash to nothing."""
    token, xml = box.login(), invoice()
    assert box.get(link(xml)).status_code == 404
    number = box.accept(token, xml)["ksefNumber"]
    found = box.get(link(xml)).json()
    assert (found["verdict"], found["ksefNumber"]) == ("found", number)
    for wrong in (link(xml, OTHER_NIP), link(xml, day="2020-01-01"), link(invoice())):
        assert box.get(wrong).json() == {"verdict": "not_found"}


@pytest.mark.parametrize("path", [f"/invoice/{NIP}/2026-11-20/{'A' * 43}", f"/invoice/{NIP}/20-11-2026/{'A' * 44}"])
def test_sandbox_portal_refuses_broken_links(box: Box, path: str) -> None:
    """An ISO date or a padded hash is no link of the portal."""
    assert box.get(path).json()["verdict"] == "bad_link"


HASH = hashlib.sha256(b"invoice").hexdigest()


def certificate_link(box: Box, credential: Credential, nip: str = NIP, seller: str = NIP) -> str:
    """The path of KOD II as Śluza signs it, with the simulator as its portal."""
    url = kod2_url(
        credential, qr_url=box.url, context_type="nip", context_value=nip, seller_nip=seller, sha256_hex=HASH
    )
    return url.removeprefix(box.url)


def credential_of(box: Box, kind: str = "Offline", family: str = "ecdsa") -> Credential:
    """A certificate that the simulator issued, with its key."""
    signer, number = enrolled(box, box.login(), kind, family)
    credential = Credential(signer.certificate, signer.key)
    assert serial(credential) == number
    return credential


@pytest.mark.parametrize("family", ["ecdsa", "rsa"])
def test_sandbox_portal_finds_our_kod2_valid(box: Box, family: str) -> None:
    """Enrolled as Offline, signed by us with either kind of key: the portal knows the seller."""
    answer = box.get(certificate_link(box, credential_of(box, family=family)))
    assert (answer.status_code, answer.json()) == (200, {"verdict": "valid", "sellerNip": NIP, "subject": NIP})


@pytest.mark.parametrize("layout", ["p1363", "der"])
def test_sandbox_portal_finds_the_sdks_kod2_valid(box: Box, layout: str) -> None:
    """Both layouts of an ECDSA signature that KSeF takes."""
    credential = credential_of(box)
    service = VerificationLinkService(KsefClientOptions(base_url=box.url, base_qr_url=box.url))
    url = service.build_certificate_verification_url(
        seller_nip=NIP,
        context_identifier_type="Nip",
        context_identifier_value=NIP,
        certificate_serial=serial(credential),
        invoice_hash=digest(b"invoice"),
        private_key_pem=credential.key_pem,
        signature_format=layout,
    )
    assert box.get(url.removeprefix(box.url)).json()["verdict"] == "valid"


def test_sandbox_portal_says_what_is_wrong_with_kod2(box: Box) -> None:
    """In KSeF's order: certificate, signature, permission of its subject, seller of the context."""
    credential = credential_of(box)
    good = certificate_link(box, credential)
    unknown = good.replace(serial(credential), "0" * 16)
    forged = good.replace(base64.urlsafe_b64encode(bytes.fromhex(HASH)).decode().rstrip("="), "A" * 43)
    for path, verdict in (
        (unknown, "certificate_unknown"),
        (certificate_link(box, credential_of(box, "Authentication")), "certificate_not_offline"),
        (forged, "bad_signature"),
        (certificate_link(box, credential, nip=OTHER_NIP), "no_permission"),
        (certificate_link(box, credential, seller=OTHER_NIP), "not_entitled"),
        (good.replace("/Nip/", "/nip/"), "bad_link"),
    ):
        assert box.get(path).json()["verdict"] == verdict


def test_sandbox_portal_knows_revoked_certificates(box: Box) -> None:
    """What was valid before is not any more."""
    credential = credential_of(box)
    path = certificate_link(box, credential)
    assert box.post(f"/v2/certificates/{serial(credential)}/revoke", box.login(), {}).status_code == 204
    assert box.get(path).json() == {"verdict": "certificate_not_valid"}
