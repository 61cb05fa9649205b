"""Judging an invoice file: the rules of protocol §10, giving the codes of §6.4 (I9–I12)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lxml import etree

from sandbox import facts, numbers, schema
from sandbox.facts import InvoiceFacts
from sandbox.xmlparse import XmlFault, parse

BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
DECLARATION = re.compile(rb"^\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"']+)[\"']")
DISCOURAGED = re.compile(
    "[\x7f-\x84\x86-\x9f\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)


@dataclass(frozen=True)
class Rules:
    """What a file is judged against; sizes in bytes, `today` the Warsaw day KSeF accepted it."""

    system_code: str
    schema_version: str
    today: date
    check_ids: bool
    max_size: int
    max_size_with_attachment: int
    attachments: bool


@dataclass(frozen=True)
class Finding:
    """Code 200 if the file is in order so far, else 415, 430, 435 or 450 with details."""

    code: int
    details: tuple[str, ...] = ()
    facts: InvoiceFacts | None = None


def forced(finding: Finding, fault: dict[str, Any]) -> Finding:
    """The verdict of a `verdict_nnn` fault in place of what was found."""
    return replace(finding, code=int(fault["kind"][-3:]), details=tuple(fault["details"]))


def examine(data: bytes, rules: Rules) -> Finding:
    """File level (430), schema and semantics (450), attachment (415), size (430)."""
    fault = _file_fault(data)
    if fault:
        return Finding(430, (fault,))
    try:
        root = parse(data)
    except XmlFault as error:
        return Finding(430, (f"Plik nie jest poprawnym dokumentem XML: {error}",))
    if root.getroottree().xpath("//processing-instruction()"):
        return Finding(430, ("Dokument zawiera instrukcję przetwarzania.",))
    found = _read(root, rules)
    if isinstance(found, Finding):
        return found
    limit = rules.max_size_with_attachment if found.has_attachment else rules.max_size
    if len(data) > limit:
        return Finding(430, (f"Rozmiar faktury {len(data)} przekracza dozwolony limit {limit} bajtów.",), found)
    if found.has_attachment and not rules.attachments:
        return Finding(415, ("Brak możliwości wysłania faktury z załącznikiem.",), found)
    problems = _semantics(found, rules)
    return Finding(450, tuple(problems), found) if problems else Finding(200, (), found)


def _file_fault(data: bytes) -> str | None:
    if data.startswith(BOMS):
        return "Plik zawiera znacznik BOM."
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        return f"Plik nie jest zakodowany w UTF-8: {fault.reason} na pozycji {fault.start}."
    declared = DECLARATION.match(data)
    if declared and declared.group(1).upper() != b"UTF-8":
        return f"Nieprawidłowe kodowanie w deklaracji XML: {declared.group(1).decode('ascii', 'replace')}."
    found = DISCOURAGED.search(text)
    return f"Niedozwolony znak U+{ord(found.group()):04X}." if found else None


def _read(root: etree._Element, rules: Rules) -> InvoiceFacts | Finding:
    """The facts of a document of the session's form, or the 450 that says why not."""
    if rules.system_code == "FA (3)":
        problems = schema.errors(root)
        if problems:
            return Finding(450, tuple(problems))
    found = facts.read(root)
    if (found.system_code, found.schema_version) != (rules.system_code, rules.schema_version):
        return Finding(450, (f"Kod formularza nie jest zgodny z kodem sesji {rules.system_code}.",))
    if not numbers.NIP_PATTERN.fullmatch(found.seller_nip) or not found.number or found.issue_date is None:
        return Finding(450, ("Brak NIP sprzedawcy, numeru albo daty wystawienia faktury.",))
    return found


def _semantics(found: InvoiceFacts, rules: Rules) -> list[str]:
    problems = []
    if found.issue_date is not None and found.issue_date > rules.today:
        problems.append(f"Data wystawienia {found.issue_date} jest późniejsza niż data przyjęcia {rules.today}.")
    if not rules.check_ids:
        return problems
    nips = [found.seller_nip, found.buyer.nip, found.authorised_nip, *(party.nip for party in found.third)]
    problems += [f"Nieprawidłowy NIP {nip}." for nip in nips if nip and not numbers.nip_checksum_ok(nip)]
    units = [party.internal_id for party in found.third if party.internal_id]
    problems += [
        f"Nieprawidłowy identyfikator wewnętrzny {unit}." for unit in units if not numbers.internal_id_checksum_ok(unit)
    ]
    return problems
