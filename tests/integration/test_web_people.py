"""People at the pages: signing in, sessions, who may do what, whose documents one sees (faults X17 to X21, I7)."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from gateway.folders import layout
from gateway.folders.layout import CENTRAL
from gateway.web.app import OPEN, PAGES
from spool.domain.accounts import RIGHTS, SESSION_IDLE, SESSION_LIFE, Right, Role
from spool.domain.states import State
from tests.http_bench import NOW, SCHOOL, WELFARE, Answer, Bench, running, school_invoice, welfare_invoice

PASSWORD = "dziewiec-zielonych-krzesel"
OTHER = "calkiem-inne-haslo-2026"


class Wall:
    """A clock for sessions that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def bench(tmp_path: Path, wall: Wall) -> AsyncIterator[Bench]:
    async with running(tmp_path, wall=wall) as started:
        yield started


async def sign_in(bench: Bench, login: str, password: str, code: str = "", **headers: str) -> Answer:
    """What the form of the door answers."""
    form = {"login": login, "password": password, "code": code}
    return await bench.admin("/logowanie", headers, "POST", who=None, form=form)


def cookie_of(answer: Answer) -> str:
    """The cookie that an answer gives; empty when it gives none."""
    found = re.match(r"sluza=([^;]+);", answer.headers.get("Set-Cookie", ""))
    return found[1] if found else ""


async def test_fault_X18_a_session_begins_with_a_cookie_of_its_own(bench: Bench) -> None:
    """The cookie is new each time, HttpOnly, SameSite=Strict, and none of the visitor's choice."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    first = await sign_in(bench, "anna", PASSWORD, Cookie="sluza=chosen-by-another")
    second = await sign_in(bench, " Anna ", PASSWORD)
    cookies = {cookie_of(first), cookie_of(second)}
    assert len(cookies) == 2
    assert "chosen-by-another" not in cookies
    assert (first.status, first.headers["Location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(first.headers["Set-Cookie"].split("; "))
    bench.cookies["anna"] = cookie_of(first)
    assert "Osoba anna" in (await bench.admin("/", who="anna")).body.decode()


async def test_fault_X17_nobody_learns_which_accounts_there_are(bench: Bench) -> None:
    """An unknown login, one too long to be any, a wrong password, a disabled account: the same status and page."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    await bench.enter("piotr", Role.COORDINATOR, password=PASSWORD)
    await bench.spool.write(lambda store: store.set_active("piotr", False, NOW, "test"))
    tried = (("nikt", "x"), ("n" * 101, "x"), ("anna", "x"), ("piotr", PASSWORD))
    answers = [await sign_in(bench, who, word) for who, word in tried]
    assert {a.status for a in answers} == {401}
    assert len({a.body for a in answers}) == 1
    assert not any(cookie_of(a) for a in answers)


async def test_fault_X17_guessing_is_braked_and_the_owner_is_not_locked_out(bench: Bench) -> None:
    """After six wrong passwords even the right one waits from there, another account need not; it is on record."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    await bench.enter("piotr", Role.COORDINATOR, password=PASSWORD)
    statuses = [(await sign_in(bench, "anna", f"zgaduje-{n}")).status for n in range(6)]
    braked = await sign_in(bench, "anna", PASSWORD)
    assert (statuses, braked.status) == ([401] * 6, 429)
    assert int(braked.headers["Retry-After"]) > 0
    assert (await sign_in(bench, "piotr", PASSWORD)).status == 303
    moves = [e.move for e in await bench.spool.read(lambda store: store.history("account:anna"))]
    assert "sign_in_failed" in moves


async def test_fault_X17_a_password_from_others_opens_only_its_own_change(bench: Bench) -> None:
    """Whatever is asked for leads to the change; a weak or repeated one is refused; then everything is open."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    made = await bench.spool.read(lambda store: store.password_of("anna")[0])
    await bench.spool.write(lambda s: s.set_password("anna", made, NOW, "admin", must_change=True))
    bench.cookies["anna"] = cookie_of(await sign_in(bench, "anna", PASSWORD))
    token = await bench.spool.read(lambda store: store._db.execute("SELECT token FROM login WHERE account = 'anna'"))
    sent = {"token": token.fetchone()["token"], "old": PASSWORD}
    for path in ("/", "/faktury", "/historia", "/kody"):
        assert (await bench.admin(path, who="anna")).headers["Location"] == "/haslo"
    for new, sentence in (("krotkie", "co najmniej 12"), (PASSWORD, "takie samo"), ("anna-anna-anna", "zbyt łatwe")):
        answer = await bench.admin("/haslo", method="POST", who="anna", form=sent | {"new": new, "again": new})
        assert (answer.status, sentence in answer.body.decode()) == (422, True)
    answer = await bench.admin("/haslo", method="POST", who="anna", form=sent | {"new": OTHER, "again": OTHER})
    assert answer.status == 303
    assert (await bench.admin("/", who="anna")).status == 303  # the session of the old password is over
    bench.cookies["anna"] = cookie_of(answer)
    assert (await bench.admin("/", who="anna")).status == 200
    assert (await sign_in(bench, "anna", PASSWORD)).status == 401


