"""Beginning a login: challenge, signed document or KSeF token (A1–A6)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox import login_request, numbers, subjects, tokens, xades
from sandbox.clock import iso, warsaw_day
from sandbox.crypto import sha256_b64, unwrap_oaep
from sandbox.errors import BadRequest
from sandbox.fields import Fields, json_body
from sandbox.permissions import Context, granted
from sandbox.principal import OPERATION
from sandbox.replies import reply
from sandbox.subjects import Subject
from sandbox.world import World, world_of


@dataclass(frozen=True)
class Verdict:
    """How a login will end: status code of protocol §2.6 and its details."""

    code: int
    details: str | None = None


@dataclass(frozen=True)
class Login:
    """An accepted submission, ready to be recorded."""

    subject: Subject
    context: Context
    verdict: Verdict
    permissions: tuple[str, ...]
    allowed_ips: tuple[str, ...]
    document_hash: str | None = None
    token_ref: str | None = None
    delay_ms: int = 0


async def challenge(request: web.Request) -> web.Response:
    """POST /auth/challenge: a fresh challenge, valid ten minutes, usable once (A1, A2)."""
    world = world_of(request)
    now = world.now
    text = numbers.reference("CR", warsaw_day(now))
    world.store.add("challenges", challenge=text, created_ms=now)
    body = {"challenge": text, "timestamp": iso(now), "timestampMs": now, "clientIp": request.remote}
    return reply(request, body)


async def xades_signature(request: web.Request) -> web.Response:
    """POST /auth/xades-signature: verify now, let the status settle later (A4, A5)."""
    world = world_of(request)
    _check_envelope(request)
    data = await request.read()
    signed = await world.off_loop(xades.verify, data)
    wanted = login_request.read(signed.content)
    subject = subjects.of_certificate(signed.certificate, wanted.subject_identifier_type)
    if subject is None:
        raise BadRequest(21115, "Certyfikat nie zawiera identyfikatora NIP ani PESEL.")
    context = Context(wanted.context_type, wanted.context_value)
    _check_pairing(subject, context)
    _use_challenge(world, wanted.challenge)
    permissions = granted(world.store, subject, context, world.now)
    internal = _issued_here(world, signed.certificate)
    verdict = _certificate_verdict(world, signed.certificate, internal=internal)
    verdict = verdict or _access_verdict(world, context, permissions)
    return _record(
        request,
        Login(
            subject=subject,
            context=context,
            verdict=verdict,
            permissions=permissions,
            allowed_ips=wanted.allowed_ips,
            document_hash=sha256_b64(data),
            delay_ms=0 if internal else world.switches.ms("ocsp_delay_s"),
        ),
    )


async def ksef_token(request: web.Request) -> web.Response:
    """POST /auth/ksef-token: decrypt `token|timestampMs`; a mismatch shows later as 450 (A3)."""
    world = world_of(request)
    body = await json_body(request)
    text = body.text("challenge", 36, 36)
    context = _context(body.object("contextIdentifier"))
    encrypted = body.base64("encryptedToken")
    key = world.authority.key_for("KsefTokenEncryption", body.optional_text("publicKeyId", 44, 44), world.now)
    if key is None:
        raise BadRequest(21470, f"Klucz o identyfikatorze {body.body['publicKeyId']} nie jest wspierany.")
    allowed = _allowed_ips(body)
    made_ms = _use_challenge(world, text)
    token, verdict = _token_verdict(world, unwrap_oaep(key, encrypted), made_ms, context)
    permissions: tuple[str, ...] = ()
    subject = Subject("Nip", context.nip, "Token", {})
    if token is not None:
        subject = Subject(token["author_type"], token["author_value"], "Token", {})
        held = granted(world.store, subject, context, world.now)
        permissions = tuple(item for item in json.loads(token["permissions"]) if item in held)
        world.store.run("UPDATE ksef_tokens SET last_use_ms = ? WHERE ref = ?", world.now, token["ref"])
    verdict = verdict or _access_verdict(world, context, permissions)
    token_ref = token["ref"] if token else numbers.reference("EC", warsaw_day(world.now))
    login = Login(subject, context, verdict, permissions, allowed, token_ref=token_ref)
    return _record(request, login)


def _check_envelope(request: web.Request) -> None:
    """21001 for another media type than XML, 21405 for a `verifyCertificateChain` that is no boolean."""
    if "Content-Type" in request.headers and not request.content_type.endswith(("/xml", "+xml")):
        raise BadRequest(21001, f"Nieobsługiwany typ treści {request.content_type}; oczekiwano application/xml.")
    if request.query.get("verifyCertificateChain", "true").lower() not in ("true", "false"):
        raise BadRequest(21405, "Parametr 'verifyCertificateChain' musi mieć wartość true albo false.")


def _check_pairing(subject: Subject, context: Context) -> None:
    """21117 when the kind of subject can never log into the kind of context (A4)."""
    if context.type == "PeppolId" or (context.type == "NipVatUe" and subject.type == "Pesel"):
        raise BadRequest(21117)


def _use_challenge(world: World, text: str) -> int:
    """Spend a challenge; returns its timestamp in ms; 21111 if unknown, spent or too old (A1)."""
    row = world.store.one("SELECT * FROM challenges WHERE challenge = ?", text)
    alive_since = world.now - world.switches.ms("challenge_ttl_s")
    if row is None or row["used"] or row["created_ms"] <= alive_since:
        raise BadRequest(21111)
    world.store.run("UPDATE challenges SET used = 1 WHERE challenge = ?", text)
    return int(row["created_ms"])


def _issued_here(world: World, certificate: x509.Certificate) -> bool:
    if certificate.issuer != world.authority.ca_cert.subject:
        return False
    der = certificate.public_bytes(Encoding.DER)
    return world.store.one("SELECT 1 FROM certificates WHERE der = ?", der) is not None


def _certificate_verdict(world: World, certificate: x509.Certificate, *, internal: bool) -> Verdict | None:
    """460 for an expired, revoked, untrusted or Offline certificate (A13); None if it may be used."""
    now = world.now
    begin = certificate.not_valid_before_utc.timestamp() * 1000
    end = certificate.not_valid_after_utc.timestamp() * 1000
    if not begin <= now <= end:
        return Verdict(460, "Nieważny certyfikat")
    if not internal:
        return None if world.accepts_self_signed() else Verdict(460, "Niezaufany łańcuch certyfikatów")
    der = certificate.public_bytes(Encoding.DER)
    row = world.store.one("SELECT * FROM certificates WHERE der = ?", der)
    assert row is not None
    if row["revoked_ms"] is not None:
        return Verdict(460, "Certyfikat odwołany")
    if row["valid_to_ms"] < now:
        return Verdict(460, "Nieważny certyfikat")
    if row["type"] != "Authentication":
        return Verdict(460, "Niepoprawny certyfikat")
    world.store.run("UPDATE certificates SET last_use_ms = ? WHERE serial = ?", now, row["serial"])
    return None


def _access_verdict(world: World, context: Context, permissions: tuple[str, ...]) -> Verdict:
    """480 in a blocked context, 415 without any permission, 470 for the deceased, else 200 (A6)."""
    if world.store.get_fact("blocked", context.key):
        return Verdict(480)
    if (world.store.get_fact("person", context.nip) or {}).get("isDeceased"):
        return Verdict(470)
    return Verdict(200) if permissions else Verdict(415)


def _token_verdict(
    world: World, plain: bytes | None, made_ms: int, context: Context
) -> tuple[dict[str, str] | None, Verdict | None]:
    """The token row, or a 450 with the reason (A3, A14)."""
    if world.switches["no_tokens"]:
        return None, Verdict(450, "Uwierzytelnianie tokenem nie jest już dostępne.")
    if plain is None:
        return None, Verdict(450, "Nieprawidłowe szyfrowanie tokena")
    text, _, stamp = plain.decode("utf-8", "replace").rpartition("|")
    if stamp != str(made_ms):
        return None, Verdict(450, "Nieprawidłowy czas tokena")
    digest = hashlib.sha256(text.encode()).hexdigest()
    row = world.store.one("SELECT * FROM ksef_tokens WHERE token_hash = ?", digest)
    if row is None:
        return None, Verdict(450, "Nieprawidłowy token")
    if row["revoked_ms"] is not None:
        return None, Verdict(450, "Token unieważniony")
    if row["active_ms"] > world.now:
        return None, Verdict(450, "Token nieaktywny")
    if (row["context_type"], row["context_value"]) != (context.type, context.value):
        return None, Verdict(450, f"Token nie może być użyty w kontekście {context.value}")
    return row, None


def _context(body: Fields) -> Context:
    kind = body.choice("type", tuple(login_request.CONTEXTS))
    value = body.text("value")
    if not login_request.CONTEXTS[kind].fullmatch(value):
        raise body.bad("value", "nieprawidłowy identyfikator")
    return Context(kind, value)


def _allowed_ips(body: Fields) -> tuple[str, ...]:
    policy = body.optional_object("authorizationPolicy")
    ips = policy.optional_object("allowedIps") if policy else None
    rules: list[str] = []
    names = zip(("ip4Addresses", "ip4Ranges", "ip4Masks"), login_request.POLICIES.values(), strict=True)
    for name, pattern in names if ips else ():
        assert ips is not None
        for rule in ips.values(name, 0, 10):
            if not isinstance(rule, str) or not pattern.fullmatch(rule):
                raise ips.bad(name, "nieprawidłowa wartość")
            rules.append(rule)
    return tuple(rules)


def _record(request: web.Request, login: Login) -> web.Response:
    """Keep the operation and answer 202 with its operation token (A5, A8)."""
    world = world_of(request)
    now = world.now
    ref = numbers.reference("AU", warsaw_day(now))
    world.store.add(
        "auth_ops",
        ref=ref,
        created_ms=now,
        ready_ms=now + world.switches.ms("auth_delay_s") + login.delay_ms,
        code=login.verdict.code,
        details=login.verdict.details,
        method=login.subject.method,
        context_type=login.context.type,
        context_value=login.context.value,
        subject_type=login.subject.type,
        subject_value=login.subject.value,
        permissions=json.dumps(login.permissions),
        document_hash=login.document_hash,
        token_ref=login.token_ref,
        policy=json.dumps(login.allowed_ips),
        subject_details=json.dumps(asdict(login.subject), ensure_ascii=False),
    )
    until = (now + world.switches.ms("operation_token_ttl_s")) // 1000
    issuer = f"ksef-api-{'te' if world.profile == 'test' else 'prod'}"
    claims = {"typ": OPERATION, "arn": ref, "exp": until, "iat": now // 1000, "iss": issuer, "aud": issuer}
    token = {"token": tokens.sign(claims, world.authority.jwt_secret), "validUntil": iso(until * 1000)}
    return reply(request, {"referenceNumber": ref, "authenticationToken": token}, 202)
