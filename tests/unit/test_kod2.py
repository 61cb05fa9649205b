"""KOD II: signed as protocol §13 says, checked by cryptography itself and against the SDK's way of building it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from ksef_client import KsefClientOptions
from ksef_client.services.verification_link import VerificationLinkService

from certs.kod2 import kod2_url, serial, valid_at
from certs.reading import Credential
from tests import credentials

QR = "https://qr-test.ksef.mf.gov.pl"
NIP = "5080014460"
SHA256 = "ab" * 32
RAW_HASH = urlsafe_b64encode(bytes.fromhex(SHA256)).decode()


def credential(algorithm: str = "ec") -> Credential:
    """A throw-away Offline certificate."""
    made = credentials.seal(NIP, algorithm=algorithm, offline=True)
    return Credential(made.certificate, made.key)


def link(found: Credential, **changes: str) -> str:
    """KOD II of an invoice of ours."""
    parts = {
        "qr_url": QR, "context_type": "nip", "context_value": NIP, "seller_nip": NIP, "sha256_hex": SHA256,
    }  # fmt: skip
    return kod2_url(found, **(parts | changes))


def verify(found: Credential, url: str) -> None:
    """Raise InvalidSignature unless the last part signs everything before it, as KSeF's portal looks at it."""
    text, _, encoded = url.removeprefix("https://").rpartition("/")
    signature = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    public = found.certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, text.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert len(signature) == 64
    halves = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    public.verify(encode_dss_signature(*halves), text.encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
def test_the_signature_is_that_of_the_certificate(algorithm: str) -> None:
    """P-256 as R and S, RSA as PSS with 32 bytes of salt; a changed hash is noticed."""
    found = credential(algorithm)
    url = link(found)
    verify(found, url)
    with pytest.raises(InvalidSignature):
        verify(found, url.replace(RAW_HASH.rstrip("="), "A" * 43))


def test_a_small_r_or_s_keeps_its_32_bytes() -> None:
    """Leading zero bytes stay; one signature in 128 has some, so 300 of them are made."""
    found = credential()
    assert {len(link(found).rpartition("/")[2]) for _ in range(300)} == {86}


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
def test_the_sdk_builds_the_same_link(algorithm: str) -> None:
    """All but the signature, which is made of random numbers, is the same; and ours passes where its own passes."""
    found = credential(algorithm)
    service = VerificationLinkService(KsefClientOptions(base_url="https://api-test.ksef.mf.gov.pl/v2", base_qr_url=QR))
    theirs = service.build_certificate_verification_url(
        seller_nip=NIP,
        context_identifier_type="Nip",
        context_identifier_value=NIP,
        certificate_serial=serial(found),
        invoice_hash=RAW_HASH,
        private_key_pem=found.key_pem,
    )
    verify(found, theirs)
    assert theirs.rpartition("/")[0] == link(found).rpartition("/")[0]
    assert len(theirs) == len(link(found))


def test_an_internal_id_signs_in_its_own_context() -> None:
    """KSeF's word for it, with the identifier as it is."""
    url = link(credential(), context_type="internal-id", context_value=f"{NIP}-00011")
    assert url.startswith(f"{QR}/certificate/InternalId/{NIP}-00011/{NIP}/")


def test_a_portal_of_our_own_may_lack_tls() -> None:
    """The sandbox on this machine: the scheme stays outside the signed text."""
    url = link(credential(), qr_url="http://127.0.0.1:8446/")
    assert url.startswith("http://127.0.0.1:8446/certificate/")


def test_the_serial_number_is_written_as_ksef_writes_it() -> None:
    """Upper-case hexadecimal with leading zeros up to 16 digits."""
    short = credentials.seal(NIP, offline=True, serial_number=0x1F2E)
    assert serial(Credential(short.certificate, short.key)) == "0000000000001F2E"
    long = credentials.seal(NIP, offline=True, serial_number=0xABCDEF0123456789AB)
    assert serial(Credential(long.certificate, long.key)) == "ABCDEF0123456789AB"


def test_a_certificate_is_valid_between_its_dates() -> None:
    """Both ends included."""
    found = credential()
    begin, end = found.certificate.not_valid_before_utc, found.certificate.not_valid_after_utc
    second = timedelta(seconds=1)
    shown = [valid_at(found, moment) for moment in (begin - second, begin, end, end + second)]
    assert shown == [False, True, True, False]
