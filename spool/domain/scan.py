"""The codes on a print of an invoice, read back: which they are, and what they say. Pure.

Source: protocol §13 (KSeF `kody-qr.md`); `spool.domain.codes` makes the same links.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from spool.domain.environments import BY_NAME
from spool.domain.municipality import Municipality

LONGEST_LINK = 2000
_HASH = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NIP = re.compile(r"\d{10}", re.ASCII)
_DAY = re.compile(r"(\d{2})-(\d{2})-(\d{4})", re.ASCII)
_OF_KSEF = re.compile(r"/(invoice|certificate)/", re.IGNORECASE)


class Label(StrEnum):
    """What stands, or would stand, below a code."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    CERTIFICATE = "CERTYFIKAT"


@dataclass(frozen=True)
class Scan:
    """What was found on paper: the texts of its QR codes, each once. `looked` of `pages` pages were looked at."""

    texts: tuple[str, ...]
    looked: int = 0
    pages: int = 0


@dataclass(frozen=True)
class VerificationCode:
    """KOD I: which invoice it leads to, and in which environment of KSeF; `link` is the whole of it."""

    environment: str
    seller_nip: str
    issue_date: date
    sha256: str
    link: str


@dataclass(frozen=True)
class IssuerCode:
    """KOD II: who signed that he issued these bytes. The signature itself only KSeF's portal can judge."""

    environment: str
    seller_nip: str
    serial: str
    sha256: str
    link: str


@dataclass(frozen=True)
class Codes:
    """The codes of KSeF on one paper. `foreign` are links that look like KSeF's and lead elsewhere, `broken` those
    that lead to KSeF and say nothing."""

    invoices: tuple[VerificationCode, ...] = ()
    issuers: tuple[IssuerCode, ...] = ()
    foreign: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def labels(self, code: VerificationCode | None) -> tuple[Label, ...]:
        """What kind of print it is: without a KOD II its invoice has a number already, with one it had none yet."""
        offline = any(code is None or issuer.sha256 == code.sha256 for issuer in self.issuers)
        if code is None:
            return (Label.CERTIFICATE,) if offline else ()
        return (Label.OFFLINE, Label.CERTIFICATE) if offline else (Label.ONLINE,)


def portals(municipality: Municipality) -> dict[str, str]:
    """Where codes may lead, by the beginning of the link: KSeF's portals, and those of our own contexts."""
    known = {one.qr_url: one.name for one in BY_NAME.values() if one.qr_url}
    return known | {c.qr_url: c.environment for c in municipality.contexts.values() if c.qr_url}


def read_codes(texts: Iterable[str], known: Mapping[str, str]) -> Codes:
    """The codes of KSeF among these texts; `known` as `portals` gives it. Codes of anything else are passed over."""
    invoices: dict[str, VerificationCode] = {}
    issuers: dict[str, IssuerCode] = {}
    foreign: dict[str, None] = {}
    broken: dict[str, None] = {}
    for text in (t.strip() for t in texts):
        portal = next((url for url in known if text.startswith(f"{url}/")), None)
        if portal is None:
            if _pretends(text):
                foreign[_host(text)] = None
            continue
        code = _code(text, portal, known[portal])
        if isinstance(code, VerificationCode):
            invoices[code.sha256] = code
        elif isinstance(code, IssuerCode):
            issuers[code.sha256] = code
        else:
            broken[text[:LONGEST_LINK]] = None
    return Codes(tuple(invoices.values()), tuple(issuers.values()), tuple(foreign), tuple(broken))


def _code(link: str, portal: str, environment: str) -> VerificationCode | IssuerCode | None:
    """One link of the portal; None where a part of it is missing or is not what it should be."""
    parts = [unquote(part) for part in link.removeprefix(f"{portal}/").rstrip("/").split("/")]
    if len(link) > LONGEST_LINK:
        return None
    if len(parts) == 4 and parts[0] == "invoice" and _NIP.fullmatch(parts[1]):
        day, sha256 = _day(parts[2]), _hex(parts[3])
        return VerificationCode(environment, parts[1], day, sha256, link) if day and sha256 else None
    if len(parts) == 7 and parts[0] == "certificate" and _NIP.fullmatch(parts[3]):
        sha256 = _hex(parts[5])
        return IssuerCode(environment, parts[3], parts[4], sha256, link) if sha256 and parts[6] else None
    return None


def _pretends(text: str) -> bool:
    """True for a link that somebody would take for one of KSeF's; any other code on a paper is none of our business."""
    if not re.match(r"https?://", text, re.IGNORECASE):
        return False
    return bool(_OF_KSEF.search(text)) or "ksef" in _host(text)


def _host(text: str) -> str:
    """Where a link really leads, whatever stands before an `@`."""
    try:
        return urlsplit(text).hostname or text[:80]
    except ValueError:
        return text[:80]


def _day(text: str) -> date | None:
    match = _DAY.fullmatch(text)
    try:
        return date(int(match[3]), int(match[2]), int(match[1])) if match else None
    except ValueError:
        return None


def _hex(text: str) -> str:
    """The SHA-256 as we write it; empty where it is none."""
    if not _HASH.fullmatch(text):
        return ""
    try:
        return urlsafe_b64decode(text + "=").hex()
    except (Error, ValueError):
        return ""
