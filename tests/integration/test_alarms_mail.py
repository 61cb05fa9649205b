"""Warnings by mail through a real SMTP server: sent once, tried again, never lost, and what fails is shown."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alarms.post import KEEP_TRYING, PAUSES, Post, next_try
from gateway.alarms.settings import Alerts
from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import take
from tests.alarms_bench import OFFICE, SCHOOL, Bench, alerts, at, opened
from tests.mail_server import Server, material

SECRET = "canary-Zażółć-0123"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench at 7 on the due day."""
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def server() -> Iterator[Server]:
    """A mail server that has not started yet."""
    found = Server()
    yield found
    found.stop()


async def alarm(bench: Bench, found: Alerts, unit: str = "sp1") -> int:
    """The alarm of 8 in the morning about one document, committed and not mailed."""
    bench.add(f"FV/{unit}", unit=unit)
    bench.now = at(8)
    (number,) = await bench.loop(found).look()
    return number


def post(bench: Bench, found: Alerts, wake: asyncio.Event | None = None, patience: float = 0.05) -> Post:
    """The sender of mail over the bench."""
    assert found.smtp is not None
    return Post(bench.spool, found, bench.clock, wake or asyncio.Event(), patience)


def mails(bench: Bench, number: int) -> dict[str, tuple[int, bool, str]]:
    """Tries, whether it was sent, and the last error, by address."""
    found = bench.spool.read_now(lambda s: s.mails(number))
    return {m.address: (m.tries, m.sent_at is not None, m.error) for m in found}


def shown(bench: Bench) -> list[str]:
    """What the page says about mail."""

    def look(store: Any) -> list[str]:
        return [
            f.sentence
            for f in findings(take(store, [], bench.now))
            if f.level is Level.ALARM and "e-mail" in f.sentence
        ]

    return bench.spool.read_now(look)


async def test_each_address_gets_its_message_once(bench: Bench, server: Server) -> None:
    """One message per address, so that nobody sees the others; a second look sends nothing."""
    found = alerts(server.start().port)
    number = await alarm(bench, found)
    assert await post(bench, found).deliver() == 2
    assert await post(bench, found).deliver() == 0
    assert sorted(server.recipients) == sorted([OFFICE, SCHOOL])
    assert server.taken[0]["Subject"].startswith("Śluza: Szkoła Podstawowa nr 1: 1 faktura")
    assert "FV/sp1" in server.taken[0].get_content()
    assert all(sent for _, sent, _ in mails(bench, number).values())


async def test_a_units_mail_never_tells_of_another_unit(bench: Bench, server: Server) -> None:
    """The school's address gets the school's message only (invariant I7)."""
    found = alerts(server.start().port)
    bench.add("SP1/1/2026")
    bench.add("GOPS/1/2026", unit="gops")
    bench.now = at(8)
    await bench.loop(found).look()
    await post(bench, found).deliver()
    (school,) = [m for m in server.taken if m["To"] == SCHOOL]
    assert "GOPS" not in school.as_string() + school.get_content()
    assert len(server.taken) == 3


async def test_451_is_tried_again_after_a_pause(bench: Bench, server: Server) -> None:
    """Not before its time; who has got it is not asked again; until it went the failure is shown."""
    server.refuse[SCHOOL] = ["451 later"]
    found = alerts(server.start().port)
    number = await alarm(bench, found)
    await post(bench, found).deliver()
    assert mails(bench, number)[SCHOOL] == (1, False, "Serwer poczty odpowiedział: 451 later")
    (sentence,) = shown(bench)
    assert f"do {SCHOOL}. Serwer poczty odpowiedział: 451 later" in sentence
    bench.now += PAUSES[0] - timedelta(seconds=1)
    assert await post(bench, found).deliver() == 0
    bench.now += timedelta(seconds=1)
    assert await post(bench, found).deliver() == 1
    assert sorted(server.recipients) == sorted([OFFICE, SCHOOL])
    assert shown(bench) == []


