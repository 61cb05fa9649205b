"""Answers that are there but are not what they should be: pages, unknown fields, wrong receipts, foreign originals."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from sluza.samples import invoice, purchase_for_unit
from spool.domain.calendar import end_of_day
from spool.domain.document import Mode
from spool.domain.states import State
from spool.looking import Looking
from tests.integration import test_agent_lost_answers as calls
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import SEND, _moves, _send_elsewhere, _until_event
from tests.integration.test_agent_lost_answers import hurried, passing_fixture  # noqa: F401

DOWNLOAD = "GET /v2/invoices/ksef/{ksefNumber}"


async def test_fault_K01_the_intent_is_durable_before_the_call(rig: Rig, sandbox: Sandbox) -> None:
    """When the request leaves, another process already reads attempt, session and hash from the file (I6)."""
    document = await rig.put_new("K01/intent")
    await rig.start()
    assert rig.office is not None
    ksef, seen = rig.office._tools.ksef, []
    real = ksef.send

    async def watched(session: str, *args: Any, **more: Any) -> str:
        looking = Looking(rig.spool.path)
        seen.extend(looking.read_now(lambda s: [tuple(r) for r in s._db.execute(
            "SELECT document, sha256, session, ended_at FROM attempt")]))  # fmt: skip
        looking.close()
        assert seen == [(document.id, document.sha256, session, None)]
        return await real(session, *args, **more)

    ksef.send = watched  # type: ignore[method-assign]
    await rig.until(document, State.ACCEPTED)
    assert seen


async def test_fault_K03_a_page_instead_of_every_answer(rig: Rig, sandbox: Sandbox, passing: None) -> None:
    """Each call, the login too, meets once the page of a proxy with status 200: nothing is believed, all is asked
    again, and the one send that was doubtful is proven absent first."""
    for call in (
        *(calls.CHALLENGE, calls.SIGNATURE, calls.LOGIN_STATUS, calls.REDEEM, calls.OPEN, SEND),
        *(calls.STATUS, calls.LIST, calls.CLOSE, calls.SESSION),
    ):
        sandbox.fault(call, "html_200", 1)
    document = await rig.put_new("K03/pages")
    await rig.start()
    done = await rig.until_upo(document)
    entry = sandbox.ledger()[done.sha256]
    assert (entry["posts"], entry["ksef_number"]) == (1, done.ksef_number)
    assert calls._lost(sandbox)


async def test_fault_K04_limits_are_those_that_ksef_tells(rig: Rig, sandbox: Sandbox) -> None:
    """One send a second by KSeF's own word: learnt before it hurts, and not one request too many."""
    sandbox.switch(rate_limits="on")
    await rig.start()
    assert rig.office is not None
    office, access = rig.office, await rig.office.login.access()
    groups = {k: v for k, v in sandbox.call("GET", "/v2/rate-limits", bearer=access).items() if k != "anonymous"}
    limits = {"rateLimits": groups | {"invoiceSend": {"perSecond": 1, "perMinute": 30, "perHour": 180}}}
    sandbox.call("POST", "/v2/testdata/rate-limits", limits, bearer=access)
    office._limits_asked = None
    try:

        async def learnt() -> bool | None:
            return office._budget._limits["invoiceSend"] == (1, 30, 180) or None

        office._house.bell.ring()
        await office._ask_limits()
        await rig.eventually(learnt, "the limits")
        documents = [await rig.put_new(f"K04/limits/{n}") for n in range(3)]
        done = [await rig.until(d, State.ACCEPTED) for d in documents]
    finally:
        sandbox.call("DELETE", "/v2/testdata/rate-limits", bearer=access)
    assert sandbox.requests()["in_ban"] == 0
    assert [d.attempts for d in done] == [1, 1, 1]


