"""Exports: asynchronous, encrypted packages of invoices for the caller (E1–E4)."""

from __future__ import annotations

import asyncio
import io
import json
import math
import tarfile
import zipfile
from typing import Any

from aiohttp import web

from sandbox import numbers, query, register, storage
from sandbox.clock import iso, parse_iso, warsaw_day
from sandbox.crypto import encrypt_cbc, sha256_b64
from sandbox.errors import BadRequest, Forbidden, Gone
from sandbox.fields import Fields, json_body
from sandbox.permissions import READING, Context
from sandbox.principal import caller
from sandbox.replies import compact, reply, status_info
from sandbox.sessions import read_encryption, unseal
from sandbox.store import Row
from sandbox.world import World, world_of

RETENTION_MS = 7 * 86_400_000
LAST = {
    "Issue": ("lastIssueDate", "issueDate"),
    "Invoicing": ("lastInvoicingDate", "invoicingDate"),
    "PermanentStorage": ("lastPermanentStorageDate", "permanentStorageDate"),
}
BEYOND = (
    "Parametr dateRange.from jest późniejszy niż PermanentStorageHwmDate"
    " przy włączonym restrictToPermanentStorageHwmDate."
)
DESCRIPTIONS = {
    100: "Eksport faktur w toku",
    200: "Eksport faktur zakończony sukcesem",
    210: "Eksport faktur wygasł i nie jest już dostępny do pobrania",
    415: "Błąd odszyfrowania dostarczonego klucza",
    420: "Zakres filtrowania wykracza poza dostępny zakres danych",
}


async def start(request: web.Request) -> web.Response:
    """POST /invoices/exports: 201 with an EH reference; 21181, 21182 (E1)."""
    world = world_of(request)
    who = caller(request, *READING)
    body = await json_body(request, collect=True)
    sealed = read_encryption(body.object("encryption"))
    filters = query.read_filters(world, body.object("filters"))
    body.flag("onlyMetadata")
    body.choice("compressionType", ("Zip", "TarGz"), "Zip")
    body.verify()
    encryption = unseal(world, sealed)
    if who.context.type == "InternalId" and filters.subject != "Subject3":
        text = f"Nie można wyeksportować paczki faktur dla podmiotu ({filters.subject}) i kontekstu (InternalId)."
        raise BadRequest(21181, text)
    now = world.now
    sql = "SELECT COUNT(*) AS n FROM exports WHERE context_type = ? AND context_value = ? AND ready_ms > ?"
    running = world.store.one(sql, who.context.type, who.context.value, now)
    limit = int(world.switches["max_running_exports"])
    if running is not None and running["n"] >= limit:
        raise BadRequest(21182, f"Osiągnięto maksymalny limit {limit} równoczesnych eksportów faktur.")
    ref = numbers.reference("EH", warsaw_day(now))
    mark = register.high_water_mark(world)
    beyond = filters.restricted and filters.from_ms > mark
    world.store.add(
        "exports",
        ref=ref,
        context_type=who.context.type,
        context_value=who.context.value,
        request=json.dumps({**body.body, "asOf": filters.to_ms}),
        sym_key=encryption.key,
        iv=encryption.iv,
        created_ms=now,
        ready_ms=now + world.switches.ms("export_delay_s"),
        code=415 if encryption.key is None else 420 if beyond else None,
    )
    return reply(request, {"referenceNumber": ref}, 201)


async def status(request: web.Request) -> web.Response:
    """GET /invoices/exports/{referenceNumber}: 100, then the package with fresh part URLs (E1, E4)."""
    world = world_of(request)
    who = caller(request, *READING)
    ref = request.match_info["referenceNumber"]
    row = world.store.one("SELECT * FROM exports WHERE ref = ?", ref)
    if row is None:
        raise BadRequest(21175)
    if (row["context_type"], row["context_value"]) != (who.context.type, who.context.value):
        raise Forbidden("insufficient-resource-access", "Brak dostępu do zasobu.")
    now = world.now
    if now > row["created_ms"] + RETENTION_MS:
        raise Gone("Status eksportu nie jest już dostępny.")
    if now < row["ready_ms"]:
        return reply(request, {"status": status_info(100, DESCRIPTIONS[100])})
    if row["code"] is None:
        row = await _built(world, ref, who.context)
    completed = {"completedDate": iso(row["ready_ms"])}
    if row["code"] != 200:
        details = [BEYOND] if row["code"] == 420 else None
        return reply(request, {"status": status_info(row["code"], DESCRIPTIONS[row["code"]], details), **completed})
    expires = row["ready_ms"] + world.switches.ms("export_package_ttl_s")
    completed["packageExpirationDate"] = iso(expires)
    if now >= expires:
        return reply(request, {"status": status_info(210, DESCRIPTIONS[210]), **completed})
    package = _with_urls(request, row)
    return reply(request, {"status": status_info(200, DESCRIPTIONS[200]), **completed, "package": package})


