"""Signing in by the word of a reverse proxy: whom it lets in, and everything that must not (faults X18, X21)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.settings import Proxy
from spool.domain.accounts import Role
from spool.domain.ledger import Event
from tests.http_bench import NOW, SCHOOL, WELFARE, Answer, Bench, running, school_invoice, welfare_invoice

HEADER = "X-Remote-User"
HERE = Proxy(HEADER, ("::1", "127.0.0.1"))
ELSEWHERE = Proxy(HEADER, ("192.0.2.7",))


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One for all tests here; who changes an account has one of the own."""
    async with running(tmp_path_factory.mktemp("proxy"), proxy=HERE) as started:
        await started.enter("anna", Role.COORDINATOR, name="Anna Nowak")
        await started.enter("szkola", Role.ACCOUNTANT, SCHOOL)
        for login in ("blocked", "new", "no.cookies"):
            await started.enter(login, Role.COORDINATOR)
        yield started


async def ask(bench: Bench, login: str | None, path: str = "/", cookie: str = "", **headers: str) -> Answer:
    """A page as the proxy asks for it after it asked the person."""
    sent = {HEADER: login} if login is not None else {}
    if cookie:
        sent["Cookie"] = f"sluza={cookie}"
    return await bench.admin(path, sent | {k.replace("_", "-"): v for k, v in headers.items()}, who=None)


async def enter(bench: Bench, login: str) -> str:
    """The cookie of a session that the proxy opened."""
    return cookie_of(await ask(bench, login, Sec_Fetch_Site="none"))


def cookie_of(answer: Answer) -> str:
    found = re.match(r"sluza=([^;]+);", answer.headers.get("Set-Cookie", ""))
    return found[1] if found else ""


async def events(bench: Bench, login: str) -> list[Event]:
    return await bench.spool.read(lambda store: store.history(f"account:{login}"))


async def test_whom_the_proxy_names_is_in_without_a_password(bench: Bench) -> None:
    """To the page that was asked for, with the role and the units of the account, and the history says how."""
    answer = await ask(bench, " Anna ", "/faktury?stan=czekaja", Sec_Fetch_Site="none")
    assert (answer.status, answer.headers["Location"]) == (303, "/faktury?stan=czekaja")
    cookie = cookie_of(answer)
    assert b"Anna Nowak" in (await ask(bench, "anna", "/faktury", cookie)).body
    last = (await events(bench, "anna"))[-1]
    assert (last.move, last.note) == ("signed_in", "Zalogowano: tożsamość potwierdził serwer pośredniczący.")
    assert last.data == {"address": "127.0.0.1", "way": "proxy"}


async def test_led_here_by_another_site_one_comes_in_too(bench: Bench) -> None:
    """A browser keeps a strict cookie to itself on redirects that another site began: the page leads on by itself."""
    answer = await ask(bench, "anna", "/awarie", Sec_Fetch_Site="cross-site")
    assert (answer.status, answer.headers["Refresh"]) == (200, "0; url=/awarie")
    assert (await ask(bench, "anna", "/awarie", cookie_of(answer))).status == 200


async def test_fault_X14_a_login_that_nobody_has_is_one_line_of_the_log(bench: Bench) -> None:
    """The administrator reads which login the proxy gave, without what could forge another line."""
    with capture_logs() as logs:
        await ask(bench, "A.Nowak@URZAD.LOCAL\u202e\u2028" + "x" * 200, "/logowanie")
    told = next(entry["login"] for entry in logs if entry["event"] == "vouched_for_nobody")
    assert told.startswith("a.nowak@urzad.local")
    assert (len(told) < 100, told.isprintable()) == (True, True)


async def test_inv_I7_the_proxy_gives_nobody_more_than_the_account(bench: Bench) -> None:
    """An accountant that the proxy names sees the own unit's documents only."""
    own = await bench.post(school_invoice("SP1/1/2026"))
    foreign = await bench.post(welfare_invoice("GOPS/1/2026"), unit=WELFARE)
    cookie = await enter(bench, "szkola")
    seen = [(await ask(bench, "szkola", f"/faktury/{a.json['id']}", cookie)).status for a in (own, foreign)]
    assert seen == [200, 404]
    assert (await ask(bench, "szkola", "/konta", cookie)).status == 403


async def test_fault_X18_the_header_counts_only_from_the_proxy(tmp_path: Path) -> None:
    """From any other address it is ignored, and the log says so; without the setting it is nothing at all."""
    for proxy, told in ((ELSEWHERE, ["login_header_ignored"]), (None, [])):
        async with running(tmp_path / str(proxy is None), proxy=proxy) as bench:
            with capture_logs() as logs:
                answer = await ask(bench, "admin")
            assert (answer.status, answer.headers["Location"]) == (303, "/logowanie")
            assert "Set-Cookie" not in answer.headers
            assert [entry["event"] for entry in logs if entry["event"].startswith("login_header")] == told
            assert b'name="password"' in (await ask(bench, "admin", "/logowanie")).body