async def test_a_refused_recipient_harms_no_other(bench: Bench, server: Server) -> None:
    """550 for one address; the others have their message, and the page names the one."""
    server.refuse[OFFICE] = ["550 no such user"]
    found = alerts(server.start().port)
    number = await alarm(bench, found)
    await post(bench, found).deliver()
    assert server.recipients == [SCHOOL]
    assert mails(bench, number)[OFFICE] == (1, False, "Serwer poczty odpowiedział: 550 no such user")
    assert OFFICE in shown(bench)[0]


async def test_a_refused_message_is_tried_again(bench: Bench, server: Server) -> None:
    """The recipient was accepted and the content not: that is no delivery either."""
    server.data = ["452 disk full"]
    found = alerts(server.start().port)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert mails(bench, number)[OFFICE] == (1, False, "Serwer poczty odpowiedział: 452 disk full")


async def test_a_server_that_is_down_and_comes_up(bench: Bench, server: Server) -> None:
    """Every message waits, with the reason, and goes when somebody answers; a restart loses none."""
    found = alerts(server.port)
    number = await alarm(bench, found)
    await post(bench, found).deliver()
    assert all("nie odpowiada" in error for _, _, error in mails(bench, number).values())
    assert len(shown(bench)) == 1
    bench.restart()
    server.start()
    bench.now += PAUSES[0]
    await post(bench, found).deliver()
    assert len(server.taken) == 2
    assert shown(bench) == []


async def test_a_crash_after_the_server_took_it_sends_twice_never_zero_times(
    bench: Bench, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit did not happen: the next process sends again, with the same Message-ID."""
    found = alerts(server.start().port)
    await alarm(bench, found, "gops")
    dying = post(bench, found)

    async def die(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(dying, "_record", die)
    with pytest.raises(SystemExit):
        await dying.deliver()
    bench.restart()
    await post(bench, found).deliver()
    assert server.recipients == [OFFICE, OFFICE]
    assert server.taken[0]["Message-ID"] == server.taken[1]["Message-ID"]


async def test_after_three_days_nobody_tries_any_more(bench: Bench, server: Server) -> None:
    """A warning of last week helps nobody; that it never went is still shown."""
    found = alerts(server.port)
    await alarm(bench, found)
    await post(bench, found).deliver()
    bench.now += KEEP_TRYING + timedelta(minutes=1)
    server.start()
    assert await post(bench, found).deliver() == 0
    assert len(shown(bench)) == 1


async def test_a_clock_that_goes_back_does_not_silence_the_mail(bench: Bench, server: Server) -> None:
    """The next try lies further ahead than any pause: it was written by the old clock, and is due."""
    found = alerts(server.port)
    await alarm(bench, found)
    bench.now += timedelta(days=1)
    await post(bench, found).deliver()
    bench.now -= timedelta(days=1)
    server.start()
    assert await post(bench, found).deliver() == 2


def test_pauses_grow_and_have_an_end() -> None:
    """Half a minute first, half an hour at last."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    gaps = [next_try(now, tries) - now for tries in range(9)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (timedelta(seconds=30), timedelta(minutes=30))


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_encrypted_with_a_login(bench: Bench, server: Server, tmp_path: Path, mode: str) -> None:
    """Both kinds of TLS, checked against the one extra CA; name and password from a file."""
    secured = material(tmp_path / "tls", datetime.now(UTC))
    password = tmp_path / "haslo"
    password.write_text(SECRET + "\n", encoding="utf-8")
    password.chmod(0o600)
    server.start(mode, secured, SECRET)
    found = alerts(server.port, tls=mode, user="sluza", password_file=password, extra_ca=secured.ca)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert mails(bench, number)[OFFICE] == (1, True, "")
    assert server.encrypted == [True]
    assert server.logins == ["sluza"]


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    bench: Bench, server: Server, tmp_path: Path, mode: str
) -> None:
    """Verification cannot be switched off (faults X24)."""
    secured = material(tmp_path / "tls", datetime.now(UTC))
    server.start(mode, secured)
    found = alerts(server.port, tls=mode)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert "połączenia szyfrowanego nie udało się sprawdzić" in mails(bench, number)[OFFICE][2]
    assert server.taken == []


