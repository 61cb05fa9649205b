"""The register of invoices: verdicts, uniqueness, KSeF numbers, permanent storage (I5–I8, Q2)."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox import numbers
from sandbox.clock import iso, warsaw_day
from sandbox.crypto import sha256_b64
from sandbox.facts import InvoiceFacts
from sandbox.permissions import context_of, may_issue
from sandbox.store import Row
from sandbox.verification import Finding
from sandbox.world import World


@dataclass(frozen=True)
class Submission:
    """One invoice as it arrived in a session; `hold` names what keeps it at 150, if anything."""

    ref: str
    session: Row
    ordinal: int
    body: bytes
    declared_hash: str
    offline: bool
    invoicing_ms: int
    finding: Finding
    corrects: str | None = None
    file_name: str | None = None
    hold: str | None = None


@dataclass(frozen=True)
class Times:
    """When the phases become visible; None while held at 150."""

    at150_ms: int
    final_ms: int | None
    storage_ms: int | None


def record(world: World, item: Submission) -> None:
    """Decide the verdict and keep it; call inside a transaction. It shows when its time has come (I5)."""
    if item.body:
        count_post(world, item.body)
    code, details, extensions, original = _verdict(world, item)
    times = _times(world, item, original)
    found = item.finding.facts
    mode = invoicing_mode(found, item.invoicing_ms, offline=item.offline) if found else None
    columns: dict[str, Any] = {
        "ref": item.ref,
        "session_ref": item.session["ref"],
        "ordinal": item.ordinal,
        "file_name": item.file_name,
        "hash": item.declared_hash,
        "size": len(item.body),
        "offline": int(item.offline),
        "corrects": item.corrects,
        "invoicing_ms": item.invoicing_ms,
        "at150_ms": times.at150_ms,
        "final_ms": times.final_ms,
        "hold": item.hold or (original["hold"] if original and times.final_ms is None else None),
        "code": code,
        "details": json.dumps(details, ensure_ascii=False),
        "extensions": json.dumps(extensions) if extensions else None,
        "number": found.number if found else None,
        "mode": mode if code == 200 else None,
    }
    if code == 200 and found is not None:
        columns |= _acceptance(found, item.invoicing_ms, times.storage_ms)
    invoice_id = world.store.add("invoices", **columns)
    if code == 200 and found is not None:
        _register(world, found, invoice_id, item.body)


def accept_inbound(world: World, body: bytes, found: InvoiceFacts) -> str | None:
    """A supplier's invoice accepted at simulated now; its KSeF number, or None if the number is taken."""
    if _original(world, found):
        return None
    now = world.now
    columns = _acceptance(found, now, storage_after(world, now))
    invoice_id = world.store.add(
        "invoices",
        ref=numbers.reference("EE", warsaw_day(now)),
        hash=sha256_b64(body),
        size=len(body),
        invoicing_ms=now,
        at150_ms=now,
        final_ms=now,
        code=200,
        details="[]",
        number=found.number,
        mode=invoicing_mode(found, now, offline=False),
        **columns,
    )
    _register(world, found, invoice_id, body)
    return str(columns["ksef_number"])


def release(world: World, hold: str) -> int:
    """Let go of every invoice held at 150 for this reason; how many (I5)."""
    rows = world.store.all("SELECT id, code FROM invoices WHERE hold = ? ORDER BY id", hold)
    now = latest = world.now
    with world.store.transaction():
        for row in rows:
            storage = None
            if row["code"] == 200:
                storage = latest = storage_after(world, now, above=latest)
            sql = "UPDATE invoices SET hold = NULL, final_ms = ?, storage_ms = ? WHERE id = ?"
            world.store.run(sql, now, storage, row["id"])
    return len(rows)


def count_post(world: World, body: bytes) -> None:
    """Note that these bytes arrived once more, whatever becomes of them."""
    digest = hashlib.sha256(body).hexdigest()
    sql = "INSERT INTO posts VALUES (?, 1) ON CONFLICT (sha256) DO UPDATE SET count = count + 1"
    world.store.run(sql, digest)


def invoicing_mode(found: InvoiceFacts, invoicing_ms: int, *, offline: bool) -> str:
    """Offline if declared, or if P_1 is before the Warsaw day of `invoicingDate` (I10)."""
    early = found.issue_date is not None and found.issue_date < warsaw_day(invoicing_ms)
    return "Offline" if offline or early else "Online"


def high_water_mark(world: World) -> int:
    """Everything stored up to here is final, in ms; lags behind now and never decreases (Q2)."""
    published = int(world.store.get_meta("hwm_ms", 0))
    mark = max(published, world.now - world.switches.ms("hwm_lag_s"))
    if mark > published:
        world.store.set_meta("hwm_ms", mark)
    return mark


