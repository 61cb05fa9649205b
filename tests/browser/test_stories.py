"""The day of each role, walked through as people do it: with a mouse, and again with nothing but a keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser

from spool.domain.accounts import Role
from tests.browser.house import Day, House, house, usual_day
from tests.browser.visitor import Camera, Person, Visits, visits_to
from tests.http_bench import SCHOOL, WELFARE, school_invoice

PASSWORD, OWN = "dziewiec-zielonych-krzesel", "trzy-ciche-mosty-i-rzeka"
HANDS = pytest.mark.parametrize("keys", [False, True], ids=["mouse", "keyboard"])
MOUSE = pytest.mark.parametrize("keys", [False], ids=["mouse"])
"""Every page is tried with the keyboard in `test_accessibility`; whole stories twice only where people decide."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A house of its own for each story, because stories change what they find."""
    with house(tmp_path) as started:
        yield started


@pytest.fixture
def day(home: House) -> Day:
    return home.do(usual_day(home.bench))


@pytest.fixture
def visits(browser: Browser, home: House) -> Iterator[Visits]:
    with visits_to(browser, home.origin) as opened:
        yield opened


@MOUSE
def test_story_of_a_new_person(visits: Visits, home: House, day: Day, camera: Camera, keys: bool) -> None:
    """The administrator makes an account and hands over its password; it opens only its change; then her pages."""
    admin = visits.somebody(cookie=home.cookie("admin"), keys=keys)
    admin.go("/")
    admin.link("Konta")
    admin.write("Login", "e.zielinska")
    admin.write("Imię i nazwisko", "Ewa Zielińska")
    admin.choose("Rola", "księgowość jednostki")
    admin.tick("Przedszkole nr 2 „Pod Dębem”")
    camera.take(admin.page, "nowe-konto")
    admin.button("Załóż konto")
    admin.see("Hasło jednorazowe dla")
    camera.take(admin.page, "haslo-jednorazowe")
    handed = admin.page.get_by_role("status").locator("code").inner_text()

    ewa = visits.somebody(keys=keys)
    ewa.sign_in("e.zielinska", handed)
    ewa.see("To hasło nadał ktoś inny.")
    camera.take(ewa.page, "zmiana-hasla")
    assert ewa.page.get_by_role("navigation", name="Strony").count() == 0
    ewa.write("Dotychczasowe hasło", handed)
    ewa.write("Nowe hasło", OWN)
    ewa.write("Nowe hasło jeszcze raz", OWN)
    ewa.button("Zmień hasło")
    ewa.see("Hasło zmieniono.", within="body")
    labels = ewa.page.get_by_role("navigation", name="Strony").get_by_role("link").all_inner_texts()
    assert {"Przegląd", "Wysyłane", "Odebrane"} <= set(labels)
    assert not {"Awarie", "Historia", "Konta", "Jednostki"} & set(labels)
    ewa.button("Wyloguj")
    ewa.see("Logowanie")
    ewa.go("/faktury")
    ewa.see("Logowanie")


@MOUSE
def test_story_of_one_time_codes(visits: Visits, home: House, keys: bool, camera: Camera) -> None:
    """Codes are switched on with the key that the page shows; from then on the password alone does not open."""
    home.do(home.bench.enter("anna", Role.COORDINATOR, password=PASSWORD))
    anna = visits.somebody(keys=keys)
    anna.sign_in("anna", PASSWORD)
    anna.link("Kody")
    camera.take(anna.page, "kody-jednorazowe")
    totp = pyotp.TOTP(anna.page.locator("main code").inner_text())
    anna.write("Kod z aplikacji", totp.at(home.bench.wall()))
    anna.button("Włącz kody")
    anna.see("Logowanie")
    anna.sign_in("anna", PASSWORD)
    anna.page.get_by_role("alert").wait_for()
    anna.sign_in("anna", PASSWORD, totp.at(home.bench.wall()))
    anna.see("Czekają na numer KSeF")


