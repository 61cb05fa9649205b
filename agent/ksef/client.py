"""The seam over `ksef-client`: the only import of that SDK. Its endpoint clients, our transport under them.

The SDK knows paths, field names and models; it retries nothing and sees neither the network nor the clock. What it
returns is checked here before anybody uses it, because its models forgive missing fields (faults K03, K11).
"""

from base64 import b64encode
from datetime import datetime
from functools import partial
from json import dumps, loads
from pathlib import Path
from typing import Any

import httpx
from ksef_client import models
from ksef_client.clients.auth import AsyncAuthClient
from ksef_client.clients.invoices import AsyncInvoicesClient
from ksef_client.clients.rate_limits import AsyncRateLimitsClient
from ksef_client.clients.security import AsyncSecurityClient
from ksef_client.clients.sessions import AsyncSessionsClient
from ksef_client.exceptions import KsefHttpError
from ksef_client.http import HttpResponse
from ksef_client.services.auth import build_auth_token_request_xml, build_ksef_token_auth_request
from ksef_client.services.xades import sign_xades_enveloped

from agent.ksef import batch, errors, listing, query
from agent.ksef.api import (
    Archive,
    AuthOperation,
    Challenge,
    Done,
    Download,
    Export,
    Found,
    InvoiceStatus,
    ListedSession,
    NoAnswer,
    Opened,
    OpenedBatch,
    Page,
    Pending,
    PublicKey,
    Reading,
    Registered,
    Sealed,
    Token,
    Tokens,
    WrappedKey,
    plain,
)
from agent.ksef.errors import Kind, garbled
from agent.ksef.line import Line
from agent.ksef.sealing import hex_of
from agent.ksef.values import instant, maybe_instant, reference_of
from agent.ksef.within import Within
from spool.domain.ledger import BATCH, ONLINE, PackedPart
from spool.domain.municipality import Context, ContextType
from spool.domain.outcomes import Accepted

SDK_ERRORS = (KsefHttpError,)
"""What the SDK raises by itself when an answer of the expected status is not JSON."""
FORM = models.FormCode(system_code="FA (3)", schema_version="1-0E", value="FA")
_CONTEXT_WORDS = {ContextType.NIP: "Nip", ContextType.INTERNAL_ID: "InternalId"}
_PAGE, _SMALLEST_QUERY_PAGE = 1000, 10