def storage_after(world: World, final_ms: int, *, above: int = 0) -> int:
    """When an invoice numbered at `final_ms` is stored: later, above the mark, at an instant of its own (I6, Q2).

    No two invoices share the instant, so a loop "next `from` = last date" always gets on (Q4).
    """
    published = int(world.store.get_meta("hwm_ms", 0))
    first = max(final_ms + max(1, world.switches.ms("storage_delay_s")), published + 1, above + 1)
    if world.store.one("SELECT 1 FROM invoices WHERE storage_ms = ?", first) is None:
        return first
    gap = world.store.one(
        "SELECT i.storage_ms + 1 AS ms FROM invoices i WHERE i.storage_ms >= ?"
        " AND NOT EXISTS (SELECT 1 FROM invoices n WHERE n.storage_ms = i.storage_ms + 1)"
        " ORDER BY i.storage_ms LIMIT 1",
        first,
    )
    assert gap is not None
    return int(gap["ms"])


def _verdict(world: World, item: Submission) -> tuple[int, list[str], dict[str, str] | None, Row | None]:
    found = item.finding.facts
    if item.finding.code != 200 or found is None:
        return item.finding.code, list(item.finding.details), None, None
    context = context_of(item.session)
    lenient = world.switches["authorization"] == "lenient"
    if not may_issue(world.store, context, found, world.now, lenient=lenient):
        detail = (
            f"Kontekst {context.type} {context.value} nie jest uprawniony do wystawiania dla NIP {found.seller_nip}."
        )
        return 410, [detail], None, None
    original = _original(world, found)
    if original is None:
        return 200, [], None, None
    session = original["session_ref"] or ""
    if world.switches["duplicate_wrong_session"]:
        session = item.session["ref"]
    detail = (
        f"Duplikat faktury. Faktura o numerze KSeF: {original['ksef_number']} została już przesłana w sesji: {session}"
    )
    extensions = {"originalSessionReferenceNumber": session, "originalKsefNumber": original["ksef_number"]}
    absent = world.switches["duplicate_extensions_absent"]
    return 440, [] if absent else [detail], None if absent else extensions, original


def _original(world: World, found: InvoiceFacts) -> Row | None:
    return world.store.one(
        "SELECT i.* FROM originals o JOIN invoices i ON i.id = o.invoice_id"
        " WHERE o.seller_nip = ? AND o.kind = ? AND o.number = ?",
        found.seller_nip,
        found.kind,
        found.number,
    )


def _times(world: World, item: Submission, original: Row | None) -> Times:
    """A duplicate is never decided before its original (I7); a held invoice is not decided at all."""
    switches = world.switches
    start = world.now
    at150 = start + switches.ms("invoice_accept_delay_s")
    if item.hold or (original is not None and original["final_ms"] is None):
        return Times(at150, None, None)
    jitter = random.uniform(0, float(switches["invoice_jitter_s"]))  # noqa: S311 - not a secret
    final = at150 + switches.ms("invoice_process_delay_s") + round(jitter * 1000)
    if original is not None:
        final = max(final, original["final_ms"] + 1)
    return Times(at150, final, storage_after(world, final))


def _acceptance(found: InvoiceFacts, invoicing_ms: int, storage_ms: int | None) -> dict[str, Any]:
    issued = found.issue_date or date.min
    return {
        "seller_nip": found.seller_nip,
        "kind": found.kind,
        "ksef_number": numbers.ksef_number(found.seller_nip, warsaw_day(invoicing_ms)),
        "storage_ms": storage_ms,
        "issue_date": issued.isoformat(),
        "metadata": json.dumps(found.metadata(), ensure_ascii=False),
    }


def body_of(world: World, row: Row) -> bytes:
    """The exact bytes of an accepted invoice (U5)."""
    found = world.store.one("SELECT body FROM bodies WHERE invoice_id = ?", row["id"])
    assert found is not None
    return bytes(found["body"])


def _register(world: World, found: InvoiceFacts, invoice_id: int, body: bytes) -> None:
    """Bytes, uniqueness row and visibility rows; the primary key makes a second original impossible (I8)."""
    world.store.add("bodies", invoice_id=invoice_id, body=body)
    row = {"seller_nip": found.seller_nip, "kind": found.kind, "number": found.number}
    world.store.add("originals", **row, invoice_id=invoice_id)
    for subject, id_type, value in found.parties():
        world.store.add("parties", invoice_id=invoice_id, subject=subject, id_type=id_type, value=value)


def metadata(row: Row) -> dict[str, Any]:
    """The InvoiceMetadata of an accepted, stored invoice."""
    body: dict[str, Any] = json.loads(row["metadata"])
    return body | {
        "ksefNumber": row["ksef_number"],
        "issueDate": row["issue_date"],
        "invoicingDate": iso(row["invoicing_ms"]),
        "acquisitionDate": iso(row["final_ms"]),
        "permanentStorageDate": iso(row["storage_ms"]),
        "invoicingMode": row["mode"],
        "invoiceHash": row["hash"],
        "hashOfCorrectedInvoice": row["corrects"],
    }
