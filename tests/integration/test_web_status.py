"""The admin listener: who may look, what the page says, that nothing on it is active or comes from outside."""

import base64
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.web.guard import Gate
from spool.domain.states import LABELS, State
from tests.http_bench import NOW, SCHOOL, TOKENS, WELFARE, Bench, municipality, running, school_invoice, welfare_invoice

EVENING = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
"""23:00 in Warsaw: an online invoice of that day is due in an hour."""
HOSTILE = "<script>alert(1)</script><img src=//evil.example onerror=x>\"'&{{7*7}}\u202e"


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


async def page(bench: Bench) -> Tags:
    """The status page."""
    answer = await bench.admin("/")
    assert answer.status == 200
    return Tags(answer.body)


async def set_condition(bench: Bench, name: str, value: dict[str, Any] | None, at: datetime = NOW) -> None:
    await bench.spool.write(lambda store: store.set_condition("gmina", name, value, at))


async def test_good_day(tmp_path: Path) -> None:
    """Nothing waits, KSeF answers: one green sentence."""
    async with running(tmp_path) as bench:
        await set_condition(bench, "reachable", {"ok": True})
        found = await page(bench)
        text = squeezed(found.text)
        assert "Wszystko w porządku. Kolejka jest pusta" in text
        assert ("section", {"class": "banner fine", "aria-labelledby": "verdict"}) in found.tags
        assert "działa od dziś 10:00" in text
        assert "PIASKOWNICA" in text


async def test_queue_by_due_date(tmp_path: Path) -> None:
    """Nearest deadline first, with unit, number, Warsaw time, time left, label and reason."""
    async with running(tmp_path) as bench:
        await set_condition(bench, "reachable", {"ok": True})
        later = await bench.post(school_invoice("SP1/7/2026"), query="?offline24=true")
        sooner = await bench.post(welfare_invoice("GOPS/3/2026"), unit=WELFARE)
        reason = "KSeF prosił o odczekanie."
        await bench.spool.write(
            lambda store: store.move(sooner.json["id"], State.WAITING, NOW, "agent", "x", reason=reason)
        )
        text = squeezed((await page(bench)).text)
        assert text.index("GOPS/3/2026") < text.index("SP1/7/2026")
        assert "Na numer KSeF czekają 2 faktury; najbliższy termin: dziś 23:59." in text
        assert "dziś 23:59 13 godz. GOPS/3/2026 Ośrodek Pomocy Społecznej czeka KSeF prosił o odczekanie." in text
        assert f"pon. 23.11, 23:59 3 dni SP1/7/2026 Szkoła Podstawowa nr 1 {LABELS[State.QUEUED]}" in text
        assert later.status == 202


async def test_near_and_passed_deadlines_colour_the_page(tmp_path: Path) -> None:
    """Two hours before: amber. After: red, and it stays the first sentence."""
    async with running(tmp_path, now=NOW) as bench:
        await bench.post(school_invoice())
    for now, tone, sentence in (
        (EVENING, "look", "Za mniej niż 2 godziny mija termin: 1 faktura bez numeru KSeF."),
        (EVENING + timedelta(hours=5), "alarm", "1 faktura jest po terminie przesłania do KSeF."),
    ):
        async with running_again(tmp_path, now) as bench:
            await set_condition(bench, "reachable", {"ok": True})
            found = await page(bench)
            assert f"banner {tone}" in str(found.tags)
            assert sentence in squeezed(found.text)


def running_again(directory: Path, now: datetime) -> Any:
    """The same spool at another time: its tokens are there already."""
    tokens, saved = dict(TOKENS), dict(TOKENS)
    del tokens
    TOKENS.clear()
    context = running(directory, now=now)

    class Restoring:
        async def __aenter__(self) -> Bench:
            bench = await context.__aenter__()
            TOKENS.update(saved)
            return bench

        async def __aexit__(self, *error: Any) -> None:
            await context.__aexit__(*error)

    return Restoring()