class SdkHttp:
    """What the SDK calls its HTTP client: our line, with the SDK's signature and answer type."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        data: bytes | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        skip_auth: bool = False,
        expected_status: set[int] | None = None,
    ) -> HttpResponse:
        """One request of the SDK. Raises NoAnswer for every status it did not expect."""
        sent = dict(headers or {})
        if json is not None:
            data, sent["Content-Type"] = dumps(json, ensure_ascii=False).encode(), "application/json"
        bearer = None if skip_auth else refresh_token or access_token
        answer = await self._line.request(method, path, expected_status or {200}, sent, bearer, params, data)
        return HttpResponse(answer.status, httpx.Headers(list(answer.headers.items())), answer.content)


class KsefDoor:
    """`api.Door` for one context."""

    def __init__(self, line: Line, context: Context) -> None:
        self._line = line
        self._kind, self._value = _CONTEXT_WORDS[context.type], context.value
        self._auth = AsyncAuthClient(SdkHttp(line))
        self._security = AsyncSecurityClient(SdkHttp(line))

    async def challenge(self) -> Challenge:
        got = await self._line.in_group("anonymous", self._auth.get_challenge)
        if not got.challenge or not got.timestamp_ms:
            raise garbled("wyzwanie")
        self._line.seen_from(plain(got.client_ip))
        return Challenge(got.challenge, got.timestamp_ms)

    async def public_keys(self) -> list[PublicKey]:

        async def call() -> list[PublicKey]:
            return [
                PublicKey(
                    key.certificate,
                    str(key.public_key_id or ""),
                    tuple(str(use.value) for use in key.usage),
                    instant(key.valid_from),
                    instant(key.valid_to),
                )
                for key in await self._security.get_public_key_certificates()
            ]

        return await self._line.in_group("anonymous", call)

    async def enter_signed(self, challenge: Challenge, certificate_pem: str, key_pem: str) -> AuthOperation:
        xml = build_auth_token_request_xml(
            challenge=challenge.text, context_identifier_type=self._kind, context_identifier_value=self._value
        )
        signed = sign_xades_enveloped(xml, certificate_pem, key_pem)
        return _operation(await self._line.in_group("anonymous", lambda: self._auth.submit_xades_auth_request(signed)))

    async def enter_with_token(self, challenge: Challenge, encrypted_token: str, key_id: str) -> AuthOperation:
        request = build_ksef_token_auth_request(
            challenge=challenge.text,
            context_identifier_type=self._kind,
            context_identifier_value=self._value,
            encrypted_token_base64=encrypted_token,
            public_key_id=key_id or None,
        )
        return _operation(await self._line.in_group("anonymous", lambda: self._auth.submit_ksef_token_auth(request)))

    async def auth_status(self, operation: AuthOperation) -> Reading:
        """Read by hand: the model insists on enums that we do not need."""

        async def call() -> Reading:
            body = await self._line.read(f"/auth/{operation.reference}", operation.token)
            return errors.read_status(Kind.AUTH, body["status"])

        return await self._line.in_group("anonymous", call)

    async def redeem(self, operation: AuthOperation) -> tuple[Token, Token]:

        async def call() -> tuple[Token, Token]:
            got = await self._auth.redeem_token(operation.token)
            return _token(got.access_token), _token(got.refresh_token)

        return await self._line.in_group("anonymous", call)

    async def refresh(self, refresh_token: Token) -> Token:

        async def call() -> Token:
            return _token((await self._auth.refresh_access_token(refresh_token.text)).access_token)

        return await self._line.in_group("anonymous", call)


class KsefClient:
    """`api.Ksef` for one context."""

    def __init__(self, line: Line, tokens: Tokens) -> None:
        self._line = line
        self._in = Within(line, tokens).call
        self._sessions = AsyncSessionsClient(SdkHttp(line))
        self._invoices = AsyncInvoicesClient(SdkHttp(line))
        self._limits = AsyncRateLimitsClient(SdkHttp(line))

    def wait(self, group: str, calls: int = 1) -> float:
        return self._line.wait(group, calls)

    async def rate_limits(self) -> dict[str, tuple[int, int, int]]:
        """Also taken over into the budget."""

        async def call(token: str) -> dict[str, tuple[int, int, int]]:
            # The raw object, not the model: the model breaks when KSeF drops a group.
            body = await self._line.read("/rate-limits", token)
            return {
                name: (int(v["perSecond"]), int(v["perMinute"]), int(v["perHour"]))
                for name, v in body.items()
                if isinstance(v, dict) and {"perSecond", "perMinute", "perHour"} <= v.keys()
            }

        limits = await self._in("other", call)
        self._line.learn(limits)
        return limits

    async def open_session(self, key: WrappedKey) -> Opened:
        request = models.OpenOnlineSessionRequest(encryption=_encryption(key), form_code=FORM)

        async def call(token: str) -> Opened:
            got = await self._sessions.open_online_session(request, access_token=token)
            return Opened(reference_of(got.reference_number), instant(got.valid_until))

        return await self._in("onlineSession", call)

    async def close_session(self, reference: str) -> None:
        """21180 says that it is closed already (protocol §17.3)."""
        try:
            await self._in("onlineSessionClose", lambda token: self._sessions.close_online_session(reference, token))
        except NoAnswer as no:
            if no.code != "http:21180":
                raise

    async def open_batch(self, key: WrappedKey, archive: Archive, *, offline: bool) -> OpenedBatch:
        request = batch.opening(archive, batch.encryption(key), FORM.to_dict(), offline=offline)
        post = partial(SdkHttp(self._line).request, "POST", batch.PATH, json=request, expected_status={201})

        async def call(token: str) -> OpenedBatch:
            return batch.opened(loads((await post(access_token=token)).content), archive)

        return await self._in("batchSession", call)

    async def upload(self, part: PackedPart, file: Path) -> None:
        """No token, no budget (protocol §7.2)."""
        await self._line.upload(part.url, file, part.headers)

    async def close_batch(self, reference: str) -> None:
        await self._in("batchSessionClose", lambda token: self._sessions.close_batch_session(reference, token))

    async def session_status(self, reference: str, kind: str = ONLINE) -> Reading:

        async def call(token: str) -> Reading:
            body = await self._line.read(f"/sessions/{reference}", token)
            return errors.read_status(Kind.BATCH if kind == BATCH else Kind.SESSION, body["status"])

        return await self._in("sessionMisc", call)

    async def sessions_since(self, since: datetime) -> list[ListedSession]:
        return await listing.sessions_since(self._line, partial(self._in, "sessionList"), since)

    async def send(self, session: str, sealed: Sealed, *, offline: bool, corrects: str = "") -> str:
        request = models.SendInvoiceRequest(
            invoice_hash=sealed.invoice_hash,
            invoice_size=sealed.invoice_size,
            encrypted_invoice_hash=sealed.encrypted_hash,
            encrypted_invoice_size=sealed.encrypted_size,
            encrypted_invoice_content=sealed.content,
            offline_mode=offline,
            hash_of_corrected_invoice=b64encode(bytes.fromhex(corrects)).decode() if corrects else None,
        )

        call = partial(self._sessions.send_online_invoice, session, request)
        got = await self._in("invoiceSend", lambda token: call(access_token=token))
        return reference_of(got.reference_number)

    async def invoice_status(self, session: str, reference: str) -> InvoiceStatus:

        async def call(token: str) -> InvoiceStatus:
            return _status(await self._sessions.get_session_invoice_status(session, reference, access_token=token))

        return await self._in("invoiceStatus", call)

    async def session_invoices(self, session: str, page: str = "") -> Page:

        async def call(token: str) -> Page:
            got = await self._sessions.get_session_invoices(
                session, page_size=_PAGE, continuation_token=page or None, access_token=token
            )
            return Page(tuple(_status(item) for item in got.invoices), got.continuation_token or "")

        return await self._in("sessionInvoiceList", call)

    async def upo(self, session: str, reference: str) -> bytes:
        call = partial(self._sessions.get_session_invoice_upo_by_ref, session, reference)
        return await self._in("sessionMisc", lambda token: call(access_token=token))

    async def upo_by_number(self, session: str, ksef_number: str) -> bytes:
        call = partial(self._sessions.get_session_invoice_upo_by_ksef, session, ksef_number)
        return await self._in("sessionMisc", lambda token: call(access_token=token))

    async def fetch(self, url: str) -> bytes:
        """No token, no budget (protocol §8)."""
        return await self._line.fetch(url)

    async def invoice(self, ksef_number: str) -> bytes:

        call = partial(self._invoices.get_invoice_bytes, ksef_number)
        return (await self._in("invoiceDownload", lambda token: call(access_token=token))).content

    async def find(self, subject: str, seller_nip: str, number: str, issued: datetime) -> list[Registered]:
        return list((await self._query(query.issued_on(subject, seller_nip, number, issued))).invoices)

    async def find_stored(self, subject: str, seller_nip: str, number: str, since: datetime) -> Found:
        return await self._query(query.stored_since(subject, seller_nip, number, since))

    async def _query(self, filters: query.Filters) -> Found:
        """One page is enough: the key seller + kind + number is unique (protocol §6.5)."""
        page = {"pageOffset": 0, "pageSize": _SMALLEST_QUERY_PAGE}
        post = partial(SdkHttp(self._line).request, "POST", query.PATH, params=page, json=filters)

        async def call(token: str) -> Found:
            return query.found(loads((await post(access_token=token)).content))

        return await self._in("invoiceMetadata", call)

    async def start_export(
        self, key: WrappedKey, subject: str, since: datetime, until: datetime | None, *, facts_of: str = ""
    ) -> str:
        request = query.export(batch.encryption(key), subject, since, until, facts_of)
        post = partial(SdkHttp(self._line).request, "POST", query.EXPORTS, json=request, expected_status={201})

        async def call(token: str) -> str:
            return reference_of(loads((await post(access_token=token)).content)["referenceNumber"])

        return await self._in("invoiceExport", call)

    async def export(self, reference: str) -> Export | None:
        """Raises NoAnswer for a failed export."""

        async def call(token: str) -> Export | None:
            body = await self._line.read(f"/invoices/exports/{reference}", token)
            reading = errors.read_status(Kind.EXPORT, body["status"])
            if isinstance(reading.outcome, Pending):
                return None
            if not isinstance(reading.outcome, Done):
                raise NoAnswer(reading)
            return query.package(body["package"])

        return await self._in("invoiceExportStatus", call)

    async def download(self, url: str, target: Path, limit: int) -> Download:
        """No token, no budget (protocol §16.1)."""
        return await self._line.download(url, target, limit)


def _operation(got: models.AuthenticationInitResponse | None) -> AuthOperation:
    if got is None or not got.reference_number or not got.authentication_token.token:
        raise garbled("logowanie")
    return AuthOperation(got.reference_number, got.authentication_token.token)


def _token(info: models.TokenInfo) -> Token:
    if not info.token:
        raise garbled("token")
    return Token(info.token, instant(info.valid_until))


def _status(got: models.SessionInvoiceStatusResponse) -> InvoiceStatus:
    """One document's status; a 200 becomes Accepted only with a number and the moment it was given."""
    status = got.status.to_dict()
    reading = errors.read_status(Kind.INVOICE, status)
    if isinstance(reading.outcome, Done):
        if not got.ksef_number or not got.acquisition_date:
            raise garbled("numer KSeF")
        accepted = Accepted(
            got.ksef_number,
            instant(got.acquisition_date),
            maybe_instant(got.invoicing_date),
            maybe_instant(got.permanent_storage_date),
        )
        reading = Reading(accepted, reading.code)
    return InvoiceStatus(
        reference_of(got.reference_number),
        hex_of(got.invoice_hash or ""),
        reading,
        maybe_instant(got.invoicing_date),
        got.upo_download_url or "",
    )


def _encryption(key: WrappedKey) -> models.EncryptionInfo:
    return models.EncryptionInfo(
        encrypted_symmetric_key=key.encrypted_key, initialization_vector=key.iv, public_key_id=key.key_id or None
    )
