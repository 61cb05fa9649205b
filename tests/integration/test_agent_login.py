"""Every way into KSeF against the sandbox: EC and RSA certificates, PKCS#12, token; renewal, refusal, pause."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.ksef.api import NoAnswer, Token
from sluza.samples import SCHOOL_IDWEW, unit_invoice
from spool.domain.municipality import ContextType
from spool.domain.states import State
from tests import credentials
from tests.integration.agent_rig import NIP, Rig, Sandbox, bench_fixture, make_context, rig_fixture, sandbox_fixture  # noqa: F401


async def _works(rig: Rig, number: str) -> None:
    document = await rig.put_new(number)
    await rig.start()
    await rig.until(document, State.ACCEPTED)
    assert "valid_until" in await rig.condition("login")
    assert (await rig.condition("reachable"))["ok"] is True


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
async def test_signed_login(rig: Rig, sandbox: Sandbox, tmp_path: Path, algorithm: str) -> None:
    """A certificate with an EC or an RSA key logs in."""
    cert, key = credentials.seal(NIP, algorithm=algorithm).write_pem(tmp_path, "own", password="tajne")
    (tmp_path / "pw").write_text("tajne\n")
    (tmp_path / "pw").chmod(0o600)
    rig.context = make_context(sandbox, tmp_path, auth_cert=cert, auth_key=key, auth_password_file=tmp_path / "pw")
    await _works(rig, f"L/{algorithm}")


async def test_pkcs12_login(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """A PKCS#12 file with its password logs in."""
    path = credentials.seal(NIP).write_pkcs12(tmp_path, "sezam")
    (tmp_path / "pw").write_text("sezam")
    (tmp_path / "pw").chmod(0o600)
    rig.context = make_context(sandbox, tmp_path, auth_cert=path, auth_password_file=tmp_path / "pw")
    await _works(rig, "L/p12")


