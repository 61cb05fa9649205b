"""Both programs, a pretend KSeF and a browser: the accountant's refused file, and the administrator's outage."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from sluza import samples
from sluza.demo.stage import MUNICIPALITY_NIP, Stage, free_base
from spool.domain.calendar import WARSAW, working_day_after
from spool.domain.terms import FAILURE_DAYS
from tests.browser.visitor import Camera, Person, Visits, visits_to

PATIENCE_S = 60.0
OWN = "trzy-ciche-mosty-i-rzeka"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Gateway, agent and sandbox as the demo runs them."""
    made = Stage(tmp_path_factory.mktemp("stage"), free_base(None))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def visits(browser: Browser, stage: Stage) -> Iterator[Visits]:
    with visits_to(browser, stage.dashboard_url.rstrip("/")) as opened:
        yield opened


def invoice(number: str, **more: Any) -> bytes:
    """A sale of today by the municipality."""
    today = datetime.now(WARSAW).date()
    given = {"seller_nip": MUNICIPALITY_NIP, "seller_name": "Gmina Śluzowo", "number": number, "issue_date": today}
    return samples.unit_invoice(**(given | more))


def wait_for(what: Callable[[], Any]) -> Any:
    """The first truthy answer; files are no browser events, so they are asked for."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def control(stage: Stage, name: str, body: dict[str, Any] | None, method: str = "POST") -> None:
    """One of the sandbox's controls."""
    content = None if body is None else json.dumps(body).encode()
    url, headers = f"{stage.sandbox_url}/sandbox/{name}", {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, content, headers, method=method), timeout=10):
        pass


def test_story_of_a_refused_file(visits: Visits, stage: Stage, camera: Camera) -> None:
    """She sees why her file was refused and where, mends it, drops it again, and finds it with its KSeF number."""
    admin = visits.somebody()
    admin.sign_in("admin", stage.password)
    admin.link("Konta")
    admin.write("Login", "j.kowalska")
    admin.write("Imię i nazwisko", "Janina Kowalska")
    admin.choose("Rola", "księgowość jednostki")
    admin.tick("Szkoła Podstawowa nr 1")
    admin.button("Załóż konto")
    admin.see("Hasło jednorazowe dla")
    handed = admin.page.get_by_role("status").locator("code").inner_text()
    janina = visits.somebody()
    janina.sign_in("j.kowalska", handed)
    janina.write("Dotychczasowe hasło", handed)
    janina.write("Nowe hasło", OWN)
    janina.write("Nowe hasło jeszcze raz", OWN)
    janina.button("Zmień hasło")

    folder, good = stage.folders / "sp1", invoice("SP1/8/2026")
    broken = good.replace(b"<P_2>", b"<P_22>").replace(b"</P_2>", b"</P_22>")
    (folder / "do-wyslania" / "stolowka.xml").write_bytes(broken)
    wait_for(lambda: list(folder.glob("odrzucone/*/stolowka*.blad.txt")))
    janina.link("Wysyłane")
    janina.link("Odrzucone")
    camera.take(janina.page, "ksiegowa-odrzucone")
    janina.link("stolowka.xml", within="main")
    janina.see("Co trzeba poprawić")
    janina.see("brakuje tego wymaganego pola")
    camera.take(janina.page, "ksiegowa-dlaczego")

    (folder / "do-wyslania" / "stolowka-poprawiona.xml").write_bytes(good)
    wait_for(lambda: list(folder.glob("wyslane/*/stolowka-poprawiona.upo.xml")))
    janina.link("Wysyłane")
    janina.link("Z numerem KSeF")
    janina.link("SP1/8/2026", within="main")
    janina.see("UPO, urzędowe poświadczenie odbioru")
    janina.page.get_by_role("img", name="Pierwsza strona wydruku").wait_for()
    camera.take(janina.page, "ksiegowa-z-numerem")


AS_INSTALLED = """
(place) => document.querySelectorAll("main code").forEach((code) => {
  code.textContent = code.textContent.replace(place, "/etc/sluza");
})
"""
"""A picture of the manual shows where the file lies in a town hall, not where this test ran."""


def test_story_of_an_outage(visits: Visits, stage: Stage, camera: Camera) -> None:
    """The banner says that KSeF fails, an invoice waits, its date moves to the seventh working day, all turns green."""
    admin = visits.somebody()
    admin.sign_in("admin", stage.password)
    for label in ("Certyfikaty", "Jednostki", "Ustawienia"):
        admin.link(label)
        admin.page.evaluate(AS_INSTALLED, str(stage.folders.parent))
        camera.take(admin.page, label.lower())
    admin.link("Przegląd")
    camera.take(admin.page, "przeglad-w-porzadku")
    control(stage, "faults", {"endpoint": "ksef", "kind": "http_503"})
    control(stage, "latarnia", {"status": "FAILURE", "title": "Awaria KSeF"})
    admin.see("Ogłoszona awaria KSeF od")
    (stage.folders / "sp1" / "do-wyslania" / "awaria.xml").write_bytes(invoice("SP1/9/2026"))
    paper = stage.folders / "sp1" / "w-toku" / "awaria.pdf"
    wait_for(paper.exists)
    admin.see("SP1/9/2026")
    admin.see("po końcu awarii")
    camera.take(admin.page, "przeglad-awaria")

    control(stage, "latarnia", {"status": "AVAILABLE"})
    told = stage.folders / "sp1" / "w-toku" / "awaria.json"
    wait_for(lambda: _due(told))
    day = working_day_after(datetime.now(WARSAW).date(), FAILURE_DAYS)
    admin.link("Awarie")
    moved = admin.page.get_by_role("row").filter(has_text="SP1/9/2026")
    assert f"{day:%d.%m}" in moved.inner_text()
    assert admin.page.locator("figure.timeline path.deadline").count() == 1
    camera.take(admin.page, "awaria-terminy")

    admin.link("Przegląd")
    control(stage, "faults", None, "DELETE")
    _green(admin)
    camera.take(admin.page, "przeglad-po-awarii")


def _due(told: Path) -> str | None:
    try:
        due: str | None = json.loads(told.read_text(encoding="utf-8"))["due_safe"]
    except (OSError, ValueError):
        return None
    return due


def _green(person: Person) -> None:
    """The open page turns green by itself."""
    person.page.locator(".banner.fine").get_by_text("Kolejka jest pusta").wait_for(timeout=PATIENCE_S * 1000)
