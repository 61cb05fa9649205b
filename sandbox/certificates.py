"""KSeF certificates: enrolment, retrieval, listing, revocation (A13; protocol §14)."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox import authority, numbers
from sandbox.clock import iso, warsaw_day
from sandbox.errors import BadRequest, Gone
from sandbox.fields import Fields, json_body, query_int
from sandbox.principal import Principal, caller
from sandbox.replies import reply, status_info
from sandbox.store import Row
from sandbox.testdata import subject_limits
from sandbox.world import World, world_of

NAME = re.compile(r"[a-zA-Z0-9_\- ąćęłńóśźżĄĆĘŁŃÓŚŹŻ]{5,100}")
SERIAL = re.compile(r"[0-9A-F]{16}")
VALIDITY = timedelta(days=730)
RETENTION_MS = 30 * 86_400_000
OIDS = {
    "commonName": NameOID.COMMON_NAME,
    "countryName": NameOID.COUNTRY_NAME,
    "givenName": NameOID.GIVEN_NAME,
    "surname": NameOID.SURNAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "uniqueIdentifier": NameOID.X500_UNIQUE_IDENTIFIER,
    "organizationName": NameOID.ORGANIZATION_NAME,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
}


async def limits(request: web.Request) -> web.Response:
    """GET /certificates/limits: what the subject may still request and hold."""
    who = caller(request)
    allowed = subject_limits(world_of(request).store, who.subject_type, who.subject_key)
    requested, active = _used(world_of(request), who)
    enrolments, certificates = allowed["enrollment"]["maxEnrollments"], allowed["certificate"]["maxCertificates"]
    body = {
        "canRequest": requested < enrolments and active < certificates,
        "enrollment": {"remaining": max(0, enrolments - requested), "limit": enrolments},
        "certificate": {"remaining": max(0, certificates - active), "limit": certificates},
    }
    return reply(request, body)


async def data(request: web.Request) -> web.Response:
    """GET /certificates/enrollments/data: the distinguished name a CSR must carry (25001 for token logins)."""
    return reply(request, _names(world_of(request), _by_xades(request, 25001)))


async def enrol(request: web.Request) -> web.Response:
    """POST /certificates/enrollments: issued at once, shown after the delay; 25002–25010."""
    world = world_of(request)
    who = _by_xades(request, 25002)
    body = await json_body(request)
    name = body.text("certificateName", 5, 100)
    if not NAME.fullmatch(name):
        raise body.bad("certificateName", "niedozwolone znaki")
    kind = body.choice("certificateType", ("Authentication", "Offline"))
    start = body.optional_instant("validFrom") or world.now
    request_csr = _csr(body, _names(world, who))
    _check_limits(world, who)
    certificate = _issue(world, request_csr, kind, start)
    ref = numbers.reference("EH", warsaw_day(world.now))
    world.store.add(
        "certificates",
        serial=f"{certificate.serial_number:016X}",
        ref=ref,
        name=name,
        type=kind,
        common_name=_names(world, who)["commonName"],
        subject_type=who.subject_type,
        subject_value=who.subject_value,
        der=certificate.public_bytes(Encoding.DER),
        valid_from_ms=start,
        valid_to_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
        requested_ms=world.now,
        ready_ms=world.now + world.switches.ms("certificate_delay_s"),
    )
    return reply(request, {"referenceNumber": ref, "timestamp": iso(world.now)}, 202)


async def enrolment(request: web.Request) -> web.Response:
    """GET /certificates/enrollments/{referenceNumber}: 100, then 200 with the serial number; 410 after 30 days."""
    world = world_of(request)
    who = caller(request)
    rows = _own(world, who, "ref = ?", request.match_info["referenceNumber"])
    if not rows:
        raise BadRequest(21405, "Wniosek certyfikacyjny nie istnieje.")
    row = rows[0]
    if world.now > row["requested_ms"] + RETENTION_MS:
        raise Gone("Status wniosku certyfikacyjnego nie jest już dostępny.")
    body: dict[str, Any] = {"requestDate": iso(row["requested_ms"]), "status": status_info(100, "Wniosek przyjęty")}
    if world.now >= row["ready_ms"]:
        body["status"] = status_info(200, "Wniosek obsłużony (certyfikat wygenerowany)")
        body["certificateSerialNumber"] = row["serial"]
    return reply(request, body)


async def retrieve(request: web.Request) -> web.Response:
    """POST /certificates/retrieve: Base64 DER of up to ten of one's own certificates."""
    world = world_of(request)
    who = caller(request)
    serials = (await json_body(request)).values("certificateSerialNumbers", 1, 10)
    items = []
    for serial in serials:
        if not isinstance(serial, str) or not SERIAL.fullmatch(serial):
            raise BadRequest(21405, "Nieprawidłowy numer seryjny certyfikatu.")
        for row in _own(world, who, "serial = ? AND ready_ms <= ?", serial, world.now):
            items.append(
                {
                    "certificate": base64.b64encode(row["der"]).decode("ascii"),
                    "certificateName": row["name"],
                    "certificateSerialNumber": row["serial"],
                    "certificateType": row["type"],
                }
            )
    return reply(request, {"certificates": items})


