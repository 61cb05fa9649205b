"""Immutable bytes by SHA-256: how they are packed for the table and proved on the way out (DESIGN decision 5)."""

import hashlib
import zlib

from spool.domain.errors import BodyDamaged


def sha256_hex(raw: bytes) -> str:
    """Lower-case hex SHA-256, the identity of a document everywhere outside KSeF's own messages."""
    return hashlib.sha256(raw).hexdigest()


def pack(raw: bytes) -> bytes:
    """The stored form: zlib level 1, which costs less time than the pages it saves."""
    return zlib.compress(raw, 1)


def unpack(packed: bytes, sha256: str) -> bytes:
    """The exact bytes again. Raises BodyDamaged when they no longer have the hash they were stored under."""
    try:
        raw = zlib.decompress(packed)
    except zlib.error as error:
        raise BodyDamaged(f"Zapisana treść {sha256[:12]}… nie daje się odczytać.", _CURE) from error
    if sha256_hex(raw) != sha256:
        raise BodyDamaged(f"Zapisana treść {sha256[:12]}… nie zgadza się ze swoim skrótem.", _CURE)
    return raw


def trouble(packed: bytes, size: int, sha256: str) -> str:
    """What is wrong with a stored body, as a Polish clause; empty when it is as it was stored. Never unpacks more than
    the body should have, whatever a damaged one has become."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, size + 1)
    except (zlib.error, ValueError, OverflowError, TypeError):
        return "nie daje się odczytać"
    if len(raw) != size or not (unpacker.eof or unpacker.decompress(unpacker.unconsumed_tail) == b""):
        return "ma inną długość niż zapisana"
    return "" if sha256_hex(raw) == sha256 else "nie zgadza się ze swoim skrótem"


_CURE = "Dokument nie zostanie wysłany. Proszę odtworzyć go z kopii zapasowej albo z programu księgowego."
