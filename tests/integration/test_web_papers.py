"""The pages of purchases outside KSeF: a print is checked, a paper is entered, and each unit sees only its own (I7)."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import scans
from spool.domain.accounts import Role
from spool.domain.codes import kod1_url
from tests.http_bench import NOW, SCHOOL, WELFARE, Answer, Bench, running
from tests.purchase_desk import kod1, kod2, printed

QR = "https://qr-test.example"
KOD1, KOD2 = kod1(issued=NOW.date(), portal=QR), kod2(portal=QR)
PAPER = {"number": "F/1", "gross": "123,00", "received": NOW.date().isoformat()}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as started:
        await started.enter("ala", Role.ACCOUNTANT, SCHOOL)
        await started.enter("ola", Role.ACCOUNTANT, WELFARE)
        await started.enter("kora", Role.COORDINATOR)
        await started.enter("nadzor", Role.SUPERVISOR)
        yield started


def link(sha256: str) -> str:
    return kod1_url(QR, "7770001111", NOW.date(), sha256)


async def send(bench: Bench, path: str, who: str, **form: Any) -> Answer:
    return await bench.admin(path, method="POST", who=who, form=form)


async def text(bench: Bench, path: str, who: str, **form: Any) -> str:
    answer = await send(bench, path, who, **form) if form else await bench.admin(path, who=who)
    assert answer.status in {200, 422}, answer.status
    return answer.body.decode()


async def enter(bench: Bench, who: str, unit: str, **more: Any) -> str:
    """The address of the new entry."""
    answer = await send(bench, "/odebrane/papier", who, **(PAPER | {"unit": unit} | more))
    assert answer.status == 303, answer.body.decode()
    return answer.headers["Location"].partition("?")[0]


async def test_rule_P11_the_page_judges_a_scan_and_a_link(bench: Bench) -> None:
    """Green with a link to the invoice, amber, red; the form's own mistakes are sentences."""
    number = await bench.receive(SCHOOL)
    sha256 = (await bench.spool.read(lambda s: s.received(number))).sha256
    green = await text(bench, "/odebrane/sprawdz", "ala", link=link(sha256))
    assert "verdict fine" in green
    assert f'href="/odebrane/{number}"' in green
    pdf = io.BytesIO(printed(link(sha256)))
    assert "verdict fine" in await text(bench, "/odebrane/sprawdz", "ala", file=pdf)
    assert "verdict look" in await text(bench, "/odebrane/sprawdz", "ala", link=f"{KOD1} {KOD2}")
    red = await text(bench, "/odebrane/sprawdz", "ala", link="https://ksef.example/invoice/<script>")
    assert "verdict alarm" in red
    assert "<script>" not in red.replace('<script src="/static/sluza.js"', "")
    assert "wybrać plik" in await text(bench, "/odebrane/sprawdz", "ala", link=" ")
    assert "To nie jest PDF" in await text(bench, "/odebrane/sprawdz", "ala", file=io.BytesIO(b"GIF89a"))
    assert "Nie ma tu" in await text(bench, "/odebrane/papier", "ala")


async def test_rule_P11_foreign_and_absent_are_the_same_page(bench: Bench) -> None:
    """I7: the accountant of another unit gets, to the letter, what stands there of an invoice that nobody has."""
    absent = await text(bench, "/odebrane/sprawdz", "ola", link=link("ab" * 32), number="FZ/1/2026")
    number = await bench.receive(SCHOOL)
    sha256 = (await bench.spool.read(lambda s: s.received(number))).sha256
    foreign = await text(bench, "/odebrane/sprawdz", "ola", link=link(sha256), number="FZ/1/2026")
    assert foreign.replace(link(sha256), "") == absent.replace(link("ab" * 32), "")
    assert number in await text(bench, "/odebrane/sprawdz", "kora", link=link(sha256))