@pytest.mark.parametrize(
    ("name", "value", "tone", "sentence"),
    [
        ("paused", {"reason": "KSeF odrzucił certyfikat.", "hint": "Proszę go odnowić."}, "alarm",
         "Wysyłka „gmina” jest wstrzymana od dziś 10:00. KSeF odrzucił certyfikat. Proszę go odnowić."),
        ("reachable", {"ok": False, "detail": "Brak połączenia."}, "look", "KSeF nie odpowiada od dziś 10:00"),
        ("damaged:abc", {"document": "abc"}, "alarm", "Zapisana treść dokumentu abc jest uszkodzona"),
        ("reconcile_first", {"doubts": ["restored"], "reason": "Spool odtworzono z kopii zapasowej."}, "alarm",
         "Wysyłka „gmina” jest wstrzymana od dziś 10:00. Spool odtworzono z kopii zapasowej. Zostanie wznowiona po"),
        ("reconcile_first", {"doubts": ["other_machine"], "reason": "Spool działał dotąd na innym serwerze."}, "alarm",
         "Jeśli poprzedni serwer na pewno już nie działa, proszę uruchomić: sluza reconcile."),
        ("packages_fail", {"reason": "Nie rozpakowano."}, "look",
         "KSeF odrzucił ostatnią paczkę faktur w całości („gmina”, od dziś 10:00): idą pojedynczo, wolniej. Nie"),
        ("strange", {"detail": "KSeF odpowiedział kodem HTTP 404."}, "alarm",
         "KSeF odpowiada od dziś 10:00 inaczej, niż zna ta wersja Śluzy („gmina”)."),
        ("clock", {"seconds": -300}, "alarm", "Zegar tego serwera różni się od zegara KSeF o 300 s."),
        ("receive_failing", {"since": "x", "detail": "Brak uprawnień."}, "alarm",
         "Nie udaje się odbierać faktur zakupowych z KSeF („gmina”) od dziś 10:00. Brak uprawnień."),
    ],
)  # fmt: skip
async def test_conditions_are_told(tmp_path: Path, name: str, value: dict[str, Any], tone: str, sentence: str) -> None:
    """What the agent writes down about a context becomes a sentence and a colour."""
    async with running(tmp_path) as bench:
        await set_condition(bench, "reachable", {"ok": True})
        await set_condition(bench, name, value)
        found = await page(bench)
        assert f"banner {tone}" in str(found.tags)
        assert sentence in squeezed(found.text)


async def test_readyz_tells_of_a_lost_folder(tmp_path: Path) -> None:
    """What the folder watch wrote makes us not ready, and the sentence names the unit."""
    async with running(tmp_path) as bench:
        await bench.spool.write(lambda store: store.set_condition("", "folder:sp1", {"detail": "x"}, NOW))
        answer = await bench.admin("/readyz")
        assert (answer.status, answer.json["checks"]["folders"]) == (503, "unavailable")
        assert "Niedostępny folder: „sp1”." in " ".join(answer.json["findings"])


async def test_silent_agent_is_noticed(tmp_path: Path) -> None:
    """No word from the agent is not good news."""
    async with running(tmp_path) as bench:
        assert "Agent nie połączył się jeszcze z KSeF" in squeezed((await page(bench)).text)


@pytest.mark.parametrize("state", [State.HELD, State.UNKNOWN, State.CONFLICT])
async def test_documents_that_need_people_are_told(tmp_path: Path, state: State) -> None:
    """Held, unknown and conflicting documents stand in the banner."""
    async with running(tmp_path) as bench:
        await set_condition(bench, "reachable", {"ok": True})
        document_id = (await bench.post(school_invoice())).json["id"]
        path = {State.HELD: [], State.UNKNOWN: [State.SENDING], State.CONFLICT: [State.SENDING, State.SUBMITTED]}
        for step in (*path[state], state):
            await bench.spool.write(lambda store, s=step: store.move(document_id, s, NOW, "agent", "x"))  # type: ignore[misc]
        found = await page(bench)
        assert "banner fine" not in str(found.tags)
        assert squeezed(found.text).count("1 faktura") >= 1


async def test_received_and_units(tmp_path: Path) -> None:
    """The newest purchases, the count in the central tray, all units."""
    async with running(tmp_path) as bench:
        for serial in range(1, 10):
            await bench.receive(None if serial % 3 else SCHOOL, serial)
        text = squeezed((await page(bench)).text)
        assert "W tacce centralnej: 6 faktur do przydzielenia." in text
        assert text.index("FZ/9/2026") < text.index("FZ/8/2026") < text.index("FZ/4/2026")
        assert "FZ/3/2026" not in text
        assert "Ośrodek Pomocy Społecznej gops · 5080014460-00024" in text


async def test_long_queue_is_shortened(tmp_path: Path) -> None:
    """Fifty rows, and how many there are beside them."""
    async with running(tmp_path) as bench:
        for n in range(53):
            await bench.post(school_invoice(f"SP1/{n}/2026"))
        found = await page(bench)
        assert sum(tag == "tr" for tag, _ in found.tags) == 51
        assert "Na liście nie ma jeszcze 3 o późniejszych terminach." in squeezed(found.text)


