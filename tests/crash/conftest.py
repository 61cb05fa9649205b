"""One sandbox for all kills, and a town for each test."""

from collections.abc import Iterator

import pytest

from tests.crash.town import Town
from tests.integration.agent_rig import Sandbox, running_sandbox


@pytest.fixture(scope="session", name="sandbox")
def sandbox_fixture() -> Iterator[Sandbox]:
    """The simulator, which nobody kills."""
    with running_sandbox() as box:
        box.switch(rate_limits="off")
        yield box


@pytest.fixture(name="town", scope="module")
def town_fixture(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Folders, a spool and two programs, not started yet: one town for a module."""
    made = Town(tmp_path_factory.mktemp("town"), sandbox)
    yield made
    made.close()
