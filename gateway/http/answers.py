"""Building answers: JSON with Polish letters as they are, files with their hash, and headers for every response."""

import json
import re
from typing import Any
from urllib.parse import quote

from aiohttp import web

from spool.bodies import sha256_hex

SERVER = "sluza"
"""The Server header: aiohttp's own would name it and Python with their versions."""
SECURITY = {
    "Server": SERVER,
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`; a handler's own Content-Security-Policy stays."""
    for name, value in SECURITY.items():
        if name == "Server" or name not in response.headers:
            response.headers[name] = value


def as_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    text = json.dumps(data, ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


def as_file(request: web.Request, raw: bytes, content_type: str, name: str) -> web.Response:
    """Exact bytes to be saved, never shown in a browser, with their SHA-256 as ETag and X-Sha256.

    `Range: bytes=N-` gives what follows N bytes that the client has already, for lines that break (faults D12); with
    `If-Range` only when those were of the same bytes. Any other range is answered with the whole, as HTTP allows.
    """
    sha256 = sha256_hex(raw)
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "._-~ ") else "_" for c in name)
    disposition = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
    headers = {"ETag": f'"{sha256}"', "X-Sha256": sha256, "Content-Disposition": disposition, "Accept-Ranges": "bytes"}
    start = _start(request, headers["ETag"])
    if not 0 < start < len(raw):
        return web.Response(body=raw, content_type=content_type, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{len(raw) - 1}/{len(raw)}"
    return web.Response(body=raw[start:], status=206, content_type=content_type, headers=headers)


def _start(request: web.Request, etag: str) -> int:
    """Where the client wants to go on; 0 for the whole."""
    match = re.fullmatch(r"bytes=(\d{1,12})-", request.headers.get("Range", ""))
    return int(match[1]) if match and request.headers.get("If-Range", etag) == etag else 0
