"""The verification portal behind the QR codes: KOD I and KOD II answered with a JSON verdict (protocol §13)."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sandbox.clock import iso
from sandbox.login_request import CONTEXTS
from sandbox.permissions import Context, granted, may_act_for
from sandbox.store import Row
from sandbox.subjects import Subject
from sandbox.world import World, world_of

HASH = re.compile(r"[A-Za-z0-9_-]{43}")
SIGNATURE = re.compile(r"[A-Za-z0-9_-]{80,700}")


async def invoice(request: web.Request) -> web.Response:
    """KOD I: "found" for an accepted invoice of seller, day and hash; 404 "not_found"; 400 "bad_link".

    The hash of a rejected offline invoice leads to its technical correction (I15).
    """
    nip, text, code = (request.match_info[name] for name in ("nip", "date", "hash"))
    try:
        day = datetime.strptime(text, "%d-%m-%Y").date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        return _bad("date: expected DD-MM-YYYY")
    if not HASH.fullmatch(code):
        return _bad("hash: expected 43 characters of Base64URL without padding")
    digest = base64.b64encode(base64.urlsafe_b64decode(code + "=")).decode("ascii")
    world = world_of(request)
    row = world.store.one(
        "SELECT * FROM invoices WHERE (hash = ? OR corrects = ?) AND code = 200 AND final_ms <= ?"
        " AND seller_nip = ? AND issue_date = ?",
        digest,
        digest,
        world.now,
        nip,
        day.isoformat(),
    )
    if row is None:
        return web.json_response({"verdict": "not_found"}, status=404)
    body: dict[str, Any] = {"verdict": "found", "ksefNumber": row["ksef_number"], "invoiceNumber": row["number"]}
    body |= {"sellerNip": nip, "issueDate": row["issue_date"], "hash": row["hash"]}
    return web.json_response(body | {"technicallyCorrected": row["hash"] != digest})


async def certificate(request: web.Request) -> web.Response:
    """KOD II: "valid", or "invalid" with the first `reason` in the ministry's order; 400 "bad_link".

    The signed text is the address as it was called, Host included, up to the hash.
    """
    world = world_of(request)
    kind, value, seller, serial, code, signature = (
        request.match_info[name] for name in ("type", "value", "nip", "serial", "hash", "signature")
    )
    if kind not in CONTEXTS or not CONTEXTS[kind].fullmatch(value):
        return _bad(f"context: expected one of {', '.join(CONTEXTS)} and its value")
    if not CONTEXTS["Nip"].fullmatch(seller):
        return _bad("nip: expected ten digits")
    if not HASH.fullmatch(code) or not SIGNATURE.fullmatch(signature) or len(signature) % 4 == 1:
        return _bad("hash, signature: expected Base64URL without padding")
    sql = "SELECT * FROM certificates WHERE serial = ? AND ready_ms <= ?"
    row = world.store.one(sql, serial, world.now)
    signed = f"{request.host}{request.raw_path.partition('?')[0].rpartition('/')[0]}".encode()
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    context = Context(kind, value)
    reason = _certificate_fault(world, row)
    if reason is None and row is not None:
        reason = _signature_fault(row, signed, raw) or _permission_fault(world, row, context, seller)
    body: dict[str, Any] = {"verdict": "valid"} if reason is None else {"verdict": "invalid", "reason": reason}
    body |= {"context": {"type": kind, "value": value}, "sellerNip": seller, "hash": code, "serial": serial}
    return web.json_response(body | ({"certificate": _certificate_view(row)} if row else {}))


def _certificate_fault(world: World, row: Row | None) -> str | None:
    """Exists, of type Offline, valid now, not revoked."""
    if row is None:
        return "certificate_unknown"
    if row["type"] != "Offline":
        return "certificate_not_offline"
    if row["revoked_ms"] is not None and row["revoked_ms"] <= world.now:
        return "certificate_revoked"
    if world.now < row["valid_from_ms"]:
        return "certificate_not_yet_valid"
    return "certificate_expired" if row["valid_to_ms"] <= world.now else None


def _signature_fault(row: Row, signed: bytes, raw: bytes) -> str | None:
    """RSASSA-PSS with SHA-256, MGF1 and salt 32, or ECDSA with SHA-256 as R‖S of 64 bytes or DER."""
    key = x509.load_der_x509_certificate(row["der"]).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
            return None
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if len(raw) == 64:
            raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(raw, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return "signature_invalid"
    return None


def _permission_fault(world: World, row: Row, context: Context, seller: str) -> str | None:
    """The certificate's subject may issue in the context, and the context for the seller."""
    subject = Subject(row["subject_type"], row["subject_value"], "", {})
    if "InvoiceWrite" not in granted(world.store, subject, context, world.now):
        return "no_permission"
    return None if may_act_for(world.store, context, seller, world.now) else "context_not_entitled"


def _certificate_view(row: Row) -> dict[str, Any]:
    subject = {"type": row["subject_type"], "value": row["subject_value"]}
    dates = {"validFrom": iso(row["valid_from_ms"]), "validTo": iso(row["valid_to_ms"])}
    return {"commonName": row["common_name"], "type": row["type"], "subject": subject} | dates


def _bad(why: str) -> web.Response:
    return web.json_response({"verdict": "bad_link", "error": why}, status=400)