async def test_a_missing_ca_is_told_by_its_field(bench: Bench, server: Server, tmp_path: Path) -> None:
    """Not as a server that does not answer."""
    found = alerts(server.start().port, tls="tls", extra_ca=tmp_path / "none.pem")
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert "„network.extra_ca”" in mails(bench, number)[OFFICE][2]


async def test_starttls_is_not_given_up(bench: Bench, server: Server) -> None:
    """A server, or somebody in between, that does not offer it gets no mail in the clear."""
    found = alerts(server.start().port, tls="starttls")
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert mails(bench, number)[OFFICE][1] is False
    assert server.taken == []


async def test_a_wrong_password_is_told_without_it(
    bench: Bench, server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The page says that the login was refused; the password is in no log and in no row (faults X22)."""
    password = tmp_path / "haslo"
    password.write_text(SECRET, encoding="utf-8")
    password.chmod(0o600)
    server.start(password="another")
    found = alerts(server.port, user="sluza", password_file=password)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    error = mails(bench, number)[OFFICE][2]
    assert "nie przyjął loginu i hasła" in error
    assert SECRET not in error
    assert SECRET not in "".join(capfd.readouterr())
    stored = [file.read_bytes() for file in tmp_path.glob("spool.db*")]  # noqa: ASYNC240 - a test may block
    assert SECRET.encode() not in b"".join(stored)


async def test_a_password_file_open_to_everybody_sends_nothing(bench: Bench, server: Server, tmp_path: Path) -> None:
    """It is read anew each time, and checked each time (faults X23)."""
    password = tmp_path / "haslo"
    password.write_text(SECRET, encoding="utf-8")
    password.chmod(0o644)
    found = alerts(server.start().port, user="sluza", password_file=password)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert "alerts.password_file" in mails(bench, number)[OFFICE][2]
    assert server.taken == []


async def test_an_answer_of_the_server_cannot_break_a_line(bench: Bench, server: Server) -> None:
    """What a hostile server says is shown on one line, without control characters (faults X14)."""
    server.refuse[OFFICE] = ["550 \x1b[31mred\x07"]
    found = alerts(server.start().port)
    number = await alarm(bench, found, "gops")
    await post(bench, found).deliver()
    assert mails(bench, number)[OFFICE][2].isprintable()


async def test_the_loop_sends_as_soon_as_an_alarm_is_committed(bench: Bench, server: Server) -> None:
    """Woken by it, not by its patience; and it ends when asked."""
    found = alerts(server.start().port)
    bench.add("FV/1", unit="gops")
    bench.now = at(8)
    loop, stop = bench.loop(found), asyncio.Event()
    running = asyncio.ensure_future(post(bench, found, loop.raised, patience=600).run(stop))
    await asyncio.sleep(0)
    await loop.look()
    assert await asyncio.to_thread(server.arrived.wait, 60)
    stop.set()
    await asyncio.wait_for(running, 60)
    assert server.recipients == [OFFICE]


async def test_a_server_that_never_answers_holds_up_nobody(bench: Bench) -> None:
    """The look goes on while the mail hangs, and the stop does not wait for it."""
    hanging = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    found = alerts(hanging.sockets[0].getsockname()[1])
    loop, stop = bench.loop(found, look=0.05), asyncio.Event()
    bench.add("FV/1")
    bench.now = at(8)
    await loop.look()
    sending = asyncio.ensure_future(post(bench, found, loop.raised).run(stop))
    bench.now = at(12)
    await asyncio.wait_for(loop.look(), 60)
    assert bench.steps() == ["morning", "noon"]
    stop.set()
    await asyncio.wait_for(sending, 60)
    hanging.close()