async def test_fault_X18_sessions_end(bench: Bench, wall: Wall) -> None:
    """Unused for half an hour, after twelve hours, on leaving, when the role changes, when the account is disabled."""

    async def opened() -> int:
        return (await bench.admin("/", who="anna")).status

    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    wall.now += SESSION_IDLE - timedelta(minutes=1)
    assert await opened() == 200
    wall.now += SESSION_IDLE + timedelta(seconds=1)
    assert await opened() == 303
    bench.cookies["anna"] = cookie_of(await sign_in(bench, "anna", PASSWORD))
    begun = wall.now
    while wall.now - begun < SESSION_LIFE - timedelta(minutes=20):
        wall.now += timedelta(minutes=20)
        assert await opened() == 200
    wall.now += timedelta(minutes=21)
    assert await opened() == 303
    for end in (
        lambda store: store.set_role("anna", Role.SUPERVISOR, (), NOW, "admin"),
        lambda store: store.set_active("anna", False, NOW, "admin"),
    ):
        await bench.spool.write(lambda store: store.set_active("anna", True, NOW, "admin"))
        bench.cookies["anna"] = cookie_of(await sign_in(bench, "anna", PASSWORD))
        assert await opened() == 200
        await bench.spool.write(end)
        assert await opened() == 303


async def test_fault_X18_leaving_is_leaving(bench: Bench) -> None:
    """After signing out the cookie opens nothing, even for somebody who kept it."""
    assert (await bench.admin("/")).status == 200
    assert (await bench.admin("/wyloguj", method="POST", form={})).status == 303
    assert (await bench.admin("/")).headers["Location"] == "/logowanie"


async def test_one_time_codes_work_once(bench: Bench, wall: Wall) -> None:
    """With codes on, the password alone is not enough, a code opens, and the same code does not open again."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    secret = pyotp.random_base32()
    await bench.spool.write(lambda store: store.set_totp("anna", secret, NOW, "anna"))
    code = pyotp.TOTP(secret).at(wall.now)
    assert (await sign_in(bench, "anna", PASSWORD)).status == 401
    assert (await sign_in(bench, "anna", PASSWORD, code)).status == 303
    assert (await sign_in(bench, "anna", PASSWORD, code)).status == 401
    wall.now += timedelta(seconds=30)
    assert (await sign_in(bench, "anna", PASSWORD, pyotp.TOTP(secret).at(wall.now))).status == 303


async def test_a_code_of_any_length_only_does_not_fit(bench: Bench) -> None:
    """A text pasted where a code belongs is answered in a sentence, before and after one is in."""
    await bench.enter("anna", Role.COORDINATOR, password=PASSWORD)
    assert (await sign_in(bench, "anna", PASSWORD, "1" * 500)).status == 401
    pasted = {"secret": pyotp.random_base32(), "code": "1" * 2000}
    answer = await bench.admin("/kody", method="POST", form=pasted)
    assert (answer.status, "Kod nie pasuje" in answer.body.decode()) == (422, True)


def filled(path: str, values: dict[str, str]) -> str:
    """A path with its places filled in."""
    return re.sub(r"\{(\w+)\}", lambda m: values[m[1]], path)


@pytest.fixture
async def stocked(bench: Bench) -> dict[str, dict[str, str]]:
    """Each unit's document and received invoice, as values for paths."""
    ours = (await bench.post(school_invoice("SP1/7/2026"))).json["id"]
    theirs = (await bench.post(welfare_invoice("GOPS/7/2026"), unit=WELFARE)).json["id"]
    papers = {unit: await bench.paper(unit) for unit in (SCHOOL, WELFARE)}
    common = {"paper": "99", "action": "hold", "login": "anna", "verb": "off", "owner": SCHOOL, "name": "none.csv"}
    return {
        SCHOOL: common | {"id": ours, "number": await bench.receive(SCHOOL, 1), "paper": papers[SCHOOL]},
        WELFARE: common | {"id": theirs, "number": await bench.receive(WELFARE, 2), "paper": papers[WELFARE]},
        "": common | {"id": "no-such-id", "number": await bench.receive(None, 3)},
        "absent": common | {"id": "no-such-id", "number": "7770001111-20261126-000000000000-00"},
    }


