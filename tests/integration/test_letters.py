"""Letters about what is wrong: by mail and webhook, over a real spool and real servers on loopback."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alarms.post import Post
from gateway.alarms.settings import NO_QUIET, Alerts, Summary, Webhook
from gateway.alarms.settings import read as read_alerts
from gateway.alarms.stopped import tell
from gateway.alarms.trial import trial
from gateway.alarms.troubles import Troubles
from spool.domain.errors import ConfigError
from spool.domain.states import State
from spool.domain.stopped import Why
from spool.domain.troubles import SETTLED
from spool.toml import Table
from tests.alarms_bench import OFFICE, RULES, Bench, alerts, at, opened
from tests.hook_server import Hook
from tests.mail_server import Server, material

SECRET = "sekret-do-podpisu-wiadomosci-0123"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench at 7 in the morning."""
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A program that takes webhooks."""
    found = Hook().start()
    yield found
    found.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    """A mail server."""
    found = Server().start()
    yield found
    found.stop()


def to_hook(directory: Path, hook: Hook, scheme: str = "http", extra_ca: Path | None = None) -> Webhook:
    """The settings of that webhook."""
    secret = directory / "hook.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    return Webhook(f"{scheme}://127.0.0.1:{hook.port}/in/tajna-sciezka", "127.0.0.1", secret, extra_ca)


def loop(bench: Bench, found: Alerts) -> Troubles:
    """The loop over the bench."""
    return Troubles(bench.spool, RULES, found, bench.clock, asyncio.Event(), 0.05)


def paused(bench: Bench, on: bool = True, context: str = "gmina") -> None:
    """A condition that needs a person comes or goes."""
    value = {"reason": "Token wygasł.", "hint": "Proszę podać nowy."} if on else None
    bench.spool.write_now(lambda s: s.set_condition(context, "paused", value, bench.now))


def letters(bench: Bench) -> list[tuple[str, str]]:
    """Subject and text of all letters, the oldest first."""
    return bench.spool.read_now(
        lambda s: [(r["subject"], r["text"]) for r in s._db.execute("SELECT * FROM letter ORDER BY id")]
    )


async def pass_minutes(bench: Bench, looking: Troubles, minutes: int) -> None:
    """Look every three minutes."""
    for _ in range(0, minutes, 3):
        await looking.look()
        bench.now += timedelta(minutes=3)
        looking._looker._kept.clear()  # a snapshot is kept for a second of real time


async def test_told_once_together_and_again_when_it_is_over(bench: Bench) -> None:
    """Two contexts stop: one letter about both; they go on: one letter that says so; and nothing else."""
    looking = loop(bench, alerts(25))
    paused(bench)
    paused(bench, context="druga")
    await pass_minutes(bench, looking, 21)
    assert [subject for subject, _ in letters(bench)] == ["2 sprawy wymagają uwagi"]
    paused(bench, on=False)
    paused(bench, on=False, context="druga")
    await pass_minutes(bench, looking, 21)
    (_, (subject, text)) = letters(bench)
    assert subject == "2 sprawy wróciły do normy"
    assert text.count("- już nie: Wysyłka „") == 2


async def test_a_restart_tells_nothing_twice(bench: Bench) -> None:
    """What was told stays told, because it is a row."""
    paused(bench)
    await pass_minutes(bench, loop(bench, alerts(25)), 10)
    bench.restart()
    await pass_minutes(bench, loop(bench, alerts(25)), 10)
    assert len(letters(bench)) == 1


async def test_what_comes_and_goes_within_minutes_is_no_letter(bench: Bench) -> None:
    """A pause of three minutes, twice, with rest in between: nobody hears of it."""
    looking = loop(bench, alerts(25))
    for _ in range(2):
        paused(bench)
        await pass_minutes(bench, looking, 3)
        paused(bench, on=False)
        await pass_minutes(bench, looking, int(SETTLED.total_seconds() // 60) + 5)
    assert letters(bench) == []


async def test_a_refusal_nobody_mends_is_told_after_three_days(bench: Bench) -> None:
    """Not when the same number has come again."""
    document = bench.add("FV/1")
    other = bench.add("FV/2")
    for one in (document, other):
        bench.spool.write_now(lambda s, one=one: s.move(one.id, State.REFUSED, bench.now, "x", "y"))  # type: ignore[misc]
    bench.now += timedelta(hours=1)
    bench.spool.write_now(lambda s: s._db.execute("UPDATE document SET number_key = 'X' WHERE id = ?", (other.id,)))
    looking = loop(bench, replace(alerts(25), refused_days=3))
    await looking.look()
    assert letters(bench) == []
    bench.now = at(12) + timedelta(days=3)
    looking._looker._kept.clear()
    await looking.look()
    ((_, text),) = letters(bench)
    assert "2 faktury czekają na poprawę od co najmniej 3 dni" in text


async def test_a_webhook_is_signed_and_says_what_the_letter_says(bench: Bench, hook: Hook, tmp_path: Path) -> None:
    """The signature is made of timestamp and body; the body has codes and sentences, and the name of the message."""
    found = Alerts(webhook=to_hook(tmp_path, hook), quiet=NO_QUIET)
    paused(bench)
    await pass_minutes(bench, loop(bench, found), 9)
    post = Post(bench.spool, found, bench.clock, asyncio.Event(), 0.05)
    assert await post.deliver() == 1
    assert await post.deliver() == 0
    ((path, headers, body),) = hook.taken
    signed = headers["X-Sluza-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert (path, headers["X-Sluza-Signature"]) == ("/in/tajna-sciezka", f"sha256={expected}")
    told = json.loads(body)
    assert (told["schema"], told["kind"], told["id"]) == ("sluza-alert/1", "trouble", headers["Idempotency-Key"])
    assert [(t["code"], t["level"]) for t in told["data"]["troubles"]] == [("paused:gmina", "alarm")]


async def test_a_deadline_goes_to_the_webhook_too_without_invoice_numbers(
    bench: Bench, hook: Hook, tmp_path: Path
) -> None:
    """By night as well: quiet hours are not for deadlines."""
    found = Alerts(webhook=to_hook(tmp_path, hook))
    bench.add("FV/TAJNY/1")
    bench.now = at(23, 50)
    await bench.loop(found).look()
    await Post(bench.spool, found, bench.clock, asyncio.Event(), 0.05).deliver()
    ((_, _, body),) = hook.taken
    told = json.loads(body)
    assert (told["kind"], told["data"]["step"], told["data"]["documents"]) == ("deadline", "minutes_15", 1)
    assert b"TAJNY" not in body


async def test_fault_X15_a_webhook_that_redirects_is_not_followed(bench: Bench, hook: Hook, tmp_path: Path) -> None:
    """The canary behind the redirect hears nothing; the message waits and is tried again later."""
    canary = Hook().start()
    hook.answers, hook.location = [307, 302, 301], f"http://127.0.0.1:{canary.port}/canary"
    found = Alerts(webhook=to_hook(tmp_path, hook), quiet=NO_QUIET)
    paused(bench)
    await pass_minutes(bench, loop(bench, found), 9)
    post = Post(bench.spool, found, bench.clock, asyncio.Event(), 0.05)
    for _ in range(3):
        assert await post.deliver() == 1
        assert await post.deliver() == 0  # not before its time
        bench.now += timedelta(hours=1)
    assert (await post.deliver(), await post.deliver()) == (1, 0)
    assert [len(hook.taken), len(canary.taken)] == [4, 0]
    canary.stop()


async def test_fault_X15_the_webhook_needs_a_certificate_that_counts(bench: Bench, tmp_path: Path) -> None:
    """With the town's own CA in `extra_ca` it goes; without it nothing is sent, and the sentence names no path."""
    secured = material(tmp_path / "tls", bench.now)
    assert secured.ca is not None
    safe = Hook().start(secured)
    answers = [
        (await trial(Alerts(webhook=to_hook(tmp_path, safe, "https", ca)), [], bench.clock))[0]
        for ca in (None, secured.ca)
    ]
    safe.stop()
    assert [a.sent for a in answers] == [False, True]
    assert "nie udało się sprawdzić" in answers[0].answer
    assert "tajna" not in answers[0].answer
    assert len(safe.taken) == 1