TWICE, NOBODY = (400, "więcej niż raz"), (403, "którego w Śluzie nie ma")
NAMING_NOBODY: tuple[tuple[tuple[str, ...], tuple[int, str]], ...] = (
    (("anna", "admin"), TWICE),
    (("anna", "anna"), TWICE),
    (("nikt",), NOBODY),
    (("anna, admin",), NOBODY),
    (("ańńa",), NOBODY),
    (("' OR 1=1 --",), NOBODY),
    (("(null)",), NOBODY),
    (("a" * 3000,), NOBODY),
    (("",), (200, "")),
    (("  ",), (200, "")),
)


async def test_fault_X21_a_header_that_names_nobody_opens_nothing(bench: Bench) -> None:
    """Twice, unknown, no login at all, or empty: no session; the door says why, and takes a local password."""
    url, before = f"http://127.0.0.1:{bench.admin_port}", await bench.spool.read(lambda store: store.last_link())
    for names, (status, words) in NAMING_NOBODY:
        headers = [(HEADER, name) for name in names]
        async with bench.session.get(f"{url}/konta", headers=headers, allow_redirects=False) as answer:
            assert (names, answer.status, answer.headers.get("Location")) == (names, 303, "/logowanie")
            assert "Set-Cookie" not in answer.headers
        async with bench.session.get(f"{url}/logowanie", headers=headers) as door:
            page = await door.text()
        assert (names, door.status, 'name="password"' in page) == (names, status, True)
        assert words in page
    assert await bench.spool.read(lambda store: store.last_link()) == before


async def test_fault_X18_the_cookie_opens_nothing_without_the_proxy(bench: Bench) -> None:
    """Stolen, or after the proxy signed the person out, or when it names somebody else: the session is over."""
    for other in (None, "", "szkola"):
        cookie = await enter(bench, "anna")
        answer = await ask(bench, other, "/awarie", cookie, Sec_Fetch_Site="none")
        assert answer.status == 303
        again = await ask(bench, "anna", "/awarie", cookie, Sec_Fetch_Site="none")
        assert (again.status, cookie_of(again) not in {"", cookie}) == (303, True)
    form = await bench.admin("/awarie", {HEADER: "anna"}, "POST", who=None, form={})
    assert form.status == 401


async def test_fault_X21_a_blocked_account_is_out_at_once(bench: Bench) -> None:
    """Also in the middle of a session; the proxy's word changes nothing about it."""
    cookie = await enter(bench, "blocked")
    await bench.spool.write(lambda store: store.set_active("blocked", False, NOW, "admin"))
    assert (await ask(bench, "blocked", "/awarie", cookie)).headers["Location"] == "/logowanie"
    door = await ask(bench, "blocked", "/logowanie", cookie)
    assert (door.status, "konto jest wyłączone" in door.body.decode()) == (403, True)


async def test_no_local_password_is_asked(bench: Bench) -> None:
    """Not to change one either: a password that somebody else set is nothing to whom the proxy vouches for."""
    await bench.spool.write(lambda store: store.set_password("new", "x", NOW, "admin", must_change=True))
    cookie = await enter(bench, "new")
    assert (await ask(bench, "new", "/faktury", cookie)).status == 200
    assert b'aria-current="page"' in (await ask(bench, "new", "/faktury", cookie)).body


async def test_leaving_ends_the_session_and_tells_that_the_proxy_goes_on(bench: Bench) -> None:
    """The door does not let in again by itself: it says how to leave altogether, and has a way in."""
    cookie = await enter(bench, "anna")
    token = re.search(r'name="token" value="([^"]+)"', (await ask(bench, "anna", "/haslo", cookie)).body.decode())
    assert token is not None
    sent = {HEADER: "anna", "Cookie": f"sluza={cookie}"}
    left = await bench.admin("/wyloguj", sent, "POST", who=None, form={"token": token[1]})
    assert (left.status, left.headers["Location"]) == (303, "/logowanie")
    door = (await ask(bench, "anna", "/logowanie")).body.decode()
    assert "nadal potwierdza, że to <strong>anna</strong>" in door
    assert 'name="password"' not in door
    assert '<a class="button" href="/">Wejdź ponownie</a>' in door


async def test_a_browser_without_cookies_does_not_go_round_for_ever(bench: Bench) -> None:
    """After some rounds it is told what is wrong, and the history is written no further; others are not braked."""
    cookie = await enter(bench, "szkola")
    answers = [await ask(bench, "no.cookies", Sec_Fetch_Site="none", Accept="text/html") for _ in range(31)]
    statuses = [answer.status for answer in answers]
    assert (statuses[:30], statuses[30:]) == ([303] * 30, [429])
    assert "Przeglądarka nie zachowuje ciasteczka" in answers[-1].body.decode()
    assert (await ask(bench, "szkola", "/", cookie)).status == 200
