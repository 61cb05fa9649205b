"""The request for a KSeF certificate (PKCS#10): a new key, and the name that KSeF wants (protocol §14)."""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs.reading import PrivateKey

_PARTS = {
    "commonName": NameOID.COMMON_NAME,
    "surname": NameOID.SURNAME,
    "givenName": NameOID.GIVEN_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "uniqueIdentifier": NameOID.X500_UNIQUE_IDENTIFIER,
    "organizationName": NameOID.ORGANIZATION_NAME,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "countryName": NameOID.COUNTRY_NAME,
}


def new_key() -> ec.EllipticCurvePrivateKey:
    """EC P-256, which KSeF recommends."""
    return ec.generate_private_key(ec.SECP256R1())


def csr_der(names: Mapping[str, str], key: PrivateKey) -> bytes:
    """The request, signed with the key. ValueError for a part of the name that is unknown here or not allowed."""
    if unknown := names.keys() - _PARTS.keys():
        raise ValueError(f"unknown parts of the name: {', '.join(sorted(unknown))}")
    subject = x509.Name([x509.NameAttribute(_PARTS[name], value) for name, value in names.items()])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)
