"""The pages for everybody: WCAG 2.1 A and AA on every page in both schemes, and a focus that is always seen."""

import re
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from gateway.web.app import OPEN, PAGES
from tests.browser.house import Day, House
from tests.browser.test_sizes import LOOKS_WRONG
from tests.browser.visitor import PHONE, Person, Visits

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
_FILES = (".csv", ".zip", ".png", "/xml", "/upo", "/pdf", "/zdarzenia", "/{name}", "/skan", ".pdf")
"""Endings of what is no page: files, pictures, the stream of events."""


PLACES = {
    "id": ("refused", "disputed", "numbered"),
    "number": ("sp1", None),
}
"""Which documents and received invoices stand in the places of an address."""
MORE = (
    "/faktury/{disputed}/zrob/give-up", "/faktury/{waiting}/zrob/withdraw", "/odebrane?tacka=1",
    "/faktury?szukaj=nie-ma", "/nie-ma-takiej",
)  # fmt: skip
TABLE = [
    page.path for page in PAGES
    if page.method == "GET" and not page.path.endswith(_FILES) and "{action}" not in page.path
]  # fmt: skip


def filled(path: str, day: Day) -> list[str]:
    """The addresses that this row of the table stands for."""
    names = re.findall(r"\{(\w+)\}", path)
    if not names:
        return [path]
    if names[0] in day.documents:
        return [path.format(**day.documents)]
    assert names[0] in PLACES, f"{path}: say here what stands in its place"
    rows = day.documents if names[0] == "id" else day.received
    return [path.replace("{" + names[0] + "}", quote(rows[kind])) for kind in PLACES[names[0]]]  # type: ignore[index]


@pytest.mark.parametrize("path", [*TABLE, *MORE])
def test_no_page_breaks_a_rule_of_wcag(visits: Visits, home: House, day: Day, path: str) -> None:
    """axe finds nothing against WCAG 2.1 A and AA, in light and in dark colours."""
    person, broken = visits.somebody(cookie=home.cookie("admin")), {}
    for address in filled(path, day):
        person.go(address)
        broken[address] = told(person)
    assert {address: found for address, found in broken.items() if found} == {}


def test_no_form_breaks_a_rule_of_wcag(visits: Visits, home: House, day: Day) -> None:
    """The same for the door, for forms that were refused, and for what is folded at first."""
    stranger = visits.somebody()
    stranger.sign_in("nikt", "zle-haslo-zle-haslo")
    broken = told(stranger)
    person = visits.somebody(cookie=home.cookie("admin"))
    person.go("/konta")
    person.write("Login", "Nie Tak")
    person.write("Imię i nazwisko", "Ewa Lis")
    person.button("Załóż konto")
    person.see("jest niepoprawny")
    broken += told(person)
    person.go("/awarie")
    for fold in person.page.locator("summary").all():
        fold.click()
    assert broken + told(person) == []


def told(person: Person) -> list[str]:
    """What axe has against this page in both schemes. Only contrast depends on the colours."""
    person.page.emulate_media(color_scheme="light")
    found = against(person, *WCAG)
    person.page.emulate_media(color_scheme="dark")
    return found + against(person, "color-contrast", kind="rule")


def against(person: Person, *asked: str, kind: str = "tag") -> list[str]:
    """What axe has against this page as it is: rule, and the first places."""
    options = {"runOnly": {"type": kind, "values": asked}, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(person.page, options=options).response["violations"]
    return [f"{v['id']}: {[node['html'][:160] for node in v['nodes'][:3]]}" for v in found]


def test_english_fits_on_a_telephone_and_keeps_to_wcag(visits: Visits, home: House, day: Day) -> None:
    """The pages with the most words: nothing beyond the window or on one another, each language marked."""
    reader, wrong = visits.somebody(cookie=home.cookie("admin"), size=PHONE, language="en"), {}
    for path in ("/", "/faktury/{refused}", "/awarie"):
        reader.go(path.format(**day.documents))
        wrong[path] = [*reader.page.evaluate(LOOKS_WRONG), *against(reader, "wcag2a", "wcag2aa")]
    assert {path: found for path, found in wrong.items() if found} == {}


def test_the_language_is_chosen_without_javascript(visits: Visits, home: House, day: Day) -> None:
    """English from one page on, back to the same page, also from a form that was refused; the door keeps it."""
    reader = visits.somebody(cookie=home.cookie("a.nowak"), scripts=False)
    reader.go("/faktury?stan=decyzje")
    reader.button("English")
    reader.page.get_by_role("heading", name="Outgoing invoices").wait_for()
    assert reader.page.url.endswith("/faktury?stan=decyzje")
    reader.go(f"/faktury/{day.documents['disputed']}/zrob/give-up")
    reader.page.get_by_label("Reason").evaluate("field => field.removeAttribute('required')")
    reader.button("Give up the number")
    reader.see("This decision needs a reason.")
    reader.button("Polski")
    reader.see("Oddaj numer?")
    reader.button("English")
    reader.button("Sign out")
    reader.page.get_by_role("heading", name="Sign in").wait_for()


FOCUS = """
() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.right > 0;
  return { end: at === document.body, shown, what: at.outerHTML.slice(0, 120) };
}
"""


def test_the_focus_is_always_seen(visits: Visits, home: House, day: Day) -> None:
    """Tab goes through every page from the skip link to the end, and wherever it stands an outline shows it."""
    person, unseen = visits.somebody(cookie=home.cookie("admin")), []
    for path in ("/", "/faktury", f"/faktury/{day.documents['waiting']}", "/odebrane", "/awarie", "/konta", "/haslo"):
        person.go(path)
        stops = 0
        while not (at := _after_tab(person))["end"]:
            stops += 1
            unseen += [] if at["shown"] else [(path, at["what"])]
            assert stops < 250, f"{path}: Tab never comes to the end"
        assert stops >= 10, path
    assert unseen == []


def _after_tab(person: Person) -> dict[str, object]:
    person.page.keyboard.press("Tab")
    found: dict[str, object] = person.page.evaluate(FOCUS)
    return found


def test_the_first_tab_offers_to_skip_to_the_contents(visits: Visits, home: House) -> None:
    """The first stop is the skip link, seen only then; Enter takes the focus past header and navigation."""
    person = visits.somebody(cookie=home.cookie("admin"))
    person.go("/faktury")
    skip = person.page.get_by_role("link", name="Przejdź do treści")
    assert skip.bounding_box()["x"] < 0  # type: ignore[index]
    person.page.keyboard.press("Tab")
    assert skip.evaluate("element => element === document.activeElement")
    assert skip.bounding_box()["x"] >= 0  # type: ignore[index]
    person.page.keyboard.press("Enter")
    person.page.keyboard.press("Tab")
    assert person.page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_every_page_of_the_table_was_walked() -> None:
    """A page that is added later is walked, too: left out are files, the stream, and questions (walked by name)."""
    left_out = {page.path for page in PAGES if page.method == "GET"} - set(TABLE)
    ends = {path.rsplit("/", 1)[-1] for path in left_out}
    files = {"xml", "upo", "pdf", "obraz.png", "historia.csv", "dowody.zip", "skan", "karta.pdf"}
    assert ends == files | {"zdarzenia", "{name}", "{action}"}
    assert ("GET", "/logowanie") in [(method, path) for method, path, _ in OPEN]
