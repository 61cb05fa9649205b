"""An export package: a ZIP that KSeF made, still opened only on the bench, with limits of our own (faults X07, X26).

Content by protocol §9.3: `<KSeF number>.xml` for each invoice, and `_metadata.json`.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_INVOICES = 10_000
LARGEST_INVOICE = 3_200_000
"""Bytes; an invoice with attachment has at most 3,000,000 (protocol §10)."""
LARGEST_METADATA = 64_000_000
LARGEST_TOTAL = 6_000_000_000
_NAME = re.compile(r"(\d{10}-\d{8}-[0-9A-F]{6}-?[0-9A-F]{6}-[0-9A-F]{2})\.xml")
_METADATA = "_metadata.json"
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, EOFError)


class BadPackage(Exception):  # noqa: N818 - reads as the fact it states
    """The package is not what KSeF promised; the sentence says how."""


@dataclass(frozen=True)
class Contents:
    """The KSeF numbers in a package with the size of each invoice, and what KSeF says about each.

    `strange` are the names of entries that are no invoice, or one a second time; they are left out.
    """

    numbers: tuple[str, ...]
    sizes: tuple[int, ...]
    metadata: dict[str, dict[str, Any]]
    strange: tuple[str, ...] = ()


def contents(path: Path) -> Contents:
    """What is inside. Raises BadPackage when it cannot be read or is beyond the limits."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_INVOICES + 1:
                raise BadPackage("za dużo plików")
            if sum(e.file_size for e in entries) > LARGEST_TOTAL:
                raise BadPackage("paczka po rozpakowaniu jest za duża")
            raw = _inflate(archive, _METADATA, LARGEST_METADATA) if _METADATA in archive.namelist() else b"{}"
    except _BROKEN as error:
        raise BadPackage(type(error).__name__) from error
    sizes: dict[str, int] = {}
    strange: list[str] = []
    for entry in entries:
        match = _NAME.fullmatch(entry.filename)
        if match and match[1] not in sizes:
            sizes[match[1]] = entry.file_size
        elif entry.filename != _METADATA:
            strange.append(ascii(entry.filename)[:100])
    return Contents(tuple(sizes), tuple(sizes.values()), _metadata(raw), tuple(strange))


def groups(contents: Contents, most: int, most_bytes: int) -> Iterator[tuple[str, ...]]:
    """The numbers in groups small enough to be handed from one process to another."""
    group: list[str] = []
    size = 0
    for number, bytes_of_it in zip(contents.numbers, contents.sizes, strict=True):
        if group and (len(group) >= most or size + bytes_of_it > most_bytes):
            yield tuple(group)
            group, size = [], 0
        group.append(number)
        size += bytes_of_it
    if group:
        yield tuple(group)


def invoices(path: Path, numbers: tuple[str, ...]) -> list[bytes | None]:
    """The bytes of these invoices, in this order; None for one that cannot be unpacked. Raises BadPackage."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [_maybe(archive, f"{number}.xml") for number in numbers]
    except _BROKEN as error:
        raise BadPackage(type(error).__name__) from error


def _maybe(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """One invoice, or None when it is broken or too large: one entry does not spoil the others."""
    try:
        return _inflate(archive, name, LARGEST_INVOICE)
    except (BadPackage, *_BROKEN, KeyError):
        return None


def _inflate(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """One entry, never more bytes than the limit, whatever the archive says about its size."""
    with archive.open(name) as entry:
        raw = entry.read(limit + 1)
        if len(raw) > limit:
            raise BadPackage("plik w paczce jest za duży")
        return raw


def _metadata(raw: bytes) -> dict[str, dict[str, Any]]:
    try:
        listed = json.loads(raw).get("invoices", [])
        return {str(item["ksefNumber"]): item for item in listed if isinstance(item, dict) and "ksefNumber" in item}
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise BadPackage("plik _metadata.json jest nieczytelny") from error
