"""The pages in English: the switch, the language of each part, findings, errors."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from babel.messages.catalog import Catalog

from gateway.web import languages
from gateway.web.app import PAGES
from gateway.web.languages import ENGLISH
from spool.domain.accounts import Role
from tests.http_bench import NOW, SCHOOL, Answer, Bench, running, school_invoice

POLISH_LETTERS = re.compile("[ąćęłńóśźżĄĆĘŁŃÓŚŹŻ]")
NAMES = ("Śluza", "Gmina [^<·]*", "Szkoła [^<·]*", "Ośrodek[^<·]*", "Hurtownia[^<·]*", "Zakład[^<·]*")
"""What is called so in every language."""
SPEAKS_ENGLISH = "sluza-jezyk=en"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One for all tests here: they only look, or use what is their own."""
    async with running(tmp_path_factory.mktemp("languages")) as started:
        yield started


async def choose(bench: Bench, language: str, **headers: str) -> Answer:
    """What the switch answers; it needs no session."""
    return await bench.admin("/jezyk", headers, "POST", who=None, form={"language": language})


async def english(bench: Bench, path: str, who: str = "admin") -> str:
    """A page as somebody reads it who has chosen English."""
    cookie = f"sluza={bench.cookies[who]}; {SPEAKS_ENGLISH}"
    return (await bench.admin(path, {"Cookie": cookie}, who=who)).body.decode()


async def test_the_switch_is_on_every_page_and_is_remembered(bench: Bench) -> None:
    """The door has it, too; it leads back to the page where it was, and the browser keeps the choice for a year."""
    assert b'action="/jezyk"' in (await bench.admin("/logowanie", who=None)).body
    origin = f"http://127.0.0.1:{bench.admin_port}"
    answer = await choose(bench, "en", Referer=f"{origin}/faktury?stan=czekaja")
    assert (answer.status, answer.headers["Location"]) == (303, "/faktury?stan=czekaja")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{SPEAKS_ENGLISH};")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=31536000" in cookie
    door = (await bench.admin("/logowanie", {"Cookie": SPEAKS_ENGLISH}, who=None)).body.decode()
    assert '<html lang="en">' in door
    assert "<h1>Sign in</h1>" in door
    assert '<button class="quiet" name="language" value="pl" lang="pl">Polski</button>' in door
    back = await choose(bench, "pl", Referer=f"{origin}/logowanie")
    assert back.headers["Set-Cookie"].startswith("sluza-jezyk=pl;")
    unknown = (await bench.admin("/logowanie", {"Cookie": "sluza-jezyk=de"}, who=None)).body.decode()
    assert '<html lang="pl">' in unknown


PLACES = {
    "": "/",
    "http://elsewhere.example/faktury": "/",
    "{own}/awarie/AW-1/close": "/awarie",
    "{own}/odebrane/5-6-7/zrob/assign": "/odebrane/5-6-7",
    "{own}/konta/anna/off": "/konta",
    "{own}//elsewhere.example/x": "/",
    "{own}/\\elsewhere.example": "/",
    "{own}/nie-ma-takiej?a=%0d%0aSet-Cookie:x=1": "/",
    "http://[": "/",
}
"""Where the browser says that the switch was, and where it leads."""


async def test_fault_X19_the_switch_leads_only_to_our_own_pages(bench: Bench) -> None:
    """After a form to the page it stood on; to nobody else's, whatever the browser says where it came from."""
    own, led = f"http://127.0.0.1:{bench.admin_port}", {}
    for before in PLACES:
        answer = await choose(bench, "en", Referer=before.format(own=own))
        led[before] = answer.headers["Location"]
    assert led == PLACES


async def test_fault_X19_another_site_does_not_choose(bench: Bench) -> None:
    """The switch works from our own pages, for a language that there is."""
    foreign = await choose(bench, "en", Origin="http://elsewhere.example")
    assert (foreign.status, "Set-Cookie" in foreign.headers) == (403, False)
    assert (await choose(bench, "de")).status == 400