async def test_fault_X19_every_form_needs_its_token_and_our_own_page(bench: Bench, stocked: Any) -> None:
    """Without the token, with another session's, or from another site: refused, and nothing has changed."""
    await bench.enter("anna", Role.ADMIN)
    before = await bench.spool.read(lambda store: store.last_link())
    for page in PAGES:
        if page.method != "POST":
            continue
        path = filled(page.path, stocked[SCHOOL])
        for form, headers in (
            ({"token": ""}, {}),
            ({"token": "token-anna"}, {}),
            ({}, {"Origin": "https://evil.example"}),
            ({}, {"Origin": "null"}),
            ({}, {"Sec-Fetch-Site": "cross-site"}),
        ):
            answer = await bench.admin(path, headers, "POST", form=form)
            assert (page.path, answer.status) == (page.path, 403)
    assert await bench.spool.read(lambda store: store.last_link()) == before


async def test_fault_X19_a_get_changes_nothing(bench: Bench, stocked: Any) -> None:
    """Every page that is read leaves the history as it was."""
    before = await bench.spool.read(lambda store: store.last_link())
    for page in PAGES:
        if page.method == "GET" and page.path != "/zdarzenia":
            await bench.admin(filled(page.path, stocked[SCHOOL]))
    assert await bench.spool.read(lambda store: store.last_link()) == before


@pytest.mark.parametrize("role", list(Role))
async def test_fault_X21_a_page_is_for_those_who_have_its_right(bench: Bench, stocked: Any, role: Role) -> None:
    """For every page and every role: without the right 403, and nothing has changed; with it never 403."""
    await bench.enter("ktos", role, *((SCHOOL,) if role is Role.ACCOUNTANT else ()))
    for page in PAGES:
        if page.path in {"/zdarzenia", "/wyloguj"}:
            continue
        allowed = page.right is None or page.right in RIGHTS[role]
        before = await bench.spool.read(lambda store: store.last_link())
        form = {} if page.method == "POST" else None
        answer = await bench.admin(filled(page.path, stocked[SCHOOL]), method=page.method, who="ktos", form=form)
        assert (page.path, answer.status == 403) == (page.path, not allowed)
        if not allowed:
            assert await bench.spool.read(lambda store: store.last_link()) == before


async def test_fault_X21_without_an_account_there_is_only_the_door(bench: Bench, stocked: Any) -> None:
    """Every page leads to the door, every form is refused; what is open is the short list."""
    for page in PAGES:
        form = {} if page.method == "POST" else None
        answer = await bench.admin(filled(page.path, stocked[SCHOOL]), method=page.method, who=None, form=form)
        expected = 303 if page.method == "GET" else 401
        assert (page.path, answer.status) == (page.path, expected)
        assert b"SP1/7" not in answer.body
    assert {path for _, path, _ in OPEN} == {
        "/readyz", "/metrics", "/logowanie", "/jezyk", "/static/sluza.css", "/static/sluza.svg", "/static/sluza.js",
    }  # fmt: skip


