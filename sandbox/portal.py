"""The verification portal behind the QR codes, with JSON verdicts (protocol §13).

KOD I leads to GET /invoice/{nip}/{date}/{hash}, KOD II to
GET /certificate/{context type}/{context value}/{seller NIP}/{certificate serial}/{hash}/{signature}.
"""

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

from sandbox import subjects
from sandbox.permissions import Context, entitled, granted
from sandbox.world import World, world_of

HASH = re.compile(r"[A-Za-z0-9_-]{43}")
SIGNATURE = re.compile(r"[A-Za-z0-9_-]{80,700}")
CONTEXT_TYPES = ("Nip", "InternalId", "NipVatUe", "PeppolId")


async def invoice(request: web.Request) -> web.Response:
    """`{"verdict": "found", …}` for an accepted invoice of seller, day and hash; 404 "not_found"; 400 "bad_link".

    The hash of a rejected offline invoice leads to its technical correction.
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
        return _no("not_found")
    body: dict[str, Any] = {"verdict": "found", "ksefNumber": row["ksef_number"], "invoiceNumber": row["number"]}
    return web.json_response(body | {"sellerNip": nip, "issueDate": row["issue_date"], "hash": row["hash"]})


async def certificate(request: web.Request) -> web.Response:
    """The verdict on KOD II, in KSeF's order of checks: certificate, signature, permission, seller.

    200 `{"verdict": "valid", …}`; 404 with the first thing that is wrong; 400 "bad_link". What is signed is the link
    as it came: host and path up to the hash.
    """
    kind, value, seller, serial, code, signature = (
        request.match_info[name] for name in ("type", "value", "nip", "serial", "hash", "signature")
    )
    if kind not in CONTEXT_TYPES:
        return _bad("context type: expected one of " + ", ".join(CONTEXT_TYPES))
    if not HASH.fullmatch(code) or not SIGNATURE.fullmatch(signature):
        return _bad("hash or signature: expected Base64URL without padding")
    world = world_of(request)
    row = world.store.one("SELECT * FROM certificates WHERE serial = ? AND ready_ms <= ?", serial, world.now)
    if row is None:
        return _no("certificate_unknown")
    if row["type"] != "Offline":
        return _no("certificate_not_offline")
    if row["revoked_ms"] is not None or not row["valid_from_ms"] <= world.now <= row["valid_to_ms"]:
        return _no("certificate_not_valid")
    issued = x509.load_der_x509_certificate(row["der"])
    signed = f"{request.host}{request.rel_url.raw_path.rpartition('/')[0]}"
    if not _verifies(issued, signed.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))):
        return _no("bad_signature")
    return _entitlement(world, issued, Context(kind, value), seller)


def _entitlement(world: World, issued: x509.Certificate, context: Context, seller: str) -> web.Response:
    """Whether the certificate's subject may issue in the context, and the context for the seller."""
    subject = subjects.of_certificate(issued, "certificateSubject")
    if subject is None or "InvoiceWrite" not in granted(world.store, subject, context, world.now):
        return _no("no_permission")
    if not entitled(world.store, context, seller, world.now):
        return _no("not_entitled")
    return web.json_response({"verdict": "valid", "sellerNip": seller, "subject": subject.value})


def _verifies(issued: x509.Certificate, text: bytes, signature: bytes) -> bool:
    """ECDSA as R and S side by side or as DER, RSA as PSS with a salt of 32 bytes; always SHA-256."""
    key = issued.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if len(signature) == 64:
                halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
                signature = encode_dss_signature(*halves)
            key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _no(verdict: str) -> web.Response:
    return web.json_response({"verdict": verdict}, status=404)


def _bad(why: str) -> web.Response:
    return web.json_response({"verdict": "bad_link", "error": why}, status=400)