@HANDS
def test_story_of_holding_and_withdrawing(visits: Visits, home: House, day: Day, camera: Camera, keys: bool) -> None:
    """The accountant holds an invoice, thinks again, withdraws it: each asked about first, each in its history."""
    jan = visits.somebody(cookie=home.cookie("j.kowalska"), keys=keys)
    jan.go("/")
    jan.link("SP1/43/2026", within="main")
    camera.take(jan.page, "faktura-czeka")
    jan.link("Wstrzymaj")
    jan.see("dopóki ktoś go nie zwolni")
    jan.link("Nie, wróć")
    jan.link("Wstrzymaj")
    jan.write("Powód", "Zły nabywca")
    camera.take(jan.page, "pytanie-wstrzymaj")
    jan.button("Wstrzymaj")
    jan.see("Dokument wstrzymano.", within="body")
    jan.link("Wycofaj")
    jan.write("Powód", "Wystawimy od nowa")
    jan.button("Wycofaj")
    jan.see("Dokument wycofano.", within="body")
    history = jan.page.locator("section", has=jan.page.get_by_role("heading", name="Historia")).inner_text()
    assert "Zły nabywca" in history
    assert "Wystawimy od nowa" in history
    assert history.count("Janina Kowalska (j.kowalska)") == 2


@HANDS
def test_story_of_a_stray_invoice(visits: Visits, home: House, day: Day, camera: Camera, keys: bool) -> None:
    """The coordinator sees that something lies in the central tray, finds what and why, and gives it to its unit."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"), keys=keys)
    anna.go("/")
    anna.link("W tacce centralnej: 1 faktura do przydzielenia.")
    anna.see("Tacka centralna")
    camera.take(anna.page, "tacka-centralna")
    anna.link("Zakład Ślusarski Jan Bąk", within="main")
    anna.see("Sprzedawca nie wskazał żadnej jednostki.")
    anna.page.get_by_role("img", name=re.compile("Pierwsza strona")).wait_for()
    camera.take(anna.page, "faktura-bez-jednostki")
    anna.choose("Jednostka", "Przedszkole nr 2 „Pod Dębem”")
    anna.write("Powód", "Telefon do dostawcy")
    anna.button("Przydziel")
    anna.see("Fakturę przydzielono.", within="body")
    anna.link("Odebrane")
    anna.link("Tacka centralna")
    anna.see("Tacka jest pusta: wszystko przydzielono.")


@MOUSE
def test_story_of_the_month(visits: Visits, home: House, day: Day, camera: Camera, keys: bool) -> None:
    """The treasurer reads: lists by state, a search, one invoice with its proofs, the trail, and takes that as CSV."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"), keys=keys)
    anna.go("/")
    anna.link("Wysyłane")
    camera.take(anna.page, "lista-wysylanych")
    anna.link("Do decyzji")
    assert anna.page.locator("tbody tr").count() == 2
    anna.link("Wszystkie")
    anna.write("Numer faktury, numer KSeF albo nazwa pliku", "SP1/41")
    anna.button("Szukaj")
    anna.link("SP1/41/2026", within="main")
    anna.see("UPO, urzędowe poświadczenie odbioru")
    camera.take(anna.page, "faktura-z-numerem")
    anna.link("Odebrane")
    camera.take(anna.page, "lista-odebranych")
    anna.link("Historia")
    anna.link("Konta i logowania")
    anna.link("Wszystko")
    camera.take(anna.page, "historia-zmian")
    anna.link(day.received[None] or "", within="main")
    anna.see("Zakład Ślusarski Jan Bąk")
    anna.page.go_back()
    with anna.page.expect_download() as saved:
        anna.link("Pobierz jako CSV")
    assert saved.value.suggested_filename == "historia.csv"
    assert Path(saved.value.path()).read_bytes().startswith(b"\xef\xbb\xbfnumer;kiedy;kto;")


