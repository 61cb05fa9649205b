"""The page of alarms: what was told, how it went, and who may send a message of trial."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spool.domain.accounts import Role
from spool.domain.letters import MAIL, WEBHOOK, NewLetter
from spool.domain.troubles import Plan, Seen
from spool.store import Store
from tests.http_bench import NOW, SCHOOL, Bench, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Pages over a fresh spool, without any way out."""
    async with running(tmp_path) as started:
        yield started


async def test_what_was_told_is_shown_with_its_delivery(bench: Bench) -> None:
    """The trouble, the letter, to whom it went and why it did not; markup in a sentence is text."""
    seen = Seen("paused:gmina", "Wysyłka <b>stoi</b>.", grave=True)
    ways = ((MAIL, "biuro@gmina.example"), (WEBHOOK, "alarmy.gmina.example"))

    def work(store: Store) -> None:
        letter = NewLetter("trouble:1", "trouble", seen.sentence, "tekst", {}, ways)
        store.carry_out(Plan(begun=(seen,), tell=(seen,)), letter, NOW)
        by_mail = store.letters_to_send(MAIL, NOW, NOW, 9)[0]
        store.mail_failed(by_mail, "Serwer poczty nie odpowiada.", NOW)
        store.mail_sent(store.letters_to_send(WEBHOOK, NOW, NOW, 9)[0], NOW)

    await bench.spool.write(work)
    text = (await bench.admin("/alarmy")).body.decode()
    assert "Wysyłka &lt;b&gt;stoi&lt;/b&gt;." in text
    assert "biuro@gmina.example: Serwer poczty nie odpowiada." in text
    assert "webhook alarmy.gmina.example: wysłano" in text
    assert "trwa" in text


async def test_a_trial_is_for_administrators_and_says_what_is_missing(bench: Bench) -> None:
    """Others see the page without the button and cannot post; accountants of a unit do not see it at all."""
    await bench.enter("anna", Role.COORDINATOR)
    await bench.enter("ewa", Role.ACCOUNTANT, SCHOOL)
    assert "Wyślij wiadomość próbną" not in (await bench.admin("/alarmy", who="anna")).body.decode()
    assert (await bench.admin("/alarmy", method="POST", who="anna", form={})).status == 403
    assert (await bench.admin("/alarmy", who="ewa")).status == 403
    assert "Wyślij wiadomość próbną" in (await bench.admin("/alarmy")).body.decode()
    answer = await bench.admin("/alarmy", method="POST", form={})
    assert (answer.status, "[alerts]" in answer.body.decode()) == (409, True)
