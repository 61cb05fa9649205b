"""One send that the line delivered twice: KSeF has two entries of the same bytes, each with its own verdict (K08)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agent.ksef.transport import Answer, Transport
from spool.domain.states import State
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401
from tests.integration.test_agent_forward import SEND, _moves

CODES = ["405", "435", "500", "550"]
LIST = "GET /v2/sessions/{referenceNumber}/invoices"


@pytest.fixture(name="doubled")
def doubled_fixture(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """The first send arrives twice; the answer to the first copy is the one that is heard. Holds both answers."""
    heard: list[Answer] = []
    request = Transport.request

    async def twice(
        self: Transport,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        answer = await request(self, method, url, headers=headers, params=params, content=content)
        if method == "POST" and url.endswith("/invoices") and not heard:
            again = await request(self, method, url, headers=headers, params=params, content=content)
            heard.extend((answer, again))
        return answer

    monkeypatch.setattr(Transport, "request", twice)
    return heard


@pytest.mark.parametrize("code", CODES)
async def test_fault_K08_a_cancelled_twin_of_an_accepted_one_is_adopted(
    rig: Rig, sandbox: Sandbox, doubled: list[Answer], code: str
) -> None:
    """The copy that we hear about is cancelled, the other is registered: its number is ours, and nothing goes again."""
    sandbox.fault(SEND, f"verdict_{code}", 1)
    document = await rig.put_new(f"K08/twin/{code}")
    await rig.start()
    done = await rig.until_upo(document)
    assert len(doubled) == 2
    entry = sandbox.ledger()[document.sha256]
    assert (done.attempts, entry["posts"], entry["ksef_number"]) == (1, 2, done.ksef_number)
    assert "SUBMITTED>QUEUED" not in await _moves(rig, document)


async def test_fault_K08_an_undecided_twin_is_waited_for(rig: Rig, sandbox: Sandbox, doubled: list[Answer]) -> None:
    """Cancelled here, still being judged there: nothing is said to anybody and nothing sent until both are judged."""
    sandbox.fault(SEND, "verdict_550", 1)
    held = sandbox.fault(SEND, "stuck_150", 1)
    document = await rig.put_new("K08/twin/open")
    await rig.start()
    await rig.until(document, State.SUBMITTED)

    async def followed() -> bool | None:
        reference = json.loads(doubled[1].content)["referenceNumber"]
        return (await rig.read(document)).invoice_ref == reference or None

    await rig.eventually(followed, "the undecided copy is the one that is followed")
    waiting = await rig.read(document)
    assert (waiting.state, waiting.attempts) == (State.SUBMITTED, 1)
    sandbox.call("DELETE", f"/sandbox/faults/{held}")
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[document.sha256]["posts"]) == (1, 2)


async def test_fault_K08_both_cancelled_goes_again_once_the_session_is_over(
    rig: Rig, sandbox: Sandbox, doubled: list[Answer]
) -> None:
    """No copy is registered and the list cannot grow any more: the same bytes go into another session, once."""
    sandbox.fault(SEND, "verdict_550", 2)
    document = await rig.put_new("K08/twin/none")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[document.sha256]["posts"]) == (2, 3)
    first, second = await rig.spool.read(lambda store: list(reversed(store.attempt_sessions(document.id))))
    before = await rig.spool.read(lambda store: store.session(first))
    assert first != second
    assert before is not None
    assert before.final_at is not None


async def test_fault_K08_refused_beside_accepted_is_accepted(rig: Rig, sandbox: Sandbox, doubled: list[Answer]) -> None:
    """Even a refusal is held against the list: a unit is never told "refused" about what has its number."""
    sandbox.fault(SEND, "verdict_450", 1)
    document = await rig.put_new("K08/twin/refused")
    await rig.start()
    done = await rig.until(document, State.ACCEPTED, State.REFUSED)
    assert (done.state, done.ksef_number) == (State.ACCEPTED, sandbox.ledger()[document.sha256]["ksef_number"])


async def test_fault_K08_a_list_that_cannot_be_read_lets_nothing_go(
    rig: Rig, sandbox: Sandbox, doubled: list[Answer]
) -> None:
    """Cancelled, and the list gives no answer: the document waits for the list, then takes its twin's number."""
    sandbox.fault(SEND, "verdict_550", 1)
    broken = sandbox.fault(LIST, "http_502", None)
    document = await rig.put_new("K08/twin/unread")
    await rig.start()

    async def asked() -> bool | None:
        return sandbox.requests()["by_endpoint"].get(LIST, 0) >= 2 or None

    await rig.eventually(asked, "the list asked for")
    assert (await rig.read(document)).state is State.SUBMITTED
    sandbox.call("DELETE", f"/sandbox/faults/{broken}")
    done = await rig.until(document, State.ACCEPTED)
    assert (done.attempts, sandbox.ledger()[document.sha256]["posts"]) == (1, 2)
