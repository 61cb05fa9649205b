"""Throw-away certificates for logging in to the sandbox: self-signed, naming a NIP as KSeF reads it (protocol §2.4)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from spool.domain.municipality import Municipality

_QUALIFIED = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), bytes.fromhex("300a3008060604008e460101")
)
"""QCStatements (RFC 3739) with the statement id-etsi-qcs-QcCompliance."""
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate with its key, and how to write them down."""

    certificate: x509.Certificate
    key: PrivateKey

    def write_pem(self, directory: Path, name: str = "auth", password: str = "") -> tuple[Path, Path]:
        """Certificate and key as PEM files, the key readable by its owner only."""
        cert_path, key_path = directory / f"{name}.crt", directory / f"{name}.key"
        cert_path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        key_path.write_bytes(
            self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        key_path.chmod(0o600)
        return cert_path, key_path

    def write_pkcs12(self, directory: Path, password: str, name: str = "auth") -> Path:
        """One PKCS#12 file with both."""
        path = directory / f"{name}.p12"
        encryption = serialization.BestAvailableEncryption(password.encode())
        path.write_bytes(pkcs12.serialize_key_and_certificates(b"auth", self.key, self.certificate, None, encryption))
        path.chmod(0o600)
        return path


def seal(
    nip: str,
    *,
    algorithm: str = "ec",
    offline: bool = False,
    both: bool = False,
    qualified: bool = False,
    serial_number: int = 0,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Made:
    """An organisation's seal for a NIP (`VATPL-` in 2.5.4.97); `offline` makes it a type 2 certificate,
    `both` one of either type; `qualified` adds the statement of a qualified one.

    Valid from before the fixed days of the tests, or from `since`, for two more years, or to `until`.
    """
    key: PrivateKey = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ec"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Gmina Przykładowa"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Gmina Przykładowa"),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"VATPL-{nip}"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "PL"),
        ]
    )
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=both or not offline,
        content_commitment=both or offline,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(since or datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(until or now + timedelta(days=730))
        .add_extension(usage, critical=True)
    )
    if qualified:
        unsigned = unsigned.add_extension(_QUALIFIED, critical=False)
    return Made(unsigned.sign(key, hashes.SHA256()), key)


def with_offline_certificate(municipality: Municipality, directory: Path) -> Municipality:
    """The same town, every context with an Offline certificate of its own, valid around the days of the tests."""
    directory.mkdir(parents=True, exist_ok=True)
    contexts = {}
    for name, context in municipality.contexts.items():
        cert, key = seal(context.nip, offline=True).write_pem(directory, f"offline-{name}")
        contexts[name] = replace(context, offline_cert=cert, offline_key=key)
    return replace(municipality, contexts=contexts)
