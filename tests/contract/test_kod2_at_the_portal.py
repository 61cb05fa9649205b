"""KOD II as Śluza signs it, judged by the simulator's portal, which shares no code with us (protocol §13)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from ksef_client import KsefClientOptions
from ksef_client.services.verification_link import VerificationLinkService
from sandbox_kit import NIP, Box, digest
from test_sandbox_certificates import enrolled

from certs.kod2 import kod2_url, serial
from certs.reading import Credential

HASH = hashlib.sha256(b"invoice").hexdigest()


def credential_of(box: Box, key: Any, kind: str = "Offline") -> Credential:
    """A certificate that the simulator issued, with its key."""
    signer, number = enrolled(box, box.login(), kind, key)
    credential = Credential(signer.certificate, key)
    assert serial(credential) == number
    return credential


def verdict(box: Box, url: str) -> dict[str, Any]:
    """What the portal says of a link."""
    answer: dict[str, Any] = box.get(url.removeprefix(box.url)).json()
    return answer


def link(box: Box, credential: Credential) -> str:
    """KOD II as we sign it, with the simulator as its portal."""
    return kod2_url(credential, qr_url=box.url, context_type="nip", context_value=NIP, seller_nip=NIP, sha256_hex=HASH)


@pytest.mark.parametrize("family", ["ec", "rsa"])
def test_our_kod2_is_valid(box: Box, family: str) -> None:
    """Enrolled as Offline, signed by us with either kind of key: the portal finds it valid."""
    key = ec.generate_private_key(ec.SECP256R1()) if family == "ec" else rsa.generate_private_key(65537, 2048)
    assert verdict(box, link(box, credential_of(box, key)))["verdict"] == "valid"


def test_the_sdks_kod2_and_ours_are_alike(box: Box) -> None:
    """The SDK builds the same signed text: the portal finds both valid, and only the signatures differ."""
    credential = credential_of(box, ec.generate_private_key(ec.SECP256R1()))
    service = VerificationLinkService(KsefClientOptions(base_url=box.url, base_qr_url=box.url))
    url = service.build_certificate_verification_url(
        seller_nip=NIP,
        context_identifier_type="Nip",
        context_identifier_value=NIP,
        certificate_serial=serial(credential),
        invoice_hash=digest(b"invoice"),
        private_key_pem=credential.key_pem,
        signature_format="p1363",
    )
    assert verdict(box, url)["verdict"] == "valid"
    assert url.rpartition("/")[0] == link(box, credential).rpartition("/")[0]


def test_a_revoked_certificate_is_not_valid_any_more(box: Box) -> None:
    """What was valid before is not any more."""
    credential = credential_of(box, ec.generate_private_key(ec.SECP256R1()))
    good = link(box, credential)
    assert box.post(f"/v2/certificates/{serial(credential)}/revoke", box.login(), {}).status_code == 204
    assert verdict(box, good)["verdict"] == "invalid"