async def test_that_a_program_has_stopped_is_told_past_the_spool(
    bench: Bench, server: Server, hook: Hook, tmp_path: Path
) -> None:
    """By mail to those who look after the server, once each, and to the webhook; at any hour; the spool has no row."""
    found = replace(alerts(server.port), webhook=to_hook(tmp_path, hook), recipients=("it@gmina.example",))
    found = replace(found, on_call=("dyzur@gmina.example", "it@gmina.example"))
    answers = await tell(found, "gateway", Why.FAILING, bench.clock)
    assert [(a.address, a.sent) for a in answers] == [
        ("it@gmina.example", True), ("dyzur@gmina.example", True), ("127.0.0.1", True),
    ]  # fmt: skip
    assert "(gateway) nie działa" in server.taken[0]["Subject"]
    assert "/var/log/sluza/gateway.log" in server.taken[0].get_content()
    assert json.loads(hook.taken[0][2])["kind"] == "stopped"
    assert letters(bench) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"webhook": "http://alarmy.example/x"}, "alerts.webhook"),
        ({"webhook": "ftp://alarmy.example/x"}, "alerts.webhook"),
        ({"webhook": "file:///etc/passwd"}, "alerts.webhook"),
        ({"webhook": "https://169.254.169.254/latest"}, "alerts.webhook_hosts"),
        ({"webhook": "https://alarmy.example.zly.example/x"}, "alerts.webhook_hosts"),
        ({"webhook": "https://alarmy.example@zly.example/x"}, "alerts.webhook"),
        ({"webhook": "https://[::1/x"}, "alerts.webhook"),
        ({"webhook": "https://alarmy.example/x", "webhook_secret_file": ""}, "alerts.webhook_secret_file"),
        ({"quiet_hours": "wieczorem"}, "alerts.quiet_hours"),
        ({"summary": {"recipients": ["skarbnik@gmina.example"]}}, "alerts.smtp"),
        ({"summary": {"hour": "7"}}, "alerts.summary.hour"),
    ],
)
def test_fault_X15_settings_let_the_webhook_go_nowhere_else(given: dict[str, Any], field: str, tmp_path: Path) -> None:
    """Only https, only a listed host, no credentials in the address; the error names the field."""
    table = {"webhook_hosts": ["alarmy.example"], "webhook_secret_file": "s"} | given
    with pytest.raises(ConfigError) as caught:
        read_alerts(Table("", {"alerts": table}, tmp_path))
    assert f"„{field}”" in str(caught.value)


