"""`sluza certs` against a real sandbox: proof before use, permissions, enrolment and every cut in it, revocation."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.entrance import entrance
from agent.ksef.certificates import Certificates
from agent.ksef.transport import Transport
from certs import credentials as held
from certs import keyring, kod2
from certs.reading import Credential, Use
from certs.safe import Safe
from gateway.web.pages.town import _credential
from sluza.samples import SCHOOL_IDWEW
from spool.access import FILE, Spool
from spool.clock import system_clock
from spool.domain.ledger import Kod2
from tests import credentials
from tests.certs_bench import Desk
from tests.documents import new
from tests.integration.agent_rig import NIP, Sandbox, sandbox_fixture  # noqa: F401

HELPER = "5250000021"


@pytest.fixture(name="desk")
def desk_fixture(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A context that logs in with the municipality's seal; the sandbox without faults, and its clock."""
    sandbox.reset()
    monkeypatch.setenv("SLUZA_CLOCK_URL", f"{sandbox.url}/sandbox/clock")
    desk = Desk(tmp_path, sandbox.url)
    desk.configure_seal()
    return desk


@pytest.fixture(name="bearer")
def bearer_fixture(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The municipality is logged in for a quarter of an hour, to ask KSeF behind the product's back.

    Anew for each test, because some move the clock by days.
    """
    desk = Desk(tmp_path_factory.mktemp("bearer"), sandbox.url)
    desk.configure_seal()

    async def login() -> str:
        async with Transport() as transport:
            return await entrance(transport, desk.context, system_clock).login.access()

    return asyncio.run(login())


def certificates(sandbox: Sandbox, bearer: str) -> list[dict[str, Any]]:
    """What KSeF has issued to the municipality, the newest first."""
    return list(sandbox.call("POST", "/v2/certificates/query?pageSize=50", {}, bearer=bearer)["certificates"])


def login_of(context: Any) -> Credential:
    found = keyring.authentication(context)
    assert found is not None
    return found


@pytest.mark.parametrize("use", list(Use))
def test_enrol_brings_a_certificate_of_the_wanted_type_home(
    sandbox: Sandbox, desk: Desk, bearer: str, use: Use
) -> None:
    """Request, patience, certificate, proof; the new pair is in use, private, and no request is left behind."""
    sandbox.switch(certificate_delay_s=0.5)
    told = desk.json("enrol", "--use", use.value)
    assert told["ok"], told
    kept = desk.kept(f"{use}.pem")
    assert kept.stat().st_mode & 0o777 == 0o600
    load = keyring.authentication if use is Use.AUTH else keyring.offline
    found = load(desk.context)
    assert found is not None
    assert found.uses == {use.kind}
    newest = certificates(sandbox, bearer)[0]
    assert (newest["certificateSerialNumber"], newest["type"]) == (told["serial"], use.kind)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    again = desk.json("check")
    assert again["ok"], again


def test_a_unit_with_an_idwew_has_certificates_of_its_own_context(desk: Desk) -> None:
    """The same seal in the unit's context (IDWew): another safe, another login."""
    desk.configure(kind="internal-id", value=SCHOOL_IDWEW)
    assert desk.json("enrol", "--use", "offline")["ok"]
    assert desk.json("check")["ok"]


def test_a_token_cannot_ask_for_a_certificate(desk: Desk) -> None:
    """KSeF would say 25001; the sentence says where the first certificate comes from."""
    token = desk.directory / "token"
    token.write_text("20261126-EC-0000000000-0000000000-00|nip-5080014460|ab", encoding="utf-8")
    token.chmod(0o600)
    desk.configure(fields=f'token_file = "{token}"')
    assert desk.refused("enrol", "--use", "auth") == "cert_needed"


class Cut(BaseException):
    """The process ends here."""


STEPS: list[tuple[type, str]] = [
    (Safe, "begin"), (Certificates, "request"), (Safe, "note"), (Certificates, "fetch"), (Safe, "install"),
]  # fmt: skip


def _cut_after(monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]) -> None:
    """The thing is done, and nothing after it."""
    owner, name = place
    done: Callable[..., Any] = getattr(owner, name)

    async def late(*values: Any, **more: Any) -> Any:
        await done(*values, **more)
        raise Cut

    def now(*values: Any, **more: Any) -> Any:
        done(*values, **more)
        raise Cut

    monkeypatch.setattr(owner, name, late if owner is Certificates else now)


