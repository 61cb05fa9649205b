"""AES-256-CBC with PKCS#7, RSA-OAEP and SHA-256, exactly as KSeF uses them (protocol §4)."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7


def sha256_b64(data: bytes) -> str:
    """Base64 of SHA-256, 44 characters."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")


def b64_to_hex(value: str) -> str:
    """Lower-case hex of a Base64 digest."""
    return base64.b64decode(value).hex()


def decode_b64(text: str) -> bytes | None:
    """Bytes of strict Base64, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def encrypt_cbc(data: bytes, key: bytes, iv: bytes) -> bytes:
    """AES-256-CBC with PKCS#7 padding; the IV is not part of the result (E2)."""
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypt_cbc(data: bytes, key: bytes, iv: bytes) -> bytes | None:
    """Plain bytes, or None if the length or the padding is wrong (I4)."""
    if not data or len(data) % 16:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        return None


def unwrap_oaep(key: rsa.RSAPrivateKey, data: bytes) -> bytes | None:
    """RSA-OAEP (SHA-256, MGF1-SHA-256, no label) decrypted, or None if it does not fit this key."""
    try:
        return key.decrypt(data, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    except ValueError:
        return None
