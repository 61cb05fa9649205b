"""Interactive sessions: open, send, close (I1–I4, I12–I17)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox import forms, numbers, register, session_state, verification
from sandbox.clock import iso, warsaw_day
from sandbox.crypto import decrypt_cbc, sha256_b64, unwrap_oaep
from sandbox.errors import BadRequest
from sandbox.faults import HOLD, VERDICT
from sandbox.fields import Fields, json_body
from sandbox.permissions import SENDING, context_of
from sandbox.principal import Principal, caller
from sandbox.replies import reply
from sandbox.store import Row
from sandbox.testdata import attachments_allowed, context_limits
from sandbox.verification import Finding, Rules
from sandbox.world import World, world_of

FEATURE = "subject-identifier-validation"


@dataclass(frozen=True)
class Encryption:
    """The caller's symmetric key (None if it could not be unwrapped) and IV."""

    key: bytes | None
    iv: bytes


@dataclass(frozen=True)
class Sealed:
    """An EncryptionInfo object as it came."""

    wrapped: bytes
    iv: bytes
    key_id: str | None


def read_encryption(body: Fields) -> Sealed:
    """The fields of an EncryptionInfo object; an IV of another length than 16 bytes is 21405."""
    wrapped = body.base64("encryptedSymmetricKey")
    iv = body.base64("initializationVector", 16)
    return Sealed(wrapped, iv, body.optional_text("publicKeyId", 44, 44))


def unseal(world: World, sealed: Sealed) -> Encryption:
    """The caller's key; 21470 for an unknown `publicKeyId`; a wrong key is found out later (I2)."""
    private = world.authority.key_for("SymmetricKeyEncryption", sealed.key_id, world.now)
    if private is None:
        raise BadRequest(21470, f"Klucz o identyfikatorze {sealed.key_id} nie jest wspierany.")
    key = unwrap_oaep(private, sealed.wrapped)
    return Encryption(key if key is not None and len(key) == 32 else None, sealed.iv)


def create(request: web.Request, who: Principal, kind: str, form: forms.Form, **columns: Any) -> tuple[str, int]:
    """A new session row of kind Online or Batch; its reference and `validUntil` in ms (I1)."""
    world = world_of(request)
    now = world.now
    ref = numbers.reference("SO" if kind == "Online" else "SB", warsaw_day(now))
    until = now + world.switches.ms("session_ttl_s")
    checks = world.profile == "prod" or FEATURE in request.headers.get("X-KSeF-Feature", "")
    world.store.add(
        "sessions",
        ref=ref,
        kind=kind,
        context_type=who.context.type,
        context_value=who.context.value,
        subject_type=who.subject_type,
        subject_value=who.subject_value,
        auth_ref=who.auth_ref,
        document_hash=who.document_hash,
        token_ref=who.token_ref,
        form=json.dumps(form.view()),
        created_ms=now,
        valid_until_ms=until,
        key_checked_ms=now + world.switches.ms("key_check_delay_s"),
        check_ids=int(checks),
        **columns,
    )
    return ref, until


async def open_online(request: web.Request) -> web.Response:
    """POST /sessions/online (I1, I2)."""
    world = world_of(request)
    who = caller(request, *SENDING)
    body = await json_body(request, collect=True)
    form = forms.read(body.object("formCode"), batch=False, profile=world.profile)
    sealed = read_encryption(body.object("encryption"))
    body.verify()
    encryption = unseal(world, sealed)
    ref, until = create(request, who, "Online", form, sym_key=encryption.key, iv=encryption.iv)
    return reply(request, {"referenceNumber": ref, "validUntil": iso(until)}, 201)


async def send(request: web.Request) -> web.Response:
    """POST /sessions/online/{referenceNumber}/invoices: sizes and hashes now, the rest later (I3, I4)."""
    world = world_of(request)
    who = caller(request, *SENDING)
    ref = request.match_info["referenceNumber"]
    session = session_state.find(world, who, ref, "Online")
    _must_accept(world, session)
    body = await json_body(request, collect=True)
    encrypted = _encrypted(body, context_limits(world.store, who.context))
    arrived = world.now
    corrects = _corrected(world, body)
    plain, finding = await _judge(world, session, encrypted, body, arrived, correction=corrects is not None)
    if VERDICT in request:
        finding = verification.forced(finding, request[VERDICT])
    return _accept(request, session, body, plain, finding, arrived)


async def close_online(request: web.Request) -> web.Response:
    """POST /sessions/online/{referenceNumber}/close: 204 once, then 400/21180 (I16)."""
    world = world_of(request)
    who = caller(request, *SENDING)
    session = session_state.find(world, who, request.match_info["referenceNumber"], "Online")
    code = session_state.state(world, session).code
    if code != 100:
        raise BadRequest(21180, f"Status sesji {code} uniemożliwia jej zamknięcie.")
    world.store.run("UPDATE sessions SET closed_ms = ? WHERE ref = ?", world.now, session["ref"])
    return web.Response(status=204)


def _must_accept(world: World, session: Row) -> int:
    """The next ordinal number; 21180 if the session is not open, 21155 if it is full (I14)."""
    now_state = session_state.state(world, session)
    if now_state.code != 100:
        raise BadRequest(21180, f"Status sesji {now_state.code} uniemożliwia wysyłkę faktur.")
    limit = context_limits(world.store, context_of(session))["onlineSession"]["maxInvoices"]
    if now_state.total >= limit:
        text = f"Sesja o numerze referencyjnym {session['ref']} osiągnęła dozwolony limit liczby faktur {limit}."
        raise BadRequest(21155, text)
    return now_state.total + 1


