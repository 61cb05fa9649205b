"""The JWTs KSeF hands out: HS256, signed with the simulator's own secret (protocol §2.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any


def sign(claims: dict[str, Any], secret: bytes) -> str:
    """A compact HS256 JWT of the claims."""
    head = _encode(json.dumps({"typ": "JWT", "alg": "HS256"}, separators=(",", ":")).encode())
    body = _encode(json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode())
    mac = hmac.new(secret, f"{head}.{body}".encode("ascii"), hashlib.sha256).digest()
    return f"{head}.{body}.{_encode(mac)}"


def read(token: str, secret: bytes) -> dict[str, Any] | None:
    """The claims of a token signed by us, or None; the expiry is the caller's to judge (A10)."""
    try:
        head, body, mac = token.split(".")
        expected = hmac.new(secret, f"{head}.{body}".encode("ascii"), hashlib.sha256).digest()
        if not hmac.compare_digest(expected, _decode(mac)):
            return None
        claims = json.loads(_decode(body))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
