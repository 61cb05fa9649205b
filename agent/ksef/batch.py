"""A batch session on the wire: what opening one says, and what KSeF answers (protocol §7.2)."""

from collections.abc import Mapping
from typing import Any

from agent.ksef.api import Archive, OpenedBatch, WrappedKey
from agent.ksef.errors import garbled
from agent.ksef.values import reference_of
from spool.domain.ledger import PackedPart

PATH = "/sessions/batch"


def opening(
    archive: Archive, encryption: Mapping[str, Any], form: Mapping[str, Any], *, offline: bool
) -> dict[str, Any]:
    """Archive and parts as KSeF will hold them against what arrives; `offline` is about the whole package."""
    parts = [{"ordinalNumber": p.ordinal, "fileSize": p.size, "fileHash": p.hash} for p in archive.parts]
    file = {"fileSize": archive.size, "fileHash": archive.hash, "compressionType": "TarGz", "fileParts": parts}
    return {"formCode": form, "batchFile": file, "encryption": encryption, "offlineMode": offline}


def encryption(key: WrappedKey) -> dict[str, Any]:
    """The key of a package."""
    sealed = {"encryptedSymmetricKey": key.encrypted_key, "initializationVector": key.iv}
    return sealed | ({"publicKeyId": key.key_id} if key.key_id else {})


def opened(body: Mapping[str, Any], archive: Archive) -> OpenedBatch:
    """Every part with its address. Raises NoAnswer when KSeF did not name one for each, or not a PUT."""
    wanted = {upload["ordinalNumber"]: upload for upload in body["partUploadRequests"]}
    if wanted.keys() != {part.ordinal for part in archive.parts}:
        raise garbled("adresy części paczki")
    if any(upload["method"].upper() != "PUT" for upload in wanted.values()):
        raise garbled("sposób przesłania części paczki")
    parts = tuple(_addressed(part, wanted[part.ordinal]) for part in archive.parts)
    return OpenedBatch(reference_of(body["referenceNumber"]), parts)


def _addressed(part: PackedPart, upload: Mapping[str, Any]) -> PackedPart:
    headers = {str(name): str(value) for name, value in upload["headers"].items() if value is not None}
    return PackedPart(part.ordinal, part.size, part.hash, str(upload["url"]), headers)
