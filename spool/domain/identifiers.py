"""Check digits of the identifiers on an invoice. Sources: protocol §10, §12; JST rules F7."""

import re
from operator import mul

_NIP = re.compile(r"[1-9](?:\d[1-9]|[1-9]\d)\d{7}", re.ASCII)
_NIP_WEIGHTS = (6, 5, 7, 2, 3, 4, 5, 6, 7)
_ZERO = ord("0")
_NIP_ZEROS = _ZERO * sum(_NIP_WEIGHTS)


def nip_is_valid(nip: str) -> bool:
    """True for ten ASCII digits whose last is the weighted sum of the first nine modulo 11 (10 is never valid)."""
    if not _NIP.fullmatch(nip):
        return False
    digits = nip.encode()
    total: int = sum(map(mul, _NIP_WEIGHTS, digits)) - _NIP_ZEROS
    return total % 11 == digits[9] - _ZERO


def internal_id(nip: str, four: str) -> str:
    """The IDWew of this NIP whose last part begins with these four digits: the fifth is the check digit (JST F7)."""
    total = sum(int(d) * (1 if i % 2 == 0 else 3) for i, d in enumerate(nip + four))
    return f"{nip}-{four}{total % 10}"


def internal_id_is_valid(internal_id_text: str) -> bool:
    """True for `NIP-ddddc`: a valid NIP, and c the 1,3,1,3… weighted sum of the 14 digits before it, modulo 10."""
    match = re.fullmatch(r"(\d{10})-(\d{5})", internal_id_text, re.ASCII)
    if not match or not nip_is_valid(match[1]):
        return False
    return internal_id(match[1], match[2][:4]) == internal_id_text


def ksef_number_is_valid(ksef_number: str) -> bool:
    """True for a 35-character KSeF number whose CRC-8 holds, or a 36-character number of KSeF 1.0 (protocol §12.1)."""
    if re.fullmatch(r"\d{10}-\d{8}-[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{2}", ksef_number, re.ASCII):
        return True
    if not re.fullmatch(r"\d{10}-\d{8}-[0-9A-F]{12}-[0-9A-F]{2}", ksef_number, re.ASCII):
        return False
    return _crc8(ksef_number[:32].encode()) == int(ksef_number[33:], 16)


def _crc8(data: bytes) -> int:
    """CRC-8, polynomial 0x07, start 0, no reflection, no final xor."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc
