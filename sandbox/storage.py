"""Storage with pre-signed URLs: uploads of batch parts, downloads of UPO and export parts (I18, U4, E4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from sandbox import upo
from sandbox.clock import iso
from sandbox.crypto import sha256_b64
from sandbox.replies import xml_reply
from sandbox.world import World, world_of

CHUNK = 1 << 20
MAX_PART = 120_000_000


def signed_url(request: web.Request, verb: str, area: str, ref: str, name: str, expires_ms: int) -> str:
    """A URL good for one verb until an instant; different at every call (U4, E4)."""
    world = world_of(request)
    base = world.storage_base or f"{request.scheme}://{request.host}"
    nonce = secrets.token_hex(6)
    mac = quote(_mac(world, verb, area, ref, name, expires_ms, nonce), safe="")
    path = f"/storage/{area}/{ref.lower()}/{quote(name, safe='')}"
    shown = quote(iso(expires_ms), safe="")
    return f"{base.rstrip('/')}{path}?sv=2025-01-05&se={shown}&sr={nonce}&st={expires_ms}&sig={mac}"


def part_path(world: World, area: str, ref: str, ordinal: int) -> Path:
    """Where the bytes of a part live on disk."""
    return world.files / f"{area}-{ref}-{ordinal:03d}"


async def put(request: web.Request) -> web.Response:
    """PUT a batch part: 201; 400 without the blob-type header; 403 for a bad or expired signature (I18)."""
    world = world_of(request)
    area, ref, name = _address(request)
    if area != "parts" or not _allowed(request, "PUT"):
        return _denied()
    if request.headers.get("x-ms-blob-type") != "BlockBlob":
        return _fault(400, "MissingRequiredHeader")
    ordinal = int(name)
    path = part_path(world, "parts", ref, ordinal)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    size = 0
    with temporary.open("wb") as out:
        async for chunk in request.content.iter_chunked(CHUNK):
            size += len(chunk)
            digest.update(chunk)
            out.write(chunk)
            if size > MAX_PART:
                temporary.unlink()
                return _fault(413, "RequestBodyTooLarge")
    temporary.replace(path)
    sql = "INSERT OR REPLACE INTO parts (session_ref, ordinal, size, hash) VALUES (?, ?, ?, ?)"
    world.store.run(sql, ref, ordinal, size, base64.b64encode(digest.digest()).decode("ascii"))
    return web.Response(status=201)


async def get(request: web.Request) -> web.StreamResponse:
    """GET a UPO or an export part: no bearer, `x-ms-meta-hash`, 403 once expired (U4, E4, S3)."""
    world = world_of(request)
    area, ref, name = _address(request)
    if not _allowed(request, "GET"):
        return _denied()
    if area == "upo":
        document = upo.stored(world, ref)
        return _fault(404, "BlobNotFound") if document is None else xml_reply(document)
    path = part_path(world, "exports", ref, int(name))
    if area != "exports" or not path.is_file():
        return _fault(404, "BlobNotFound")
    data = await world.off_loop(path.read_bytes)
    headers = {"x-ms-meta-hash": await world.off_loop(sha256_b64, data)}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


def _address(request: web.Request) -> tuple[str, str, str]:
    info = request.match_info
    return info["area"], info["ref"].upper(), info["name"]


def _allowed(request: web.Request, verb: str) -> bool:
    """Signature right and not expired at simulated now."""
    world = world_of(request)
    query = request.query
    text = query.get("st", "")
    if not text.isdigit():
        return False
    area, ref, name = _address(request)
    wanted = _mac(world, verb, area, ref, name, int(text), query.get("sr", ""))
    return hmac.compare_digest(wanted, query.get("sig", "")) and world.now < int(text)


def _mac(world: World, verb: str, area: str, ref: str, name: str, expires_ms: int, nonce: str) -> str:
    text = f"{verb}|{area}|{ref.upper()}|{name}|{expires_ms}|{nonce}".encode()
    return base64.b64encode(hmac.new(world.authority.url_secret, text, hashlib.sha256).digest()).decode("ascii")


def _denied() -> web.Response:
    return _fault(403, "AuthenticationFailed")


def _fault(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
