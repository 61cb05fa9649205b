"""The links behind KOD I and KOD II. Source: protocol §13 (KSeF `kody-qr.md`).

The hash must be that of the exact bytes sent to KSeF; any re-serialisation breaks both codes.
"""

import re
from base64 import urlsafe_b64encode
from datetime import date
from urllib.parse import quote

from spool.domain.municipality import ContextType

_CONTEXT_WORDS = {
    ContextType.NIP.value: "Nip",
    ContextType.INTERNAL_ID.value: "InternalId",
    "Nip": "Nip",
    "InternalId": "InternalId",
    "NipVatUe": "NipVatUe",
    "PeppolId": "PeppolId",
}


def kod1_url(qr_url: str, seller_nip: str, issue_date: date, sha256_hex: str) -> str:
    """The link of KOD I, by which anyone finds the invoice in KSeF; `issue_date` is `P_1`."""
    day = f"{issue_date.day:02d}-{issue_date.month:02d}-{issue_date.year:04d}"
    return f"{qr_url.rstrip('/')}/invoice/{_segment(seller_nip)}/{day}/{_hash(sha256_hex)}"


def kod2_unsigned(
    qr_url: str, context_type: str, context_value: str, seller_nip: str, cert_serial: str, sha256_hex: str
) -> str:
    """The text that the Offline certificate signs for KOD II: its link without scheme and without the signature.

    `context_type` is ours (`nip`, `internal-id`) or KSeF's word (`Nip`, `InternalId`, `NipVatUe`, `PeppolId`);
    ValueError for any other.
    """
    if context_type not in _CONTEXT_WORDS:
        raise ValueError(f"unknown context type {context_type!r}")
    host = re.sub(r"^https?://", "", qr_url.rstrip("/"), count=1)
    parts = (context_value, seller_nip, cert_serial)
    middle = "/".join(_segment(part) for part in parts)
    return f"{host}/certificate/{_CONTEXT_WORDS[context_type]}/{middle}/{_hash(sha256_hex)}"


def _hash(sha256_hex: str) -> str:
    """SHA-256 in Base64URL without padding, 43 characters; ValueError for anything but 64 hex digits."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256_hex):
        raise ValueError("a SHA-256 has 64 hexadecimal digits")
    return urlsafe_b64encode(bytes.fromhex(sha256_hex)).decode().rstrip("=")


def _segment(value: str) -> str:
    """One path segment: never empty, never able to leave its place in the path."""
    if value in {"", ".", ".."}:
        raise ValueError("a part of the link is empty")
    return quote(value, safe="")
