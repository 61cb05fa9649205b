"""Reference numbers, KSeF numbers and the check digits in them."""

from __future__ import annotations

import re
import secrets
from datetime import date

NIP_PATTERN = re.compile(r"[1-9]((\d[1-9])|([1-9]\d))\d{7}")
INTERNAL_ID_PATTERN = re.compile(r"[1-9]((\d[1-9])|([1-9]\d))\d{7}-\d{5}")

IDENTIFIERS = {
    "Nip": NIP_PATTERN,
    "Pesel": re.compile(r"\d{11}"),
    "Fingerprint": re.compile(r"[0-9A-Fa-f]{64}"),
    "PeppolId": re.compile(r"P[A-Z]{2}[0-9]{6}"),
}


def crc8(text: str) -> str:
    """CRC-8 (polynomial 0x07, initial 0, no reflection) of ASCII text as two upper-case hex digits (I6)."""
    crc = 0
    for byte in text.encode("ascii"):
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return f"{crc:02X}"


def reference(kind: str, day: date) -> str:
    """A fresh 36-character reference number `YYYYMMDD-TT-XXXXXXXXXX-XXXXXXXXXX-CC` of a two-letter kind (A1)."""
    stem = f"{day:%Y%m%d}-{kind}-{secrets.token_hex(5).upper()}-{secrets.token_hex(5).upper()}"
    return f"{stem}-{crc8(stem)}"


def ksef_number(seller_nip: str, day: date) -> str:
    """A fresh 35-character KSeF number: seller NIP, day of acceptance, 12 hex digits, CRC-8 of the first 32 (I6)."""
    stem = f"{seller_nip}-{day:%Y%m%d}-{secrets.token_hex(6).upper()}"
    return f"{stem}-{crc8(stem)}"


def nip_checksum_ok(nip: str) -> bool:
    """Whether the last digit of a 10-digit NIP is its weighted sum modulo 11 (I11)."""
    if not re.fullmatch(r"\d{10}", nip):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(nip, (6, 5, 7, 2, 3, 4, 5, 6, 7), strict=False))
    return total % 11 == int(nip[9])


def internal_id_checksum_ok(internal_id: str) -> bool:
    """Whether an InternalId `NIP-ddddd` has a valid NIP and a valid last check digit (I11)."""
    if not INTERNAL_ID_PATTERN.fullmatch(internal_id):
        return False
    return internal_id_check_digit(internal_id) == internal_id[-1] and nip_checksum_ok(internal_id[:10])


def internal_id_check_digit(internal_id: str) -> str:
    """The digit an InternalId `NIP-dddd…` must end with (protocol §12.2)."""
    digits = internal_id.replace("-", "")
    return str(sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits[:14])) % 10)
