"""One sandbox for all kills, a town for each test, and disks in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FEW_IMAGES
from tests.crash.town import Town
from tests.integration.agent_rig import Sandbox, running_sandbox

_A_DAY_S = 24 * 3600
"""The most for a test that was asked to try everything."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What holds for a few by chance is no limit for a whole sweep."""
    if config.getoption("--crash-all") or config.getoption("--crash-images") > FEW_IMAGES:
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.timeout(_A_DAY_S), append=False)


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


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory in memory where there is one: nobody pulls the plug of this machine."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="sluza-") as made:
        yield Path(made)
