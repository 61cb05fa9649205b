"""Signs KOD II, by which anyone checks who issued an invoice that KSeF does not know yet.

The key of a KSeF certificate of type Offline signs the link without its scheme, up to and including the hash. Source:
protocol §13 (KSeF `kody-qr.md`).
"""

from base64 import urlsafe_b64encode
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from certs.reading import Credential, PrivateKey
from spool.domain.codes import kod2_unsigned

SERIAL_DIGITS = 16
"""As KSeF writes the serial numbers of its certificates (protocol §12)."""
_SALT_BYTES = 32


def kod2_url(
    credential: Credential, *, qr_url: str, context_type: str, context_value: str, seller_nip: str, sha256_hex: str
) -> str:
    """The whole link of KOD II. ECDSA signs anew each time, so two calls give two links, both good.

    ValueError for a context type that KSeF does not know, or when a part is empty or the hash is none.
    """
    unsigned = kod2_unsigned(qr_url, context_type, context_value, seller_nip, serial(credential), sha256_hex)
    signature = _sign(credential.key, unsigned.encode())
    return f"{_scheme(qr_url)}{unsigned}/{urlsafe_b64encode(signature).decode().rstrip('=')}"


def serial(credential: Credential) -> str:
    """The serial number of the certificate as KSeF writes it: upper-case hexadecimal, at least 16 digits."""
    return serial_of(credential.certificate)


def serial_of(certificate: x509.Certificate) -> str:
    """`serial` of a certificate without its key."""
    return f"{certificate.serial_number:0{SERIAL_DIGITS}X}"


def valid_at(credential: Credential, now: datetime) -> bool:
    """True within the certificate's validity, both ends included; whether it was revoked only KSeF knows."""
    certificate = credential.certificate
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _sign(key: PrivateKey, text: bytes) -> bytes:
    """ECDSA as R and S side by side (IEEE P1363), RSA as PSS with a salt of 32 bytes; SHA-256 throughout."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


def _scheme(qr_url: str) -> str:
    """`https://`, or `http://` for a portal of our own on this machine."""
    return "http://" if qr_url.startswith("http://") else "https://"
