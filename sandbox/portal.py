"""The verification portal behind KOD I: GET /invoice/{nip}/{date}/{hash} answers with a JSON verdict (protocol §13)."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.world import world_of

HASH = re.compile(r"[A-Za-z0-9_-]{43}")


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
        return web.json_response({"verdict": "not_found"}, status=404)
    body: dict[str, Any] = {"verdict": "found", "ksefNumber": row["ksef_number"], "invoiceNumber": row["number"]}
    body |= {"sellerNip": nip, "issueDate": row["issue_date"], "hash": row["hash"]}
    return web.json_response(body | {"technicallyCorrected": row["hash"] != digest})


def _bad(why: str) -> web.Response:
    return web.json_response({"verdict": "bad_link", "error": why}, status=400)
