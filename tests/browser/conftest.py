"""One browser and one camera for a module; a house and its visitors where a module asks for them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.house import Day, House, house, usual_day
from tests.browser.visitor import Camera, Visits, chromium, visits_to


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def camera() -> Camera:
    """Saves pictures where SLUZA_PICTURES says; `python -m tests.browser.pictures` sets it."""
    given = os.environ.get("SLUZA_PICTURES")
    return Camera(Path(given) if given else None)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The pages of the usual town."""
    with house(tmp_path_factory.mktemp("house")) as started:
        yield started


@pytest.fixture(scope="module")
def day(home: House) -> Day:
    """Its usual day."""
    return home.do(usual_day(home.bench))


@pytest.fixture
def visits(browser: Browser, home: House) -> Iterator[Visits]:
    """Visitors of the usual town; whatever a page does wrong fails the test."""
    with visits_to(browser, home.origin) as opened:
        yield opened