def _encrypted(body: Fields, limits: dict[str, Any]) -> bytes:
    """The encrypted bytes, every field checked, size and hash verified: 21402, 21403 (I3, I12)."""
    content = body.base64("encryptedInvoiceContent")
    size = body.integer("encryptedInvoiceSize", 1, 1 << 40)
    digest = body.hash64("encryptedInvoiceHash")
    body.hash64("invoiceHash")
    plain_size = body.integer("invoiceSize", 1, 1 << 40)
    body.flag("offlineMode")
    if body.body.get("hashOfCorrectedInvoice") is not None:
        body.hash64("hashOfCorrectedInvoice")
    body.verify()
    if size != len(content):
        raise BadRequest(21402, f"Długość treści nie zgadza się z rozmiarem pliku ({size}, {len(content)}).")
    if digest != sha256_b64(content):
        raise BadRequest(21403, "Skrót treści nie zgadza się ze skrótem pliku.")
    largest = limits["onlineSession"]["maxInvoiceWithAttachmentSizeInMB"] * 1_000_000
    if plain_size > largest:
        raise BadRequest(21402, f"Rozmiar faktury przekracza dozwolony limit {largest} bajtów.")
    return content


def _corrected(world: World, body: Fields) -> str | None:
    """`hashOfCorrectedInvoice` of a technical correction, checked: 21166, 21167, 21405 (I15).

    An original whose verdict is not out yet cannot be corrected either, whatever that will be.
    """
    if body.body.get("hashOfCorrectedInvoice") is None:
        return None
    wanted = body.hash64("hashOfCorrectedInvoice")
    if not body.flag("offlineMode"):
        raise body.bad("hashOfCorrectedInvoice", "korekta techniczna wymaga offlineMode")
    undecided = "final_ms IS NULL OR final_ms > ?"
    if world.store.one(f"SELECT 1 FROM invoices WHERE hash = ? AND (code = 200 OR {undecided})", wanted, world.now):  # noqa: S608 - our text
        raise BadRequest(21167, "Nie można wysłać korekty technicznej do prawidłowo przetworzonej faktury.")
    if world.store.one("SELECT 1 FROM invoices WHERE corrects = ? AND code = 200", wanted):
        raise BadRequest(21166, "Faktura posiada już przetworzoną prawidłowo korektę techniczną.")
    return wanted


async def _judge(
    world: World, session: Row, encrypted: bytes, body: Fields, arrived_ms: int, *, correction: bool
) -> tuple[bytes, Finding]:
    """The plain bytes and what is found in them; 405 without a session key, 435 if they cannot be decrypted (I4)."""
    if session["sym_key"] is None:
        return b"", Finding(405, ("Przetwarzanie anulowane z powodu błędu sesji.",))
    plain = decrypt_cbc(encrypted, session["sym_key"], session["iv"])
    if plain is None:
        return b"", Finding(435, ("Nie udało się odszyfrować pliku.",))
    if len(plain) != body.body["invoiceSize"] or sha256_b64(plain) != body.body["invoiceHash"]:
        return plain, Finding(430, ("Skrót lub rozmiar faktury nie zgadza się z zadeklarowanym.",))
    if correction and not _correctable(world, body.body["hashOfCorrectedInvoice"]):
        return plain, Finding(450, ("Nie znaleziono odrzuconej faktury offline do korekty technicznej.",))
    rules = rules_for(world, session, arrived_ms, attachments=correction)
    return plain, await world.off_loop(verification.examine, plain, rules)


def _correctable(world: World, digest: str) -> bool:
    """Only a rejected offline invoice, and not one rejected for lack of permission, can be corrected (I15)."""
    sql = "SELECT 1 FROM invoices WHERE hash = ? AND offline = 1 AND code NOT IN (200, 410) AND final_ms <= ?"
    return world.store.one(sql, digest, world.now) is not None


def rules_for(world: World, session: Row, accepted_ms: int, *, attachments: bool) -> Rules:
    """What an invoice of this session is judged against (I10–I12)."""
    form = json.loads(session["form"])
    kind = "onlineSession" if session["kind"] == "Online" else "batchSession"
    context = context_of(session)
    limits = context_limits(world.store, context)[kind]
    consent = attachments_allowed(world.store, context.nip, warsaw_day(world.now))
    return Rules(
        system_code=form["systemCode"],
        schema_version=form["schemaVersion"],
        today=warsaw_day(accepted_ms),
        check_ids=bool(session["check_ids"]),
        max_size=limits["maxInvoiceSizeInMB"] * 1_000_000,
        max_size_with_attachment=limits["maxInvoiceWithAttachmentSizeInMB"] * 1_000_000,
        attachments=attachments or (kind == "batchSession" and consent),
    )


def _accept(
    request: web.Request, session: Row, body: Fields, plain: bytes, finding: Finding, arrived_ms: int
) -> web.Response:
    """One commit with the invoice and its verdict, then 202 with a new EE reference (I3, I8).

    Whether the original may still be corrected is asked again in the commit: two corrections may arrive at once.
    """
    world = world_of(request)
    hold = "switch" if world.switches["stuck_150"] else request.get(HOLD)
    with world.store.transaction():
        ordinal = _must_accept(world, session)
        item = register.Submission(
            ref=numbers.reference("EE", warsaw_day(arrived_ms)),
            session=session,
            ordinal=ordinal,
            body=plain,
            declared_hash=body.body["invoiceHash"],
            offline=body.flag("offlineMode"),
            invoicing_ms=arrived_ms,
            finding=finding,
            corrects=_corrected(world, body),
            hold=hold,
        )
        register.record(world, item)
    return reply(request, {"referenceNumber": item.ref}, 202)