async def test_fault_X12_hostile_values_are_only_text(tmp_path: Path) -> None:
    """From invoice, file name, KSeF's answer and configuration: no tag, no handler, no template, no direction mark."""
    town = municipality()
    town.units["x"] = town.units[SCHOOL].__class__("x", HOSTILE, "gmina")
    async with running(tmp_path, town=town) as bench:
        answer = await bench.post(school_invoice(HOSTILE.replace("\u202e", "")))
        assert answer.status == 202
        await set_condition(bench, "paused", {"reason": HOSTILE, "hint": HOSTILE})
        await bench.spool.write(lambda store: store.touch(answer.json["id"], NOW, reason=HOSTILE))
        found = await page(bench)
        assert not {"iframe", "object", "embed", "base"} & {tag for tag, _ in found.tags}
        assert [a.get("src") for t, a in found.tags if t == "script"] == ["/static/sluza.js"]
        assert [a.get("action") for t, a in found.tags if t == "form"] == ["/jezyk", "/wyloguj"]
        assert [a for t, a in found.tags if t == "img"] == [
            {"src": "/static/sluza.svg", "alt": "", "width": "36", "height": "36"}
        ]
        assert not any(name.startswith("on") or name == "style" for _, attrs in found.tags for name in attrs)
        assert "<script>alert(1)</script>" in found.text
        assert "{{7*7}}" in found.text
        assert "\u202e" not in found.text


async def test_fault_X12_hostile_values_are_only_text_in_english(tmp_path: Path) -> None:
    """What is put into a translated sentence is text as well."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice(HOSTILE.replace("\u202e", "")))
        await set_condition(bench, "paused", {"reason": HOSTILE, "hint": HOSTILE})
        cookie = {"Cookie": f"sluza={bench.cookies['admin']}; sluza-jezyk=en"}
        for path in ("/", f"/faktury?szukaj={quote(HOSTILE)}", "/faktury"):
            found = Tags((await bench.admin(path, cookie)).body)
            assert not {"iframe", "object", "embed", "base"} & {tag for tag, _ in found.tags}
            assert [a.get("src") for t, a in found.tags if t == "script"] == ["/static/sluza.js"]
            assert not any(name.startswith("on") or name == "style" for _, attrs in found.tags for name in attrs)


async def test_nothing_comes_from_outside(tmp_path: Path) -> None:
    """Every link of the page is ours and is served; no script but our file; it refreshes by itself."""
    async with running(tmp_path) as bench:
        answer = await bench.admin("/")
        found = Tags(answer.body)
        links = [v for _, attrs in found.tags for k, v in attrs.items() if k in {"src", "href"} and v]
        assert {"/static/sluza.css", "/static/sluza.svg", "/static/sluza.js", "/faktury"} <= set(links)
        assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
        for link in {link for link in links if link.startswith("/")}:
            assert (await bench.admin(link)).status == 200
        css = (await bench.admin("/static/sluza.css")).body.decode()
        assert "url(" not in css
        assert "@import" not in css
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert ("meta", {"http-equiv": "refresh", "content": "30"}) in found.tags


async def test_page_is_accessible(tmp_path: Path) -> None:
    """Polish, one h1, every section named by its heading, table headers with scope, pictures silent or described."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice())
        found = await page(bench)
        names = [tag for tag, _ in found.tags]
        assert ("html", {"lang": "pl"}) in found.tags
        assert names.count("h1") == names.count("main") == 1
        ids = {attrs["id"] for _, attrs in found.tags if "id" in attrs}
        assert all(attrs.get("aria-labelledby") in ids for tag, attrs in found.tags if tag == "section")
        assert all("scope" in attrs for tag, attrs in found.tags if tag == "th")
        assert all(attrs.get("aria-hidden") == "true" for tag, attrs in found.tags if tag == "svg")
        assert all("alt" in attrs for tag, attrs in found.tags if tag == "img")