async def _built(world: World, ref: str, context: Context) -> Row:
    """The export with its package made; made once, even when asked for twice at the same time."""
    async with world.building.setdefault(ref, asyncio.Lock()):
        row = world.store.one("SELECT * FROM exports WHERE ref = ?", ref)
        assert row is not None
        if row["code"] is None:
            await _build(world, row, context)
            row = world.store.one("SELECT * FROM exports WHERE ref = ?", ref)
            assert row is not None
    world.building.pop(ref, None)
    return row


async def _build(world: World, export: Row, context: Context) -> None:
    """Select, pack, cut and encrypt; truncation names the last date of the dateType (E2, E3)."""
    wanted = json.loads(export["request"])
    body = Fields(wanted["filters"])
    dates = body.body["dateRange"]
    body.body["dateRange"] = {**dates, "to": iso(max(wanted["asOf"], parse_iso(dates["from"])))}
    filters = query.read_filters(world, body)
    mark = register.high_water_mark(world)
    rows = query.find(world, context, filters, mark)
    threshold = int(world.switches["truncation_threshold"])
    truncated = len(rows) > threshold
    rows = rows[:threshold]
    items = [compact(register.metadata(row)) for row in rows]
    kind = wanted.get("compressionType") or "Zip"
    files = (
        []
        if wanted.get("onlyMetadata")
        else [(f"{row['ksef_number']}.xml", register.body_of(world, row)) for row in rows]
    )
    files.append(("_metadata.json", json.dumps({"invoices": items}, ensure_ascii=False).encode()))
    data = await world.off_loop(_packed, files, kind)
    size = int(world.switches["export_part_size"])
    parts = await world.off_loop(_written, world, export, data, size, kind)
    package: dict[str, Any] = {
        "invoiceCount": len(rows),
        "size": len(data),
        "parts": parts,
        "isTruncated": truncated,
        "compressionType": kind,
    }
    if filters.date_type == "PermanentStorage":
        package["permanentStorageHwmDate"] = iso(min(mark, filters.to_ms))
    if truncated:
        name, source = LAST[filters.date_type]
        package[name] = items[-1][source]
    sql = "UPDATE exports SET code = 200, completed_ms = ?, package = ? WHERE ref = ?"
    world.store.run(sql, world.now, json.dumps(package), export["ref"])


def _packed(files: list[tuple[str, bytes]], kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "Zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, data in files:
                archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
            for name, data in files:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _written(world: World, export: Row, data: bytes, size: int, kind: str) -> list[dict[str, Any]]:
    """Cut, encrypt each cut with the caller's key and IV, and keep the parts on disk (E2)."""
    parts = []
    suffix = "zip" if kind == "Zip" else "tar.gz"
    for place in range(math.ceil(len(data) / size)):
        plain = data[place * size : (place + 1) * size]
        sealed = encrypt_cbc(plain, export["sym_key"], export["iv"])
        storage.part_path(world, "exports", export["ref"], place + 1).write_bytes(sealed)
        parts.append(
            {
                "ordinalNumber": place + 1,
                "partName": f"{export['ref']}-{place + 1:03d}.{suffix}.aes",
                "method": "GET",
                "partSize": len(plain),
                "partHash": sha256_b64(plain),
                "encryptedPartSize": len(sealed),
                "encryptedPartHash": sha256_b64(sealed),
            }
        )
    return parts


def _with_urls(request: web.Request, row: Row) -> dict[str, Any]:
    world = world_of(request)
    package: dict[str, Any] = json.loads(row["package"])
    expires = world.now + world.switches.ms("export_url_ttl_s")
    for part in package["parts"]:
        name = str(part["ordinalNumber"])
        part["url"] = storage.signed_url(request, "GET", "exports", row["ref"], name, expires)
        part["expirationDate"] = iso(expires)
    return package