def test_fault_X21_every_right_belongs_to_somebody() -> None:
    """The administrator has all of them, the supervisor none that changes anything."""
    assert RIGHTS[Role.ADMIN] == frozenset(Right)
    assert not RIGHTS[Role.SUPERVISOR] & {Right.WORK, Right.DECIDE, Right.ADMINISTER}
    assert all(
        page.right is not None for page in PAGES if page.path not in {"/wyloguj", "/haslo", "/kody", "/zdarzenia"}
    )


async def test_inv_I7_foreign_and_absent_look_the_same(bench: Bench, stocked: Any) -> None:
    """For every page about one document: another unit's, the tray's and none at all give the same answer."""
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    seen = 0
    for page in PAGES:
        if ("{id}" not in page.path and "{number}" not in page.path) or page.right not in RIGHTS[Role.ACCOUNTANT]:
            continue
        form = {} if page.method == "POST" else None
        answers = [
            await bench.admin(filled(page.path, stocked[whose]), method=page.method, who="szkola", form=form)
            for whose in (WELFARE, "", "absent")
        ]
        assert {a.status for a in answers} == {404}, page.path
        assert len({re.sub(rb"<time>.*?</time>", b"", a.body) for a in answers}) == 1
        assert not any({"ETag", "Location"} & set(a.headers) for a in answers)
        seen += 1
    assert seen >= 8


async def test_inv_I7_lists_and_counts_hold_nothing_foreign(bench: Bench, stocked: Any) -> None:
    """An accountant's overview, lists and searches: no number, name, count or seller of another unit or of the tray."""
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    for path in (
        "/", "/faktury", "/faktury?szukaj=GOPS", "/faktury?stan=czekaja", "/odebrane", "/odebrane?tacka=1",
        "/odebrane?szukaj=FZ", f"/faktury?szukaj={stocked[WELFARE]['id']}",
    ):  # fmt: skip
        page = (await bench.admin(path, who="szkola")).body.decode().partition('<main id="tresc"')[2]
        assert "GOPS/7" not in page, path
        assert stocked[WELFARE]["id"] not in page.replace(f'value="{stocked[WELFARE]["id"]}"', ""), path
        for whose in (WELFARE, ""):
            assert stocked[whose]["number"] not in page, path
        assert "Ośrodek" not in page, path
    overview = (await bench.admin("/", who="szkola")).body.decode()
    assert "SP1/7/2026" in overview
    assert re.search(r'Czekają na numer KSeF <span class="count">1</span>', overview)
    assert re.search(r'Odebrane z KSeF <span class="count">1</span>', overview)
    assert (await bench.admin("/historia", who="szkola")).status == 403


async def test_an_action_is_asked_about_and_recorded_under_a_name(bench: Bench, stocked: Any) -> None:
    """The question says what will happen; the form does it; the history names the person; a second time it is too
    late."""
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    path = f"/faktury/{stocked[SCHOOL]['id']}/zrob/hold"
    asked = await bench.admin(path, who="szkola")
    assert "dopóki ktoś go nie zwolni" in asked.body.decode()
    done = await bench.admin(path, method="POST", who="szkola", form={"reason": "Klient prosił o zmianę"})
    assert (done.status, done.headers["Location"]) == (303, f"/faktury/{stocked[SCHOOL]['id']}?ok=hold")
    document = await bench.document(stocked[SCHOOL]["id"])
    last = (await bench.spool.read(lambda store: store.history(document.id)))[-1]
    assert (document.state, last.actor, last.note) == (
        State.HELD, "Osoba szkola (szkola)", "Klient prosił o zmianę",
    )  # fmt: skip
    assert (await bench.admin(path, method="POST", who="szkola", form={})).status == 409


async def test_a_conflict_can_be_given_up_by_those_who_decide(bench: Bench, stocked: Any) -> None:
    """Only with a reason; the document goes back to its unit, refused with a sentence; an accountant may not."""
    document_id = stocked[SCHOOL]["id"]
    for step in (State.SENDING, State.SUBMITTED, State.CONFLICT):
        await bench.spool.write(lambda store, s=step: store.move(document_id, s, NOW, "agent", "x"))  # type: ignore[misc]
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    path = f"/faktury/{document_id}/zrob/give-up"
    assert (await bench.admin(path, method="POST", who="szkola", form={"reason": "x"})).status == 403
    assert (await bench.admin(path, method="POST", form={})).status == 409
    assert (await bench.admin(path, method="POST", form={"reason": "Sprawdzono w KSeF"})).status == 303
    document = await bench.document(document_id)
    assert (document.state, document.problems[0].code) == (State.REFUSED, "number_given_up")