@pytest.mark.parametrize("place", STEPS, ids=lambda place: place[1])
def test_fault_K01_a_request_that_is_cut_loses_no_key_and_asks_once(
    sandbox: Sandbox, desk: Desk, bearer: str, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    """After each step: the next run ends it, KSeF issued one certificate, and its key is the one that lies here."""
    before = len(certificates(sandbox, bearer))
    with monkeypatch.context() as cutting:
        _cut_after(cutting, place)
        with pytest.raises(Cut):
            raise desk.run("enrol", "--use", "offline").exc_info[1]  # type: ignore[index,misc]
    assert [r for r in desk.json("list") if "request" in r]
    assert desk.json("enrol", "--use", "offline")["ok"]
    issued = certificates(sandbox, bearer)
    found = keyring.offline(desk.context)
    assert found is not None
    assert len(issued) - before == 1
    assert issued[0]["certificateSerialNumber"] == f"{found.certificate.serial_number:016X}"
    assert not [r for r in desk.json("list") if "request" in r]


def test_fault_K01_a_lost_answer_to_a_request_is_looked_for_before_it_is_repeated(
    sandbox: Sandbox, desk: Desk, bearer: str
) -> None:
    """KSeF issued it and the answer was lost: found by its name and its key, not asked for again."""
    before = len(certificates(sandbox, bearer))
    sandbox.fault("POST /v2/certificates/enrollments", "timeout_after", hold_s=0.1)
    code = desk.json("enrol", "--use", "auth")["code"]
    assert code.startswith("network:"), code
    assert desk.json("enrol", "--use", "auth")["ok"]
    assert len(certificates(sandbox, bearer)) - before == 1


def test_a_refused_request_is_forgotten(sandbox: Sandbox, desk: Desk, bearer: str) -> None:
    """A limit (25007): the sentence says what to do, and no request waits for ever."""
    limit = {"certificate": {"maxCertificates": 0}}
    sandbox.call("POST", "/v2/testdata/limits/subject/certificate", limit, bearer=bearer)
    try:
        assert desk.refused("enrol", "--use", "auth") == "cert_limit"
    finally:
        sandbox.call("DELETE", "/v2/testdata/limits/subject/certificate", bearer=bearer)
    assert not list(desk.directory.glob("state/keys/gmina/*"))


def test_import_logs_in_before_it_replaces(sandbox: Sandbox, desk: Desk) -> None:
    """A certificate that KSeF does not let into this context is refused with KSeF's code; a good one is proven."""
    desk.configure(fields="")
    cert, key = desk.seal("obcy", nip="7770001111")
    words = ("import", str(cert), "--key", str(key), "--use", "auth")
    assert desk.refused(*words) == "auth:415"
    assert not desk.kept("auth.pem").exists()
    cert, key = desk.seal("nasz")
    told = desk.json("import", str(cert), "--key", str(key), "--use", "auth")
    assert (told["ok"], told["proven"]) == (True, True)


def test_fault_K01_without_both_permissions_neither_import_nor_check_passes(sandbox: Sandbox, desk: Desk) -> None:
    """Only InvoiceWrite: an absence could never be proven. What lacks is named; with both everything is in order."""
    subject = {
        "contextIdentifier": {"type": "Nip", "value": NIP},
        "authorizedIdentifier": {"type": "Nip", "value": HELPER},
    }

    def grant(*names: str) -> None:
        rights = [{"permissionType": name, "description": "Śluza"} for name in names]
        sandbox.call("POST", "/v2/testdata/permissions", subject | {"permissions": rights})

    cert, key = credentials.seal(HELPER).write_pem(desk.directory, "pomoc")
    grant("InvoiceWrite")
    words = ("import", str(cert), "--key", str(key), "--use", "auth")
    desk.configure(fields="")
    assert desk.refused(*words) == "cert_without_rights"
    assert desk.json(*words, "--no-login")["ok"]
    done = desk.run("check")
    assert done.exit_code == 1
    assert "InvoiceRead" in done.stdout
    assert "uprawnień: InvoiceRead." in done.stdout
    sandbox.call("POST", "/v2/testdata/permissions/revoke", subject)
    grant("InvoiceWrite", "InvoiceRead")
    assert desk.json("check")["ok"]
    sandbox.call("POST", "/v2/testdata/permissions/revoke", subject)


def test_check_tells_a_revoked_certificate(sandbox: Sandbox, desk: Desk, bearer: str) -> None:
    """The Offline one by KSeF's list, the one for the login by KSeF's refusal."""
    for use in ("auth", "offline"):
        assert desk.json("enrol", "--use", use)["ok"]
    for one in certificates(sandbox, bearer)[:2]:
        serial = one["certificateSerialNumber"]
        sandbox.call("POST", f"/v2/certificates/{serial}/revoke", {"revocationReason": "KeyCompromise"}, bearer=bearer)
        told = desk.json("check")
        assert not told["ok"]
        bad = [c for c in told["checks"] if c["mark"] == "bad"]
        assert all(c["cure"] for c in bad)
        said = json.dumps(bad, ensure_ascii=False)
        assert ("unieważniony" in said) if one["type"] == "Offline" else ("KSeF nie uznał certyfikatu" in said)


def test_an_issued_certificate_renews_itself(sandbox: Sandbox, desk: Desk) -> None:
    """Without the seal that began it: the certificate in the safe asks for its successor, and stays beside."""
    assert desk.json("enrol", "--use", "auth")["ok"]
    desk.configure(fields="")
    first = login_of(desk.context).certificate
    sandbox.advance(days=30)
    assert desk.json("enrol", "--use", "auth")["ok"]
    assert login_of(desk.context).certificate.not_valid_after_utc > first.not_valid_after_utc
    assert desk.kept("auth.previous.pem").read_bytes().startswith(Credential(first, None).certificate_pem.encode())  # type: ignore[arg-type]


@pytest.fixture(name="renewed")
def renewed_fixture(sandbox: Sandbox, desk: Desk) -> str:
    """The context has replaced a certificate of KSeF's: the number of the one before."""
    assert desk.json("enrol", "--use", "auth")["ok"]
    desk.configure(fields="")
    before = kod2.serial(login_of(desk.context))
    sandbox.advance(minutes=1)  # `bearer` lives for a quarter of an hour
    assert desk.json("enrol", "--use", "auth")["ok"]
    return before


_revoke = Certificates.revoke


async def _lost(self: Certificates, serial: str, reason: str) -> None:
    """KSeF does it, and nobody hears."""
    await _revoke(self, serial, reason)
    raise KeyboardInterrupt


def status(sandbox: Sandbox, bearer: str, serial: str) -> str:
    """What KSeF says of it."""
    (found,) = (c for c in certificates(sandbox, bearer) if c["certificateSerialNumber"] == serial)
    return str(found["status"])


def test_a_replaced_certificate_is_told_and_ends_at_a_persons_word(
    sandbox: Sandbox, desk: Desk, bearer: str, renewed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages and list say that it is still valid, nothing revokes it by itself; KSeF's answer may be lost, the next run
    makes it good. Afterwards it is gone from both, its key too, and the history says who."""
    Spool(desk.directory / "state" / FILE).close()
    (old,) = (one for one in held.look(desk.context) if one.replaced)
    shown = _credential(desk.context, old, system_clock())
    assert ("unieważniony nie został" in shown["text"], shown["serial"]) == (True, renewed)
    assert f"sluza certs revoke {renewed}" in shown["cure"]
    assert [r["replaced"] for r in desk.json("list")] == [False, True]
    assert status(sandbox, bearer, renewed) == "Active"
    with monkeypatch.context() as cutting:
        cutting.setattr(Certificates, "revoke", _lost)
        desk.run("revoke", renewed)
    assert status(sandbox, bearer, renewed) == "Revoked"
    assert desk.kept("auth.previous.pem").exists()
    told = desk.json("revoke", renewed.lower(), "--name", "Anna Nowak")
    assert (told["ok"], told["revoked_now"], told["reason"]) == (True, False, "Superseded")
    assert [r["replaced"] for r in desk.json("list")] == [False]
    assert not desk.kept("auth.previous.pem").exists()
    spool = Spool(desk.directory / "state" / FILE)
    (event,) = (e for e in spool.read_now(lambda s: s.events()) if e.move == "certificate_revoked")
    spool.close()
    assert (event.subject, event.actor, renewed in event.note) == ("context:gmina", "Anna Nowak", True)
    assert desk.json("check")["ok"]


def test_what_is_needed_is_never_revoked(sandbox: Sandbox, desk: Desk, bearer: str, renewed: str) -> None:
    """The one in use; and the replaced one as long as only its KOD II vouches for invoices that KSeF does not know yet,
    unless somebody else may have its key. A number that is none, or nobody's, is a sentence."""
    used = kod2.serial(login_of(desk.context))
    assert desk.refused("revoke", used) == "cert_in_use"
    assert desk.refused("revoke", "F" * 16) == "cert_unknown"
    assert desk.refused("revoke", "../../etc") == "cert_unknown"
    spool, raw, now = Spool(desk.directory / "state" / FILE), b"<Faktura/>", sandbox.now()
    made = replace(new(raw, now), kod2=Kod2("https://x", renewed))
    spool.write_now(lambda store: store.add(made, raw, "a", now))
    spool.close()
    assert desk.refused("revoke", renewed) == "cert_on_invoices"
    assert {status(sandbox, bearer, one) for one in (used, renewed)} == {"Active"}
    told = desk.json("revoke", renewed, "--reason", "key-compromise")
    assert (told["revoked_now"], told["unsent"]) == (True, 1)
    assert status(sandbox, bearer, used) == "Active"
