"""Unpacking a batch package: ZIP or tar.gz, bounded in entries and in unpacked size (I20)."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib


class PackageFault(Exception):  # noqa: N818 - the word of the domain
    """The package as a whole is refused; `code` is the session status of protocol §7.3."""

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        super().__init__(detail)


def unpack(data: bytes, compression: str, max_entries: int, max_entry_size: int) -> list[tuple[str, bytes]]:
    """Entries as (name, bytes) in archive order; 430 if unreadable, 420 too many, 440 empty.

    An entry above `max_entry_size` is cut to one byte more, so that it is refused by its own size.
    """
    try:
        entries = (_zip if compression == "Zip" else _tar)(data, max_entries, max_entry_size + 1)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error, NotImplementedError) as fault:
        raise PackageFault(430, f"Nie udało się rozpakować archiwum: {fault}") from fault
    except (RuntimeError, ValueError) as fault:
        raise PackageFault(430, f"Archiwum jest nieczytelne: {fault}") from fault
    if not entries:
        raise PackageFault(440, "Archiwum nie zawiera faktur.")
    return entries


def _zip(data: bytes, max_entries: int, most: int) -> list[tuple[str, bytes]]:
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        _check_count(len(members), max_entries)
        for info in members:
            with archive.open(info) as entry:
                found.append((info.filename, entry.read(most)))
    return found


def _tar(data: bytes, max_entries: int, most: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for info in archive:
            if not info.isfile():
                continue
            _check_count(len(found) + 1, max_entries)
            entry = archive.extractfile(info)
            assert entry is not None
            found.append((info.name, entry.read(most)))
    return found


def _check_count(count: int, max_entries: int) -> None:
    if count > max_entries:
        raise PackageFault(420, f"Liczba faktur przekracza dozwolony limit {max_entries}.")