async def test_accounts_are_made_and_closed_on_a_page(bench: Bench) -> None:
    """A new account has a one-time password shown once; a second of the same name is refused; disabled is out."""
    form = {"login": "ewa", "name": "Ewa Lis", "role": "accountant", "units": SCHOOL}
    made = await bench.admin("/konta", method="POST", form=form)
    password = re.search(r"<code>([a-z0-9-]{19})</code>", made.body.decode())
    assert password
    again = await bench.admin("/konta", method="POST", form=form)
    assert (again.status, "już istnieje" in again.body.decode()) == (422, True)
    entered = await sign_in(bench, "ewa", password[1])
    assert entered.status == 303
    bench.cookies["ewa"] = cookie_of(entered)
    assert (await bench.admin("/", who="ewa")).headers["Location"] == "/haslo"
    assert (await bench.admin("/konta/ewa/off", method="POST", form={})).status == 303
    assert (await bench.admin("/haslo", who="ewa")).headers["Location"] == "/logowanie"
    assert (await sign_in(bench, "ewa", password[1])).status == 401
    assert password[1] not in (await bench.admin("/historia")).body.decode()


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"login": "Ewa Lis", "name": "E", "role": "admin"}, "Login „ewa lis” jest niepoprawny."),
        ({"login": "ewa", "name": "", "role": "admin"}, "imię i nazwisko"),
        ({"login": "ewa", "name": "E", "role": "accountant"}, "co najmniej jedną jednostkę"),
        ({"login": "ewa", "name": "E", "role": "supervisor", "units": SCHOOL}, "widzi całą gminę"),
        ({"login": "ewa", "name": "E", "role": "accountant", "units": "obca"}, "Nie ma jednostki „obca”."),
        ({"login": "ewa", "name": "E", "role": "krol"}, "Proszę wybrać rolę."),
    ],
)
async def test_what_cannot_be_an_account_is_explained(bench: Bench, form: dict[str, str], sentence: str) -> None:
    """One sentence, 422, no account."""
    answer = await bench.admin("/konta", method="POST", form=form)
    assert (answer.status, sentence in answer.body.decode()) == (422, True)
    assert len(await bench.spool.read(lambda store: store.accounts())) == 1


async def test_an_outage_is_entered_confirmed_and_cancelled_on_a_page(bench: Bench) -> None:
    """Entered with its source, confirmed and cancelled under the person's name; the picture shows its bar."""
    form = {
        "category": "total_failure", "environment": "sandbox", "start": "2026-11-20T08:00", "link": "https://tvp.info/1",
    }  # fmt: skip
    assert (await bench.admin("/awarie", method="POST", form=form)).status == 303
    page = (await bench.admin("/awarie")).body.decode()
    assert "czeka na potwierdzenie" in page or "bez skutku" in page
    assert '<g class="bar' in page
    assert (await bench.admin("/awarie/reczny-1/confirm", method="POST", form={"link": ""})).status == 303
    outage = await bench.spool.read(lambda store: store.outage("reczny-1"))
    assert outage
    assert outage.confirmed_by == "Osoba admin (admin)"
    assert (await bench.admin("/awarie/reczny-1/cancel", method="POST", form={"reason": "pomyłka"})).status == 303
    wrong = await bench.admin("/awarie/reczny-1/close", method="POST", form={"end": "2026-11-20T09:00"})
    assert (wrong.status, "jest odwołany" in wrong.body.decode()) == (422, True)


async def test_fault_X11_the_audit_trail_can_be_taken_along(bench: Bench, stocked: Any) -> None:
    """As CSV with every event, a spreadsheet's formulas made text (X11)."""
    await bench.spool.write(lambda store: store.log("unit:sp1", "x", NOW, "=cmd|' /C calc'!A0", "+1"))
    page = (await bench.admin("/historia")).body.decode()
    for place in (f"/faktury/{stocked[SCHOOL]['id']}", f"/odebrane/{stocked['']['number']}"):
        assert f'<a href="{place}">' in page
    assert re.findall(r'<a href="[^"]*">unit:sp1', page) == []
    raw = (await bench.admin("/historia.csv")).body
    assert raw.startswith(b"\xef\xbb\xbfnumer;kiedy;kto;")
    assert "'=cmd|" in raw.decode()
    assert raw.decode().count("\r\n") == 1 + (await bench.spool.read(lambda store: store.last_link()))[0]