async def _ksef_token(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> Path:
    """A KSeF token, asked for with the certificate as a person would."""
    await rig.start()
    assert rig.office is not None
    access = await rig.office.login.access()
    await rig.stop()
    body = {"permissions": ["InvoiceWrite", "InvoiceRead"], "description": "Token dla Śluzy"}
    token = sandbox.call("POST", "/v2/tokens", body, bearer=access)["token"]
    path = tmp_path / "token"
    path.write_text(token + "\n")
    path.chmod(0o600)
    return path


async def test_token_login(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """A KSeF token logs in while KSeF still takes tokens."""
    path = await _ksef_token(rig, sandbox, tmp_path)
    rig.context = make_context(sandbox, tmp_path, auth_cert=None, token_file=path)
    await _works(rig, "L/token")


async def test_fault_K10_a_refused_token_pauses_the_context(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> None:
    """When KSeF takes no tokens any more, the context is paused and its documents stay queued (K10)."""
    path = await _ksef_token(rig, sandbox, tmp_path)
    sandbox.switch(no_tokens=True)
    sandbox.call("DELETE", "/sandbox/requests")
    rig.context = make_context(sandbox, tmp_path, auth_cert=None, token_file=path)
    document = await rig.put_new("L/refused")
    await rig.start()
    paused = await rig.condition("paused")
    assert paused["kind"] == "login"
    assert paused["code"] == "auth:450"
    assert (await rig.read(document)).state is State.QUEUED
    assert sandbox.requests()["by_endpoint"]["POST /v2/auth/ksef-token"] == 2
    await rig.stop()
    sandbox.switch(no_tokens=False)
    await rig.start()
    await rig.until(document, State.ACCEPTED)
    assert "paused" not in await rig.conditions()


async def test_fault_K10_another_certificate_in_place_of_the_refused_one_lets_in(
    rig: Rig, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An expired certificate pauses the context; a good one put into its place ends that, without any restart."""
    cert, key = credentials.seal(NIP, until=datetime(2026, 1, 2, tzinfo=UTC)).write_pem(tmp_path, "own")
    rig.context = make_context(sandbox, tmp_path, auth_cert=cert, auth_key=key)
    document = await rig.put_new("L/expired")
    await rig.start()
    assert (await rig.condition("paused"))["kind"] == "login"
    credentials.seal(NIP).write_pem(tmp_path, "own")
    await rig.until(document, State.ACCEPTED)
    assert "paused" not in await rig.conditions()


async def test_fault_K10_an_expired_access_token_is_refreshed(rig: Rig, sandbox: Sandbox) -> None:
    """After fifteen minutes the refresh token gives a new access token; nobody signs again."""
    await _works(rig, "R/1")
    await rig.advance(minutes=16)
    document = await rig.put_new("R/2")
    await rig.until(document, State.ACCEPTED)
    calls = sandbox.requests()["by_endpoint"]
    assert calls["POST /v2/auth/xades-signature"] == 1
    assert calls["POST /v2/auth/token/refresh"] >= 1


async def test_fault_K10_an_expired_refresh_token_means_a_new_login(rig: Rig, sandbox: Sandbox) -> None:
    """After eight days away a full login is made by itself."""
    await _works(rig, "R/3")
    await rig.advance(days=8)
    document = await rig.put_new("R/4")
    await rig.until(document, State.ACCEPTED)
    assert sandbox.requests()["by_endpoint"]["POST /v2/auth/xades-signature"] == 2


async def test_fault_K10_a_revoked_session_means_a_new_login(rig: Rig, sandbox: Sandbox) -> None:
    """A refresh token that KSeF no longer takes is replaced by a full login."""
    await _works(rig, "R/5")
    sandbox.fault("POST /v2/auth/token/refresh", "empty_403", 1)
    await rig.advance(minutes=16)
    document = await rig.put_new("R/6")
    await rig.until(document, State.ACCEPTED)
    assert sandbox.requests()["by_endpoint"]["POST /v2/auth/xades-signature"] == 2


async def test_fault_K10_a_blocked_context_pauses(rig: Rig, sandbox: Sandbox) -> None:
    """Status 480 stops everything until a person has spoken with the ministry."""
    sandbox.call("POST", "/v2/testdata/context/block", {"contextIdentifier": {"type": "Nip", "value": NIP}})
    try:
        document = await rig.put_new("B/1")
        await rig.start()
        assert (await rig.condition("paused"))["code"] == "auth:480"
        assert rig.office is not None
        with pytest.raises(NoAnswer):
            await rig.office.login.access()
        assert (await rig.read(document)).state is State.QUEUED
    finally:
        sandbox.call("POST", "/v2/testdata/context/unblock", {"contextIdentifier": {"type": "Nip", "value": NIP}})


async def test_fault_K10_a_token_that_ksef_rejects_is_replaced_once(rig: Rig, sandbox: Sandbox) -> None:
    """KSeF answers 401 to the token we hold: one renewal, and the very call that met it goes through."""
    await _works(rig, "K10/401/1")
    assert rig.office is not None
    before = sandbox.requests()["by_endpoint"]
    rig.office.login._access = Token("unieważniony", rig.clock() + timedelta(minutes=10))
    assert await rig.office._tools.ksef.rate_limits()
    document = await rig.put_new("K10/401/2")
    done = await rig.until(document, State.ACCEPTED)
    after = sandbox.requests()["by_endpoint"]
    assert after["POST /v2/auth/token/refresh"] - before.get("POST /v2/auth/token/refresh", 0) == 1
    assert (done.attempts, sandbox.ledger()[done.sha256]["posts"]) == (1, 1)


async def _paused(rig: Rig, code: str) -> None:
    """A login of this context was refused for good: told with its cure, and KSeF is left alone."""
    paused = await rig.condition("paused")
    assert (paused["kind"], paused["code"]) == ("login", code)
    assert paused["reason"]
    assert paused["hint"]


@pytest.mark.parametrize("how", ["expired", "not trusted any more"])
async def test_fault_K10_a_certificate_that_has_ended_pauses(
    rig: Rig, sandbox: Sandbox, tmp_path: Path, how: str
) -> None:
    """It worked yesterday; at the next login KSeF says 460. What is queued stays queued, and goes when it is mended."""
    until = sandbox.now() + timedelta(days=2) if how == "expired" else None
    cert, key = credentials.seal(NIP, until=until).write_pem(tmp_path, "ending")
    rig.context = make_context(sandbox, tmp_path, auth_cert=cert, auth_key=key)
    await _works(rig, f"K10/460/1/{how}")
    sandbox.switch(accept_self_signed=how == "expired")
    await rig.advance(days=8)
    document = await rig.put_new(f"K10/460/2/{how}")
    await _paused(rig, "auth:460")
    assert (await rig.read(document)).state is State.QUEUED
    assert sandbox.requests()["by_endpoint"]["POST /v2/auth/xades-signature"] == 2
    await rig.stop()
    sandbox.switch(accept_self_signed=True)
    rig.context = make_context(sandbox, tmp_path)
    await rig.start()
    await rig.until(document, State.ACCEPTED)


async def test_fault_K10_a_withdrawn_permission_stops_only_its_context(
    rig: Rig, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Somebody else's seal sends for us by permission; withdrawn, that context stops, the other one goes on."""
    helper = "5250000021"
    subject = {
        "contextIdentifier": {"type": "Nip", "value": NIP},
        "authorizedIdentifier": {"type": "Nip", "value": helper},
    }
    rights = [{"permissionType": name, "description": "Śluza"} for name in ("InvoiceWrite", "InvoiceRead")]
    sandbox.call("POST", "/v2/testdata/permissions", subject | {"permissions": rights})
    cert, key = credentials.seal(helper).write_pem(tmp_path, "helper")
    theirs = make_context(sandbox, tmp_path, id="pomoc", auth_cert=cert, auth_key=key)
    async with replace(rig, context=theirs) as other:
        await _works(other, "K10/415/1")
        sandbox.call("POST", "/v2/testdata/permissions/revoke", subject)
        await other.advance(days=8)
        stopped = await other.put_new("K10/415/2")
        await _paused(other, "auth:415")
        going = await rig.put_new("K10/415/3")
        await rig.start()
        await rig.until(going, State.ACCEPTED)
        assert (await other.read(stopped)).state is State.QUEUED
        assert "paused" not in await rig.conditions()


async def test_fault_K10_a_wrong_context_pauses_before_anything_is_sent(
    rig: Rig, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A credential without any right in this context: 415 at the first login, nothing sent, the document queued."""
    cert, key = credentials.seal("7770001111").write_pem(tmp_path, "wrong")
    rig.context = make_context(sandbox, tmp_path, auth_cert=cert, auth_key=key)
    document = await rig.put_new("K10/wrong")
    await rig.start()
    await _paused(rig, "auth:415")
    assert (await rig.read(document)).state is State.QUEUED
    assert document.sha256 not in sandbox.ledger()


async def test_unreachable_is_a_condition_and_heals(rig: Rig, sandbox: Sandbox) -> None:
    """While nothing answers the context says so once; when KSeF is back, work goes on by itself."""
    fault = sandbox.fault("*", "refuse", None)
    document = await rig.put_new("U/1")
    await rig.start()
    assert (await rig.condition("reachable"))["ok"] is False
    assert (await rig.read(document)).state is State.QUEUED
    sandbox.call("DELETE", f"/sandbox/faults/{fault}")
    await rig.until(document, State.ACCEPTED)

    async def healed() -> bool | None:
        return (await rig.conditions())["reachable"]["ok"] or None

    await rig.eventually(healed, "reachable again")


async def test_internal_id_context_sends_for_its_unit(rig: Rig, sandbox: Sandbox) -> None:
    """A unit's own context: the municipality in Podmiot1, the unit's IDWew in Podmiot3 with role 7 (protocol §15)."""
    rig.context = replace(rig.context, type=ContextType.INTERNAL_ID, value=SCHOOL_IDWEW)
    document = await rig.put(unit_invoice(internal_id=SCHOOL_IDWEW, number="IDW/1", issue_date=rig.today()))
    await rig.start()
    done = await rig.until_upo(document)
    assert done.ksef_number == sandbox.ledger()[done.sha256]["ksef_number"]
