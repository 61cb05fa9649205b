"""For `sluza folders`: the seat of its computer, what is to be filed there and was, deliveries in pieces, registers.

All of it only for units marked `remote`; a unit whose folders lie on the gateway is told so.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway.http import parameters
from gateway.http.answers import as_file, as_json
from gateway.http.body import pieces
from gateway.http.invoices import answer
from gateway.http.problems import HttpProblem
from gateway.http.state import PARTS, log_fields
from gateway.own import AbsentError, Change, Own
from gateway.results import local
from gateway.sizes import MAX_ZIP, is_zip
from gateway.uploads import Upload, UploadsFullError
from spool.bodies import sha256_hex
from spool.domain.catalogue import printable

_CLIENT = "X-Sluza-Client"
_CLIENT_NAME = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMPUTER_LENGTH = 80


async def sit(request: web.Request, own: Own) -> web.Response:
    """PUT /v1/seat: this computer looks after the unit's folders; one at a time (faults D13)."""
    parameters.only(request, "computer", "take")
    _need_remote(own)
    computer = printable(request.query.get("computer", ""), _COMPUTER_LENGTH)
    seat = await own.sit(_client(request), computer, force=parameters.flag(request, "take"))
    if seat is None:
        held = await own.seat()
        values = {"computer": held.computer if held else "", "seen": local(held.seen_at) or "" if held else ""}
        raise HttpProblem("seat_taken", values=values)
    unit = {"id": own.unit.id, "name": own.unit.name}
    return as_json({"unit": unit, "since": local(seat.since)})


async def changes(request: web.Request, own: Own) -> web.Response:
    """GET /v1/changes: what the unit's computer has not confirmed yet."""
    parameters.only(request, "after", "limit")
    await _need_seat(request, own)
    limit = parameters.limit(request)
    try:
        found = await own.changes(parameters.after(request), limit + 1)
    except AbsentError:
        raise parameters.unknown_cursor() from None
    following = found[limit - 1].id if len(found) > limit else None
    return as_json({"changes": [_row(c) for c in found[:limit]], "next": following})


async def acknowledge(request: web.Request, own: Own) -> web.Response:
    """POST /v1/invoices/{id}/ack: these files are in the unit's folder, durably."""
    parameters.only(request, "version")
    await _need_seat(request, own)
    document = await own.acknowledge(request.match_info["id"], parameters.number(request, "version"))
    log_fields(request)["document"] = document.id
    return as_json({"id": document.id, "sha256": document.sha256, "state": document.state.value})


async def acknowledge_received(request: web.Request, own: Own) -> web.Response:
    """POST /v1/received/{KSeF number}/ack: the same for a supplier's invoice; `gone`: a recalled copy was removed."""
    parameters.only(request, "gone")
    await _need_seat(request, own)
    gone = parameters.flag(request, "gone")
    invoice = await own.acknowledge_received(request.match_info["number"], gone=gone)
    log_fields(request)["document"] = invoice.ksef_number
    return as_json({"ksef_number": invoice.ksef_number, "sha256": invoice.sha256})


async def warnings(request: web.Request, own: Own) -> web.Response:
    """GET /v1/warnings: what was told about this unit's deadlines and is not over."""
    parameters.only(request)
    return as_json({"warnings": [{"text": text, "at": local(at)} for text, at in await own.warnings()]})


async def registers(request: web.Request, own: Own) -> web.Response:
    """GET /v1/registers: the unit's monthly registers."""
    parameters.only(request)
    rows = [{"name": r.name, "size": r.size, "sha256": r.sha256} for r in await own.registers()]
    return as_json({"registers": rows})


async def register(request: web.Request, own: Own) -> web.Response:
    """GET /v1/registers/{name}: one of them."""
    name = request.match_info["name"]
    return as_file(request, await own.register(name), "application/octet-stream", name)


async def arrived(request: web.Request, own: Own) -> web.Response:
    """GET /v1/uploads/{sha256}: how much of a delivery in pieces is here."""
    parameters.only(request)
    upload = own.upload(_sha256(request))
    async with upload.lock:  # a request whose connection broke may still be putting away what it got
        return as_json({"received": await asyncio.to_thread(upload.received)})


