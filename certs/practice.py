"""A throw-away seal for demo and training: a self-signed certificate naming a NIP, which the sandbox accepts as its
owner. The real KSeF accepts none."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def seal(name: str, nip: str, *, offline: bool = False) -> tuple[bytes, bytes]:
    """Certificate and private key (EC P-256) in PEM, valid for 3 years. The NIP stands in OID 2.5.4.97.

    `offline` makes it a type 2 certificate, for KOD II only. Long-lived, so that the demo's clock may be moved.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "PL"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"VATPL-{nip}"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} (próbny)"),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + timedelta(days=3 * 365))
        .add_extension(_usage(offline), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private


def _usage(offline: bool) -> x509.KeyUsage:
    """What tells the two types of KSeF certificates apart (protocol §14)."""
    others = dict.fromkeys(
        (
            "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
            "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(digital_signature=not offline, content_commitment=offline, **others)