def contrast(one: str, other: str) -> float:
    """WCAG contrast of two colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_have_enough_contrast() -> None:
    """At least 4.5:1 for every text colour on every ground it stands on, in both schemes."""
    css = (Path(__file__).resolve().parents[2] / "gateway/web/static/sluza.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        pairs = [("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("deep", "paper")]
        pairs += [
            (f, g) for t in ("fine", "look", "alarm") for f, g in ((t, "card"), (t, f"{t}-wash"), ("ink", f"{t}-wash"))
        ]
        pairs.append(("card", "deep"))
        assert all(contrast(colours[f], colours[g]) >= 4.5 for f, g in pairs), [
            (f, g, round(contrast(colours[f], colours[g]), 2)) for f, g in pairs
        ]


async def test_dns_rebinding_is_refused(tmp_path: Path) -> None:
    """On loopback only the names of loopback are answered; a rebound name is 421, before anything is read."""
    async with running(tmp_path) as bench:
        for host in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
            for port in ("", f":{bench.admin_port}", ":9999"):
                assert (await bench.admin("/readyz", {"Host": host + port})).status == 200
        for host in (
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:1@evil",
            "10.0.0.1",
        ):
            for path in ("/", "/readyz", "/metrics", "/nothing"):
                assert (await bench.admin(path, {"Host": host})).status == 421


async def test_beyond_loopback_the_token_decides(tmp_path: Path) -> None:
    """For programs: Basic for user admin, or Bearer; everything else is 401 with a challenge; then 429."""
    token = "admin-token-0123456789"
    async with running(tmp_path, gate=Gate(token, open_on_loopback=False)) as bench:

        def basic(user: str, password: str) -> dict[str, str]:
            return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

        assert (await bench.admin("/metrics", basic("admin", token))).status == 200
        assert (await bench.admin("/readyz", {"Authorization": f"Bearer {token}"})).status == 200
        wrong = (
            {}, basic("admin", "x"), basic("root", token), {"Authorization": "Basic !!!"}, {"Authorization": "Bearer "},
            {"Authorization": token}, {"Authorization": f"Bearer {TOKENS[SCHOOL]}"},
        )  # fmt: skip
        for headers in wrong:
            answer = await bench.admin("/readyz", headers)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        statuses = {(await bench.admin(p)).status for p in ("/readyz", "/metrics") * 6}
        assert statuses == {401, 429}
        assert (await bench.admin("/readyz", basic("admin", token))).status == 200
        assert (await bench.admin("/", basic("admin", token), who=None)).status == 303  # people have accounts


async def test_without_a_token_file_nobody_from_elsewhere(tmp_path: Path) -> None:
    """No token configured: an empty one opens nothing (X17)."""
    async with running(tmp_path, gate=Gate(None, open_on_loopback=False)) as bench:
        for headers in (
            {},
            {"Authorization": "Bearer "},
            {"Authorization": "Basic " + base64.b64encode(b"admin:").decode()},
        ):
            assert (await bench.admin("/metrics", headers)).status == 401


async def test_everything_is_read_only(tmp_path: Path) -> None:
    """No method but GET and HEAD, and a GET leaves the spool as it was (X19)."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice())
        before = await bench.spool.read(
            lambda store: store._db.execute("SELECT max(seq) AS n FROM event").fetchone()["n"]
        )
        for path in ("/", "/readyz", "/metrics", "/static/sluza.css", "/static/sluza.svg"):
            assert (await bench.admin(path)).status == 200
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                assert (await bench.admin(path, method=method)).status == 405
        after = await bench.spool.read(
            lambda store: store._db.execute("SELECT max(seq) AS n FROM event").fetchone()["n"]
        )
        assert before == after
        for path in ("/static/../app.py", "/static/", "/static/%2e%2e/app.py", "/templates/status.html"):
            assert (await bench.admin(path)).status == 404


async def test_readyz_has_details(tmp_path: Path) -> None:
    """200 with what was looked at; 503 when folders or spool are not there."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice())
        answer = await bench.admin("/readyz")
        assert answer.status == 200
        assert answer.json["checks"] == {"folders": "ok", "spool": "ok", "disk": "ok"}
        assert (answer.json["waiting"], answer.json["states"]) == (1, {"QUEUED": 1})
        shutil.rmtree(tmp_path / "folders")
        answer = await bench.admin("/readyz")
        assert (answer.status, answer.json["checks"]["folders"]) == (503, "unavailable")


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    """Every line is a comment or a sample; counts by state, nearest due date, received total."""
    async with running(tmp_path) as bench:
        await bench.post(school_invoice())
        await bench.receive(None)
        answer = await bench.admin("/metrics")
        text = answer.body.decode()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert all(
            re.fullmatch(r'# (HELP|TYPE) .+|\w+(\{(\w+="[\w-]+",?)+\})? -?\d+', line) for line in text.splitlines()
        )
        assert 'sluza_documents{state="QUEUED"} 1' in text
        assert "sluza_received_total 1" in text
        assert 'sluza_http_requests_total{status="202"} 1' in text
        assert "sp1" not in text
        assert f"sluza_nearest_due_seconds {datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC).timestamp():.0f}" in text