async def piece(request: web.Request, own: Own) -> web.Response:
    """POST /v1/uploads/{sha256}: the next bytes; the last of them make it a delivery, answered as POST /v1/invoices.

    What came before a cut stays, so that over the worst line something is always won. Other bytes cannot come under
    this hash: it is the Idempotency-Key, too.
    """
    parameters.only(request, "offset", "size", "offline24", "may_wait")
    sha256, name = _sha256(request), parameters.file_name(request)
    size, offset = parameters.number(request, "size"), parameters.number(request, "offset")
    offline24, may_wait = parameters.flag(request, "offline24"), parameters.flag(request, "may_wait")
    if not 0 < size <= MAX_ZIP:
        raise HttpProblem("too_big")
    upload = own.upload(sha256)
    async with upload.lock:
        here = await asyncio.to_thread(upload.received)
        if offset != here:
            raise HttpProblem("upload_offset", extra={"received": here})
        here = await _take(request, upload, here, size)
        if here < size:
            return as_json({"received": here})
        try:
            response = await _deliver(request, own, upload, (sha256, name, offline24, may_wait))
        except HttpProblem as problem:
            problem.headers["X-Sha256"] = sha256
            raise
        response.headers["X-Sha256"] = sha256
        return response


async def _take(request: web.Request, upload: Upload, here: int, size: int) -> int:
    """Keep what arrives, as it arrives."""
    async for chunk in pieces(request, request.app[PARTS].patience, size - here):
        try:
            await asyncio.to_thread(upload.append, chunk)
        except UploadsFullError:
            raise HttpProblem("uploads_full", close=True) from None
        here += len(chunk)
    return here


async def _deliver(request: web.Request, own: Own, upload: Upload, said: tuple[str, str, bool, bool]) -> web.Response:
    """The whole is here: through the front door, and only then forgotten. `said`: hash, name, offline24, may_wait."""
    sha256, name, offline24, may_wait = said
    async with _whole(request, upload, sha256) as raw:
        verdicts = await own.accept(raw, name, offline24=offline24, may_wait=may_wait)
        await asyncio.to_thread(upload.forget)
        if any(v.kind == "incomplete" for v in verdicts):
            raise HttpProblem("incomplete", errors=[p for v in verdicts for p in v.problems])
        return answer(request, verdicts, several=is_zip(raw))


@asynccontextmanager
async def _whole(request: web.Request, upload: Upload, sha256: str) -> AsyncIterator[bytes]:
    """All of it, if it has the hash that was announced; else it begins anew."""
    raw, room = await asyncio.to_thread(upload.whole), request.app[PARTS].room
    room.take(len(raw))
    try:
        if sha256_hex(raw) != sha256:
            await asyncio.to_thread(upload.forget)
            raise HttpProblem("upload_damaged", extra={"received": 0})
        yield raw
    finally:
        room.give_back(len(raw))


def _row(change: Change) -> dict[str, Any]:
    sheet = change.sheet
    return {
        "kind": change.kind,
        "id": change.id,
        "version": change.version,
        "name": sheet.name,
        "sha256": sheet.sha256,
        "month_of": local(sheet.at),
        "note": sheet.note.decode("utf-8-sig") if sheet.note else None,
        "picture": sha256_hex(sheet.picture.encode()) if change.copy else None,
        "upo_sha256": change.upo,
        "said": sheet.said,
    }


def _need_remote(own: Own) -> None:
    if not own.unit.remote:
        raise HttpProblem("not_remote")


async def _need_seat(request: web.Request, own: Own) -> None:
    """Only the computer that has the seat: a frozen one that wakes after another took over writes nothing."""
    _need_remote(own)
    seat = await own.seat()
    if seat is None or seat.client != _client(request):
        raise HttpProblem("seat_lost", values={"computer": seat.computer if seat else "–"})


def _client(request: web.Request) -> str:
    given = request.headers.getall(_CLIENT, [])
    if len(given) != 1 or not _CLIENT_NAME.fullmatch(given[0]):
        raise HttpProblem("bad_client")
    return given[0]


def _sha256(request: web.Request) -> str:
    value = request.match_info["sha256"]
    if not _SHA256.fullmatch(value):
        raise HttpProblem("not_found")
    return value
