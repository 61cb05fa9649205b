"""The agent renews certificates ahead of their end, by itself, and takes up what a person's request left."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent import renewal
from agent.entrance import entrance
from agent.ksef.transport import Transport
from certs import csr, keyring
from certs.reading import Use
from certs.safe import Safe
from spool.domain.ledger import RENEWAL
from spool.domain.states import State
from tests import credentials
from tests.integration.agent_rig import (
    NIP,
    Rig,
    Sandbox,
    bench_fixture,  # noqa: F401
    make_context,
    rig_fixture,  # noqa: F401
    sandbox_fixture,  # noqa: F401
)


@pytest.fixture(name="ending")
def ending_fixture(rig: Rig, sandbox: Sandbox, tmp_path: Path) -> Rig:
    """A context whose certificate has twenty days left, and whose safe is empty."""
    cert, key = credentials.seal(NIP, until=sandbox.now() + timedelta(days=20)).write_pem(tmp_path, "ending")
    context = make_context(sandbox, tmp_path, auth_cert=cert, auth_key=key)
    rig.context = replace(context, safe=rig.state / "keys" / "gmina", renew_days=30)
    return rig


async def _kept(rig: Rig, use: Use) -> str:
    """Wait for a pair in the safe; its serial number."""
    safe = keyring.safe_of(rig.context)
    assert safe is not None

    async def look() -> str | None:
        found = safe.load(use)
        return f"{found.certificate.serial_number:016X}" if found and safe.request(use) is None else None

    return str(await rig.eventually(look, f"a new {use} certificate"))


async def test_a_certificate_is_renewed_ahead_of_its_end_and_used(ending: Rig, sandbox: Sandbox) -> None:
    """Long after the old one has ended the agent logs in with the new one; the history says what happened."""
    await ending.start()
    serial = await _kept(ending, Use.AUTH)
    sandbox.switch(accept_self_signed=False)
    await ending.advance(days=25)
    document = await ending.put_new("RENEWED/1")
    await ending.until(document, State.ACCEPTED)
    notes = await ending.spool.read(lambda store: [e.note for e in store.events(subject="context:gmina")])
    assert any(serial in note and note.startswith("Odnowiono") for note in notes)


async def test_a_renewal_that_fails_is_told_and_tried_again(ending: Rig, sandbox: Sandbox) -> None:
    """A limit of KSeF's: a condition with its cure while the old certificate goes on; an hour later it goes through."""
    access = await _access(ending)
    sandbox.call(
        "POST", "/v2/testdata/limits/subject/certificate", {"certificate": {"maxCertificates": 0}}, bearer=access
    )
    await ending.start()
    told = await ending.condition(f"{RENEWAL}auth")
    assert "limit" in told["reason"]
    assert told["hint"]
    sandbox.call("DELETE", "/v2/testdata/limits/subject/certificate", bearer=access)
    await ending.advance(seconds=renewal.EVERY.total_seconds() + 1)
    await _kept(ending, Use.AUTH)

    async def lifted() -> bool | None:
        return f"{RENEWAL}auth" not in await ending.conditions() or None

    await ending.eventually(lifted, "the condition is gone")


async def test_the_agent_takes_up_a_request_that_was_cut(ending: Rig) -> None:
    """The key that a command wrote down is the key of the certificate that the agent brings home."""
    safe = keyring.safe_of(ending.context)
    assert isinstance(safe, Safe)
    key = csr.new_key()
    safe.begin(Use.OFFLINE, "Sluza gmina offline 20261126-120000", "2026-11-26T12:00:00+00:00", key)
    await ending.start()
    await _kept(ending, Use.OFFLINE)
    found = safe.load(Use.OFFLINE)
    assert found is not None
    assert found.certificate.public_key() == key.public_key()


async def _access(rig: Rig) -> str:
    async with Transport() as transport:
        return await entrance(transport, rig.context, rig.clock).login.access()