async def test_rule_P11_a_file_that_is_too_big_is_turned_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, before anything opens it."""
    monkeypatch.setattr(scans, "LARGEST", 1000)
    assert "ponad" in await text(bench, "/odebrane/sprawdz", "ala", file=io.BytesIO(b"%PDF-" + b"x" * 2000))


async def test_rule_P10_a_unit_enters_and_sees_only_its_own(bench: Bench) -> None:
    """The scan comes back to the byte; for another unit there is no such entry, and no such scan."""
    scan = printed(KOD1, KOD2)
    path = await enter(bench, "ala", SCHOOL, file=io.BytesIO(scan))
    page = await text(bench, path, "ala")
    assert "czeka na KSeF" in page
    assert "Osoba ala (ala)" in page
    assert (await bench.admin(f"{path}/skan", who="ala")).body == scan
    for tail in ("", "/skan"):
        assert (await bench.admin(path + tail, who="ola")).status == 404
    foreign, absent = [await send(bench, f"/odebrane/papier/{n}/wycofaj", "ola", reason="x") for n in (1, 99)]
    assert (foreign.status, foreign.body) == (404, absent.body)
    assert "F/1" not in await text(bench, "/odebrane/papier", "ola")
    assert "F/1" in await text(bench, "/odebrane/papier", "nadzor")
    assert (await send(bench, "/odebrane/papier", "ola", **PAPER, unit=SCHOOL)).status == 404
    assert (await send(bench, "/odebrane/papier", "nadzor", **PAPER, unit=SCHOOL)).status == 403
    assert "już w rejestrze" in await text(bench, "/odebrane/papier", "ala", **PAPER, unit=SCHOOL, link=KOD1)


async def test_rule_D06_only_who_decides_for_the_town_overrides_the_lock(bench: Bench) -> None:
    """Under a name and with a reason; the unit may withdraw its own entry."""
    path = await enter(bench, "ala", SCHOOL, link=KOD1)
    assert "zezwol" not in await text(bench, path, "ala")
    assert (await send(bench, f"{path}/zezwol", "ala", reason="chcę")).status == 403
    assert "Brakuje powodu" in await text(bench, f"{path}/zezwol", "kora", reason=" ")
    assert (await send(bench, f"{path}/zezwol", "kora", reason="awaria")).status == 303
    assert "Osoba kora (kora) zezwala na księgowanie: awaria" in await text(bench, path, "ala")
    assert (await send(bench, f"{path}/wycofaj", "ala", reason="pomyłka")).status == 303
    assert "już zdecydowano" in await text(bench, f"{path}/wycofaj", "kora", reason="znowu")
    assert (await send(bench, f"{path}/cokolwiek", "kora", reason="x")).status == 404


async def test_rule_P10_the_duplicate_is_told_to_the_unit_and_to_no_other(bench: Bench) -> None:
    """On the paper and on the invoice; where they are of two units only people in charge see both."""
    number = await bench.receive(SCHOOL)
    more = {"number": "FZ/1/2026", "seller_nip": "7770001111", "issued": NOW.date().isoformat()}
    own = await enter(bench, "ala", SCHOOL, **more)
    other = await enter(bench, "ola", WELFARE, **more)
    assert "prawdopodobny duplikat" in await text(bench, own, "ala")
    assert f'href="{own}"' in await text(bench, f"/odebrane/{number}", "ala")
    assert f'href="{other}"' not in await text(bench, f"/odebrane/{number}", "ala")
    assert "do księgowania" in await text(bench, other, "ola")
    assert number not in await text(bench, other, "ola")
    assert number in await text(bench, other, "kora")
    assert f'href="{other}"' in await text(bench, f"/odebrane/{number}", "kora")
    assert "Wpisy: 1, 2" in await text(bench, "/", "kora")


async def test_rule_P07_the_card_of_a_unit(bench: Bench) -> None:
    """For its own people and for people in charge."""
    card = await bench.admin(f"/jednostki/{SCHOOL}/karta.pdf", who="ala")
    assert (card.status, card.body[:5]) == (200, b"%PDF-")
    assert (await bench.admin(f"/jednostki/{SCHOOL}/karta.pdf", who="ola")).status == 404
    assert f"/jednostki/{SCHOOL}/karta.pdf" in await text(bench, "/jednostki", "kora")