async def test_the_daily_summary_goes_once_on_working_days(bench: Bench, server: Server) -> None:
    """After its hour, once, also after a restart; not on a Sunday; on Monday it tells of Friday evening, too."""
    found = replace(alerts(server.port), summary=Summary(("skarbnik@gmina.example",), time(7, 15)), quiet=NO_QUIET)
    bench.now = at(7, 14)
    await loop(bench, found).look()
    assert letters(bench) == []
    bench.now = at(7, 15)
    await loop(bench, found).look()
    bench.now = at(16)
    bench.add("FV/7", at(23, 59, day=date(2026, 11, 25)))
    for day in (0, 1, 2):  # Friday, Saturday, Sunday
        bench.now = at(16) + timedelta(days=day)
        bench.restart()
        await loop(bench, found).look()
    assert len(letters(bench)) == 1
    bench.now = at(8, day=date(2026, 11, 23))
    await loop(bench, found).look()
    _, (subject, text) = letters(bench)
    assert subject == "podsumowanie dnia 23.11.2026"
    assert "podsumowanie od 20.11.2026, godz. 07:15 do 23.11.2026, godz. 08:00" in text
    assert "Przyjęto do wysłania:                 1\n" in text
    assert "- 25.11.2026, godz. 23:59: FV/7 (sp1)" in text
    await Post(bench.spool, found, bench.clock, asyncio.Event(), 0.05).deliver()
    assert [str(m["To"]) for m in server.taken] == ["skarbnik@gmina.example"]  # Friday's was given up after three days


async def test_fault_X14_a_name_with_line_breaks_stays_one_line(bench: Bench, server: Server) -> None:
    """What a condition says goes into one line of the text and into no header of its own."""
    value = {"reason": "zły\r\nBcc: kto@inny.example\x1b[31m\u202e", "hint": ""}
    bench.spool.write_now(lambda s: s.set_condition("gmina", "paused", value, bench.now))
    found = replace(alerts(server.port), quiet=NO_QUIET)
    await pass_minutes(bench, loop(bench, found), 9)
    await Post(bench.spool, found, bench.clock, asyncio.Event(), 0.05).deliver()
    (message,) = server.taken
    assert (str(message["To"]), message["Bcc"]) == (OFFICE, None)
    body = message.get_content()
    assert not {"\x1b", "\u202e"} & set(body)
    assert not any(line.startswith("Bcc:") for line in body.splitlines())


async def test_guessed_passwords_are_told_for_an_hour(bench: Bench) -> None:
    """By the name of the account; an hour later it is over, and only new guesses begin anew."""
    looking = loop(bench, alerts(25))
    bench.spool.write_now(lambda s: s.login_failed("anna", bench.now, "10.0.0.1", 6))
    await pass_minutes(bench, looking, 3)
    ((subject, _),) = letters(bench)
    assert "Na konto „anna” wielokrotnie podano błędne hasło." in subject
    bench.now += timedelta(hours=1)
    await pass_minutes(bench, looking, 15)
    assert [s for s, _ in letters(bench)][1:] == [f"wróciło do normy: {subject}"[:160]]
