"""The pages in English: every text translated, the switch, the language of each part, numbers and days."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from gateway.web.app import PAGES
from gateway.web.languages import CATALOGUE, ENGLISH, Said, lang, say, speaking
from gateway.web.words import counted, day, left, moment, number, paid
from spool.domain.accounts import Role
from spool.domain.document import Facts
from tests.english import WEB, texts
from tests.http_bench import NOW, SCHOOL, Answer, Bench, running, school_invoice

POLISH_LETTERS = re.compile("[ąćęłńóśźżĄĆĘŁŃÓŚŹŻ]")
NAMES = ("Śluza", "Gmina [^<·]*", "Szkoła [^<·]*", "Ośrodek[^<·]*", "Hurtownia[^<·]*", "Zakład[^<·]*")
"""What is called so in every language."""
SPEAKS_ENGLISH = "sluza-jezyk=en"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as started:
        yield started


async def choose(bench: Bench, language: str, **headers: str) -> Answer:
    """What the switch answers; it needs no session."""
    return await bench.admin("/jezyk", headers, "POST", who=None, form={"language": language})


async def english(bench: Bench, path: str, who: str = "admin") -> str:
    """A page as somebody reads it who has chosen English."""
    cookie = f"sluza={bench.cookies[who]}; {SPEAKS_ENGLISH}"
    return (await bench.admin(path, {"Cookie": cookie}, who=who)).body.decode()


def test_every_text_of_the_pages_has_an_english_one() -> None:
    """What templates and code say, and the catalogue, are the same set; nothing is empty, unsure, or out of use.

    `python -m tests.english` brings the catalogue up to date and lists what a person has to translate.
    """
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale=ENGLISH)
    known = {str(message.id): str(message.string) for message in catalogue if message.id}
    said = {text for _, text in texts()}
    assert said - set(known) == set(), "missing: run python -m tests.english"
    assert set(known) - said == set(), "stale: run python -m tests.english"
    assert [text for text, translation in known.items() if not translation.strip()] == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
    assert not catalogue.obsolete


def test_translations_keep_what_is_put_into_them() -> None:
    """Values in braces and in `%(…)s`, and tags, are the same in both languages; no Polish letter is left."""
    with CATALOGUE.open("rb") as file:
        pairs = [(str(m.id), str(m.string)) for m in read_po(file, locale=ENGLISH) if m.id]
    marks = re.compile(r"%\(\w+\)s|</?\w+>")
    for polish, translation in pairs:
        assert sorted(marks.findall(polish)) == sorted(marks.findall(translation)), polish
        names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (polish, translation)]
        assert names[0] == names[1], polish
        assert not POLISH_LETTERS.search(translation.replace("Śluza", "")), translation


def test_templates_translate_constants_only() -> None:
    """`_()` marks its result as safe, so nothing of a document may ever go through it (faults X12)."""
    for path in WEB.glob("templates/*.html"):
        source = path.read_text(encoding="utf-8")
        assert re.findall(r"\b_\((?![\"'])", source) == [], path.name
        outside = re.sub(r"\{% trans.*?endtrans %\}|\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)
        assert POLISH_LETTERS.findall(outside.replace("Śluza", "").replace("Imię", "")) == [], path.name


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


async def test_errors_of_forms_are_in_the_language_of_the_page(bench: Bench) -> None:
    """What the pages themselves object to is translated; a sentence of the rules below stays Polish and is marked."""
    cookie = {"Cookie": f"sluza={bench.cookies['admin']}; {SPEAKS_ENGLISH}"}
    own = await bench.admin("/konta", cookie, "POST", form={"login": "ewa", "name": "", "role": "admin"})
    assert "<span>Please give the full name: this is how the history will name this person.</span>" in own.body.decode()
    below = await bench.admin("/konta", cookie, "POST", form={"login": "Nie Tak", "name": "E", "role": "admin"})
    assert '<span lang="pl">Login „nie tak” jest niepoprawny.' in below.body.decode()
    problem = await bench.admin("/nie-ma", cookie)
    assert problem.status == 404


def test_words_in_english() -> None:
    """Counted words, numbers, amounts, days and spans as English has them, and nothing of it without being asked."""
    facts = Facts(gross="12345.5", currency="PLN")
    hostile = Facts(gross="1,5 <b>", currency="PLN")
    with speaking(ENGLISH):
        assert [counted(n) for n in (1, 2, 5, 12345)] == ["1 invoice", "2 invoices", "5 invoices", "12,345 invoices"]
        assert paid(facts) == "12,345.50 PLN"
        assert paid(hostile) == "1,5 <b> PLN"
        assert moment(NOW, NOW).startswith("today ")
        assert moment(NOW.replace(year=2025, month=3, day=1, hour=12), NOW) == "Sat 1 Mar 2025, 13:00"
        assert day(NOW.replace(month=9, day=2)) == "2 Sept 2026"
        assert left(NOW, NOW) == "less than 1 min"
    assert (number(12345), paid(facts)) == ("12\u00a0345", "12 345,50 PLN")
    assert day(NOW.replace(month=9, day=2)) == "02.09.2026"


def test_what_the_catalogue_does_not_know_is_marked() -> None:
    """A label that nobody translated yet is shown in Polish, and programs that read aloud are told so."""
    with speaking(ENGLISH):
        assert isinstance(say("odrzucona"), Said)
        assert (say("zupełnie nowy stan"), lang(say("zupełnie nowy stan"))) == ("zupełnie nowy stan", ' lang="pl"')
        assert lang(say("odrzucona")) == ""
    assert lang("zupełnie nowy stan") == ""
