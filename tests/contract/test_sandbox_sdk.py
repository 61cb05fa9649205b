"""Statements S1–S9 and the acceptance flows with `ksef-client` over its own httpx."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from ksef_client import AsyncKsefClient, KsefClient, KsefClientOptions
from ksef_client import models as m
from ksef_client.services.workflows import (
    AsyncAuthCoordinator,
    AuthCoordinator,
    BatchSessionWorkflow,
    ExportWorkflow,
    OnlineSessionWorkflow,
)
from sandbox_invoices import invoice
from sandbox_kit import NIP, OTHER_NIP, Box, poll
from sandbox_signing import Signer

FORM = m.FormCode(system_code="FA (3)", schema_version="1-0E", value="FA")


@pytest.fixture
def sdk_box(start: Callable[..., Box], storage_host: str) -> Box:
    """A simulator whose storage URLs carry a public-looking host name (S2)."""
    box = start()
    box.switch(rate_limits="off")
    box.world.storage_base = box.url.replace("127.0.0.1", storage_host)
    return box


def options(box: Box, **more: Any) -> KsefClientOptions:
    """Options as S1 and S2 want them."""
    return KsefClientOptions(
        base_url=box.url,
        base_lighthouse_url=f"{box.url}/latarnia",
        base_qr_url=box.url,
        strict_presigned_url_validation=False,
        **more,
    )


def login(client: KsefClient, nip: str = NIP, family: str = "ecdsa") -> str:
    """An access token by the SDK's own XAdES."""
    certificate, key = Signer(nip, family).pems()
    result = AuthCoordinator(client.auth).authenticate_with_xades(
        context_identifier_type="nip",
        context_identifier_value=nip,
        subject_identifier_type="certificateSubject",
        certificate_pem=certificate,
        private_key_pem=key,
        poll_interval_seconds=0.02,
    )
    return str(result.access_token)


def key(client: KsefClient, usage: str = "SymmetricKeyEncryption") -> Any:
    """The published key of a usage."""
    for entry in client.security.get_public_key_certificates():
        if usage in [getattr(item, "value", item) for item in entry.usage]:
            return entry
    raise AssertionError(usage)


@pytest.mark.parametrize("family", ["ecdsa", "rsa"])
def test_sandbox_S1_sdk_logs_in_by_xades(sdk_box: Box, family: str) -> None:
    """The SDK's own signer, with EC and RSA keys, logs in."""
    with KsefClient(options(sdk_box)) as client:
        assert login(client, family=family)


async def test_sandbox_S1_async_sdk_logs_in(sdk_box: Box) -> None:
    """The asynchronous client logs in the same way."""
    certificate, private = Signer(NIP).pems()
    async with AsyncKsefClient(options(sdk_box)) as client:
        result = await AsyncAuthCoordinator(client.auth).authenticate_with_xades(
            context_identifier_type="nip",
            context_identifier_value=NIP,
            subject_identifier_type="certificateSubject",
            certificate_pem=certificate,
            private_key_pem=private,
            poll_interval_seconds=0.02,
        )
    assert result.access_token


def test_sandbox_S1_sdk_logs_in_by_token(sdk_box: Box) -> None:
    """A token generated through the SDK logs in through the SDK."""
    with KsefClient(options(sdk_box)) as client:
        access = login(client)
        request = m.GenerateTokenRequest(
            permissions=[m.TokenPermissionType("InvoiceRead"), m.TokenPermissionType("InvoiceWrite")],
            description="contract test",
        )
        made = client.tokens.generate_token(request, access_token=access)
        path = f"/v2/tokens/{made.reference_number}"
        poll(lambda: sdk_box.get(path, access).json(), lambda seen: seen["status"] == "Active")
        entry = key(client, "KsefTokenEncryption")
        result = AuthCoordinator(client.auth).authenticate_with_ksef_token(
            token=made.token,
            public_certificate=entry.certificate,
            public_key_id=entry.public_key_id,
            context_identifier_type="nip",
            context_identifier_value=NIP,
            poll_interval_seconds=0.02,
        )
    assert result.access_token


@pytest.mark.parametrize("headers", [None, {"X-Error-Format": "problem-details"}])
def test_sandbox_S6_sdk_reads_both_error_formats(sdk_box: Box, headers: dict[str, str] | None) -> None:
    """The SDK finds the exception code in either format."""
    from ksef_client.exceptions import KsefApiError

    with KsefClient(options(sdk_box, custom_headers=headers)) as client:
        access = login(client)
        with pytest.raises(KsefApiError) as caught:
            client.sessions.get_session_status("20261120-SO-AAAAAAAAAA-BBBBBBBBBB-CC", access_token=access)
    assert "21173" in str(caught.value.response_body)


