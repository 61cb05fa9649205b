"""The simulator's own keys: a small CA, the seal that signs UPO, the public keys clients encrypt to."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sandbox.clock import iso
from sandbox.store import Store

USAGES = ("KsefTokenEncryption", "SymmetricKeyEncryption")
LAUNCH = datetime(2026, 2, 1, tzinfo=UTC)  # KSeF 2.0; our own certificates are valid from then, wherever the clock goes
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class PublicKey:
    """One published encryption key (protocol §3); the private half never leaves the simulator."""

    usage: str
    private: rsa.RSAPrivateKey
    certificate: x509.Certificate
    valid_from_ms: int
    retired: bool

    @property
    def key_id(self) -> str:
        """Base64 SHA-256 of the SubjectPublicKeyInfo, 44 characters (S7)."""
        spki = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")

    @property
    def valid_to_ms(self) -> int:
        """When it expires."""
        return round(self.certificate.not_valid_after_utc.timestamp() * 1000)

    def view(self) -> dict[str, Any]:
        """The item of `GET /security/public-key-certificates`."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return {
            "certificate": base64.b64encode(der).decode("ascii"),
            "certificateId": base64.b64encode(hashlib.sha256(der).digest()).decode("ascii"),
            "publicKeyId": self.key_id,
            "validFrom": iso(self.valid_from_ms),
            "validTo": iso(self.valid_to_ms),
            "usage": [self.usage],
        }


class Authority:
    """Keys made once, kept in the store, loaded at the next start."""

    def __init__(self, store: Store, now_ms: int) -> None:
        self._store = store
        saved: dict[str, Any] | None = store.get_meta("authority")
        if saved is None:
            saved = _found(now_ms)
            store.set_meta("authority", saved)
        self.jwt_secret = bytes.fromhex(saved["jwt_secret"])
        self.url_secret = bytes.fromhex(saved["url_secret"])
        self.ca_key, self.ca_cert = _load(saved["ca"])
        self.seal_key, self.seal_cert = _load(saved["seal"])
        self._keys = [_public_key(entry) for entry in saved["public_keys"]]

    def published(self, now_ms: int) -> list[PublicKey]:
        """Keys offered to clients: all neither retired nor expired, newest last (F3); expired ones are replaced."""
        for usage in USAGES:
            offered = [key for key in self._keys if key.usage == usage and not key.retired]
            if offered and all(key.valid_to_ms <= now_ms for key in offered):
                self.add_key(usage, now_ms)
        return [key for key in self._keys if not key.retired and now_ms < key.valid_to_ms]

    def key_for(self, usage: str, key_id: str | None, now_ms: int) -> rsa.RSAPrivateKey | None:
        """The private key for a `publicKeyId` in force, else None; without an id the first key ever made (A3)."""
        of_usage = [key for key in self._keys if key.usage == usage]
        if key_id is None:
            return of_usage[0].private
        alive = [key for key in of_usage if not key.retired and now_ms < key.valid_to_ms]
        return next((key.private for key in alive if key.key_id == key_id), None)

    def add_key(self, usage: str, valid_from_ms: int) -> PublicKey:
        """Publish one more key for a usage (F3)."""
        entry = _new_public_key(usage, valid_from_ms)
        self._keys.append(_public_key(entry))
        self._save(lambda entries: entries.append(entry))
        return self._keys[-1]

    def retire_key(self, key_id: str) -> bool:
        """Stop accepting a `publicKeyId` (21470 from now on); whether it was known (F3)."""
        found = [place for place, key in enumerate(self._keys) if key.key_id == key_id]
        for place in found:
            old = self._keys[place]
            self._keys[place] = PublicKey(old.usage, old.private, old.certificate, old.valid_from_ms, True)
            self._save(lambda entries, place=place: entries[place].update(retired=True))
        return bool(found)

    def _save(self, change: Any) -> None:
        saved = self._store.get_meta("authority")
        change(saved["public_keys"])
        self._store.set_meta("authority", saved)


def issue(
    subject: x509.Name,
    public: Any,
    issuer: tuple[PrivateKey, x509.Name],
    validity: tuple[datetime, datetime],
    usage: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """An X.509 v3 certificate with a 16-hex-digit serial number, signed with SHA-256."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1])
        .public_key(public)
        .serial_number((secrets.randbits(63) | (1 << 62)) & ((1 << 63) - 1))
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer[0], hashes.SHA256())


def key_usage(*, signing: bool = False, committing: bool = False, wrapping: bool = False) -> x509.KeyUsage:
    """A KeyUsage with only digitalSignature, nonRepudiation or keyEncipherment set."""
    return x509.KeyUsage(
        digital_signature=signing,
        content_commitment=committing,
        key_encipherment=wrapping,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _found(now_ms: int) -> dict[str, Any]:
    start = min(datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=1), LAUNCH)
    validity = (start, start + timedelta(days=7300))
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("KSeF simulator CA")
    ca_cert = issue(ca_name, ca_key.public_key(), (ca_key, ca_name), validity)
    seal_key = rsa.generate_private_key(65537, 2048)
    seal_cert = issue(
        _name("KSeF simulator seal"), seal_key.public_key(), (ca_key, ca_name), validity, key_usage(signing=True)
    )
    return {
        "jwt_secret": secrets.token_hex(32),
        "url_secret": secrets.token_hex(32),
        "ca": _dump(ca_key, ca_cert),
        "seal": _dump(seal_key, seal_cert),
        "public_keys": [_new_public_key(usage, round(start.timestamp() * 1000)) for usage in USAGES],
    }


def _new_public_key(usage: str, valid_from_ms: int) -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048)
    start = datetime.fromtimestamp(valid_from_ms / 1000, UTC)
    name = _name(f"KSeF simulator {usage}")
    usage_bits = key_usage(wrapping=True)
    cert = issue(name, key.public_key(), (key, name), (start, start + timedelta(days=730)), usage_bits)
    return {"usage": usage, "valid_from_ms": valid_from_ms, "retired": False, "pair": _dump(key, cert)}


def _public_key(entry: dict[str, Any]) -> PublicKey:
    key, cert = _load(entry["pair"])
    assert isinstance(key, rsa.RSAPrivateKey)
    return PublicKey(entry["usage"], key, cert, entry["valid_from_ms"], entry["retired"])


def _name(common: str) -> x509.Name:
    parts = ((NameOID.COUNTRY_NAME, "PL"), (NameOID.ORGANIZATION_NAME, "Simulator"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _dump(key: PrivateKey, cert: x509.Certificate) -> dict[str, str]:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"key": pem.decode(), "cert": cert.public_bytes(serialization.Encoding.PEM).decode()}


def _load(pair: dict[str, str]) -> tuple[PrivateKey, x509.Certificate]:
    # Our own keys out of our own store: the primality checks would be half of the start-up time.
    key = serialization.load_pem_private_key(pair["key"].encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificate(pair["cert"].encode())
