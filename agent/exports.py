"""A package that KSeF makes of a window of its register: wait for it, fetch its parts, unseal them into one archive.

Both forms of each part must have the size and hash that KSeF promised. Sources: protocol §9.3.
"""

import asyncio
from pathlib import Path

from agent import retry
from agent.ksef.api import Export, Ksef, NoAnswer, Part, Reading
from agent.ksef.errors import garbled
from agent.ksef.sealing import SymmetricKey, hex_of
from spool.domain.outcomes import Unknown

NOTHING_YET = ("http:21183", "export:420")
"""The window begins beyond the high-water mark: ask again later."""
_LARGEST_PART = 60_000_000
_PATIENCE_S = 900.0


async def ready(ksef: Ksef, reference: str) -> Export:
    """Wait for the package. Raises NoAnswer when it fails or takes too long."""
    waited = 0.0
    while waited < _PATIENCE_S:
        if (pause := ksef.wait("invoiceExportStatus")) == 0:
            export = await ksef.export(reference)
            if export is not None:
                return export
            pause = min(15.0, retry.next_look(waited))
        await asyncio.sleep(pause)
        waited += pause
    raise NoAnswer(Reading(Unknown("KSeF zbyt długo przygotowuje paczkę faktur."), "export:late"))


async def fetch(ksef: Ksef, part: Part, key: SymmetricKey, encrypted: Path, archive: Path) -> None:
    """One part onto the end of the archive; `encrypted` is a file to use on the way."""
    if not 0 < part.encrypted_size <= _LARGEST_PART:
        raise garbled("rozmiar części eksportu")
    got = await ksef.download(part.url, encrypted, part.encrypted_size)
    if got.size != part.encrypted_size or got.sha256.hex() != hex_of(part.encrypted_hash):
        raise garbled("skrót części eksportu")
    try:
        size, digest = await asyncio.to_thread(key.unseal_file, encrypted, archive)
    except ValueError as error:
        raise garbled("część eksportu nie daje się odszyfrować") from error
    if size != part.size or digest.hex() != hex_of(part.plain_hash):
        raise garbled("skrót odszyfrowanej części eksportu")
