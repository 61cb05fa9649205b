"""Options of the tests that try chance: how much of it, and the same again."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--crash-images 20000` for a night; `--crash-seed` as printed by a run that failed."""
    group = parser.getgroup("crash")
    group.addoption("--crash-images", type=int, default=300, help="disks to boot after a loss of power")
    group.addoption("--crash-seed", type=int, default=0, help="the seed that a failed run printed")
    group.addoption("--crash-all", action="store_true", help="every operation with every error")