async def query(request: web.Request) -> web.Response:
    """POST /certificates/query: one's own certificates by serial, name, type, status, expiry; newest first."""
    world = world_of(request)
    who = caller(request)
    body = await json_body(request)
    wanted = {
        "certificateSerialNumber": body.optional_text("certificateSerialNumber", 16, 16),
        "type": body.optional_choice("type", ("Authentication", "Offline")),
        "status": body.optional_choice("status", ("Active", "Blocked", "Revoked", "Expired")),
    }
    part, after = body.optional_text("name") or "", body.optional_instant("expiresAfter")
    rows = _own(world, who, "ready_ms <= ? ORDER BY requested_ms DESC, serial", world.now)
    items = [_item(row, world.now) for row in rows if after is None or row["valid_to_ms"] > after]
    items = [item for item in items if all(value in (None, item[name]) for name, value in wanted.items())]
    items = [item for item in items if part.lower() in item["name"].lower()]
    size, offset = query_int(request, "pageSize", 10, 10, 50), query_int(request, "pageOffset", 0, 0, 10**6)
    page = items[offset * size : (offset + 1) * size]
    return reply(request, {"certificates": page, "hasMore": (offset + 1) * size < len(items)})


async def revoke(request: web.Request) -> web.Response:
    """POST /certificates/{certificateSerialNumber}/revoke: 204; 25008 unknown, 25009 revoked already."""
    world = world_of(request)
    who = caller(request)
    raw = await request.read()
    if raw:
        reasons = ("Unspecified", "Superseded", "KeyCompromise")
        (await json_body(request)).optional_choice("revocationReason", reasons)
    rows = _own(world, who, "serial = ?", request.match_info["certificateSerialNumber"])
    if not rows:
        raise BadRequest(25008)
    if rows[0]["revoked_ms"] is not None:
        raise BadRequest(25009)
    world.store.run("UPDATE certificates SET revoked_ms = ? WHERE serial = ?", world.now, rows[0]["serial"])
    return web.Response(status=204)


async def shorten(request: web.Request) -> web.Response:
    """PUT /testdata/certificates/{serialNumber}: an earlier `validTo`, to play expiry (protocol §19)."""
    world = world_of(request)
    who = caller(request)
    body = await json_body(request)
    until = body.instant("validTo")
    rows = _own(world, who, "serial = ?", request.match_info["serialNumber"])
    if not rows:
        raise BadRequest(25008)
    if until > rows[0]["valid_to_ms"]:
        raise body.bad("validTo", "nie może być późniejsza niż obecna")
    world.store.run("UPDATE certificates SET valid_to_ms = ? WHERE serial = ?", until, rows[0]["serial"])
    return web.Response()


def _by_xades(request: web.Request, code: int) -> Principal:
    """The caller, if they came by signature; the 400 of this code if they came with a KSeF token."""
    who = caller(request)
    if who.category == "Token":
        raise BadRequest(code)
    return who