async def test_inv_I7_registers_are_each_units_own(bench: Bench, tmp_path: Path) -> None:
    """An accountant lists and reads the unit's registers only; another unit's, the town's and none are the same 404."""
    for owner in (SCHOOL, WELFARE, CENTRAL):
        layout.mark(tmp_path / "folders", owner)
        folder = layout.ensure_directory(tmp_path / "folders" / owner / layout.REGISTERS)
        (folder / "wystawione-2026-11.csv").write_bytes(f"numer;{owner}".encode())
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    page = (await bench.admin("/rejestry", who="szkola")).body.decode()
    assert re.findall(r'href="(/rejestry/[^"]+)"', page) == ["/rejestry/sp1/wystawione-2026-11.csv"]
    own = await bench.admin("/rejestry/sp1/wystawione-2026-11.csv", who="szkola")
    assert own.body == b"numer;sp1"
    wrong = [
        await bench.admin(f"/rejestry/{path}", who="szkola")
        for path in (
            f"{WELFARE}/wystawione-2026-11.csv",
            f"{CENTRAL}/wystawione-2026-11.csv",
            "sp1/none.csv",
            "x/y.csv",
        )
    ]
    assert {answer.status for answer in wrong} == {404}
    assert len({re.sub(rb"<time>.*?</time>", b"", answer.body) for answer in wrong}) == 1
    assert (await bench.admin(f"/rejestry/{CENTRAL}/wystawione-2026-11.csv")).body == b"numer;_centrala"


async def test_a_stray_invoice_is_assigned_on_its_page(bench: Bench, stocked: Any) -> None:
    """From the tray to a unit under a name and with a reason; the unit sees it then, and no word of where it was."""
    await bench.enter("szkola", Role.ACCOUNTANT, SCHOOL)
    await bench.enter("opieka", Role.ACCOUNTANT, WELFARE)
    number = stocked[""]["number"]
    asked = (await bench.admin(f"/odebrane/{number}")).body.decode()
    assert "Czyja to faktura?" in asked
    path = f"/odebrane/{number}/zrob/assign"
    assert (await bench.admin(path, method="POST", who="szkola", form={"unit": SCHOOL})).status == 403
    assert (await bench.admin(path, method="POST", form={"unit": "obca"})).status == 400
    sent = {"unit": WELFARE, "reason": "Umowa 7/2026"}
    assert (await bench.admin(path, method="POST", form=sent)).headers["Location"] == f"/odebrane/{number}?ok=assign"
    again = await bench.admin(path, method="POST", form=sent)
    assert (again.status, "już tam jest" in again.body.decode()) == (422, True)
    assert (await bench.admin(path, method="POST", form={"unit": SCHOOL, "reason": "pomyłka"})).status == 303
    assert (await bench.admin(f"/odebrane/{number}", who="opieka")).status == 404
    page = (await bench.admin(f"/odebrane/{number}", who="szkola")).body.decode()
    assert "Osoba admin (admin)" in page
    assert not any(word in page for word in ("gops", "Ośrodek", "Umowa 7/2026", "tacki"))
    assert "gops → sp1" in (await bench.admin(f"/odebrane/{number}")).body.decode()


async def test_the_day_of_receipt_is_entered_on_the_page(bench: Bench, stocked: Any) -> None:
    """A day before that of the number; what is no day is told."""
    number = stocked[SCHOOL]["number"]
    wrong = await bench.admin(f"/odebrane/{number}/zrob/receipt", method="POST", form={"day": "wczoraj"})
    assert (wrong.status, "To nie jest data" in wrong.body.decode()) == (422, True)
    done = await bench.admin(f"/odebrane/{number}/zrob/receipt", method="POST", form={"day": "2026-11-19"})
    assert done.status == 303
    assert str(await bench.spool.read(lambda store: store.entered_receipt(number))) == "2026-11-19"