@pytest.mark.parametrize("how", ["foreign_403", "21164"])
async def test_fault_K05_an_original_we_cannot_read_is_a_conflict(
    rig: Rig, sandbox: Sandbox, tmp_path: Path, how: str
) -> None:
    """KSeF names the original but does not show it in this context: never adopted, a person decides."""
    raw = invoice(number=f"K05/{how}", issue_date=rig.today())
    await _send_elsewhere(rig, tmp_path, raw)
    if how == "foreign_403":
        sandbox.fault(DOWNLOAD, how, None)
    document = await rig.put(raw)
    await rig.start()
    if how == "21164":
        assert rig.office is not None
        real = rig.office._tools.ksef.invoice

        async def elsewhere(number: str) -> bytes:
            return await real("5250000021-20261120-0123456789AB-7F")

        rig.office._tools.ksef.invoice = elsewhere  # type: ignore[method-assign]
    clash = await rig.until(document, State.CONFLICT)
    assert clash.ksef_number is None
    assert "nie pokazuje pierwotnej faktury" in clash.reason
    number = sandbox.ledger()[clash.sha256]["ksef_number"]
    told = await _until_event(rig, document, "conflict")
    assert told.data["ksef_number"] == number  # for the administrator; the unit reads the note
    assert number not in told.note + clash.reason


async def test_fault_K11_unknown_fields_are_tolerated(rig: Rig, sandbox: Sandbox) -> None:
    """Every answer of KSeF has grown fields that nobody knows: both roads go on as ever."""
    sandbox.switch(extra_json_fields=True)
    raw = purchase_for_unit(number="K11/in", issue_date=rig.today())
    number = sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"]
    document = await rig.put_new("K11/out")
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    done = await rig.until_upo(document)
    assert done.ksef_number == sandbox.ledger()[done.sha256]["ksef_number"]

    async def there() -> bool | None:
        found = await rig.spool.read(lambda store: store.received_page(limit=1000))
        return number in {r.ksef_number for r in found} or None

    await rig.eventually(there, "the purchase")


async def test_fault_K14_no_receipt_but_the_right_one_is_stored(rig: Rig) -> None:
    """A page, a receipt with another hash, one with a DTD, an empty one: the number stays, the next is asked for."""
    await rig.start()
    assert rig.office is not None
    ksef = rig.office._tools.ksef
    real, given = ksef.upo, []
    other = f"<SkrotDokumentu>{b64encode(bytes(32)).decode()}</".encode()

    async def wrong(session: str, reference: str) -> bytes:
        raw = await real(session, reference)
        bad = [
            b"<html>502</html>",
            re.sub(rb"<SkrotDokumentu>[^<]+</", other, raw),
            raw.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1),
            b"",
        ]
        given.append(len(given))
        return [*bad, raw][min(len(given) - 1, len(bad))]

    ksef.upo = wrong  # type: ignore[method-assign]
    document = await rig.put_new("K14/wrong")
    numbered = await rig.until(document, State.ACCEPTED)
    for count in range(1, 5):

        async def asked(count: int = count) -> bool | None:
            now = await rig.read(document)
            return (len(given) == count and now.next_action_at > rig.clock()) or None

        await rig.eventually(asked, f"receipt {count} refused")
        assert (await rig.read(document)).upo_sha256 is None
        await rig.advance(minutes=11)
    done = await rig.until_upo(document)
    assert done.ksef_number == numbered.ksef_number
    assert (await _moves(rig, document)).count("upo_wrong") == 1


async def test_fault_K13_latarnia_says_all_is_well_while_ksef_is_down(rig: Rig, sandbox: Sandbox) -> None:
    """Nothing is marked sent, no date moves, the probe goes on by KSeF alone, and the document goes when it is back."""
    sandbox.fault("ksef", "http_503", None)
    sandbox.announce(status="AVAILABLE")
    rig.outages = True
    document = await rig.put_new("K13/lie")
    await rig.start()
    assert (await rig.condition("reachable"))["ok"] is False

    async def probed() -> bool | None:
        calls = sandbox.requests()["by_endpoint"]
        return calls.get("GET /v2/security/public-key-certificates", 0) >= 2 or None

    await rig.eventually(probed, "probes")
    waiting = await rig.read(document)
    assert waiting.state in {State.QUEUED, State.UNKNOWN}
    assert (waiting.mode, waiting.ksef_number) == (Mode.ONLINE, None)
    assert waiting.due_safe in {document.due_safe, end_of_day(rig.today())}  # as taken in, or reckoned anew: one day
    sandbox.call("DELETE", "/sandbox/faults")
    assert (await rig.until(document, State.ACCEPTED)).mode is Mode.ONLINE