def _check_limits(world: World, who: Principal) -> None:
    allowed = subject_limits(world.store, who.subject_type, who.subject_key)
    requested, active = _used(world, who)
    if requested >= allowed["enrollment"]["maxEnrollments"]:
        raise BadRequest(25006)
    if active >= allowed["certificate"]["maxCertificates"]:
        raise BadRequest(25007)


def _names(world: World, who: Principal) -> dict[str, str]:
    """The subject's distinguished name out of its login certificate."""
    row = world.store.one("SELECT subject_details FROM auth_ops WHERE ref = ?", who.auth_ref)
    assert row is not None
    given: dict[str, str] = json.loads(row["subject_details"])["details"]
    names = {"commonName": given.get("CN", who.subject_value), "countryName": "PL"}
    if who.subject_type == "Nip" and json.loads(row["subject_details"])["method"] == "QualifiedSeal":
        names["organizationName"] = given.get("O", names["commonName"])
        names["organizationIdentifier"] = f"VATPL-{who.subject_value}"
    elif who.subject_type in ("Nip", "Pesel"):
        prefix = "TINPL" if who.subject_type == "Nip" else "PNOPL"
        names["serialNumber"] = f"{prefix}-{who.subject_value}"
    else:
        names["uniqueIdentifier"] = who.subject_value
    if "organizationName" not in names:
        names |= {name: given[short] for name, short in (("givenName", "GN"), ("surname", "SN")) if short in given}
    return names


def _csr(body: Fields, names: dict[str, str]) -> x509.CertificateSigningRequest:
    """The PKCS#10 request, its signature, key and name verified: 25003, 25004, 25010."""
    try:
        request = x509.load_der_x509_csr(body.base64("csr"))
        valid = request.is_signature_valid
    except ValueError as fault:
        raise BadRequest(25004, str(fault)) from fault
    if not valid:
        raise BadRequest(25004)
    key = request.public_key()
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size == 2048
    strong |= isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    if not strong:
        raise BadRequest(25010)
    found = {attribute.oid: attribute.value for attribute in request.subject}
    if found != {OIDS[name]: value for name, value in names.items()}:
        raise BadRequest(25003, "Nazwa wyróżniająca nie zgadza się z danymi podmiotu.")
    return request


def _issue(world: World, csr: x509.CertificateSigningRequest, kind: str, start_ms: int) -> x509.Certificate:
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    usage = authority.key_usage(signing=kind == "Authentication", committing=kind == "Offline")
    issuer = (world.authority.ca_key, world.authority.ca_cert.subject)
    return authority.issue(csr.subject, csr.public_key(), issuer, (start, start + VALIDITY), usage)


def _used(world: World, who: Principal) -> tuple[int, int]:
    """Requests made and certificates still alive, future-dated ones included."""
    rows = _own(world, who, "1")
    alive = [row for row in rows if row["revoked_ms"] is None and row["valid_to_ms"] > world.now]
    return len(rows), len(alive)


def _own(world: World, who: Principal, condition: str, *values: object) -> list[Row]:
    sql = f"SELECT * FROM certificates WHERE subject_type = ? AND subject_value = ? AND {condition}"  # noqa: S608 - ours
    return world.store.all(sql, who.subject_type, who.subject_value, *values)


def _item(row: Row, now: int) -> dict[str, Any]:
    status = "Revoked" if row["revoked_ms"] is not None else "Expired" if row["valid_to_ms"] <= now else "Active"
    return {
        "certificateSerialNumber": row["serial"],
        "name": row["name"],
        "type": row["type"],
        "commonName": row["common_name"],
        "status": status,
        "subjectIdentifier": {"type": row["subject_type"], "value": row["subject_value"]},
        "validFrom": iso(row["valid_from_ms"]),
        "validTo": iso(row["valid_to_ms"]),
        "lastUseDate": iso(row["last_use_ms"]) if row["last_use_ms"] else None,
        "requestDate": iso(row["requested_ms"]),
    }
