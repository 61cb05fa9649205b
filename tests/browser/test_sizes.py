"""Every page on a telephone, at a desk, on a big monitor: nothing to push sideways, nothing over anything else."""

import pytest

from tests.browser.house import Day, House, warned
from tests.browser.visitor import DESK, PHONE, WALL, Camera, Visits

_SMALLEST_PX = 11.5

LOOKS_WRONG = """
() => {
  const wrong = [], texts = [], root = document.documentElement, width = root.clientWidth;
  if (root.scrollWidth > width) wrong.push(`wider than the window: ${root.scrollWidth}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const holder = node.parentElement, text = node.textContent.trim();
    if (!text || holder.closest("script, noscript, title, option, .skip, .unseen")) continue;
    if (!holder.checkVisibility()) continue;
    const thead = holder.closest("thead");
    if (thead && getComputedStyle(thead).position === "absolute") continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const scale = holder.ownerSVGElement ? holder.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(holder).fontSize) * scale;
    if (size < SMALLEST) wrong.push(`too small (${size.toFixed(1)} px): ${text.slice(0, 40)}`);
    for (const box of range.getClientRects()) {
      if (box.width < 1) continue;
      const scrolls = holder.closest(".timeline");
      if (!scrolls && (box.right > width + 1 || box.left < -1)) wrong.push(`outside: ${text.slice(0, 40)}`);
      texts.push({ node, text, left: box.left, right: box.right, top: box.top, bottom: box.bottom });
    }
  }
  for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
    const a = texts[i], b = texts[j];
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (a.node !== b.node && across > 2 && down > 5) wrong.push(`over each other: ${a.text} | ${b.text}`);
  }
  return wrong;
}
""".replace("SMALLEST", str(_SMALLEST_PX))
"""Two lines of one paragraph may touch by the height of their letters' tails; anything more is one text on another."""

IN_THE_EVENING = "() => { document.querySelector('.clock time').textContent = 'pt. 20.11.2026, 21:00:05'; }"
"""The house's clock stands still at ten; the picture is of the evening, when the warnings were raised."""

PAGES = {
    "przeglad": "/",
    "wysylane": "/faktury",
    "odrzucona": "/faktury/{refused}",
    "konflikt": "/faktury/{disputed}",
    "pytanie": "/faktury/{waiting}/zrob/withdraw",
    "odebrane": "/odebrane",
    "odebrana": "/odebrane/{received}",
    "spoza-ksef": "/odebrane/papier",
    "papier": "/odebrane/papier/{paper}",
    "sprawdz": "/odebrane/sprawdz",
    "rejestry": "/rejestry",
    "alarmy": "/alarmy",
    "awarie": "/awarie",
    "jednostki": "/jednostki",
    "certyfikaty": "/certyfikaty",
    "ustawienia": "/ustawienia",
    "historia": "/historia",
    "konta": "/konta",
    "haslo": "/haslo",
    "kody": "/kody",
    "nie-ma": "/takiej-strony-nie-ma",
}


@pytest.mark.parametrize("size", [PHONE, DESK, WALL], ids=["360", "1280", "2560"])
def test_every_page_fits(visits: Visits, home: House, day: Day, camera: Camera, size: tuple[int, int]) -> None:
    """Nothing goes beyond the window, no text lies on another one or is too small to read; the door included."""
    stranger = visits.somebody(size=size)
    stranger.go("/logowanie")
    person = visits.somebody(cookie=home.cookie("admin"), size=size)
    home.do(warned(home.bench))
    wrong = {"logowanie": stranger.page.evaluate(LOOKS_WRONG)}
    for name, path in PAGES.items():
        person.go(path.format(**day.documents, received=day.received[None]))
        person.page.wait_for_load_state("load")
        wrong[name] = person.page.evaluate(LOOKS_WRONG)
        if size == PHONE and name in {"przeglad", "odrzucona"}:
            camera.take(person.page, f"telefon-{name}")
        if size == DESK and name == "alarmy":
            person.page.evaluate(IN_THE_EVENING)
            camera.take(person.page, name)
    assert {name: found for name, found in wrong.items() if found} == {}