@MOUSE
def test_story_of_an_announcement_by_hand(visits: Visits, home: House, day: Day, camera: Camera, keys: bool) -> None:
    """The coordinator ends the failure as the notice says: the invoice of that time gets its seventh working day."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"), keys=keys)
    anna.go("/awarie")
    anna.see("Awaria KSeF trwa: termin poznamy, gdy ogłoszą jej koniec.")
    camera.take(anna.page, "awarie-os-czasu")
    anna.unfold("Zmień ten wpis")
    anna.write("Koniec według komunikatu", "2026-11-20T09:50")
    camera.take(anna.page, "awaria-koniec")
    anna.button("Wpisz koniec")
    anna.see("Zapisano komunikat.", within="body")
    first = anna.page.locator("ul.outages > li").first
    assert "zakończona" in first.inner_text()


def test_story_of_supervision(visits: Visits, home: House, day: Day, camera: Camera) -> None:
    """Supervision sees the whole town and can change nothing: no form but leaving, searching and her own account."""
    rita = visits.somebody(cookie=home.cookie("r.wojcik"))
    rita.go("/")
    camera.take(rita.page, "nadzor-przeglad")
    for label in ("Wysyłane", "Odebrane", "Awarie", "Jednostki", "Certyfikaty", "Ustawienia", "Historia"):
        rita.link(label)
        forms = rita.page.locator("main form").evaluate_all("forms => forms.map(form => form.method)")
        assert set(forms) <= {"get"}, label
    for word in ("waiting", "held", "refused", "disputed"):
        rita.go(f"/faktury/{day.documents[word]}")
        assert rita.page.locator("main form, main a.button").count() == 0, word
    rita.go(f"/faktury/{day.documents['waiting']}/zrob/withdraw")
    rita.see("Wróć do przeglądu")
    rita.go("/konta")
    rita.see("Wróć do przeglądu")


def test_inv_I7_an_accountant_sees_nothing_of_another_unit(visits: Visits, home: House, day: Day) -> None:
    """By clicking and by addresses: not a word, number or file of another unit or of the tray is on any page."""
    maria = visits.somebody(cookie=home.cookie("m.lis"))
    foreign = ("SP1/", "Szkoła", "Książnica", "Ślusarski", "Energia Gminna", "stolowka", *_numbers(day))
    for path in ("/", "/faktury", "/faktury?szukaj=SP1", "/odebrane", "/odebrane?tacka=1", "/faktury?stan=odrzucone"):
        maria.go(path)
        text = maria.page.content().replace('value="SP1"', "").replace("szukaj=SP1", "")
        assert not [word for word in foreign if word in text], path
    for path in (
        f"/faktury/{day.documents['numbered']}",
        f"/odebrane/{day.received[SCHOOL]}",
        f"/odebrane/{day.received[None]}",
    ):
        maria.go(path)
        maria.see("Nie znaleziono")
        assert not [word for word in foreign if word in maria.page.content().replace(path, "")], path
        assert maria.page.request.get(f"{home.origin}{path}/xml").status == 404
        assert maria.page.request.get(f"{home.origin}{path}/obraz.png").status == 404
    maria.go("/")
    maria.link("GOPS/12/2026", within="main")
    maria.see("Ośrodek Pomocy Społecznej")


def _numbers(day: Day) -> list[str]:
    return [number for unit, number in day.received.items() if unit != WELFARE]


def test_a_page_keeps_itself_fresh(visits: Visits, home: House, day: Day) -> None:
    """When something comes in, the overview shows it by itself; focus, and what was unfolded or folded, stay."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"))
    with anna.page.expect_response("**/zdarzenia"):
        anna.go("/")
    anna.unfold("Lista jednostek")
    anna.reach(anna.page.get_by_role("link", name="SP1/43/2026"))
    home.do(home.bench.post(school_invoice("SP1/99/2026")))
    anna.see("SP1/99/2026")
    assert anna.page.evaluate("document.activeElement.textContent") == "SP1/43/2026"
    assert not anna.page.locator("main details").evaluate("fold => fold.open")


def test_a_form_that_somebody_fills_in_is_left_alone(visits: Visits, home: House, day: Day) -> None:
    """While the spool changes, what is typed stays; on a live page nothing is exchanged under a form in use."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"))
    anna.go("/")
    # No page has both today; a form put into the living page shows that the script would leave it alone.
    anna.page.evaluate(
        """() => { const form = document.createElement("form"); form.innerHTML = "<label>Uwaga <input id=u></label>";
           document.querySelector("main").prepend(form); document.getElementById("u").focus(); }"""
    )
    anna.page.keyboard.type("nie ruszać")
    with anna.page.expect_event("console", lambda message: message.text == "heard"):
        anna.page.evaluate(
            """() => new EventSource("/zdarzenia").addEventListener("change", () => console.log("heard"))"""
        )
        home.do(home.bench.post(school_invoice("SP1/98/2026")))
    assert anna.page.locator("#u").input_value() == "nie ruszać"
    assert "SP1/98/2026" not in anna.page.locator("main").inner_text()


def test_many_open_pages_do_not_use_up_the_browser(visits: Visits, home: House, day: Day) -> None:
    """A browser has six connections to a server: pages in the background hold none, so the eighth still opens."""
    anna = visits.somebody(cookie=home.cookie("a.nowak"))
    context = anna.page.context
    context.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.away === true })")
    for _ in range(8):
        page = context.new_page()
        with page.expect_response("**/zdarzenia"):
            page.goto(home.origin + "/")
        page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    Person(context.new_page(), home.origin).go(f"/faktury/{day.documents['waiting']}")
