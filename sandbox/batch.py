"""Batch sessions: open, close, and the processing of the package (I18–I21)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from sandbox import archives, forms, numbers, register, session_state, storage, verification
from sandbox.archives import PackageFault
from sandbox.clock import warsaw_day
from sandbox.crypto import decrypt_cbc, sha256_b64
from sandbox.errors import BadRequest
from sandbox.fields import Fields, json_body
from sandbox.permissions import BATCHING, context_of
from sandbox.principal import caller
from sandbox.replies import reply
from sandbox.sessions import create, read_encryption, rules_for, unseal
from sandbox.store import Row
from sandbox.testdata import context_limits
from sandbox.world import World, world_of

MAX_PARTS = 50
MAX_PACKAGE = 5_000_000_000
MAX_PART = 100_000_016
CHUNK = 100


async def open_batch(request: web.Request) -> web.Response:
    """POST /sessions/batch: 201 with one upload request per declared part (I18)."""
    world = world_of(request)
    who = caller(request, *BATCHING)
    body = await json_body(request, collect=True)
    form = forms.read(body.object("formCode"), batch=True, profile=world.profile)
    batch = _declared(body.object("batchFile"))
    offline = body.flag("offlineMode")
    sealed = read_encryption(body.object("encryption"))
    body.verify()
    _check_sizes(batch["parts"])
    encryption = unseal(world, sealed)
    window = world.switches.ms("upload_window_s") * len(batch["parts"])
    batch["window_ms"] = world.now + window
    columns = {"sym_key": encryption.key, "iv": encryption.iv, "offline": int(offline)}
    ref, _ = create(request, who, "Batch", form, batch=json.dumps(batch), **columns)
    uploads = [
        {
            "ordinalNumber": part["ordinal"],
            "method": "PUT",
            "url": storage.signed_url(request, "PUT", "parts", ref, str(part["ordinal"]), batch["window_ms"]),
            "headers": {"x-ms-blob-type": "BlockBlob"},
        }
        for part in batch["parts"]
    ]
    return reply(request, {"referenceNumber": ref, "partUploadRequests": uploads}, 201)


async def close_batch(request: web.Request) -> web.Response:
    """POST /sessions/batch/{referenceNumber}/close: 204 and processing; 21205, 21157, 21208, 21180 (I19)."""
    world = world_of(request)
    who = caller(request, *BATCHING)
    session = session_state.find(world, who, request.match_info["referenceNumber"], "Batch")
    code = session_state.state(world, session).code
    if code != 100:
        raise BadRequest(21180, f"Status sesji {code} uniemożliwia jej zamknięcie.")
    _check_uploads(world, session)
    world.store.run("UPDATE sessions SET closed_ms = ? WHERE ref = ?", world.now, session["ref"])
    world.start(process(world, session["ref"]))
    return web.Response(status=204)


def resume(world: World) -> None:
    """Take up again the packages that were closed but not finished when the simulator stopped (F5)."""
    sql = "SELECT ref FROM sessions WHERE kind = 'Batch' AND closed_ms IS NOT NULL AND result_code IS NULL"
    for row in world.store.all(sql):
        world.start(process(world, row["ref"]))


async def process(world: World, ref: str) -> None:
    """Decrypt, unpack and judge a closed package; safe to run again after a crash (I20)."""
    session = world.store.one("SELECT * FROM sessions WHERE ref = ?", ref)
    assert session is not None
    try:
        limits = context_limits(world.store, context_of(session))["batchSession"]
        files = await world.off_loop(_unpacked, world, session, limits)
        await _record_all(world, session, files)
        code = 200 if _accepted(world, ref) else 445
        details: list[str] = []
    except PackageFault as fault:
        code, details = fault.code, [str(fault)]
    settled = world.now + world.switches.ms("batch_process_delay_s")
    sql = "UPDATE sessions SET result_code = ?, result_details = ?, settled_ms = ? WHERE ref = ?"
    world.store.run(sql, code, json.dumps(details, ensure_ascii=False), settled, ref)
    for part in world.store.all("SELECT ordinal FROM parts WHERE session_ref = ?", ref):
        storage.part_path(world, "parts", ref, part["ordinal"]).unlink(missing_ok=True)


def _declared(body: Fields) -> dict[str, Any]:
    """The declaration of the package: 21405 for bad fields."""
    parts: list[dict[str, Any]] = [
        {
            "ordinal": part.integer("ordinalNumber", 1, 1000),
            "size": part.integer("fileSize", 1, 1 << 40),
            "hash": part.hash64("fileHash"),
        }
        for part in body.objects("fileParts", 1)
    ]
    if body.sound and sorted(part["ordinal"] for part in parts) != list(range(1, len(parts) + 1)):
        body.reject("fileParts", "numery części muszą być kolejne od 1")
    return {
        "size": body.integer("fileSize", 1, MAX_PACKAGE),
        "hash": body.hash64("fileHash"),
        "compression": body.choice("compressionType", ("Zip", "TarGz"), "Zip"),
        "parts": sorted(parts, key=lambda part: part["ordinal"]),
    }


def _check_sizes(parts: list[dict[str, Any]]) -> None:
    """21161 for more parts than allowed, 21157 for a part over its limit."""
    if len(parts) > MAX_PARTS:
        raise BadRequest(21161, f"Liczba części {len(parts)} przekracza {MAX_PARTS}.")
    for part in parts:
        if part["size"] > MAX_PART:
            raise BadRequest(21157, f"Rozmiar części '{part['ordinal']}' przekracza dozwolony limit.")


def _check_uploads(world: World, session: Row) -> None:
    batch = json.loads(session["batch"])
    rows = world.store.all("SELECT * FROM parts WHERE session_ref = ?", session["ref"])
    uploaded = {row["ordinal"]: row for row in rows}
    missing = [part["ordinal"] for part in batch["parts"] if part["ordinal"] not in uploaded]
    if world.now > batch["window_ms"] and missing:
        sql = "UPDATE sessions SET result_code = 440, settled_ms = ?, closed_ms = ? WHERE ref = ?"
        world.store.run(sql, world.now, world.now, session["ref"])
        raise BadRequest(21208, "Sesja anulowana, przekroczony czas wysyłki.")
    if missing:
        raise BadRequest(21205, f"Nie przesłano zadeklarowanej '{missing[0]}' części pliku.")
    for part in batch["parts"]:
        if uploaded[part["ordinal"]]["size"] != part["size"]:
            text = f"Zadeklarowany rozmiar części '{part['ordinal']}' nie zgadza się z rzeczywistym."
            raise BadRequest(21157, text)


def _unpacked(world: World, session: Row, limits: dict[str, int]) -> list[tuple[str, bytes]]:
    """The entries of the package; PackageFault 405, 415, 420, 430, 435 or 440 (I20). Runs on the bench."""
    if session["sym_key"] is None:
        raise PackageFault(415, "Nie udało się odszyfrować klucza symetrycznego.")
    batch = json.loads(session["batch"])
    whole = bytearray()
    for part in batch["parts"]:
        sealed = storage.part_path(world, "parts", session["ref"], part["ordinal"]).read_bytes()
        if sha256_b64(sealed) != part["hash"]:
            raise PackageFault(405, f"Skrót części {part['ordinal']} nie zgadza się z zadeklarowanym.")
        plain = decrypt_cbc(sealed, session["sym_key"], session["iv"])
        if plain is None:
            raise PackageFault(435, f"Nie udało się odszyfrować części {part['ordinal']}.")
        whole += plain
    data = bytes(whole)
    if len(data) != batch["size"] or sha256_b64(data) != batch["hash"]:
        raise PackageFault(405, "Skrót lub rozmiar archiwum nie zgadza się z zadeklarowanym.")
    largest = limits["maxInvoiceWithAttachmentSizeInMB"] * 1_000_000
    return archives.unpack(data, batch["compression"], limits["maxInvoices"], largest)


async def _record_all(world: World, session: Row, files: list[tuple[str, bytes]]) -> None:
    """Judge and record entry by entry, a chunk to a commit; entries recorded before a crash are skipped."""
    rules = rules_for(world, session, session["created_ms"], attachments=False)
    sql = "SELECT COALESCE(MAX(ordinal), 0) AS n FROM invoices WHERE session_ref = ?"
    done = world.store.one(sql, session["ref"])
    first = 0 if done is None else int(done["n"])
    for start in range(first, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        findings = [await world.off_loop(verification.examine, data, rules) for _, data in chunk]
        with world.store.transaction():
            for place, ((name, data), finding) in enumerate(zip(chunk, findings, strict=True)):
                fault = world.faults.pick_item(f"/v2/sessions/batch/{session['ref']}/invoices/{name}", world.clock)
                held = fault["id"] if fault and fault["kind"] == "stuck_150" else None
                if fault and held is None:
                    finding = verification.forced(finding, fault)
                item = register.Submission(
                    ref=numbers.reference("EE", warsaw_day(world.now)),
                    session=session,
                    ordinal=start + place + 1,
                    body=data,
                    declared_hash=sha256_b64(data),
                    offline=bool(session["offline"]),
                    invoicing_ms=session["created_ms"],
                    finding=finding,
                    file_name=name[:128],
                    hold="switch" if world.switches["stuck_150"] else held,
                )
                register.record(world, item)
        await asyncio.sleep(0)


def _accepted(world: World, ref: str) -> bool:
    return world.store.one("SELECT 1 FROM invoices WHERE session_ref = ? AND code = 200", ref) is not None
