"""People in front of a headless Chromium that reaches nothing but this machine, and whose every page is watched."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from gateway.web import switch

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
PHONE, DESK, WALL = (360, 740), (1280, 800), (2560, 1300)
"""A telephone, a desk, a big monitor on a wall: width and height in CSS pixels."""
_STOPS = 250
"""So many times Tab is pressed before we say that something cannot be reached with it."""
_IMAGES_ARE_THERE = """() => Promise.all([...document.images].map(
  (image) => image.complete || new Promise((done) => image.addEventListener("load", done, { once: true }))))"""
_NOTE_OF_STATUS = "Failed to load resource"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own browser; skips without it, except under CI, where it must be there."""
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {CHROMIUM} (apt: chromium)")
        pytest.skip(f"{CHROMIUM} not installed (apt: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What no page of ours may do: say an error on the console, open a dialog, ask for anything elsewhere."""

    def __init__(self, context: BrowserContext) -> None:
        self.wrong: list[str] = []
        self._own: set[str] = set()
        context.on("request", lambda request: self._asked(request.url, request.is_navigation_request()))
        context.on("weberror", lambda error: self.wrong.append(f"script: {error.error}"))
        context.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("console", lambda message: self._said(message.type, message.text, message.location["url"]))

    def _asked(self, url: str, navigation: bool) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            self.wrong.append(f"asked for {url}")
        if navigation:
            self._own.add(url)

    def _said(self, kind: str, text: str, url: str) -> None:
        # A page that answers 4xx tells the person what is wrong; the browser's note about its status is no error.
        if kind in {"error", "warning"} and not (text.startswith(_NOTE_OF_STATUS) and url in self._own):
            self.wrong.append(f"console: {text} ({url})")


class Person:
    """Somebody at one of our pages, with a mouse or, if `keys`, with nothing but a keyboard.

    Things are found as people find them: by label, by role and name.
    """

    def __init__(self, page: Page, origin: str, *, keys: bool = False) -> None:
        self.page, self.origin, self.keys = page, origin, keys

    def go(self, path: str) -> None:
        """Type an address."""
        self.page.goto(self.origin + path)

    def see(self, text: str | re.Pattern[str], within: str = "main") -> None:
        """Wait until this text is on the page."""
        self.page.locator(within).get_by_text(text).first.wait_for()

    def link(self, name: str, within: str = "body") -> None:
        """Follow a link."""
        self._press(self.page.locator(within).get_by_role("link", name=name, exact=True).first, "Enter")

    def button(self, name: str) -> None:
        """Press a button."""
        self._press(self.page.get_by_role("button", name=name, exact=True).first, "Enter")

    def unfold(self, name: str) -> None:
        """Open what is folded under this line."""
        self._press(self.page.locator("summary").filter(has_text=name).first, "Enter")

    def write(self, label: str, text: str) -> None:
        """Fill in a field."""
        field = self.page.get_by_label(label, exact=True)
        if not self.keys:
            field.fill(text)
            return
        self.reach(field)
        if field.get_attribute("type") in {"datetime-local", "file"}:
            field.fill(text)  # typing into these depends on the language of the browser
        else:
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(text)

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        field = self.page.get_by_label(label, exact=True)
        if self.keys:
            self.reach(field)
            self.page.keyboard.type(option)
            assert field.locator("option:checked").inner_text() == option
        else:
            field.select_option(label=option)

    def tick(self, label: str) -> None:
        """Tick a box."""
        self._press(self.page.get_by_label(label, exact=True), "Space")

    def sign_in(self, login: str, password: str, code: str = "") -> None:
        """Through the door."""
        self.go("/logowanie")
        self.write("Login", login)
        self.write("Hasło", password)
        if code:
            self.write("Kod jednorazowy", code)
        self.button("Zaloguj")

    def reach(self, target: Locator) -> None:
        """Press Tab until the focus is there."""
        target.wait_for()
        for _ in range(_STOPS):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {target}")

    def _press(self, target: Locator, key: str) -> None:
        if self.keys:
            self.reach(target)
            self.page.keyboard.press(key)
        else:
            target.click()


class Visits:
    """Opens the browser for one person after another, each with cookies of their own, and watches all of them."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser, self.origin = browser, origin
        self._open: list[tuple[BrowserContext, Watch]] = []

    def somebody(
        self,
        *,
        cookie: str = "",
        keys: bool = False,
        size: tuple[int, int] = DESK,
        dark: bool = False,
        scripts: bool = True,
        language: str = "",
    ) -> Person:
        """A new person; with the `cookie` of a session already in, with a `language` that was chosen before."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="pl-PL", timezone_id="Europe/Warsaw",
            color_scheme="dark" if dark else "light", java_script_enabled=scripts,
        )  # fmt: skip
        context.set_default_timeout(20_000)
        if cookie:
            context.add_cookies([{"name": "sluza", "value": cookie, "url": self.origin}])
        if language:
            context.add_cookies([{"name": switch.COOKIE, "value": language, "url": self.origin}])
        self._open.append((context, Watch(context)))
        return Person(context.new_page(), self.origin, keys=keys)

    def end(self) -> list[str]:
        """Everybody leaves; what was wrong on any of their pages."""
        wrong: list[str] = []
        for context, watch in self._open:
            context.close()
            wrong += watch.wrong
        self._open = []
        return wrong


@contextmanager
def visits_to(browser: Browser, origin: str) -> Iterator[Visits]:
    """Visits whose end fails the test when any page did what it must not."""
    visits = Visits(browser, origin)
    try:
        yield visits
    finally:
        wrong = visits.end()
    assert wrong == []


class Camera:
    """Takes the pictures of the manual while the tests walk by; without a directory it takes none."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def take(self, page: Page, name: str) -> None:
        """What the window shows now."""
        if self.directory is not None:
            page.evaluate(_IMAGES_ARE_THERE)
            page.screenshot(path=self.directory / f"{name}.png")
