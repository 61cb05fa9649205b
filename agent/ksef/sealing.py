"""Sealing: AES-256-CBC with PKCS#7 for documents, RSA-OAEP for the key. The IV is not put before the text (§4)."""

import hashlib
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from agent.ksef.api import PublicKey, Sealed, WrappedKey
from agent.ksef.errors import garbled

FOR_SESSIONS = "SymmetricKeyEncryption"
FOR_TOKENS = "KsefTokenEncryption"
_BLOCK = 128
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class SymmetricKey:
    """A fresh key and IV for one session or one export; only ever in memory."""

    key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    iv: bytes = field(default_factory=lambda: os.urandom(16))

    def wrapped_for(self, public: PublicKey) -> WrappedKey:
        """The key as KSeF takes it."""
        return WrappedKey(wrap(public, self.key), b64encode(self.iv).decode(), public.key_id)

    def seal(self, raw: bytes) -> Sealed:
        """One document encrypted, with the hashes and sizes that KSeF checks at once."""
        encryptor = self.cipher().encryptor()
        padder = padding.PKCS7(_BLOCK).padder()
        text = encryptor.update(padder.update(raw) + padder.finalize()) + encryptor.finalize()
        return Sealed(sha256_base64(raw), len(raw), sha256_base64(text), len(text), b64encode(text).decode())

    def unseal_file(self, source: Path, target: Path) -> tuple[int, bytes]:
        """Decrypt `source` and append it to `target`; returns size and SHA-256 of the plain part.

        Raises ValueError when the padding is wrong, that is when key, IV or content are not ours.
        """
        decryptor = self.cipher().decryptor()
        unpadder = padding.PKCS7(_BLOCK).unpadder()
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as encrypted, target.open("ab") as plain:
            while chunk := encrypted.read(_CHUNK):
                piece = unpadder.update(decryptor.update(chunk))
                size += plain.write(piece)
                digest.update(piece)
            piece = unpadder.update(decryptor.finalize()) + unpadder.finalize()
            size += plain.write(piece)
            digest.update(piece)
        return size, digest.digest()

    def cipher(self) -> Cipher[modes.CBC]:
        """AES-256-CBC with this key and IV; every part of a package begins anew (protocol §4)."""
        return Cipher(algorithms.AES(self.key), modes.CBC(self.iv))


class PartWriter:
    """One part of a package, encrypted into a file as it comes, with size and hash of the encrypted bytes."""

    def __init__(self, file: Path, key: SymmetricKey) -> None:
        """Raises OSError."""
        self.taken = 0
        """Plain bytes so far."""
        self._file = file.open("wb")
        self._encryptor = key.cipher().encryptor()
        self._padder = padding.PKCS7(_BLOCK).padder()
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, data: "bytes | memoryview") -> None:
        """Some more plain bytes."""
        self.taken += len(data)
        self._put(self._encryptor.update(self._padder.update(data)))

    def finish(self) -> tuple[int, bytes]:
        """Size and SHA-256 of the encrypted part, which is whole now."""
        self._put(self._encryptor.update(self._padder.finalize()) + self._encryptor.finalize())
        self._file.close()
        return self._size, self._digest.digest()

    def _put(self, text: bytes) -> None:
        self._size += self._file.write(text)
        self._digest.update(text)


def wrap(public: PublicKey, secret: bytes) -> str:
    """RSA-OAEP with SHA-256 and MGF1-SHA-256, no label, in Base64. Raises NoAnswer for a key that is not RSA."""
    try:
        key = x509.load_der_x509_certificate(b64decode(public.certificate)).public_key()
    except ValueError as error:
        raise garbled("klucz publiczny") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise garbled("klucz publiczny inny niż RSA")
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return b64encode(key.encrypt(secret, oaep)).decode()


def choose(keys: list[PublicKey], usage: str, now: datetime) -> PublicKey | None:
    """The key for this use that is valid now and newest; None when there is none (protocol §3)."""
    fit = [k for k in keys if usage in k.usages and k.valid_from <= now <= k.valid_to]
    return max(fit, key=lambda k: k.valid_from, default=None)


def sha256_base64(raw: bytes) -> str:
    """A hash as KSeF's messages carry it, 44 characters."""
    return b64encode(hashlib.sha256(raw).digest()).decode()


def hex_of(sha256_in_base64: str) -> str:
    """The same hash as we write it; empty when it is not one."""
    try:
        raw = b64decode(sha256_in_base64, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == 32 else ""
