"""X12 in the browser: hostile values in every field that pages show run nothing, open nothing, turn no text round."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from sluza.sample_parts import Line
from sluza.samples import ksef_number_for, purchase_for_unit
from spool import actions, outages
from spool.domain.accounts import Account, Role
from spool.domain.announcements import Category
from spool.domain.document import Facts
from spool.domain.ledger import NewReceived
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import State
from spool.store import Store
from tests.browser.house import House, house
from tests.browser.visitor import Visits, visits_to
from tests.http_bench import NOW, SCHOOL, Bench, municipality, school_invoice

HOSTILE = (
    "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1><svg onload=window.ran=1>{{7777*7777}}\u202egpj"
)
"""Its product is one that no id and no time of day contains."""
LINK = "javascript:window.ran=1//https://x"
TURNS = "\u202e\u202d\u2066\u2067\u200f\u061c"
ACTIVE = """
() => ({
  ran: window.ran === 1,
  nodes: document.querySelectorAll("main script, main iframe, main object, main embed, main base, main svg svg").length
    + document.querySelectorAll("script:not([src='/static/sluza.js'])").length,
  handlers: [...document.querySelectorAll("*")]
    .filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
  links: [...document.querySelectorAll("a[href], form[action]")].filter((e) => !(e.href || e.action).startsWith("http"))
    .length,
  computed: document.body.innerText.includes("60481729"),
  text: document.title + document.body.innerText,
})
"""


def hostile_town() -> Municipality:
    """Even the configuration is."""
    unit = Unit("zle", HOSTILE, "gmina", nip="5250000044")
    return replace(municipality(zle=unit), name=HOSTILE)


async def fill(bench: Bench) -> dict[str, str]:
    """A hostile value wherever one can come in; returns what stands in the places of addresses."""
    await bench.spool.write(_announced)
    taken = await bench.post(
        school_invoice(HOSTILE[:200], buyer_name=HOSTILE, lines=(Line(HOSTILE),), footer=HOSTILE),
        X_File_Name=quote(HOSTILE),
    )
    broken = school_invoice(HOSTILE, buyer_name=HOSTILE).replace(
        b"<P_1>", b"<P_1>&lt;img src=x onerror=window.ran=1&gt;"
    )
    await bench.post(broken, X_File_Name=quote("<b>.xml" + HOSTILE))
    assert taken.status == 202
    document_id = taken.json["id"]
    refused = await bench.spool.read(lambda s: s.find_documents([SCHOOL], states=(State.REFUSED,), limit=1))
    number = ksef_number_for("7770001111", serial=66)

    def work(store: Store) -> None:
        account = Account("zly", HOSTILE, Role.COORDINATOR, (), False, False, NOW)
        store.add_account(account, "no password", HOSTILE)
        actions.hold(store, document_id, NOW, HOSTILE, HOSTILE)
        store.log("unit:zle", "x", NOW, HOSTILE, HOSTILE)
        for name in ("paused", "receive_failing", "strange"):
            store.set_condition("gmina", name, {"reason": HOSTILE, "hint": HOSTILE, "since": NOW.isoformat()}, NOW)
        raw = purchase_for_unit(number="FZ/66/2026", seller_name=HOSTILE)
        facts = Facts(
            seller_nip=HOSTILE[:10], seller_name=HOSTILE, number=HOSTILE, kind=HOSTILE, issue_date=NOW.date(),
            currency=HOSTILE[:3] + "\u202e", gross=HOSTILE,
        )  # fmt: skip
        new = NewReceived(number, "gmina", sha256(raw).hexdigest(), facts, {}, NOW, NOW, None, HOSTILE, HOSTILE)
        store.add_received(new, raw, NOW)

    await bench.spool.write(work)
    return {"id": document_id, "refused": refused[0].id, "number": number}


def _announced(store: Store) -> None:
    outages.add(store, "sandbox", Category.TOTAL_FAILURE, NOW, NOW, name=HOSTILE, link=LINK, title=HOSTILE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("hostile"), hostile_town()) as started:
        yield started


@pytest.fixture(scope="module")
def places(home: House) -> dict[str, str]:
    return home.do(fill(home.bench))


@pytest.fixture
def visits(browser: Browser, home: House) -> Iterator[Visits]:
    with visits_to(browser, home.origin) as opened:
        yield opened


def test_fault_X12_hostile_values_stay_text(visits: Visits, home: House, places: dict[str, str]) -> None:
    """No script ran, no dialog, no handler or odd link, no text turned round; what is typed is no exception."""
    person, wrong = visits.somebody(cookie=home.cookie("admin")), {}
    typed = quote(HOSTILE)
    for path in (
        "/", "/faktury", f"/faktury?szukaj={typed}&stan={typed}", f"/faktury/{places['id']}", "/odebrane", "/awarie",
        f"/faktury/{places['refused']}", f"/faktury/{places['id']}/zrob/withdraw", f"/odebrane?szukaj={typed}",
        f"/odebrane/{places['number']}", "/jednostki", "/certyfikaty", "/ustawienia", "/historia", "/konta",
        f"/{typed}", f"/faktury/{typed}", f"/?ok={typed}",
    ):  # fmt: skip
        person.go(path)
        wrong[path] = faults(person.page.evaluate(ACTIVE))
    person.go("/konta")
    person.write("Login", HOSTILE)
    person.write("Imię i nazwisko", HOSTILE)
    person.button("Załóż konto")
    person.page.get_by_role("alert").wait_for()
    wrong["typed"] = faults(person.page.evaluate(ACTIVE))
    stranger = visits.somebody()
    stranger.sign_in(HOSTILE, HOSTILE, HOSTILE)
    wrong["door"] = faults(stranger.page.evaluate(ACTIVE))
    assert {path: found for path, found in wrong.items() if found} == {}


def faults(found: dict[str, Any]) -> list[str]:
    """What of it must not be."""
    wrong = [name for name in ("ran", "nodes", "handlers", "links", "computed") if found[name]]
    return wrong + [f"turns: {ord(c):X}" for c in TURNS if c in found["text"]]