def test_sandbox_flow_online_session_to_upo(sdk_box: Box) -> None:
    """Login, session, send, 200, invoice UPO, close, session UPO: all through the SDK."""
    with KsefClient(options(sdk_box)) as client:
        access = login(client)
        entry = key(client)
        session = OnlineSessionWorkflow(client.sessions).open_session(
            form_code=FORM,
            public_certificate=entry.certificate,
            public_key_id=entry.public_key_id,
            access_token=access,
        )
        sent = session.send_invoice(invoice())
        ref = session.reference_number
        item = poll(
            lambda: client.sessions.get_session_invoice_status(ref, sent.reference_number, access_token=access),
            lambda seen: seen.status.code >= 200,
        )
        assert item.ksef_number
        upo = client.sessions.get_session_invoice_upo_by_ref(ref, sent.reference_number, access_token=access)
        assert item.ksef_number.encode() in getattr(upo, "content", upo)
        session.close(access_token=access)
        final = poll(
            lambda: client.sessions.get_session_status(ref, access_token=access),
            lambda seen: seen.status.code >= 200,
        )
        page = client.sessions.get_session_upo(ref, final.upo.pages[0].reference_number, access_token=access)
        assert item.ksef_number.encode() in getattr(page, "content", page)


def test_sandbox_flow_batch_of_three(sdk_box: Box) -> None:
    """A batch of a good one, a duplicate and an invalid one through the SDK, storage host included (S2, S3)."""
    known = invoice()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in (("a.xml", invoice()), ("b.xml", known), ("c.xml", b"<x/>")):
            archive.writestr(name, data)
    with KsefClient(options(sdk_box)) as client:
        access = login(client)
        sdk_box.accept(access, known)
        entry = key(client)
        ref = BatchSessionWorkflow(client.sessions, client.http_client).open_upload_and_close(
            form_code=FORM,
            zip_bytes=out.getvalue(),
            public_certificate=entry.certificate,
            public_key_id=entry.public_key_id,
            access_token=access,
        )
        poll(
            lambda: client.sessions.get_session_status(ref, access_token=access),
            lambda seen: seen.status.code >= 200,
        )
        items = client.sessions.get_session_invoices(ref, access_token=access).invoices
    assert [item.status.code for item in items] == [200, 440, 450]


def test_sandbox_S4_flow_export(sdk_box: Box) -> None:
    """An export through the SDK, which insists on x-ms-meta-hash, holds the inbound invoice."""
    xml = invoice(OTHER_NIP, buyer=NIP)
    sdk_box.http.post(f"{sdk_box.url}/sandbox/inbound", content=xml)
    with KsefClient(options(sdk_box)) as client:
        access = login(client)
        entry = key(client)
        flow = ExportWorkflow(client.invoices, client.http_client)
        from ksef_client.services.crypto import build_encryption_data

        encryption = build_encryption_data(entry.certificate, public_key_id=entry.public_key_id)
        request = m.InvoiceExportRequest.from_dict(
            {
                "encryption": encryption.encryption_info.to_dict(),
                "filters": {
                    "subjectType": "Subject2",
                    "dateRange": {"dateType": "PermanentStorage", "from": "2026-10-01T00:00:00+00:00"},
                },
            }
        )
        ref = client.invoices.export_invoices(request, access_token=access).reference_number
        status = poll(
            lambda: client.invoices.get_export_status(ref, access_token=access),
            lambda seen: seen.status.code != 100,
        )
        result = flow.download_and_process_package(status.package, encryption)
    assert list(result.invoice_xml_files.values()) == [xml.decode()]


def test_sandbox_G1_sdk_reads_latarnia(sdk_box: Box) -> None:
    """The SDK's lighthouse client reads status and messages."""
    with KsefClient(options(sdk_box)) as client:
        assert client.lighthouse.get_status().status.value == "AVAILABLE"
        sdk_box.post("/sandbox/latarnia", body={"status": "FAILURE"})
        assert client.lighthouse.get_status().status.value == "FAILURE"
        assert len(client.lighthouse.get_messages()) == 1


def test_sandbox_S7_sdk_parses_limits(sdk_box: Box) -> None:
    """Limits and rate limits parse with every required field."""
    with KsefClient(options(sdk_box)) as client:
        access = login(client)
        sdk_box.switch(rate_limits="on")
        assert client.rate_limits.get_rate_limits(access_token=access).invoice_send.per_hour == 180
        assert client.limits.get_context_limits(access_token=access).online_session.max_invoices == 10000
        assert client.limits.get_subject_limits(access_token=access)