async def test_pages_speak_english_all_over(bench: Bench) -> None:
    """On every page, whatever is not in English is marked as Polish, by the part that is."""
    await bench.enter("anna", Role.COORDINATOR, name="Anna Nowak")
    answer = await bench.post(school_invoice("SP1/7/2026"), X_File_Name="f.xml")
    received, paper = await bench.receive(None), await bench.paper(SCHOOL)
    for page in PAGES:
        if page.method != "GET" or re.search(r"xml|upo|zip|pdf|png|csv|zdarzenia|skan|\{(name|owner)\}", page.path):
            continue
        path = page.path.format(id=answer.json["id"], number=received, action="withdraw", paper=paper)
        html = await english(bench, path)
        assert '<html lang="en">' in html, path
        left_over = re.sub(r"<(\w+)[^>]* lang=\"pl\">.*?</\1>", "", html, flags=re.DOTALL)
        words = re.sub("|".join(NAMES), "", left_over)
        assert [line for line in words.splitlines() if POLISH_LETTERS.search(line)] == [], path


async def test_polish_stays_what_it_was(bench: Bench) -> None:
    """Nothing of a request in English is left in the next one, nor in what is written down meanwhile."""
    sent = await bench.post(school_invoice("SP1/8/2026"), X_File_Name="f.xml")
    form = {"reason": "x"}
    cookie = {"Cookie": f"sluza={bench.cookies['admin']}; {SPEAKS_ENGLISH}"}
    await bench.admin(f"/faktury/{sent.json['id']}/zrob/hold", cookie, "POST", form=form)
    note = (await bench.spool.read(lambda s: s.history(sent.json["id"])))[-1].note
    page = (await bench.admin(f"/faktury/{sent.json['id']}")).body.decode()
    assert "Waiting" not in page
    assert "<strong>wstrzymana</strong>" in page
    assert note in page


async def test_findings_are_told_in_the_language_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a finding quotes is marked as Polish; one that is not translated is shown in Polish as a whole."""
    reason = {"reason": "Certyfikat cofnięto.", "hint": "Proszę wgrać nowy."}
    async with running(tmp_path) as bench:
        await bench.spool.write(lambda store: store.set_condition("gmina", "paused", reason, NOW))
        told = re.sub(r">\s+<", "> <", await english(bench, "/"))
        monkeypatch.setattr(languages, "_english", lambda: Catalog(locale=ENGLISH))
        untold = await english(bench, "/")
    since = "<span>Sending of “gmina” is paused since today 10:00. </span>"
    assert f'{since} <span lang="pl">Certyfikat cofnięto. Proszę wgrać nowy.</span>' in told
    assert 'lang="pl">Wysyłka „gmina” jest wstrzymana od dziś 10:00.' in untold


async def test_errors_of_forms_are_in_the_language_of_the_page(bench: Bench) -> None:
    """What pages and rules object to is translated, with its values; a sentence made of others stays Polish, marked."""
    cookie = {"Cookie": f"sluza={bench.cookies['admin']}; {SPEAKS_ENGLISH}"}
    own = await bench.admin("/konta", cookie, "POST", form={"login": "ewa", "name": "", "role": "admin"})
    assert "<span>Please give the full name: this is how the history will name this person.</span>" in own.body.decode()
    below = await bench.admin("/konta", cookie, "POST", form={"login": "Nie Tak", "name": "E", "role": "admin"})
    assert "<span>The login “nie tak” is not valid. Small letters without" in below.body.decode()
    form = {"login": "ewa", "name": "E", "role": "admin", "units": SCHOOL}
    made = await bench.admin("/konta", cookie, "POST", form=form)
    assert '<span lang="pl">Rola „administrator” widzi całą gminę' in made.body.decode()
    problem = await bench.admin("/nie-ma", cookie)
    assert problem.status == 404
